use serde::{Deserialize, Serialize};
use throughline_core::events;

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
    let _ = throughline_testing::catalogue().events::<OrderEvent>();
}
