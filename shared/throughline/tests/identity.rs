//! The identity of a message: through the triggers and the main path, over the in-memory ledger.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use throughline::{
    Invocation, InvocationError, Surroundings, Verdict, eventbridge, observer::Unobserved, ports::Ports,
    prelude::*, process, sqs,
};
use throughline_testing::{MemoryDeadLetters, MemoryLedger, SeededRandom, TestTime};

const FUNCTION: &str = "arn:aws:lambda:eu-west-1:123456789012:function:charge";
const QUEUE: &str = "arn:aws:sqs:eu-west-1:123456789012:charges";

/// The messages that a handler saw.
#[derive(Debug, Clone, Default, PartialEq)]
struct Seen {
    idempotency_key: String,
    id: String,
    data: Value,
    surroundings: Surroundings,
}

/// Charges a card, and refuses while it is told to.
#[derive(Clone, Default)]
struct Charge {
    seen: Arc<Mutex<Vec<Seen>>>,
    refuses: Arc<Mutex<bool>>,
}

impl Handler for Charge {
    const NAME: &'static str = "charge";
    type Message = Raw<Value>;
    type Emits = Never;

    async fn handle(&self, charge: Envelope<Raw<Value>>, context: &Context<'_>) -> Result<Effects, Failure> {
        self.seen.lock().unwrap().push(Seen {
            idempotency_key: context.idempotency_key(),
            id: charge.attributes.id.clone(),
            surroundings: charge.surroundings().clone(),
            data: charge.data.0,
        });
        if *self.refuses.lock().unwrap() { Err(Failure::reject("no money")) } else { Ok(Effects::none()) }
    }
}

/// A function, and what it remembers from one invocation to the next.
#[derive(Default)]
struct World {
    charge: Charge,
    ledger: MemoryLedger,
    dead_letters: MemoryDeadLetters,
}

impl World {
    fn seen(&self) -> Vec<Seen> {
        self.charge.seen.lock().unwrap().clone()
    }

    fn refuses(&self, refuses: bool) {
        *self.charge.refuses.lock().unwrap() = refuses;
    }

    async fn records(&self, records: &[Value]) -> Vec<Verdict> {
        let payload = json!({ "Records": records }).to_string();
        let batch = sqs::read(&payload).unwrap();
        let (time, random) = (TestTime::start(), SeededRandom::new(1));
        let settings = process::Settings::new("tests");
        let handler = leased(self.charge.clone());
        sqs::answer(&handler, self.ports(&time, &random), &settings, 5, None, &batch).await.verdicts
    }

    async fn invoke(
        &self,
        request_id: &str,
        function_arn: &str,
        payload: &Value,
    ) -> Result<(), InvocationError> {
        let payload = payload.to_string();
        let invocation = Invocation { payload: &payload, deadline: None, request_id, function_arn };
        let (time, random) = (TestTime::start(), SeededRandom::new(1));
        let settings = process::Settings::new("tests");
        let handler = leased(self.charge.clone());
        let event = eventbridge::read(invocation)?;
        eventbridge::answer(&handler, self.ports(&time, &random), &settings, invocation, &event).await
    }

    fn ports<'a>(&'a self, time: &'a TestTime, random: &'a SeededRandom) -> Ports<'a> {
        Ports { ledger: &self.ledger, dead_letters: &self.dead_letters, time, random, observer: &Unobserved }
    }
}

fn text(value: &str) -> Value {
    json!({ "stringValue": value, "stringListValues": [], "binaryListValues": [], "dataType": "String" })
}

fn attributes(attributes: &[(&str, &str)]) -> Value {
    attributes.iter().map(|(name, value)| ((*name).to_owned(), text(value))).collect()
}

fn record(message_id: &str, body: impl Into<String>, message_attributes: &Value) -> Value {
    let body: String = body.into();
    json!({
        "messageId": message_id,
        "receiptHandle": "r",
        "body": body,
        "attributes": {
            "ApproximateReceiveCount": "1", "SentTimestamp": "1767323045000", "SenderId": "AIDA",
            "MessageGroupId": "a fair queue's", "AWSTraceHeader": "Root=1-5759e988-bd862e3fe1be46a994272793",
            "DeadLetterQueueSourceArn": "arn:aws:sqs:eu-west-1:123456789012:other",
        },
        "messageAttributes": message_attributes,
        "eventSource": "aws:sqs",
        "eventSourceARN": QUEUE,
        "awsRegion": "eu-west-1",
    })
}

fn notification(message: &str) -> String {
    json!({ "Type": "Notification", "MessageId": "n-1", "TopicArn": "arn:aws:sns:eu-west-1:1:t", "Message": message })
        .to_string()
}

fn event(id: &str, detail: &Value) -> Value {
    json!({
        "version": "0", "id": id, "source": "aws.ec2", "detail-type": "EC2 Instance State-change Notification",
        "account": "1", "time": "2026-01-02T03:04:05Z", "region": "eu-west-1", "resources": ["arn:aws:i"],
        "detail": detail,
    })
}

#[tokio::test(start_paused = true)]
async fn a_notification_that_comes_twice_is_handled_once() {
    let world = World::default();
    let body = notification(r#"{"cents":1}"#);
    let twice = [record("m-1", &*body, &json!({})), record("m-2", &*body, &json!({}))];
    assert_eq!(world.records(&twice).await, [Verdict::Done, Verdict::Duplicate]);
    assert_eq!(world.records(&[record("m-3", &*body, &json!({}))]).await, [Verdict::Duplicate]);
    let another = record("m-3", body.replace("n-1", "n-2"), &json!({}));
    assert_eq!(world.records(&[another]).await, [Verdict::Done]);
    assert_eq!(world.seen().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_event_is_the_same_by_whatever_way_it_comes() {
    let world = World::default();
    let event = event("eb-1", &json!({ "cents": 1 }));
    assert_eq!(world.records(&[record("m-1", event.to_string(), &json!({}))]).await, [Verdict::Done]);
    let again = record("m-2", notification(&event.to_string()), &json!({}));
    assert_eq!(world.records(&[again]).await, [Verdict::Duplicate]);
    world.invoke("request-1", FUNCTION, &event).await.unwrap();
    let cloud_event = json!({ "specversion": "1.0", "id": "e-1", "source": "shop", "type": "t", "data": 1 });
    world.invoke("request-2", FUNCTION, &cloud_event).await.unwrap();
    world.invoke("request-3", FUNCTION, &cloud_event).await.unwrap();
    let ids: Vec<String> = world.seen().into_iter().map(|seen| seen.id).collect();
    assert_eq!(ids, ["eb-1", "e-1"]);
}

#[tokio::test(start_paused = true)]
async fn a_redriven_message_keeps_its_idempotency_key() {
    let world = World::default();
    world.refuses(true);
    let tenant = attributes(&[("tenant", "t-1")]);
    assert!(matches!(
        world.records(&[record("m-1", r#"{"cents":1}"#, &tenant)]).await[0],
        Verdict::Rejected { .. }
    ));
    let letter = world.dead_letters.letters().remove(0);
    let kept = letter.message_attributes.clone().unwrap();
    assert_eq!(letter.attributes.unwrap().id, "m-1");

    // As `throughline dlq redrive` sends it, twice, and as SQS moves the letter itself.
    let redriven = attributes(&[
        ("RedrivenAt", "2026-01-03T00:00:00Z"),
        ("RedriveCount", "1"),
        ("RedrivenMessageId", "m-1"),
        ("MessageAttributes", &kept),
    ]);
    let moved = attributes(&[
        ("ErrorType", "Rejected"),
        ("Handler", "charge"),
        ("FailedAt", "2026-01-02T00:00:00Z"),
        ("MessageId", "m-2"),
        ("EventId", "m-1"),
        ("MessageAttributes", &kept),
    ]);
    for (message_id, attributes) in [("m-2", &redriven), ("m-3", &moved)] {
        let delivered = record(message_id, r#"{"cents":1}"#, attributes);
        assert!(matches!(world.records(&[delivered]).await[0], Verdict::Rejected { .. }));
        let letter = world.dead_letters.letters().pop().unwrap();
        assert_eq!(letter.message_id, message_id, "in its queue it is a letter of its own");
        assert_eq!(
            (letter.attributes.unwrap().id.as_str(), letter.message_attributes),
            ("m-1", Some(kept.clone()))
        );
    }
    world.refuses(false);
    assert_eq!(world.records(&[record("m-4", r#"{"cents":1}"#, &redriven)]).await, [Verdict::Done]);
    assert_eq!(world.records(&[record("m-5", r#"{"cents":1}"#, &redriven)]).await, [Verdict::Duplicate]);

    let seen = world.seen();
    assert_eq!(seen.len(), 4);
    assert!(seen.iter().all(|seen| seen.idempotency_key == seen_first(&world).idempotency_key));
    assert!(seen.iter().all(
        |seen| seen.surroundings.message_attributes == seen_first(&world).surroundings.message_attributes
    ));
    assert_eq!(seen[3].surroundings.attribute("tenant"), Some("t-1"));
    assert_eq!(seen[3].surroundings.delivery_id, "m-4");
}

fn seen_first(world: &World) -> Seen {
    world.seen().remove(0)
}

#[tokio::test(start_paused = true)]
async fn a_body_s_own_identity_is_stronger_than_that_of_a_redrive() {
    let world = World::default();
    let redriven = attributes(&[("RedrivenMessageId", "m-1")]);
    world.records(&[record("m-2", notification("{}"), &redriven)]).await;
    assert_eq!(seen_first(&world).id, "n-1");
}

#[tokio::test(start_paused = true)]
async fn what_a_sender_says_of_itself_is_no_redrive() {
    let world = World::default();
    let own = attributes(&[
        ("MessageId", "theirs"),
        ("Handler", "us"),
        ("MessageAttributes", "{}"),
        ("EventId", "x"),
    ]);
    world.records(&[record("m-1", "{}", &own)]).await;
    let seen = seen_first(&world);
    assert_eq!((seen.id.as_str(), seen.surroundings.attribute("MessageId")), ("m-1", Some("theirs")));
}

#[tokio::test(start_paused = true)]
async fn a_schedule_with_constant_input_runs_every_night() {
    let world = World::default();
    let input = json!({ "id": "nightly", "source": "us", "detail": { "cents": 1 } });
    for request_id in ["night-1", "night-2", "night-2"] {
        world.invoke(request_id, FUNCTION, &input).await.unwrap();
    }
    let ids: Vec<String> = world.seen().into_iter().map(|seen| seen.id).collect();
    assert_eq!(ids, ["night-1", "night-2"], "Lambda's own second try is the same run");
    assert_eq!(seen_first(&world).data, input);
}

#[tokio::test(start_paused = true)]
async fn a_redriven_invocation_keeps_its_idempotency_key() {
    let world = World::default();
    world.refuses(true);
    let input = json!({ "id": "nightly" });
    world.invoke("request-1", &format!("{FUNCTION}:live"), &input).await.unwrap();
    let letter = world.dead_letters.letters().remove(0);
    assert_eq!((letter.message_id.as_str(), letter.body.as_str()), ("request-1", r#"{"id":"nightly"}"#));
    world.refuses(false);
    let payload =
        throughline_core::internal::delivery::redriven_payload(&letter.body, &letter.message_id).unwrap();
    let payload: Value = serde_json::from_str(&payload).unwrap();
    for request_id in ["request-2", "request-3"] {
        world.invoke(request_id, FUNCTION, &payload).await.unwrap();
    }
    let seen = world.seen();
    assert_eq!(seen.len(), 2, "the third is a duplicate");
    assert_eq!((&seen[1].idempotency_key, &seen[1].data), (&seen[0].idempotency_key, &input));
}

#[tokio::test(start_paused = true)]
async fn an_array_is_no_redriven_invocation() {
    let world = World::default();
    world.invoke("request-1", FUNCTION, &json!(["m-1", { "cents": 1 }])).await.unwrap();
    assert_eq!(
        (seen_first(&world).id.as_str(), seen_first(&world).data),
        ("request-1", json!(["m-1", { "cents": 1 }]))
    );
}

#[tokio::test(start_paused = true)]
async fn what_surrounds_a_message_reaches_its_handler() {
    let world = World::default();
    let binary = json!({ "key": { "binaryValue": "AAEC", "dataType": "Binary", "stringListValues": [], "binaryListValues": [] } });
    world.records(&[record("m-1", event("eb-1", &json!({})).to_string(), &binary)]).await;
    let Surroundings { delivered_to, account, region, resources, event_source, .. } =
        seen_first(&world).surroundings;
    assert_eq!(
        (delivered_to.as_str(), account.as_deref(), region.as_deref()),
        (QUEUE, Some("1"), Some("eu-west-1"))
    );
    assert_eq!((resources, event_source.as_deref()), (vec!["arn:aws:i".to_owned()], Some("aws.ec2")));
    assert_eq!(seen_first(&world).surroundings.attribute("key"), Some("AAEC"));
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Asked {
    id: String,
}

events! { enum Question of "question" { "question.asked" v1 => Asked(Asked.id) } }

async fn hear(_: Envelope<Asked>) -> Result<(), Failure> {
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_event_in_binary_mode_becomes_a_letter_that_says_so() {
    let world = World::default();
    let ce = attributes(&[("ce-specversion", "1.0"), ("ce-id", "1")]);
    let payload = json!({ "Records": [record("m-1", r#"{"id":"q-1"}"#, &ce)] }).to_string();
    let (time, random) = (TestTime::start(), SeededRandom::new(1));
    let (handler, settings) = (handler_fn("hear", hear), process::Settings::new("tests"));
    let batch = sqs::read(&payload).unwrap();
    sqs::answer(&handler, world.ports(&time, &random), &settings, 5, None, &batch).await;
    let letter = world.dead_letters.letters().remove(0);
    assert!(letter.error_message.contains("binary mode"), "{}", letter.error_message);
}

/// Returns payloads of senders that are neither a queue nor a rule, with the senders' names.
fn others() -> Vec<(&'static str, Value)> {
    let batch = |record: Value| json!({ "Records": [record] });
    vec![
        (
            "a Kinesis stream",
            batch(json!({ "kinesis": { "data": "AA==" }, "eventSource": "aws:kinesis", "eventID": "s:1" })),
        ),
        ("a DynamoDB stream", batch(json!({ "dynamodb": { "Keys": {} }, "eventSource": "aws:dynamodb" }))),
        ("an SNS topic", batch(json!({ "EventSource": "aws:sns", "EventVersion": "1.0", "Sns": {} }))),
        ("S3 notifications", batch(json!({ "eventSource": "aws:s3", "s3": {} }))),
        ("SES", batch(json!({ "eventSource": "aws:ses", "ses": {} }))),
        ("CodeCommit", batch(json!({ "eventSource": "aws:codecommit" }))),
        ("CloudFront", batch(json!({ "cf": { "config": {} } }))),
        ("an MSK topic", json!({ "eventSource": "aws:kafka", "records": { "t-0": [] } })),
        ("a Kafka topic", json!({ "eventSource": "SelfManagedKafka", "records": { "t-0": [] } })),
        ("a Kafka topic", json!({ "eventSource": "aws:SelfManagedKafka", "records": { "t-0": [] } })),
        ("an ActiveMQ queue", json!({ "eventSource": "aws:mq", "messages": [] })),
        ("a RabbitMQ queue", json!({ "eventSource": "aws:rmq", "rmqMessagesByQueue": {} })),
        ("a DocumentDB change stream", json!({ "eventSource": "aws:docdb", "events": [] })),
        ("a Firehose stream", json!({ "deliveryStreamArn": "arn", "records": [] })),
        ("a CloudWatch Logs subscription", json!({ "awslogs": { "data": "H4s" } })),
        ("an Application Load Balancer", json!({ "requestContext": { "elb": {} }, "httpMethod": "GET" })),
        ("an HTTP API of API Gateway", json!({ "version": "2.0", "requestContext": { "http": {} } })),
        ("a REST API of API Gateway", json!({ "requestContext": { "stage": "p" }, "httpMethod": "GET" })),
        ("a WebSocket API of API Gateway", json!({ "requestContext": { "connectionId": "c" } })),
        ("a Cognito user pool", json!({ "version": "1", "userPoolId": "u", "triggerSource": "PreSignUp" })),
        ("CloudFormation", json!({ "RequestType": "Create", "ResponseURL": "https://example.invalid" })),
        ("a Lambda destination", json!({ "requestContext": { "requestId": "r" }, "requestPayload": {} })),
        ("an EventBridge pipe", json!([{ "messageId": "m", "eventSource": "aws:sqs", "body": "{}" }])),
        ("an EventBridge pipe", json!([{ "eventSource": "aws:kafka", "eventSourceKey": "t-0" }])),
        ("S3 notifications", json!({ "Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "b" })),
    ]
}

#[tokio::test(start_paused = true)]
async fn a_function_that_somebody_else_feeds_says_who() {
    let of_queue = json!({ "Records": [record("m-1", "{}", &json!({}))] });
    for (who, payload) in others().into_iter().chain([("an SQS queue", of_queue)]) {
        let world = World::default();
        let error = world.invoke("request-1", FUNCTION, &payload).await.unwrap_err();
        assert_eq!(error.error_type, "NotAnEventBridgeEvent");
        assert!(error.message.contains(&format!("is fed by {who}")), "{payload}: {}", error.message);
        assert!(world.seen().is_empty(), "nothing of it was handled");
        assert!(world.dead_letters.letters().is_empty());
    }
    for (who, payload) in others() {
        let error = sqs::read(&payload.to_string()).unwrap_err();
        assert_eq!(error.error_type, "NotAnSqsEvent");
        assert!(error.message.contains(&format!("is fed by {who}")), "{payload}: {}", error.message);
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_a_rule_or_a_program_of_one_s_own_sends_is_handled() {
    for payload in [
        json!({ "Records": [] }),
        json!({ "Records": [{ "name": "a record of our own" }] }),
        json!({ "records": [1], "eventSource": "us" }),
        json!({ "requestContext": "ours" }),
        json!([{ "eventSource": "our ledger" }]),
        json!("nightly"),
        json!(null),
        event("eb-1", &json!({ "Records": [{ "eventSource": "aws:s3" }] })),
    ] {
        let world = World::default();
        world
            .invoke("request-1", FUNCTION, &payload)
            .await
            .unwrap_or_else(|error| panic!("{payload}: {error:?}"));
        assert_eq!(world.seen().len(), 1, "{payload}");
    }
}
