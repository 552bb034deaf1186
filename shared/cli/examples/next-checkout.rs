//! A worker that a later deployment of the shop might bring, for a test: its checkout has one step more, and it still
//! understands the one that is deployed now. With `--states-language` it prints what its saga compiles to.

use ::checkout::Provider;
use serde::{Deserialize, Serialize};
use std::env;
use throughline::{Saga, prelude::*};
use throughline_shop::{Checkout, Shop, checkout};

events! {
    /// The next version of the checkout, with a step after the order is confirmed.
    pub enum PackingEvent of "packing" {
        "order.packed" v1 => Packed(OrderPacked.order_id),
    }
}

/// An order is packed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OrderPacked {
    /// The order's id.
    pub order_id: String,
}

type Providers = Shop<Provider, Provider>;

async fn pack(
    _: &Providers,
    checkout: Checkout,
    _: &StepContext<'_>,
) -> Result<Output<(), PackingEvent>, Failure> {
    let packed = OrderPacked { order_id: checkout.order_id };
    Ok(Effects::none().emit(packed).returning(()))
}

fn next_checkout() -> Saga<Providers> {
    checkout().step("pack", pack).effects_only().no_undo()
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), throughline::Error> {
    if env::args().any(|argument| argument == "--states-language") {
        println!("{}", next_checkout().states_language().expect("it is a saga"));
        return Ok(());
    }
    throughline::run_with(|environment| {
        let payments = environment.required("SHOP_PAYMENT_URL", "the URL of the payment provider's API");
        let shipping = environment.required("SHOP_SHIPPING_URL", "the URL of the carrier's API");
        let shop = Shop { payments: Provider::new(payments), shipping: Provider::new(shipping) };
        throughline::saga_worker(next_checkout(), shop).still(checkout())
    })
    .await
}
