//! A step says how it is undone, or that it need not be.

use serde::{Deserialize, Serialize};
use throughline_core::prelude::*;

#[derive(Serialize, Deserialize)]
struct Checkout;

impl SagaInput for Checkout {
    const SAGA: &'static str = "checkout";
}

struct Shop;

async fn charge(_: &Shop, _: Checkout, _: &StepContext<'_>) -> Result<Output<()>, Failure> {
    Ok(Output::of(()))
}

fn main() {
    let saga: Saga<Shop> = Saga::of::<Checkout>().step("charge", charge);
}
