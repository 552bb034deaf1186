//! The record of a run.

use super::fault::Injection;
use crate::MemoryLedger;
use std::{fmt, sync::Arc};
use throughline_core::{
    Entity,
    ledger::{Destination, Outgoing},
    saga::{Failed, Unwound, Work, Worker},
};

/// One attempt at a task, as the state machine saw it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Entry {
    /// The kind of work.
    pub work: Work,
    /// The step, or the ending.
    pub step: String,
    /// The attempt, from 1.
    pub attempt: u32,
    /// The error's name, or [`Entry::DONE`].
    pub result: String,
}

impl Entry {
    /// The result of an attempt that did not fail.
    pub const DONE: &str = "Done";
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { work, step, attempt, result } = self;
        write!(f, "{work:?} {step} #{attempt}: {result}")
    }
}

/// The end of an execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum End {
    /// Everything is done.
    Completed,
    /// Everything is undone.
    Compensated,
    /// It can neither be finished nor undone, and says so.
    Stuck,
}

/// An execution that ended, and every late delivery with it.
pub struct SagaRun<P> {
    /// The end of the execution.
    pub end: End,
    /// Every attempt, in the order in which the state machine was told.
    pub journal: Vec<Entry>,
    /// The failure that made the saga unwind.
    pub unwound: Option<Unwound>,
    /// The failure that the saga is stuck with.
    pub stuck: Option<Failed>,
    /// The faults that were injected.
    pub injections: Vec<Injection>,
    /// The injected faults that took effect.
    pub happened: Vec<Injection>,
    /// The ledger, as it is now.
    pub ledger: Arc<MemoryLedger>,
    /// Violations of what holds for every saga: effects that happened twice, a task that was
    /// answered in two ways.
    pub complaints: Vec<String>,
    pub(super) worker: Arc<Worker<P>>,
}

impl<P: Send + Sync + 'static> SagaRun<P> {
    /// The services, with the books they keep.
    pub fn services(&self) -> &P {
        self.worker.services()
    }

    /// An entity as it is now.
    pub fn entity<T: Entity>(&self, id: &str) -> Option<T> {
        self.ledger.entity(id)
    }

    /// The events of a type that were emitted.
    pub fn events(&self, message_type: &str) -> Vec<Outgoing> {
        let is_wanted = |outgoing: &Outgoing| {
            outgoing.destination == Destination::Bus
                && outgoing.envelope.attributes.message_type == message_type
        };
        self.ledger.log().into_iter().filter(is_wanted).collect()
    }

    /// Returns each result of a step, its undo or the ending, in order.
    pub fn results(&self, work: Work, step: &str) -> Vec<&str> {
        let entries = self.journal.iter().filter(|entry| entry.work == work && entry.step == step);
        entries.map(|entry| entry.result.as_str()).collect()
    }
}

impl<P> fmt::Display for SagaRun<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "it ended: {:?}", self.end)?;
        if let Some(stuck) = &self.stuck {
            writeln!(f, "stuck with {}: {}", stuck.error, stuck.cause)?;
        }
        for entry in &self.journal {
            writeln!(f, "  {entry}")?;
        }
        self.complaints.iter().try_for_each(|complaint| writeln!(f, "wrong: {complaint}"))
    }
}

impl<P> fmt::Debug for SagaRun<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
