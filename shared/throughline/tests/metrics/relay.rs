//! Figures of the relay.

use crate::document::{numbers, total, written};
use futures_util::{FutureExt as _, future::BoxFuture};
use serde_json::{Value, json};
use std::time::Duration;
use throughline::{
    Attributes, Destination, Envelope,
    ledger::Outgoing,
    metrics::{BATCH_SIZE, DEAD_LETTERED, ENTRY_AGE, HANDLER, NOT_PUBLISHED, PUBLISHED, RELAY, RelayFigures},
    outbox::{StreamFailures, answer},
    ports::Time as _,
    relay::{Delivery, LogEntry, Publisher, RelayPorts},
};
use throughline_testing::{MemoryDeadLetters, TestTime};

/// Answers by a message's id.
struct Bus;

impl Publisher for Bus {
    fn publish<'a>(&'a self, messages: &'a [&'a Outgoing]) -> BoxFuture<'a, Vec<Delivery>> {
        let answer = |message: &&Outgoing| match message.envelope.attributes.id.as_str() {
            "late" => Delivery::TooLate("TaskTimedOut".into()),
            "refused" => Delivery::Refused { error_type: "TooLarge".into(), reason: "1 MB".into() },
            "later" => Delivery::Retry("throttled".into()),
            _ => Delivery::Accepted,
        };
        std::future::ready(messages.iter().map(answer).collect()).boxed()
    }
}

async fn lines(ids: &[&str]) -> Vec<Value> {
    let (time, dead_letters, figures) =
        (TestTime::start(), MemoryDeadLetters::default(), RelayFigures::default());
    let ports = RelayPorts { publisher: &Bus, dead_letters: &dead_letters, time: &time, observer: &figures };
    let entry = |&id: &&str| {
        let decided = time.now() - Duration::from_secs(3);
        let attributes = Attributes { time: Some(decided), ..Attributes::new(id, "shop", "t") };
        let data = serde_json::value::to_raw_value(&json!({})).unwrap();
        let message = Outgoing { destination: Destination::Bus, envelope: Envelope { attributes, data } };
        let message = if id == "unreadable" { Err("no envelope".into()) } else { Ok(message) };
        LogEntry { sequence_number: id.to_owned(), message, raw: "{}".into() }
    };
    let entries: Vec<LogEntry> = ids.iter().map(entry).collect();
    answer(ports, StreamFailures::Report, &entries).await.unwrap();
    written(true, |lines| figures.push(lines, entries.len()))
}

/// Entries of which every one comes to something else.
pub(crate) async fn every_fate() -> Vec<Value> {
    lines(&["a", "late", "refused", "unreadable", "later", "behind"]).await
}

#[tokio::test(start_paused = true)]
async fn each_entry_that_was_dealt_with_is_counted() {
    let lines = every_fate().await;
    let of_relay = [(HANDLER, RELAY)];
    let counted =
        [PUBLISHED, DEAD_LETTERED, NOT_PUBLISHED, BATCH_SIZE].map(|metric| total(&lines, metric, &of_relay));
    // What is behind the one to be delivered again is not dealt with: the stream brings it again.
    assert_eq!(counted, [2, 2, 1, 6]);
    // The one that cannot be read has no age.
    assert_eq!(numbers(&lines[0], ENTRY_AGE.name), [3000.0; 4]);
}
