//! Sagas that end neither completed nor compensated: somebody is told, whatever the reason.

use super::{
    aws::aws,
    cloud::{Shop, until},
    messages::unique,
    orders::{DEAR_CENTS, DeliveredOrder, GOOD_ADDRESS, GOOD_CARD, execution_name},
    traps::Trick,
};
use serde_json::{Value, json};

/// Another program changes the reservation to more lines than one transaction can put back: releasing it is refused,
/// however often it is tried.
#[tokio::test]
async fn a_saga_whose_undo_is_refused_for_good_is_reported_stuck() {
    const MORE_LINES_THAN_A_TRANSACTION_HOLDS: usize = 120;
    let shop = Shop::open().await;
    let order = DeliveredOrder::place(&shop, "stuck", GOOD_CARD, GOOD_ADDRESS, DEAR_CENTS).await;
    let callback = order.callback().await;
    let lines: Vec<Value> = (0..MORE_LINES_THAN_A_TRANSACTION_HOLDS)
        .map(|line| json!({ "sku": format!("{}-{line}", order.id), "quantity": 1, "unit_price_cents": 1 }))
        .collect();
    let reservation = json!({
        "pk": format!("reservation#{}", order.id), "sk": "state", "_version": 1,
        "order_id": order.id, "is_held": true, "lines": lines,
    });
    shop.put("LedgerTable", reservation).await;
    order.decide(&callback, Some("no")).await;
    let line = order.ended().await;
    // It fails at the undo itself, from where Step Functions can redrive it. The local cloud cannot.
    let last = line.execution("checkout").unwrap().visits.last().unwrap();
    assert_eq!(last.state, "undo_reserve", "{line}");
    let stuck = is_reported(&order, &line, "FAILED").await;
    assert_eq!(stuck["data"]["error"], "Saga.UndoRejected");
    // What could be undone is.
    assert_eq!(order.at_the_providers().await, [1, 1, 0, 0], "{line}");
    assert_eq!(order.status().await, "placed", "nobody was told anything: {line}");
}

/// Step Functions would then refuse an answer to the task that waited; the local cloud takes it, and goes on.
#[tokio::test]
async fn a_saga_that_is_aborted_from_outside_is_reported_stuck() {
    let shop = Shop::open().await;
    let order = DeliveredOrder::place(&shop, "aborted", GOOD_CARD, GOOD_ADDRESS, DEAR_CENTS).await;
    order.callback().await;
    let line = shop.stack.line(&order.id).await.unwrap();
    let machine = shop.stack.state_machine("checkout").unwrap();
    let arn = format!("{}:{}", machine.replace(":stateMachine:", ":execution:"), execution_name(&line));
    // The first report meets a ledger that does not answer, and is made by the second.
    let refusal = shop
        .trap("ReportStuckSagas", "TransactWriteItems", Trick::Refuse, |trap| trap.about(&order.id).times(3));
    aws(&["stepfunctions", "stop-execution", "--execution-arn", &arn, "--cause", "a test"]);
    let stuck = is_reported(&order, &line, "ABORTED").await;
    assert_eq!(stuck["data"]["execution_arn"], arn);
    assert_eq!(refusal.sprang(), 3, "{refusal}");
    assert_eq!(order.status().await, "placed");
}

/// Waits until the bus has told that an order's saga is stuck, in the order's line, and checks that it was told
/// once.
async fn is_reported(
    order: &DeliveredOrder<'_>,
    line: &throughline_cli::line::WholeLine,
    status: &str,
) -> Value {
    let stuck = until(&format!("saga.stuck of {}", order.id), async || {
        let carried = order.shop.carried(&order.id).await;
        carried.into_values().find(|(event, _)| event["type"] == "saga.stuck")
    })
    .await;
    let (event, times) = stuck;
    assert_eq!(times, 1);
    assert_eq!(event["correlationid"], json!(order.id));
    assert_eq!(event["data"]["execution"], json!(execution_name(line)));
    assert_eq!((&event["data"]["status"], &event["data"]["about"]), (&json!(status), &json!(order.id)));
    event
}

#[tokio::test]
async fn a_report_that_cannot_be_read_is_dead_lettered() {
    let shop = Shop::open().await;
    let noise = unique("no-report");
    shop.send_to("ReportStuckSagas", &noise).await;
    let (queue, _) = shop.dead_letter(&noise).await;
    assert_eq!(queue, "ReportStuckSagasDeadLetterQueue");
}
