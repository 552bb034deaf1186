//! From the log to the bus and to the queues of commands.

mod commands;
mod events;

use crate::{
    ledger::{by_logical_name, setting_name},
    sqs_text,
};
use futures_util::{
    FutureExt as _,
    future::{BoxFuture, join_all},
};
use std::collections::BTreeMap;
use throughline_core::{
    ledger::{Destination, Outgoing},
    limits::MOST_MESSAGE_BYTES,
    relay::{Delivery, MOST_ENTRIES, Publisher},
};

/// The [`Publisher`] on EventBridge and SQS.
///
/// An event becomes an entry of `PutEvents`: the whole envelope is its detail, the event's type its
/// detail type and the event's source its source. A command becomes a message in its receiver's queue,
/// with the whole envelope as its body; in a FIFO queue its group is its subject, and its deduplication id
/// is its id.
///
/// ```
/// # fn example(eventbridge: aws_sdk_eventbridge::Client, sqs: aws_sdk_sqs::Client) {
/// use throughline_aws::AwsPublisher;
/// let queues = [("place-order".to_owned(), "https://sqs.eu-west-1.amazonaws.com/1/orders".to_owned())];
/// let publisher = AwsPublisher::new(eventbridge, sqs, "shop", queues.into());
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct AwsPublisher {
    eventbridge: aws_sdk_eventbridge::Client,
    sqs: aws_sdk_sqs::Client,
    bus: String,
    queues: BTreeMap<String, String>,
}

/// A message and its text on the wire.
struct Encoded<'a> {
    /// Where its answer belongs.
    position: usize,
    outgoing: &'a Outgoing,
    text: String,
}

/// What went wrong with a whole call.
struct CallError {
    code: String,
    reason: String,
}

impl AwsPublisher {
    /// Publishes events to `bus` (a name or an ARN) and commands to `queues`: the URL of each logical name.
    pub fn new(
        eventbridge: aws_sdk_eventbridge::Client,
        sqs: aws_sdk_sqs::Client,
        bus: impl Into<String>,
        queues: BTreeMap<String, String>,
    ) -> Self {
        Self { eventbridge, sqs, bus: bus.into(), queues }
    }

    async fn publish_all(&self, messages: &[&Outgoing]) -> Vec<Delivery> {
        let mut answers: Vec<Option<Delivery>> = vec![None; messages.len()];
        let mut by_destination: BTreeMap<Option<&str>, Vec<Encoded<'_>>> = BTreeMap::new();
        for (position, outgoing) in messages.iter().enumerate() {
            let queue = match &outgoing.destination {
                Destination::Bus => None,
                Destination::Queue(name) => Some(name.as_str()),
            };
            match serde_json::to_string(&outgoing.envelope) {
                Ok(text) => {
                    by_destination.entry(queue).or_default().push(Encoded { position, outgoing, text });
                }
                Err(error) => answers[position] = Some(refused("Unencodable", error.to_string())),
            }
        }
        let sent = join_all(by_destination.into_iter().map(|(queue, messages)| async move {
            let Some(name) = queue else {
                return self.send(messages, |batch| self.put_events(batch).boxed()).await;
            };
            if let Some(url) = by_logical_name(&self.queues, name) {
                return self.send(messages, |batch| self.send_commands(url, batch).boxed()).await;
            }
            let unknown = Delivery::Retry(unknown_queue(name));
            messages.iter().map(|message| (message.position, unknown.clone())).collect()
        }));
        for (position, delivery) in sent.await.into_iter().flatten() {
            answers[position] = Some(delivery);
        }
        let silent = || Delivery::Retry("the service gave no answer for this message".into());
        answers.into_iter().map(|answer| answer.unwrap_or_else(silent)).collect()
    }

    /// Sends in as few calls as the limits allow, one after another, so that the order is kept.
    async fn send<'a>(
        &self,
        messages: Vec<Encoded<'a>>,
        call: impl for<'b> Fn(&'b [Encoded<'a>]) -> BoxFuture<'b, Result<Vec<Delivery>, CallError>>,
    ) -> Vec<(usize, Delivery)> {
        let mut deliveries = Vec::with_capacity(messages.len());
        for batch in batches(&messages) {
            deliveries.extend(match call(batch).await {
                Ok(answers) => answers,
                // One bad entry can make a service refuse the call: then each is sent alone, so that the
                // bad one stands out and does not keep the others back.
                Err(error) if batch.len() > 1 && is_permanent(&error.code) => {
                    let mut alone = Vec::with_capacity(batch.len());
                    for message in batch {
                        let answers = call(std::slice::from_ref(message)).await;
                        alone.push(answers.map_or_else(CallError::delivery, |mut answers| answers.remove(0)));
                    }
                    alone
                }
                Err(error) => vec![error.delivery(); batch.len()],
            });
        }
        messages.iter().map(|message| message.position).zip(deliveries).collect()
    }
}

impl CallError {
    fn delivery(self) -> Delivery {
        failed_entry(&self.code, self.reason)
    }
}

impl Publisher for AwsPublisher {
    fn publish<'a>(&'a self, messages: &'a [&'a Outgoing]) -> BoxFuture<'a, Vec<Delivery>> {
        Box::pin(self.publish_all(messages))
    }
}

/// At most ten messages, and at most 256 KB, in each.
fn batches<'a, 'b>(messages: &'b [Encoded<'a>]) -> Vec<&'b [Encoded<'a>]> {
    let mut batches = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (at, message) in messages.iter().enumerate() {
        let size = message.size();
        if at > start && (at - start == MOST_ENTRIES || bytes + size > MOST_MESSAGE_BYTES) {
            batches.push(&messages[start..at]);
            (start, bytes) = (at, 0);
        }
        bytes += size;
    }
    if start < messages.len() {
        batches.push(&messages[start..]);
    }
    batches
}

impl Encoded<'_> {
    /// What `PutEvents` counts: the detail, the detail type, the source, and 14 bytes for the time
    /// (EventBridge user guide, "Calculating `PutEvents` event entry size"). SQS counts the body alone.
    fn size(&self) -> usize {
        let attributes = &self.outgoing.envelope.attributes;
        self.text.len() + attributes.message_type.len() + attributes.source.len() + 14
    }
}

fn unknown_queue(name: &str) -> String {
    let setting = setting_name("THROUGHLINE_COMMAND_QUEUE_", name);
    format!("the URL of the command queue `{name}` is not known: set {setting}")
}

/// The answer for an entry that failed with this code.
fn failed_entry(code: &str, reason: String) -> Delivery {
    if is_permanent(code) { refused(code, reason) } else { Delivery::Retry(reason) }
}

fn refused(error_type: &str, reason: String) -> Delivery {
    Delivery::Refused { error_type: error_type.to_owned(), reason }
}

/// Whether the message itself is what the service objects to, so that it will object again.
///
/// EventBridge also lists refused access and wrong accounts as errors not to be retried
/// (`PutEventsResultEntry`). No message is at fault there, and a deployment mends them: they are retried,
/// and the stream waits. `MissingParameter` is a wrong queue type, not a wrong message.
fn is_permanent(code: &str) -> bool {
    matches!(
        sqs_text::bare_code(code),
        "MalformedDetail"
            | "InvalidArgument"
            | "RedactionFailure"
            | "NotAuthorizedForSourceException"
            | "NotAuthorizedForDetailTypeException"
            | "ValidationException"
            | "ValidationError"
            | "InvalidMessageContents"
            | "InvalidParameterValue"
            | "InvalidParameterValueException"
            | "BatchRequestTooLong"
    )
}

/// A call's error. What the service says of the call's own parameters, such as the bus's name, is no
/// message's fault.
fn call_error(code: Option<&str>, reason: String, settings: &[&str]) -> CallError {
    let is_setting = settings.iter().any(|name| reason.to_ascii_lowercase().contains(name));
    let code = code.filter(|_| !is_setting).unwrap_or("CallFailed").to_owned();
    CallError { code, reason }
}

fn group_of(outgoing: &Outgoing) -> std::borrow::Cow<'_, str> {
    let attributes = &outgoing.envelope.attributes;
    sqs_text::fifo_id(attributes.subject.as_deref().unwrap_or(&attributes.id))
}

#[cfg(test)]
mod tests;
