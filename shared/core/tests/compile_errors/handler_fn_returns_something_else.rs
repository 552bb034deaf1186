//! An `async fn` given to `handler_fn` returns `()` or `Effects`.

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

async fn greeting(placed: Envelope<OrderPlaced>) -> Result<String, Failure> {
    Ok(format!("thank you for order {}", placed.data.order_id))
}

async fn event(placed: Envelope<OrderPlaced>) -> Result<OrderPlaced, Failure> {
    Ok(placed.data)
}

fn main() {
    let _ = handler_fn("greet", greeting);
    let _ = handler_fn("repeat", event);
}
