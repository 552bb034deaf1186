//! Collectors that do not do as they should, and settings.

use crate::world::{World, traces, working};
use std::{
    io::Write as _,
    net::TcpListener,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use throughline::{Timestamp, Verdict, logs::JsonLines};
use throughline_testing::fixtures::collector::{Collector, Manner, named};
use tracing::{info_span, subscriber::DefaultGuard};
use tracing_subscriber::layer::SubscriberExt as _;

/// Lines of the log, beside the traces.
fn recorded(traces: &throughline::traces::Traces) -> (Arc<Mutex<Vec<u8>>>, DefaultGuard) {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&lines);
    let log = JsonLines { write: move |line: &[u8]| kept.lock().unwrap().write_all(line).unwrap() };
    let subscriber = tracing_subscriber::registry().with(log).with(traces.layer());
    (lines, tracing::subscriber::set_default(subscriber))
}

fn warnings(lines: &Mutex<Vec<u8>>) -> Vec<String> {
    let text = String::from_utf8(lines.lock().unwrap().clone()).unwrap();
    text.lines().filter(|line| line.contains(r#""level":"WARN""#)).map(ToOwned::to_owned).collect()
}

#[tokio::test]
async fn a_collector_that_is_not_there_stops_nobody_and_is_warned_of_once() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let traces = traces(&format!("http://{nobody}"), &[]);
    let (lines, _recording) = recorded(&traces);
    for _ in 0..5 {
        info_span!("invocation").in_scope(|| {});
        traces.flush(None).await;
    }
    let warnings = warnings(&lines);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("traces cannot be sent"), "{warnings:?}");
}

#[tokio::test]
async fn a_collector_that_hangs_delays_one_invocation_by_its_patience_and_the_others_not_at_all() {
    let collector = Collector::start();
    collector.now(Manner::Hangs);
    let traces = traces(&collector.endpoint, &[("OTEL_EXPORTER_OTLP_TIMEOUT", "300")]);
    let (lines, _recording) = recorded(&traces);
    let mut waited = Vec::new();
    for _ in 0..3 {
        info_span!("invocation").in_scope(|| {});
        let since = Instant::now();
        traces.flush(None).await;
        waited.push(since.elapsed());
    }
    assert!((300..600).contains(&waited[0].as_millis()), "{waited:?}");
    assert!(waited[1..].iter().all(|waited| waited.as_millis() < 100), "{waited:?}");
    assert_eq!(warnings(&lines).len(), 1);
}

#[tokio::test]
async fn a_collector_that_hangs_takes_nothing_of_the_time_that_the_answer_needs() {
    let collector = Collector::start();
    collector.now(Manner::Hangs);
    for (left, most) in [(300, 200), (50, 0)] {
        let traces = traces(&collector.endpoint, &[]);
        let (_lines, _recording) = recorded(&traces);
        info_span!("invocation").in_scope(|| {});
        let deadline = Timestamp::now() + Duration::from_millis(left);
        let since = Instant::now();
        traces.flush(Some(deadline)).await;
        let waited = since.elapsed();
        assert!(waited < Duration::from_millis(most + 90), "{waited:?} of {left} ms");
    }
}

#[tokio::test]
async fn a_collector_that_refuses_fails_no_invocation() {
    let world = World::start();
    world.collector.now(Manner::Answers(503));
    assert_eq!(world.invoke("i", &world.oracle(), &working(&["e-1"]), None).await, [Verdict::Done]);
    world.sent().await;
    assert_eq!(world.collector.requests().len(), 1, "it is not asked again at once");
}

#[tokio::test]
async fn a_request_says_who_sends_it() {
    let world = World::with(&[
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-team=shop%20floor"),
        ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test"),
    ]);
    info_span!("invocation").in_scope(|| {});
    world.sent().await;
    let requests = world.collector.requests();
    let [request] = &requests[..] else { panic!("{requests:?}") };
    for header in ["content-type: application/json", "x-team: shop floor"] {
        assert!(request.headers.iter().any(|sent| sent == header), "{:?}", request.headers);
    }
    let resource = request.body["resourceSpans"][0]["resource"]["attributes"].as_array().unwrap();
    let value =
        |name: &str| resource.iter().find(|one| one["key"] == name).map(|one| &one["value"]["stringValue"]);
    for (name, expected) in [
        ("service.name", "oracle"),
        ("faas.name", "oracle"),
        ("cloud.platform", "aws_lambda"),
        ("deployment.environment.name", "test"),
    ] {
        assert_eq!(value(name).unwrap(), expected, "{name}");
    }
}

#[tokio::test]
async fn nothing_is_sent_where_there_is_nothing_to_send() {
    let world = World::start();
    world.sent().await;
    world.sent().await;
    assert!(world.collector.requests().is_empty());
}

#[tokio::test]
async fn what_is_not_sampled_is_not_sent_and_says_so_to_whoever_goes_on_from_it() {
    let world = World::with(&[("OTEL_TRACES_SAMPLER", "always_off")]);
    world.invoke("i", &world.oracle(), &working(&["e-1"]), None).await;
    assert_eq!(world.sent().await, []);
    let emitted = world.ledger.log();
    let trace_parent = emitted[0].envelope.attributes.trace_parent.as_deref().unwrap();
    assert!(trace_parent.ends_with("-00"), "{trace_parent}");
}

#[tokio::test]
async fn the_log_is_as_it_was_and_no_part_of_the_traces() {
    let world = World::start();
    let (lines, recording) = recorded(&world.traces);
    world.invoke("i", &world.oracle(), &working(&["e-1"]), None).await;
    drop(recording);
    let text = String::from_utf8(lines.lock().unwrap().clone()).unwrap();
    assert!(text.contains(r#""eventid":"e-1""#) && !text.contains("otel."), "{text}");
    let spans = world.sent().await;
    assert!(named(&spans, "handler").next().is_some());
    assert!(spans.iter().all(|span| span.0.get("events").is_none()));
}
