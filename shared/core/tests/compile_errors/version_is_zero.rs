//! Versions are written v1, v2, ...

use serde::{Deserialize, Serialize};
use throughline_core::prelude::*;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct OrderPlaced {
    order_id: String,
}

events! {
    /// Orders.
    enum OrderEvent of "order" {
        "order.placed" v0 => Placed(OrderPlaced.order_id),
    }
}

fn main() {}
