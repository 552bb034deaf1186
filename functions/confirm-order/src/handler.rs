//! Settles an order after `stock.reserved` or `stock.depleted`.

use throughline::prelude::*;
use throughline_shop::{Order, OrderEvent, StockEvent};

/// `stock.reserved` or `stock.depleted`: confirms or cancels the order, and announces it.
///
/// The first answer stands: an order that is settled already is left alone, and so is one that is delivered,
/// which its saga settles.
#[derive(Debug, Clone)]
pub struct ConfirmOrder;

impl Handler for ConfirmOrder {
    const NAME: &'static str = "confirm-order";
    type Message = StockEvent;
    type Emits = OrderEvent;

    async fn handle(
        &self,
        answer: Envelope<StockEvent>,
        context: &Context<'_>,
    ) -> Result<Effects<OrderEvent>, Failure> {
        let order = context.load::<Order>(answer.data.order_id()).await?.or_retry("order not seen yet")?;
        let Some(event) = order.value.settle(&answer.data) else { return Ok(Effects::none()) };
        Ok(Effects::none().save(order.map(|order| order.after(&event))).emit(event))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use throughline_shop::{
        CancelReason, Currency, Delivery, Money, OrderCancelled, OrderConfirmed,
        OrderStatus::{self, Cancelled, Confirmed, Paid, Placed},
        Shortage, StockDepleted, StockReserved,
    };
    use throughline_testing::{assert_name_is_locked, scenario};

    const TOTAL: Money = Money { cents: 2500, currency: Currency::Eur };

    fn order(id: &str, status: OrderStatus) -> Order {
        Order { id: id.into(), customer: "Ada".into(), lines: vec![], total: TOTAL, delivery: None, status }
    }

    fn reserved() -> StockReserved {
        StockReserved { order_id: "o-1".into() }
    }

    fn shortages() -> Vec<Shortage> {
        vec![Shortage { sku: "teapot-copper".into(), wanted: 3, available: 1 }]
    }

    fn depleted() -> StockDepleted {
        StockDepleted { order_id: "o-1".into(), shortages: shortages() }
    }

    #[tokio::test]
    async fn reserved_stock_confirms_the_order() {
        scenario(ConfirmOrder)
            .given(order("o-1", Placed))
            .when(reserved())
            .await
            .then_emits([OrderConfirmed { order_id: "o-1".into(), customer: "Ada".into(), total: TOTAL }])
            .then_saved(order("o-1", Confirmed))
            .redelivered()
            .await;
    }

    #[tokio::test]
    async fn depleted_stock_cancels_the_order_with_the_reason() {
        let reason = CancelReason::OutOfStock { shortages: shortages() };
        scenario(ConfirmOrder)
            .given(order("o-1", Placed))
            .when(depleted())
            .await
            .then_emits([OrderCancelled { order_id: "o-1".into(), customer: "Ada".into(), reason }])
            .then_saved(order("o-1", Cancelled))
            .redelivered()
            .await;
    }

    #[tokio::test]
    async fn an_answer_that_overtakes_its_order_waits_for_it() {
        scenario(ConfirmOrder).when(reserved()).await.then_retried("order not seen yet").redelivered().await;
    }

    #[tokio::test]
    async fn the_first_answer_stands() {
        for status in [Confirmed, Paid, Cancelled] {
            scenario(ConfirmOrder)
                .given(order("o-1", status))
                .when(reserved())
                .await
                .then_emits_nothing()
                .and_when(depleted())
                .await
                .then_emits_nothing()
                .then_saved(order("o-1", status));
        }
    }

    #[tokio::test]
    async fn an_order_that_is_delivered_is_left_to_its_saga() {
        let delivery = Some(Delivery { card: "card-1".into(), address: "12 Analytical Row".into() });
        let delivered = Order { delivery, ..order("o-1", Placed) };
        scenario(ConfirmOrder)
            .given(delivered.clone())
            .when(reserved())
            .await
            .then_emits_nothing()
            .then_saved(delivered);
    }

    #[tokio::test]
    async fn an_answer_that_cannot_be_read_is_rejected() {
        let body = include_str!("../../../events/stock.reserved.v1.json").replace("order_id", "id");
        scenario(ConfirmOrder).when_body(body).await.then_rejected("missing field `order_id`");
    }

    #[test]
    fn its_name_is_locked() {
        assert_name_is_locked(ConfirmOrder::NAME);
    }
}
