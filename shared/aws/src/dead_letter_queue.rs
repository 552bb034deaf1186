//! The dead-letter queue on SQS.

use crate::{describe, sqs_text};
use aws_sdk_sqs::{
    Client,
    error::{BuildError, ProvideErrorMetadata as _, SdkError},
    operation::send_message::SendMessageError,
    types::MessageAttributeValue,
};
use futures_util::future::BoxFuture;
use std::collections::HashMap;
use throughline_core::{
    BoxError,
    internal::delivery::KEPT_ATTRIBUTES,
    ports::{DeadLetter, DeadLetters},
};
use tracing::warn;

/// The longest attribute, in characters; only an error's message comes near.
const LONGEST_ATTRIBUTE: usize = 1024;

/// The [`DeadLetters`] on SQS: the body exactly as it came, and the reason in message attributes.
///
/// | attribute | what it says |
/// |---|---|
/// | `ErrorType` | the type of the error, for grouping |
/// | `ErrorMessage` | what went wrong, at most 1024 characters |
/// | `Handler` | who refused it |
/// | `Attempts` | how often it was delivered (a number) |
/// | `FailedAt` | when it was given up: RFC 3339 |
/// | `MessageId` | the id its source gave it |
/// | `EventId`, `EventType`, `CorrelationId` | the event's, where they could be read |
/// | `MessageAttributes` | the message attributes that it came with, as JSON |
///
/// Attributes count towards a message's size. A message that the queue refuses with all of them is sent
/// with those alone that say who it is and who refused it, and then with none: the body is never cut.
#[derive(Debug, Clone)]
pub struct SqsDeadLetters {
    client: Client,
    queue_url: String,
}

impl SqsDeadLetters {
    /// Sends to this queue. A FIFO queue is known by its URL, which ends in `.fifo`.
    pub fn new(client: Client, queue_url: impl Into<String>) -> Self {
        Self { client, queue_url: queue_url.into() }
    }

    async fn deliver(&self, letter: &DeadLetter) -> Result<(), BoxError> {
        let all = attributes(letter)?;
        let mut few = all.clone();
        few.retain(|name, _| FEW.contains(&name.as_str()));
        let mut refusal = None;
        for attributes in [all, few, HashMap::new()] {
            let count = attributes.len();
            match self.send_with(letter, attributes).await {
                Ok(()) => {
                    if let Some(reason) = refusal {
                        warn!(
                            reason,
                            count,
                            message_id = letter.message_id,
                            "dead-lettered with fewer attributes"
                        );
                    }
                    return Ok(());
                }
                Err(error) if is_refusal(&error) => refusal = Some(describe(&error)),
                Err(error) => return Err(describe(&error).into()),
            }
        }
        Err(refusal.unwrap_or_default().into())
    }

    async fn send_with(
        &self,
        letter: &DeadLetter,
        attributes: HashMap<String, MessageAttributeValue>,
    ) -> Result<(), SdkError<SendMessageError>> {
        let attributes = (!attributes.is_empty()).then_some(attributes);
        let mut message = self
            .client
            .send_message()
            .queue_url(&self.queue_url)
            .message_body(sqs_text::body(&letter.body))
            .set_message_attributes(attributes);
        if sqs_text::is_fifo(&self.queue_url) {
            let group = letter.group.as_deref().unwrap_or(&letter.message_id);
            message = message
                .message_group_id(sqs_text::fifo_id(group))
                .message_deduplication_id(sqs_text::fifo_id(&letter.message_id));
        }
        message.send().await.map(|_| ())
    }
}

/// By these a redriven letter is known again. They are short, but for an id of somebody's own.
const FEW: [&str; 5] = ["ErrorType", "Handler", "FailedAt", "MessageId", "EventId"];

/// Returns whether the queue objects to the message itself, as it does to one that is too large.
fn is_refusal(error: &SdkError<SendMessageError>) -> bool {
    let code = error.as_service_error().and_then(|error| error.code()).unwrap_or_default();
    matches!(
        sqs_text::bare_code(code),
        "InvalidParameterValue" | "InvalidMessageContents" | "InvalidAttributeValue" | "MessageTooLong"
    )
}

fn attributes(letter: &DeadLetter) -> Result<HashMap<String, MessageAttributeValue>, BuildError> {
    let event = letter.attributes.as_ref();
    let (attempts, failed_at) = (letter.attempts.to_string(), letter.failed_at.to_string());
    let texts = [
        ("ErrorType", "String", Some(letter.error_type.as_str())),
        ("ErrorMessage", "String", Some(&letter.error_message)),
        ("Handler", "String", Some(&letter.handler)),
        ("Attempts", "Number", Some(&attempts)),
        ("FailedAt", "String", Some(&failed_at)),
        ("MessageId", "String", Some(&letter.message_id)),
        ("EventId", "String", event.map(|event| event.id.as_str())),
        ("EventType", "String", event.map(|event| event.message_type.as_str())),
        ("CorrelationId", "String", event.map(|event| event.correlation_id.as_str())),
    ];
    let kept = letter.message_attributes.as_deref().and_then(|json| sqs_text::attribute(json, usize::MAX));
    texts
        .into_iter()
        .filter_map(|(name, kind, text)| Some((name, kind, sqs_text::attribute(text?, LONGEST_ATTRIBUTE)?)))
        .chain(kept.map(|json| (KEPT_ATTRIBUTES, "String", json)))
        .map(|(name, kind, value)| {
            let value = MessageAttributeValue::builder().data_type(kind).string_value(value).build()?;
            Ok((name.to_owned(), value))
        })
        .collect()
}

impl DeadLetters for SqsDeadLetters {
    fn send<'a>(&'a self, letter: &'a DeadLetter) -> BoxFuture<'a, Result<(), BoxError>> {
        Box::pin(self.deliver(letter))
    }
}

#[cfg(test)]
mod tests;
