//! What an order that is delivered goes through: the saga's input, and the providers it asks.
//!
//! The providers are outside: each call may have happened although no answer came. So each carries a key, the
//! same for every attempt at it, and each has a `void` that settles a call by that key alone.

use crate::{Delivery, Money, Order, OrderLine};
use serde::{Deserialize, Serialize};
use std::future::Future;
use throughline_core::SagaInput;

/// From this total on, in cents of the order's currency, somebody has to approve of an order.
pub const HIGH_VALUE_CENTS: u64 = 100_000;

/// What the saga `checkout` is started with: an order that is delivered, as it was placed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Checkout {
    /// Which order.
    pub order_id: String,
    /// Who ordered.
    pub customer: String,
    /// What was ordered.
    pub lines: Vec<OrderLine>,
    /// What it costs.
    pub total: Money,
    /// The payment provider's token for the card that pays for it.
    pub card: String,
    /// Where to bring it.
    pub address: String,
    /// Whether somebody has to approve of it: see [`HIGH_VALUE_CENTS`].
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

/// What to charge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charge {
    /// For which order.
    pub order_id: String,
    /// The payment provider's token for the card.
    pub card: String,
    /// How much.
    pub amount: Money,
}

/// A card was charged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charged {
    /// The payment provider's id of the charge.
    pub charge_id: String,
}

/// Why a payment provider did not do what it was asked to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PaymentError {
    /// It will not, however often it is asked. Nothing has happened.
    #[error("the card was declined: {0}")]
    Declined(String),
    /// It did not answer, or not with an answer. Whether it has happened is not known.
    #[error("the payment provider is unavailable: {0}")]
    Unavailable(String),
}

/// A payment provider.
pub trait Payments: Send + Sync + 'static {
    /// Charges a card, once for each key.
    fn charge(
        &self,
        charge: &Charge,
        key: &str,
    ) -> impl Future<Output = Result<Charged, PaymentError>> + Send;

    /// Gives a charge back, once for each charge.
    fn refund(&self, charge_id: &str, key: &str) -> impl Future<Output = Result<(), PaymentError>> + Send;

    /// Settles a charge whose outcome is not known, by the key it was asked for with: it is given back if it
    /// took effect, and refused if it arrives only now.
    fn void(&self, charge_key: &str) -> impl Future<Output = Result<(), PaymentError>> + Send;
}

/// What to ship.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShipmentRequest {
    /// Of which order.
    pub order_id: String,
    /// Where to.
    pub address: String,
    /// What is in it.
    pub lines: Vec<OrderLine>,
}

/// A shipment was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shipment {
    /// The carrier's id of it.
    pub shipment_id: String,
}

/// Why a carrier did not do what it was asked to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShippingError {
    /// It will not, however often it is asked. Nothing has happened.
    #[error("it cannot be delivered: {0}")]
    Undeliverable(String),
    /// It did not answer, or not with an answer. Whether it has happened is not known.
    #[error("the carrier is unavailable: {0}")]
    Unavailable(String),
}

/// A carrier.
pub trait Shipping: Send + Sync + 'static {
    /// Makes a shipment, once for each key.
    fn create(
        &self,
        request: &ShipmentRequest,
        key: &str,
    ) -> impl Future<Output = Result<Shipment, ShippingError>> + Send;

    /// Cancels a shipment, once for each shipment.
    fn cancel(&self, shipment_id: &str, key: &str) -> impl Future<Output = Result<(), ShippingError>> + Send;

    /// Settles a shipment whose outcome is not known, by the key it was asked for with: it is cancelled if it
    /// was made, and refused if the request for it arrives only now.
    fn void(&self, shipment_key: &str) -> impl Future<Output = Result<(), ShippingError>> + Send;
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
        assert_eq!((&*checkout.card, &*checkout.address), ("card-1", "12 Analytical Row"));
        assert_eq!(checkout.subject().as_deref(), Some("o-1"));
    }

    #[test]
    fn an_order_of_a_thousand_needs_approval() {
        let needs_approval = |cents| Checkout::of(&order(cents, Some(delivery()))).unwrap().needs_approval;
        assert!(!needs_approval(99_999));
        assert!(needs_approval(100_000));
    }
}
