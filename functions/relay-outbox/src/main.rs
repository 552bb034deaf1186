//! The function `relay-outbox`: takes what handlers have committed from the table's stream, and sends events
//! to the bus and commands to their queues, now or later; starts sagas; answers tasks that wait.

use throughline_shop::{Checkout, OrderCommand, PaymentCommand};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), throughline::Error> {
    let outbox = throughline::outbox();
    throughline::run(outbox.sending::<OrderCommand>().scheduling::<PaymentCommand>().starting::<Checkout>())
        .await
}
