//! The spans that a collector is sent of the main path and the relay.

mod trouble;
mod world;

use futures_util::{FutureExt as _, future::BoxFuture, join};
use throughline::{
    Attributes, Destination, Verdict,
    ledger::Outgoing,
    observer::Unobserved,
    prelude::*,
    relay::{Delivery, LogEntry, Publisher, RelayPorts, relay},
    traces::Traced,
};
use throughline_testing::fixtures::collector::{Span, about, child, children, named};
use world::{Behaviour, World, asked, producer, trace_parent, working};

const RECORD: &str = "process questions";

#[tokio::test]
async fn each_record_is_a_span_that_is_linked_to_whoever_emitted_its_event() {
    let world = World::start();
    let ids = ["e-1", "e-2", "e-3"];
    assert_eq!(world.invoke("i", &world.oracle(), &working(&ids), None).await, vec![Verdict::Done; 3]);
    let spans = world.sent().await;
    assert_eq!(named(&spans, RECORD).count(), 3);
    let invocation = named(&spans, "invocation").next().unwrap();
    assert!(invocation.0.get("parentSpanId").is_none());
    for id in ids {
        let record = about(&spans, id);
        assert_eq!(record.text("name"), RECORD);
        assert_eq!(record.0["kind"], 5, "a consumer");
        assert_eq!(record.text("traceId"), invocation.text("traceId"));
        assert_eq!(record.text("parentSpanId"), invocation.text("spanId"));
        assert_eq!(record.links(), [producer(id)]);
        assert_eq!(record.failure(), None);
        for (name, value) in [
            ("messaging.system", "aws_sqs"),
            ("messaging.destination.name", "questions"),
            ("messaging.operation.name", "process"),
            ("messaging.operation.type", "process"),
            ("messaging.message.id", "m-1"),
            ("messaging.message.conversation_id", id),
            ("cloudevents.event_type", "question.asked"),
            ("cloudevents.event_source", "crowd"),
            ("cloudevents.event_spec_version", "1.0"),
            ("throughline.handler", "oracle"),
            ("throughline.attempt", "1"),
            ("throughline.verdict", "done"),
        ] {
            assert_eq!(record.attribute(name).as_deref(), Some(value), "{name}");
        }
    }
}

#[tokio::test]
async fn what_is_done_for_a_record_is_spans_within_its_own() {
    let world = World::start();
    world.invoke("i", &leased(world.oracle()), &working(&["e-1", "e-2"]), None).await;
    let spans = world.sent().await;
    for id in ["e-1", "e-2"] {
        let record = about(&spans, id);
        let [claim, handler, commit] = ["claim", "handler", "commit"].map(|name| child(&spans, name, record));
        let load = child(&spans, "load", handler);
        assert_eq!(load.attribute("kind").as_deref(), Some("answer"));
        child(&spans, "thinking", handler);
        for (earlier, later) in [(claim, handler), (handler, commit)] {
            assert!(earlier.number("endTimeUnixNano") <= later.number("startTimeUnixNano"));
        }
        assert!(record.number("startTimeUnixNano") <= claim.number("startTimeUnixNano"));
        assert!(commit.number("endTimeUnixNano") <= record.number("endTimeUnixNano"));
    }
}

fn assert_goes_on_from_its_handler(spans: &[Span], emitted: &[Outgoing]) {
    for Outgoing { envelope, .. } in emitted {
        let cause = envelope.attributes.causation_id.as_deref().unwrap();
        let (trace_id, span_id) = child(spans, "handler", about(spans, cause)).id();
        assert_eq!(envelope.attributes.trace_parent, Some(format!("00-{trace_id}-{span_id}-01")));
    }
}

#[tokio::test]
async fn what_a_handler_emits_goes_on_from_its_span() {
    let world = World::start();
    world.invoke("i", &world.oracle(), &working(&["e-1", "e-2"]), None).await;
    let spans = world.sent().await;
    let emitted = world.ledger.log();
    assert_eq!(emitted.len(), 2);
    assert_goes_on_from_its_handler(&spans, &emitted);
}

#[tokio::test]
async fn the_next_function_links_to_the_span_that_emitted_its_event() {
    let world = World::start();
    world.invoke("i", &world.oracle(), &working(&["e-1"]), None).await;
    let emitted = world.ledger.log();
    let next = handler_fn("next", async |_: Envelope<world::Answered>| Ok::<(), Failure>(()));
    let body = serde_json::to_string(&emitted[0].envelope).unwrap();
    world.invoke("j", &next, &[body], None).await;
    let spans = world.sent().await;
    let (trace_id, span_id) = child(&spans, "handler", about(&spans, "e-1")).id();
    let record = about(&spans, &emitted[0].envelope.attributes.id);
    assert_eq!(record.links(), [(trace_id.to_owned(), span_id.to_owned())]);
    assert_ne!(record.text("traceId"), trace_id, "linked, and not part of the same trace");
}

#[tokio::test]
async fn a_group_that_is_committed_together_has_one_span_a_record() {
    let world = World::start();
    let ids = ["e-1", "e-2", "e-3"];
    world.invoke("i", &world.oracle(), &working(&ids), Some("group")).await;
    let spans = world.sent().await;
    assert_eq!(named(&spans, RECORD).count(), 3);
    for id in ids {
        assert_eq!(about(&spans, id).attribute("throughline.verdict").as_deref(), Some("done"));
    }
    assert_goes_on_from_its_handler(&spans, &world.ledger.log());
    let invocation = named(&spans, "invocation").next().unwrap();
    child(&spans, "commit", invocation);
}

#[tokio::test]
async fn a_failure_is_told_by_its_kind_and_never_by_its_text() {
    let world = World::start();
    let behaviours = [
        ("e-1", Behaviour::Fails, "retry", "Closed"),
        ("e-2", Behaviour::Rejects, "rejected", "Silly"),
        ("e-3", Behaviour::Panics, "retry", "Panic"),
    ];
    let bodies: Vec<String> = behaviours.iter().map(|(id, behaviour, ..)| asked(id, *behaviour)).collect();
    world.invoke("i", &world.oracle(), &bodies, None).await;
    world.invoke("j", &world.oracle(), &["{ SECRET".to_owned()], None).await;
    let spans = world.sent().await;
    for (id, _, verdict, error_type) in behaviours {
        let record = about(&spans, id);
        let handler = child(&spans, "handler", record);
        assert_eq!(record.attribute("throughline.verdict").as_deref(), Some(verdict));
        for span in [record, handler] {
            assert_eq!(span.failure().as_deref(), Some(error_type));
        }
    }
    let unread = named(&spans, RECORD).find(|span| span.attribute("cloudevents.event_id").is_none()).unwrap();
    assert!(unread.failure().is_some());
    assert!(!format!("{spans:?}").contains("SECRET"));
}

#[tokio::test]
async fn what_was_done_before_is_no_failure() {
    let world = World::start();
    let bodies = working(&["e-1"]);
    world.invoke("i", &world.oracle(), &bodies, None).await;
    world.sent().await;
    let before = world.collector.spans().len();
    assert_eq!(world.invoke("j", &world.oracle(), &bodies, None).await, [Verdict::Duplicate]);
    let spans = world.sent().await;
    let record = about(&spans[before..], "e-1");
    assert_eq!(record.attribute("throughline.verdict").as_deref(), Some("duplicate"));
    assert!(spans[before..].iter().all(|span| span.failure().is_none()));
}

/// Each of these invocations has its spans, and none of another's.
fn assert_apart(spans: &[Span], invocations: &[(String, Vec<String>)]) {
    let mut traces = Vec::new();
    for (name, ids) in invocations {
        let invocation =
            named(spans, "invocation").find(|span| span.attribute("name").as_ref() == Some(name)).unwrap();
        traces.push(invocation.text("traceId"));
        assert_eq!(children(spans, RECORD, invocation).len(), ids.len());
        for id in ids {
            let record = about(spans, id);
            assert_eq!(record.text("parentSpanId"), invocation.text("spanId"));
            assert_eq!(record.links(), [producer(id)]);
            let handler = child(spans, "handler", record);
            child(spans, "load", handler);
            child(spans, "thinking", handler);
            child(spans, "commit", record);
        }
        // The invocation, and of each record itself, handler, thinking, load and commit.
        let of_trace = spans.iter().filter(|span| span.text("traceId") == invocation.text("traceId"));
        assert_eq!(of_trace.count(), 1 + 5 * ids.len());
    }
    traces.sort_unstable();
    traces.dedup();
    assert_eq!(traces.len(), invocations.len());
}

fn invocation(name: &str, records: usize) -> (String, Vec<String>) {
    (name.to_owned(), (0..records).map(|number| format!("{name}-{number}")).collect())
}

async fn run(world: &World, (name, ids): &(String, Vec<String>)) {
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let verdicts = world.invoke(name, &world.oracle(), &working(&ids), None).await;
    assert_eq!(verdicts, vec![Verdict::Done; ids.len()]);
    world.traces.flush(None).await;
}

#[tokio::test]
async fn invocations_that_overlap_on_one_thread_do_not_mix() {
    let world = World::start();
    let invocations = [invocation("a", 10), invocation("b", 10)];
    join!(run(&world, &invocations[0]), run(&world, &invocations[1]));
    assert_apart(&world.collector.spans(), &invocations);
}

#[test]
fn invocations_that_overlap_on_several_threads_do_not_mix_and_each_has_sent_its_spans_when_it_returns() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let inside = runtime.enter();
    let world = World::start();
    drop(inside);
    let recorded = tracing::dispatcher::get_default(Clone::clone);
    let invocations: Vec<_> = (0..8).map(|number| invocation(&format!("i{number}"), 20)).collect();
    std::thread::scope(|scope| {
        for one in &invocations {
            let (world, recorded) = (&world, &recorded);
            scope.spawn(move || {
                let _recording = tracing::dispatcher::set_default(recorded);
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(run(world, one));
                let sent = world.collector.spans();
                for id in &one.1 {
                    about(&sent, id);
                }
                assert!(
                    named(&sent, "invocation").any(|span| span.attribute("name").as_ref() == Some(&one.0))
                );
            });
        }
    });
    assert_apart(&world.collector.spans(), &invocations);
}

/// Takes everything but what it is told to refuse.
struct Bus {
    refused: &'static str,
}

impl Publisher for Bus {
    fn publish<'a>(&'a self, messages: &'a [&'a Outgoing]) -> BoxFuture<'a, Vec<Delivery>> {
        let answer = |message: &&Outgoing| {
            if message.envelope.attributes.id == self.refused {
                return Delivery::Refused { error_type: "NotAuthorized".into(), reason: "SECRET".into() };
            }
            Delivery::Accepted
        };
        std::future::ready(messages.iter().map(answer).collect()).boxed()
    }
}

async fn published(world: &World, refused: &'static str, destination: Destination) -> Vec<Span> {
    let entry = |id: &str| {
        let attributes =
            Attributes { trace_parent: Some(trace_parent(id)), ..Attributes::new(id, "shop", "t") };
        let envelope = Envelope { attributes, data: serde_json::value::to_raw_value(&()).unwrap() };
        let message = Ok(Outgoing { destination: destination.clone(), envelope });
        LogEntry { sequence_number: id.into(), message, raw: String::new() }
    };
    let ports = RelayPorts {
        publisher: &Bus { refused },
        dead_letters: &world.dead_letters,
        time: &world.time,
        observer: &Traced(&Unobserved),
    };
    assert_eq!(relay(&[entry("e-1"), entry("e-2")], ports).await, None);
    world.sent().await
}

#[tokio::test]
async fn publishing_is_a_span_that_is_linked_to_all_that_it_publishes() {
    let world = World::start();
    let spans = published(&world, "none", Destination::Queue("orders".into())).await;
    let publish = named(&spans, "publish orders").next().unwrap();
    assert_eq!(publish.0["kind"], 4, "a producer");
    assert_eq!(publish.links(), [producer("e-1"), producer("e-2")]);
    for (name, value) in [
        ("messaging.system", "aws_sqs"),
        ("messaging.operation.name", "publish"),
        ("messaging.operation.type", "send"),
        ("messaging.batch.message_count", "2"),
    ] {
        assert_eq!(publish.attribute(name).as_deref(), Some(value), "{name}");
    }
    assert_eq!(about(&spans, "e-2").links(), [producer("e-2")]);
}

#[tokio::test]
async fn what_the_bus_refuses_is_a_failure_of_its_publishing_and_of_its_entry() {
    let world = World::start();
    let spans = published(&world, "e-2", Destination::Bus).await;
    let publish = named(&spans, "publish").next().unwrap();
    assert_eq!(publish.failure().as_deref(), Some("NotAuthorized"));
    assert_eq!(about(&spans, "e-1").failure(), None);
    assert_eq!(about(&spans, "e-2").failure().as_deref(), Some("NotAuthorized"));
    assert!(!format!("{spans:?}").contains("SECRET"));
}
