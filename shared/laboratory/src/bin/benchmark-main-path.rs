//! The main path without I/O, for an instruction counter: `benchmark-main-path RECORDS [logs]`.
//!
//! It takes so many records of 1 KiB through the main path in batches of ten: read the batch, decode, claim,
//! run a handler without effects, settle. The ledger says yes at once. With `logs`, every line is written, to
//! nowhere.

use futures_util::{FutureExt, future::BoxFuture};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;
use throughline::{
    BoxError, EntityKey, Verdict,
    ledger::{Claim, ClaimOutcome, Commit, CommitOutcome, Ledger, LedgerError, Obstacle, Stored},
    logs::JsonLines,
    observer::Unobserved,
    ports::{DeadLetter, DeadLetters, Ports, Random, Time},
    prelude::*,
    process::Settings,
    sqs,
};
use tracing_subscriber::layer::SubscriberExt as _;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct ReadingTaken {
    meter_id: String,
    amount: u64,
    note: String,
}

events! {
    /// Events of a meter.
    enum MeterEvent of "meter" { "reading.taken" v1 => Taken(ReadingTaken.meter_id) }
}

async fn ignore(_: Envelope<ReadingTaken>) -> Result<(), Failure> {
    Ok(())
}

/// Says yes.
struct Yes;

impl Ledger for Yes {
    fn claim<'a>(&'a self, claims: &'a [Claim]) -> BoxFuture<'a, Vec<ClaimOutcome>> {
        async { vec![ClaimOutcome::Held; claims.len()] }.boxed()
    }

    fn inspect<'a>(
        &'a self,
        claims: &'a [Claim],
    ) -> BoxFuture<'a, Vec<Result<Option<Obstacle>, LedgerError>>> {
        async { vec![Ok(None); claims.len()] }.boxed()
    }

    fn load<'a>(&'a self, keys: &'a [EntityKey]) -> BoxFuture<'a, Vec<Result<Option<Stored>, LedgerError>>> {
        async { vec![Ok(None); keys.len()] }.boxed()
    }

    fn commit<'a>(&'a self, commits: &'a [Commit]) -> BoxFuture<'a, Vec<CommitOutcome>> {
        async { vec![CommitOutcome::Committed; commits.len()] }.boxed()
    }

    fn release<'a>(&'a self, _: &'a [Claim]) -> BoxFuture<'a, Result<(), LedgerError>> {
        async { Ok(()) }.boxed()
    }
}

impl DeadLetters for Yes {
    fn send<'a>(&'a self, _: &'a DeadLetter) -> BoxFuture<'a, Result<(), BoxError>> {
        async { Ok(()) }.boxed()
    }
}

impl Time for Yes {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'_, ()> {
        tokio::time::sleep(duration).boxed()
    }
}

impl Random for Yes {
    fn next(&self) -> u128 {
        0x0123_4567_89ab_cdef_0123_4567_89ab_cdef
    }
}

/// A batch of ten, as Lambda hands it over. It is used again and again: the ledger remembers nothing.
fn batch() -> String {
    let body = |number: usize| {
        let reading = ReadingTaken { meter_id: format!("m-{number}"), amount: 1, note: "x".repeat(700) };
        let envelope = Envelope::of(format!("e-{number}"), "meters", reading).encode().expect("JSON");
        serde_json::to_string(&envelope).expect("JSON")
    };
    let record = |number: usize| {
        json!({
            "messageId": format!("059f36b4-87a3-44ab-83d2-{number:012}"),
            "receiptHandle": format!("AQEB{number:0>180}"),
            "body": body(number),
            "attributes": { "ApproximateReceiveCount": "1", "SentTimestamp": "1767605400000" },
            "messageAttributes": {},
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:meters",
            "awsRegion": "us-east-1",
        })
    };
    json!({ "Records": (0..10).map(record).collect::<Vec<_>>() }).to_string()
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let mut arguments = std::env::args().skip(1);
    let records: usize = arguments.next().ok_or("say how many records")?.parse()?;
    if arguments.next().as_deref() == Some("logs") {
        let layer = JsonLines { write: |line: &[u8]| _ = std::hint::black_box(line.len()) };
        tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer))?;
    }
    let handler = handler_fn("ignore", ignore);
    let settings = Settings::new("benchmark");
    let ports = Ports { ledger: &Yes, dead_letters: &Yes, time: &Yes, random: &Yes, observer: &Unobserved };
    let payload = batch();
    for _ in 0..records / 10 {
        let read = sqs::read(&payload).map_err(|error| error.message)?;
        let answer = sqs::answer(&handler, ports, &settings, 10, None, &read).await;
        if !answer.verdicts.iter().all(|verdict| *verdict == Verdict::Done) {
            return Err(format!("not all done: {:?}", answer.verdicts).into());
        }
    }
    Ok(())
}
