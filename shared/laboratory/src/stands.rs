//! Stands for the services that are not under test: SQS, SNS and EventBridge accept whatever they are given.
//! What they were given is in the recorder's calls.

use crate::call::fields;
use hyper::{HeaderMap, body::Bytes};
use serde_json::{Value, json};

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
