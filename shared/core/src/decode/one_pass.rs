//! Reads a CloudEvent, or an EventBridge event around one, and its typed data in one pass.
//!
//! It accepts only plainly valid bodies: attributes of the standard's types, each given once. Data that comes before
//! its `type`, as it does where members are sorted by name, is skipped and read last. At anything else it gives up, and
//! the step-by-step reader decides about the body from its beginning. Bodies that both accept they read alike, which a
//! property test checks.

use super::Decoded;
use crate::{
    Envelope, Message,
    envelope::{Attributes, SPEC_VERSION, values},
    scanner::Scanner,
};
use serde_json::{Value, value::RawValue};
use std::borrow::Cow;

pub(super) fn decode<M: Message>(body: &str) -> Option<Decoded<'_, M>> {
    let body = values::without_byte_order_mark(body);
    event_bridge(body).or_else(|| bare(body))
}

fn bare<M: Message>(body: &str) -> Option<Decoded<'_, M>> {
    let mut scanner = Scanner::new(body);
    let mut envelope = Reader::<M>::default();
    scanner.object(|scanner, name| envelope.member(scanner, name))?;
    scanner.end()?;
    // These members mark other forms of a body.
    let tells =
        ["detail", "detail-type", "replay-name", "Message", "MessageId", "Records", "TopicArn", "Type"];
    let is_sure = envelope.attributes.extensions.keys().all(|name| !tells.contains(&&**name));
    is_sure.then(|| envelope.finish())?
}

/// Reads an EventBridge event, which has all of these members. A body that lacks one is left to the step-by-step
/// reader.
fn event_bridge<M: Message>(body: &str) -> Option<Decoded<'_, M>> {
    let (mut detail, mut detail_type, mut replay_name) = (None, None, None);
    let (mut version, mut id, mut source) = (None, None, None);
    let mut scanner = Scanner::new(body);
    scanner.object(|scanner, name| match name {
        "detail" => once(&mut detail, read_detail(scanner)?),
        "detail-type" => once(&mut detail_type, scanner.string()?),
        "replay-name" => once(&mut replay_name, scanner.string()?),
        "version" => once(&mut version, scanner.string()?),
        "id" => once(&mut id, scanner.string()?),
        "source" => once(&mut source, scanner.string()?),
        // An object with one of these is no EventBridge event, most often a bare CloudEvent.
        "specversion" | "data" | "Message" | "MessageId" | "Records" | "TopicArn" | "Type" => None,
        _ => scanner.skip(),
    })?;
    scanner.end()?;
    // An object that lacks one of them is another program's own.
    _ = (version?, id?, source?, detail_type?);
    let mut decoded: Decoded<'_, M> = detail?;
    if let Some(name) = replay_name.filter(|name| !name.is_empty()) {
        decoded.envelope.attributes.replay_name = Some(name.into_owned());
    }
    Some(decoded)
}

fn read_detail<'a, M: Message>(scanner: &mut Scanner<'a>) -> Option<Decoded<'a, M>> {
    let mut envelope = Reader::<M>::default();
    scanner.object(|scanner, name| envelope.member(scanner, name))?;
    envelope.finish()
}

/// The parts of an envelope that were read.
struct Reader<'a, M> {
    attributes: Attributes,
    data: Option<(M, &'a str)>,
    /// The data, if it came before its type.
    unread: Option<&'a RawValue>,
    has_spec_version: bool,
    has_content_type: bool,
    /// The version as which `data` was read; 1 unless given.
    schema_version: Option<u16>,
    correlation_id: Option<String>,
}

impl<M> Default for Reader<'_, M> {
    fn default() -> Self {
        Self {
            attributes: Attributes::new("", "", ""),
            data: None,
            unread: None,
            has_spec_version: false,
            has_content_type: false,
            schema_version: None,
            correlation_id: None,
        }
    }
}

impl<'a, M: Message> Reader<'a, M> {
    fn member(&mut self, scanner: &mut Scanner<'a>, name: &str) -> Option<()> {
        let attributes = &mut self.attributes;
        match name {
            "specversion" => first(&mut self.has_spec_version, scanner.string()? == SPEC_VERSION),
            "datacontenttype" => first(&mut self.has_content_type, scanner.string()? == "application/json"),
            "id" => fill(&mut attributes.id, scanner),
            "source" => fill(&mut attributes.source, scanner),
            "type" => fill(&mut attributes.message_type, scanner),
            "subject" => text(&mut attributes.subject, name, scanner),
            "dataschema" => text(&mut attributes.data_schema, name, scanner),
            "aggregatetype" => text(&mut attributes.aggregate_type, name, scanner),
            "correlationid" => text(&mut self.correlation_id, name, scanner),
            "causationid" => text(&mut attributes.causation_id, name, scanner),
            "traceparent" => text(&mut attributes.trace_parent, name, scanner),
            "tracestate" => text(&mut attributes.trace_state, name, scanner),
            "actor" => text(&mut attributes.actor, name, scanner),
            "replayname" => text(&mut attributes.replay_name, name, scanner),
            "time" => once(&mut attributes.time, values::time(&scanner.string()?)?),
            "sequence" => once(&mut attributes.sequence, values::sequence(&scanner.string()?)?),
            // The version comes too late if the data was read as another.
            "schemaversion" if self.data.is_some() => None,
            "schemaversion" => once(&mut self.schema_version, version(scanner)?),
            "data" if self.data.is_some() || self.unread.is_some() => None,
            "data" if attributes.message_type.is_empty() => once(&mut self.unread, scanner.value()?),
            "data" => {
                let (name, version) = (&attributes.message_type, self.schema_version.unwrap_or(1));
                once(&mut self.data, scanner.first(|text| M::decode_first(name, version, text))?)
            }
            "data_base64" => None,
            _ => attributes.extensions.insert(name.to_owned(), extension(scanner)?).is_none().then_some(()),
        }
    }

    fn finish(self) -> Option<Decoded<'a, M>> {
        let Self { mut attributes, data, unread, has_spec_version, schema_version, correlation_id, .. } =
            self;
        attributes.schema_version = schema_version.unwrap_or(1);
        let read = |data: &'a RawValue| {
            let message = M::decode(&attributes.message_type, attributes.schema_version, data).ok()?;
            Some((message, data.get()))
        };
        let (data, data_json) = data.or_else(|| read(unread?))?;
        let required = [&attributes.id, &attributes.source, &attributes.message_type];
        if !has_spec_version || required.iter().any(|text| text.is_empty()) {
            return None;
        }
        attributes.correlation_id = correlation_id.unwrap_or_else(|| attributes.id.clone());
        Some(Decoded { envelope: Envelope { attributes, data }, data_json: Cow::Borrowed(data_json) })
    }
}

fn once<T>(slot: &mut Option<T>, value: T) -> Option<()> {
    slot.replace(value).is_none().then_some(())
}

fn first(was_there: &mut bool, is_right: bool) -> Option<()> {
    (!std::mem::replace(was_there, true) && is_right).then_some(())
}

/// Reads an optional attribute that must not be empty if it is given.
fn text(slot: &mut Option<String>, name: &str, scanner: &mut Scanner<'_>) -> Option<()> {
    let text = scanner.string()?;
    values::is_ours(name, &text).then_some(())?;
    once(slot, text.into_owned())
}

/// Fills a required attribute, which must not be empty.
fn fill(slot: &mut String, scanner: &mut Scanner<'_>) -> Option<()> {
    let is_first = slot.is_empty();
    *slot = scanner.string()?.into_owned();
    (is_first && !slot.is_empty()).then_some(())
}

/// Reads a version: a number, or its digits as a string.
fn version(scanner: &mut Scanner<'_>) -> Option<u16> {
    match scanner.value()? {
        Value::Number(number) => number.as_u64()?.try_into().ok().filter(|number| *number > 0),
        Value::String(digits) => values::version(&digits),
        _ => None,
    }
}

/// Reads an extension of the standard's types. Others need more checks than one pass makes.
fn extension(scanner: &mut Scanner<'_>) -> Option<Value> {
    let value = scanner.value()?;
    let is_plain = match &value {
        Value::String(_) | Value::Bool(_) => true,
        Value::Number(number) => !number.is_f64(),
        _ => false,
    };
    is_plain.then_some(value)
}

#[cfg(test)]
mod tests;
