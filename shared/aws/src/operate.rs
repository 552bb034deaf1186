//! What an operator asks for: what is in a queue, how full it is, which items a table holds.

use crate::{describe, visibility::VisibilityChange};
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
    /// [`SqsDeadLetters`](crate::SqsDeadLetters) writes. Where somebody else put the message here, as much
    /// of it as can be read from the message.
    pub attributes: BTreeMap<String, String>,
    /// When it was sent to this queue.
    pub sent_at: Option<Timestamp>,
}

impl FoundLetter {
    /// Why it is here.
    pub fn reason(&self) -> String {
        match (self.attribute("ErrorType"), self.attribute("ErrorMessage")) {
            (Some(error_type), Some(message)) => format!("{error_type}: {message}"),
            (Some(reason), None) | (None, Some(reason)) => reason.to_owned(),
            (None, None) => {
                "received too often without an answer: its function crashed or ran out of time".into()
            }
        }
    }

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

/// How long messages stay hidden while a queue is looked through, should they not be put back.
const LOOK: Duration = Duration::from_secs(10);
/// How often SQS may find nothing where it counted something.
const MOST_EMPTY_LOOKS: u32 = 3;

/// Looks through a queue and puts everything back. Meanwhile the messages are hidden from others, and what
/// others look at just now is hidden from us: [`depth`] counts that as in flight.
///
/// # Errors
/// If the queue cannot be read.
pub async fn look_through(
    client: &aws_sdk_sqs::Client,
    queue_url: &str,
) -> Result<Vec<FoundLetter>, OperateError> {
    let waiting = depth(client, queue_url).await?.waiting;
    let mut found = BTreeMap::new();
    let mut handles = Vec::new();
    let mut empty_looks = 0;
    while empty_looks < MOST_EMPTY_LOOKS {
        let received = client
            .receive_message()
            .queue_url(queue_url)
            .max_number_of_messages(10)
            .visibility_timeout(i32::try_from(LOOK.as_secs()).unwrap_or(i32::MAX))
            .wait_time_seconds(i32::from(empty_looks > 0))
            .message_attribute_names("All")
            .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp)
            .send()
            .await
            .map_err(|error| failed(format!("queue {queue_url} cannot be read"), describe(&error)))?;
        let messages = received.messages.unwrap_or_default();
        if messages.is_empty() {
            // A short poll asks only some of SQS's servers.
            if u64::try_from(found.len()).is_ok_and(|found| found >= waiting) {
                break;
            }
            empty_looks += 1;
        }
        let before = found.len();
        let received = messages.len();
        for message in messages {
            handles.extend(message.receipt_handle.clone());
            let letter = letter(message);
            found.insert(letter.message_id.clone(), letter);
        }
        if received > 0 && found.len() == before {
            break; // the first ones have come round again
        }
    }
    let back: Vec<_> = handles
        .into_iter()
        .map(|receipt_handle| VisibilityChange { receipt_handle, after: Duration::ZERO })
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
    let body = message.body.unwrap_or_default();
    let attributes = completed(attributes, &body);
    FoundLetter { message_id: message.message_id.unwrap_or_default(), body, attributes, sent_at }
}

/// Messages also get here without our attributes: moved by SQS, by a rule that could not reach its target
/// (its attributes are `ERROR_CODE` and `ERROR_MESSAGE`), or by Lambda's on-failure destination (the error
/// and the event are in the body). What they say is put under our names.
fn completed(mut attributes: BTreeMap<String, String>, body: &str) -> BTreeMap<String, String> {
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    let text = |value: &Value| value.as_str().map(ToOwned::to_owned);
    let event = ["", "/detail", "/requestPayload", "/requestPayload/detail"]
        .iter()
        .filter_map(|place| body.pointer(place))
        .find(|value| value["specversion"].is_string())
        .unwrap_or(&Value::Null);
    let error = &body["responsePayload"];
    let handler = text(&body["requestContext"]["functionArn"]);
    let found = [
        ("EventId", text(&event["id"])),
        ("EventType", text(&event["type"])),
        ("CorrelationId", text(&event["correlationid"]).or_else(|| text(&event["id"]))),
        ("ErrorType", attributes.get("ERROR_CODE").cloned().or_else(|| text(&error["errorType"]))),
        ("ErrorMessage", attributes.get("ERROR_MESSAGE").cloned().or_else(|| text(&error["errorMessage"]))),
        ("Handler", handler.and_then(|arn| arn.split(':').nth(6).map(ToOwned::to_owned))),
    ];
    for (name, value) in found {
        if let Some(value) = value {
            attributes.entry(name.to_owned()).or_insert(value);
        }
    }
    attributes
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_lambda_or_a_rule_put_there_is_read_like_our_own() {
        let event =
            json!({ "specversion": "1.0", "id": "e-1", "type": "stock.reserved", "correlationid": "c-1" });
        let wrapped = json!({ "detail-type": "stock.reserved", "detail": event });
        let by_lambda = json!({
            "requestContext": { "functionArn": "arn:aws:lambda:eu-west-1:1:function:shop-confirm-order:$LATEST" },
            "requestPayload": wrapped,
            "responsePayload": { "errorType": "Missing", "errorMessage": "order not seen yet" },
        });
        let found = completed(BTreeMap::new(), &by_lambda.to_string());
        assert_eq!((found["EventId"].as_str(), found["CorrelationId"].as_str()), ("e-1", "c-1"));
        assert_eq!(
            (found["ErrorType"].as_str(), found["Handler"].as_str()),
            ("Missing", "shop-confirm-order")
        );

        let code = BTreeMap::from([("ERROR_CODE".to_owned(), "NO_PERMISSIONS".to_owned())]);
        let by_rule = completed(code, &wrapped.to_string());
        assert_eq!(
            (by_rule["EventType"].as_str(), by_rule["ErrorType"].as_str()),
            ("stock.reserved", "NO_PERMISSIONS")
        );

        let ours = BTreeMap::from([("EventId".to_owned(), "ours".to_owned())]);
        assert_eq!(completed(ours, &event.to_string())["EventId"], "ours");
        assert!(completed(BTreeMap::new(), "no json").is_empty());
    }
}
