//! The function `report-stuck-sagas`: takes Step Functions' own events from its queue.

use throughline::saga::ReportStuckSagas;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), throughline::Error> {
    throughline::run(throughline::sqs(ReportStuckSagas)).await
}
