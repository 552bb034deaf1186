//! Sending letters to where they came from.

use super::{OperateError, ReceivedLetter, failed};
use crate::{describe, sqs_text};
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use aws_sdk_sqs::{
    error::SdkError,
    types::{MessageAttributeValue, SendMessageBatchRequestEntry},
};
use std::collections::HashMap;
use throughline_core::{envelope::EncodedEnvelope, limits::MOST_MESSAGE_BYTES};

/// What a letter's attributes say about its death: of no use to whoever is given it again.
const ABOUT_ITS_DEATH: [&str; 19] = [
    "ErrorType",
    "ErrorMessage",
    "Handler",
    "Attempts",
    "FailedAt",
    "MessageId",
    "EventId",
    "EventType",
    "CorrelationId",
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
    /// What is sent: what was delivered, or an edited form of it.
    pub body: &'a str,
    /// Attributes that say that it was redriven, and how.
    pub notes: Vec<(&'static str, String)>,
}

/// What became of each of several messages: its new id, or why it was certainly not taken.
pub type Answers = Vec<Result<String, String>>;

impl Resent<'_> {
    /// The attributes it came with, without those about its death, and ours.
    fn attributes(&self) -> HashMap<String, MessageAttributeValue> {
        let ours = self.notes.iter().filter_map(|(name, text)| {
            let value = sqs_text::attribute(text, LONGEST_NOTE)?;
            let value = MessageAttributeValue::builder().data_type("String").string_value(value).build();
            Some(((*name).to_owned(), value.ok()?))
        });
        let mut attributes: HashMap<_, _> = ours.collect();
        let mut carried: Vec<_> = self.letter.carried.iter().collect();
        carried.sort_by_key(|(name, _)| *name);
        for (name, value) in carried {
            if attributes.len() < MOST_ATTRIBUTES && !ABOUT_ITS_DEATH.contains(&name.as_str()) {
                attributes.entry(name.clone()).or_insert_with(|| value.clone());
            }
        }
        attributes
    }

    /// What SQS counts: the body, and each attribute's name, type and value.
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
    for batch in batches(letters) {
        answers.extend(send_batch(client, queue_url, batch).await?);
    }
    Ok(answers)
}

/// One request holds no more bytes than one message may.
fn batches<'a, 'b>(letters: &'a [Resent<'b>]) -> Vec<&'a [Resent<'b>]> {
    let mut batches = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (at, letter) in letters.iter().enumerate() {
        let size = letter.bytes();
        if at > start && bytes + size > MOST_MESSAGE_BYTES {
            batches.push(&letters[start..at]);
            (start, bytes) = (at, 0);
        }
        bytes += size;
    }
    if start < letters.len() {
        batches.push(&letters[start..]);
    }
    batches
}

async fn send_batch(
    client: &aws_sdk_sqs::Client,
    queue_url: &str,
    letters: &[Resent<'_>],
) -> Result<Answers, OperateError> {
    let unknown = |reason| failed(format!("it is not known whether queue {queue_url} took letters"), reason);
    let entries = letters.iter().enumerate().map(|(at, letter)| letter.entry(queue_url, at));
    let entries = match entries.collect::<Result<Vec<_>, _>>() {
        Ok(entries) => entries,
        Err(reason) => return Ok(vec![Err(reason); letters.len()]),
    };
    let call = client.send_message_batch().queue_url(queue_url).set_entries(Some(entries));
    let answer = match call.send().await {
        Ok(answer) => answer,
        Err(error) if is_refusal(&error) => return Ok(vec![Err(describe(&error)); letters.len()]),
        Err(error) => return Err(unknown(describe(&error))),
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
    Ok(answers)
}

/// Whether a service refused a call, so that it certainly did nothing.
fn is_refusal<E>(error: &SdkError<E, aws_sdk_sqs::config::http::HttpResponse>) -> bool {
    error.as_service_error().is_some()
        && error.raw_response().is_some_and(|response| response.status().is_client_error())
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
    let mut entries = Vec::new();
    for (at, letter) in letters.iter().enumerate() {
        match serde_json::from_str::<EncodedEnvelope>(letter.body) {
            Ok(envelope) => entries.push((at, entry(bus, &envelope, letter.body))),
            Err(error) => answers[at] = Err(format!("it is no event for the bus: {error}")),
        }
    }
    let (places, entries): (Vec<usize>, Vec<PutEventsRequestEntry>) = entries.into_iter().unzip();
    if entries.is_empty() {
        return Ok(answers);
    }
    let answer = match client.put_events().set_entries(Some(entries)).send().await {
        Ok(answer) => answer,
        Err(error) if is_refusal(&error) => {
            for at in places {
                answers[at] = Err(describe(&error));
            }
            return Ok(answers);
        }
        Err(error) => {
            return Err(failed(format!("it is not known whether bus {bus} took letters"), describe(&error)));
        }
    };
    for (at, entry) in places.into_iter().zip(answer.entries()) {
        answers[at] = match (entry.event_id(), entry.error_code()) {
            (Some(id), None) => Ok(id.to_owned()),
            (_, code) => Err(format!(
                "{}: {}",
                code.unwrap_or("no code"),
                entry.error_message().unwrap_or("no message")
            )),
        };
    }
    Ok(answers)
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
mod tests {
    use super::*;
    use crate::{
        fake::{Fake, error},
        operate::FoundLetter,
    };
    use serde_json::{Value, json};
    use std::collections::BTreeSet;

    const QUEUE: &str = "https://sqs.example/1/orders";

    fn received(id: &str, attributes: &[&str]) -> ReceivedLetter {
        let value = MessageAttributeValue::builder().data_type("String").string_value("x").build().unwrap();
        ReceivedLetter {
            letter: FoundLetter {
                message_id: id.into(),
                group: Some("o-1".into()),
                ..FoundLetter::default()
            },
            receipt_handle: String::new(),
            carried: attributes.iter().map(|name| ((*name).to_owned(), value.clone())).collect(),
        }
    }

    fn resent<'a>(letter: &'a ReceivedLetter, body: &'a str) -> Resent<'a> {
        Resent { letter, body, notes: vec![("RedriveCount", "2".into())] }
    }

    fn sqs(fake: &Fake) -> aws_sdk_sqs::Client {
        aws_sdk_sqs::Client::new(&fake.config())
    }

    #[tokio::test]
    async fn a_letter_keeps_its_own_attributes_and_says_that_it_was_redriven() {
        let answer = json!({ "Successful": [{ "Id": "0", "MessageId": "new", "MD5OfMessageBody": "" }], "Failed": [] });
        let fake = Fake::new([(200, answer)]);
        let letter = received("m-1", &["tenant", "ErrorType", "TARGET_ARN", "RedriveCount"]);
        let answers = send_letters(&sqs(&fake), QUEUE, &[resent(&letter, "{}")]).await.unwrap();
        assert_eq!(answers, [Ok("new".to_owned())]);
        let sent = &fake.requests()[0]["Entries"][0];
        let attributes = sent["MessageAttributes"].as_object().unwrap();
        let names: BTreeSet<&str> = attributes.keys().map(String::as_str).collect();
        assert_eq!(names, BTreeSet::from(["RedriveCount", "tenant"]));
        assert_eq!(attributes["RedriveCount"]["StringValue"], "2");
        assert_eq!(sent["MessageGroupId"], Value::Null, "the queue is no FIFO queue");
    }

    #[tokio::test]
    async fn in_a_fifo_queue_a_letter_stays_in_its_group_and_is_taken_once() {
        let fake = Fake::new([(200, json!({ "Successful": [], "Failed": [] }))]);
        let letter = received("m-1", &[]);
        send_letters(&sqs(&fake), "https://sqs.example/1/orders.fifo", &[resent(&letter, "{}")])
            .await
            .unwrap();
        let sent = &fake.requests()[0]["Entries"][0];
        assert_eq!(
            (&sent["MessageGroupId"], &sent["MessageDeduplicationId"]),
            (&json!("o-1"), &json!("redriven-m-1"))
        );
    }

    #[tokio::test]
    async fn what_a_queue_refuses_was_certainly_not_sent() {
        let failure = json!({ "Id": "1", "SenderFault": true, "Code": "InvalidMessageContents" });
        let partly = json!({ "Successful": [{ "Id": "0", "MessageId": "n", "MD5OfMessageBody": "" }], "Failed": [failure] });
        let denied = error("AccessDeniedException", "no");
        let fake = Fake::new([(200, partly), denied]);
        let letter = received("m-1", &[]);
        let two = [resent(&letter, "{}"), resent(&letter, "{}")];
        let answers = send_letters(&sqs(&fake), QUEUE, &two).await.unwrap();
        assert!(
            answers[0].is_ok()
                && answers[1].as_ref().is_err_and(|why| why.contains("InvalidMessageContents"))
        );
        let answers = send_letters(&sqs(&fake), QUEUE, &two).await.unwrap();
        assert!(answers.iter().all(|answer| answer.as_ref().is_err_and(|why| why.contains("AccessDenied"))));
    }

    #[tokio::test]
    async fn after_an_error_of_the_service_it_is_not_known_what_was_sent() {
        let fake = Fake::new((0..3).map(|_| (500, json!({ "__type": "InternalError" }))));
        let letter = received("m-1", &[]);
        let unknown = send_letters(&sqs(&fake), QUEUE, &[resent(&letter, "{}")]).await.unwrap_err();
        assert!(unknown.to_string().contains("not known"), "{unknown}");
    }

    #[test]
    fn large_letters_go_in_requests_of_their_own() {
        let letter = received("m-1", &[]);
        let body = "x".repeat(MOST_MESSAGE_BYTES / 2 - 100);
        let letters = vec![resent(&letter, &body); 5];
        let sizes: Vec<usize> = batches(&letters).into_iter().map(<[_]>::len).collect();
        assert_eq!(sizes, [2, 2, 1]);
        assert!(batches(&[]).is_empty());
    }

    #[tokio::test]
    async fn an_event_that_the_bus_takes_this_time_is_put_as_it_was() {
        let entries =
            json!([{ "EventId": "b-1" }, { "ErrorCode": "InternalFailure", "ErrorMessage": "later" }]);
        let fake = Fake::new([(200, json!({ "FailedEntryCount": 1, "Entries": entries }))]);
        let event =
            json!({ "specversion": "1.0", "id": "e", "source": "shop", "type": "t", "data": {} }).to_string();
        let letter = received("m-1", &[]);
        let letters = [resent(&letter, &event), resent(&letter, "no event"), resent(&letter, &event)];
        let client = aws_sdk_eventbridge::Client::new(&fake.config());
        let answers = put_letters(&client, "shop", &letters).await.unwrap();
        assert_eq!(answers[0], Ok("b-1".to_owned()));
        assert!(answers[1].as_ref().is_err_and(|why| why.contains("no event")));
        assert_eq!(answers[2], Err("InternalFailure: later".to_owned()));
        assert_eq!(fake.requests()[0]["Entries"][0]["Detail"], json!(event));
    }
}
