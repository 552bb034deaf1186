//! A worker that is asked by hand, task by task.

use serde_json::Value;
use throughline_core::{
    Attributes, CallbackId, Envelope, Record, Saga, SagaInput, Timestamp, Verdict, Version,
    ledger::{Destination, Outgoing},
    observer::Unobserved,
    ports::{Ports, Time as _},
    process::{Delivery, Settings, process},
    saga::{Document, StepRecord, Task, TaskError, Work, Worker, record_id},
};
use throughline_testing::{
    MemoryDeadLetters, MemoryLedger, SeededRandom, TestTime,
    fixtures::journey::{Approval, Decide, Journey, Train, Travel, journey},
};

pub(crate) struct World {
    pub(crate) ledger: MemoryLedger,
    pub(crate) worker: Worker<Travel>,
    pub(crate) start: Attributes,
    dead_letters: MemoryDeadLetters,
    time: TestTime,
    random: SeededRandom,
    started_at: Timestamp,
}

impl World {
    /// A dear journey that has started.
    pub(crate) fn new() -> Self {
        Self::of(journey())
    }

    pub(crate) fn of(saga: Saga<Travel>) -> Self {
        let ledger = MemoryLedger::default();
        ledger.seed(&Train { id: "t-1".into(), free_seats: 10 }, Version::At { version: 1, sequence: 0 });
        let time = TestTime::start();
        let start = Attributes {
            correlation_id: "correlation-1".into(),
            causation_id: Some("cause-1".into()),
            trace_parent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into()),
            subject: Some("j-1".into()),
            ..Attributes::new("execution-1", "test", "journey.start")
        };
        Self {
            ledger,
            worker: Worker::new(saga, Travel::default()),
            start,
            dead_letters: MemoryDeadLetters::default(),
            started_at: time.now(),
            time,
            random: SeededRandom::new(1),
        }
    }

    pub(crate) async fn run(&self, step: &str) -> Result<Value, TaskError> {
        self.task(Work::Run, step, 0, None).await
    }

    pub(crate) async fn undo(&self, step: &str) -> Result<Value, TaskError> {
        self.task(Work::Undo, step, 0, None).await
    }

    /// Asks for approval, so that the answer goes to a token.
    pub(crate) async fn ask(&self, retries: u32, token: &str) -> Result<Value, TaskError> {
        self.task(Work::Run, "approve", retries, Some(token.to_owned())).await
    }

    pub(crate) async fn task(
        &self,
        work: Work,
        step: &str,
        retries: u32,
        task_token: Option<String>,
    ) -> Result<Value, TaskError> {
        let input = Journey { journey_id: "j-1".into(), is_dear: true };
        let data = serde_json::value::to_raw_value(&input).expect("it has a JSON form");
        let start = Envelope { attributes: self.start.clone(), data };
        let task = Task {
            definition: self.worker.saga().fingerprint(),
            work,
            step: step.to_owned(),
            execution: "execution-1".to_owned(),
            started_at: self.started_at,
            retries,
            task_token,
            document: Document { start, failed: std::collections::BTreeMap::new() },
        };
        self.worker.work(self.ports(), &Settings::new("test"), None, &task).await
    }

    /// Somebody answers the question, or nobody takes the risk.
    pub(crate) async fn decide(&self, message: &str, by: Option<&str>) -> Verdict {
        let id = serde_json::Value::String(record_id(Journey::SAGA, "execution-1", "approve"));
        let callback: CallbackId<_> = serde_json::from_value(id).expect("an id is a text");
        let decide = Decide { journey_id: "j-1".into(), callback, by: by.map(Into::into) };
        let body = Envelope::of(message, "test", decide).encode().expect("it has a JSON form");
        let body = serde_json::to_string(&body).expect("it has a JSON form");
        let record = Record {
            message_id: message,
            source: "test",
            body: &body,
            attempt: 1,
            is_last_attempt: false,
            group: None,
            delivery: Delivery::default(),
        };
        process(&Approval, self.ports(), &Settings::new("test"), None, &[record]).await.remove(0)
    }

    pub(crate) fn record(&self, step: &str) -> Option<StepRecord> {
        self.ledger.entity(&record_id(Journey::SAGA, "execution-1", step))
    }

    /// The tokens that answers were sent to, in order.
    pub(crate) fn answered(&self) -> Vec<String> {
        let token = |outgoing: Outgoing| match outgoing.destination {
            Destination::Task { token } => Some(token),
            _ => None,
        };
        self.ledger.log().into_iter().filter_map(token).collect()
    }

    pub(crate) fn free_seats(&self) -> u32 {
        self.ledger.entity::<Train>("t-1").expect("the train is there").free_seats
    }

    fn ports(&self) -> Ports<'_> {
        Ports {
            ledger: &self.ledger,
            dead_letters: &self.dead_letters,
            time: &self.time,
            random: &self.random,
            observer: &Unobserved,
        }
    }
}
