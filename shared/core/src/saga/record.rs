//! The outcomes of steps, as the ledger stores them.

use crate::Entity;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The outcome of a step of an execution: an entity, loaded and saved in the transaction that commits the step's
/// effects. The outcome that is recorded first stands; a task that is delivered again returns it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepRecord {
    /// The id of the record: see [`record_id`].
    pub step: String,
    /// The outcome of the step.
    #[serde(flatten)]
    pub outcome: StepOutcome,
}

/// The outcome of a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum StepOutcome {
    /// The step was done.
    Done {
        /// The output that the step returned.
        output: Value,
    },
    /// The step was refused for good.
    Rejected {
        /// The type of the error.
        error_type: String,
        /// The reason for the refusal.
        reason: String,
    },
    /// The step was refused, and an attempt before that may have changed something.
    Doubtful {
        /// The type of the error.
        error_type: String,
        /// The reason for the refusal.
        reason: String,
    },
    /// The step must not run any more, because its undo came first. This is a tombstone: no commit of the step succeeds
    /// after it.
    Voided,
    /// The step waits for an answer from outside.
    Waiting {
        /// The token of the latest task that waits.
        token: String,
    },
}

impl Entity for StepRecord {
    const KIND: &'static str = "saga-step";

    fn id(&self) -> String {
        self.step.clone()
    }
}

/// Returns the id of a step's record: `<saga>/<execution>/<step>`.
pub fn record_id(saga: &str, execution: &str, step: &str) -> String {
    format!("{saga}/{execution}/{step}")
}

/// The most bytes of an output that are shown to Step Functions, which limits its data to 256 KiB. The output itself
/// stays in the ledger, at any size.
const MOST_SHOWN_BYTES: usize = 32 * 1024;

/// Returns an output as Step Functions' history shows it.
pub(crate) fn shown(output: &Value) -> Value {
    let bytes = output.to_string().len();
    if bytes <= MOST_SHOWN_BYTES { output.clone() } else { json!({ "bytes_in_the_ledger": bytes }) }
}
