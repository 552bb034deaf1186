//! One line, from its first message to its last, drawn as a tree with times.

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

/// All that is known of a correlation id: its claims, messages, dead letters, executions and attempts.
#[derive(Debug, Clone, Default)]
pub struct WholeLine {
    /// The line's records in the ledger.
    pub recorded: Line,
    /// The line's dead letters, each with the name of its queue.
    pub dead_letters: Vec<(String, FoundLetter)>,
    /// The executions of the sagas that it started, by name, or the error of Step Functions.
    pub executions: BTreeMap<String, Result<Execution, String>>,
    /// The attempts that the functions logged; empty if the logs were not read.
    pub attempts: Vec<LoggedAttempt>,
}

impl WholeLine {
    /// Returns whether nothing is known of the line.
    pub fn is_empty(&self) -> bool {
        self.recorded.claims.is_empty()
            && self.recorded.messages.is_empty()
            && self.dead_letters.is_empty()
            && self.attempts.is_empty()
    }

    /// Returns whether this handler has finished a message of the line.
    pub fn is_done_by(&self, handler: &str) -> bool {
        self.recorded.claims.iter().any(|claim| claim.handler == handler && claim.state == ClaimState::Done)
    }

    /// Returns the names of the sagas that it started, each with the message that starts it.
    pub fn sagas(&self) -> impl Iterator<Item = (&str, &LoggedMessage)> {
        self.recorded.messages.iter().filter_map(|message| match &message.outgoing.destination {
            Destination::StateMachine(saga) => Some((saga.as_str(), message)),
            _ => None,
        })
    }

    /// Returns the execution of the saga of this name, if Step Functions knows it.
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
    /// Returns the tree: the messages without a cause in the line, each with its effects. With a catalogue, it contains
    /// the data of each message, masked by it.
    pub fn tree(&self, data: Data<'_>) -> Vec<Branch> {
        Builder::new(self, data).roots()
    }

    /// Returns the tree as text, with times counted from the line's first message.
    pub fn drawn(&self, data: Data<'_>) -> String {
        branch::drawn(&self.tree(data), self.started_at())
    }
}

/// The rules by which the data of messages is shown; `None` shows no data.
pub type Data<'a> = Option<&'a Shown>;

/// Draws the tree with one row for each message, handler and step. Times count from the line's first one.
impl fmt::Display for WholeLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.drawn(None))
    }
}
