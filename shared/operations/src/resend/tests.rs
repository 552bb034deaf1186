//! Sending and putting again, and the outcomes that are known afterwards.

use super::*;
use crate::FoundLetter;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use throughline_aws::testing::{Fake, error};

const QUEUE: &str = "https://sqs.example/1/orders";

fn received(id: &str, attributes: &[&str]) -> ReceivedLetter {
    let value = MessageAttributeValue::builder().data_type("String").string_value("x").build().unwrap();
    ReceivedLetter {
        letter: FoundLetter { message_id: id.into(), group: Some("o-1".into()), ..FoundLetter::default() },
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
    let answer =
        json!({ "Successful": [{ "Id": "0", "MessageId": "new", "MD5OfMessageBody": "" }], "Failed": [] });
    let fake = Fake::new([(200, answer)]);
    let letter = received("m-1", &["tenant", "ErrorType", "TARGET_ARN", "RedriveCount", "MessageAttributes"]);
    let answers = send_letters(&sqs(&fake), QUEUE, &[resent(&letter, "{}")]).await.unwrap();
    assert_eq!(answers, [Ok("new".to_owned())]);
    let sent = &fake.requests()[0]["Entries"][0];
    let attributes = sent["MessageAttributes"].as_object().unwrap();
    let names: BTreeSet<&str> = attributes.keys().map(String::as_str).collect();
    assert_eq!(names, BTreeSet::from(["MessageAttributes", "RedriveCount", "tenant"]));
    assert_eq!(attributes["RedriveCount"]["StringValue"], "2");
    assert_eq!(sent["MessageGroupId"], Value::Null, "the queue is no FIFO queue");
}

#[tokio::test]
async fn attributes_that_are_too_many_with_those_of_a_redrive_are_not_lost() {
    let fake = Fake::new([(200, json!({ "Successful": [], "Failed": [] }))]);
    let names: Vec<String> = (0..10).map(|number| format!("own-{number}")).collect();
    let letter = received("m-1", &names.iter().map(String::as_str).collect::<Vec<_>>());
    send_letters(&sqs(&fake), QUEUE, &[resent(&letter, "{}")]).await.unwrap();
    let attributes = &fake.requests()[0]["Entries"][0]["MessageAttributes"];
    assert_eq!(attributes.as_object().unwrap().len(), 2);
    let kept = attributes["MessageAttributes"]["StringValue"].as_str().unwrap();
    let kept: Value = serde_json::from_str(kept).unwrap();
    assert_eq!(kept.as_object().unwrap().len(), 10);
    assert_eq!(kept["own-9"], json!({ "stringValue": "x", "dataType": "String" }));
}

#[tokio::test]
async fn in_a_fifo_queue_a_letter_stays_in_its_group_and_is_taken_once() {
    let fake = Fake::new([(200, json!({ "Successful": [], "Failed": [] }))]);
    let letter = received("m-1", &[]);
    send_letters(&sqs(&fake), "https://sqs.example/1/orders.fifo", &[resent(&letter, "{}")]).await.unwrap();
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
        answers[0].is_ok() && answers[1].as_ref().is_err_and(|why| why.contains("InvalidMessageContents"))
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
    let sizes: Vec<usize> = batches(&letters, Resent::bytes).into_iter().map(<[_]>::len).collect();
    assert_eq!(sizes, [2, 2, 1]);
    assert!(batches(&[], Resent::bytes).is_empty());
}

#[tokio::test]
async fn an_event_that_the_bus_takes_this_time_is_put_as_it_was() {
    let entries = json!([{ "EventId": "b-1" }, { "ErrorCode": "InternalFailure", "ErrorMessage": "later" }]);
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

fn event(id: &str, data: &Value) -> String {
    json!({ "specversion": "1.0", "id": id, "source": "shop", "type": "t", "data": data }).to_string()
}

fn taken(count: usize) -> (u16, Value) {
    let entries: Vec<Value> = (0..count).map(|at| json!({ "EventId": format!("b-{at}") })).collect();
    (200, json!({ "FailedEntryCount": 0, "Entries": entries }))
}

fn entries_of(fake: &Fake) -> Vec<usize> {
    fake.requests().iter().map(|request| request["Entries"].as_array().unwrap().len()).collect()
}

#[tokio::test]
async fn large_events_are_put_in_requests_of_their_own() {
    let fake = Fake::new([taken(2), taken(1)]);
    let large = event("e", &json!("x".repeat(MOST_MESSAGE_BYTES / 2 - 200)));
    let letter = received("m-1", &[]);
    let letters = vec![resent(&letter, &large); 3];
    let client = aws_sdk_eventbridge::Client::new(&fake.config());
    let answers = put_letters(&client, "shop", &letters).await.unwrap();
    assert_eq!(answers, ["b-0", "b-1", "b-0"].map(|id| Ok(id.to_owned())));
    assert_eq!(entries_of(&fake), [2, 1]);
}

#[tokio::test]
async fn one_event_that_the_bus_refuses_does_not_keep_the_others_back() {
    let wrong = || error("ValidationException", "the source is wrong");
    let fake = Fake::new([wrong(), taken(1), wrong(), taken(1)]);
    let letter = received("m-1", &[]);
    let event = event("e", &json!({}));
    let letters = vec![resent(&letter, &event); 3];
    let client = aws_sdk_eventbridge::Client::new(&fake.config());
    let answers = put_letters(&client, "shop", &letters).await.unwrap();
    assert!(answers[0].is_ok() && answers[2].is_ok(), "{answers:?}");
    assert!(answers[1].as_ref().is_err_and(|why| why.contains("the source is wrong")));
    assert_eq!(entries_of(&fake), [3, 1, 1, 1]);
}

#[tokio::test]
async fn one_letter_that_a_queue_refuses_does_not_keep_the_others_back() {
    let sent =
        json!({ "Successful": [{ "Id": "0", "MessageId": "n", "MD5OfMessageBody": "" }], "Failed": [] });
    let wrong = || error("AWS.SimpleQueueService.BatchRequestTooLong", "too long");
    let fake = Fake::new([wrong(), (200, sent), wrong()]);
    let letter = received("m-1", &[]);
    let two = [resent(&letter, "{}"), resent(&letter, "{}")];
    let answers = send_letters(&sqs(&fake), QUEUE, &two).await.unwrap();
    assert_eq!(answers[0], Ok("n".to_owned()));
    assert!(answers[1].as_ref().is_err_and(|why| why.contains("too long")));
}
