//! DynamoDB's and SQS's limits, and how much of them something takes.

use crate::envelope::{Attributes, EncodedEnvelope};
use serde_json::{Map, Value};

/// The most items one DynamoDB transaction may hold
/// (`TransactWriteItems`, "Service quotas").
pub const MOST_ITEMS: usize = 100;
/// The most bytes one DynamoDB transaction may hold: 4 MB.
pub const MOST_BYTES: usize = 4 * 1024 * 1024;
/// The most bytes one DynamoDB item may have: 400 KB.
pub const MOST_ITEM_BYTES: usize = 400 * 1024;
/// The most bytes one `PutEvents` entry, or one SQS message, is relied upon to hold: 256 KB.
pub const MOST_MESSAGE_BYTES: usize = 256 * 1024;
/// The most bytes a message that starts a saga may have. Step Functions limits what an execution carries to
/// 256 KiB ("Step Functions quotas"), nothing catches it when that is exceeded, and what made the saga unwind is
/// carried with it.
pub const MOST_START_BYTES: usize = 200 * 1024;
/// What an item of ours holds besides its data: keys, versions, the copied attributes. An upper bound.
pub(crate) const ITEM_OVERHEAD_BYTES: usize = 2 * 1024;

/// About how many bytes data has as JSON: no fewer than as DynamoDB's attributes.
pub(crate) fn json_bytes(data: &Map<String, Value>) -> usize {
    data.iter().map(|(name, value)| name.len() + 4 + value_bytes(value)).sum()
}

fn value_bytes(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) => 5,
        // DynamoDB's numbers have at most 38 digits and take at most 21 bytes.
        Value::Number(_) => 21,
        Value::String(text) => text.len() + 3,
        Value::Array(values) => 3 + values.iter().map(|value| 1 + value_bytes(value)).sum::<usize>(),
        Value::Object(members) => 3 + json_bytes(members),
    }
}

/// About how many bytes an envelope has as JSON.
pub(crate) fn envelope_bytes(envelope: &EncodedEnvelope) -> usize {
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
    let texts: usize = given.chain(optional.into_iter().flatten()).map(String::len).sum();
    let extensions: usize =
        attributes.extensions.iter().map(|(name, value)| name.len() + 4 + value_bytes(value)).sum();
    envelope.data.get().len() + texts + extensions + ENVELOPE_OVERHEAD_BYTES
}

/// What an envelope's JSON holds besides its values: names, quotes, the time, the sequence.
const ENVELOPE_OVERHEAD_BYTES: usize = 512;
