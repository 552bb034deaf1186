//! The saga `checkout`: the steps of an order that is delivered.

mod providers;
mod steps;

pub use providers::{
    Charge, Charged, PaymentError, Payments, Shipment, ShipmentRequest, Shipping, ShippingError,
};
pub use steps::{Confirmed, Reserved, Shop};

use crate::{Delivery, Money, Order, OrderLine};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use steps::{ask_for_approval, cancel, cancel_shipment, charge, confirm, refund, release, reserve, ship};
use throughline_core::{Saga, SagaInput, Sensitive, saga::Retry};

/// Reserve stock, charge the card, have somebody approve of it if it is expensive, ship, confirm. If one of
/// these fails for good, what was done before it is undone, and the order is cancelled.
#[rustfmt::skip] // one step, one line
pub fn checkout<P: Payments, S: Shipping>() -> Saga<Shop<P, S>> {
    let twice = Retry { attempts: 2, ..Retry::STEP };
    Saga::of::<Checkout>()
        .deadline(Duration::from_hours(48))
        .tables(&["stock"])
        .step("reserve", reserve).effects_only().undo(release)
        .step("charge", charge).time_limit(PROVIDER_TIME_LIMIT).retry(twice).undo(refund)
        .callback("approve", ask_for_approval, APPROVAL_TIME_LIMIT).only_if("needs_approval").effects_only().no_undo()
        .step("ship", ship).time_limit(PROVIDER_TIME_LIMIT).retry(twice).undo(cancel_shipment)
        .step("confirm", confirm).effects_only().no_undo()
        .when_compensated("cancel", cancel)
}

/// The time within which a provider must answer.
pub const PROVIDER_TIME_LIMIT: Duration = Duration::from_secs(5);

/// The time within which an expensive order must be approved.
pub const APPROVAL_TIME_LIMIT: Duration = Duration::from_hours(24);

/// An order needs approval if its total, in cents of its currency, is at least this.
pub const HIGH_VALUE_CENTS: u64 = 100_000;

/// The input of the saga `checkout`: an order that is delivered, as it was placed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Checkout {
    /// The order's id.
    pub order_id: String,
    /// The customer's name.
    pub customer: Sensitive<String>,
    /// The ordered lines.
    pub lines: Vec<OrderLine>,
    /// The total price.
    pub total: Money,
    /// The payment provider's token for the card that pays for it.
    pub card: Sensitive<String>,
    /// The address to deliver to.
    pub address: Sensitive<String>,
    /// Whether the order needs approval: see [`HIGH_VALUE_CENTS`].
    pub needs_approval: bool,
}

impl SagaInput for Checkout {
    const SAGA: &'static str = "checkout";

    fn subject(&self) -> Option<String> {
        Some(self.order_id.clone())
    }
}

impl Checkout {
    /// The checkout of an order, unless it is picked up.
    pub fn of(order: &Order) -> Option<Self> {
        let Delivery { card, address } = order.delivery.clone()?;
        Some(Self {
            order_id: order.id.clone(),
            customer: order.customer.clone(),
            lines: order.lines.clone(),
            total: order.total,
            card,
            address,
            needs_approval: order.total.cents >= HIGH_VALUE_CENTS,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Currency, OrderStatus};

    fn order(cents: u64, delivery: Option<Delivery>) -> Order {
        Order {
            id: "o-1".into(),
            customer: "Ada".into(),
            lines: vec![OrderLine { sku: "mug-blue".into(), quantity: 2, unit_price_cents: 1250 }],
            total: Money { cents, currency: Currency::Eur },
            delivery,
            status: OrderStatus::Placed,
        }
    }

    fn delivery() -> Delivery {
        Delivery { card: "card-1".into(), address: "12 Analytical Row".into() }
    }

    #[test]
    fn only_an_order_that_is_delivered_is_checked_out() {
        assert_eq!(Checkout::of(&order(2500, None)), None);
        let checkout = Checkout::of(&order(2500, Some(delivery()))).unwrap();
        assert_eq!(
            (&**checkout.card.expose(), &**checkout.address.expose()),
            ("card-1", "12 Analytical Row")
        );
        assert_eq!(checkout.subject().as_deref(), Some("o-1"));
    }

    #[test]
    fn an_order_of_a_thousand_needs_approval() {
        let needs_approval = |cents| Checkout::of(&order(cents, Some(delivery()))).unwrap().needs_approval;
        assert!(!needs_approval(99_999));
        assert!(needs_approval(100_000));
    }
}
