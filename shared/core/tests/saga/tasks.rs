//! The result of a task, however often it is delivered.

use crate::world::World;
use throughline_core::{
    ledger::Destination,
    saga::{StepOutcome, error_type},
};
use throughline_testing::fixtures::journey::Train;

#[tokio::test(start_paused = true)]
async fn a_task_that_is_delivered_twice_returns_its_first_result() {
    let world = World::new();
    let first = world.run("seat").await.expect("there are seats");
    let second = world.run("seat").await.expect("it is done");
    assert_eq!(first, second);
    assert_eq!((world.free_seats(), world.ledger.log().len()), (9, 1));
}

#[tokio::test(start_paused = true)]
async fn an_undo_that_is_delivered_twice_happens_once() {
    let world = World::new();
    world.run("seat").await.expect("there are seats");
    let first = world.undo("seat").await.expect("it is undone");
    assert_eq!(first, world.undo("seat").await.expect("it is undone"));
    assert_eq!((world.free_seats(), world.ledger.log().len()), (10, 2));
}

#[tokio::test(start_paused = true)]
async fn what_touches_the_outside_world_runs_once() {
    let world = World::new();
    world.run("seat").await.expect("there are seats");
    for _ in 0..2 {
        world.run("pay").await.expect("it is paid");
    }
    for _ in 0..2 {
        world.undo("pay").await.expect("it is paid back");
    }
    assert_eq!(world.worker.services().undone(), [("pay", true)]);
    assert_eq!(world.worker.services().payments.keys(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_stays_the_same_when_its_cause_is_gone() {
    let world = World::new();
    let train = Train { id: "t-1".into(), free_seats: 0 };
    let version = |version| throughline_core::Version::At { version, sequence: 0 };
    world.ledger.seed(&train, version(2));
    let first = world.run("seat").await.expect_err("the train is full");
    assert_eq!(first.error_type, error_type::REJECTED);
    world.ledger.seed(&Train { free_seats: 10, ..train }, version(3));
    assert_eq!(world.run("seat").await.expect_err("it was refused"), first);
}

#[tokio::test(start_paused = true)]
async fn what_was_undone_first_is_not_done_later() {
    let world = World::new();
    for step in ["seat", "pay", "confirm"] {
        world.undo(step).await.expect("there is nothing to undo yet");
        let late = world.run(step).await.expect_err("it comes too late");
        assert_eq!(late.error_type, error_type::VOIDED);
        assert_eq!(world.record(step).map(|record| record.outcome), Some(StepOutcome::Voided));
    }
    assert_eq!((world.free_seats(), world.ledger.log().len()), (10, 0));
    assert_eq!(world.worker.services().payments.standing(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_step_without_an_undo_that_is_done_says_so() {
    let world = World::new();
    world.run("confirm").await.expect("nothing speaks against it");
    let error = world.undo("confirm").await.expect_err("it cannot be undone");
    assert_eq!(error.error_type, error_type::DONE);
}

#[tokio::test(start_paused = true)]
async fn the_line_goes_on_through_every_task_and_event() {
    let world = World::new();
    world.run("seat").await.expect("there are seats");
    world.ask(0, "token").await.expect("it is asked");
    world.undo("seat").await.expect("it is undone");
    let log = world.ledger.log();
    let lines: Vec<_> = log.iter().map(|outgoing| &outgoing.envelope.attributes).collect();
    let causes: Vec<_> = lines.iter().filter_map(|line| line.causation_id.as_deref()).collect();
    assert_eq!(causes, ["execution-1/seat", "execution-1/approve", "execution-1/seat/undo"]);
    for line in lines {
        assert_eq!(line.correlation_id, world.start.correlation_id);
        assert_eq!(line.trace_parent, world.start.trace_parent);
    }
    assert!(log.iter().all(|outgoing| outgoing.destination == Destination::Bus));
    let tasks = world.worker.services().tasks();
    assert_eq!(tasks.len(), 3, "each function saw the attributes of its task");
    for task in tasks {
        assert_eq!(task.causation_id.as_deref(), Some("execution-1"));
        assert_eq!(task.correlation_id, world.start.correlation_id);
        assert_eq!(task.trace_parent, world.start.trace_parent);
        assert_eq!(task.subject, world.start.subject);
    }
}
