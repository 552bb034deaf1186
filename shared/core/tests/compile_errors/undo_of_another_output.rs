//! An undo is given what its own step returned.

use serde::{Deserialize, Serialize};
use throughline_core::prelude::*;

#[derive(Serialize, Deserialize)]
struct Checkout;

impl SagaInput for Checkout {
    const SAGA: &'static str = "checkout";
}

#[derive(Serialize, Deserialize)]
struct Charged;

#[derive(Serialize, Deserialize)]
struct Shipped;

struct Shop;

async fn charge(_: &Shop, _: Checkout, _: &StepContext<'_>) -> Result<Output<Charged>, Failure> {
    Ok(Output::of(Charged))
}

async fn cancel_shipment(_: &Shop, _: Option<Shipped>, _: &StepContext<'_>) -> Result<(), Failure> {
    Ok(())
}

fn main() {
    let _: Saga<Shop> = Saga::of::<Checkout>().step("charge", charge).undo(cancel_shipment);
}
