//! What an operator asks for: what is in a queue, how full it is, which items a table holds.

use crate::describe;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName, QueueAttributeName};
use serde_json::{Map, Value};
use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};
use throughline_core::{Timestamp, envelope::EncodedEnvelope};

/// Something an operator asked for did not work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {reason}")]
pub struct OperateError {
    /// What was asked for.
    pub what: String,
    /// What AWS said.
    pub reason: String,
}

fn failed(what: impl Into<String>, reason: impl Into<String>) -> OperateError {
    OperateError { what: what.into(), reason: reason.into() }
}

/// A message that lies in a dead-letter queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundLetter {
    /// The id SQS gave it in this queue.
    pub message_id: String,
    /// Its body.
    pub body: String,
    /// Its message attributes as text: `ErrorType`, `ErrorMessage` and the others that
    /// [`SqsDeadLetters`](crate::SqsDeadLetters) writes. None if SQS itself moved it here.
    pub attributes: BTreeMap<String, String>,
    /// When it was sent to this queue.
    pub sent_at: Option<Timestamp>,
}

impl FoundLetter {
    /// One of its attributes.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str)
    }
}

/// How many messages a queue holds. SQS counts approximately.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QueueDepth {
    /// Waiting to be received.
    pub waiting: u64,
    /// Received and not yet deleted.
    pub in_flight: u64,
    /// Sent with a delay that has not passed.
    pub delayed: u64,
}

impl QueueDepth {
    /// Whether nothing is in the queue in any state.
    pub fn is_empty(self) -> bool {
        self == Self::default()
    }
}

/// How long messages stay hidden while a queue is looked through.
const LOOK: Duration = Duration::from_secs(20);

/// Looks through a queue and puts everything back. Meanwhile the messages are hidden from others.
///
/// # Errors
/// If the queue cannot be read.
pub async fn look_through(
    client: &aws_sdk_sqs::Client,
    queue_url: &str,
) -> Result<Vec<FoundLetter>, OperateError> {
    let mut found = BTreeMap::new();
    let mut handles = Vec::new();
    loop {
        let received = client
            .receive_message()
            .queue_url(queue_url)
            .max_number_of_messages(10)
            .visibility_timeout(i32::try_from(LOOK.as_secs()).unwrap_or(i32::MAX))
            .message_attribute_names("All")
            .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp)
            .send()
            .await
            .map_err(|error| failed(format!("queue {queue_url} cannot be read"), describe(&error)))?;
        let messages = received.messages.unwrap_or_default();
        if messages.is_empty() {
            break;
        }
        for message in messages {
            handles.extend(message.receipt_handle.clone());
            let letter = letter(message);
            found.insert(letter.message_id.clone(), letter);
        }
    }
    let back: Vec<_> = handles
        .into_iter()
        .map(|receipt_handle| crate::visibility::VisibilityChange { receipt_handle, after: Duration::ZERO })
        .collect();
    crate::Visibility::new(client.clone(), queue_url).change(&back).await.map_err(|error| {
        failed(format!("queue {queue_url} was read, but not all was put back yet"), error.to_string())
    })?;
    let mut letters: Vec<_> = found.into_values().collect();
    letters.sort_by_key(|letter| letter.sent_at);
    Ok(letters)
}

fn letter(message: Message) -> FoundLetter {
    let sent_at = message
        .attributes
        .as_ref()
        .and_then(|attributes| attributes.get(&MessageSystemAttributeName::SentTimestamp))
        .and_then(|milliseconds| Timestamp::from_millisecond(milliseconds.parse().ok()?).ok());
    let attributes = message
        .message_attributes
        .unwrap_or_default()
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.string_value?)))
        .collect();
    FoundLetter {
        message_id: message.message_id.unwrap_or_default(),
        body: message.body.unwrap_or_default(),
        attributes,
        sent_at,
    }
}

/// How full a queue is.
///
/// # Errors
/// If the queue cannot be asked.
pub async fn depth(client: &aws_sdk_sqs::Client, queue_url: &str) -> Result<QueueDepth, OperateError> {
    use QueueAttributeName::{
        ApproximateNumberOfMessages, ApproximateNumberOfMessagesDelayed,
        ApproximateNumberOfMessagesNotVisible,
    };
    let answer = client
        .get_queue_attributes()
        .queue_url(queue_url)
        .attribute_names(ApproximateNumberOfMessages)
        .attribute_names(ApproximateNumberOfMessagesNotVisible)
        .attribute_names(ApproximateNumberOfMessagesDelayed)
        .send()
        .await
        .map_err(|error| failed(format!("queue {queue_url} cannot be asked"), describe(&error)))?;
    let attributes = answer.attributes.unwrap_or_default();
    let number = |name| attributes.get(&name).and_then(|text| text.parse().ok()).unwrap_or(0);
    Ok(QueueDepth {
        waiting: number(ApproximateNumberOfMessages),
        in_flight: number(ApproximateNumberOfMessagesNotVisible),
        delayed: number(ApproximateNumberOfMessagesDelayed),
    })
}

/// Sends a body to a queue, whatever is in it.
///
/// # Errors
/// If the queue does not take it.
pub async fn send_body(
    client: &aws_sdk_sqs::Client,
    queue_url: &str,
    body: &str,
) -> Result<(), OperateError> {
    let request = client.send_message().queue_url(queue_url).message_body(body);
    let sent = request.send().await;
    sent.map(drop)
        .map_err(|error| failed(format!("queue {queue_url} did not take the message"), describe(&error)))
}

/// Puts a CloudEvent on a bus, as it is.
///
/// # Errors
/// If it is no CloudEvent, or the bus does not take it.
pub async fn put_event(
    client: &aws_sdk_eventbridge::Client,
    bus: &str,
    event: &str,
) -> Result<(), OperateError> {
    let wrong = |reason: String| failed(format!("bus {bus} did not take the event"), reason);
    let envelope: EncodedEnvelope = serde_json::from_str(event).map_err(|error| wrong(error.to_string()))?;
    let entry = PutEventsRequestEntry::builder()
        .event_bus_name(bus)
        .source(&envelope.attributes.source)
        .detail_type(&envelope.attributes.message_type)
        .detail(event)
        .build();
    let answer = client.put_events().entries(entry).send().await.map_err(|error| wrong(describe(&error)))?;
    match answer.entries().iter().find_map(|entry| entry.error_code()) {
        Some(code) => Err(wrong(code.to_owned())),
        None => Ok(()),
    }
}

/// Puts an item into a table, replacing any with the same key.
///
/// # Errors
/// If the table does not take it.
pub async fn put_item(
    client: &aws_sdk_dynamodb::Client,
    table: &str,
    item: Map<String, Value>,
) -> Result<(), OperateError> {
    let wrong = |reason: String| failed(format!("table {table} did not take the item"), reason);
    let item: HashMap<String, AttributeValue> =
        serde_dynamo::to_item(Value::Object(item)).map_err(|error| wrong(error.to_string()))?;
    let put = client.put_item().table_name(table).set_item(Some(item)).send().await;
    put.map(drop).map_err(|error| wrong(describe(&error)))
}

/// Reads every item of a table: for small ones.
///
/// # Errors
/// If the table cannot be read.
pub async fn scan(
    client: &aws_sdk_dynamodb::Client,
    table: &str,
) -> Result<Vec<Map<String, Value>>, OperateError> {
    let wrong = |reason: String| failed(format!("table {table} cannot be read"), reason);
    let mut items = Vec::new();
    let mut pages = client.scan().table_name(table).consistent_read(true).into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| wrong(describe(&error)))?;
        for item in page.items.unwrap_or_default() {
            items.push(serde_dynamo::from_item(item).map_err(|error| wrong(error.to_string()))?);
        }
    }
    Ok(items)
}
