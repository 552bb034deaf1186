//! The function `reserve-stock`: takes `order.placed` from its queue.

use reserve_stock::ReserveStock;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), throughline::Error> {
    throughline::run(throughline::sqs(ReserveStock)).await
}
