//! Executions that are under way while a saga changes.

use throughline_core::{
    prelude::*,
    saga::{Work, Worker, error_type},
};
use throughline_testing::{
    fixtures::journey::{Journey, Travel, all_or_nothing, approved, journey},
    saga::End,
};

async fn nothing(_: &Travel, _: Journey, _: &StepContext<'_>) -> Result<Output<u8>, Failure> {
    Ok(Output::of(0))
}

fn changed() -> Saga<Travel> {
    journey().step("thank", nothing).no_undo()
}

#[test]
fn an_execution_ends_as_it_began() {
    let run = approved().run_by(|travel| Worker::new(changed(), travel).still(journey()));
    all_or_nothing(&run);
    assert_eq!((run.end, run.results(Work::Run, "thank")), (End::Completed, vec![]));
}

#[test]
fn an_unknown_definition_is_waited_for_and_never_undone() {
    let run = approved().run_by(|travel| Worker::new(changed(), travel));
    assert_eq!(run.end, End::Stuck);
    assert!(run.journal.len() > 100, "it is patient");
    assert!(run.journal.iter().all(|entry| entry.work == Work::Run));
    assert!(run.journal.iter().all(|entry| entry.result == error_type::NOT_UNDERSTOOD));
}
