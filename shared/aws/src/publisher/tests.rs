mod schedules;
mod step_functions;

use super::*;
use crate::testing::{Answer, Fake, error};
use serde_json::{Value, json};
use throughline_core::{Attributes, Envelope, Timestamp, ledger::Destination};

const QUEUE: &str = "https://sqs.example/1/orders";
const FIFO_QUEUE: &str = "https://sqs.example/1/orders.fifo";

fn message(id: &str, destination: Destination, text: &str) -> Outgoing {
    let attributes = Attributes {
        time: Some(Timestamp::constant(1_767_225_600, 0)),
        ..Attributes::new(id, "shop", "order.placed").about("order", "o-1")
    };
    let data = serde_json::value::to_raw_value(&json!({ "text": text })).unwrap();
    Outgoing { destination, envelope: Envelope { attributes, data } }
}

fn event(id: &str) -> Outgoing {
    message(id, Destination::Bus, "small")
}

fn command(id: &str, queue: &str) -> Outgoing {
    message(id, Destination::Queue(queue.into()), "small")
}

/// Publishes to services that answer from these scripts.
async fn publish(events: &Fake, commands: &Fake, messages: &[Outgoing]) -> Vec<Delivery> {
    let queues = [("orders", QUEUE), ("orders-in-order", FIFO_QUEUE)];
    let publisher = AwsPublisher::new(
        aws_sdk_eventbridge::Client::new(&events.config()),
        aws_sdk_sqs::Client::new(&commands.config()),
        "shop-bus",
        queues.map(|(name, url)| (name.to_owned(), url.to_owned())).into(),
    );
    publisher.publish(&messages.iter().collect::<Vec<_>>()).await
}

async fn publish_events(answers: Vec<Answer>, messages: &[Outgoing]) -> (Vec<Delivery>, Vec<Value>) {
    let events = Fake::new(answers);
    let deliveries = publish(&events, &Fake::new([]), messages).await;
    (deliveries, events.requests())
}

async fn send_commands(answers: Vec<Answer>, messages: &[Outgoing]) -> (Vec<Delivery>, Vec<Value>) {
    let commands = Fake::new(answers);
    let deliveries = publish(&Fake::new([]), &commands, messages).await;
    (deliveries, commands.requests())
}

fn accepted(count: usize) -> Answer {
    let entries: Vec<Value> = (0..count).map(|at| json!({ "EventId": format!("eb-{at}") })).collect();
    (200, json!({ "FailedEntryCount": 0, "Entries": entries }))
}

fn queued(ids: &[&str]) -> Answer {
    let entries: Vec<Value> = ids
        .iter()
        .map(|id| json!({ "Id": id, "MessageId": "m", "MD5OfMessageBody": "0".repeat(32) }))
        .collect();
    (200, json!({ "Successful": entries, "Failed": [] }))
}

#[tokio::test]
async fn an_event_is_an_entry_whose_detail_is_the_whole_envelope() {
    let sent = event("e-1");
    let (deliveries, requests) = publish_events(vec![accepted(1)], std::slice::from_ref(&sent)).await;
    assert_eq!(deliveries, [Delivery::Accepted]);
    let entry = &requests[0]["Entries"][0];
    assert_eq!(
        (&entry["EventBusName"], &entry["Source"], &entry["DetailType"], &entry["Time"]),
        (&json!("shop-bus"), &json!("shop"), &json!("order.placed"), &json!(1_767_225_600))
    );
    let detail: Value = serde_json::from_str(entry["Detail"].as_str().unwrap()).unwrap();
    assert_eq!(detail, serde_json::to_value(&sent.envelope).unwrap());
}

#[tokio::test]
async fn the_answer_of_each_entry_is_read_though_the_call_succeeded() {
    let entries = json!([
        { "EventId": "eb-1" },
        { "ErrorCode": "ThrottlingException", "ErrorMessage": "slow down" },
        { "ErrorCode": "MalformedDetail", "ErrorMessage": "Detail is malformed." },
        { "ErrorCode": "AccessDeniedException", "ErrorMessage": "not yours" },
        {},
    ]);
    let answer = (200, json!({ "FailedEntryCount": 4, "Entries": entries }));
    let sent: Vec<_> = (0..6).map(|at| event(&format!("e-{at}"))).collect();
    let (deliveries, _) = publish_events(vec![answer], &sent).await;
    assert_eq!(deliveries[0], Delivery::Accepted);
    assert_eq!(deliveries[1], Delivery::Retry("ThrottlingException: slow down".into()));
    let reason = "MalformedDetail: Detail is malformed.".to_owned();
    assert_eq!(deliveries[2], Delivery::Refused { error_type: "MalformedDetail".into(), reason });
    for delivery in &deliveries[3..] {
        assert!(matches!(delivery, Delivery::Retry(_)), "{delivery:?}");
    }
}

#[tokio::test]
async fn a_call_that_failed_is_retried_for_each_of_its_events() {
    let answers = vec![error("InternalException", "oops"); 4];
    let (deliveries, _) = publish_events(answers, &[event("e-1"), event("e-2")]).await;
    assert_eq!(deliveries.len(), 2);
    for delivery in deliveries {
        assert!(matches!(&delivery, Delivery::Retry(reason) if reason.contains("oops")), "{delivery:?}");
    }
}

#[tokio::test]
async fn one_bad_event_that_fails_a_whole_call_does_not_keep_the_others_back() {
    let invalid = || error("ValidationException", "Value at 'entries.2.member.detailType' is too long");
    let answers = vec![invalid(), accepted(1), invalid(), accepted(1)];
    let (deliveries, requests) = publish_events(answers, &[event("e-1"), event("e-2"), event("e-3")]).await;
    assert_eq!(requests.len(), 4);
    assert_eq!((&deliveries[0], &deliveries[2]), (&Delivery::Accepted, &Delivery::Accepted));
    assert!(
        matches!(&deliveries[1], Delivery::Refused { error_type, .. } if error_type == "ValidationException")
    );
}

#[tokio::test]
async fn a_wrong_bus_is_no_events_fault() {
    let invalid = error("ValidationException", "Value '!' at 'entries.1.member.eventBusName' failed");
    let (deliveries, _) = publish_events(vec![invalid], &[event("e-1")]).await;
    assert!(matches!(deliveries[0], Delivery::Retry(_)), "{deliveries:?}");
}

#[tokio::test]
async fn large_events_are_spread_over_calls_in_their_order() {
    let sent: Vec<_> =
        (0..5).map(|at| message(&format!("e-{at}"), Destination::Bus, &"x".repeat(100 * 1024))).collect();
    let (deliveries, requests) = publish_events(vec![accepted(2), accepted(2), accepted(1)], &sent).await;
    assert_eq!(deliveries, vec![Delivery::Accepted; 5]);
    let sizes: Vec<_> = requests.iter().map(|request| request["Entries"].as_array().unwrap().len()).collect();
    assert_eq!(sizes, [2, 2, 1]);
    let last = requests[2]["Entries"][0]["Detail"].as_str().unwrap();
    assert!(last.contains("\"e-4\""));
}

#[tokio::test]
async fn more_than_ten_events_take_more_than_one_call() {
    let sent: Vec<_> = (0..12).map(|at| event(&format!("e-{at}"))).collect();
    let (deliveries, requests) = publish_events(vec![accepted(10), accepted(2)], &sent).await;
    assert_eq!((deliveries, requests.len()), (vec![Delivery::Accepted; 12], 2));
}

#[tokio::test]
async fn events_and_commands_are_told_apart_and_answered_in_their_places() {
    let (events, commands) = (Fake::new([accepted(1)]), Fake::new([queued(&["0"])]));
    let deliveries =
        publish(&events, &commands, &[command("c-1", "orders"), event("e-1"), command("c-2", "unknown")])
            .await;
    assert_eq!(deliveries[..2], [Delivery::Accepted, Delivery::Accepted]);
    let Delivery::Retry(reason) = &deliveries[2] else { panic!("{deliveries:?}") };
    assert!(reason.contains("THROUGHLINE_COMMAND_QUEUE_UNKNOWN"), "{reason}");
    assert_eq!(commands.requests()[0]["QueueUrl"], QUEUE);
}

#[tokio::test]
async fn a_command_in_a_standard_queue_has_no_group() {
    let sent = command("c-1", "orders");
    let (_, requests) = send_commands(vec![queued(&["0"])], std::slice::from_ref(&sent)).await;
    let entry = &requests[0]["Entries"][0];
    assert_eq!(entry["MessageBody"], serde_json::to_string(&sent.envelope).unwrap());
    assert_eq!((entry.get("MessageGroupId"), entry.get("MessageDeduplicationId")), (None, None));
}

#[tokio::test]
async fn a_command_in_a_fifo_queue_has_its_subject_as_group() {
    let (_, requests) = send_commands(vec![queued(&["0"])], &[command("c-1", "orders-in-order")]).await;
    let entry = &requests[0]["Entries"][0];
    assert_eq!((&entry["MessageGroupId"], &entry["MessageDeduplicationId"]), (&json!("o-1"), &json!("c-1")));
}

#[tokio::test]
async fn the_answers_of_commands_are_found_by_their_ids() {
    let failed = |id, code: &str| json!({ "Id": id, "SenderFault": true, "Code": code, "Message": "no" });
    let failures = [failed("0", "InvalidMessageContents"), failed("2", "KMS.AccessDeniedException")];
    let (_, mut answer) = queued(&["1"]);
    answer["Failed"] = json!(failures);
    let sent: Vec<_> = (0..4).map(|at| command(&format!("c-{at}"), "orders")).collect();
    let (deliveries, _) = send_commands(vec![(200, answer)], &sent).await;
    assert!(
        matches!(&deliveries[0], Delivery::Refused { error_type, .. } if error_type == "InvalidMessageContents")
    );
    assert_eq!(deliveries[1], Delivery::Accepted);
    assert!(matches!(&deliveries[2], Delivery::Retry(_)), "a missing right is no message's fault");
    assert!(matches!(&deliveries[3], Delivery::Retry(_)), "no answer is not an acceptance");
}

#[tokio::test]
async fn a_batch_that_is_too_long_is_sent_one_by_one() {
    let too_long = error("com.amazonaws.sqs#BatchRequestTooLong", "the batch is too long");
    let answers = vec![too_long, queued(&["0"]), queued(&["0"])];
    let (deliveries, requests) =
        send_commands(answers, &[command("c-1", "orders"), command("c-2", "orders")]).await;
    assert_eq!((deliveries, requests.len()), (vec![Delivery::Accepted; 2], 3));
}
