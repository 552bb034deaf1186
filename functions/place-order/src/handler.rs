//! From the command `order.place` to a saved order.

use throughline::prelude::*;
use throughline_shop::{Order, OrderEvent, PlaceOrder};

/// `order.place`: saves the order and announces `order.placed`, or rejects it with the rule it breaks.
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
        let placed = command.data.check().reject()?;
        if let Some(order) = context.load::<Order>(&placed.order_id).await? {
            // Asked for twice, by two commands: fine if both say the same.
            order.value.check_same(&placed).reject()?;
            return Ok(Effects::none());
        }
        Ok(Effects::none().save(Versioned::new(Order::from(placed.clone()))).emit(placed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use throughline_shop::{Currency, Money, OrderLine, OrderPlaced, OrderStatus, RequestedLine};
    use throughline_testing::{assert_name_is_locked, scenario};

    fn asked() -> PlaceOrder {
        let mugs = RequestedLine { sku: "mug-blue".into(), quantity: 2, unit_price_cents: 1250 };
        PlaceOrder {
            order_id: "o-1".into(),
            customer: "Ada".into(),
            currency: "EUR".into(),
            lines: vec![mugs],
        }
    }

    fn placed() -> OrderPlaced {
        OrderPlaced {
            order_id: "o-1".into(),
            customer: "Ada".into(),
            lines: vec![OrderLine { sku: "mug-blue".into(), quantity: 2, unit_price_cents: 1250 }],
            total: Money { cents: 2500, currency: Currency::Eur },
        }
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
