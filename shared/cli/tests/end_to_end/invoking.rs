//! One function, called by hand.

use super::{
    cloud::Shop,
    command::throughline,
    messages::{place_order, stock_reserved, unique},
};
use serde_json::{Value, json};
use std::{fs, path::Path};

/// A file with a message in it.
fn file(name: &str, message: &Value) -> String {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}.json", unique(name)));
    fs::write(&path, message.to_string()).unwrap();
    path.display().to_string()
}

#[tokio::test]
async fn an_invoked_function_takes_a_command_as_from_its_queue() {
    let shop = Shop::open().await;
    let sku = shop.stock(5).await;
    let order = unique("invoked");
    let said = throughline(&[
        "invoke",
        "place-order",
        &file("order", &place_order(&order, &sku, &json!(1))),
        "--json",
    ]);
    assert!(said.is_success, "{}", said.errors);
    let report = said.json();
    assert_eq!(
        (&report["error"], &report["verdicts"][0]["is_delivered_again"]),
        (&Value::Null, &json!(false))
    );
    assert_eq!(report["verdicts"][0]["event_id"], *order);
    shop.line_when_over(&order).await;
}

#[tokio::test]
async fn what_an_invoked_function_answers_and_logs_is_told_in_words() {
    let _shop = Shop::open().await;
    let order = unique("unknown-order");
    // Nobody has placed it: the function asks for it again.
    let said = throughline(&["invoke", "confirm-order", &file("reserved", &stock_reserved(&order, &order))]);
    assert!(!said.is_success, "{}", said.output);
    assert!(
        said.output.contains("events of ConfirmOrderRule") && said.output.contains("it failed:"),
        "{}",
        said.output
    );
    assert!(said.output.contains("order not seen yet"), "{}", said.output);
}

#[tokio::test]
async fn a_message_that_no_trigger_brings_is_refused_and_can_be_given_as_it_is() {
    let no_event = file("no-event", &json!({ "id": 1 }));
    let said = throughline(&["invoke", "confirm-order", &no_event]);
    assert!(!said.is_success && said.errors.contains("--raw"), "{}", said.errors);
    let said = throughline(&["invoke", "confirm-order", &no_event, "--raw"]);
    assert!(!said.output.is_empty(), "{}", said.errors);
    let said = throughline(&["invoke", "confirm-orders", &no_event]);
    assert!(!said.is_success && said.errors.contains("confirm-order, "), "{}", said.errors);
}
