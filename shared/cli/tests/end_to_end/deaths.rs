//! Processes that die in the middle of their work, at a call of the test's choice.
//!
//! Each death has an order of its own, whose messages exist once: nothing but the delivery after the death
//! can finish it, and no copy can hide that something was lost.

use super::{
    cloud::{Shop, decisions, events, id_of, types, until},
    messages::{place_order, unique},
    traps::{Trap, Trick},
};
use serde_json::json;
use std::{collections::BTreeSet, sync::Arc};
use throughline_cli::line::WholeLine;
use throughline_operations::line::ClaimState;

/// A function, the call it dies at, and whether the cloud had done by then what it was asked.
#[derive(Debug, Clone, Copy)]
struct Death {
    function: &'static str,
    handler: Option<&'static str>,
    call: &'static str,
    trick: Trick,
}

const fn death(function: &'static str, handler: &'static str, call: &'static str, trick: Trick) -> Death {
    Death { function, handler: Some(handler), call, trick }
}

/// Fed by a queue: the message comes back when its visibility timeout ends, after 30 seconds.
///
/// `notify-customer` comes first, while no other order is on its way: its process takes the notifications of
/// a whole batch along, and a notification is not an effect that is made once.
const WHAT_COMES_BACK_LATER: [Death; 6] = [
    death("NotifyCustomer", "notify-customer", "Publish", Trick::KillBefore),
    death("NotifyCustomer", "notify-customer", "Publish", Trick::KillAfter),
    death("ReserveStock", "reserve-stock", COMMIT, Trick::KillBefore),
    death("ReserveStock", "reserve-stock", COMMIT, Trick::KillAfter),
    death("PlaceOrder", "place-order", COMMIT, Trick::KillBefore),
    death("PlaceOrder", "place-order", COMMIT, Trick::KillAfter),
];

/// The stream delivers again after a second. Lambda, too, invokes again what a rule delivered, after a minute;
/// but the local cloud's rules never do (its `invoke_async_with_retry` serves other callers), so there the test
/// delivers the event again.
const WHAT_COMES_BACK_AT_ONCE: [Death; 4] = [
    death("ConfirmOrder", "confirm-order", COMMIT, Trick::KillBefore),
    death("ConfirmOrder", "confirm-order", COMMIT, Trick::KillAfter),
    Death { function: "RelayOutbox", handler: None, call: "PutEvents", trick: Trick::KillBefore },
    Death { function: "RelayOutbox", handler: None, call: "PutEvents", trick: Trick::KillAfter },
];

const COMMIT: &str = "TransactWriteItems";

#[tokio::test]
async fn a_process_that_dies_before_or_after_its_work_is_done_leaves_its_effects_once() {
    let shop = Shop::open().await;
    let mut later = Vec::new();
    for death in WHAT_COMES_BACK_LATER {
        // One after the other, so that no process has two of them in hand.
        let victim = Victim::order(&shop, death).await;
        shop.sprung(&victim.trap, 1).await;
        later.push(victim);
    }
    // Meanwhile, each to its end, so that the relay has one of them in hand.
    for death in WHAT_COMES_BACK_AT_ONCE {
        let victim = Victim::order(&shop, death).await;
        shop.sprung(&victim.trap, 1).await;
        if death.function == "ConfirmOrder" {
            victim.is_delivered_again(&shop, "stock.reserved").await;
        }
        victim.comes_again(&shop).await;
        victim.has_its_effects_once(&shop).await;
    }
    for victim in &later {
        victim.comes_again(&shop).await;
    }
    shop.quiet().await;
    for victim in &later {
        victim.has_its_effects_once(&shop).await;
    }
}

/// An order, and the death of a function that works for it.
struct Victim {
    death: Death,
    order: String,
    sku: String,
    trap: Arc<Trap>,
}

impl Victim {
    /// Sends the order, with the trap set for the first call of its kind that is about it.
    async fn order(shop: &Shop, death: Death) -> Self {
        let order = unique(&format!("{}-{:?}", death.function, death.trick).to_lowercase());
        let sku = shop.stock(10).await;
        let trap = shop.trap(death.function, death.call, death.trick, |trap| trap.about(&order));
        shop.send(&place_order(&order, &sku, &json!(3))).await;
        Self { death, order, sku, trap }
    }

    /// Puts an event of the order on the bus again.
    async fn is_delivered_again(&self, shop: &Shop, message_type: &str) {
        let carried = shop.carried(&self.order).await;
        let event = carried.values().find(|(event, _)| event["type"] == message_type);
        let (event, _) = event.unwrap_or_else(|| panic!("the bus carried no {message_type}: {carried:?}"));
        shop.publish(event).await;
    }

    /// Waits until the order is over, and the function that died was given its message a second time.
    async fn comes_again(&self, shop: &Shop) {
        let Self { death, order, trap, .. } = self;
        let line = shop.line_when_over(order).await;
        let claim = line.recorded.claims.iter().find(|claim| Some(&*claim.handler) == death.handler);
        // Every handler names the message when it asks for its claim, or commits; the relay when it sends it.
        let message = claim.map_or_else(|| id_of(&line, "order.placed").unwrap(), |claim| &claim.message_id);
        until(&format!("the delivery of {message} after {trap}"), async || {
            shop.has_called_since(trap, death.function, message).then_some(())
        })
        .await;
    }

    async fn has_its_effects_once(&self, shop: &Shop) {
        let Self { death, order, sku, trap } = self;
        assert_eq!(trap.sprang(), 1, "{trap}");
        let line = shop.line_when_over(order).await;
        self.is_recorded_once(&line);
        assert_eq!(shop.stock_left(sku).await, 7, "{trap}");

        let carried = shop.carried(order).await;
        let emitted: BTreeSet<_> = events(&line).map(|event| &event.id).collect();
        assert_eq!(
            carried.keys().collect::<BTreeSet<_>>(),
            emitted,
            "{trap}: the bus carried what was emitted"
        );
        if death.handler.is_none() {
            let (_, times) = &carried[id_of(&line, "order.placed").unwrap()];
            let expected = if death.trick == Trick::KillAfter { 2 } else { 1 };
            assert_eq!(*times, expected, "{trap}: order.placed on the bus");
        }

        // SNS takes no idempotency key: what it had taken when the process died is sent again, and the
        // receiver knows it by its deduplication id.
        let is_sent_again = death.call == "Publish" && death.trick == Trick::KillAfter;
        let notifications = shop.notifications(order).await;
        assert_eq!(notifications.len(), if is_sent_again { 2 } else { 1 }, "{trap}: {notifications:?}");
        let keys: BTreeSet<_> = notifications.iter().map(|sent| sent.attribute("deduplicationid")).collect();
        assert!(keys.len() == 1 && !keys.contains(&None), "{trap}: {notifications:?}");
    }

    /// In the ledger each step is there once, finished by the delivery whose commit counted.
    fn is_recorded_once(&self, line: &WholeLine) {
        let Self { death, trap, .. } = self;
        assert_eq!(types(line), ["order.placed", "stock.reserved", "order.confirmed"], "{trap}:\n{line}");
        let ids: BTreeSet<_> = events(line).map(|event| &event.id).collect();
        assert_eq!(ids.len(), 3, "{trap}:\n{line}");
        let claims: Vec<_> = decisions(line).collect();
        assert_eq!(claims.len(), 4, "{trap}:\n{line}");
        assert!(claims.iter().all(|claim| claim.state == ClaimState::Done), "{trap}:\n{line}");
        let attempt =
            claims.iter().find(|claim| Some(&*claim.handler) == death.handler).map(|claim| claim.attempt);
        match (death.function, death.call, death.trick) {
            ("RelayOutbox", ..) => assert_eq!(attempt, None),
            // EventBridge does not say how often it has delivered.
            ("ConfirmOrder", ..) => assert_eq!(attempt, Some(1)),
            // It had committed, so the second delivery was a duplicate.
            (_, COMMIT, Trick::KillAfter) => assert_eq!(attempt, Some(1), "{trap}:\n{line}"),
            _ => assert!(attempt >= Some(2), "{trap}:\n{line}"),
        }
    }
}
