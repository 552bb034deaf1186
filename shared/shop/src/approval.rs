//! Approving of expensive orders: asked by an event, answered by a command.

use crate::Money;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use throughline_core::{CallbackId, Sensitive, commands, events};

events! {
    /// What is asked of whoever may approve of orders.
    pub enum ApprovalEvent of "approval" {
        "approval.requested" v1 => Requested(ApprovalRequested.order_id),
    }
}

commands! {
    /// What is decided about orders that need approval.
    pub enum ApprovalCommand to "approve-order" {
        "order.decide" v1 => Decide(DecideOrder.order_id),
    }
}

/// An order waits for somebody to approve of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ApprovalRequested {
    /// Which order.
    pub order_id: String,
    /// Who ordered.
    pub customer: Sensitive<String>,
    /// What it costs.
    pub total: Money,
    /// Where the answer is awaited.
    pub callback: CallbackId<Approved>,
}

/// Approves of an order, or does not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DecideOrder {
    /// Which order.
    pub order_id: String,
    /// Where the answer is awaited: as it was asked.
    pub callback: CallbackId<Approved>,
    /// Who decides.
    pub by: String,
    /// Why not, if they do not approve.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused_because: Option<String>,
}

/// Somebody takes the risk of an expensive order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approved {
    /// Who.
    pub by: String,
}
