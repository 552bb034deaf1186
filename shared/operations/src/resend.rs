//! Sending letters to where they came from.

use super::{OperateError, ReceivedLetter, failed};
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use aws_sdk_sqs::{
    error::{ProvideErrorMetadata, SdkError},
    types::{MessageAttributeValue, SendMessageBatchRequestEntry},
};
use serde_json::{Value, json};
use std::{collections::HashMap, slice};
use throughline_aws::internal::{describe, is_permanent, sqs_text};
use throughline_core::{
    EncodedEnvelope,
    internal::{
        delivery::{ABOUT_A_DEATH, KEPT_ATTRIBUTES},
        limits::MOST_MESSAGE_BYTES,
    },
};

/// The attributes in which EventBridge and its Scheduler say why they could not deliver a message. Like those of our
/// own letters, they are of no use to whoever is given it again.
const ABOUT_A_DELIVERY: [&str; 10] = [
    "ERROR_CODE",
    "ERROR_MESSAGE",
    "EXHAUSTED_RETRY_CONDITION",
    "RETRY_ATTEMPTS",
    "RULE_ARN",
    "TARGET_ARN",
    "SCHEDULE_ARN",
    "SCHEDULED_TIME",
    "EXECUTION_ID",
    "IS_PAYLOAD_TRUNCATED",
];
/// The most attributes a message may have (SQS, "Message attributes").
const MOST_ATTRIBUTES: usize = 10;
/// The longest attribute of ours, in characters.
const LONGEST_NOTE: usize = 512;

/// A letter on its way back.
#[derive(Debug, Clone)]
pub struct Resent<'a> {
    /// The letter.
    pub letter: &'a ReceivedLetter,
    /// The body to send: the delivered one, or an edited form of it.
    pub body: &'a str,
    /// Attributes that say that it was redriven, and how.
    pub notes: Vec<(&'static str, String)>,
}

/// The outcome of each of several messages: its new id, or the reason why it was certainly not accepted.
pub type Answers = Vec<Result<String, String>>;

/// Attributes that are texts as one, in the form that Lambda gives them.
fn together(attributes: &[(&String, &MessageAttributeValue)]) -> Option<MessageAttributeValue> {
    let texts = attributes.iter().filter(|(name, _)| !name.starts_with("Redrive"));
    let texts = texts.filter_map(|(name, value)| {
        let text = value.string_value.as_ref()?;
        Some(((*name).clone(), json!({ "stringValue": text, "dataType": value.data_type })))
    });
    let texts: Value = texts.collect();
    MessageAttributeValue::builder().data_type("String").string_value(texts.to_string()).build().ok()
}

impl Resent<'_> {
    /// The attributes it came with, without those about its death, and ours.
    fn attributes(&self) -> HashMap<String, MessageAttributeValue> {
        let ours = self.notes.iter().filter_map(|(name, text)| {
            let value = sqs_text::attribute(text, LONGEST_NOTE)?;
            let value = MessageAttributeValue::builder().data_type("String").string_value(value).build();
            Some(((*name).to_owned(), value.ok()?))
        });
        let mut attributes: HashMap<_, _> = ours.collect();
        let is_its_own = |(name, _): &(&String, _)| {
            let is_about_its_death = ABOUT_A_DEATH.iter().chain(&ABOUT_A_DELIVERY).any(|other| other == name);
            !is_about_its_death && !attributes.contains_key(*name)
        };
        let mut carried: Vec<_> = self.letter.carried.iter().filter(is_its_own).collect();
        carried.sort_by_key(|(name, _)| *name);
        // With ours there may be too many: then its texts are one attribute, which handlers see as what they were.
        if attributes.len() + carried.len() > MOST_ATTRIBUTES
            && let Some(together) = together(&carried)
        {
            attributes.insert(KEPT_ATTRIBUTES.to_owned(), together);
            carried.retain(|(_, value)| value.string_value.is_none());
        }
        for (name, value) in carried {
            if attributes.len() < MOST_ATTRIBUTES {
                attributes.entry(name.clone()).or_insert_with(|| value.clone());
            }
        }
        attributes
    }

    /// Returns the bytes that SQS counts: the body, and each attribute's name, type and value.
    fn bytes(&self) -> usize {
        let notes = self.notes.iter().map(|(name, text)| name.len() + text.len() + 6);
        let texts = self.letter.letter.attributes.iter().map(|(name, text)| name.len() + text.len() + 6);
        self.body.len() + notes.chain(texts).sum::<usize>()
    }

    /// In a FIFO queue it stays in its group, and one letter is taken once within five minutes, however often it is
    /// sent.
    fn entry(&self, queue_url: &str, at: usize) -> Result<SendMessageBatchRequestEntry, String> {
        let entry = SendMessageBatchRequestEntry::builder()
            .id(at.to_string())
            .message_body(sqs_text::body(self.body))
            .set_message_attributes(Some(self.attributes()));
        let entry = if sqs_text::is_fifo(queue_url) {
            let letter = &self.letter.letter;
            let group = letter.group.as_deref().unwrap_or(&letter.message_id);
            entry
                .message_group_id(sqs_text::fifo_id(group))
                .message_deduplication_id(sqs_text::fifo_id(&format!("redriven-{}", letter.message_id)))
        } else {
            entry
        };
        entry.build().map_err(|error| error.to_string())
    }
}

/// Sends letters to a queue, at most ten.
///
/// # Errors
/// If it is not known what became of them: the call failed on its way, or at SQS.
pub async fn send_letters(
    client: &aws_sdk_sqs::Client,
    queue_url: &str,
    letters: &[Resent<'_>],
) -> Result<Answers, OperateError> {
    let mut answers = Vec::new();
    for batch in batches(letters, Resent::bytes) {
        let call = async |some: &[Resent<'_>]| send_batch(client, queue_url, some).await;
        answers.extend(together_or_alone(batch, call).await?);
    }
    Ok(answers)
}

/// One request holds no more bytes than one message may.
fn batches<T>(messages: &[T], bytes_of: impl Fn(&T) -> usize) -> Vec<&[T]> {
    let mut batches = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (at, message) in messages.iter().enumerate() {
        let size = bytes_of(message);
        if at > start && bytes + size > MOST_MESSAGE_BYTES {
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

/// A service refused a whole call, so that it certainly did nothing.
struct Refusal {
    reason: String,
    /// Whether the service objects to the message itself, rather than to the caller or to the rate.
    is_of_a_message: bool,
}

/// Sends messages and returns the outcome of each. Those that a service refuses together are sent alone: then the one
/// that it objects to stands out and does not keep the others back.
async fn together_or_alone<T>(
    messages: &[T],
    call: impl AsyncFn(&[T]) -> Result<Result<Answers, Refusal>, OperateError>,
) -> Result<Answers, OperateError> {
    let refused = |refusal: Refusal, count: usize| vec![Err(refusal.reason); count];
    match call(messages).await? {
        Ok(answers) => Ok(answers),
        Err(refusal) if refusal.is_of_a_message && messages.len() > 1 => {
            let mut answers = Vec::new();
            for message in messages {
                let answer = call(slice::from_ref(message)).await?;
                answers.extend(answer.unwrap_or_else(|refusal| refused(refusal, 1)));
            }
            Ok(answers)
        }
        Err(refusal) => Ok(refused(refusal, messages.len())),
    }
}

async fn send_batch(
    client: &aws_sdk_sqs::Client,
    queue_url: &str,
    letters: &[Resent<'_>],
) -> Result<Result<Answers, Refusal>, OperateError> {
    let unknown = |reason| failed(format!("it is not known whether queue {queue_url} took letters"), reason);
    let entries = letters.iter().enumerate().map(|(at, letter)| letter.entry(queue_url, at));
    let entries = match entries.collect::<Result<Vec<_>, _>>() {
        Ok(entries) => entries,
        Err(reason) => return Ok(Err(Refusal { reason, is_of_a_message: true })),
    };
    let call = client.send_message_batch().queue_url(queue_url).set_entries(Some(entries));
    let answer = match call.send().await {
        Ok(answer) => answer,
        Err(error) => return refusal(&error).map(Err).ok_or_else(|| unknown(describe(&error))),
    };
    let mut answers = vec![Err("SQS gave no answer for it".to_owned()); letters.len()];
    let at = |id: &str| id.parse::<usize>().ok().filter(|at| *at < letters.len());
    for sent in answer.successful() {
        if let Some(at) = at(sent.id()) {
            answers[at] = Ok(sent.message_id().to_owned());
        }
    }
    for refused in answer.failed() {
        if let Some(at) = at(refused.id()) {
            answers[at] = Err(format!("{}: {}", refused.code(), refused.message().unwrap_or("no message")));
        }
    }
    Ok(Ok(answers))
}

/// Returns the reason with which a service refused a call, or `None` if the call may have taken effect.
fn refusal<E>(error: &SdkError<E, aws_sdk_sqs::config::http::HttpResponse>) -> Option<Refusal>
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let service_error = error.as_service_error()?;
    error.raw_response().filter(|response| response.status().is_client_error())?;
    let is_of_a_message = service_error.code().is_some_and(is_permanent);
    Some(Refusal { reason: describe(error), is_of_a_message })
}

/// Puts letters on a bus again that were refused there, at most ten.
///
/// # Errors
/// If it is not known what became of them.
pub async fn put_letters(
    client: &aws_sdk_eventbridge::Client,
    bus: &str,
    letters: &[Resent<'_>],
) -> Result<Answers, OperateError> {
    let mut answers = vec![Err("EventBridge gave no answer for it".to_owned()); letters.len()];
    let (mut places, mut entries) = (Vec::new(), Vec::new());
    for (at, letter) in letters.iter().enumerate() {
        match serde_json::from_str::<EncodedEnvelope>(letter.body) {
            Ok(envelope) => {
                places.push(at);
                entries.push(entry(bus, &envelope, letter.body));
            }
            Err(error) => answers[at] = Err(format!("it is no event for the bus: {error}")),
        }
    }
    let mut put = Vec::new();
    for batch in batches(&entries, entry_bytes) {
        let call = async |some: &[PutEventsRequestEntry]| put_batch(client, bus, some).await;
        put.extend(together_or_alone(batch, call).await?);
    }
    for (at, answer) in places.into_iter().zip(put) {
        answers[at] = answer;
    }
    Ok(answers)
}

async fn put_batch(
    client: &aws_sdk_eventbridge::Client,
    bus: &str,
    entries: &[PutEventsRequestEntry],
) -> Result<Result<Answers, Refusal>, OperateError> {
    let unknown = |reason| failed(format!("it is not known whether bus {bus} took letters"), reason);
    let answer = match client.put_events().set_entries(Some(entries.to_vec())).send().await {
        Ok(answer) => answer,
        Err(error) => return refusal(&error).map(Err).ok_or_else(|| unknown(describe(&error))),
    };
    let mut answers = vec![Err("EventBridge gave no answer for it".to_owned()); entries.len()];
    for (place, entry) in answers.iter_mut().zip(answer.entries()) {
        *place = match (entry.event_id(), entry.error_code()) {
            (Some(id), None) => Ok(id.to_owned()),
            (_, code) => Err(format!(
                "{}: {}",
                code.unwrap_or("no code"),
                entry.error_message().unwrap_or("no message")
            )),
        };
    }
    Ok(Ok(answers))
}

/// Returns the bytes that `PutEvents` counts: the detail, the detail type and the source (EventBridge user guide,
/// "Calculating `PutEvents` event entry size").
fn entry_bytes(entry: &PutEventsRequestEntry) -> usize {
    [entry.detail(), entry.detail_type(), entry.source()].into_iter().flatten().map(str::len).sum()
}

fn entry(bus: &str, envelope: &EncodedEnvelope, body: &str) -> PutEventsRequestEntry {
    PutEventsRequestEntry::builder()
        .event_bus_name(bus)
        .source(&envelope.attributes.source)
        .detail_type(&envelope.attributes.message_type)
        .detail(body)
        .build()
}

#[cfg(test)]
mod tests;
