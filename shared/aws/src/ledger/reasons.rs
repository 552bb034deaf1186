//! What DynamoDB's refusals mean.

use super::{
    Item,
    items::{number_of, text_of},
    layout,
};
use aws_sdk_dynamodb::types::CancellationReason;
use throughline_core::{
    Timestamp,
    ledger::{
        Claim, Commit, CommitOutcome, LedgerError, Outgoing, Recorded, Standing,
        settling::{self, ItemAnswer},
    },
};

/// The code of a reason whose condition did not hold.
const CONDITION_FAILED: &str = "ConditionalCheckFailed";

/// How a claim stands where this item was found.
pub(super) fn standing(claim: &Claim, found: Option<&Item>) -> Standing {
    Standing::of(claim, found.map(recorded))
}

fn recorded(item: &Item) -> Recorded<'_> {
    let time = |millis: Option<i64>| millis.and_then(|millis| Timestamp::from_millisecond(millis).ok());
    let is_finished = text_of(item, layout::CLAIM_STATE) == Some(layout::DONE);
    // A lease without an end that can be read has none that must be waited for.
    let until = || time(number_of(item, layout::LEASED_UNTIL)).unwrap_or(Timestamp::MIN);
    let expiry = number_of::<i64>(item, layout::EXPIRES_AT);
    Recorded {
        owner: text_of(item, layout::OWNER).unwrap_or_default(),
        hash: text_of(item, layout::PAYLOAD_HASH).unwrap_or_default(),
        is_hash_by_value: item.contains_key(layout::HASH_BY_VALUE),
        leased_until: (!is_finished).then(until),
        expires_at: time(expiry.map(|seconds| seconds.saturating_mul(1000))).unwrap_or(Timestamp::MAX),
    }
}

/// What the reason for a cancellation says about an item.
pub(super) fn of_item(
    item: &settling::Item,
    reason: Option<&CancellationReason>,
    commits: &[Commit],
) -> ItemAnswer {
    let Some(code) = reason.and_then(CancellationReason::code).filter(|code| *code != "None") else {
        return ItemAnswer::Fine;
    };
    let found = reason.and_then(CancellationReason::item);
    let message = reason.and_then(CancellationReason::message).unwrap_or_default();
    match *item {
        _ if code != CONDITION_FAILED => ItemAnswer::Failed(by_code(code, message)),
        settling::Item::Claim { commit, finished } => {
            ItemAnswer::Claim(standing(commits[commit].finished_at(finished).0, found))
        }
        settling::Item::Check { .. } | settling::Item::Save { .. } => ItemAnswer::Changed,
        settling::Item::Message { commit, finished, message } => {
            let message = &commits[commit].finished_at(finished).1[message];
            ItemAnswer::Failed(CommitOutcome::Failed(occupied(message)))
        }
    }
}

/// An event's place in its aggregate's store is taken though the aggregate is what it was: somebody removed
/// or reset the aggregate and left its events.
fn occupied(message: &Outgoing) -> LedgerError {
    let attributes = &message.envelope.attributes;
    let kind = attributes.aggregate_type.as_deref().unwrap_or("?");
    let id = attributes.subject.as_deref().unwrap_or("?");
    let sequence = attributes.sequence.unwrap_or_default();
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
