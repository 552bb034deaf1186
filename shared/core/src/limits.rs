//! DynamoDB's and SQS's limits, and how much of them something takes.

use crate::{
    envelope::{Attributes, EncodedEnvelope},
    item::{Attribute, Item},
    ledger::Destination,
};
use serde_json::Value;

/// The most items one DynamoDB transaction may hold
/// (`TransactWriteItems`, "Service quotas").
pub const MOST_ITEMS: usize = 100;
/// The most bytes one DynamoDB transaction may hold: 4 MB.
pub const MOST_BYTES: usize = 4 * 1024 * 1024;
/// The most bytes a DynamoDB partition key may have ("Constraints in Amazon DynamoDB").
pub const MOST_KEY_BYTES: usize = 2048;
/// The most bytes one DynamoDB item may have: 400 KB.
pub const MOST_ITEM_BYTES: usize = 400 * 1024;
/// The most bytes of several messages that one request is relied upon to hold, whatever the queue: 256 KB. A message
/// that has more goes alone: SQS takes 1 MiB in one, its attributes included, and `PutEvents` 1 MB.
pub const MOST_MESSAGE_BYTES: usize = 256 * 1024;
/// The most bytes a scheduled command may have: EventBridge Scheduler's limit on a target's input, 256 KB.
pub const MOST_SCHEDULED_BYTES: usize = 256 * 1024;
/// The most bytes a message that starts a saga may have. Step Functions limits what an execution carries to
/// 256 KiB ("Step Functions quotas"), nothing catches it when that is exceeded, and what made the saga unwind is
/// carried with it.
pub const MOST_START_BYTES: usize = 200 * 1024;
/// The bytes of an item besides its data: keys, versions, the copied attributes. An upper bound.
pub(crate) const ITEM_OVERHEAD_BYTES: usize = 2 * 1024;

/// About how many bytes an item has: no fewer than as DynamoDB counts them ("DynamoDB item sizes and formats").
pub(crate) fn item_bytes(item: &Item) -> usize {
    item.iter().map(|(name, attribute)| name.len() + 1 + attribute_bytes(attribute)).sum()
}

fn attribute_bytes(attribute: &Attribute) -> usize {
    match attribute {
        Attribute::Null | Attribute::Bool(_) => 1,
        // Two digits a byte, and a sign; at most 38 of them are significant.
        Attribute::Number(number) => number.as_str().len().min(38) / 2 + 3,
        Attribute::Text(text) => text.len(),
        Attribute::Binary(bytes) => bytes.len(),
        Attribute::List(members) | Attribute::Set(members) => {
            3 + members.iter().map(|member| 1 + attribute_bytes(member)).sum::<usize>()
        }
        Attribute::Map(item) => 3 + item_bytes(item),
    }
}

fn value_bytes(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) => 5,
        Value::Number(number) => number.to_string().len(),
        Value::String(text) => 1 + json_text_bytes(text),
        Value::Array(values) => 3 + values.iter().map(|value| 1 + value_bytes(value)).sum::<usize>(),
        Value::Object(members) => {
            3 + members
                .iter()
                .map(|(name, value)| json_text_bytes(name) + 2 + value_bytes(value))
                .sum::<usize>()
        }
    }
}

/// Returns the most bytes of JSON that a message's destination takes, and whose limit that is, if this is less than the
/// DynamoDB item in which the log keeps it. SQS and EventBridge take more than an item holds.
pub(crate) fn most_message_bytes(destination: &Destination) -> Option<(usize, &'static str)> {
    match destination {
        Destination::StateMachine(_) => {
            Some((MOST_START_BYTES, "what an execution of Step Functions carries"))
        }
        Destination::Scheduled { .. } => Some((MOST_SCHEDULED_BYTES, "what EventBridge Scheduler sends")),
        _ => None,
    }
}

/// Returns the bytes of a text in JSON, between quotes and with its escapes.
fn json_text_bytes(text: &str) -> usize {
    let escaped = text.bytes().map(|byte| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 1,
        0..0x20 => 5,
        _ => 0,
    });
    2 + text.len() + escaped.sum::<usize>()
}

/// About how many bytes an envelope's item in the log has: no fewer. It holds the envelope as JSON, and copies of some
/// attributes.
pub(crate) fn envelope_bytes(envelope: &EncodedEnvelope) -> usize {
    envelope_json_bytes(envelope) + given_copies(&envelope.attributes).map(String::len).sum::<usize>()
}

/// About how many bytes an envelope has as JSON: no fewer.
pub(crate) fn envelope_json_bytes(envelope: &EncodedEnvelope) -> usize {
    let attributes = &envelope.attributes;
    let Attributes { id, source, message_type, correlation_id, .. } = attributes;
    let given = [id, source, message_type, correlation_id].into_iter();
    let optional = [
        &attributes.subject,
        &attributes.aggregate_type,
        &attributes.data_schema,
        &attributes.causation_id,
        &attributes.trace_parent,
        &attributes.trace_state,
        &attributes.actor,
        &attributes.replay_name,
    ];
    let texts = given.chain(optional.into_iter().flatten()).map(|text| json_text_bytes(text));
    let extensions = attributes.extensions.iter();
    let extensions = extensions.map(|(name, value)| json_text_bytes(name) + 2 + value_bytes(value));
    envelope.data.get().len() + texts.sum::<usize>() + extensions.sum::<usize>() + ENVELOPE_OVERHEAD_BYTES
}

/// Returns the attributes that the log's item holds once more, for its keys and indexes.
fn given_copies(attributes: &Attributes) -> impl Iterator<Item = &String> {
    let Attributes { id, source, message_type, correlation_id, causation_id, subject, .. } = attributes;
    [id, source, message_type, correlation_id].into_iter().chain(causation_id).chain(subject)
}

/// The bytes of an envelope's JSON besides its values: names, quotes, the time, the sequence.
const ENVELOPE_OVERHEAD_BYTES: usize = 512;
