//! Turns an order that waits for its payment into a paid one, or cancels it in the end.

use throughline::prelude::*;
use throughline_shop::{
    ExpireOrder, Order, PayOrder, PaymentCommand, Reservation, ShopEvent, Stock, StockEvent,
};

/// `order.pay`: marks the order as paid, announces it, and takes back the command that would cancel it.
/// `order.expire`: cancels an order that is not paid, puts its stock back, and announces both.
///
/// A process manager: the order is its state, and the message that it scheduled for itself is its clock. No
/// orchestrator watches over it. What makes it right is that an order, its reservation and its stock change in
/// one transaction each time, at the versions they were loaded at:
///
/// - `order.pay` and `order.expire` both save the order. Of two that meet, the second decides again, and finds
///   it paid or cancelled. A time limit that comes although it was taken back changes nothing.
/// - `order.expire` may come before `reserve-stock` has answered. Then it writes the answer itself: a
///   reservation that is [refused](Reservation::refused). `reserve-stock` does nothing for an order that has had
///   its answer, so nothing is set aside for an order that is cancelled. Nobody waits, and nobody has to ask
///   after the order.
/// - A `stock.reserved` that arrives after the order was cancelled settles nothing: the first answer stands.
/// - `order.pay` waits (it is retried) until the stock is reserved: nobody pays for what cannot be had. After
///   the order was cancelled, it is rejected, for somebody to give the money back.
#[derive(Debug, Clone)]
pub struct AwaitPayment;

impl Handler for AwaitPayment {
    const NAME: &'static str = "await-payment";
    const TABLES: &'static [&'static str] = &["stock"];
    type Message = PaymentCommand;
    type Emits = ShopEvent;

    async fn handle(
        &self,
        command: Envelope<PaymentCommand>,
        context: &Context<'_>,
    ) -> Result<Effects<ShopEvent>, Failure> {
        match command.data {
            PaymentCommand::Pay(pay) => take_payment(pay, context).await,
            PaymentCommand::Expire(expire) => give_up(expire, context).await,
        }
    }
}

async fn take_payment(pay: PayOrder, context: &Context<'_>) -> Result<Effects<ShopEvent>, Failure> {
    let PayOrder { order_id } = pay;
    let order = context.load::<Order>(&order_id).await?.or_retry("order not seen yet")?;
    let paid = match order.value.pay() {
        Ok(Some(paid)) => paid,
        Ok(None) => return Ok(Effects::none()),
        Err(early) if early.is_transient() => return Err(Failure::retry(early)),
        Err(bad) => return Err(Failure::reject(bad)),
    };
    let order = order.map(|order| order.after(&paid));
    Ok(Effects::none().save(order).emit(paid).cancel_scheduled(ExpireOrder { order_id }))
}

async fn give_up(expire: ExpireOrder, context: &Context<'_>) -> Result<Effects<ShopEvent>, Failure> {
    // The transaction that saved the order scheduled this.
    let order = context.load::<Order>(&expire.order_id).await?.or_reject("there is no such order")?;
    let Some(cancelled) = order.value.expire() else { return Ok(Effects::none()) };
    let order = order.map(|order| order.after(&cancelled));
    let effects = Effects::none().save(order).emit(cancelled);
    match context.load::<Reservation>(&expire.order_id).await? {
        Some(reservation) => put_back(reservation, effects, context).await,
        None => Ok(effects.save(Versioned::new(Reservation::refused(expire.order_id)))),
    }
}

async fn put_back(
    reservation: Versioned<Reservation>,
    effects: Effects<ShopEvent>,
    context: &Context<'_>,
) -> Result<Effects<ShopEvent>, Failure> {
    let stocks = Stock::of_each(&reservation.value.lines, context).await?;
    let release: Option<(StockEvent, _)> = reservation.value.release(&stocks);
    let Some((released, stocks)) = release else { return Ok(effects) };
    let effects = stocks.into_iter().fold(effects, Effects::save);
    Ok(effects.save(reservation.map(Reservation::released)).emit(released))
}

#[cfg(test)]
mod tests {
    use super::*;
    use throughline_shop::{
        CancelReason, Currency, Delivery, Money, OrderCancelled, OrderLine, OrderPaid,
        OrderStatus::{self, Cancelled, Confirmed, Paid, Placed},
        StockReleased,
    };
    use throughline_testing::{Scenario, assert_name_is_locked, scenario};

    fn line() -> OrderLine {
        OrderLine { sku: "mug-blue".into(), quantity: 2, unit_price_cents: 1250 }
    }

    fn order(status: OrderStatus) -> Order {
        let total = Money { cents: 2500, currency: Currency::Eur };
        let (id, customer, lines) = ("o-1".into(), "Ada".into(), vec![line()]);
        Order { id, customer, lines, total, delivery: None, status }
    }

    fn delivered(status: OrderStatus) -> Order {
        let delivery = Delivery { card: "card-1".into(), address: "12 Analytical Row".into() };
        Order { delivery: Some(delivery), ..order(status) }
    }

    fn held() -> Reservation {
        Reservation { order_id: "o-1".into(), is_held: true, lines: vec![line()] }
    }

    fn stock(available: u32) -> Stock {
        Stock { sku: "mug-blue".into(), available }
    }

    fn pay() -> PayOrder {
        PayOrder { order_id: "o-1".into() }
    }

    fn expire() -> ExpireOrder {
        ExpireOrder { order_id: "o-1".into() }
    }

    fn paid() -> ShopEvent {
        ShopEvent::Order(OrderPaid { order_id: "o-1".into() }.into())
    }

    fn cancelled() -> ShopEvent {
        let (order_id, customer) = ("o-1".into(), "Ada".into());
        ShopEvent::Order(OrderCancelled { order_id, customer, reason: CancelReason::Unpaid }.into())
    }

    fn released() -> ShopEvent {
        ShopEvent::Stock(StockReleased { order_id: "o-1".into() }.into())
    }

    fn given(order: Order) -> Scenario<AwaitPayment> {
        scenario(AwaitPayment).given(order)
    }

    #[tokio::test]
    async fn a_payment_is_taken_and_its_time_limit_taken_back() {
        let ran = given(order(Confirmed))
            .when(pay())
            .await
            .then_emits([paid()])
            .then_saved(order(Paid))
            .redelivered()
            .await;
        let log = ran.ledger().log();
        assert_eq!(log.len(), 2);
        assert_eq!(log[1].destination, Destination::Unscheduled { queue: "await-payment".into() });
        let attributes = &log[1].envelope.attributes;
        let about = (&*attributes.message_type, attributes.subject.as_deref());
        assert_eq!(about, ("order.expire", Some("o-1")));
    }

    #[tokio::test]
    async fn an_order_is_paid_once() {
        given(order(Paid)).when(pay()).await.then_emits_nothing().then_saved(order(Paid));
    }

    #[tokio::test]
    async fn a_payment_waits_for_the_order_and_for_its_stock() {
        scenario(AwaitPayment).when(pay()).await.then_retried("order not seen yet");
        given(order(Placed)).when(pay()).await.then_retried("not reserved yet").redelivered().await;
    }

    #[tokio::test]
    async fn a_payment_that_can_never_be_taken_is_rejected() {
        given(order(Cancelled))
            .when(pay())
            .await
            .then_rejected("cannot be paid any more")
            .redelivered()
            .await;
        given(delivered(Placed)).when(pay()).await.then_rejected("its card pays for it");
    }

    #[tokio::test]
    async fn an_order_that_is_not_paid_in_time_is_cancelled_and_its_stock_put_back() {
        for status in [Placed, Confirmed] {
            given(order(status))
                .given(held())
                .given(stock(3))
                .when(expire())
                .await
                .then_emits([cancelled(), released()])
                .then_saved(order(Cancelled))
                .then_saved(held().released())
                .then_saved(stock(5))
                .redelivered()
                .await
                .then_saved(stock(5));
        }
    }

    #[tokio::test]
    async fn each_event_is_one_of_its_own_aggregate() {
        let ran = given(order(Confirmed)).given(held()).given(stock(3)).when(expire()).await.then_done();
        let aggregate = |position: usize| {
            let attributes = ran.ledger().log()[position].envelope.attributes.clone();
            (attributes.aggregate_type.unwrap(), attributes.sequence)
        };
        assert_eq!(aggregate(0), ("order".into(), Some(1)));
        assert_eq!(aggregate(1), ("reservation".into(), Some(1)));
    }

    #[tokio::test]
    async fn an_order_that_expires_before_the_stock_has_answered_never_gets_any() {
        given(order(Placed))
            .when(expire())
            .await
            .then_emits([cancelled()])
            .then_saved(Reservation::refused("o-1"))
            .redelivered()
            .await;
    }

    #[tokio::test]
    async fn an_order_that_got_no_stock_has_none_to_put_back() {
        given(order(Placed))
            .given(Reservation::refused("o-1"))
            .when(expire())
            .await
            .then_emits([cancelled()])
            .then_saved(order(Cancelled))
            .redelivered()
            .await;
    }

    #[tokio::test]
    async fn a_time_limit_that_is_not_wanted_any_more_changes_nothing() {
        for unchanged in [order(Paid), order(Cancelled), delivered(Placed), delivered(Confirmed)] {
            given(unchanged.clone())
                .given(held())
                .given(stock(3))
                .when(expire())
                .await
                .then_emits_nothing()
                .then_saved(unchanged)
                .then_saved(held())
                .then_saved(stock(3))
                .redelivered()
                .await;
        }
    }

    #[tokio::test]
    async fn a_time_limit_for_no_order_is_rejected() {
        scenario(AwaitPayment).when(expire()).await.then_rejected("there is no such order");
    }

    #[test]
    fn its_name_is_locked() {
        assert_name_is_locked(AwaitPayment::NAME);
    }
}
