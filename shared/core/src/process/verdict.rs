//! What the main path says about a record.

use std::time::Duration;
use tracing::{error, info, warn};

/// What to tell the source about a record.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// Its effects happened.
    Done,
    /// Its effects had happened before.
    Duplicate,
    /// Deliver it again.
    Retry {
        /// How long to wait.
        after: Duration,
        /// Why.
        cause: RetryCause,
    },
    /// It is in the dead-letter queue; do not deliver it again.
    Rejected {
        /// The type of the error.
        error_type: String,
        /// What was wrong.
        reason: String,
    },
}

/// Why a record has to be delivered again.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RetryCause {
    /// It failed in a way that may pass.
    Failed {
        /// The type of the error.
        error_type: String,
        /// What went wrong.
        reason: String,
    },
    /// Another invocation is working on it.
    Busy,
    /// Its lease ended before the work did, and another invocation took over.
    LeaseLost,
    /// The invocation was about to end.
    Deadline,
    /// A record before it in its FIFO group has to be delivered again first.
    Behind,
    /// It was rejected, and the dead-letter queue did not take it.
    NotDeadLettered {
        /// What the queue said.
        reason: String,
    },
}

impl Verdict {
    /// Whether the source must deliver the record again.
    pub fn is_retry(&self) -> bool {
        matches!(self, Self::Retry { .. })
    }
}

/// Writes the one line that says what became of a record.
pub(super) fn log(verdict: &Verdict) {
    match verdict {
        Verdict::Done => info!(verdict = "done", "done"),
        Verdict::Duplicate => info!(verdict = "duplicate", "done before"),
        Verdict::Retry { after, cause: RetryCause::Failed { error_type, reason } } => {
            warn!(verdict = "retry", ?after, error_type, reason, "to be delivered again");
        }
        Verdict::Retry { after, cause: RetryCause::NotDeadLettered { reason } } => {
            error!(verdict = "retry", ?after, reason, "rejected, but the dead-letter queue did not take it");
        }
        Verdict::Retry { after, cause } => info!(verdict = "retry", ?after, ?cause, "handed back"),
        Verdict::Rejected { error_type, reason } => {
            error!(verdict = "rejected", error_type, reason, "rejected: it is in the dead-letter queue");
        }
    }
}
