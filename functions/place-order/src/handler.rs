//! Turns the command `order.place` into a saved order.

use throughline::prelude::*;
use throughline_shop::{Checkout, ExpireOrder, Order, OrderEvent, PAYMENT_TIME_LIMIT, PlaceOrder};

/// `order.place`: saves the order and announces `order.placed`, or rejects it with the rule it breaks.
///
/// An order that is delivered starts its saga. One that is picked up is to be paid in time: the command that
/// cancels it otherwise is scheduled now.
///
/// The handler names no business [`key`](Handler::key), although the order's id would make one: a claim is
/// forgotten after some weeks and an order is not, so the order itself has to be asked in any case. It
/// also compares what is ordered, where a claim would compare the command's JSON.
#[derive(Debug, Clone)]
pub struct PlaceOrderHandler;

impl Handler for PlaceOrderHandler {
    const NAME: &'static str = "place-order";
    type Message = PlaceOrder;
    type Emits = OrderEvent;

    async fn handle(
        &self,
        command: Envelope<PlaceOrder>,
        context: &Context<'_>,
    ) -> Result<Effects<OrderEvent>, Failure> {
        let pay_by = command.data.pay_by.unwrap_or(context.now() + PAYMENT_TIME_LIMIT);
        let placed = command.data.check().reject()?;
        if let Some(order) = context.load::<Order>(&placed.order_id).await? {
            // Asked for twice, by two commands: fine if both say the same.
            order.value.check_same(&placed).reject()?;
            return Ok(Effects::none());
        }
        let order = Order::from(placed.clone());
        let next = match Checkout::of(&order) {
            Some(checkout) => Effects::none().start(checkout),
            None => Effects::none().schedule(ExpireOrder { order_id: order.id.clone() }, pay_by),
        };
        Ok(next.save(Versioned::new(order)).emit(placed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use throughline_shop::{Currency, Delivery, Money, OrderLine, OrderPlaced, OrderStatus, RequestedLine};
    use throughline_testing::{Ran, assert_name_is_locked, scenario};

    fn asked() -> PlaceOrder {
        let mugs = RequestedLine { sku: "mug-blue".into(), quantity: 2, unit_price_cents: 1250 };
        PlaceOrder {
            order_id: "o-1".into(),
            customer: "Ada".into(),
            currency: "EUR".into(),
            lines: vec![mugs],
            delivery: None,
            pay_by: None,
        }
    }

    fn placed() -> OrderPlaced {
        OrderPlaced {
            order_id: "o-1".into(),
            customer: "Ada".into(),
            lines: vec![OrderLine { sku: "mug-blue".into(), quantity: 2, unit_price_cents: 1250 }],
            total: Money { cents: 2500, currency: Currency::Eur },
            delivery: None,
        }
    }

    fn delivery() -> Delivery {
        Delivery { card: "card-1".into(), address: "12 Analytical Row".into() }
    }

    /// Everything that left: its type, and where it went.
    fn sent(ran: &Ran<PlaceOrderHandler>) -> Vec<(String, Destination)> {
        let sent = ran.ledger().log().into_iter();
        sent.map(|outgoing| (outgoing.envelope.attributes.message_type, outgoing.destination)).collect()
    }

    fn expires_at(at: Timestamp) -> (String, Destination) {
        ("order.expire".into(), Destination::Scheduled { queue: "await-payment".into(), at })
    }

    #[tokio::test]
    async fn a_good_order_is_saved_and_announced() {
        scenario(PlaceOrderHandler)
            .when(asked())
            .await
            .then_emits([placed()])
            .then_saved(Order::from(placed()))
            .redelivered()
            .await;
    }

    #[tokio::test]
    async fn an_order_that_is_picked_up_is_to_be_paid_within_a_day() {
        let ran = scenario(PlaceOrderHandler).when(asked()).await.then_done().redelivered().await;
        let now = ran.ledger().log()[0].envelope.attributes.time.unwrap();
        let in_a_day = expires_at(now + Duration::from_hours(24));
        assert_eq!(sent(&ran), [("order.placed".into(), Destination::Bus), in_a_day]);
    }

    #[tokio::test]
    async fn an_order_may_say_until_when_it_will_be_paid() {
        let pay_by: Timestamp = "2026-02-01T12:00:00Z".parse().unwrap();
        let order = PlaceOrder { pay_by: Some(pay_by), ..asked() };
        let ran = scenario(PlaceOrderHandler).when(order).await.then_done();
        assert_eq!(sent(&ran)[1], expires_at(pay_by));
    }

    #[tokio::test]
    async fn an_order_that_is_delivered_starts_its_saga() {
        let placed = OrderPlaced { delivery: Some(delivery()), ..placed() };
        let ran = scenario(PlaceOrderHandler)
            .when(PlaceOrder { delivery: Some(delivery()), ..asked() })
            .await
            .then_emits([placed.clone()])
            .then_saved(Order::from(placed.clone()))
            .redelivered()
            .await;
        let start = ("checkout.start".into(), Destination::StateMachine("checkout".into()));
        assert_eq!(sent(&ran), [("order.placed".into(), Destination::Bus), start]);
        let input = ran.ledger().log()[1].envelope.data.get().to_owned();
        let started: Checkout = serde_json::from_str(&input).unwrap();
        assert_eq!(Some(started), Checkout::of(&Order::from(placed)));
    }

    #[tokio::test]
    async fn the_same_order_asked_for_by_another_command_changes_nothing() {
        let confirmed = Order { status: OrderStatus::Confirmed, ..Order::from(placed()) };
        scenario(PlaceOrderHandler)
            .given(confirmed.clone())
            .when(asked())
            .await
            .then_emits_nothing()
            .then_saved(confirmed)
            .redelivered()
            .await;
    }

    #[tokio::test]
    async fn another_order_under_a_known_id_is_rejected() {
        scenario(PlaceOrderHandler)
            .given(Order::from(placed()))
            .when(PlaceOrder { customer: "Bob".into(), ..asked() })
            .await
            .then_rejected("there is another order `o-1`")
            .redelivered()
            .await;
    }

    #[tokio::test]
    async fn a_bad_order_is_rejected_with_the_rule_it_breaks() {
        let with = |change: fn(&mut PlaceOrder)| {
            let mut order = asked();
            change(&mut order);
            order
        };
        for (bad, reason) in [
            (with(|order| order.lines.clear()), "the order has no items"),
            (with(|order| order.lines[0].quantity = -1), "asks for -1 pieces of `mug-blue`"),
            (with(|order| order.currency = "XTS".into()), "does not take the currency `XTS`"),
            (
                with(|order| order.delivery = Some(Delivery { card: "".into(), ..delivery() })),
                "names no card",
            ),
        ] {
            scenario(PlaceOrderHandler).when(bad).await.then_rejected(reason).then_rejected("BadOrder");
        }
    }

    #[tokio::test]
    async fn a_command_that_cannot_be_read_is_rejected() {
        let body = include_str!("../../../events/order.place.v1.malformed.json");
        scenario(PlaceOrderHandler).when_body(body).await.then_rejected("MalformedData").redelivered().await;
    }

    #[test]
    fn its_name_is_locked() {
        assert_name_is_locked(PlaceOrderHandler::NAME);
    }
}
