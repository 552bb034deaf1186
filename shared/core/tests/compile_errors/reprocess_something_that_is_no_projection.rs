//! Only a projection is run again by a replay.

use throughline_core::prelude::*;

#[derive(Clone)]
struct Charge;

impl Handler for Charge {
    const NAME: &'static str = "charge";
    type Message = Raw<String>;
    type Emits = Never;

    async fn handle(&self, _: Envelope<Raw<String>>, _: &Context<'_>) -> Result<Effects, Failure> {
        Ok(Effects::none())
    }
}

fn main() {
    let _ = Charge.on_replay(Reprocess);
}
