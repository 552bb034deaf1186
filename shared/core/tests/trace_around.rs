//! The trace that surrounds a message is gone on from, where the message names none itself.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use throughline_core::{
    observer::{BegunRecord, Observer},
    ports::Ports,
    prelude::*,
    process::{Delivery, Record, Settings, Verdict, process},
};
use throughline_testing::{MemoryDeadLetters, MemoryLedger, SeededRandom, TestTime};
use tracing::Span;

const OWN: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const AROUND: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const X_RAY: &str = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
const OF_X_RAY: &str = "00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01";

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Placed {
    order_id: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Confirmed {
    order_id: String,
}

events! {
    /// Orders.
    enum OrderEvent of "order" {
        "order.placed" v1 => Placed(Placed.order_id),
        "order.confirmed" v1 => Confirmed(Confirmed.order_id),
    }
}

async fn confirm(placed: Envelope<Placed>) -> Result<Effects<OrderEvent>, Failure> {
    Ok(Effects::none().emit(Confirmed { order_id: placed.data.order_id }))
}

/// Records traces, if it is told the span that emits.
#[derive(Default)]
struct Traces {
    emitting: Option<&'static str>,
    linked: std::sync::Mutex<Vec<Option<String>>>,
}

impl Observer for Traces {
    fn record_began(&self, _: &Span, record: BegunRecord<'_>) {
        let trace_parent = record.message.and_then(|message| message.trace_parent.clone());
        self.linked.lock().unwrap().push(trace_parent);
    }

    fn trace_parent(&self, _: &Span) -> Option<String> {
        self.emitting.map(Into::into)
    }
}

/// Returns the link of the record's span, and the `traceparent` and `tracestate` of the emitted messages.
async fn traced(
    members: &str,
    delivery: Delivery<'_>,
    emitting: Option<&'static str>,
) -> [Option<String>; 3] {
    let body = format!(
        r#"{{"specversion":"1.0","id":"e-1","source":"shop","type":"order.placed",{members}"data":{{"order_id":"o-1"}}}}"#
    );
    let (ledger, dead_letters) = (MemoryLedger::default(), MemoryDeadLetters::default());
    let traces = Traces { emitting, ..Traces::default() };
    let ports = Ports {
        ledger: &ledger,
        dead_letters: &dead_letters,
        time: &TestTime::start(),
        random: &SeededRandom::new(1),
        observer: &traces,
    };
    let record = Record {
        message_id: "m-1",
        source: "queue",
        body: &body,
        attempt: 1,
        is_last_attempt: false,
        group: None,
        delivery,
    };
    let handler = handler_fn("confirm", confirm);
    let verdicts = process(&handler, ports, &Settings::new("shop"), None, &[record]).await;
    assert_eq!(verdicts, [Verdict::Done]);
    let emitted = ledger.log().remove(0).envelope.attributes;
    [traces.linked.lock().unwrap().remove(0), emitted.trace_parent, emitted.trace_state]
}

fn attributes(values: &[(&str, &str)]) -> String {
    let attribute = |(name, value): &(&str, &str)| {
        ((*name).to_owned(), json!({ "stringValue": value, "stringListValues": [], "dataType": "String" }))
    };
    Value::Object(values.iter().map(attribute).collect()).to_string()
}

fn some<const N: usize>(texts: [&str; N]) -> [Option<String>; N] {
    texts.map(|text| Some(text.to_owned()).filter(|text| !text.is_empty()))
}

#[tokio::test]
async fn a_message_that_names_no_trace_goes_on_in_the_one_of_its_attributes() {
    let json = attributes(&[("traceparent", AROUND), ("tracestate", "vendor=1")]);
    let delivery =
        Delivery { message_attributes: Some(&json), trace_header: Some(X_RAY), ..Delivery::default() };
    assert_eq!(traced("", delivery, None).await, some([AROUND, AROUND, "vendor=1"]));
    let foreign = r#""traceparent":"none","#;
    assert_eq!(traced(foreign, delivery, None).await, some([AROUND, AROUND, "vendor=1"]));
}

#[tokio::test]
async fn the_header_of_x_ray_counts_where_no_attribute_names_a_trace() {
    for json in ["{}".to_owned(), attributes(&[("traceparent", "none")]), attributes(&[("tenant", "t-1")])] {
        let delivery =
            Delivery { message_attributes: Some(&json), trace_header: Some(X_RAY), ..Delivery::default() };
        assert_eq!(traced("", delivery, None).await, some([OF_X_RAY, OF_X_RAY, ""]));
    }
    let nothing =
        Delivery { trace_header: Some("Root=1-5759e988-bd862e3fe1be46a994272793"), ..Delivery::default() };
    assert_eq!(traced("", nothing, None).await, [None, None, None]);
}

#[tokio::test]
async fn a_message_that_names_its_trace_stays_in_it() {
    let json = attributes(&[("traceparent", AROUND), ("tracestate", "vendor=1")]);
    let delivery =
        Delivery { message_attributes: Some(&json), trace_header: Some(X_RAY), ..Delivery::default() };
    let own = format!(r#""traceparent":"{OWN}","#);
    assert_eq!(traced(&own, delivery, None).await, some([OWN, OWN, ""]));
    let with_state = format!(r#"{own}"tracestate":"own=1","#);
    assert_eq!(traced(&with_state, delivery, None).await, some([OWN, OWN, "own=1"]));
}

#[tokio::test]
async fn what_vendors_note_stays_with_their_trace_when_a_span_of_another_emits() {
    let own = format!(r#""traceparent":"{OWN}","tracestate":"own=1","#);
    let elsewhere = traced(&own, Delivery::default(), Some(AROUND)).await;
    assert_eq!(elsewhere, some([OWN, AROUND, ""]));
    let within = "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01";
    assert_eq!(traced(&own, Delivery::default(), Some(within)).await, some([OWN, within, "own=1"]));
}
