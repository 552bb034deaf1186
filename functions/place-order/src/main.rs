//! The function `place-order`: takes `order.place` commands from their queue.

use place_order::PlaceOrderHandler;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), throughline::Error> {
    throughline::run(throughline::sqs(PlaceOrderHandler)).await
}
