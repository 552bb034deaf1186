//! The relay, fed by a simulated stream poller that does what Lambda's event source mapping does: it goes
//! on from the first reported failure, bisects a batch whose invocation failed, and gives a record up after
//! its last attempt.

use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use std::{
    collections::{HashMap, HashSet},
    sync::Mutex,
};
use throughline::{
    Attributes, Destination, Envelope,
    ledger::Outgoing,
    observer::Unobserved,
    outbox::{StreamFailures, answer, read},
    relay::{Delivery, Publisher, RelayPorts},
};
use throughline_testing::{MemoryDeadLetters, TestTime};

/// A bus that accepts, refuses or is down, as each message's id asks for it.
#[derive(Default)]
struct FakeBus {
    accepted: Mutex<Vec<String>>,
    outages: Mutex<HashMap<String, u32>>,
    refuses: HashSet<String>,
    is_too_late_for: HashSet<String>,
    calls: Mutex<Vec<usize>>,
    destinations: Mutex<Vec<Destination>>,
}

impl FakeBus {
    fn accepted(&self) -> Vec<String> {
        self.accepted.lock().unwrap().clone()
    }
}

impl Publisher for FakeBus {
    fn publish<'a>(&'a self, messages: &'a [&'a Outgoing]) -> BoxFuture<'a, Vec<Delivery>> {
        Box::pin(async move {
            self.calls.lock().unwrap().push(messages.len());
            let deliver = |message: &&Outgoing| {
                let id = message.envelope.attributes.id.clone();
                if self.refuses.contains(&id) {
                    return Delivery::Refused { error_type: "MalformedDetail".into(), reason: "no".into() };
                }
                if self.is_too_late_for.contains(&id) {
                    return Delivery::TooLate("TaskTimedOut".into());
                }
                if let Some(left) = self.outages.lock().unwrap().get_mut(&id).filter(|left| **left > 0) {
                    *left -= 1;
                    return Delivery::Retry("ThrottlingException".into());
                }
                self.accepted.lock().unwrap().push(id);
                self.destinations.lock().unwrap().push(message.destination.clone());
                Delivery::Accepted
            };
            messages.iter().map(deliver).collect()
        })
    }
}

fn log_record(number: usize) -> Value {
    let data = serde_json::value::to_raw_value(&json!({ "n": number })).unwrap();
    let envelope = Envelope { attributes: Attributes::new(format!("e-{number}"), "shop", "t"), data };
    image_record(
        number,
        &json!({
            "pk": { "S": "order#o-1" },
            "sk": { "S": format!("event#{number:020}") },
            "destination": { "S": "bus" },
            "envelope": { "S": serde_json::to_string(&envelope).unwrap() },
        }),
    )
}

fn image_record(number: usize, image: &Value) -> Value {
    json!({
        "eventID": format!("{number}"),
        "eventName": "INSERT",
        "eventSource": "aws:dynamodb",
        "dynamodb": { "SequenceNumber": format!("{number}"), "NewImage": image, "StreamViewType": "NEW_IMAGE" },
    })
}

struct Stream<'a> {
    bus: &'a FakeBus,
    dead_letters: &'a MemoryDeadLetters,
    failures: StreamFailures,
    invocations: u32,
    given_up: Vec<String>,
}

impl Stream<'_> {
    /// Polls a shard to its end.
    async fn poll(&mut self, records: &[Value], most_attempts: u32) {
        let mut batches = vec![(records.to_vec(), 1)];
        while let Some((batch, attempt)) = batches.pop() {
            if batch.is_empty() {
                continue;
            }
            assert!(self.invocations < 10_000, "the shard does not move");
            match self.invoke(&batch).await {
                Ok(None) => {}
                // Everything from the first failure on is delivered again.
                Ok(Some(first_failed)) if attempt < most_attempts => {
                    batches.push((batch[first_failed..].to_vec(), attempt + 1));
                }
                Ok(Some(first_failed)) => {
                    self.give_up(&batch[first_failed]);
                    batches.push((batch[first_failed + 1..].to_vec(), 1));
                }
                Err(()) if batch.len() > 1 => {
                    let (first, second) = batch.split_at(batch.len() / 2);
                    batches.push((second.to_vec(), attempt));
                    batches.push((first.to_vec(), attempt));
                }
                Err(()) if attempt < most_attempts => batches.push((batch, attempt + 1)),
                Err(()) => self.give_up(&batch[0]),
            }
        }
    }

    async fn invoke(&mut self, batch: &[Value]) -> Result<Option<usize>, ()> {
        self.invocations += 1;
        let time = TestTime::start();
        let ports = RelayPorts {
            publisher: self.bus,
            dead_letters: self.dead_letters,
            time: &time,
            observer: &Unobserved,
        };
        let payload = json!({ "Records": batch }).to_string();
        let response =
            answer(ports, self.failures, &read(&payload).map_err(|_| ())?).await.map_err(|_| ())?;
        let failures = response["batchItemFailures"].as_array().unwrap();
        let numbers: Vec<&str> =
            failures.iter().map(|failure| failure["itemIdentifier"].as_str().unwrap()).collect();
        Ok(batch
            .iter()
            .position(|record| numbers.contains(&record["dynamodb"]["SequenceNumber"].as_str().unwrap())))
    }

    fn give_up(&mut self, record: &Value) {
        self.given_up.push(record["eventID"].as_str().unwrap_or("?").to_owned());
    }
}

async fn run(bus: &FakeBus, failures: StreamFailures, records: &[Value]) -> (MemoryDeadLetters, Vec<String>) {
    let dead_letters = MemoryDeadLetters::default();
    let mut stream =
        Stream { bus, dead_letters: &dead_letters, failures, invocations: 0, given_up: Vec::new() };
    stream.poll(records, 20).await;
    let given_up = stream.given_up;
    (dead_letters, given_up)
}

fn ids(numbers: impl IntoIterator<Item = usize>) -> Vec<String> {
    numbers.into_iter().map(|number| format!("e-{number}")).collect()
}

#[tokio::test(start_paused = true)]
async fn everything_is_published_in_order_ten_at_a_time() {
    let bus = FakeBus::default();
    let records: Vec<Value> = (0..25).map(log_record).collect();
    let (dead_letters, given_up) = run(&bus, StreamFailures::Report, &records).await;
    assert_eq!(bus.accepted(), ids(0..25));
    assert_eq!(*bus.calls.lock().unwrap(), [10, 10, 5]);
    assert!(dead_letters.letters().is_empty() && given_up.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_is_throttled_is_published_later_and_nothing_after_it_is_lost() {
    let bus = FakeBus {
        outages: Mutex::new(HashMap::from([("e-3".into(), 4), ("e-17".into(), 1)])),
        ..FakeBus::default()
    };
    let records: Vec<Value> = (0..25).map(log_record).collect();
    let (_, given_up) = run(&bus, StreamFailures::Report, &records).await;
    let accepted: HashSet<String> = bus.accepted().into_iter().collect();
    assert_eq!(accepted, ids(0..25).into_iter().collect());
    assert!(given_up.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_is_refused_for_good_goes_whole_to_the_dead_letter_queue_and_the_others_go_on() {
    let bus = FakeBus { refuses: HashSet::from(["e-4".into()]), ..FakeBus::default() };
    let records: Vec<Value> = (0..12).map(log_record).collect();
    let (dead_letters, given_up) = run(&bus, StreamFailures::Report, &records).await;
    assert_eq!(bus.accepted(), ids((0..12).filter(|number| *number != 4)));
    let letters = dead_letters.letters();
    assert_eq!((letters.len(), letters[0].error_type.as_str()), (1, "MalformedDetail"));
    let event: Value = serde_json::from_str(&letters[0].body).unwrap();
    assert_eq!((event["id"].as_str(), event["data"]["n"].as_u64()), (Some("e-4"), Some(4)));
    assert!(given_up.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_nobody_waits_for_is_passed_over() {
    let bus = FakeBus { is_too_late_for: HashSet::from(["e-1".into()]), ..FakeBus::default() };
    let records: Vec<Value> = (0..3).map(log_record).collect();
    let (dead_letters, given_up) = run(&bus, StreamFailures::Report, &records).await;
    assert_eq!(bus.accepted(), ids([0, 2]));
    assert_eq!(bus.calls.lock().unwrap().len(), 1, "it is not delivered again");
    assert!(dead_letters.letters().is_empty() && given_up.is_empty());
}

#[tokio::test(start_paused = true)]
async fn starts_schedules_and_answers_reach_the_publisher_as_the_log_has_them() {
    let texts = [
        "queue:place-order",
        "scheduled:2026-01-02T03:04:05Z|await-payment",
        "unscheduled:await-payment",
        "state-machine:checkout",
        "task:AAAA:the+token/=",
    ];
    let records = texts.iter().enumerate().map(|(number, text)| {
        let mut record = log_record(number);
        let image = &mut record["dynamodb"]["NewImage"];
        image["sk"]["S"] = format!("command#{number:04}#owner").into();
        image["destination"]["S"] = (*text).into();
        record
    });
    let bus = FakeBus::default();
    let (dead_letters, _) = run(&bus, StreamFailures::Report, &records.collect::<Vec<_>>()).await;
    let at = "2026-01-02T03:04:05Z".parse().unwrap();
    assert_eq!(
        *bus.destinations.lock().unwrap(),
        [
            Destination::Queue("place-order".into()),
            Destination::Scheduled { queue: "await-payment".into(), at },
            Destination::Unscheduled { queue: "await-payment".into() },
            Destination::StateMachine("checkout".into()),
            Destination::Task { token: "AAAA:the+token/=".into() },
        ]
    );
    assert!(dead_letters.letters().is_empty());
}

#[tokio::test(start_paused = true)]
async fn poison_in_the_stream_is_dead_lettered_and_nothing_around_it_is_lost() {
    let mut records: Vec<Value> = (0..8).map(log_record).collect();
    records[1]["dynamodb"]["NewImage"]["envelope"]["S"] = "{ no envelope".into();
    records[3]["dynamodb"]["NewImage"].as_object_mut().unwrap().remove("envelope");
    records[5]["eventName"] = Value::Null;
    let bus = FakeBus::default();
    let (dead_letters, given_up) = run(&bus, StreamFailures::Report, &records).await;
    assert_eq!(bus.accepted(), ids([0, 2, 4, 6, 7]));
    assert_eq!(dead_letters.letters().len(), 3);
    assert!(dead_letters.letters().iter().all(|letter| letter.error_type == "MalformedLogEntry"));
    assert!(given_up.is_empty());
}

#[tokio::test(start_paused = true)]
async fn claims_entities_and_changes_of_old_items_are_passed_over() {
    let mut removed = log_record(0);
    removed["eventName"] = "REMOVE".into();
    let entity = image_record(1, &json!({ "pk": { "S": "order#o-1" }, "sk": { "S": "state" } }));
    let claim = image_record(2, &json!({ "pk": { "S": "claim#h#event#1:s:e" }, "sk": { "S": "claim" } }));
    let bus = FakeBus::default();
    let (dead_letters, _) = run(&bus, StreamFailures::Report, &[removed, entity, claim, log_record(3)]).await;
    assert_eq!(bus.accepted(), ids([3]));
    assert!(dead_letters.letters().is_empty());
}

#[tokio::test(start_paused = true)]
async fn where_partial_failures_are_ignored_the_whole_invocation_fails_and_bisection_finds_the_culprit() {
    let bus = FakeBus { outages: Mutex::new(HashMap::from([("e-3".into(), 3)])), ..FakeBus::default() };
    let records: Vec<Value> = (0..9).map(log_record).collect();
    let (_, given_up) = run(&bus, StreamFailures::FailInvocation, &records).await;
    let accepted: HashSet<String> = bus.accepted().into_iter().collect();
    assert_eq!(accepted, ids(0..9).into_iter().collect());
    assert!(given_up.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_entry_the_bus_never_takes_is_given_up_alone() {
    let bus =
        FakeBus { outages: Mutex::new(HashMap::from([("e-2".into(), u32::MAX)])), ..FakeBus::default() };
    let records: Vec<Value> = (0..6).map(log_record).collect();
    for failures in [StreamFailures::Report, StreamFailures::FailInvocation] {
        bus.accepted.lock().unwrap().clear();
        let (_, given_up) = run(&bus, failures, &records).await;
        let accepted: HashSet<String> = bus.accepted().into_iter().collect();
        assert_eq!(accepted, ids([0, 1, 3, 4, 5]).into_iter().collect());
        assert_eq!(given_up, ["2"], "the mapping's on-failure destination has it");
    }
}

#[tokio::test(start_paused = true)]
async fn what_neither_the_bus_nor_the_dead_letter_queue_takes_is_delivered_again() {
    let bus = FakeBus { refuses: HashSet::from(["e-1".into()]), ..FakeBus::default() };
    let dead_letters = MemoryDeadLetters::default();
    dead_letters.refuse(true);
    let time = TestTime::start();
    let ports =
        RelayPorts { publisher: &bus, dead_letters: &dead_letters, time: &time, observer: &Unobserved };
    let payload = json!({ "Records": [log_record(0), log_record(1)] }).to_string();
    let response = answer(ports, StreamFailures::Report, &read(&payload).unwrap()).await.unwrap();
    assert_eq!(response, json!({ "batchItemFailures": [{ "itemIdentifier": "1" }] }));
}

#[tokio::test(start_paused = true)]
async fn what_stands_behind_a_stuck_entry_is_dead_lettered_once_and_only_when_its_turn_comes() {
    let bus = FakeBus { outages: Mutex::new(HashMap::from([("e-0".into(), 4)])), ..FakeBus::default() };
    let mut records: Vec<Value> = (0..2).map(log_record).collect();
    records[1]["dynamodb"]["NewImage"]["envelope"]["S"] = "{ no envelope".into();
    let (dead_letters, given_up) = run(&bus, StreamFailures::Report, &records).await;
    assert_eq!(dead_letters.letters().len(), 1);
    assert_eq!(bus.accepted(), ids([0]));
    assert!(given_up.is_empty());
}

#[test]
fn a_stream_without_new_images_is_not_acknowledged() {
    let mut record = log_record(0);
    let change = record["dynamodb"].as_object_mut().unwrap();
    change.remove("NewImage");
    change.insert("Keys".into(), json!({ "pk": { "S": "order#o-1" }, "sk": { "S": "event#1" } }));
    let error = read(&json!({ "Records": [record] }).to_string()).unwrap_err();
    assert!(error.message.contains("StreamViewType"), "{}", error.message);
}
