//! `type Message` is declared in a catalogue.

use throughline_core::prelude::*;

#[derive(Debug, Clone)]
struct OrderPlaced;

#[derive(Clone)]
struct ShipOrder;

impl Handler for ShipOrder {
    const NAME: &'static str = "ship-order";
    type Message = OrderPlaced;
    type Emits = Never;

    async fn handle(&self, _: Envelope<OrderPlaced>, _: &Context<'_>) -> Result<Effects, Failure> {
        Ok(Effects::none())
    }
}

fn main() {}
