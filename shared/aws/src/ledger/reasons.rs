//! The meanings of DynamoDB's refusals.

use super::{
    Item,
    items::{number_of, text_of},
    layout,
};
use aws_sdk_dynamodb::types::CancellationReason;
use throughline_core::{
    Timestamp,
    internal::settling::{self, ItemAnswer},
    ledger::{Claim, Commit, CommitOutcome, LedgerError, Outgoing, Recorded, Standing},
};

/// The code of a reason whose condition did not hold.
const CONDITION_FAILED: &str = "ConditionalCheckFailed";

/// Returns the standing of a claim, given the item that was found.
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

/// Returns the meaning of a cancellation's reason for one item.
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
        _ if code != CONDITION_FAILED => {
            ItemAnswer::Failed(named(by_code(code, message), || what(item, commits)))
        }
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

/// Returns a description of an item of a transaction, for the reader of DynamoDB's refusal.
fn what(item: &settling::Item, commits: &[Commit]) -> String {
    match *item {
        settling::Item::Claim { commit, finished } => {
            format!("the claim of {}", commits[commit].finished_at(finished).0.message.id)
        }
        settling::Item::Check { commits: ref readers, read } => {
            commits[readers[0]].reads[read].key.to_string()
        }
        settling::Item::Save { commit, save } => commits[commit].saves[save].key.to_string(),
        settling::Item::Message { commit, finished, message } => {
            let attributes = &commits[commit].finished_at(finished).1[message].envelope.attributes;
            format!("{} {}", attributes.message_type, attributes.id)
        }
    }
}

/// Returns a description of all that a transaction writes or checks besides claims, for a refusal that names no item.
pub(super) fn all_of(items: &[settling::Item], commits: &[Commit]) -> String {
    let others = items.iter().filter(|item| !matches!(item, settling::Item::Claim { .. }));
    let names: Vec<String> = others.map(|item| what(item, commits)).collect();
    match names.as_slice() {
        [] => "the claim".to_owned(),
        [one] => one.clone(),
        names => format!("one of {}", names.join(", ")),
    }
}

/// An outcome that says what was refused, and what helps.
pub(super) fn named(outcome: CommitOutcome, what: impl FnOnce() -> String) -> CommitOutcome {
    match outcome {
        CommitOutcome::Invalid(LedgerError(why)) => {
            let cure = cure(&why).map(|cure| format!(" ({cure})")).unwrap_or_default();
            CommitOutcome::Invalid(LedgerError(format!("{} cannot be stored: {why}{cure}", what())))
        }
        other => other,
    }
}

/// Returns the cure for a refusal, by DynamoDB's words for it, which name the attribute.
fn cure(message: &str) -> Option<&'static str> {
    let is_of_an_index = ["Index Key", "index key", "IndexKey"].iter().any(|words| message.contains(words));
    if is_of_an_index && message.contains("Actual: NULL") {
        return Some(
            "leave the field out while it is none: #[serde(skip_serializing_if = \"Option::is_none\")]",
        );
    }
    if is_of_an_index && message.contains("empty string") {
        return Some(
            "leave the field out while it is empty: #[serde(skip_serializing_if = \"String::is_empty\")]",
        );
    }
    if is_of_an_index {
        return Some("the field must be of the type that the index has as its key, or left out");
    }
    message.contains("empty string").then_some("no key can be empty")
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
