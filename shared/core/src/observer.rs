//! The observer of the main path and the relay, of which metrics and traces are made.

use crate::{Attributes, Verdict, ledger::Outgoing};
use std::time::Duration;
use tracing::Span;

/// Somebody who watches. It is told while records are settled, so it must neither wait nor fail; what it does not
/// care for it need not take.
pub trait Observer: Send + Sync {
    /// A record has its verdict. Each record of a batch has one.
    fn settled(&self, record: SettledRecord<'_>) {
        let _ = record;
    }

    /// The ledger was asked to commit, and took so many requests for it.
    fn committed(&self, requests: usize) {
        let _ = requests;
    }

    /// The relay dealt with an entry of the log.
    fn relayed(&self, entry: RelayedEntry) {
        let _ = entry;
    }

    /// The span of a record begins: one, however often the record is tried in this invocation.
    fn record_began(&self, span: &Span, record: BegunRecord<'_>) {
        let _ = (span, record);
    }

    /// Messages are about to be published in this span.
    fn publishing(&self, span: &Span, messages: &[&Outgoing]) {
        let _ = (span, messages);
    }

    /// The work in this span failed. Only the type of the error is given: its text may quote anything.
    fn failed(&self, span: &Span, error_type: &str) {
        let _ = (span, error_type);
    }

    /// The W3C trace context of a span, if somebody records it: what is emitted in it goes on from there. If not, that
    /// goes on from the message that caused it.
    fn trace_parent(&self, span: &Span) -> Option<String> {
        let _ = span;
        None
    }
}

/// Nobody watches.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Unobserved;

impl Observer for Unobserved {}

/// A record whose span begins.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BegunRecord<'a> {
    /// The source that delivered it, such as a queue's ARN. `None` for an entry of the log.
    pub source: Option<&'a str>,
    /// The attributes of its message, if they could be read.
    pub message: Option<&'a Attributes>,
}

/// A record that has its verdict.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct SettledRecord<'a> {
    /// Its span.
    pub span: &'a Span,
    /// The type of its message, if it is among those that have metrics of their own; else
    /// [`OTHER`](crate::metrics::OTHER).
    pub event_type: &'static str,
    /// The verdict that its source is told.
    pub verdict: &'a Verdict,
    /// The time that the handler ran for it, loads and reruns included. `None` if it did not run.
    pub handler_ran: Option<Duration>,
    /// The age of the event, by its envelope. `None` if the envelope has no time, could not be read, or was replayed:
    /// then its age says nothing of the way it came.
    pub age: Option<Duration>,
}

/// An entry of the log that the relay dealt with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RelayedEntry {
    /// The outcome.
    pub fate: EntryFate,
    /// The time since its message was decided on. `None` if the entry could not be read.
    pub age: Option<Duration>,
}

/// The outcome of an entry of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryFate {
    /// It is published, or nobody waits for it any more.
    Published,
    /// It is to be delivered again.
    NotPublished,
    /// It is in the dead-letter queue.
    DeadLettered,
}
