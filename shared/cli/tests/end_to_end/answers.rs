//! The command's answers to questions: found by what the person knows, or not at all, which a script can tell.

use super::{
    aws::{aws, setting},
    cloud::Shop,
    command::throughline,
    messages::{place_order, unique, with},
};
use serde_json::{Value, json};
use throughline_operations::DeadLetterQueue;

#[tokio::test]
async fn a_line_is_found_by_what_it_is_about() {
    let shop = Shop::open().await;
    let (sku, order, line) = (shop.stock(10).await, unique("about"), unique("about-line"));
    let asked =
        with(with(place_order(&order, &sku, &json!(1)), "id", json!(line)), "correlationid", json!(line));
    shop.send(&asked).await;
    shop.line_when_over(&line).await;
    let found = throughline(&["trace", "--subject", &order, "--no-logs", "--json"]);
    assert!(found.is_success, "{}", found.errors);
    assert_eq!(found.json()["correlation_id"], line.as_str());

    // The same number a second time: a line of its own, and no effects that the first one had.
    let again = unique("about-again");
    let asked =
        with(with(place_order(&order, &sku, &json!(-1)), "id", json!(again)), "correlationid", json!(again));
    shop.send(&asked).await;
    shop.dead_letter(&again).await;
    let found = throughline(&["trace", "--subject", &order, "--no-logs", "--json"]);
    assert!(!found.is_success && found.errors.contains("2 lines are about"), "{}", found.errors);
    let listed = found.json();
    let lines: Vec<&Value> =
        listed["lines"].as_array().unwrap().iter().map(|it| &it["correlation_id"]).collect();
    assert!(lines.contains(&&json!(line)) && lines.contains(&&json!(again)), "{listed}");
    throughline(&["dlq", "purge", "--id", &again, "--yes"]);
}

#[tokio::test]
async fn what_nobody_knows_ends_with_another_status_than_what_was_found() {
    let _shop = Shop::open().await;
    let unknown = unique("unheard-of");
    for arguments in [
        &["trace", "--no-logs", &unknown][..],
        &["trace", "--no-logs", "--json", &unknown],
        &["trace", "--subject", &unknown],
        &["dlq", "show", &unknown],
        &["logs", &unknown],
        &["logs", "--function", &unknown],
        &["metrics", "--handler", &unknown],
    ] {
        let said = throughline(arguments);
        assert!(!said.is_success && said.errors.contains(&unknown), "{arguments:?}: {}", said.errors);
    }
    let tree = throughline(&["trace", "--no-logs", "--json", &unknown]).json();
    assert_eq!((&tree["correlation_id"], &tree["tree"]), (&json!(unknown), &json!([])));
}

#[tokio::test]
async fn a_function_logs_what_it_says_about_an_order_and_others_do_not() {
    let shop = Shop::open().await;
    let (sku, order) = (shop.stock(10).await, unique("logged"));
    shop.send(&place_order(&order, &sku, &json!(1))).await;
    shop.line_when_over(&order).await;
    let said = throughline(&["logs", "--function", "place-order", &order]);
    assert!(said.is_success && said.output.contains(&order), "{}", said.errors);
    let said =
        throughline(&["logs", "--function", "relay-outbox", "--function", "place-order", &order, "--json"]);
    let first: Value = serde_json::from_str(said.output.lines().next().unwrap()).unwrap();
    assert!(first.to_string().contains(&order), "{first}");
}

/// The queue is none of the shop's: all of its letters are of one message group.
#[tokio::test]
async fn what_a_fifo_queue_keeps_behind_others_is_counted() {
    let shop = Shop::open().await;
    let name = format!("{}.fifo", unique("letters"));
    let created = aws(&["sqs", "create-queue", "--queue-name", &name, "--attributes", "FifoQueue=true"]);
    let url = created["QueueUrl"].as_str().unwrap().to_owned();
    let sqs = shop.stack.clients.sqs().await;
    for number in 0..26 {
        let body = json!({ "number": number }).to_string();
        let sent = sqs.send_message().queue_url(&url).message_body(body).message_group_id("g-1");
        sent.message_deduplication_id(format!("d-{number}")).send().await.expect("it is taken");
    }
    let look = DeadLetterQueue::new(sqs.clone(), &*url).look(usize::MAX, |_| ()).await.unwrap();
    assert!(
        !look.is_sample && look.letters.len() < 26,
        "{} at {}",
        look.letters.len(),
        setting("AWS_ENDPOINT_URL")
    );
    assert_eq!(look.letters.len() as u64 + look.behind, 26);
    assert_eq!(look.groups(), ["g-1"]);
    aws(&["sqs", "delete-queue", "--queue-url", &url]);
}
