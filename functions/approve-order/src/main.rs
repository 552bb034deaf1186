//! The function `approve-order`: takes `order.decide` from its queue.

use approve_order::ApproveOrder;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), throughline::Error> {
    throughline::run(throughline::sqs(ApproveOrder)).await
}
