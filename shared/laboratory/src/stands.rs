//! Stands for the services that are not under test: SQS, SNS, EventBridge with its Scheduler and Step Functions
//! accept whatever they are given. What they were given is in the recorder's calls.

use crate::call::fields;
use hyper::{HeaderMap, Method, Request, body::Bytes};
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

/// The operation that a request asks for. SNS speaks the older query protocol, where it is a field; EventBridge
/// Scheduler has resources with methods.
pub(crate) fn operation(request: &Request<Bytes>) -> String {
    if let Some((_, operation)) = target(request.headers()).split_once('.') {
        return operation.to_owned();
    }
    match *request.method() {
        _ if !request.uri().path().starts_with("/schedules/") => {
            fields(request.body()).remove("Action").unwrap_or_else(|| "unknown".to_owned())
        }
        Method::POST => "CreateSchedule".to_owned(),
        Method::PUT => "UpdateSchedule".to_owned(),
        Method::DELETE => "DeleteSchedule".to_owned(),
        _ => "unknown".to_owned(),
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
        "StartExecution" => json!({ "executionArn": EXECUTION_ARN, "startDate": 0 }),
        "CreateSchedule" | "UpdateSchedule" => json!({ "ScheduleArn": SCHEDULE_ARN }),
        "DeleteSchedule" | "SendTaskSuccess" | "SendTaskFailure" => json!({}),
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
const EXECUTION_ARN: &str = "arn:aws:states:us-east-1:000000000000:execution:checkout:started";
const SCHEDULE_ARN: &str = "arn:aws:scheduler:us-east-1:000000000000:schedule/shop/kept";
const MESSAGE_ID: &str = "5fea7756-0ea4-451a-a703-a558b933e274";
const PUBLISHED: &str = "<PublishResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><PublishResult>\
    <MessageId>5fea7756-0ea4-451a-a703-a558b933e274</MessageId></PublishResult><ResponseMetadata>\
    <RequestId>5fea7756-0ea4-451a-a703-a558b933e274</RequestId></ResponseMetadata></PublishResponse>";

/// The answer to a batch of which every entry succeeds.
fn each(request: &Value, entry: impl Fn(&Value) -> Value) -> Value {
    let entries = request["Entries"].as_array().into_iter().flatten();
    json!({ "Successful": entries.map(|asked| entry(&asked["Id"])).collect::<Vec<_>>(), "Failed": [] })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: Method, path: &str, target: Option<&str>, body: &'static str) -> Request<Bytes> {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(target) = target {
            request = request.header("x-amz-target", target);
        }
        request.body(Bytes::from(body)).expect("a request")
    }

    #[test]
    fn an_operation_is_found_whatever_protocol_it_is_in() {
        let post = |path, target, body| operation(&request(Method::POST, path, target, body));
        assert_eq!(post("/", Some("AWSStepFunctions.StartExecution"), "{}"), "StartExecution");
        assert_eq!(post("/", None, "Action=Publish&Message=x"), "Publish");
        assert_eq!(post("/schedules/x", None, "{}"), "CreateSchedule");
        assert_eq!(post("/", None, "{}"), "unknown");
        let without_body = |method| operation(&request(method, "/schedules/x?groupName=shop", None, ""));
        assert_eq!(without_body(Method::PUT), "UpdateSchedule");
        assert_eq!(without_body(Method::DELETE), "DeleteSchedule");
        assert_eq!(without_body(Method::GET), "unknown");
    }
}
