//! The function `checkout`: does the steps of the saga of that name, as its state machine asks.

mod providers;

use providers::Provider;
use throughline_shop::{Shop, checkout};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), throughline::Error> {
    throughline::run_with(|environment| {
        let payments = environment.required("SHOP_PAYMENT_URL", "the URL of the payment provider's API");
        let shipping = environment.required("SHOP_SHIPPING_URL", "the URL of the carrier's API");
        let shop = Shop { payments: Provider::new(payments), shipping: Provider::new(shipping) };
        throughline::saga_worker(checkout(), shop)
    })
    .await
}
