//! Orders to check out, and the shop that does.

use crate::{
    ApprovalRequested, Checkout, Currency, DecideOrder, Delivery, Money, Order, OrderLine, OrderStatus, Shop,
    Stock, checkout,
    testing::providers::{Carrier, PaymentProvider},
};
use std::time::Duration;
use throughline_core::{Handler, ledger::Outgoing};
use throughline_testing::{SagaTest, saga_test};

/// A shop whose providers are in memory.
pub type TestShop = Shop<PaymentProvider, Carrier>;

/// The pieces in stock before the order.
pub const IN_STOCK: u32 = 5;
/// The pieces that are ordered.
pub const ORDERED: u32 = 2;

fn order(cents: u64) -> Order {
    Order {
        id: "o-1".into(),
        customer: "Ada".into(),
        lines: vec![OrderLine { sku: "mug-blue".into(), quantity: ORDERED, unit_price_cents: 1250 }],
        total: Money { cents, currency: Currency::Eur },
        delivery: Some(Delivery { card: "card-1".into(), address: "12 Analytical Row".into() }),
        status: OrderStatus::Placed,
    }
}

/// Returns the input of the checkout of an order over this many cents.
pub fn input(cents: u64) -> Checkout {
    Checkout::of(&order(cents)).expect("it is delivered")
}

fn shop() -> TestShop {
    Shop { payments: PaymentProvider::default(), shipping: Carrier::default() }
}

/// Returns the checkout of an order of so many cents, which Grace approves of a minute after she is asked. Her decision goes
/// to a handler: the function `approve-order`.
pub fn checkout_of(cents: u64, approve_order: impl Handler<Message = DecideOrder>) -> SagaTest<TestShop> {
    saga_test(checkout(), input(cents), shop)
        .given(order(cents))
        .given(Stock { sku: "mug-blue".into(), available: IN_STOCK })
        .reacting(approve_order, Duration::from_mins(1), |sent| approval(sent, None))
}

fn approval(sent: &Outgoing, refused_because: Option<&str>) -> Option<DecideOrder> {
    let asked: ApprovalRequested = serde_json::from_str(sent.envelope.data.get()).ok()?;
    let ApprovalRequested { order_id, callback, .. } = asked;
    Some(DecideOrder {
        order_id,
        callback,
        by: "Grace".into(),
        refused_because: refused_because.map(Into::into),
    })
}
