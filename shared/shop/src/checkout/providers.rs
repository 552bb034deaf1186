//! The providers that the checkout asks.
//!
//! They are outside: each call may have happened although no answer came. So each carries a key, the same for
//! every attempt at it, and each has a `void` that settles a call by that key alone.

use crate::{Money, OrderLine};
use serde::{Deserialize, Serialize};
use std::future::Future;
use throughline_core::Sensitive;

/// A request to charge a card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charge {
    /// The order's id.
    pub order_id: String,
    /// The payment provider's token for the card.
    pub card: Sensitive<String>,
    /// The amount.
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

/// A request to ship an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShipmentRequest {
    /// The order's id.
    pub order_id: String,
    /// The address to deliver to.
    pub address: Sensitive<String>,
    /// The lines in the shipment.
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
