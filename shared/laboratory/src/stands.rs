//! Stands for the services that are not under test: SQS, SNS and EventBridge accept whatever they are given.
//! What they were given is in the recorder's calls.

use crate::recorder::Call;
use hyper::{HeaderMap, body::Bytes};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A status, a content type and a body.
type Answer = (u16, &'static str, String);

/// The target header, as most services of AWS name their operation: `DynamoDB_20120810.PutItem`.
fn target(headers: &HeaderMap) -> &str {
    headers.get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or_default()
}

pub(crate) fn is_for_dynamodb(headers: &HeaderMap) -> bool {
    target(headers).starts_with("DynamoDB_")
}

/// The operation that a request asks for. SNS speaks the older query protocol, where it is a field.
pub(crate) fn operation(headers: &HeaderMap, body: &Bytes) -> String {
    match target(headers).split_once('.') {
        Some((_, operation)) => operation.to_owned(),
        None => fields(body).remove("Action").unwrap_or_else(|| "unknown".to_owned()),
    }
}

pub(crate) fn answer(operation: &str, body: &Bytes) -> Answer {
    let request: Value = serde_json::from_slice(body).unwrap_or_default();
    let answer = match operation {
        "Publish" => return (200, "text/xml", PUBLISHED.to_owned()),
        "SendMessage" => json!({ "MessageId": MESSAGE_ID, "MD5OfMessageBody": "" }),
        "SendMessageBatch" => {
            each(&request, |id| json!({ "Id": id, "MessageId": MESSAGE_ID, "MD5OfMessageBody": "" }))
        }
        "ChangeMessageVisibilityBatch" | "DeleteMessageBatch" => each(&request, |id| json!({ "Id": id })),
        "PutEvents" => {
            let entries = request["Entries"].as_array().map_or(0, Vec::len);
            json!({ "FailedEntryCount": 0, "Entries": vec![json!({ "EventId": MESSAGE_ID }); entries] })
        }
        other => {
            let message = format!("the laboratory has no stand for `{other}`");
            return (
                400,
                JSON,
                json!({ "__type": "UnknownOperationException", "message": message }).to_string(),
            );
        }
    };
    (200, JSON, answer.to_string())
}

const JSON: &str = "application/x-amz-json-1.0";
const MESSAGE_ID: &str = "5fea7756-0ea4-451a-a703-a558b933e274";
const PUBLISHED: &str = "<PublishResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><PublishResult>\
    <MessageId>5fea7756-0ea4-451a-a703-a558b933e274</MessageId></PublishResult><ResponseMetadata>\
    <RequestId>5fea7756-0ea4-451a-a703-a558b933e274</RequestId></ResponseMetadata></PublishResponse>";

/// The answer to a batch of which every entry succeeds.
fn each(request: &Value, entry: impl Fn(&Value) -> Value) -> Value {
    let entries = request["Entries"].as_array().into_iter().flatten();
    json!({ "Successful": entries.map(|asked| entry(&asked["Id"])).collect::<Vec<_>>(), "Failed": [] })
}

impl Call {
    /// A message attribute of an SNS `Publish`.
    pub fn sns_attribute(&self, name: &str) -> Option<String> {
        let mut fields = fields(&self.body);
        let key = fields.iter().find(|(key, value)| key.ends_with(".Name") && *value == name)?.0;
        let key = format!("{}.Value.StringValue", key.trim_end_matches(".Name"));
        fields.remove(&key)
    }
}

/// The fields of a form.
fn fields(body: &Bytes) -> BTreeMap<String, String> {
    let text = String::from_utf8_lossy(body);
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (decoded(name), decoded(value))).collect()
}

/// Without its percent signs.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let escaped = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let escaped = escaped.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (first, escaped) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &after[2..];
                continue;
            }
            (b'+', _) => bytes.push(b' '),
            (byte, _) => bytes.push(*byte),
        }
        rest = after;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_attribute_of_a_notification_is_read_from_its_form() {
        let body = "Action=Publish&Message=Dear+%C3%84da&MessageAttributes.entry.1.Name=orderid\
            &MessageAttributes.entry.1.Value.StringValue=o%2F1&MessageAttributes.entry.2.Name=deduplicationid\
            &MessageAttributes.entry.2.Value.StringValue=a%20b";
        let call = Call { operation: "Publish".into(), body: body.into(), status: None };
        assert_eq!(call.sns_attribute("deduplicationid").as_deref(), Some("a b"));
        assert_eq!(call.sns_attribute("orderid").as_deref(), Some("o/1"));
        assert_eq!(call.sns_attribute("else"), None);
        assert_eq!(fields(&call.body)["Message"], "Dear Äda");
    }
}
