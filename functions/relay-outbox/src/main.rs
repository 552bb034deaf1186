//! The function `relay-outbox`: takes what handlers have committed from the table's stream, and sends events
//! to the bus and commands to their queues, now or later; starts sagas; answers tasks that wait.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), throughline::Error> {
    throughline::run(throughline::outbox().sending::<throughline_shop::OrderCommand>()).await
}
