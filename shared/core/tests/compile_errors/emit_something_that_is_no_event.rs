//! `emit` takes what the handler's catalogue holds.

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

struct OrderShipped;

fn main() {
    let _: Effects<OrderEvent> = Effects::none().emit(OrderShipped);
}
