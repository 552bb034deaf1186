//! `type Emits` is a catalogue of events, one of its payloads, or `Never`.

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

#[derive(Clone)]
struct ShipOrder;

impl Handler for ShipOrder {
    const NAME: &'static str = "ship-order";
    type Message = OrderPlaced;
    type Emits = OrderShipped;

    async fn handle(
        &self,
        _: Envelope<OrderPlaced>,
        _: &Context<'_>,
    ) -> Result<Effects<OrderShipped>, Failure> {
        Ok(Effects::none())
    }
}

fn main() {}
