//! The subject is a field of the payload.

use serde::{Deserialize, Serialize};
use throughline_core::prelude::*;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct OrderPlaced {
    order_id: String,
}

events! {
    /// Orders.
    enum OrderEvent of "order" {
        "order.placed" v1 => Placed(OrderPlaced.id),
    }
}

fn main() {}
