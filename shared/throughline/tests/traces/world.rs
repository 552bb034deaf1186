//! The main path over an in-memory ledger, recorded.

use serde::{Deserialize, Serialize};
use std::time::Duration;
use throughline::{
    Environment, Record, Verdict,
    observer::Unobserved,
    ports::{Ports, Time as _},
    prelude::*,
    process::{self, Delivery, process},
    traces::{Settings, Traced, Traces},
};
use throughline_testing::{
    MemoryDeadLetters, MemoryLedger, SeededRandom, TestTime,
    fixtures::collector::{Collector, Span},
};
use tracing::{Instrument as _, info_span, subscriber::DefaultGuard};
use tracing_subscriber::layer::SubscriberExt as _;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Asked {
    pub(crate) id: String,
    pub(crate) behaviour: Behaviour,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Behaviour {
    Works,
    Fails,
    Rejects,
    Panics,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Answered {
    pub(crate) id: String,
}

events! { pub(crate) enum Question of "question" { "question.asked" v1 => Asked(Asked.id) } }
events! { pub(crate) enum Answer of "answer" { "answer.given" v1 => Answered(Answered.id) } }

impl Entity for Answered {
    const KIND: &'static str = "answer";

    fn id(&self) -> String {
        self.id.clone()
    }
}

/// Thinks for a moment, so that others come in between; looks the answer up, saves and announces it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Oracle {
    time: TestTime,
}

impl Handler for Oracle {
    const NAME: &'static str = "oracle";
    type Message = Asked;
    type Emits = Answer;

    async fn handle(
        &self,
        asked: Envelope<Asked>,
        context: &Context<'_>,
    ) -> Result<Effects<Answer>, Failure> {
        self.time.sleep(Duration::from_millis(2)).instrument(info_span!("thinking")).await;
        let answer = Answered { id: asked.data.id };
        match asked.data.behaviour {
            Behaviour::Works => {}
            Behaviour::Fails => return Err(Failure::retry("SECRET").named("Closed")),
            Behaviour::Rejects => return Err(Failure::reject("SECRET").named("Silly")),
            Behaviour::Panics => panic!("SECRET"),
        }
        let known = context.load::<Answered>(&answer.id).await?;
        let saved = known.unwrap_or_else(|| Versioned::new(answer.clone()));
        Ok(Effects::none().save(saved).emit(answer))
    }
}

pub(crate) struct World {
    pub(crate) collector: Collector,
    pub(crate) traces: Traces,
    pub(crate) ledger: MemoryLedger,
    pub(crate) dead_letters: MemoryDeadLetters,
    pub(crate) time: TestTime,
    random: SeededRandom,
    _recording: DefaultGuard,
}

pub(crate) const QUEUE: &str = "arn:aws:sqs:eu-west-1:123456789012:questions";

impl World {
    pub(crate) fn start() -> Self {
        Self::with(&[])
    }

    /// With more settings.
    pub(crate) fn with(more: &[(&str, &str)]) -> Self {
        let collector = Collector::start();
        let traces = traces(&collector.endpoint, more);
        let recording = tracing::subscriber::set_default(tracing_subscriber::registry().with(traces.layer()));
        Self {
            collector,
            traces,
            ledger: MemoryLedger::default(),
            dead_letters: MemoryDeadLetters::default(),
            time: TestTime::start(),
            random: SeededRandom::new(1),
            _recording: recording,
        }
    }

    pub(crate) fn oracle(&self) -> Oracle {
        Oracle { time: self.time }
    }

    /// An invocation with these bodies.
    pub(crate) async fn invoke<H: Handler>(
        &self,
        name: &str,
        handler: &H,
        bodies: &[String],
        group: Option<&str>,
    ) -> Vec<Verdict> {
        let records: Vec<Record<'_>> = bodies
            .iter()
            .map(|body| Record {
                message_id: "m-1",
                source: QUEUE,
                body,
                attempt: 1,
                is_last_attempt: false,
                group,
                delivery: Delivery::default(),
            })
            .collect();
        let ports = Ports {
            ledger: &self.ledger,
            dead_letters: &self.dead_letters,
            time: &self.time,
            random: &self.random,
            observer: &Traced(&Unobserved),
        };
        let settings = process::Settings::new("oracle");
        process(handler, ports, &settings, None, &records).instrument(info_span!("invocation", name)).await
    }

    pub(crate) async fn sent(&self) -> Vec<Span> {
        self.traces.flush(None).await;
        self.collector.spans()
    }
}

pub(crate) fn traces(endpoint: &str, more: &[(&str, &str)]) -> Traces {
    let name = ("AWS_LAMBDA_FUNCTION_NAME", "oracle");
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint);
    let mut environment = match *more {
        [] => Environment::from([name, endpoint]),
        [one] => Environment::from([name, endpoint, one]),
        [one, two] => Environment::from([name, endpoint, one, two]),
        _ => panic!("as many were not needed yet"),
    };
    let traces = Traces::start(Settings::read(&mut environment).unwrap());
    environment.finish().unwrap();
    traces
}

/// The trace context of whoever emitted an event: its ids are made of the event's.
pub(crate) fn producer(event_id: &str) -> (String, String) {
    let number = event_id.bytes().fold(7u64, |sum, byte| sum * 31 + u64::from(byte));
    (format!("{number:032x}"), format!("{number:016x}"))
}

pub(crate) fn trace_parent(event_id: &str) -> String {
    let (trace_id, span_id) = producer(event_id);
    format!("00-{trace_id}-{span_id}-01")
}

pub(crate) fn asked(id: &str, behaviour: Behaviour) -> String {
    let mut envelope = Envelope::of(id, "crowd", Asked { id: id.into(), behaviour }).encode().unwrap();
    envelope.attributes.trace_parent = Some(trace_parent(id));
    serde_json::to_string(&envelope).unwrap()
}

pub(crate) fn working(ids: &[&str]) -> Vec<String> {
    ids.iter().map(|id| asked(id, Behaviour::Works)).collect()
}
