//! Deploying again: what would change is shown, what has not changed is left alone.

use super::{aws::aws, cloud::Shop, command::throughline};
use serde_json::{Value, json};

#[tokio::test]
async fn what_has_not_changed_is_not_deployed_again() {
    let said = throughline(&["deploy", "--json"]);
    assert!(said.is_success, "{}", said.errors);
    let report = said.json();
    assert_eq!((&report["outcome"], &report["changes"]), (&json!("unchanged"), &json!([])));
    assert!(!said.errors.contains("uploading"), "{}", said.errors);
}

#[tokio::test]
async fn a_dry_run_shows_what_would_change_and_leaves_nothing() {
    let shop = Shop::open().await;
    let said = throughline(&["deploy", "--dry-run", "--parameter", "LogLevel=debug", "--json"]);
    assert!(said.is_success, "{}", said.errors);
    let report = said.json();
    assert_eq!(report["outcome"], "dry-run");
    let is_changed =
        |change: &Value| change["logical_id"] == "PlaceOrderFunction" && change["action"] == "Modify";
    assert!(report["changes"].as_array().unwrap().iter().any(is_changed), "{report}");
    assert_eq!(change_sets(), json!([]));
    let name = shop.output("PlaceOrder", "Function");
    let found = aws(&["lambda", "get-function-configuration", "--function-name", name]);
    assert_eq!(found["Environment"]["Variables"]["THROUGHLINE_LOG"], "info");
}

#[tokio::test]
async fn a_parameter_that_is_not_known_or_not_given_stops_it_before_anything_is_built() {
    let said = throughline(&["deploy", "--parameter", "Loglevel=debug"]);
    assert!(!said.is_success && said.errors.contains("no parameter `Loglevel`"), "{}", said.errors);
    let said = throughline(&["deploy", "--parameters", "events/stock.seed.json"]);
    assert!(!said.is_success && said.errors.contains("stock.seed.json"), "{}", said.errors);
    assert!(!said.errors.contains("building"), "{}", said.errors);
}

#[tokio::test]
async fn new_code_for_what_is_no_function_is_refused_with_the_functions_there_are() {
    let said = throughline(&["deploy", "--function", "place-orders"]);
    assert!(!said.is_success && said.errors.contains("`place-orders`"), "{}", said.errors);
    assert!(said.errors.contains("place-order, "), "{}", said.errors);
}

/// The change sets that wait to be executed.
fn change_sets() -> Value {
    let listed = aws(&["cloudformation", "list-change-sets", "--stack-name", "shop"]);
    let waiting = listed["Summaries"].as_array().cloned().unwrap_or_default().into_iter();
    waiting.filter(|summary| summary["ExecutionStatus"] == "AVAILABLE").collect()
}
