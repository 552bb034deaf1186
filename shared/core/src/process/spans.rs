//! The spans of the main path: one for each record, whose fields are on every log line about it, and within it one for
//! each claim, load, run of the handler and commit, which are there for traces alone.

use super::{MainPath, Opened};
use crate::{
    Handler,
    ledger::{ClaimOutcome, CommitOutcome},
    observer::BegunRecord,
};
use tracing::{Span, field::Empty, info_span};

impl<H: Handler> MainPath<'_, H> {
    /// Returns the span of a record. It begins when it is first asked for, and ends with the record.
    pub(super) fn span<'p>(&self, opened: &'p Opened<'_, H::Message>) -> &'p Span {
        opened.span.get_or_init(|| self.begin(opened))
    }

    fn begin(&self, opened: &Opened<'_, H::Message>) -> Span {
        let Opened { record, attributes, .. } = opened;
        let span = info_span!(
            "record",
            handler = self.handler.name(),
            attempt = record.attempt,
            messageid = record.message_id,
            eventid = Empty,
            eventtype = Empty,
            correlationid = Empty,
        );
        if let Some(attributes) = attributes {
            span.record("eventid", &attributes.id);
            span.record("eventtype", &attributes.message_type);
            span.record("correlationid", &attributes.correlation_id);
        }
        let begun = BegunRecord { source: Some(record.source), message: attributes.as_deref() };
        self.ports.observer.record_began(&span, begun);
        span
    }
}

/// Returns the type of the failure because of which a claim was not taken. A claim that another invocation holds or has
/// finished is no failure.
pub(super) fn failed_claim(outcome: &ClaimOutcome) -> Option<&'static str> {
    match outcome {
        ClaimOutcome::Held | ClaimOutcome::Duplicate | ClaimOutcome::Busy { .. } => None,
        ClaimOutcome::Mismatch => Some("PayloadMismatch"),
        ClaimOutcome::Failed(_) => Some("ClaimFailed"),
    }
}

/// Returns the type of the failure because of which a commit did not happen. A commit that had happened before is no
/// failure.
pub(super) fn failed_commit(outcome: &CommitOutcome) -> Option<&'static str> {
    match outcome {
        CommitOutcome::Committed | CommitOutcome::Duplicate | CommitOutcome::Busy { .. } => None,
        CommitOutcome::Mismatch => Some("PayloadMismatch"),
        CommitOutcome::LeaseLost => Some("LeaseLost"),
        CommitOutcome::Conflict(_) => Some("VersionConflict"),
        CommitOutcome::Contended(_) => Some("Contended"),
        CommitOutcome::Invalid(_) => Some("InvalidCommit"),
        CommitOutcome::Failed(_) => Some("CommitFailed"),
    }
}
