//! What is told to whoever watches the main path and the relay: what metrics are made of.

use crate::Verdict;
use std::time::Duration;

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
}

/// Nobody watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unobserved;

impl Observer for Unobserved {}

/// A record that has its verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SettledRecord<'a> {
    /// The type of its message, if it is among those that have metrics of their own; else
    /// [`OTHER`](crate::metrics::OTHER).
    pub event_type: &'static str,
    /// What is told to its source.
    pub verdict: &'a Verdict,
    /// How long the handler ran for it, its loads and reruns included. Nothing if it did not run.
    pub handler_ran: Option<Duration>,
    /// How long ago the event happened, by its envelope. Nothing if that does not say, or could not be read,
    /// or if it was replayed: then its age says nothing of the way it came.
    pub age: Option<Duration>,
}

/// An entry of the log that the relay dealt with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RelayedEntry {
    /// What became of it.
    pub fate: EntryFate,
    /// How long ago its message was decided on. Nothing if it could not be read.
    pub age: Option<Duration>,
}

/// What became of an entry of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryFate {
    /// It is published, or nobody waits for it any more.
    Published,
    /// It is to be delivered again.
    NotPublished,
    /// It is in the dead-letter queue.
    DeadLettered,
}
