//! Answers from outside.

use crate::world::World;
use std::time::Duration;
use throughline_core::{
    Verdict,
    saga::{StepOutcome, Work, error_type},
};
use throughline_testing::{
    fixtures::journey::{Approval, all_or_nothing, decision, undecided, with_withdrawal},
    saga::End,
};

fn reason(verdict: &Verdict) -> &str {
    match verdict {
        Verdict::Rejected { reason, .. } => reason,
        other => panic!("it was not rejected: {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn the_latest_token_is_answered() {
    let world = World::new();
    world.ask(0, "first").await.expect("it is asked");
    world.ask(1, "second").await.expect("it is asked");
    assert_eq!(world.decide("d-1", Some("ann")).await, Verdict::Done);
    assert_eq!(world.answered(), ["second"]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_there_already_reaches_a_new_token() {
    let world = World::new();
    world.ask(0, "first").await.expect("it is asked");
    assert_eq!(world.decide("d-1", Some("ann")).await, Verdict::Done);
    world.ask(1, "second").await.expect("it was answered");
    assert_eq!(world.answered(), ["first", "second"]);
}

#[tokio::test(start_paused = true)]
async fn a_question_is_asked_once_however_often_its_task_is_delivered() {
    let world = World::new();
    for token in ["first", "second", "second"] {
        world.ask(0, token).await.expect("it is asked");
    }
    assert_eq!(world.ledger.log().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_first_answer_stands() {
    let world = World::new();
    world.ask(0, "token").await.expect("it is asked");
    assert_eq!(world.decide("d-1", Some("ann")).await, Verdict::Done);
    let second = world.decide("d-2", None).await;
    assert!(reason(&second).contains("was answered already"), "{second:?}");
    assert_eq!(world.answered(), ["token"]);
    let record = world.record("approve").expect("it is recorded");
    assert!(matches!(record.outcome, StepOutcome::Done { .. }));
}

#[tokio::test(start_paused = true)]
async fn an_answer_to_what_is_given_up_comes_too_late() {
    let world = World::new();
    world.ask(0, "token").await.expect("it is asked");
    world.undo("approve").await.expect("nobody waits any more");
    let late = world.decide("d-1", Some("ann")).await;
    assert!(reason(&late).contains("too late"), "{late:?}");
    assert_eq!(world.answered(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_to_what_nobody_asked_is_rejected() {
    let world = World::new();
    let early = world.decide("d-1", Some("ann")).await;
    assert!(reason(&early).contains("no step waits"), "{early:?}");
}

#[tokio::test(start_paused = true)]
async fn a_question_that_was_asked_is_taken_back_though_it_is_nothing_but_effects() {
    let world = World::of(with_withdrawal());
    world.ask(0, "token").await.expect("it is asked");
    world.undo("approve").await.expect("it is taken back");
    assert_eq!(world.worker.services().undone(), [("approve", false)]);
}

#[test]
fn what_is_refused_unwinds_the_saga_and_is_not_undone_itself() {
    let refused =
        undecided(true).reacting(Approval, Duration::from_hours(1), |event| decision(event, None)).run();
    all_or_nothing(&refused);
    assert_eq!(refused.end, End::Compensated);
    assert_eq!(refused.results(Work::Run, "approve"), [error_type::REJECTED]);
    assert_eq!(refused.results(Work::Undo, "approve"), [""; 0]);
}

#[test]
fn what_nobody_answers_times_out_once_and_unwinds_the_saga() {
    let run = undecided(true).run();
    all_or_nothing(&run);
    assert_eq!(run.end, End::Compensated);
    assert_eq!(run.results(Work::Run, "approve"), ["States.Timeout"]);
    assert_eq!(run.results(Work::Undo, "approve"), ["Done"]);
}
