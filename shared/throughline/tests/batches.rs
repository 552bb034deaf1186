//! Batches of SQS records, through the trigger and the main path, over the in-memory ledger.

use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop, prop_oneof, proptest};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{collections::HashSet, time::Duration};
use throughline::{Verdict, observer::Unobserved, ports::Ports, prelude::*, process, sqs};
use throughline_testing::{MemoryDeadLetters, MemoryLedger, SeededRandom, TestTime};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Asked {
    id: String,
    behaviour: Behaviour,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Behaviour {
    Works,
    Panics,
    Fails,
    Rejects,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Answered {
    id: String,
}

events! { enum Question of "question" { "question.asked" v1 => Asked(Asked.id) } }
events! { enum Answer of "question" { "question.answered" v1 => Answered(Answered.id) } }

async fn answer(asked: Envelope<Asked>) -> Result<Effects<Answer>, Failure> {
    match asked.data.behaviour {
        Behaviour::Works => Ok(Effects::none().emit(Answered { id: asked.data.id })),
        Behaviour::Panics => panic!("no idea"),
        Behaviour::Fails => Err("the library is closed".into()),
        Behaviour::Rejects => Err(Failure::reject("a silly question")),
    }
}

/// A record of a batch: what is in it, which FIFO group it belongs to, how often it was received.
#[derive(Debug, Clone)]
struct Sent {
    content: Content,
    group: Option<String>,
    receives: u32,
    wrapping: Wrapping,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    Event(Behaviour),
    Malformed,
}

#[derive(Debug, Clone, Copy)]
enum Wrapping {
    Bare,
    EventBridge,
    Notification,
}

impl Sent {
    fn new(content: Content) -> Self {
        Self { content, group: None, receives: 1, wrapping: Wrapping::Bare }
    }

    fn in_group(self, group: &str) -> Self {
        Self { group: Some(group.into()), ..self }
    }

    fn received(self, receives: u32) -> Self {
        Self { receives, ..self }
    }

    fn body(&self, position: usize) -> String {
        let Content::Event(behaviour) = self.content else { return format!("{{ malformed {position}") };
        let asked = Asked { id: format!("q-{position}"), behaviour };
        let event =
            serde_json::to_value(Envelope::of(format!("e-{position}"), "tests", asked).encode().unwrap())
                .unwrap();
        match self.wrapping {
            Wrapping::Bare => event.to_string(),
            Wrapping::EventBridge => {
                json!({ "version": "0", "id": "eb", "source": "tests", "detail-type": "question.asked", "detail": event })
                    .to_string()
            }
            Wrapping::Notification => {
                json!({ "Type": "Notification", "MessageId": "n", "TopicArn": "arn:aws:sns:eu-west-1:1:t", "Message": event.to_string() })
                    .to_string()
            }
        }
    }

    fn record(&self, position: usize) -> Value {
        let queue = if self.group.is_some() { "questions.fifo" } else { "questions" };
        let mut attributes = json!({
            "ApproximateReceiveCount": self.receives.to_string(),
            "SentTimestamp": "1767225600000",
            "SenderId": "AIDA",
        });
        if let Some(group) = &self.group {
            attributes["MessageGroupId"] = group.as_str().into();
        }
        json!({
            "messageId": format!("m-{position}"),
            "receiptHandle": format!("r-{position}"),
            "body": self.body(position),
            "attributes": attributes,
            "messageAttributes": {},
            "md5OfBody": "x",
            "eventSource": "aws:sqs",
            "eventSourceARN": format!("arn:aws:sqs:eu-west-1:123456789012:{queue}"),
            "awsRegion": "eu-west-1",
        })
    }
}

const MOST_RECEIVES: u32 = 5;

struct Outcome {
    /// Positions of the records reported as failed.
    failed: Vec<usize>,
    verdicts: Vec<Verdict>,
    dead: MemoryDeadLetters,
    ledger: MemoryLedger,
    backoffs: Vec<Duration>,
}

async fn deliver(batch: &[Sent]) -> Outcome {
    let records: Vec<Value> =
        batch.iter().enumerate().map(|(position, sent)| sent.record(position)).collect();
    let payload = json!({ "Records": records }).to_string();
    let (ledger, dead) = (MemoryLedger::default(), MemoryDeadLetters::default());
    let (time, random) = (TestTime::start(), SeededRandom::new(3));
    let ports =
        Ports { ledger: &ledger, dead_letters: &dead, time: &time, random: &random, observer: &Unobserved };
    let handler = handler_fn("answer", answer);
    let settings = process::Settings::new("tests");
    let read = sqs::read(&payload).unwrap();
    let answer = sqs::answer(&handler, ports, &settings, MOST_RECEIVES, None, &read).await;
    let response = answer.response();
    let failed = response["batchItemFailures"]
        .as_array()
        .unwrap()
        .iter()
        .map(|failure| failure["itemIdentifier"].as_str().unwrap()[2..].parse().unwrap())
        .collect();
    let backoffs = answer.redeliveries.iter().map(|record| record.after).collect();
    Outcome { failed, verdicts: answer.verdicts, dead, ledger, backoffs }
}

use Behaviour::{Fails, Panics, Rejects, Works};

fn event(behaviour: Behaviour) -> Sent {
    Sent::new(Content::Event(behaviour))
}

#[tokio::test(start_paused = true)]
async fn of_ten_records_exactly_the_transient_and_the_panicking_one_come_back() {
    let mut batch = vec![event(Works); 10];
    batch[2] = Sent::new(Content::Malformed);
    batch[4] = event(Panics);
    batch[7] = event(Fails);
    batch[8].wrapping = Wrapping::EventBridge;
    batch[9].wrapping = Wrapping::Notification;
    let outcome = deliver(&batch).await;
    assert_eq!(outcome.failed, [4, 7]);
    assert_eq!(outcome.verdicts.iter().filter(|verdict| **verdict == Verdict::Done).count(), 7);
    let letters = outcome.dead.letters();
    assert_eq!(letters.len(), 1);
    assert_eq!(
        (letters[0].body.as_str(), letters[0].error_type.as_str()),
        ("{ malformed 2", "MalformedBody")
    );
    assert!(letters[0].error_message.contains("not JSON"), "{}", letters[0].error_message);
    assert_eq!(outcome.ledger.log().len(), 7);
}

#[tokio::test(start_paused = true)]
async fn in_a_fifo_group_the_first_retry_returns_all_that_follow_it() {
    let batch = [
        event(Works).in_group("a"),
        event(Fails).in_group("a"),
        event(Works).in_group("b"),
        event(Works).in_group("a"),
        event(Rejects).in_group("b"),
        Sent::new(Content::Malformed).in_group("a"),
        event(Works).in_group("b"),
    ];
    let outcome = deliver(&batch).await;
    assert_eq!(outcome.failed, [1, 3, 5]);
    assert_eq!(outcome.dead.letters().len(), 1, "only the rejected one; what waits is not given up");
    assert_eq!(outcome.ledger.log().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn what_fails_on_its_last_receive_is_dead_lettered_with_its_reason() {
    let batch = [
        event(Fails).received(MOST_RECEIVES),
        event(Panics).received(MOST_RECEIVES),
        event(Fails).received(4),
    ];
    let outcome = deliver(&batch).await;
    assert_eq!(outcome.failed, [2]);
    let reasons: Vec<_> = outcome.dead.letters().iter().map(|letter| letter.error_message.clone()).collect();
    assert_eq!(reasons, ["the library is closed", "the handler panicked: no idea"]);
    assert!(outcome.dead.letters().iter().all(|letter| letter.attempts == MOST_RECEIVES));
}

#[tokio::test(start_paused = true)]
async fn the_back_off_grows_with_every_receive_and_is_spread_out() {
    for (receives, most) in [(1, 2), (2, 4), (4, 16)] {
        let outcome = deliver(&vec![event(Fails).received(receives); 10]).await;
        assert!(outcome.backoffs.iter().all(|wait| *wait <= Duration::from_secs(most)));
        assert!(outcome.backoffs.iter().collect::<HashSet<_>>().len() > 5, "{:?}", outcome.backoffs);
    }
}

#[test]
fn a_payload_from_elsewhere_says_how_the_function_is_wired_wrongly() {
    let error = sqs::read(r#"{"detail-type":"t"}"#).unwrap_err();
    assert_eq!(error.error_type, "NotAnSqsEvent");
    assert!(error.message.contains("missing field `Records`"), "{}", error.message);
}

fn any_sent(fifo: bool) -> impl Strategy<Value = Sent> {
    let behaviour = prop_oneof![4 => Just(Works), 1 => Just(Panics), 1 => Just(Fails), 1 => Just(Rejects)];
    let content = prop_oneof![6 => behaviour.prop_map(Content::Event), 1 => Just(Content::Malformed)];
    let wrapping =
        prop_oneof![Just(Wrapping::Bare), Just(Wrapping::EventBridge), Just(Wrapping::Notification)];
    (content, 1..=MOST_RECEIVES, wrapping, prop::sample::select(vec!["a", "b", "c"]), any::<bool>()).prop_map(
        move |(content, receives, wrapping, group, _)| Sent {
            content,
            receives,
            wrapping,
            group: fifo.then(|| group.to_owned()),
        },
    )
}

/// The fate of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Done,
    ComesBack,
    DeadLettered,
}

/// Returns the expected fate of each record, computed without the main path.
fn expected(batch: &[Sent]) -> Vec<Fate> {
    let mut blocked = HashSet::new();
    let fate = |sent: &Sent| {
        let is_last = sent.receives >= MOST_RECEIVES;
        let fate = match sent.content {
            // Its queue would move it to the dead-letter queue without a word.
            _ if blocked.contains(&sent.group) && is_last => Fate::DeadLettered,
            _ if blocked.contains(&sent.group) => Fate::ComesBack,
            Content::Event(Works) => Fate::Done,
            Content::Event(Panics | Fails) if !is_last => Fate::ComesBack,
            _ => Fate::DeadLettered,
        };
        if fate == Fate::ComesBack && sent.group.is_some() {
            blocked.insert(sent.group.clone());
        }
        fate
    };
    batch.iter().map(fate).collect()
}

fn paused() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_standard_batch_returns_just_what_may_pass(batch in prop::collection::vec(any_sent(false), 0..20)) {
        check(&batch);
    }

    #[test]
    fn any_fifo_batch_returns_the_first_retry_of_a_group_and_all_after_it(
        batch in prop::collection::vec(any_sent(true), 0..20),
    ) {
        check(&batch);
    }
}

fn check(batch: &[Sent]) {
    let outcome = paused().block_on(deliver(batch));
    let expected = expected(batch);
    let count = |fate| expected.iter().filter(|expected| **expected == fate).count();
    let back = expected.iter().enumerate().filter(|(_, fate)| **fate == Fate::ComesBack);
    assert_eq!(outcome.failed, back.map(|(position, _)| position).collect::<Vec<_>>());
    assert_eq!(outcome.ledger.log().len(), count(Fate::Done), "every event that works has its one effect");
    assert_eq!(outcome.dead.letters().len(), count(Fate::DeadLettered), "all else is dead-lettered");
}

#[tokio::test(start_paused = true)]
async fn in_a_fifo_group_what_waited_for_a_failing_record_is_tried_on_its_last_receive() {
    let group = |behaviour, receives| event(behaviour).in_group("a").received(receives);
    for receives in 1..MOST_RECEIVES {
        let outcome =
            deliver(&[group(Fails, receives), group(Works, receives), group(Fails, receives)]).await;
        assert_eq!(outcome.failed, [0, 1, 2], "receive {receives}");
        assert!(outcome.dead.letters().is_empty());
    }
    let last = |behaviour| group(behaviour, MOST_RECEIVES);
    let outcome = deliver(&[last(Fails), last(Works), last(Fails)]).await;
    assert_eq!((outcome.failed, outcome.ledger.log().len()), (vec![], 1));
    let reasons: Vec<_> = outcome.dead.letters().iter().map(|letter| letter.error_message.clone()).collect();
    assert_eq!(reasons[0], "the library is closed");
    assert!(
        reasons[1].starts_with("the library is closed (tried once: at each of the 4 deliveries"),
        "{reasons:?}"
    );
}

/// Asks for a wait of so many seconds; of all the time there is, if none are said.
async fn wait(asked: Envelope<Asked>) -> Result<Effects<Answer>, Failure> {
    let wait = asked.data.id.parse().map_or(Duration::MAX, Duration::from_secs);
    Err(Failure::retry("the library is closed").after(wait))
}

#[tokio::test(start_paused = true)]
async fn any_wait_that_is_asked_for_is_passed_on() {
    let (ledger, dead) = (MemoryLedger::default(), MemoryDeadLetters::default());
    let (time, random) = (TestTime::start(), SeededRandom::new(3));
    let ports =
        Ports { ledger: &ledger, dead_letters: &dead, time: &time, random: &random, observer: &Unobserved };
    let waits = ["0", "43200", "for ever"];
    let records = waits.iter().enumerate().map(|(position, id)| {
        let asked = Asked { id: (*id).to_owned(), behaviour: Fails };
        let mut record = event(Fails).record(position);
        let envelope = Envelope::of(format!("e-{position}"), "tests", asked).encode().unwrap();
        record["body"] = serde_json::to_string(&envelope).unwrap().into();
        record
    });
    let payload = json!({ "Records": records.collect::<Vec<_>>() }).to_string();
    let batch = sqs::read(&payload).unwrap();
    let settings = process::Settings::new("tests");
    let answer = sqs::answer(&handler_fn("wait", wait), ports, &settings, MOST_RECEIVES, None, &batch).await;
    let waits: Vec<_> = answer.redeliveries.iter().map(|record| record.after).collect();
    assert_eq!(waits, [Duration::ZERO, Duration::from_hours(12), Duration::MAX]);
}
