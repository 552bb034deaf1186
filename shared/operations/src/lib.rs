//! Operators' questions to AWS. The `throughline` command is made of it; no function depends on it, so that a
//! change here compiles none anew.
//!
//! - [`DeadLetterQueue`], [`FoundLetter`], [`send_letters`]: dead letters, and sending them to where they came from.
//! - [`line`](mod@line): everything with one correlation id; [`log`]: what was sent in a range of time.
//! - [`executions`]: what Step Functions remembers of a saga.
//! - [`replays`]: a bus's rules, archives and replays; [`tap`]: events as they pass on a bus.
//! - [`json_text`]: changes of one value in a JSON text.
//! - [`depth`], [`scan`] and their like: how full a queue is, which items a table holds.

mod cloudformation;
mod cloudwatch;
mod dead_letter_queue;
pub mod executions;
mod first_id;
mod invoke;
pub mod json_text;
mod letter;
pub mod line;
pub mod log;
mod logs;
mod moving;
pub mod replays;
mod resend;
mod service;
pub mod tap;

pub use cloudformation::CloudFormation;
pub use cloudwatch::CloudWatch;
pub use dead_letter_queue::{DeadLetterQueue, Look, MOST_MESSAGES, ReceivedLetter, look_through};
pub use invoke::Functions;
pub use letter::{FoundLetter, Origin, Wrapping, event_in};
pub use logs::{LogFilter, Logs};
pub use moving::Moving;
pub use resend::{Answers, Resent, put_letters, send_letters};

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use aws_sdk_sqs::types::QueueAttributeName;
use json_text::readable;
use serde_json::{Map, Value};
use std::collections::HashMap;
use throughline_aws::{
    internal::{describe, sqs_text},
    outside::fresh_id,
};
use throughline_core::EncodedEnvelope;

/// Something an operator asked for did not work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {reason}")]
pub struct OperateError {
    /// The request.
    pub what: String,
    /// The reason that AWS gave.
    pub reason: String,
}

fn failed(what: impl Into<String>, reason: impl Into<String>) -> OperateError {
    OperateError { what: what.into(), reason: reason.into() }
}

/// The number of messages in a queue. SQS counts approximately.
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
    /// Returns whether the queue holds no message in any state.
    pub fn is_empty(self) -> bool {
        self == Self::default()
    }
}

/// Returns the number of messages in a queue.
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

/// The URL of a queue, by its name.
///
/// # Errors
/// If there is no such queue.
pub async fn queue_url(client: &aws_sdk_sqs::Client, name: &str) -> Result<String, OperateError> {
    let found = client.get_queue_url().queue_name(name).send().await;
    let found = found.map_err(|error| failed(format!("queue `{name}`"), describe(&error)))?;
    found.queue_url.ok_or_else(|| failed(format!("queue `{name}`"), "SQS does not tell its URL"))
}

/// Sends a body to a queue, whatever is in it. In a FIFO queue an event's group is its subject, and its deduplication
/// id is its id, as [`AwsPublisher`](throughline_aws::AwsPublisher) has it; what is no event is in a group of its own.
///
/// # Errors
/// If the queue does not take it.
pub async fn send_body(
    client: &aws_sdk_sqs::Client,
    queue_url: &str,
    body: &str,
) -> Result<(), OperateError> {
    let mut request = client.send_message().queue_url(queue_url).message_body(body);
    if sqs_text::is_fifo(queue_url) {
        let body = readable(body).map_or(Value::Null, |(body, _)| body);
        let event = event_in(&body).map_or(Value::Null, |(_, event)| event);
        let text = |name: &str| event[name].as_str().map(ToOwned::to_owned);
        let id = text("id").unwrap_or_else(fresh_id);
        let group = text("subject").unwrap_or_else(|| id.clone());
        request = request
            .message_group_id(sqs_text::fifo_id(&group))
            .message_deduplication_id(sqs_text::fifo_id(&id));
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use throughline_aws::testing::Fake;

    #[tokio::test]
    async fn a_fifo_queue_is_told_the_group_and_any_other_is_not() {
        let sent = || (200, json!({ "MessageId": "m", "MD5OfMessageBody": "" }));
        let fake = Fake::new([sent(), sent(), sent()]);
        let client = aws_sdk_sqs::Client::new(&fake.config());
        let event = json!({ "specversion": "1.0", "id": "e-1", "subject": "o-1" }).to_string();
        for (url, body) in [("q.fifo", event.as_str()), ("q.fifo", "no event"), ("q", &event)] {
            // The answer holds no sum of the body that the client could check.
            _ = send_body(&client, &format!("https://sqs.example/1/{url}"), body).await;
        }
        let requests = fake.requests();
        let ids = |at: usize| (&requests[at]["MessageGroupId"], &requests[at]["MessageDeduplicationId"]);
        assert_eq!(ids(0), (&json!("o-1"), &json!("e-1")));
        assert!(ids(1).0.is_string() && ids(1).0 == ids(1).1, "{requests:?}");
        assert_eq!(ids(2), (&Value::Null, &Value::Null));
    }
}
