//! What DynamoDB's refusals mean.

use super::{
    Item,
    items::{number_of, text_of},
    layout,
};
use aws_sdk_dynamodb::types::CancellationReason;
use throughline_core::{
    Timestamp,
    ledger::{Claim, ClaimOutcome, Commit, CommitOutcome, LedgerError, Obstacle},
};

/// The code of a reason whose condition did not hold.
const CONDITION_FAILED: &str = "ConditionalCheckFailed";

/// What was found where a claim's condition did not hold.
#[derive(Debug, PartialEq)]
enum Standing {
    /// Nothing, or something that has expired.
    Missing,
    /// Our own claim, held.
    OursHeld { until: Timestamp },
    /// Our own claim, finished: the answer to our first request was lost.
    OursFinished,
    /// Somebody finished it.
    Finished { has_our_payload: bool },
    /// Somebody else holds it.
    Held { until: Timestamp },
}

fn standing(claim: &Claim, found: Option<&Item>) -> Standing {
    let Some(found) = found else { return Standing::Missing };
    let is_ours = text_of(found, layout::OWNER) == Some(claim.owner.as_str());
    let is_finished = text_of(found, layout::CLAIM_STATE) == Some(layout::DONE);
    let has_our_payload = text_of(found, layout::PAYLOAD_HASH) == Some(claim.hash.as_str());
    let until = || {
        let millis = number_of(found, layout::LEASED_UNTIL);
        millis.and_then(|millis| Timestamp::from_millisecond(millis).ok()).unwrap_or(claim.now)
    };
    match (is_finished, is_ours) {
        (true, true) => Standing::OursFinished,
        (false, true) => Standing::OursHeld { until: until() },
        _ if number_of(found, layout::EXPIRES_AT).is_some_and(|at: i64| at <= claim.now.as_second()) => {
            Standing::Missing
        }
        (true, false) => Standing::Finished { has_our_payload },
        (false, false) => Standing::Held { until: until() },
    }
}

/// What stands in the way of a claim where this item was found.
pub(super) fn obstacle(claim: &Claim, found: Option<&Item>) -> Option<Obstacle> {
    match standing(claim, found) {
        Standing::Missing => None,
        Standing::OursFinished | Standing::Finished { has_our_payload: true } => Some(Obstacle::Duplicate),
        Standing::Finished { has_our_payload: false } => Some(Obstacle::Mismatch),
        // A lease that has ended binds nobody.
        Standing::Held { until } | Standing::OursHeld { until } => {
            (until > claim.now).then_some(Obstacle::Busy { until })
        }
    }
}

/// The outcome of a claim that could not be taken.
pub(super) fn refused_claim(claim: &Claim, found: Option<&Item>) -> ClaimOutcome {
    match standing(claim, found) {
        Standing::OursHeld { .. } => ClaimOutcome::Held,
        Standing::OursFinished | Standing::Finished { has_our_payload: true } => ClaimOutcome::Duplicate,
        Standing::Finished { has_our_payload: false } => ClaimOutcome::Mismatch,
        Standing::Held { until } => ClaimOutcome::Busy { until },
        Standing::Missing => ClaimOutcome::Failed(unexplained()),
    }
}

/// The outcome of a commit whose claim's condition did not hold.
pub(super) fn refused_commit(claim: &Claim, found: Option<&Item>) -> CommitOutcome {
    let must_hold = claim.leased_until.is_some();
    match standing(claim, found) {
        Standing::OursFinished => CommitOutcome::Committed,
        Standing::Finished { has_our_payload: true } => CommitOutcome::Duplicate,
        Standing::Finished { has_our_payload: false } => CommitOutcome::Mismatch,
        Standing::Held { .. } | Standing::Missing if must_hold => CommitOutcome::LeaseLost,
        Standing::Held { until } => CommitOutcome::Busy { until },
        Standing::OursHeld { .. } | Standing::Missing => CommitOutcome::Failed(unexplained()),
    }
}

fn unexplained() -> LedgerError {
    LedgerError("the claim's condition did not hold, and DynamoDB returned nothing that explains it".into())
}

/// The outcome of a transaction that was cancelled. Its items are the claim, the reads, the saves and the
/// messages, in this order.
///
/// The claim decides first, then the entities, then contention: a message that was handled before is a
/// duplicate whatever has become of the entities since.
pub(super) fn cancelled(commit: &Commit, reasons: &[CancellationReason]) -> CommitOutcome {
    if let Some(reason) = reasons.first().filter(|reason| reason.code() == Some(CONDITION_FAILED)) {
        return refused_commit(&commit.claim, reason.item());
    }
    let keys = commit.reads.iter().map(|read| &read.key).chain(commit.saves.iter().map(|save| &save.key));
    let mut entities = keys.zip(reasons.iter().skip(1));
    if let Some((key, _)) = entities.find(|(_, reason)| reason.code() == Some(CONDITION_FAILED)) {
        return CommitOutcome::Conflict(key.clone());
    }
    let outcomes: Vec<_> = reasons
        .iter()
        .filter(|reason| !matches!(reason.code(), None | Some("None")))
        .map(|reason| {
            let code = reason.code().unwrap_or_default();
            if code == CONDITION_FAILED {
                return CommitOutcome::Failed(occupied(commit, reasons));
            }
            by_code(code, reason.message().unwrap_or_default())
        })
        .collect();
    let find = |wanted: fn(&CommitOutcome) -> bool| outcomes.iter().find(|outcome| wanted(outcome)).cloned();
    find(|outcome| matches!(outcome, CommitOutcome::Contended(_)))
        .or_else(|| find(|outcome| matches!(outcome, CommitOutcome::Invalid(_))))
        .or_else(|| find(|_| true))
        .unwrap_or_else(|| {
            CommitOutcome::Failed(LedgerError("DynamoDB cancelled the transaction and gave no reason".into()))
        })
}

/// An event's place in its aggregate's store is taken though the aggregate is what it was: somebody removed
/// or reset the aggregate and left its events.
fn occupied(commit: &Commit, reasons: &[CancellationReason]) -> LedgerError {
    let before = 1 + commit.reads.len() + commit.saves.len();
    let position = reasons.iter().skip(before).position(|reason| reason.code() == Some(CONDITION_FAILED));
    let attributes =
        position.and_then(|at| commit.outgoing.get(at)).map(|message| &message.envelope.attributes);
    let (kind, id, sequence) = attributes.map_or(("?", "?", 0), |attributes| {
        let kind = attributes.aggregate_type.as_deref().unwrap_or("?");
        (kind, attributes.subject.as_deref().unwrap_or("?"), attributes.sequence.unwrap_or_default())
    });
    LedgerError(format!(
        "the log has an event number {sequence} of {kind} `{id}` already: \
         was the {kind} removed while its events were kept?"
    ))
}

/// The outcome that an error's code stands for.
pub(super) fn by_code(code: &str, message: &str) -> CommitOutcome {
    let error = LedgerError(if message.is_empty() { code.to_owned() } else { format!("{code}: {message}") });
    match code {
        "TransactionConflict"
        | "TransactionConflictException"
        | "TransactionInProgressException"
        | "ReplicatedWriteConflictException"
        | "ProvisionedThroughputExceeded"
        | "ProvisionedThroughputExceededException"
        | "RequestLimitExceeded"
        | "ThrottlingError"
        | "ThrottlingException"
        | "Throttling" => CommitOutcome::Contended(error),
        // A table whose keys are not what the settings say refuses every message: no message's fault.
        "ValidationError" | "ValidationException" if is_about_the_table(message) => {
            CommitOutcome::Failed(error)
        }
        "ValidationError"
        | "ValidationException"
        | "ItemCollectionSizeLimitExceeded"
        | "ItemCollectionSizeLimitExceededException" => CommitOutcome::Invalid(error),
        _ => CommitOutcome::Failed(error),
    }
}

fn is_about_the_table(message: &str) -> bool {
    ["does not match the schema", "Missing the key", "required keys was not given"]
        .iter()
        .any(|known| message.contains(known))
}
