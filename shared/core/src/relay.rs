//! The relay: from the ledger's log to the bus, to the queues of commands, now or later, and to Step Functions.
//!
//! The log is the outbox. An emitted message is written in the transaction that caused it; the table's
//! stream brings it here; nothing is polled, marked or deleted. A message is published at least once. Order
//! is not promised: what was accepted behind a failure is published again after it.

use crate::{
    BoxError,
    dead_letter::{DeadLetter, DeadLetters},
    ledger::Outgoing,
    metrics,
    observer::{BegunRecord, EntryFate, Observer, RelayedEntry},
    ports::Time,
    time::between,
};
use futures_util::future::BoxFuture;
use tracing::{Instrument as _, debug_span, error, info, info_span, warn};

/// The relay's name in logs and dead letters.
const NAME: &str = metrics::RELAY;

/// The most entries one `PutEvents` and one `SendMessageBatch` may hold.
pub const MOST_ENTRIES: usize = 10;

/// One entry of the log, as the stream delivered it.
#[derive(Debug, Clone, PartialEq)]
pub struct LogEntry {
    /// Its place in the stream.
    pub sequence_number: String,
    /// The message, or why the entry cannot be read.
    pub message: Result<Outgoing, String>,
    /// The entry as it came, for the dead-letter queue.
    pub raw: String,
}

/// The outcome of publishing one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// It is on the bus, in its queue or in its schedule; the saga is started; the task is answered.
    Accepted,
    /// Nobody waits for it any more: a task that was answered before, or given up. Nothing is left to do.
    TooLate(String),
    /// It may be accepted later.
    Retry(String),
    /// It will never be accepted.
    Refused {
        /// The code of the error.
        error_type: String,
        /// The reason.
        reason: String,
    },
}

/// The destination of the relay's messages: bus, queues, schedules and state machines.
pub trait Publisher: Send + Sync {
    /// Publishes messages; one answer for each. At most [`MOST_ENTRIES`] are given at a time.
    fn publish<'a>(&'a self, messages: &'a [&'a Outgoing]) -> BoxFuture<'a, Vec<Delivery>>;
}

/// The ports of the relay. It needs no ledger: the stream remembers its position.
#[derive(Clone, Copy)]
pub struct RelayPorts<'a> {
    /// The publisher of messages.
    pub publisher: &'a dyn Publisher,
    /// The dead-letter queue for messages that no destination will ever accept.
    pub dead_letters: &'a dyn DeadLetters,
    /// Time.
    pub time: &'a dyn Time,
    /// The observer; [`Unobserved`](crate::observer::Unobserved) if there is none.
    pub observer: &'a dyn Observer,
}

impl std::fmt::Debug for RelayPorts<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RelayPorts").finish_non_exhaustive()
    }
}

/// Publishes entries in their order. Returns the position of the first that must be delivered again: a
/// stream delivers everything from there on.
///
/// An entry that can never be published goes whole to the dead-letter queue, and the others go on.
pub async fn relay(entries: &[LogEntry], ports: RelayPorts<'_>) -> Option<usize> {
    let mut first = 0;
    for chunk in entries.chunks(MOST_ENTRIES) {
        let readable: Vec<&Outgoing> = chunk.iter().filter_map(|entry| entry.message.as_ref().ok()).collect();
        let mut answers =
            if readable.is_empty() { Vec::new() } else { publish(&readable, ports).await }.into_iter();
        let mut retry_from = None;
        for (offset, entry) in chunk.iter().enumerate() {
            if retry_from.is_some() {
                break; // everything from there on is delivered again, so nothing behind it is settled now
            }
            let delivery = match &entry.message {
                Ok(_) => {
                    answers.next().unwrap_or_else(|| Delivery::Retry("the publisher gave no answer".into()))
                }
                Err(why) => Delivery::Refused { error_type: "MalformedLogEntry".into(), reason: why.clone() },
            };
            let fate = settle(entry, delivery, ports).await;
            let decided = entry.message.as_ref().ok().and_then(|message| message.envelope.attributes.time);
            let age = decided.map(|decided| between(decided, ports.time.now()));
            ports.observer.relayed(RelayedEntry { fate, age });
            if fate == EntryFate::NotPublished {
                retry_from.get_or_insert(first + offset);
            }
        }
        if retry_from.is_some() {
            return retry_from;
        }
        first += chunk.len();
    }
    None
}

/// Publishes messages, in one span: they are sent together.
async fn publish(messages: &[&Outgoing], ports: RelayPorts<'_>) -> Vec<Delivery> {
    let span = debug_span!("publish");
    ports.observer.publishing(&span, messages);
    let deliveries = ports.publisher.publish(messages).instrument(span.clone()).await;
    if let Some(error_type) = deliveries.iter().find_map(failure) {
        ports.observer.failed(&span, error_type);
    }
    deliveries
}

/// Returns the kind of failure, if it is one.
fn failure(delivery: &Delivery) -> Option<&str> {
    match delivery {
        Delivery::Accepted | Delivery::TooLate(_) => None,
        Delivery::Retry(_) => Some("NotPublished"),
        Delivery::Refused { error_type, .. } => Some(error_type),
    }
}

/// Says what became of an entry, and dead-letters it if it was refused.
async fn settle(entry: &LogEntry, delivery: Delivery, ports: RelayPorts<'_>) -> EntryFate {
    let attributes = entry.message.as_ref().ok().map(|message| &message.envelope.attributes);
    // A stream does not say how often it delivered a record, so there is no attempt to name.
    let span = info_span!(
        "record",
        handler = NAME,
        messageid = entry.sequence_number,
        eventid = attributes.map(|attributes| attributes.id.as_str()),
        eventtype = attributes.map(|attributes| attributes.message_type.as_str()),
        correlationid = attributes.map(|attributes| attributes.correlation_id.as_str()),
    );
    ports.observer.record_began(&span, BegunRecord { source: None, message: attributes });
    if let Some(error_type) = failure(&delivery) {
        ports.observer.failed(&span, error_type);
    }
    async {
        match delivery {
            Delivery::Accepted => {
                info!("published");
                EntryFate::Published
            }
            Delivery::TooLate(reason) => {
                warn!(reason, "no step waits for it any more: it was answered before, or given up");
                EntryFate::Published
            }
            Delivery::Retry(reason) => {
                warn!(reason, "not published yet");
                EntryFate::NotPublished
            }
            Delivery::Refused { error_type, reason } => {
                error!(error_type, reason, "refused for good");
                match dead_letter(entry, error_type, reason, ports).await {
                    Ok(()) => EntryFate::DeadLettered,
                    Err(error) => {
                        error!(%error, "the dead-letter queue did not take it");
                        EntryFate::NotPublished
                    }
                }
            }
        }
    }
    .instrument(span)
    .await
}

async fn dead_letter(
    entry: &LogEntry,
    error_type: String,
    error_message: String,
    ports: RelayPorts<'_>,
) -> Result<(), BoxError> {
    let body = match &entry.message {
        Ok(message) => serde_json::to_string(&message.envelope)?,
        Err(_) => entry.raw.clone(),
    };
    let letter = DeadLetter {
        message_attributes: None,
        body,
        message_id: entry.sequence_number.clone(),
        group: None,
        error_type,
        error_message,
        handler: NAME.into(),
        attempts: 1,
        failed_at: ports.time.now(),
        attributes: entry.message.as_ref().ok().map(|message| message.envelope.attributes.clone()),
    };
    ports.dead_letters.send(&letter).await
}
