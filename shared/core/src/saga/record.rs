//! What became of a step, in the ledger.

use crate::Entity;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What became of a step of an execution: an entity, loaded and saved in the transaction that makes the
/// step's effects happen. Whatever is recorded first stands; a task that is delivered again returns it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepRecord {
    /// [`record_id`].
    pub step: String,
    /// What became of it.
    #[serde(flatten)]
    pub outcome: StepOutcome,
}

/// What became of a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum StepOutcome {
    /// It was done.
    Done {
        /// What it returned.
        output: Value,
    },
    /// It was refused for good.
    Rejected {
        /// The type of the error.
        error_type: String,
        /// What was wrong.
        reason: String,
    },
    /// It was refused, and an attempt before that may have changed something.
    Doubtful {
        /// The type of the error.
        error_type: String,
        /// What was wrong.
        reason: String,
    },
    /// It must not be done any more: its undo came first. A tombstone: no commit of the step passes it.
    Voided,
    /// It waits for an answer from outside.
    Waiting {
        /// The token of the task that waits: the latest.
        token: String,
    },
}

impl Entity for StepRecord {
    const KIND: &'static str = "saga-step";

    fn id(&self) -> String {
        self.step.clone()
    }
}

/// The id of a step's record: `<saga>/<execution>/<step>`.
pub fn record_id(saga: &str, execution: &str, step: &str) -> String {
    format!("{saga}/{execution}/{step}")
}

/// The most of an output that is shown to Step Functions, which limits what it carries to 256 KiB. The
/// output itself stays in the ledger, whatever its size.
const MOST_SHOWN_BYTES: usize = 32 * 1024;

/// An output as Step Functions' history shows it.
pub(crate) fn shown(output: &Value) -> Value {
    let bytes = output.to_string().len();
    if bytes <= MOST_SHOWN_BYTES { output.clone() } else { json!({ "bytes_in_the_ledger": bytes }) }
}
