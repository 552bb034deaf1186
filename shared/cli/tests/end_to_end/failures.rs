//! Messages that cannot be handled wait, or lie in a dead-letter queue with their reason; they are never lost, and
//! never hold up the others.

use super::{
    cloud::{Shop, until},
    messages::{decide_order, order_confirmed, order_placed, place_order, stock_reserved, unique, with},
    traps::Trick,
};
use serde_json::{Value, json};

#[tokio::test]
async fn a_bad_order_lies_in_the_dead_letter_queue_with_its_reason() {
    let shop = Shop::open().await;
    let sku = shop.stock(2).await;
    for (name, quantity, error_type, reason) in [
        ("malformed", json!("two"), "MalformedData", "expected i64"),
        ("negative", json!(-1), "BadOrder", "-1"),
    ] {
        let order = unique(name);
        let body = place_order(&order, &sku, &quantity).to_string();
        shop.send_to("PlaceOrder", &body).await;
        let line = shop.line_where(&order, "is rejected", |line| !line.dead_letters.is_empty()).await;
        let (queue, letter) = &line.dead_letters[0];
        assert_eq!((queue.as_str(), &letter.body), ("PlaceOrderDeadLetterQueue", &body));
        assert_eq!(letter.attribute("ErrorType"), Some(error_type));
        assert!(
            letter.attribute("ErrorMessage").is_some_and(|message| message.contains(reason)),
            "{letter:?}"
        );
        assert_eq!(letter.attribute("Handler"), Some("place-order"));
        assert_eq!(letter.attribute("Attempts"), Some("1"));
        assert!(line.recorded.messages.is_empty() && line.recorded.claims.is_empty());
    }
    let noise = unique("noise");
    shop.send_to("PlaceOrder", &noise).await;
    let (_, letter) = shop.dead_letter(&noise).await;
    assert_eq!(
        (letter.body.as_str(), letter.attribute("ErrorType")),
        (noise.as_str(), Some("MalformedBody"))
    );
}

/// A later deployment may know it. Until then it waits longer each time; on its last receive the function
/// itself gives it up, with the reason that SQS would not know.
#[tokio::test]
async fn a_message_of_a_newer_version_is_tried_five_times_and_then_given_up() {
    let shop = Shop::open().await;
    let sku = shop.stock(2).await;
    let [command, placed, confirmed, decided] =
        ["command", "placed", "confirmed", "decided"].map(|name| unique(&format!("newer-{name}")));
    let messages = [
        ("PlaceOrder", "place-order", &command, place_order(&command, &sku, &json!(1))),
        ("ReserveStock", "reserve-stock", &placed, order_placed(&placed, &placed, &sku)),
        ("NotifyCustomer", "notify-customer", &confirmed, order_confirmed(&confirmed, &confirmed)),
        ("ApproveOrder", "approve-order", &decided, decide_order(&decided, "nobody", None)),
    ];
    let earlier = messages.each_ref().map(|(function, ..)| back_offs(&shop, function).len());
    for (function, _, _, message) in &messages {
        shop.send_to(function, &with(message.clone(), "schemaversion", json!(99)).to_string()).await;
    }
    for ((function, handler, id, _), earlier) in messages.iter().zip(earlier) {
        let line = shop.line_where(id, "is given up", |line| !line.dead_letters.is_empty()).await;
        assert_eq!(line.dead_letters.len(), 1, "{line}");
        let (queue, letter) = &line.dead_letters[0];
        assert_eq!(*queue, format!("{function}DeadLetterQueue"));
        let said = ["ErrorType", "Attempts", "Handler"].map(|name| letter.attribute(name));
        assert_eq!(said, [Some("NewerVersion"), Some("5"), Some(*handler)]);
        assert!(line.recorded.claims.is_empty() && line.recorded.messages.is_empty(), "{line}");
        let waits = back_offs(&shop, function).split_off(earlier);
        assert_eq!(waits.len(), 4, "{function} set the wait after each receive but the last: {waits:?}");
        let most = [2, 4, 8, 16];
        assert!(
            waits.iter().zip(most).all(|(wait, most)| *wait <= most),
            "{function}: {waits:?} of {most:?}"
        );
    }
    shop.quiet().await;
}

/// The waits, in seconds, that a function has set for its messages.
fn back_offs(shop: &Shop, function: &str) -> Vec<u64> {
    let requests = shop.requests(function, "ChangeMessageVisibilityBatch", "");
    let waits = requests.iter().flat_map(|request| {
        let body: Value = serde_json::from_str(&request.body).expect("SQS is spoken to in JSON");
        body["Entries"].as_array().cloned().unwrap_or_default()
    });
    waits.map(|entry| entry["VisibilityTimeout"].as_u64().expect("a wait is a number")).collect()
}

#[tokio::test]
async fn a_malformed_event_that_a_rule_delivers_lies_in_the_dead_letter_queue() {
    let shop = Shop::open().await;
    let id = unique("malformed-event");
    shop.publish(&with(stock_reserved(&id, &id), "data", json!({ "order": id }))).await;
    let line = shop.line_where(&id, "is rejected", |line| !line.dead_letters.is_empty()).await;
    let (queue, letter) = &line.dead_letters[0];
    assert_eq!(queue, "ConfirmOrderDeadLetterQueue");
    let said = ["ErrorType", "Handler"].map(|name| letter.attribute(name));
    assert_eq!(said, [Some("MalformedData"), Some("confirm-order")]);
}

#[tokio::test]
async fn an_entry_of_the_log_that_cannot_be_read_does_not_hold_up_the_entries_after_it() {
    let shop = Shop::open().await;
    let (poison, good) = (unique("poison"), unique("good"));
    shop.put("LedgerTable", json!({ "pk": poison, "sk": "event#1", "destination": "bus" })).await;
    // `stock.depleted` of an order that nobody knows would be retried; this has no receiver at all.
    let event = with(stock_reserved(&good, &good), "type", json!("stock.counted"));
    let entry = json!({ "pk": good, "sk": "event#1", "destination": "bus", "envelope": event.to_string() });
    shop.put("LedgerTable", entry).await;

    let (queue, letter) = shop.dead_letter(&poison).await;
    assert_eq!(queue, "RelayOutboxDeadLetterQueue");
    let said = ["ErrorType", "Handler"].map(|name| letter.attribute(name));
    assert_eq!(said, [Some("MalformedLogEntry"), Some("relay")]);
    super::cloud::until("the good event on the bus", async || {
        shop.carried(&good).await.get(&good).map(|(_, count)| assert_eq!(*count, 1))
    })
    .await;
}

#[tokio::test]
async fn a_command_in_the_log_goes_to_its_receivers_queue() {
    let shop = Shop::open().await;
    let sku = shop.stock(5).await;
    let order = unique("command");
    let command = place_order(&order, &sku, &json!(2));
    let entry = json!({
        "pk": order, "sk": "command#0000#test", "destination": "queue:place-order", "envelope": command.to_string(),
    });
    shop.put("LedgerTable", entry).await;
    shop.line_when_over(&order).await;
    assert_eq!(shop.requests("RelayOutbox", "SendMessageBatch", &order).len(), 1);
    assert_eq!(shop.stock_left(&sku).await, 3);
    assert_eq!(shop.notifications(&order).await.len(), 1);
    assert!(shop.carried(&order).await.values().all(|(event, _)| event["type"] != "order.place"));
}

#[tokio::test]
async fn a_notification_that_is_refused_gives_its_lease_back_and_goes_out_later() {
    const ATTEMPTS_OF_THE_SDK: usize = 3;
    let shop = Shop::open().await;
    let sku = shop.stock(5).await;
    let order = unique("refused");
    let refusal = shop.trap("NotifyCustomer", "Publish", Trick::Refuse, |trap| {
        trap.about(&order).times(ATTEMPTS_OF_THE_SDK)
    });
    shop.send(&place_order(&order, &sku, &json!(1))).await;
    let line = shop.line_when_over(&order).await;
    assert_eq!(refusal.sprang(), ATTEMPTS_OF_THE_SDK, "{refusal}");
    assert_eq!(shop.requests("NotifyCustomer", "Publish", &order).len(), ATTEMPTS_OF_THE_SDK + 1);
    let claim = line.recorded.claims.iter().find(|claim| claim.handler == "notify-customer").unwrap();
    // Had the lease not been given back, the second delivery would have found it held.
    assert_eq!(claim.attempt, 2, "{line}");
    assert_eq!(shop.requests("NotifyCustomer", "DeleteItem", &claim.message_id).len(), 1);
    assert_eq!(shop.notifications(&order).await.len(), 1);
}

#[tokio::test]
async fn the_board_gives_up_what_it_cannot_read_and_waits_for_what_came_too_early() {
    let shop = Shop::open().await;
    let order = unique("board");
    shop.send_to("OrderBoard", &format!("no JSON: {order}")).await;
    shop.dead_letter(&order).await;

    let second = with(order_confirmed(&order, &order), "aggregatetype", json!("order"));
    let second = with(second, "sequence", json!("00000000000000000002"));
    let before = shop.requests("OrderBoard", "ChangeMessageVisibilityBatch", "").len();
    shop.send_to("OrderBoard", &second.to_string()).await;
    until("the board to hand back what came too early", async || {
        let handed_back = shop.requests("OrderBoard", "ChangeMessageVisibilityBatch", "").len();
        (handed_back > before).then_some(())
    })
    .await;
}
