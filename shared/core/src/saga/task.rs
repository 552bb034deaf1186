//! The tasks that a state machine sends to the worker, and the worker's answers.

use crate::{Timestamp, envelope::EncodedEnvelope};
use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::Value;
use std::collections::BTreeMap;

/// The names of the errors that a worker answers with, which a state machine's `Retry` and `Catch` match.
pub mod error_type {
    /// The step was refused for good the first time it was tried, and changed nothing. It is neither tried again nor
    /// undone.
    pub const REJECTED: &str = "Saga.Rejected";
    /// The work failed in a way that may pass.
    pub const TRANSIENT: &str = "Saga.Transient";
    /// The step took longer than its time limit. Requests that it sent to the outside world may have taken effect.
    pub const TIMED_OUT: &str = "Saga.TimedOut";
    /// Another invocation holds the step's claim, or died holding it: its lease will end.
    pub const BUSY: &str = "Saga.Busy";
    /// The step ran, and its effects can never be committed; or it was refused when tried again, and the result of the
    /// attempts before is not known. It is not tried again, but undone.
    pub const FAILED: &str = "Saga.Failed";
    /// The saga's deadline has passed.
    pub const DEADLINE_PASSED: &str = "Saga.DeadlinePassed";
    /// The step's undo came first: the step must not run any more.
    pub const VOIDED: &str = "Saga.Voided";
    /// The answer to undoing a step that has no undo and was done after all: only its answer was lost. The saga goes on
    /// after it, as if the step had not failed.
    pub const DONE: &str = "Saga.Done";
    /// The worker does not know the definition that the task belongs to, or cannot read what it stored. Deploying the
    /// right worker solves it: the task is tried again for days, and never undone.
    pub const NOT_UNDERSTOOD: &str = "Saga.NotUnderstood";
    /// An undo, or the ending, was refused for good: the saga is stuck.
    pub const UNDO_REJECTED: &str = "Saga.UndoRejected";
    /// The error that a stuck execution fails with.
    pub const STUCK: &str = "Saga.Stuck";
}

/// A task that a state machine sends to the worker: the payload of an invocation.
#[derive(Debug, Clone, Deserialize)]
pub struct Task {
    /// The [fingerprint](super::Saga::fingerprint) of the definition that the execution was started with.
    pub definition: String,
    /// The kind of work to do.
    pub work: Work,
    /// The name of the step, or of the ending.
    pub step: String,
    /// The execution's name.
    pub execution: String,
    /// The time at which the execution started.
    pub started_at: Timestamp,
    /// The number of earlier attempts at this task.
    #[serde(default)]
    pub retries: u32,
    /// The token under which the state machine waits for an answer.
    #[serde(default)]
    pub task_token: Option<String>,
    /// The state machine's data.
    pub document: Document,
}

/// The kind of work to do for a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// Run the step; for a callback, ask the question.
    Run,
    /// Undo the step.
    Undo,
    /// End the saga: everything is undone.
    End,
}

/// The data of an execution: the CloudEvent that started it, and the errors of its steps.
#[derive(Debug, Clone)]
pub struct Document {
    /// The message that started the execution; its data is the saga's input.
    pub start: EncodedEnvelope,
    /// The errors of steps that failed for good, by the step's name.
    pub failed: BTreeMap<String, Failed>,
}

/// An error as Step Functions reports it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Failed {
    /// The error's name.
    #[serde(default)]
    pub error: String,
    /// The cause of the error. If it comes from a Lambda function, it is JSON with an `errorMessage`.
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

/// The reason why a saga unwinds, which is given to its [ending](super::Saga::when_compensated).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unwound {
    /// The step that failed for good, or the parallel group in which one did.
    pub step: String,
    /// The error's name, such as [`Saga.Rejected`](error_type::REJECTED).
    pub error_type: String,
    /// The reason, in words.
    pub reason: String,
}

impl Document {
    /// Returns the reason why the saga unwinds, leaving out steps that turned out to be [done](error_type::DONE).
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
    /// Returns the cause in words.
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
        /// The output that the task returns.
        output: Value,
    },
    /// The task failed: `SendTaskFailure`.
    Failure {
        /// The error's name, which `Retry` and `Catch` match.
        error: String,
        /// The cause of the error.
        cause: String,
    },
}

/// The most bytes of a cause that are reported. The execution carries them from then on, and its data is limited.
const MOST_CAUSE_BYTES: usize = 4 * 1024;

/// The failure of a task.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{error_type}: {cause}")]
pub struct TaskError {
    /// The error's name, one of [`error_type`], which `Retry` and `Catch` match.
    pub error_type: &'static str,
    /// The cause of the error.
    pub cause: String,
}

impl TaskError {
    pub(crate) fn new(error_type: &'static str, cause: impl Into<String>) -> Self {
        let mut cause = cause.into();
        cause.truncate(cause.floor_char_boundary(MOST_CAUSE_BYTES));
        Self { error_type, cause }
    }
}
