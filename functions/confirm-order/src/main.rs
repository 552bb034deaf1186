//! The function `confirm-order`: takes `stock.reserved` and `stock.depleted` from the bus.

use confirm_order::ConfirmOrder;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), throughline::Error> {
    throughline::run(throughline::eventbridge(ConfirmOrder)).await
}
