//! Sets stock aside after `order.placed`.

use throughline::prelude::*;
use throughline_shop::{OrderPlaced, Reservation, Stock, StockEvent, reserve};

/// `order.placed`: takes everything the order asks for out of the stock and announces `stock.reserved`, or
/// takes nothing and announces `stock.depleted`. An order that is delivered it leaves to its saga.
///
/// All stock items, the reservation and the event are one transaction. If another order takes the same
/// article meanwhile, this one is decided again on what is left.
#[derive(Debug, Clone)]
pub struct ReserveStock;

impl Handler for ReserveStock {
    const NAME: &'static str = "reserve-stock";
    const TABLES: &'static [&'static str] = &["stock"];
    type Message = OrderPlaced;
    type Emits = StockEvent;

    async fn handle(
        &self,
        placed: Envelope<OrderPlaced>,
        context: &Context<'_>,
    ) -> Result<Effects<StockEvent>, Failure> {
        let OrderPlaced { order_id, lines, delivery, .. } = placed.data;
        if delivery.is_some() || context.load::<Reservation>(&order_id).await?.is_some() {
            return Ok(Effects::none()); // its saga reserves; or it has had its answer
        }
        let stocks = Stock::of_each(&lines, context).await?;
        let (event, changed) = reserve(&order_id, lines.iter().cloned().zip(stocks));
        let reservation = Versioned::new(Reservation::of(&event, lines));
        let effects = changed.into_iter().fold(Effects::none(), Effects::save);
        Ok(effects.save(reservation).emit(event))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use throughline_shop::{Currency, Delivery, Money, OrderLine, Shortage, StockDepleted, StockReserved};
    use throughline_testing::{assert_name_is_locked, scenario};

    fn placed(lines: &[(&str, u32)]) -> OrderPlaced {
        OrderPlaced {
            order_id: "o-1".into(),
            customer: "Ada".into(),
            lines: order_lines(lines),
            total: Money { cents: 100, currency: Currency::Eur },
            delivery: None,
        }
    }

    fn order_lines(lines: &[(&str, u32)]) -> Vec<OrderLine> {
        let line =
            |&(sku, quantity): &(&str, u32)| OrderLine { sku: sku.into(), quantity, unit_price_cents: 100 };
        lines.iter().map(line).collect()
    }

    fn stock(sku: &str, available: u32) -> Stock {
        Stock { sku: sku.into(), available }
    }

    fn held(lines: &[(&str, u32)]) -> Reservation {
        Reservation { order_id: "o-1".into(), is_held: true, lines: order_lines(lines) }
    }

    fn reserved() -> StockReserved {
        StockReserved { order_id: "o-1".into() }
    }

    fn depleted(sku: &str, wanted: u32, available: u32) -> StockDepleted {
        let shortage = Shortage { sku: sku.into(), wanted, available };
        StockDepleted { order_id: "o-1".into(), shortages: vec![shortage] }
    }

    #[tokio::test]
    async fn an_order_takes_every_article_it_asks_for() {
        scenario(ReserveStock)
            .given(stock("mug-blue", 2))
            .given(stock("tea-green", 5))
            .when(placed(&[("mug-blue", 2), ("tea-green", 1)]))
            .await
            .then_emits([reserved()])
            .then_saved(stock("mug-blue", 0))
            .then_saved(stock("tea-green", 4))
            .then_saved(held(&[("mug-blue", 2), ("tea-green", 1)]))
            .redelivered()
            .await
            .then_saved(stock("tea-green", 4));
    }

    #[tokio::test]
    async fn stock_that_another_program_wrote_is_taken_too() {
        scenario(ReserveStock)
            .given_unversioned(stock("mug-blue", 2))
            .when(placed(&[("mug-blue", 1)]))
            .await
            .then_emits([reserved()])
            .then_saved(stock("mug-blue", 1));
    }

    #[tokio::test]
    async fn an_order_that_asks_for_too_much_takes_nothing() {
        scenario(ReserveStock)
            .given(stock("mug-blue", 2))
            .given(stock("teapot-copper", 1))
            .when(placed(&[("mug-blue", 2), ("teapot-copper", 3)]))
            .await
            .then_emits([depleted("teapot-copper", 3, 1)])
            .then_saved(stock("mug-blue", 2))
            .then_saved(stock("teapot-copper", 1))
            .then_saved(Reservation::refused("o-1"))
            .redelivered()
            .await;
    }

    #[tokio::test]
    async fn there_is_nothing_of_an_unknown_article() {
        scenario(ReserveStock)
            .when(placed(&[("unicorn", 1)]))
            .await
            .then_emits([depleted("unicorn", 1, 0)])
            .redelivered()
            .await;
    }

    #[tokio::test]
    async fn an_order_that_has_had_its_answer_takes_nothing_under_another_event_id() {
        let lines = [("mug-blue", 1)];
        for answered in [held(&lines), held(&lines).released(), Reservation::refused("o-1")] {
            scenario(ReserveStock)
                .given(stock("mug-blue", 2))
                .given(answered)
                .when(placed(&[("mug-blue", 1)]))
                .await
                .then_emits_nothing()
                .then_saved(stock("mug-blue", 2));
        }
    }

    #[tokio::test]
    async fn an_order_that_is_delivered_is_left_to_its_saga() {
        let delivery = Some(Delivery { card: "card-1".into(), address: "12 Analytical Row".into() });
        scenario(ReserveStock)
            .given(stock("mug-blue", 2))
            .when(OrderPlaced { delivery, ..placed(&[("mug-blue", 1)]) })
            .await
            .then_emits_nothing()
            .then_saved(stock("mug-blue", 2))
            .redelivered()
            .await;
    }

    #[tokio::test]
    async fn an_event_of_another_type_is_rejected() {
        let body = include_str!("../../../events/order.confirmed.v1.json");
        scenario(ReserveStock).when_body(body).await.then_rejected("UnknownType").redelivered().await;
    }

    #[test]
    fn its_name_is_locked() {
        assert_name_is_locked(ReserveStock::NAME);
    }
}
