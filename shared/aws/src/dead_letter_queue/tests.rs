use super::*;
use crate::testing::{Answer, Fake, error};
use serde_json::{Value, json};
use throughline_core::{Attributes, Timestamp};

const QUEUE: &str = "https://sqs.example/1/dead";

fn letter() -> DeadLetter {
    DeadLetter {
        body: "{ \"kept\":  \"as it came\" }".into(),
        message_id: "m-1".into(),
        message_attributes: Some(r#"{"tenant":{"stringValue":"t-1","dataType":"String"}}"#.into()),
        group: None,
        error_type: "Rejected".into(),
        error_message: "no items".into(),
        handler: "place-order".into(),
        attempts: 3,
        failed_at: Timestamp::constant(1_767_225_600, 0),
        attributes: Some(Attributes::new("e-1", "shop", "order.place")),
    }
}

fn sent() -> Answer {
    (200, json!({ "MessageId": "d-1" }))
}

async fn send(
    queue_url: &str,
    answers: Vec<Answer>,
    letter: &DeadLetter,
) -> (Result<(), BoxError>, Vec<Value>) {
    let fake = Fake::new(answers);
    let dead_letters = SqsDeadLetters::new(Client::new(&fake.config()), queue_url);
    let result = dead_letters.send(letter).await;
    (result, fake.requests())
}

fn text<'a>(request: &'a Value, name: &str) -> Option<&'a str> {
    request["MessageAttributes"][name]["StringValue"].as_str()
}

#[tokio::test]
async fn the_body_is_unchanged_and_the_reason_is_in_attributes() {
    let (result, requests) = send(QUEUE, vec![sent()], &letter()).await;
    result.unwrap();
    let request = &requests[0];
    assert_eq!(request["MessageBody"], letter().body);
    for (name, value) in [
        ("ErrorType", "Rejected"),
        ("ErrorMessage", "no items"),
        ("Handler", "place-order"),
        ("Attempts", "3"),
        ("FailedAt", "2026-01-01T00:00:00Z"),
        ("MessageId", "m-1"),
        ("EventId", "e-1"),
        ("EventType", "order.place"),
        ("CorrelationId", "e-1"),
        ("MessageAttributes", r#"{"tenant":{"stringValue":"t-1","dataType":"String"}}"#),
    ] {
        assert_eq!(text(request, name), Some(value), "{name}");
    }
    assert_eq!(request["MessageAttributes"]["Attempts"]["DataType"], "Number");
    assert!(request["MessageAttributes"].as_object().unwrap().len() <= 10);
    assert_eq!(request.get("MessageGroupId"), None);
}

#[tokio::test]
async fn a_reason_is_cut_and_cleaned_and_what_is_empty_is_left_out() {
    let awkward = DeadLetter {
        error_message: format!("bad\u{0}byte\n{}", "ä".repeat(2000)),
        handler: String::new(),
        attributes: None,
        ..letter()
    };
    let (result, requests) = send(QUEUE, vec![sent()], &awkward).await;
    result.unwrap();
    let message = text(&requests[0], "ErrorMessage").unwrap();
    assert_eq!(message.chars().count(), 1024);
    assert!(message.starts_with("bad byte ä"));
    assert_eq!((text(&requests[0], "Handler"), text(&requests[0], "EventId")), (None, None));
}

#[tokio::test]
async fn a_letter_too_large_with_its_attributes_is_sent_with_fewer() {
    let too_large = || error("InvalidParameterValue", "Message must be shorter than 262144 bytes.");
    let (result, requests) = send(QUEUE, vec![too_large(), too_large(), sent()], &letter()).await;
    result.unwrap();
    assert_eq!(text(&requests[1], "ErrorType"), Some("Rejected"));
    assert_eq!((text(&requests[1], "ErrorMessage"), text(&requests[1], "MessageAttributes")), (None, None));
    assert_eq!((text(&requests[1], "MessageId"), text(&requests[1], "EventId")), (Some("m-1"), Some("e-1")));
    assert_eq!(requests[2].get("MessageAttributes"), None);
    assert_eq!(requests[2]["MessageBody"], letter().body);
    let (result, _) = send(QUEUE, vec![too_large(), too_large(), too_large()], &letter()).await;
    assert!(result.unwrap_err().to_string().contains("shorter"));
}

#[tokio::test]
async fn a_queue_that_cannot_be_reached_is_an_error_at_once() {
    let (result, requests) = send(QUEUE, vec![error("QueueDoesNotExist", "no such queue")], &letter()).await;
    assert!(result.unwrap_err().to_string().contains("no such queue"));
    assert_eq!(requests.len(), 1);
}

#[tokio::test]
async fn a_fifo_queue_gets_the_group_the_message_came_in() {
    let grouped = DeadLetter { group: Some("customer 7".into()), ..letter() };
    let fifo = format!("{QUEUE}.fifo");
    let (_, requests) = send(&fifo, vec![sent()], &grouped).await;
    assert_eq!(requests[0]["MessageDeduplicationId"], "m-1");
    assert_eq!(requests[0]["MessageGroupId"], sqs_text::fifo_id("customer 7").as_ref());
    let (_, requests) = send(&fifo, vec![sent()], &letter()).await;
    assert_eq!(requests[0]["MessageGroupId"], "m-1");
}
