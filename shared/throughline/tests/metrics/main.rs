//! The emitted metrics are valid by CloudWatch's schema, true of the work that was done, and exactly those that the
//! catalogue declares.

mod document;
mod handler;
mod relay;
mod saga;

use document::{declared_for, emitted, never_counted};
use throughline::metrics::{CATALOGUE, Emitter};

#[tokio::test(start_paused = true)]
async fn each_emitter_emits_what_the_catalogue_declares_for_it_and_nothing_else() {
    assert_eq!(emitted(&handler::every_verdict().await), declared_for(Emitter::HandlerFunction));
    assert_eq!(emitted(&relay::every_fate().await), declared_for(Emitter::Relay));
    assert_eq!(emitted(&saga::every_answer().await), declared_for(Emitter::SagaWorker));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_declared_that_never_happens() {
    let mut lines = handler::every_verdict().await;
    lines.extend(relay::every_fate().await);
    lines.extend(saga::every_answer().await);
    assert_eq!(never_counted(&lines, CATALOGUE), Vec::<&str>::new());
}
