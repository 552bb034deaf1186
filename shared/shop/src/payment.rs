//! Paying at the counter: how an order that is picked up is paid for, and what happens if it is not.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use throughline_core::commands;

/// The time that an order that is picked up waits for its payment, unless the order names another.
pub const PAYMENT_TIME_LIMIT: Duration = Duration::from_hours(24);

commands! {
    /// Commands to an order that waits for its payment.
    pub enum PaymentCommand to "await-payment" {
        "order.pay" v1 => Pay(PayOrder.order_id),
        "order.expire" v1 => Expire(ExpireOrder.order_id),
    }
}

/// The customer has paid.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PayOrder {
    /// The order's id.
    pub order_id: String,
}

/// The time to pay is over. It is scheduled when the order is placed, and taken back when it is paid.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ExpireOrder {
    /// The order's id.
    pub order_id: String,
}

/// Why a payment cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadPayment {
    /// Its stock is not reserved yet: nobody pays for what cannot be had.
    #[error("the stock of the order `{order_id}` is not reserved yet")]
    TooEarly {
        /// The order's id.
        order_id: String,
    },
    /// The order is cancelled, so the payment must be refunded.
    #[error("the order `{order_id}` is cancelled and cannot be paid any more")]
    IsCancelled {
        /// The order's id.
        order_id: String,
    },
    /// Its card is charged.
    #[error("the order `{order_id}` is delivered: its card pays for it")]
    IsDelivered {
        /// The order's id.
        order_id: String,
    },
}

impl BadPayment {
    /// Returns whether the same payment may be accepted later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::TooEarly { .. })
    }
}
