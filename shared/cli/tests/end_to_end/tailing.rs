//! Events as they pass, and what is left of looking at them: nothing.

use super::{
    aws::aws,
    cloud::{Shop, until},
    command::{Running, throughline},
    messages::{place_order, unique},
};
use serde_json::{Value, json};

/// The rules and queues of taps, by name.
fn taps(shop: &Shop) -> Vec<String> {
    let bus = shop.stack.output("EventBus").unwrap();
    let prefix = "throughline-tail-";
    let rules = aws(&["events", "list-rules", "--event-bus-name", bus, "--name-prefix", prefix]);
    let queues = aws(&["sqs", "list-queues", "--queue-name-prefix", prefix]);
    let names = rules["Rules"].as_array().into_iter().flatten().map(|rule| rule["Name"].clone());
    let urls = queues["QueueUrls"].as_array().into_iter().flatten().cloned();
    names.chain(urls).map(|name| name.as_str().unwrap_or_default().to_owned()).collect()
}

#[tokio::test]
async fn a_tail_shows_a_line_s_events_in_the_order_of_their_times_and_leaves_nothing() {
    let shop = Shop::open().await;
    let sku = shop.stock(5).await;
    let [wanted, other] = ["tailed", "not-tailed"].map(unique);
    let mut tail = Running::start(&["tail", "--correlation-id", &wanted, "--json", "--data"]);
    tail.noted("tapping the bus");
    assert_eq!(taps(&shop).len(), 2, "a rule and a queue");
    shop.send(&place_order(&other, &sku, &json!(1))).await;
    shop.send(&place_order(&wanted, &sku, &json!(1))).await;
    let seen: Vec<Value> = (0..3).map(|_| tail.line()).collect();
    let types: Vec<&str> = seen.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["order.placed", "stock.reserved", "order.confirmed"]);
    assert!(
        seen.iter().all(|event| event["correlation_id"] == *wanted && event["data"].is_object()),
        "{seen:?}"
    );
    assert!(seen.is_sorted_by_key(|event| event["time"].as_str().unwrap().to_owned()), "{seen:?}");
    tail.signal("INT");
    let said = tail.end();
    assert!(
        said.is_success && said.errors.contains("3 events; the rule and the queue are removed"),
        "{}",
        said.errors
    );
    assert_eq!(taps(&shop), [""; 0]);
    shop.line_when_over(&other).await;
}

#[tokio::test]
async fn a_tail_ends_after_as_many_events_of_its_types_as_it_was_asked_for() {
    let shop = Shop::open().await;
    let sku = shop.stock(5).await;
    let order = unique("counted");
    let mut tail = Running::start(&["tail", "--type", "stock.*", "--count", "1", "--json"]);
    tail.noted("tapping the bus");
    shop.send(&place_order(&order, &sku, &json!(1))).await;
    assert_eq!(tail.line()["type"], "stock.reserved");
    let said = tail.end();
    assert!(said.is_success && said.output.is_empty(), "{}", said.output);
    assert_eq!(taps(&shop), [""; 0]);
    shop.line_when_over(&order).await;
}

/// The name of a tap's rule, whose UUID says that it was made in 2024.
const MADE_LONG_AGO: &str = "throughline-tail-018cc251f40070008000000000000000";

#[tokio::test]
async fn a_tail_that_fails_leaves_nothing_and_the_next_removes_what_a_killed_one_left() {
    let shop = Shop::open().await;
    let mut failing = Running::start(&["tail"]);
    failing.noted("tapping the bus");
    let queue = taps(&shop).into_iter().find(|name| name.contains('/')).expect("a queue has a URL");
    aws(&["sqs", "delete-queue", "--queue-url", &queue]);
    let said = failing.end();
    assert!(!said.is_success && said.errors.contains("cannot be read"), "{}", said.errors);
    assert_eq!(taps(&shop), [""; 0]);

    let mut killed = Running::start(&["tail"]);
    killed.noted("tapping the bus");
    killed.signal("KILL");
    assert!(!killed.end().is_success);
    let left = taps(&shop);
    assert_eq!(left.len(), 2);
    // It is too young to be known as left behind: somebody may be looking.
    assert!(throughline(&["tail", "--for", "1s"]).is_success);
    assert_eq!(taps(&shop), left);
    let bus = shop.stack.output("EventBus").unwrap();
    for name in &left {
        if name.contains('/') {
            aws(&["sqs", "delete-queue", "--queue-url", name]);
        } else {
            aws(&["events", "remove-targets", "--rule", name, "--event-bus-name", bus, "--ids", "queue"]);
            aws(&["events", "delete-rule", "--name", name, "--event-bus-name", bus]);
        }
    }

    let pattern = r#"{"source":["nobody"]}"#;
    aws(&[
        "events",
        "put-rule",
        "--name",
        MADE_LONG_AGO,
        "--event-bus-name",
        bus,
        "--event-pattern",
        pattern,
    ]);
    let said = throughline(&["tail", "--for", "1s"]);
    assert!(said.is_success && said.errors.contains("which another tail left"), "{}", said.errors);
    until("nothing is left", async || taps(&shop).is_empty().then_some(())).await;
}
