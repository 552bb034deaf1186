//! Between the ledger's terms and DynamoDB's items.

use super::{
    Item, attributes,
    layout::{self, Address},
};
use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::Value;
use std::{collections::HashMap, hash::BuildHasher};
use throughline_core::{
    EncodedEnvelope, Version,
    internal::{
        entity::{SEQUENCE_ATTRIBUTE, VERSION_ATTRIBUTE},
        item,
    },
    ledger::{Claim, Outgoing, Save, Stored},
};

/// An index's partition key holds 1 to 2048 bytes; an item with another text there would be refused.
const LONGEST_INDEX_KEY: usize = 2048;

pub(crate) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

pub(crate) fn number(value: impl Into<i128>) -> AttributeValue {
    AttributeValue::N(value.into().to_string())
}

/// The text of an item's attribute.
pub fn text_of<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name)?.as_s().ok().map(String::as_str)
}

/// The number in an item's attribute.
pub fn number_of<N: std::str::FromStr>(item: &Item, name: &str) -> Option<N> {
    item.get(name)?.as_n().ok()?.parse().ok()
}

/// The key of the item at an address.
pub(crate) fn key_of(address: &Address) -> Item {
    let keys = std::iter::once(&address.partition).chain(&address.sort);
    keys.map(|(name, value)| (name.clone(), text(value))).collect()
}

/// A claim: held if nothing is said about its end, else finished then.
pub(crate) fn claim_item(claim: &Claim, finished_at: Option<&str>) -> Item {
    claim_attributes(claim, finished_at).into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The attributes of a claim, always in the same order.
pub(crate) fn claim_attributes(
    claim: &Claim,
    finished_at: Option<&str>,
) -> Vec<(&'static str, AttributeValue)> {
    let message = &claim.message;
    let mut attributes = Vec::with_capacity(17);
    attributes.extend([
        (layout::PARTITION_KEY, text(claim.key.as_str())),
        (layout::SORT_KEY, text(layout::CLAIM)),
        (layout::OWNER, text(claim.owner.as_str())),
        (layout::PAYLOAD_HASH, text(claim.hash.as_str())),
        (layout::HANDLER, text(claim.handler)),
        (layout::EVENT_ID, text(&message.id)),
        (layout::EVENT_SOURCE, text(&message.source)),
        (layout::EVENT_TYPE, text(&message.message_type)),
        (layout::ATTEMPT, number(claim.attempt)),
        (layout::OCCURRED_AT, text(layout::sortable_text(claim.now))),
        (layout::EXPIRES_AT, number(layout::expiry_seconds(claim.expires_at))),
    ]);
    if claim.hash.is_by_value() {
        attributes.push((layout::HASH_BY_VALUE, AttributeValue::Bool(true)));
    }
    attributes.extend(message.subject.as_ref().map(|subject| (layout::SUBJECT, text(subject))));
    attributes.extend(message.causation_id.as_ref().map(|id| (layout::CAUSATION_ID, text(id))));
    if fits_an_index(&message.correlation_id) {
        attributes.push((layout::CORRELATION_ID, text(&message.correlation_id)));
    }
    attributes.extend(match finished_at {
        Some(finished_at) => {
            [(layout::FINISHED_AT, text(finished_at)), (layout::CLAIM_STATE, text(layout::DONE))]
        }
        None => {
            let until = layout::lease_millis(claim.leased_until.unwrap_or(claim.now));
            [(layout::LEASED_UNTIL, number(until)), (layout::CLAIM_STATE, text(layout::LEASED))]
        }
    });
    attributes
}

/// A message for the log.
pub(crate) fn message_item(claim: &Claim, ordinal: usize, outgoing: &Outgoing) -> Result<Item, String> {
    let attributes = &outgoing.envelope.attributes;
    let envelope = serde_json::to_string(&outgoing.envelope).map_err(|error| error.to_string())?;
    let (partition, sort) = layout::message_keys(claim.key.as_str(), &claim.owner, ordinal, outgoing);
    let occurred_at = attributes.time.unwrap_or(claim.now);
    let mut item = Item::from([
        (layout::PARTITION_KEY.into(), text(partition)),
        (layout::SORT_KEY.into(), text(sort)),
        (layout::ENVELOPE.into(), text(envelope)),
        (layout::DESTINATION.into(), text(layout::destination_text(&outgoing.destination))),
        (layout::ID.into(), text(&attributes.id)),
        (layout::SOURCE.into(), text(&attributes.source)),
        (layout::TYPE.into(), text(&attributes.message_type)),
        (layout::HANDLER.into(), text(claim.handler)),
        (layout::OCCURRED_AT.into(), text(layout::sortable_text(occurred_at))),
        (layout::TIME_BUCKET.into(), text(layout::time_bucket(occurred_at, &attributes.id))),
    ]);
    if let Some(causation_id) = &attributes.causation_id {
        item.insert(layout::CAUSATION_ID.into(), text(causation_id));
    }
    if fits_an_index(&attributes.correlation_id) {
        item.insert(layout::CORRELATION_ID.into(), text(&attributes.correlation_id));
    }
    // The event store of an aggregate keeps its events for ever.
    if layout::aggregate_of(outgoing).is_none() {
        item.insert(layout::EXPIRES_AT.into(), number(layout::expiry_seconds(claim.expires_at)));
    }
    Ok(item)
}

/// Another program's correlation id may be a text that no index key can be: then the item is not indexed,
/// and its commit still happens.
fn fits_an_index(correlation_id: &str) -> bool {
    (1..=LONGEST_INDEX_KEY).contains(&correlation_id.len())
}

/// Checks that an entity can be stored at an address.
pub(crate) fn check_sort_key(address: &Address, save: &Save) -> Result<(), String> {
    match &address.sort {
        Some((name, value)) if save.data.get(name).is_some_and(|found| found.as_text() != Some(value)) => {
            Err(format!("its field `{name}` is the table's sort key and must be the text `{value}`"))
        }
        _ => Ok(()),
    }
}

/// An entity's item: its data as native attributes, its keys and its version.
pub(crate) fn entity_item(address: &Address, save: &Save) -> Item {
    let data = save.data.iter();
    let mut item: Item = data.map(|(name, value)| (name.clone(), attributes::to_sdk(value))).collect();
    for (name, value) in std::iter::once(&address.partition).chain(&address.sort) {
        item.insert(name.clone(), text(value));
    }
    item.insert(VERSION_ATTRIBUTE.into(), number(save.expected.next()));
    item.insert(SEQUENCE_ATTRIBUTE.into(), number(save.sequence));
    item
}

/// An entity from its item. The ledger's own keys are not part of its data; those of a user's table are.
pub(crate) fn stored(item: &Item, is_in_ledger: bool) -> Result<Stored, String> {
    let version = match item.get(VERSION_ATTRIBUTE) {
        None => Version::Unversioned,
        Some(found) => {
            let version = found.as_n().ok().and_then(|text| text.parse().ok());
            let version = version.ok_or_else(|| {
                format!("its attribute `{VERSION_ATTRIBUTE}` is no version of ours: {found:?}")
            })?;
            Version::At { version, sequence: number_of(item, SEQUENCE_ATTRIBUTE).unwrap_or_default() }
        }
    };
    let mut ours = vec![VERSION_ATTRIBUTE];
    if version != Version::Unversioned {
        ours.push(SEQUENCE_ATTRIBUTE);
    }
    if is_in_ledger {
        ours.extend([layout::PARTITION_KEY, layout::SORT_KEY]);
    }
    let mut data = item::Item::new();
    for (name, value) in item.iter().filter(|(name, _)| !ours.contains(&name.as_str())) {
        match attributes::from_sdk(value) {
            Some(attribute) => _ = data.insert(name.clone(), attribute),
            // A save of ours leaves it alone, where others write.
            None if !is_in_ledger => {}
            None => {
                return Err(format!("its attribute `{name}` is of a type that this program does not know"));
            }
        }
    }
    Ok(Stored { version, data })
}

/// Reads a message from its item in the log.
///
/// # Errors
/// Why the item is no message.
pub fn outgoing_from_item<S: BuildHasher>(
    item: &HashMap<String, AttributeValue, S>,
) -> Result<Outgoing, String> {
    let text = |name: &str| item.get(name)?.as_s().ok().map(String::as_str);
    outgoing(text(layout::ENVELOPE), text(layout::DESTINATION))
}

/// Reads a message from the new image of a stream record, in DynamoDB's JSON, as Lambda delivers it.
///
/// ```
/// use throughline_aws::ledger::outgoing_from_stream_image;
/// let image = serde_json::json!({
///     "pk": { "S": "order#o-1" },
///     "sk": { "S": "event#00000000000000000001" },
///     "destination": { "S": "bus" },
///     "envelope": { "S": r#"{"specversion":"1.0","id":"e-1","source":"shop","type":"order.placed","data":{}}"# },
/// });
/// assert_eq!(outgoing_from_stream_image(&image).unwrap().envelope.attributes.id, "e-1");
/// ```
///
/// # Errors
/// Why the image is no message.
pub fn outgoing_from_stream_image(image: &Value) -> Result<Outgoing, String> {
    let text = |name: &str| image.get(name)?.get("S")?.as_str();
    outgoing(text(layout::ENVELOPE), text(layout::DESTINATION))
}

fn outgoing(envelope: Option<&str>, destination: Option<&str>) -> Result<Outgoing, String> {
    let missing = |name: &str| format!("the log entry has no text `{name}`");
    let envelope = envelope.ok_or_else(|| missing(layout::ENVELOPE))?;
    let destination = destination.ok_or_else(|| missing(layout::DESTINATION))?;
    let envelope = EncodedEnvelope::from_json(envelope)
        .map_err(|error| format!("the log entry's `{}` is no CloudEvent: {error}", layout::ENVELOPE))?;
    let destination = layout::destination_from(destination).ok_or_else(|| {
        let name = layout::DESTINATION;
        format!("the log entry's `{name}` is no destination of ours: `{destination}`")
    })?;
    Ok(Outgoing { destination, envelope })
}
