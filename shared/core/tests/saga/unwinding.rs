//! Unwinding: the steps that are undone, and the inputs of their undos.

use std::time::Duration;
use throughline_core::{
    Timestamp,
    saga::{Work, error_type},
};
use throughline_testing::{
    fixtures::journey::{DEADLINE, TIME_TO_THINK, Travel, all_or_nothing, approved, undecided},
    saga::{End, Entry, Fault, Injection, Place, SagaRun},
};

fn at(work: Work, step: &'static str, fault: Fault) -> Injection {
    Injection { place: Place { work, step }, fault, because: None }
}

fn with<const N: usize>(faults: [(Work, &'static str, Fault); N]) -> SagaRun<Travel> {
    let run = approved().run_with(&faults.map(|(work, step, fault)| at(work, step, fault)));
    all_or_nothing(&run);
    run
}

fn with_step(step: &'static str, fault: Fault) -> SagaRun<Travel> {
    with([(Work::Run, step, fault)])
}

#[test]
fn what_may_have_happened_is_undone_without_knowing_its_outcome() {
    let run = with_step("pay", Fault::TimesOutAlways);
    assert_eq!(run.services().undone(), [("pay", false), ("seat", true)]);
}

#[test]
fn what_happened_and_was_never_told_is_undone_with_its_output() {
    let run = with_step("pay", Fault::NeverAnswers);
    assert_eq!(run.services().undone(), [("pay", true), ("seat", true)]);
}

#[test]
fn what_was_refused_is_not_undone() {
    let run = with_step("pay", Fault::FailsForGood);
    assert_eq!(run.results(Work::Run, "pay"), [error_type::REJECTED]);
    assert_eq!(run.services().undone(), [("seat", true)]);
}

#[test]
fn what_was_refused_after_it_may_have_happened_is_undone() {
    let run = with([(Work::Run, "pay", Fault::TimesOutOnce), (Work::Run, "pay", Fault::FailsForGood)]);
    assert_eq!(run.results(Work::Run, "pay").last(), Some(&error_type::FAILED));
    assert_eq!(run.services().undone(), [("pay", false), ("seat", true)]);
}

#[test]
fn what_is_nothing_but_effects_and_was_not_committed_is_not_undone() {
    let run = with_step("seat", Fault::TimesOutAlways);
    assert_eq!((run.end, run.services().undone()), (End::Compensated, vec![]));
}

#[test]
fn what_arrives_after_its_undo_has_no_effect() {
    for step in ["seat", "pay", "room", "confirm"] {
        for fault in [Fault::LateBeforeFunction, Fault::LateBeforeCommit] {
            let run = with_step(step, fault);
            assert_eq!(run.end, End::Compensated, "{step} {fault:?}: {run}");
        }
    }
}

#[test]
fn what_has_no_undo_and_is_done_after_all_is_gone_on_after() {
    let run = with_step("confirm", Fault::NeverAnswers);
    assert_eq!(run.results(Work::Undo, "confirm"), [error_type::DONE]);
    assert_eq!((run.end, run.services().undone()), (End::Completed, vec![]));
}

#[test]
fn the_first_failure_of_a_group_abandons_the_others_and_undoes_them() {
    let run = with([(Work::Run, "room", Fault::FailsForGood), (Work::Run, "car", Fault::LateBeforeCommit)]);
    assert_eq!(run.results(Work::Run, "car"), [""; 0], "nobody waits for it");
    assert_eq!(run.services().cars.keys(), 1, "it goes on all the same");
    assert_eq!(run.services().undone(), [("car", false), ("pay", true), ("seat", true)]);
}

#[test]
fn after_its_deadline_no_step_begins() {
    let run = with_step("room", Fault::DeadlinePassed);
    assert_eq!(run.results(Work::Run, "room"), [error_type::DEADLINE_PASSED]);
    assert_eq!(run.end, End::Compensated);
    assert!(time_of(&run, "journey.cancelled") >= time_of(&run, "seat.taken") + DEADLINE);
}

#[test]
fn a_step_that_the_deadline_overtakes_is_undone() {
    let run = with_step("pay", Fault::DeadlinePasses);
    assert_eq!(run.results(Work::Run, "pay"), [error_type::DEADLINE_PASSED]);
    assert_eq!(run.services().undone(), [("pay", false), ("seat", true)]);
}

#[test]
fn a_dead_worker_is_waited_for_until_its_lease_has_ended() {
    let run = with_step("pay", Fault::DiesBeforeCommit);
    let results = run.results(Work::Run, "pay");
    let (first, last) = (results.first(), results.last());
    assert_eq!((first, last), (Some(&"Lambda.Unknown"), Some(&Entry::DONE)), "{run}");
    let busy = results.len() - 2;
    assert!((5..=11).contains(&busy), "a lease of 20.5 s was waited for {busy} times 2 s");
    assert!(results[1..=busy].iter().all(|result| *result == error_type::BUSY));
    assert_eq!((run.end, run.services().payments.keys()), (End::Completed, 1));
}

#[test]
fn an_undo_that_is_refused_leaves_it_stuck() {
    let run = with([(Work::Run, "room", Fault::FailsForGood), (Work::Undo, "pay", Fault::FailsForGood)]);
    assert_eq!(run.stuck.map(|stuck| stuck.error).as_deref(), Some(error_type::UNDO_REJECTED));
}

#[test]
fn an_undo_that_fails_is_tried_again_until_it_is_done() {
    let run = with([(Work::Run, "room", Fault::FailsForGood), (Work::Undo, "pay", Fault::FailsOnce)]);
    assert_eq!(run.results(Work::Undo, "pay"), [error_type::TRANSIENT, Entry::DONE]);
    assert_eq!(run.end, End::Compensated);
}

#[test]
fn the_ending_is_told_what_went_wrong() {
    let run = with_step("pay", Fault::FailsForGood);
    let told = run.events("journey.cancelled").remove(0).envelope.data;
    assert!(told.get().contains("pay Saga.Rejected"), "{told}");
}

#[test]
fn waits_take_their_time() {
    let run = approved().run();
    let taken = time_of(&run, "seat.taken");
    let asked = time_of(&run, "approval.wanted");
    let confirmed = time_of(&run, "journey.confirmed");
    assert!(asked >= taken + TIME_TO_THINK);
    assert!(confirmed >= asked + Duration::from_hours(1));
}

#[test]
fn what_is_not_wanted_is_not_done() {
    let run = undecided(false).run();
    assert_eq!((run.end, run.results(Work::Run, "approve")), (End::Completed, vec![]));
    assert_eq!(run.events("approval.wanted").len(), 0);
}

fn time_of(run: &SagaRun<Travel>, message_type: &str) -> Timestamp {
    let event = run.events(message_type).remove(0);
    event.envelope.attributes.time.expect("an event has its time")
}
