//! What a state machine asks of the worker, and how the worker answers.

use crate::{Timestamp, envelope::EncodedEnvelope};
use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::Value;
use std::collections::BTreeMap;

/// The names of the errors that a worker answers with: what a state machine's `Retry` and `Catch` match.
pub mod error_type {
    /// The step was refused for good the first time it was tried, and changed nothing. Not tried again, and not
    /// undone.
    pub const REJECTED: &str = "Saga.Rejected";
    /// It failed in a way that may pass.
    pub const TRANSIENT: &str = "Saga.Transient";
    /// It took longer than its time limit. What it asked for may have happened.
    pub const TIMED_OUT: &str = "Saga.TimedOut";
    /// Another invocation holds the step's claim, or died holding it: its lease will end.
    pub const BUSY: &str = "Saga.Busy";
    /// It ran, and what it decided can never be committed; or it was refused when tried again, and what came
    /// of the attempts before is not known. Not tried again; undone.
    pub const FAILED: &str = "Saga.Failed";
    /// The saga's deadline has passed.
    pub const DEADLINE_PASSED: &str = "Saga.DeadlinePassed";
    /// The step's undo came first: it must not be done any more.
    pub const VOIDED: &str = "Saga.Voided";
    /// The answer to undoing a step that has no undo, and is done after all: only the answer was lost. The saga
    /// goes on after it, as if it had not failed.
    pub const DONE: &str = "Saga.Done";
    /// The worker does not know the definition that the task belongs to, or cannot read what it stored.
    /// Deploying the right worker mends it: tried again for days, and never undone.
    pub const NOT_UNDERSTOOD: &str = "Saga.NotUnderstood";
    /// An undo, or the ending, was refused for good: the saga is stuck.
    pub const UNDO_REJECTED: &str = "Saga.UndoRejected";
    /// What a stuck execution fails with.
    pub const STUCK: &str = "Saga.Stuck";
}

/// What a state machine asks of the worker: the payload of an invocation.
#[derive(Debug, Clone, Deserialize)]
pub struct Task {
    /// The [fingerprint](super::Saga::fingerprint) of the definition that the execution was started with.
    pub definition: String,
    /// What to do.
    pub work: Work,
    /// The step, or the ending.
    pub step: String,
    /// The execution's name.
    pub execution: String,
    /// When the execution started.
    pub started_at: Timestamp,
    /// How often this has been tried before.
    #[serde(default)]
    pub retries: u32,
    /// The token under which the state machine waits for an answer.
    #[serde(default)]
    pub task_token: Option<String>,
    /// The state machine's data.
    pub document: Document,
}

/// What to do with a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// Do it; of a callback, ask.
    Run,
    /// Undo it.
    Undo,
    /// End the saga: everything is undone.
    End,
}

/// The data of an execution: the CloudEvent that started it, and what failed.
#[derive(Debug, Clone)]
pub struct Document {
    /// What started the execution; its data is the saga's input.
    pub start: EncodedEnvelope,
    /// What made steps fail for good, by the step's name.
    pub failed: BTreeMap<String, Failed>,
}

/// An error as Step Functions tells it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Failed {
    /// Its name.
    #[serde(default)]
    pub error: String,
    /// What went wrong. Of a Lambda function: JSON with an `errorMessage`.
    #[serde(default)]
    pub cause: String,
}

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut document = serde_json::Map::deserialize(deserializer)?;
        let failed = document.remove("failed").unwrap_or_else(|| Value::Object(serde_json::Map::new()));
        let failed = serde_json::from_value(failed).map_err(de::Error::custom)?;
        let start = serde_json::from_str(&Value::Object(document).to_string()).map_err(de::Error::custom)?;
        Ok(Self { start, failed })
    }
}

/// What made a saga unwind: what its [ending](super::Saga::when_compensated) is given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unwound {
    /// The step that failed for good, or the parallel group in which one did.
    pub step: String,
    /// The error's name, such as [`Saga.Rejected`](error_type::REJECTED).
    pub error_type: String,
    /// What went wrong, in words.
    pub reason: String,
}

impl Document {
    /// What made the saga unwind: not what turned out to be [done](error_type::DONE).
    pub fn unwound(&self) -> Unwound {
        let (step, failed) = self
            .failed
            .iter()
            .find(|(_, failed)| failed.error != error_type::DONE)
            .map(|(step, failed)| (step.clone(), failed.clone()))
            .unwrap_or_default();
        Unwound { step, reason: failed.reason(), error_type: failed.error }
    }
}

impl Failed {
    /// The cause in words.
    fn reason(&self) -> String {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct OfFunction {
            error_message: String,
        }
        serde_json::from_str::<OfFunction>(&self.cause)
            .map_or_else(|_| self.cause.clone(), |cause| cause.error_message)
    }
}

/// An answer to a task that waits for one: the data of a message to
/// [`Destination::Task`](crate::ledger::Destination::Task).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskAnswer {
    /// The task is done: `SendTaskSuccess`.
    Success {
        /// What it returns.
        output: Value,
    },
    /// The task failed: `SendTaskFailure`.
    Failure {
        /// What `Retry` and `Catch` match.
        error: String,
        /// What went wrong.
        cause: String,
    },
}

/// The most of a cause that is told. The execution carries it from then on, and what it carries is limited.
const MOST_CAUSE_BYTES: usize = 4 * 1024;

/// How a task failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{error_type}: {cause}")]
pub struct TaskError {
    /// One of [`error_type`]: what `Retry` and `Catch` match.
    pub error_type: &'static str,
    /// What went wrong.
    pub cause: String,
}

impl TaskError {
    pub(crate) fn new(error_type: &'static str, cause: impl Into<String>) -> Self {
        let mut cause = cause.into();
        cause.truncate(cause.floor_char_boundary(MOST_CAUSE_BYTES));
        Self { error_type, cause }
    }
}
