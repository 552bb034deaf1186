//! Traces of a real process: sent before it answers, apart when its invocations overlap, and never in its way.

use futures_util::future::join_all;
use serde_json::json;
use std::time::{Duration, Instant};
use throughline_laboratory::{Function, FunctionSettings, Laboratory, sqs_event};
use throughline_testing::fixtures::collector::{Collector, Manner, Span, about, child, children, named};

const MINUTE: Duration = Duration::from_mins(1);
const RECORDS: usize = 5;

/// A function that loads, saves and emits.
fn settings(laboratory: &Laboratory, collector: &Collector) -> FunctionSettings {
    laboratory
        .function("meters", env!("CARGO_BIN_EXE_benchmark-framework"))
        .with("BENCHMARK_HANDLER", "load-save-emit")
        .with("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint.as_str())
}

fn id(invocation: usize, record: usize) -> String {
    format!("e-{invocation}-{record}")
}

/// A batch for an invocation, of readings of as many meters.
fn batch(invocation: usize) -> Vec<u8> {
    let bodies: Vec<String> = (0..RECORDS)
        .map(|record| {
            let id = id(invocation, record);
            let data = json!({ "meter_id": id, "amount": 7, "note": "" });
            json!({
                "specversion": "1.0", "id": id, "source": "meters", "type": "reading.taken", "schemaversion": 1,
                "data": data,
            })
            .to_string()
        })
        .collect();
    sqs_event(bodies.iter().map(String::as_str), 1)
}

/// The span of the invocation that had this batch, after it was seen to have all of it and nothing else.
fn whole(spans: &[Span], invocation: usize) -> &Span {
    let of_first = about(spans, &id(invocation, 0));
    let parent =
        spans.iter().find(|span| span.id() == (of_first.text("traceId"), of_first.text("parentSpanId")));
    let parent = parent.expect("its invocation's span is there");
    assert_eq!((parent.text("name"), &parent.0["kind"]), ("meters", &json!(2)));
    for record in 0..RECORDS {
        let record = about(spans, &id(invocation, record));
        assert_eq!(record.text("parentSpanId"), parent.text("spanId"));
        let handler = child(spans, "handler", record);
        child(spans, "load", handler);
        child(spans, "commit", record);
    }
    let of_trace = spans.iter().filter(|span| span.text("traceId") == parent.text("traceId"));
    assert_eq!(of_trace.count(), 1 + 4 * RECORDS);
    parent
}

#[tokio::test]
async fn an_invocation_has_sent_all_its_spans_when_it_answers() {
    let (laboratory, collector) = (Laboratory::open().await.unwrap(), Collector::start());
    let function = Function::start(&settings(&laboratory, &collector)).await.unwrap();
    for invocation in 0..3 {
        let answer = function.invoke(batch(invocation), MINUTE).await.unwrap();
        assert_eq!(answer.payload, json!({ "batchItemFailures": [] }));
        let spans = collector.spans();
        let span = whole(&spans, invocation);
        assert!(span.attribute("faas.invocation_id").is_some());
        assert!(span.attribute("cloud.resource_id").unwrap().ends_with(":function:meters"));
        assert_eq!(named(&spans, "meters").count(), invocation + 1);
    }
}

#[tokio::test]
async fn invocations_that_one_process_has_at_a_time_do_not_mix() {
    const INVOCATIONS: usize = 16;
    let (laboratory, collector) = (Laboratory::open().await.unwrap(), Collector::start());
    let settings = settings(&laboratory, &collector).with("AWS_LAMBDA_MAX_CONCURRENCY", "4");
    let function = Function::start(&settings).await.unwrap();
    let invoked = (0..INVOCATIONS).map(async |invocation| {
        let answer = function.invoke(batch(invocation), MINUTE).await.unwrap();
        assert_eq!(answer.payload, json!({ "batchItemFailures": [] }));
        // All of it, now that it has answered.
        whole(&collector.spans(), invocation);
    });
    join_all(invoked).await;
    let spans = collector.spans();
    let of_invocations: Vec<&Span> = (0..INVOCATIONS).map(|invocation| whole(&spans, invocation)).collect();
    let times = |span: &Span| (span.number("startTimeUnixNano"), span.number("endTimeUnixNano"));
    let do_overlap = of_invocations.iter().enumerate().any(|(at, one)| {
        let (start, end) = times(one);
        of_invocations[..at].iter().map(|other| times(other)).any(|other| other.0 < end && start < other.1)
    });
    assert!(do_overlap, "no two invocations were under way at a time");
    // Each payload came to its own invocation, once: a claim, a meter and an event of each record.
    let items = laboratory.database.items(laboratory.database.ledger_table()).await.unwrap();
    assert_eq!(items.len(), 3 * RECORDS * INVOCATIONS);
}

#[tokio::test]
async fn a_collector_that_hangs_neither_fails_an_invocation_nor_keeps_it_longer_than_it_may() {
    let (laboratory, collector) = (Laboratory::open().await.unwrap(), Collector::start());
    collector.now(Manner::Hangs);
    let settings = settings(&laboratory, &collector).with("OTEL_EXPORTER_OTLP_TIMEOUT", "400");
    let function = Function::start(&settings).await.unwrap();
    function.ready().await.unwrap();
    let mut took = Vec::new();
    for invocation in 0..3 {
        let since = Instant::now();
        let answer = function.invoke(batch(invocation), MINUTE).await.unwrap();
        took.push(since.elapsed());
        assert_eq!(answer.payload, json!({ "batchItemFailures": [] }));
    }
    assert!(took[0] >= Duration::from_millis(400), "{took:?}");
    assert!(took[1..].iter().all(|took| took.as_millis() < 400), "{took:?}");
    let lines = function.lines();
    assert_eq!(lines.iter().filter(|line| line.contains("traces cannot be sent")).count(), 1, "{lines:?}");
}

#[tokio::test]
async fn an_invocation_that_fails_as_a_whole_says_why_by_its_kind() {
    let (laboratory, collector) = (Laboratory::open().await.unwrap(), Collector::start());
    let function = Function::start(&settings(&laboratory, &collector)).await.unwrap();
    function.invoke("{}", MINUTE).await.unwrap_err();
    let spans = collector.spans();
    let span = named(&spans, "meters").next().unwrap();
    assert_eq!(span.failure().as_deref(), Some("NotAnSqsEvent"));
    assert_eq!(children(&spans, "process source", span).len(), 0);
}

#[tokio::test]
async fn no_collector_is_asked_where_no_traces_are_wanted() {
    let (laboratory, collector) = (Laboratory::open().await.unwrap(), Collector::start());
    let settings = settings(&laboratory, &collector).with("OTEL_SDK_DISABLED", "true");
    let function = Function::start(&settings).await.unwrap();
    function.invoke(batch(0), MINUTE).await.unwrap();
    assert!(collector.requests().is_empty());
}

#[tokio::test]
async fn variables_that_are_not_understood_are_warned_of_once_and_the_spans_arrive() {
    let (laboratory, collector) = (Laboratory::open().await.unwrap(), Collector::start());
    let odd = [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "nonsense"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon"),
        ("OTEL_TRACES_EXPORTER", "OTLP,console"),
        ("OTEL_RESOURCE_ATTRIBUTES", "nonsense"),
        ("OTEL_TRACES_SAMPLER", "sometimes"),
    ];
    let settings =
        odd.iter().fold(settings(&laboratory, &collector), |all, (name, value)| all.with(name, *value));
    let function = Function::start(&settings).await.unwrap();
    for invocation in 0..2 {
        function.invoke(batch(invocation), MINUTE).await.unwrap();
        whole(&collector.spans(), invocation);
    }
    let lines = function.lines();
    for (name, _) in odd {
        let about = lines.iter().filter(|line| line.contains(name));
        let about: Vec<_> = about.filter(|line| line.contains(r#""level":"WARN""#)).collect();
        assert_eq!(about.len(), 1, "{name}: {lines:?}");
    }
}
