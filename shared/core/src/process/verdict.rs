//! The verdicts of the main path about records.

use std::time::Duration;
use tracing::{error, info, warn};

/// The answer to the source about a record.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// The record's effects were committed.
    Done,
    /// The record's effects had been committed before.
    Duplicate,
    /// The source is to deliver the record again.
    Retry {
        /// The time to wait before the next delivery.
        after: Duration,
        /// The reason for the next delivery.
        cause: RetryCause,
    },
    /// The record is in the dead-letter queue; the source is not to deliver it again.
    Rejected {
        /// The type of the error.
        error_type: String,
        /// The message of the error.
        reason: String,
    },
}

/// The reason for which a record has to be delivered again.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RetryCause {
    /// The record failed in a way that may pass.
    Failed {
        /// The type of the error.
        error_type: String,
        /// The message of the error.
        reason: String,
    },
    /// Another invocation holds the claim and is working on the message.
    Busy,
    /// The lease ended before the work did, and another invocation took over.
    LeaseLost,
    /// The invocation was about to end.
    Deadline,
    /// A record before it in its FIFO group has to be delivered again first.
    Behind,
    /// The record was rejected, and the dead-letter queue did not take it.
    NotDeadLettered {
        /// The error that the queue answered with.
        reason: String,
    },
}

impl Verdict {
    /// Returns whether the source must deliver the record again.
    pub fn is_retry(&self) -> bool {
        matches!(self, Self::Retry { .. })
    }
}

/// Logs the verdict of a record, in one line.
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
