//! Whatever becomes of a message, what it says is not logged: not its data, nor a step's output.

use futures_util::{FutureExt as _, future::BoxFuture};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};
use throughline::{
    Attributes, Destination,
    ledger::Outgoing,
    logs::JsonLines,
    observer::Unobserved,
    outbox::{self, StreamFailures},
    ports::{Ports, Time as _},
    prelude::*,
    process::Settings,
    relay::{Delivery, LogEntry, Publisher, RelayPorts},
    saga::{Document, Task, Work, Worker},
    saga_worker, sqs,
};
use throughline_testing::{MemoryDeadLetters, MemoryLedger, SeededRandom, TestTime};
use tracing_subscriber::layer::SubscriberExt as _;

/// The secret in the data of every message.
const SECRET: &str = "4111-1111-1111-1111";

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Pay {
    order_id: String,
    card: String,
    wish: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Paid {
    order_id: String,
    card: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Wallet {
    id: String,
    card: String,
}

impl Entity for Wallet {
    const KIND: &'static str = "wallet";
    fn id(&self) -> String {
        self.id.clone()
    }
}

commands! { enum PayCommand to "pay" { "order.pay" v1 => Pay(Pay.order_id) } }
events! { enum PaidEvent of "order" { "order.paid" v1 => Paid(Paid.order_id) } }

#[derive(Debug, Clone)]
struct Till;

impl Handler for Till {
    const NAME: &'static str = "till";
    type Message = Pay;
    type Emits = PaidEvent;

    async fn handle(&self, pay: Envelope<Pay>, context: &Context<'_>) -> Result<Effects<PaidEvent>, Failure> {
        let Pay { order_id, card, wish } = pay.data;
        match wish.as_str() {
            "retry" => return Err("the till is stuck".into()),
            "reject" => return Err(Failure::reject("no such card")),
            "panic" => panic!("the till fell down"),
            _ => {}
        }
        let wallet = context.load::<Wallet>("w-1").await?;
        let wallet =
            wallet.unwrap_or_else(|| Versioned::new(Wallet { id: "w-1".into(), card: card.clone() }));
        Ok(Effects::none().save(wallet).emit(Paid { order_id, card }))
    }
}

/// A record of every kind.
fn batch() -> String {
    let pay = |wish: &str| {
        let pay = Pay { order_id: format!("o-{wish}"), card: SECRET.into(), wish: wish.into() };
        serde_json::to_value(Envelope::of(wish, "shop", pay).encode().unwrap()).unwrap()
    };
    let with = |name: &str, value: Value| {
        let mut envelope = pay("work");
        envelope[name] = value;
        envelope["id"] = format!("{name} is wrong").into();
        envelope.to_string()
    };
    let mut other = pay("work");
    other["data"]["card"] = format!("{SECRET}-2").into();
    let bodies = [
        pay("work").to_string(),
        pay("work").to_string(),
        other.to_string(),
        pay("retry").to_string(),
        pay("reject").to_string(),
        pay("panic").to_string(),
        with("data", json!(SECRET)),
        with("data", json!({ "order_id": [SECRET], "card": SECRET, "wish": "" })),
        with("data", json!({ SECRET: SECRET })),
        with("schemaversion", json!(9)),
        with("type", json!("order.eat")),
        with("specversion", json!(1)),
        format!("\"{SECRET}\""),
        format!("{{ \"card\": \"{SECRET}\""),
    ];
    let record = |(at, body): (usize, String)| {
        json!({
            "messageId": format!("m-{at}"),
            "receiptHandle": "r",
            "body": body,
            "attributes": { "ApproximateReceiveCount": "1", "SentTimestamp": "1767225600000" },
            "messageAttributes": {},
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:pay",
            "awsRegion": "eu-west-1",
        })
    };
    json!({ "Records": bodies.into_iter().enumerate().map(record).collect::<Vec<_>>() }).to_string()
}

/// Refuses every second message.
struct Bus;

impl Publisher for Bus {
    fn publish<'a>(&'a self, messages: &'a [&'a Outgoing]) -> BoxFuture<'a, Vec<Delivery>> {
        let refused = || Delivery::Refused { error_type: "TooLarge".into(), reason: "1 MB".into() };
        let answers = (0..messages.len()).map(|at| if at % 2 == 0 { Delivery::Accepted } else { refused() });
        std::future::ready(answers.collect()).boxed()
    }
}

impl SagaInput for Paid {
    const SAGA: &'static str = "refund";
}

async fn refund((): &(), paid: Paid, _: &StepContext<'_>) -> Result<Output<Wallet>, Failure> {
    Ok(Output::of(Wallet { id: paid.order_id, card: paid.card }))
}

async fn charge_again((): &(), _: Option<Wallet>, _: &StepContext<'_>) -> Result<(), Failure> {
    Err("the bank is closed".into())
}

struct World {
    ledger: MemoryLedger,
    dead_letters: MemoryDeadLetters,
    time: TestTime,
    random: SeededRandom,
}

impl World {
    fn ports(&self) -> Ports<'_> {
        Ports {
            ledger: &self.ledger,
            dead_letters: &self.dead_letters,
            time: &self.time,
            random: &self.random,
            observer: &Unobserved,
        }
    }

    async fn handle(&self) {
        let payload = batch();
        let batch = sqs::read(&payload).unwrap();
        let answer = sqs::answer(&Till, self.ports(), &Settings::new("shop"), 5, None, &batch).await;
        assert!(answer.redeliveries.len() > 1 && self.dead_letters.letters().len() > 5, "{answer:?}");
    }

    async fn relay(&self) {
        let data = serde_json::value::to_raw_value(&json!({ "card": SECRET })).unwrap();
        let envelope = Envelope { attributes: Attributes::new("e-1", "shop", "order.paid"), data };
        let message = || Outgoing { destination: Destination::Bus, envelope: envelope.clone() };
        let entry = |message| LogEntry { sequence_number: "1".into(), message, raw: SECRET.into() };
        let image = json!({ "envelope": { "S": format!("\"{SECRET}\"") }, "destination": { "S": "bus" } });
        let unreadable = throughline::aws::ledger::outgoing_from_stream_image(&image).map(|_| message());
        assert!(unreadable.is_err());
        let entries = [entry(Ok(message())), entry(Ok(message())), entry(unreadable)];
        let ports = RelayPorts {
            publisher: &Bus,
            dead_letters: &self.dead_letters,
            time: &self.time,
            observer: &Unobserved,
        };
        outbox::answer(ports, StreamFailures::Report, &entries).await.unwrap();
    }

    async fn saga(&self) {
        let saga = Saga::of::<Paid>().step("refund", refund).undo(charge_again);
        let worker = Worker::new(saga, ());
        for (work, data) in [
            (Work::Run, json!(SECRET)),
            (Work::Run, json!({ "order_id": "o-1", "card": SECRET })),
            (Work::Undo, json!({ "order_id": "o-1", "card": SECRET })),
        ] {
            let data = serde_json::value::to_raw_value(&data).unwrap();
            let start = Envelope { attributes: Attributes::new("x-1", "shop", "refund.start"), data };
            let task = Task {
                definition: worker.saga().fingerprint(),
                work,
                step: "refund".into(),
                execution: "x-1".into(),
                started_at: self.time.now(),
                retries: 0,
                task_token: None,
                document: Document { start, failed: BTreeMap::new() },
            };
            _ = saga_worker::answer(&worker, self.ports(), &Settings::new("shop"), None, &task).await;
        }
        let unreadable = saga_worker::read(&format!("\"{SECRET}\"")).unwrap_err();
        assert!(!unreadable.message.contains(SECRET), "{}", unreadable.message);
    }
}

#[tokio::test(start_paused = true)]
async fn what_messages_say_is_not_logged_at_any_level() {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&lines);
    let layer = JsonLines { write: move |line: &[u8]| kept.lock().unwrap().extend_from_slice(line) };
    let _logs = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
    let world = World {
        ledger: MemoryLedger::default(),
        dead_letters: MemoryDeadLetters::default(),
        time: TestTime::start(),
        random: SeededRandom::new(1),
    };
    world.handle().await;
    world.relay().await;
    world.saga().await;
    let text = String::from_utf8(lines.lock().unwrap().clone()).unwrap();
    for said in ["done", "rejected", "retry", "published", "refused for good", "told the state machine"] {
        assert!(text.contains(said), "nothing was `{said}`: {text}");
    }
    let spoken: Vec<&str> = text.lines().filter(|line| line.contains("4111")).collect();
    assert!(spoken.is_empty(), "{spoken:#?}");
}
