//! The function `await-payment`: takes `order.pay` and `order.expire` commands from their queue.

use await_payment::AwaitPayment;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), throughline::Error> {
    throughline::run(throughline::sqs(AwaitPayment)).await
}
