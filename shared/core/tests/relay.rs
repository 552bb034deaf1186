//! The relay's handling of each answer of its publisher.

use futures_util::future::BoxFuture;
use serde_json::json;
use std::sync::Mutex;
use throughline_core::{
    Attributes, Destination, Envelope,
    ledger::Outgoing,
    observer::Unobserved,
    relay::{Delivery, LogEntry, Publisher, RelayPorts, relay},
};
use throughline_testing::{MemoryDeadLetters, TestTime};

/// Answers from a script.
struct Scripted(Mutex<std::vec::IntoIter<Delivery>>);

impl Scripted {
    fn new(answers: Vec<Delivery>) -> Self {
        Self(Mutex::new(answers.into_iter()))
    }
}

impl Publisher for Scripted {
    fn publish<'a>(&'a self, messages: &'a [&'a Outgoing]) -> BoxFuture<'a, Vec<Delivery>> {
        let answers = self.0.lock().unwrap().by_ref().take(messages.len()).collect();
        Box::pin(async move { answers })
    }
}

fn entry(number: usize, destination: Destination) -> LogEntry {
    let data = serde_json::value::to_raw_value(&json!({})).unwrap();
    let envelope = Envelope { attributes: Attributes::new(format!("m-{number}"), "shop", "t"), data };
    LogEntry {
        sequence_number: number.to_string(),
        message: Ok(Outgoing { destination, envelope }),
        raw: String::new(),
    }
}

fn entries() -> Vec<LogEntry> {
    let destinations = [
        Destination::Bus,
        Destination::StateMachine("checkout".into()),
        Destination::Task { token: "token".into() },
        Destination::Unscheduled { queue: "await-payment".into() },
    ];
    destinations.into_iter().enumerate().map(|(number, destination)| entry(number, destination)).collect()
}

async fn relayed(answers: Vec<Delivery>) -> (Option<usize>, MemoryDeadLetters) {
    let (publisher, dead_letters) = (Scripted::new(answers), MemoryDeadLetters::default());
    let time = TestTime::start();
    let ports =
        RelayPorts { publisher: &publisher, dead_letters: &dead_letters, time: &time, observer: &Unobserved };
    (relay(&entries(), ports).await, dead_letters)
}

#[tokio::test]
async fn an_answer_that_comes_too_late_is_settled_and_the_others_go_on() {
    let too_late = Delivery::TooLate("TaskTimedOut".into());
    let (again_from, dead_letters) =
        relayed(vec![Delivery::Accepted, Delivery::Accepted, too_late, Delivery::Accepted]).await;
    assert_eq!((again_from, dead_letters.letters().len()), (None, 0));
}

#[tokio::test]
async fn a_start_that_is_refused_goes_to_the_dead_letter_queue_with_its_reason() {
    let refused = Delivery::Refused { error_type: "ExecutionAlreadyExists".into(), reason: "another".into() };
    let (again_from, dead_letters) =
        relayed(vec![Delivery::Accepted, refused, Delivery::Accepted, Delivery::Accepted]).await;
    assert_eq!(again_from, None);
    let letters = dead_letters.letters();
    let [letter] = &letters[..] else { panic!("{letters:?}") };
    assert_eq!(
        (letter.error_type.as_str(), letter.error_message.as_str()),
        ("ExecutionAlreadyExists", "another")
    );
    assert!(letter.body.contains("m-1"), "{}", letter.body);
}

#[tokio::test]
async fn what_may_succeed_later_is_delivered_again_with_all_that_follows() {
    let retry = Delivery::Retry("StateMachineDoesNotExist".into());
    let refused = Delivery::Refused { error_type: "InvalidToken".into(), reason: "no".into() };
    let (again_from, dead_letters) =
        relayed(vec![Delivery::Accepted, retry, refused, Delivery::Accepted]).await;
    assert_eq!((again_from, dead_letters.letters().len()), (Some(1), 0));
}
