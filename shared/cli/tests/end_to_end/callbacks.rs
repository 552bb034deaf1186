//! Answers that come twice, too late, or another way.

use super::{
    aws::aws,
    cloud::Shop,
    messages::decide_order,
    orders::{DEAR_CENTS, DeliveredOrder, GOOD_ADDRESS, GOOD_CARD, states},
};
use serde_json::json;

#[tokio::test]
async fn a_second_answer_is_dead_lettered() {
    let shop = Shop::open().await;
    let order = DeliveredOrder::place(&shop, "answered", GOOD_CARD, GOOD_ADDRESS, DEAR_CENTS).await;
    let callback = order.callback().await;
    order.decide(&callback, None).await;
    let line = order.over().await;
    let second = order.decide(&callback, Some("I have changed my mind")).await;
    is_dead_lettered(&shop, &second, "AnsweredAlready").await;
    order.is_confirmed(&line).await;
}

/// Time-outs are not scaled down here, and the one of an approval is a day. So Step Functions is told what it
/// would say itself: that the task has timed out.
#[tokio::test]
async fn an_answer_after_the_time_out_is_dead_lettered() {
    let shop = Shop::open().await;
    let order = DeliveredOrder::place(&shop, "too-late", GOOD_CARD, GOOD_ADDRESS, DEAR_CENTS).await;
    let callback = order.callback().await;
    let token = token(&shop, &callback).await;
    aws(&["stepfunctions", "send-task-failure", "--task-token", &token, "--error", "States.Timeout"]);
    let line = order.over().await;
    order.is_undone(&line, 1).await;
    assert!(states(&line).contains(&"undo_approve"), "{line}");
    let late = order.decide(&callback, None).await;
    is_dead_lettered(&shop, &late, "TooLate").await;
    order.is_undone(&order.ended().await, 1).await;
}

/// The ledger takes the answer, but Step Functions does not wait for it any more. That is the end of it: the
/// relay has nothing to try again.
#[tokio::test]
async fn an_answer_that_step_functions_does_not_wait_for_holds_nothing_up() {
    let shop = Shop::open().await;
    let order = DeliveredOrder::place(&shop, "overtaken", GOOD_CARD, GOOD_ADDRESS, DEAR_CENTS).await;
    let callback = order.callback().await;
    let token = token(&shop, &callback).await;
    aws(&[
        "stepfunctions",
        "send-task-success",
        "--task-token",
        &token,
        "--task-output",
        r#"{"by":"nobody"}"#,
    ]);
    let line = order.over().await;
    // A command in the log, which the relay takes to its queue.
    let decision = decide_order(&order.id, &callback, None);
    let entry = json!({
        "pk": order.id, "sk": "command#0000#test", "destination": "queue:approve-order",
        "envelope": decision.to_string(),
    });
    shop.put("LedgerTable", entry).await;
    shop.line_where(&order.id, "is answered", |line| line.is_done_by("approve-order")).await;
    super::cloud::until("the answer goes to Step Functions", async || {
        (!shop.requests("RelayOutbox", "SendTaskSuccess", &token).is_empty()).then_some(())
    })
    .await;
    shop.quiet().await;
    let after = DeliveredOrder::place(&shop, "after", GOOD_CARD, GOOD_ADDRESS, 100).await;
    after.is_confirmed(&after.over().await).await;
    order.is_confirmed(&line).await;
    assert!(shop.stack.line(&order.id).await.unwrap().dead_letters.is_empty());
    assert_eq!(shop.requests("RelayOutbox", "SendTaskSuccess", &token).len(), 1, "it is not tried again");
}

/// The token under which Step Functions waits: the ledger alone knows it.
async fn token(shop: &Shop, callback: &str) -> String {
    let record = shop.entity("saga-step", callback).await.expect("it is recorded who waits");
    assert_eq!(record["outcome"], "waiting", "{record}");
    record["token"].as_str().unwrap_or_else(|| panic!("no token: {record}")).to_owned()
}

async fn is_dead_lettered(shop: &Shop, command: &str, error_type: &str) {
    let (queue, letter) = shop.dead_letter(command).await;
    assert_eq!(queue, "ApproveOrderDeadLetterQueue");
    let said = ["ErrorType", "Handler"].map(|name| letter.attribute(name));
    assert_eq!(said, [Some(error_type), Some("approve-order")], "{letter:?}");
}
