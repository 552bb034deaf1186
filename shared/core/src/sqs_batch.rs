//! A batch of SQS messages, as Lambda delivers it.

use crate::{delivery::Delivery, scanner::Scanner};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// A batch. Only what is needed, borrowed from the payload where it can be.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SqsBatch<'a> {
    /// The messages, in their order.
    #[serde(borrow, rename = "Records")]
    pub records: Vec<SqsMessage<'a>>,
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SqsMessage<'a> {
    /// Its id.
    #[serde(borrow)]
    pub message_id: Cow<'a, str>,
    /// Names this delivery of it.
    #[serde(borrow)]
    pub receipt_handle: Cow<'a, str>,
    /// The message's body.
    #[serde(borrow)]
    pub body: Cow<'a, str>,
    /// The queue.
    #[serde(borrow, rename = "eventSourceARN")]
    pub event_source_arn: Cow<'a, str>,
    /// The attributes that SQS gives it.
    #[serde(borrow)]
    pub attributes: SystemAttributes<'a>,
    /// Its message attributes, as the JSON that they came as.
    #[serde(borrow, default, deserialize_with = "json_text")]
    pub message_attributes: Option<&'a str>,
}

/// Text of JSON that nobody has read yet; nothing for null.
fn json_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de str>, D::Error> {
    Ok(Option::<&RawValue>::deserialize(deserializer)?.map(RawValue::get))
}

/// The attributes that SQS gives a message.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct SystemAttributes<'a> {
    /// The number of receives, this one included, in decimal digits.
    #[serde(borrow)]
    pub approximate_receive_count: Cow<'a, str>,
    /// Its group: in a FIFO queue always, in others for fairness.
    #[serde(borrow, default)]
    pub message_group_id: Option<Cow<'a, str>>,
    /// When it was sent: milliseconds since 1970, in decimal digits.
    #[serde(borrow, default)]
    pub sent_timestamp: Option<Cow<'a, str>>,
    /// The X-Ray trace context of whoever sent it.
    #[serde(borrow, default, rename = "AWSTraceHeader")]
    pub trace_header: Option<Cow<'a, str>>,
}

impl SqsMessage<'_> {
    /// Returns SQS's description of the message, beside its body.
    pub fn delivery(&self) -> Delivery<'_> {
        Delivery {
            message_attributes: self.message_attributes,
            sent_timestamp: self.attributes.sent_timestamp.as_deref(),
            trace_header: self.attributes.trace_header.as_deref(),
        }
    }
}

impl<'a> SqsBatch<'a> {
    /// Reads a batch.
    ///
    /// # Errors
    /// If the payload is no SQS event.
    pub fn read(payload: &'a str) -> Result<Self, serde_json::Error> {
        scan(payload).map_or_else(|| serde_json::from_str(payload), Ok)
    }
}

/// Reads a batch that looks the way Lambda writes it. The bodies are most of it, JSON within JSON: copying
/// them unescaped, once, is what this is fast at.
fn scan(payload: &str) -> Option<SqsBatch<'_>> {
    let mut records = None;
    let mut scanner = Scanner::new(payload);
    scanner.object(|scanner, name| match name {
        "Records" => once(&mut records, scan_records(scanner)?),
        _ => scanner.skip(),
    })?;
    scanner.end()?;
    Some(SqsBatch { records: records? })
}

fn scan_records<'a>(scanner: &mut Scanner<'a>) -> Option<Vec<SqsMessage<'a>>> {
    let mut records = Vec::with_capacity(10);
    scanner.array(|scanner| {
        records.push(scan_message(scanner)?);
        Some(())
    })?;
    Some(records)
}

fn scan_message<'a>(scanner: &mut Scanner<'a>) -> Option<SqsMessage<'a>> {
    let (mut message_id, mut receipt_handle, mut body) = (None, None, None);
    let (mut event_source_arn, mut attributes, mut message_attributes) = (None, None, None);
    scanner.object(|scanner, name| match name {
        "messageId" => once(&mut message_id, scanner.string()?),
        "receiptHandle" => once(&mut receipt_handle, scanner.string()?),
        "body" => once(&mut body, scanner.string()?),
        "eventSourceARN" => once(&mut event_source_arn, scanner.string()?),
        "attributes" => once(&mut attributes, scan_attributes(scanner)?),
        "messageAttributes" => once(&mut message_attributes, scanner.value::<Option<&RawValue>>()?),
        _ => scanner.skip(),
    })?;
    Some(SqsMessage {
        message_id: message_id?,
        receipt_handle: receipt_handle?,
        body: body?,
        event_source_arn: event_source_arn?,
        attributes: attributes?,
        message_attributes: message_attributes.flatten().map(RawValue::get),
    })
}

fn scan_attributes<'a>(scanner: &mut Scanner<'a>) -> Option<SystemAttributes<'a>> {
    let (mut approximate_receive_count, mut message_group_id) = (None, None);
    let (mut sent_timestamp, mut trace_header) = (None, None);
    scanner.object(|scanner, name| match name {
        "ApproximateReceiveCount" => once(&mut approximate_receive_count, scanner.string()?),
        "MessageGroupId" => once(&mut message_group_id, scanner.string()?),
        "SentTimestamp" => once(&mut sent_timestamp, scanner.string()?),
        "AWSTraceHeader" => once(&mut trace_header, scanner.string()?),
        _ => scanner.skip(),
    })?;
    Some(SystemAttributes {
        approximate_receive_count: approximate_receive_count?,
        message_group_id,
        sent_timestamp,
        trace_header,
    })
}

fn once<T>(slot: &mut Option<T>, value: T) -> Option<()> {
    slot.replace(value).is_none().then_some(())
}

#[cfg(test)]
mod tests;
