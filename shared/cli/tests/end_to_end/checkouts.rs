//! Orders that are delivered, each through the saga `checkout`: whichever way it goes, nothing is half done.

use super::{
    cloud::{Shop, until},
    messages::{delivered, place_order, unique},
    orders::{
        CHEAP_CENTS, DEAR_CENTS, DeliveredOrder, GOOD_ADDRESS, GOOD_CARD, IN_STOCK, PIECES, ended_in,
        execution_name, states,
    },
    traps::Trick,
};
use serde_json::json;
use throughline_core::ledger::Destination;

const UNDONE: [&str; 4] = ["order.placed", "stock.reserved", "stock.released", "order.cancelled"];

#[tokio::test]
async fn an_order_is_reserved_charged_shipped_and_confirmed() {
    let shop = Shop::open().await;
    let order = DeliveredOrder::place(&shop, "delivered", GOOD_CARD, GOOD_ADDRESS, CHEAP_CENTS).await;
    let line = order.over().await;
    order.is_confirmed(&line).await;
    assert_eq!(states(&line), ["reserve", "charge", "approve-wanted", "ship", "confirm", "Completed"]);
    assert_eq!(
        line.execution("checkout").unwrap().transitions(),
        7,
        "what a completed checkout is billed for"
    );
    order.is_told_by(&["order.placed", "stock.reserved", "order.confirmed"]).await;
    let notifications = shop.notifications(&order.id).await;
    assert_eq!(notifications.len(), 1, "{notifications:?}");
}

#[tokio::test]
async fn an_order_whose_card_is_declined_gives_its_stock_back() {
    let shop = Shop::open().await;
    let order = DeliveredOrder::place(&shop, "declined", "card-declined", GOOD_ADDRESS, CHEAP_CENTS).await;
    let line = order.over().await;
    order.is_undone(&line, 0).await;
    // The provider said no: there is nothing to undo where the card is concerned.
    assert_eq!(states(&line), ["reserve", "charge", "undo_reserve", "cancel", "Compensated"]);
    order.is_told_by(&UNDONE).await;
}

#[tokio::test]
async fn an_order_that_cannot_be_shipped_is_refunded_once() {
    let shop = Shop::open().await;
    let order = DeliveredOrder::place(&shop, "undeliverable", GOOD_CARD, "undeliverable", CHEAP_CENTS).await;
    let line = order.over().await;
    order.is_undone(&line, 1).await;
    let expected = [
        "reserve",
        "charge",
        "approve-wanted",
        "ship",
        "undo_charge",
        "undo_reserve",
        "cancel",
        "Compensated",
    ];
    assert_eq!(states(&line), expected);
    order.is_told_by(&UNDONE).await;
}

/// The charge's outcome is unknown to the saga. The card was charged, so it is refunded by the key of the charge.
#[tokio::test]
async fn a_charge_whose_answer_is_lost_is_refunded_once() {
    let shop = Shop::open().await;
    let order = DeliveredOrder::place(&shop, "lost", "answer-lost", GOOD_ADDRESS, CHEAP_CENTS).await;
    let line = order.over().await;
    order.is_undone(&line, 1).await;
    assert_eq!(
        states(&line),
        ["reserve", "charge", "undo_charge", "undo_reserve", "cancel", "Compensated"],
        "{line}"
    );
    order.is_told_by(&UNDONE).await;
}

/// The provider does what it was asked long after it was given up.
#[tokio::test]
async fn a_charge_that_comes_after_its_undo_takes_no_money() {
    let shop = Shop::open().await;
    let order = DeliveredOrder::place(&shop, "late", "late", GOOD_ADDRESS, CHEAP_CENTS).await;
    let line = order.over().await;
    let calls = until("the provider has done all that it was asked", async || {
        let calls = order.charge_calls().await;
        let put_off = calls.iter().filter(|outcome| *outcome == "late").count();
        (put_off > 0 && calls.len() == 2 * put_off).then_some(calls)
    })
    .await;
    let [charges, ..] = order.at_the_providers().await;
    assert!(charges <= 1, "{calls:?}");
    order.is_undone(&line, charges).await;
    order.is_told_by(&UNDONE).await;
    assert_eq!(calls.last().map(String::as_str), Some("voided"), "the last came after the undo: {calls:?}");
}

/// The provider takes longer than a step may.
#[tokio::test]
async fn a_charge_that_takes_too_long_is_asked_for_again_under_the_same_key() {
    let shop = Shop::open().await;
    let order = DeliveredOrder::place(&shop, "slow", "slow-once", GOOD_ADDRESS, CHEAP_CENTS).await;
    let line = order.over().await;
    order.is_confirmed(&line).await;
    let charge = &line.execution("checkout").unwrap().visits[1];
    let errors: Vec<&str> = charge
        .attempts
        .iter()
        .filter_map(|attempt| attempt.outcome.as_ref()?.as_ref().err())
        .map(|failure| failure.error.as_str())
        .collect();
    assert_eq!(errors.first(), Some(&"Saga.TimedOut"), "{line}");
}

#[tokio::test]
async fn an_order_for_more_than_there_is_changes_nothing() {
    let shop = Shop::open().await;
    let order = DeliveredOrder::unplaced(&shop, "too-much-delivered", CHEAP_CENTS).await;
    let command = place_order(&order.id, &order.sku, &json!(IN_STOCK + 1));
    shop.send(&delivered(command, GOOD_CARD, GOOD_ADDRESS)).await;
    let line = order.over().await;
    order.is_undone(&line, 0).await;
    assert_eq!(states(&line), ["reserve", "cancel", "Compensated"]);
    order.is_told_by(&["order.placed", "order.cancelled"]).await;
}

#[tokio::test]
async fn an_expensive_order_waits_until_somebody_approves_of_it() {
    let shop = Shop::open().await;
    let order = DeliveredOrder::place(&shop, "approved", GOOD_CARD, GOOD_ADDRESS, DEAR_CENTS).await;
    let callback = order.callback().await;
    assert_eq!(order.status().await, "placed");
    assert_eq!(order.at_the_providers().await, [1, 0, i64::from(order.total()), 0], "charged, not shipped");
    order.decide(&callback, None).await;
    let line = order.over().await;
    order.is_confirmed(&line).await;
    let expected = ["reserve", "charge", "approve-wanted", "approve", "ship", "confirm", "Completed"];
    assert_eq!(states(&line), expected);
    order.is_told_by(&["order.placed", "stock.reserved", "approval.requested", "order.confirmed"]).await;
    // The token opens the task to whoever has it: only the callback's id leaves the ledger.
    let carried = format!("{:?}", shop.carried(&order.id).await);
    let token = line.recorded.messages.iter().find_map(|sent| match &sent.outgoing.destination {
        Destination::Task { token } => Some(token),
        _ => None,
    });
    assert!(!carried.contains(token.expect("the task was answered")), "{carried}");
}

#[tokio::test]
async fn an_expensive_order_that_is_not_approved_of_is_refunded_once() {
    let shop = Shop::open().await;
    let order = DeliveredOrder::place(&shop, "not-approved", GOOD_CARD, GOOD_ADDRESS, DEAR_CENTS).await;
    let callback = order.callback().await;
    order.decide(&callback, Some("it is for the moon")).await;
    let line = order.over().await;
    order.is_undone(&line, 1).await;
    order
        .is_told_by(&[
            "order.placed",
            "stock.reserved",
            "approval.requested",
            "stock.released",
            "order.cancelled",
        ])
        .await;
    let carried = shop.carried(&order.id).await;
    let (cancelled, _) = carried.values().find(|(event, _)| event["type"] == "order.cancelled").unwrap();
    let reason = cancelled["data"]["reason"].to_string();
    assert!(reason.contains("Grace Hopper refused: it is for the moon"), "{reason}");
}

/// The command comes twice, and the relay dies after it has started the execution: the second start finds the
/// name taken by the same input, and is content.
#[tokio::test]
async fn what_is_started_twice_runs_once() {
    let shop = Shop::open().await;
    let order = DeliveredOrder::unplaced(&shop, "started-twice", CHEAP_CENTS).await;
    let death = shop.trap("RelayOutbox", "StartExecution", Trick::KillAfter, |trap| trap.about(&order.id));
    let command = order.command(GOOD_CARD, GOOD_ADDRESS);
    shop.send(&command).await;
    shop.send(&command).await;
    shop.sprung(&death, 1).await;
    let line = order.over().await;
    until("the relay starts it again", async || {
        let starts = shop.requests("RelayOutbox", "StartExecution", &order.id);
        (starts.len() >= 2).then_some(())
    })
    .await;
    shop.quiet().await;
    order.is_confirmed(&line).await;
    let starts = shop.requests("RelayOutbox", "StartExecution", &order.id);
    assert!(starts.iter().all(|start| start.body == starts[0].body), "{starts:?}");
    let name = execution_name(&line);
    // What still runs under the same input is started again without a word, on AWS and on LocalStack. Otherwise the
    // name is taken, and the relay asks what was started.
    assert!(shop.requests("RelayOutbox", "DescribeExecution", name).len() <= 1);
    let line = shop.stack.line(&order.id).await.unwrap();
    assert_eq!((line.executions.len(), line.dead_letters.len()), (1, 0), "{line}");
}

#[tokio::test]
async fn a_start_whose_name_is_taken_by_another_input_is_dead_lettered() {
    let shop = Shop::open().await;
    let order = DeliveredOrder::place(&shop, "taken", GOOD_CARD, GOOD_ADDRESS, CHEAP_CENTS).await;
    let line = order.over().await;
    let (_, start) = line.sagas().next().unwrap();
    let mut other = json!(start.outgoing.envelope);
    let id = unique("taken-other");
    other["correlationid"] = json!(id);
    let entry = json!({
        "pk": id, "sk": "command#0000#test", "destination": "state-machine:checkout", "envelope": other.to_string(),
    });
    shop.put("LedgerTable", entry).await;
    let line = shop.line_where(&id, "is refused", |line| !line.dead_letters.is_empty()).await;
    let (queue, letter) = &line.dead_letters[0];
    assert_eq!(queue, "RelayOutboxDeadLetterQueue");
    assert_eq!(letter.attribute("ErrorType"), Some("ExecutionAlreadyExists"));
    assert!(letter.reason().contains("was started with another input"), "{letter:?}");
    order.is_confirmed(&order.ended().await).await;
}

/// Somebody has put the stock back by hand: undoing finds nothing to put back.
#[tokio::test]
async fn stock_that_was_put_back_by_hand_is_not_put_back_again() {
    let shop = Shop::open().await;
    let order = DeliveredOrder::place(&shop, "by-hand", GOOD_CARD, GOOD_ADDRESS, DEAR_CENTS).await;
    let callback = order.callback().await;
    shop.put_back_by_hand(&order.id, &order.sku).await;
    order.decide(&callback, Some("no")).await;
    let line = order.over().await;
    assert_eq!(ended_in(&line), "Compensated", "{line}");
    assert_eq!(shop.stock_left(&order.sku).await, u64::from(IN_STOCK - PIECES), "{line}");
    order.is_told_by(&["order.placed", "stock.reserved", "approval.requested", "order.cancelled"]).await;
}
