//! The function `place-order`: takes `order.place` commands from their queue.

mod handler;

use handler::PlaceOrderHandler;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), throughline::Error> {
    throughline::run(throughline::sqs(PlaceOrderHandler)).await
}
