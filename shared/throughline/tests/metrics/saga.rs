//! Figures of a saga's worker.

use crate::document::{numbers, total, written};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{collections::BTreeMap, time::Duration};
use throughline::{
    Attributes, Envelope,
    metrics::{
        HANDLER, Metric, OTHER, SAGAS_COMPENSATED, STEP, STEP_DURATION, STEPS_DONE, STEPS_FAILED,
        STEPS_REJECTED, STEPS_RETRIED, STEPS_UNDONE, SagaFigures, bounded,
    },
    ports::{Ports, Time as _},
    prelude::*,
    process::Settings,
    saga::{Document, Task, Work, Worker},
    saga_worker::answer,
};
use throughline_testing::{MemoryDeadLetters, MemoryLedger, SeededRandom, TestTime};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Trip {
    trip: String,
}

impl SagaInput for Trip {
    const SAGA: &'static str = "trip";
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Seat {}
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Visa {}
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Ticket {}

struct Agency;

async fn book(_: &Agency, _: Trip, _: &StepContext<'_>) -> Result<Output<Seat>, Failure> {
    Ok(Output::of(Seat {}))
}
async fn free(_: &Agency, _: Option<Seat>, _: &StepContext<'_>) -> Result<(), Failure> {
    Ok(())
}
async fn apply(_: &Agency, _: Trip, _: &StepContext<'_>) -> Result<Output<Visa>, Failure> {
    Err(Failure::reject("no visa"))
}
async fn withdraw(_: &Agency, _: Option<Visa>, _: &StepContext<'_>) -> Result<(), Failure> {
    Ok(())
}
async fn print(_: &Agency, _: Trip, _: &StepContext<'_>) -> Result<Output<Ticket>, Failure> {
    Err("the printer is off".into())
}
async fn shred(_: &Agency, _: Option<Ticket>, _: &StepContext<'_>) -> Result<(), Failure> {
    Err(Failure::reject("no shredder"))
}
async fn apologise(_: &Agency, _: Unwound, _: &StepContext<'_>) -> Result<Effects<Never>, Failure> {
    Ok(Effects::none())
}

fn trip() -> Saga<Agency> {
    Saga::of::<Trip>()
        .step("book", book)
        .undo(free)
        .step("apply", apply)
        .undo(withdraw)
        .step("print", print)
        .undo(shred)
        .when_compensated("apologise", apologise)
}

/// Has the worker do tasks, one invocation each, and says what was emitted.
async fn lines(tasks: &[(Work, &str)]) -> Vec<Value> {
    let (ledger, dead_letters) = (MemoryLedger::default(), MemoryDeadLetters::default());
    let (time, random, worker) = (TestTime::start(), SeededRandom::new(1), Worker::new(trip(), Agency));
    let mut all = Vec::new();
    for (at, &(work, step)) in tasks.iter().enumerate() {
        let figures = SagaFigures::default();
        let ports = Ports {
            ledger: &ledger,
            dead_letters: &dead_letters,
            time: &time,
            random: &random,
            observer: &figures,
        };
        let data = serde_json::value::to_raw_value(&Trip { trip: "t-1".into() }).unwrap();
        let start = Envelope { attributes: Attributes::new("x-1", "tests", "trip.start"), data };
        let task = Task {
            definition: worker.saga().fingerprint(),
            work,
            step: step.to_owned(),
            execution: "x-1".to_owned(),
            started_at: time.now(),
            retries: 0,
            task_token: None,
            document: Document { start, failed: BTreeMap::new() },
        };
        let answer = answer(&worker, ports, &Settings::new("trips"), None, &task).await;
        let step = bounded(step, worker.definitions().flat_map(Saga::task_names));
        let took = Duration::from_micros(2_500);
        all.extend(written(at == 0, |lines| {
            let answer = answer.as_ref().map_err(|error| error.error_type);
            figures.push(lines, "trip", step, (work, answer), took);
        }));
    }
    all
}

/// Tasks of which every one comes to something else.
pub(crate) async fn every_answer() -> Vec<Value> {
    lines(&[
        (Work::Run, "book"),
        (Work::Run, "apply"),
        (Work::Run, "print"),
        (Work::Undo, "print"),
        (Work::Undo, "apply"),
        (Work::Undo, "book"),
        (Work::End, "apologise"),
    ])
    .await
}

const COUNTED: [Metric; 6] =
    [STEPS_DONE, STEPS_UNDONE, STEPS_REJECTED, STEPS_RETRIED, STEPS_FAILED, SAGAS_COMPENSATED];

#[tokio::test(start_paused = true)]
async fn what_the_state_machine_is_told_is_counted_by_saga_and_step() {
    let lines = every_answer().await;
    let counted = |step| COUNTED.map(|metric| total(&lines, metric, &[(HANDLER, "trip"), (STEP, step)]));
    assert_eq!(counted("book"), [1, 1, 0, 0, 0, 0]);
    // It was refused, so there is nothing to undo: that task is not counted.
    assert_eq!(counted("apply"), [0, 0, 1, 0, 0, 0]);
    assert_eq!(counted("print"), [0, 0, 0, 1, 1, 0]);
    assert_eq!(counted("apologise"), [0, 0, 0, 0, 0, 1]);
    assert!(lines.iter().all(|line| numbers(line, STEP_DURATION.name) == [2.5]));
}

#[tokio::test(start_paused = true)]
async fn a_step_that_no_definition_names_is_counted_as_other() {
    let lines = lines(&[(Work::Run, "x-ray")]).await;
    assert_eq!(total(&lines, STEPS_RETRIED, &[(HANDLER, "trip"), (STEP, OTHER)]), 1);
}
