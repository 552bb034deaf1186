//! One line, from the first message to the last, drawn as a tree with times.

mod attempts;
mod branch;
pub mod execution;
mod messages;
mod read;
mod sagas;
#[cfg(test)]
mod tests;

use crate::{line::execution::Execution, project::catalogue::Shown};
use messages::Builder;
use std::{collections::BTreeMap, fmt};
use throughline_core::{Timestamp, ledger::Destination};
use throughline_operations::{
    FoundLetter,
    line::{ClaimState, Line, LoggedMessage},
};

pub use attempts::{AttemptVerdict, LoggedAttempt};
pub use branch::Branch;
pub use messages::{sentence_of, short_name};

/// Everything with one correlation id: what was handled, what was sent, what was given up.
#[derive(Debug, Clone, Default)]
pub struct WholeLine {
    /// What the ledger remembers.
    pub recorded: Line,
    /// What lies in dead-letter queues, with the queue's name.
    pub dead_letters: Vec<(String, FoundLetter)>,
    /// The executions of sagas that it started, by their names; or why Step Functions does not tell.
    pub executions: BTreeMap<String, Result<Execution, String>>,
    /// What the functions logged about attempts; empty if the logs were not read.
    pub attempts: Vec<LoggedAttempt>,
}

impl WholeLine {
    /// Whether nothing is known of it.
    pub fn is_empty(&self) -> bool {
        self.recorded.claims.is_empty()
            && self.recorded.messages.is_empty()
            && self.dead_letters.is_empty()
            && self.attempts.is_empty()
    }

    /// Whether this handler has finished something in it.
    pub fn is_done_by(&self, handler: &str) -> bool {
        self.recorded.claims.iter().any(|claim| claim.handler == handler && claim.state == ClaimState::Done)
    }

    /// The sagas that it started: their names, and the messages that start them.
    pub fn sagas(&self) -> impl Iterator<Item = (&str, &LoggedMessage)> {
        self.recorded.messages.iter().filter_map(|message| match &message.outgoing.destination {
            Destination::StateMachine(saga) => Some((saga.as_str(), message)),
            _ => None,
        })
    }

    /// The execution of the saga of this name, if Step Functions tells of it.
    pub fn execution(&self, saga: &str) -> Option<&Execution> {
        let (_, start) = self.sagas().find(|(name, _)| *name == saga)?;
        self.executions.get(&start.outgoing.envelope.attributes.id)?.as_ref().ok()
    }

    fn started_at(&self) -> Option<Timestamp> {
        let claims = self.recorded.claims.iter().filter_map(|claim| claim.started_at);
        let messages = self.recorded.messages.iter().filter_map(|message| message.occurred_at);
        let attempts = self.attempts.iter().filter_map(|attempt| attempt.ended_at);
        claims.chain(messages).min().or_else(|| attempts.min())
    }
}

impl WholeLine {
    /// The tree: the messages that nothing in the line caused, and what followed from each. With a catalogue, the data
    /// of each message is told, masked by it.
    pub fn tree(&self, data: Data<'_>) -> Vec<Branch> {
        Builder::new(self, data).roots()
    }

    /// The tree as text; times count from the line's first message.
    pub fn drawn(&self, data: Data<'_>) -> String {
        branch::drawn(&self.tree(data), self.started_at())
    }
}

/// What of the data of messages is shown; nothing, if that was not asked for.
pub type Data<'a> = Option<&'a Shown>;

/// The tree, one row for each message, handler and step. Times count from the line's first one.
impl fmt::Display for WholeLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.drawn(None))
    }
}
