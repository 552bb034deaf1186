//! The function `order-board`: takes every event of an order from its queue.

use order_board::OrderBoard;
use throughline::{Reprocess, prelude::Handler as _, projection};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), throughline::Error> {
    throughline::run(throughline::sqs(projection(OrderBoard).on_replay(Reprocess))).await
}
