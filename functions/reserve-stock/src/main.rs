//! The function `reserve-stock`: takes `order.placed` from its queue.

mod handler;

use handler::ReserveStock;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), throughline::Error> {
    throughline::run(throughline::sqs(ReserveStock)).await
}
