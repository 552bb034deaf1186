//! Deliveries of the same message in one batch.

use super::{Record, Verdict};
use crate::identity::PayloadHash;

/// The result of an earlier delivery of the same message, in the same batch.
#[derive(Clone)]
pub(super) struct Twin {
    pub(super) hash: PayloadHash,
    pub(super) verdict: Verdict,
    pub(super) was_last_attempt: bool,
}

/// The consequence of an earlier delivery for a later one.
pub(super) enum TwinAnswer {
    Verdict(Verdict),
    /// The identity was finished with another payload.
    Mismatch,
    /// The earlier delivery has no consequence: the later one has to run itself.
    Run,
}

impl Twin {
    /// Returns what later deliveries inherit after this verdict: the verdict itself, unless an earlier delivery had
    /// finished the work.
    pub(super) fn after(
        earlier: Option<Self>,
        hash: PayloadHash,
        record: &Record<'_>,
        verdict: &Verdict,
    ) -> Self {
        match earlier {
            Some(finished) if finished.is_finished() => finished,
            _ => Self { hash, verdict: verdict.clone(), was_last_attempt: record.is_last_attempt },
        }
    }

    fn is_finished(&self) -> bool {
        matches!(self.verdict, Verdict::Done | Verdict::Duplicate)
    }

    pub(super) fn answer(&self, record: &Record<'_>, hash: &PayloadHash) -> TwinAnswer {
        let is_same = self.hash == *hash;
        match &self.verdict {
            Verdict::Done | Verdict::Duplicate if is_same => TwinAnswer::Verdict(Verdict::Duplicate),
            Verdict::Done | Verdict::Duplicate => TwinAnswer::Mismatch,
            Verdict::Retry { .. } => TwinAnswer::Verdict(self.verdict.clone()),
            // The earlier delivery was rejected because its attempts were used up; this one has some left.
            Verdict::Rejected { .. } if self.was_last_attempt && !record.is_last_attempt => TwinAnswer::Run,
            Verdict::Rejected { .. } if is_same => TwinAnswer::Verdict(self.verdict.clone()),
            Verdict::Rejected { .. } => TwinAnswer::Run,
        }
    }
}
