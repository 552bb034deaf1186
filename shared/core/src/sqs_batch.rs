//! A batch of SQS messages, as Lambda delivers it.

use crate::scanner::Scanner;
use serde::Deserialize;
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
    /// What was sent.
    #[serde(borrow)]
    pub body: Cow<'a, str>,
    /// The queue.
    #[serde(borrow, rename = "eventSourceARN")]
    pub event_source_arn: Cow<'a, str>,
    /// What SQS knows about it.
    #[serde(borrow)]
    pub attributes: SystemAttributes<'a>,
}

/// The attributes that SQS gives a message.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct SystemAttributes<'a> {
    /// How often it was received, this time included; in decimal digits.
    #[serde(borrow)]
    pub approximate_receive_count: Cow<'a, str>,
    /// Its group: in a FIFO queue always, in others for fairness.
    #[serde(borrow, default)]
    pub message_group_id: Option<Cow<'a, str>>,
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
    let (mut event_source_arn, mut attributes) = (None, None);
    scanner.object(|scanner, name| match name {
        "messageId" => once(&mut message_id, scanner.string()?),
        "receiptHandle" => once(&mut receipt_handle, scanner.string()?),
        "body" => once(&mut body, scanner.string()?),
        "eventSourceARN" => once(&mut event_source_arn, scanner.string()?),
        "attributes" => once(&mut attributes, scan_attributes(scanner)?),
        _ => scanner.skip(),
    })?;
    Some(SqsMessage {
        message_id: message_id?,
        receipt_handle: receipt_handle?,
        body: body?,
        event_source_arn: event_source_arn?,
        attributes: attributes?,
    })
}

fn scan_attributes<'a>(scanner: &mut Scanner<'a>) -> Option<SystemAttributes<'a>> {
    let (mut approximate_receive_count, mut message_group_id) = (None, None);
    scanner.object(|scanner, name| match name {
        "ApproximateReceiveCount" => once(&mut approximate_receive_count, scanner.string()?),
        "MessageGroupId" => once(&mut message_group_id, scanner.string()?),
        _ => scanner.skip(),
    })?;
    Some(SystemAttributes { approximate_receive_count: approximate_receive_count?, message_group_id })
}

fn once<T>(slot: &mut Option<T>, value: T) -> Option<()> {
    slot.replace(value).is_none().then_some(())
}

#[cfg(test)]
mod tests;
