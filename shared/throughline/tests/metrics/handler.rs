//! Figures of a handler, over the real trigger and main path.

use crate::document::{numbers, total, written};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;
use throughline::{
    metrics::{
        BATCH_SIZE, COLD_START, COMMIT_REQUESTS, DUPLICATES, EVENT_AGE, EVENT_TYPE, HANDLER,
        HANDLER_DURATION, HandlerFigures, OTHER, PROCESSED, REJECTED, RETRIES,
    },
    ports::{Ports, Time as _},
    prelude::*,
    process, sqs,
};
use throughline_testing::{MemoryDeadLetters, MemoryLedger, SeededRandom, TestTime};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Boarded {
    ship: String,
    wish: Wish,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Landed {
    ship: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Wish {
    Sail,
    Wait,
    Sink,
    Dawdle,
}

events! { enum ShipEvent of "ship" {
    "ship.boarded" v1 => Boarded(Boarded.ship),
    "ship.landed" v1 => Landed(Landed.ship),
} }

#[derive(Debug, Clone, Copy)]
struct Harbour {
    time: TestTime,
}

impl Handler for Harbour {
    const NAME: &'static str = "harbour";
    type Message = ShipEvent;
    type Emits = Never;

    async fn handle(&self, event: Envelope<ShipEvent>, _: &Context<'_>) -> Result<Effects, Failure> {
        let boarded = match event.data {
            ShipEvent::Boarded(boarded) => boarded,
            ShipEvent::Landed(_) => return Ok(Effects::none()),
        };
        match boarded.wish {
            Wish::Sail => self.time_passes(3).await,
            Wish::Dawdle => self.time_passes(60_000).await,
            Wish::Wait => return Err("low tide".into()),
            Wish::Sink => return Err(Failure::reject("it leaks")),
        }
        Ok(Effects::none())
    }
}

impl Harbour {
    async fn time_passes(&self, milliseconds: u64) {
        throughline::ports::Time::sleep(&self.time, Duration::from_millis(milliseconds)).await;
    }
}

struct World {
    ledger: MemoryLedger,
    dead_letters: MemoryDeadLetters,
    time: TestTime,
    random: SeededRandom,
}

impl World {
    fn new() -> Self {
        Self {
            ledger: MemoryLedger::default(),
            dead_letters: MemoryDeadLetters::default(),
            time: TestTime::start(),
            random: SeededRandom::new(1),
        }
    }

    /// Takes a batch through trigger and main path, and says what was emitted about it.
    async fn lines(&self, records: &[Value]) -> Vec<Value> {
        let payload = json!({ "Records": records }).to_string();
        let batch = sqs::read(&payload).unwrap();
        let figures = HandlerFigures::default();
        let ports = Ports {
            ledger: &self.ledger,
            dead_letters: &self.dead_letters,
            time: &self.time,
            random: &self.random,
            observer: &figures,
        };
        let handler = Harbour { time: self.time };
        let deadline = self.time.now() + Duration::from_secs(10);
        let settings = process::Settings::new("harbour");
        sqs::answer(&handler, ports, &settings, 5, Some(deadline), &batch).await;
        written(true, |lines| figures.push(lines, handler.name(), records.len()))
    }

    /// An event that happened so long ago.
    fn event(&self, id: &str, ago: Duration, event: impl Into<ShipEvent>) -> String {
        let mut envelope = Envelope::of(id, "port", event.into()).encode().unwrap();
        envelope.attributes.time = Some(self.time.now() - ago);
        serde_json::to_string(&envelope).unwrap()
    }

    fn boarded(&self, id: &str, wish: Wish) -> Value {
        record(id, &self.event(id, Duration::from_secs(90), Boarded { ship: "s-1".into(), wish }), None)
    }

    fn landed(&self, id: &str) -> Value {
        record(id, &self.event(id, Duration::from_secs(1), Landed { ship: "s-1".into() }), None)
    }
}

fn record(id: &str, body: &str, group: Option<&str>) -> Value {
    let mut attributes = json!({ "ApproximateReceiveCount": "1", "SentTimestamp": "1767225600000" });
    if let Some(group) = group {
        attributes["MessageGroupId"] = group.into();
    }
    let queue = if group.is_some() { "ships.fifo" } else { "ships" };
    json!({
        "messageId": format!("m-{id}"),
        "receiptHandle": "r",
        "body": body,
        "attributes": attributes,
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": format!("arn:aws:sqs:eu-west-1:123456789012:{queue}"),
        "awsRegion": "eu-west-1",
    })
}

const BOARDED: [(&str, &str); 2] = [(HANDLER, "harbour"), (EVENT_TYPE, "ship.boarded")];
const LANDED: [(&str, &str); 2] = [(HANDLER, "harbour"), (EVENT_TYPE, "ship.landed")];
const UNKNOWN: [(&str, &str); 2] = [(HANDLER, "harbour"), (EVENT_TYPE, OTHER)];

/// Records of which every one comes to something else.
pub(crate) async fn every_verdict() -> Vec<Value> {
    let world = World::new();
    let records = [
        world.boarded("e-1", Wish::Sail),
        world.boarded("e-1", Wish::Sail),
        world.boarded("e-2", Wish::Wait),
        world.boarded("e-3", Wish::Sink),
        world.landed("e-4"),
    ];
    world.lines(&records).await
}

#[tokio::test(start_paused = true)]
async fn each_verdict_is_counted_by_handler_and_event_type() {
    let lines = every_verdict().await;
    assert_eq!(lines.len(), 2, "{lines:?}");
    let counted = |dimensions: &[_]| {
        [PROCESSED, DUPLICATES, RETRIES, REJECTED].map(|metric| total(&lines, metric, dimensions))
    };
    assert_eq!(counted(&BOARDED), [1, 1, 1, 1]);
    assert_eq!(counted(&LANDED), [1, 0, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn what_is_true_of_the_invocation_is_told_once() {
    let lines = every_verdict().await;
    let told = |metric: throughline::metrics::Metric| -> Vec<f64> {
        lines.iter().flat_map(|line| numbers(line, metric.name)).collect()
    };
    assert_eq!([told(BATCH_SIZE), told(COLD_START)], [vec![5.0], vec![1.0]]);
    // The two that worked were committed together.
    assert_eq!(told(COMMIT_REQUESTS), [1.0]);
}

#[tokio::test(start_paused = true)]
async fn ages_and_durations_are_those_of_each_record_in_milliseconds() {
    let lines = every_verdict().await;
    let boarded = lines.iter().find(|line| line[EVENT_TYPE] == "ship.boarded").unwrap();
    // The second delivery of e-1 ran nothing; the others began at once and the first of them took its time.
    let mut durations = numbers(boarded, HANDLER_DURATION.name);
    durations.sort_by(f64::total_cmp);
    assert_eq!(durations, [0.0, 0.0, 3.0]);
    let ages = numbers(boarded, EVENT_AGE.name);
    assert_eq!(ages.len(), 4);
    assert!(ages.iter().all(|age| (90_000.0..90_100.0).contains(age)), "{ages:?}");
}

#[tokio::test(start_paused = true)]
async fn the_age_of_what_is_replayed_is_not_told() {
    let world = World::new();
    let mut replayed = world.boarded("e-1", Wish::Sail);
    let body: Value = serde_json::from_str(replayed["body"].as_str().unwrap()).unwrap();
    let delivered = json!({
        "version": "0", "id": "d-1", "source": "port", "detail-type": "ship.boarded", "replay-name": "again",
        "detail": body,
    });
    replayed["body"] = delivered.to_string().into();
    let lines = world.lines(&[replayed]).await;
    assert_eq!(total(&lines, PROCESSED, &BOARDED), 1);
    assert!(numbers(&lines[0], EVENT_AGE.name).is_empty(), "{lines:?}");
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_is_given_up_at_the_deadline_ran_until_then() {
    let world = World::new();
    let lines = world.lines(&[world.boarded("e-1", Wish::Dawdle)]).await;
    assert_eq!(total(&lines, RETRIES, &BOARDED), 1);
    // Ten seconds are left, and half a second is kept for the answer.
    assert_eq!(numbers(&lines[0], HANDLER_DURATION.name), [9_500.0]);
}

#[tokio::test(start_paused = true)]
async fn what_no_catalogue_names_is_counted_as_other() {
    let world = World::new();
    let stranger = world.event("e-1", Duration::ZERO, Landed { ship: "s".into() });
    let stranger = stranger.replace("ship.landed", "ship.<b>stolen</b>");
    let lines = world.lines(&[record("e-1", &stranger, None), record("e-2", "{ malformed", None)]).await;
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(total(&lines, REJECTED, &UNKNOWN), 2);
}

#[tokio::test(start_paused = true)]
async fn the_records_of_a_fifo_group_are_counted_each() {
    let world = World::new();
    let of_group = |id: &str, wish| {
        let boarded = Boarded { ship: "s-1".into(), wish };
        record(id, &world.event(id, Duration::ZERO, boarded), Some("g"))
    };
    let lines = world.lines(&[of_group("e-1", Wish::Sail), of_group("e-2", Wish::Sail)]).await;
    assert_eq!(total(&lines, PROCESSED, &BOARDED), 2);
    let blocked = [of_group("e-3", Wish::Wait), of_group("e-4", Wish::Sail), of_group("e-5", Wish::Sail)];
    let lines = world.lines(&blocked).await;
    assert_eq!((total(&lines, RETRIES, &BOARDED), total(&lines, PROCESSED, &BOARDED)), (3, 0));
}

#[tokio::test(start_paused = true)]
async fn more_records_than_a_line_holds_go_into_more_lines_and_are_counted_once() {
    let world = World::new();
    let records: Vec<Value> = (0..250).map(|number| world.landed(&format!("e-{number}"))).collect();
    let lines = world.lines(&records).await;
    assert_eq!(lines.len(), 3);
    assert_eq!(total(&lines, PROCESSED, &LANDED), 250);
    assert_eq!(total(&lines, BATCH_SIZE, &LANDED), 250);
    assert_eq!(lines.iter().map(|line| numbers(line, EVENT_AGE.name).len()).sum::<usize>(), 250);
}

#[tokio::test(start_paused = true)]
async fn an_empty_batch_is_told_of_too() {
    let lines = World::new().lines(&[]).await;
    assert_eq!(lines.len(), 1);
    assert_eq!((numbers(&lines[0], BATCH_SIZE.name), &lines[0][EVENT_TYPE]), (vec![0.0], &Value::Null));
}
