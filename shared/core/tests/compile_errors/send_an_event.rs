//! Events are emitted, commands are sent.

use serde::{Deserialize, Serialize};
use throughline_core::prelude::*;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct OrderPlaced {
    order_id: String,
}

events! {
    /// Orders.
    enum OrderEvent of "order" {
        "order.placed" v1 => Placed(OrderPlaced.order_id),
    }
}

fn main() {
    let _: Effects = Effects::none().send(OrderPlaced { order_id: "o-1".into() });
}
