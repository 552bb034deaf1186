//! A step takes the services, what it reads, and its context.

use serde::{Deserialize, Serialize};
use throughline_core::prelude::*;

#[derive(Serialize, Deserialize)]
struct Checkout;

impl SagaInput for Checkout {
    const SAGA: &'static str = "checkout";
}

struct Shop;

async fn charge(_: &Shop, _: Checkout) -> Result<Output<()>, Failure> {
    Ok(Output::of(()))
}

fn main() {
    let _: Saga<Shop> = Saga::of::<Checkout>().step("charge", charge).no_undo();
}
