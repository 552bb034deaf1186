//! Approving of expensive orders: asked by an event, answered by a command.

use crate::Money;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use throughline_core::{CallbackId, Sensitive, commands, events};

events! {
    /// Requests for approval, sent to the people who may approve of orders.
    pub enum ApprovalEvent of "approval" {
        "approval.requested" v1 => Requested(ApprovalRequested.order_id),
    }
}

commands! {
    /// Decisions about orders that need approval.
    pub enum ApprovalCommand to "approve-order" {
        "order.decide" v1 => Decide(DecideOrder.order_id),
    }
}

/// An order waits for somebody to approve of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ApprovalRequested {
    /// The order's id.
    pub order_id: String,
    /// The customer's name.
    pub customer: Sensitive<String>,
    /// The total price.
    pub total: Money,
    /// The callback that waits for the answer.
    pub callback: CallbackId<Approved>,
}

/// Approves of an order, or does not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DecideOrder {
    /// The order's id.
    pub order_id: String,
    /// The callback that waits for the answer, copied from the request.
    pub callback: CallbackId<Approved>,
    /// The person who decides.
    pub by: String,
    /// Why not, if they do not approve.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused_because: Option<String>,
}

/// Somebody takes the risk of an expensive order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approved {
    /// The person who decided.
    pub by: String,
}
