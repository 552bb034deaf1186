use super::*;
use crate::testing::{Answer, Fake, error};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use throughline_core::{commands, events};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct OrderPlaced {
    order_id: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct PlaceOrder {
    order_id: String,
}

events! {
    /// Orders.
    enum OrderEvent of "order" { "order.placed" v1 => Placed(OrderPlaced.order_id) }
}

commands! {
    /// Orders.
    enum OrderCommand to "orders" { "order.place" v1 => Place(PlaceOrder.order_id) }
}

fn outside(fake: &Fake) -> Outside {
    let config = fake.config();
    let (eventbridge, sqs) = (aws_sdk_eventbridge::Client::new(&config), aws_sdk_sqs::Client::new(&config));
    let queues = [("orders".to_owned(), "https://sqs.example/1/orders".to_owned())];
    Outside::new(AwsPublisher::new(eventbridge, sqs, "shop", queues.into()), "web-shop")
}

fn placed() -> OrderPlaced {
    OrderPlaced { order_id: "o-1".into() }
}

fn answer(entries: &Value) -> Answer {
    (200, json!({ "FailedEntryCount": 0, "Entries": entries }))
}

#[tokio::test]
async fn an_event_gets_a_fresh_id_a_time_and_its_source() {
    let fake = Fake::new([answer(&json!([{ "EventId": "1" }])), answer(&json!([{ "EventId": "2" }]))]);
    let outside = outside(&fake);
    let (first, second) =
        (outside.publish(placed()).await.unwrap(), outside.publish(placed()).await.unwrap());
    assert_ne!(first, second);
    let detail = fake.requests()[0]["Entries"][0]["Detail"].as_str().unwrap().to_owned();
    let detail: Value = serde_json::from_str(&detail).unwrap();
    assert_eq!((&detail["id"], &detail["source"]), (&json!(first), &json!("web-shop")));
    assert_eq!((&detail["subject"], &detail["correlationid"]), (&json!("o-1"), &json!(first)));
    assert!(detail["time"].is_string());
}

#[tokio::test]
async fn a_command_goes_to_its_receivers_queue_with_the_id_it_was_given() {
    let fake = Fake::new([(
        200,
        json!({
            "Successful": [{ "Id": "0", "MessageId": "m", "MD5OfMessageBody": "0" }], "Failed": [],
        }),
    )]);
    let command = Envelope::of("c-1", "web-shop", PlaceOrder { order_id: "o-1".into() });
    assert_eq!(outside(&fake).send_all(&[command]).await.unwrap(), ["c-1"]);
    assert!(fake.requests()[0]["Entries"][0]["MessageBody"].as_str().unwrap().contains("\"c-1\""));
}

#[tokio::test(start_paused = true)]
async fn what_was_not_accepted_is_sent_again_and_nothing_else() {
    let throttled = json!({ "ErrorCode": "ThrottlingException", "ErrorMessage": "slow down" });
    let fake =
        Fake::new([answer(&json!([{ "EventId": "1" }, throttled])), answer(&json!([{ "EventId": "2" }]))]);
    let envelopes = ["e-1", "e-2"].map(|id| Envelope::of(id, "web-shop", placed()));
    assert_eq!(outside(&fake).publish_all(&envelopes).await.unwrap(), ["e-1", "e-2"]);
    let again = &fake.requests()[1]["Entries"];
    assert_eq!(again.as_array().unwrap().len(), 1);
    assert!(again[0]["Detail"].as_str().unwrap().contains("\"e-2\""));
}

#[tokio::test(start_paused = true)]
async fn an_error_says_of_each_message_what_to_do() {
    let throttled = json!({ "ErrorCode": "ThrottlingException", "ErrorMessage": "slow down" });
    let malformed = json!({ "ErrorCode": "MalformedDetail", "ErrorMessage": "no JSON" });
    let first = answer(&json!([{ "EventId": "1" }, malformed, throttled]));
    let fake = Fake::new(std::iter::once(first).chain(vec![answer(&json!([throttled])); 9]));
    let envelopes = ["e-1", "e-2", "e-3"].map(|id| Envelope::of(id, "web-shop", placed()));
    let error = outside(&fake).publish_all(&envelopes).await.unwrap_err();
    assert_eq!(error.accepted, ["e-1"]);
    let text = error.to_string();
    assert!(text.starts_with("2 of 3 messages were not accepted"), "{text}");
    assert!(text.contains("e-2: MalformedDetail: no JSON (it will never be accepted as it is)"), "{text}");
    assert!(text.contains("e-3: ThrottlingException: slow down (send it again with the same id)"), "{text}");
    assert_eq!(fake.requests().len(), 4, "not for ever");
}

#[tokio::test(start_paused = true)]
async fn a_queue_nobody_set_is_named() {
    let fake = Fake::new([error("never asked", "")]);
    let config = fake.config();
    let (eventbridge, sqs) = (aws_sdk_eventbridge::Client::new(&config), aws_sdk_sqs::Client::new(&config));
    let outside = Outside::new(AwsPublisher::new(eventbridge, sqs, "shop", [].into()), "web-shop");
    let error = outside.send(PlaceOrder { order_id: "o-1".into() }).await.unwrap_err();
    assert!(error.to_string().contains("set THROUGHLINE_COMMAND_QUEUE_ORDERS"), "{error}");
    assert_eq!(fake.requests().len(), 0);
}
