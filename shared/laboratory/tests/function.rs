//! The laboratory itself, with a small function of its own.

use serde_json::json;
use std::{path::Path, time::Duration};
use throughline_laboratory::{Function, FunctionSettings, Laboratory, Moment, Unanswered, sqs_event};

const MINUTE: Duration = Duration::from_mins(1);

/// A function that claims each message, and does nothing else.
fn settings(laboratory: &Laboratory) -> FunctionSettings {
    laboratory.function("benchmark", env!("CARGO_BIN_EXE_benchmark-framework"))
}

fn batch() -> Vec<u8> {
    let body = json!({
        "specversion": "1.0", "id": "e-1", "source": "meters", "type": "reading.taken", "schemaversion": 1,
        "data": { "meter_id": "m-1", "amount": 7, "note": "" }
    });
    sqs_event([body.to_string().as_str()], 1)
}

async fn claims(laboratory: &Laboratory) -> usize {
    laboratory.database.items(laboratory.database.ledger_table()).await.unwrap().len()
}

#[tokio::test]
async fn a_function_answers_and_what_it_asked_is_counted() {
    let laboratory = Laboratory::open().await.unwrap();
    laboratory.recorder.ask_for_capacity();
    let function = Function::start(&settings(&laboratory)).await.unwrap();
    assert!(function.ready().await.unwrap() > Duration::ZERO);
    let answer = function.invoke(batch(), MINUTE).await.unwrap();
    assert_eq!(answer.payload, json!({ "batchItemFailures": [] }));
    assert!(answer.at > function.started_at());
    assert_eq!(laboratory.recorder.counts().values().sum::<usize>(), 1);
    assert!(laboratory.recorder.capacity().writes >= 1.0);
    assert!(function.cpu_time().unwrap() > Duration::ZERO);
    assert!(function.peak_memory().unwrap() > 1 << 20);
    assert!(function.lines().iter().any(|line| line.contains("e-1")), "{:?}", function.lines());
}

#[tokio::test]
async fn a_function_killed_before_its_request_has_written_nothing_and_after_it_has() {
    for (moment, written) in [(Moment::Before, 0), (Moment::After, 1)] {
        let laboratory = Laboratory::open().await.unwrap();
        let function = Function::start(&settings(&laboratory)).await.unwrap();
        laboratory.recorder.kill_at(1, moment, &function);
        let died = function.invoke(batch(), MINUTE).await.unwrap_err();
        assert!(matches!(died, Unanswered::Died { .. }), "{died}");
        assert!(!laboratory.recorder.spare(), "it was killed, it did not die by itself");
        laboratory.recorder.quiet().await;
        assert_eq!(claims(&laboratory).await, written, "{moment:?}");
    }
}

#[tokio::test]
async fn a_function_that_makes_fewer_requests_is_spared() {
    let laboratory = Laboratory::open().await.unwrap();
    let function = Function::start(&settings(&laboratory)).await.unwrap();
    laboratory.recorder.kill_at(2, Moment::Before, &function);
    function.invoke(batch(), MINUTE).await.unwrap();
    assert!(laboratory.recorder.spare());
}

#[tokio::test]
async fn a_function_that_cannot_start_says_why() {
    let laboratory = Laboratory::open().await.unwrap();
    let mut settings = settings(&laboratory);
    settings.variables.remove("THROUGHLINE_TABLE");
    let function = Function::start(&settings).await.unwrap();
    let died = function.invoke(batch(), MINUTE).await.unwrap_err().to_string();
    assert!(died.contains("THROUGHLINE_TABLE is not set"), "{died}");
}

#[tokio::test]
async fn a_payload_that_is_no_batch_fails_the_invocation_and_not_the_process() {
    let laboratory = Laboratory::open().await.unwrap();
    let function = Function::start(&settings(&laboratory)).await.unwrap();
    let failed = function.invoke("{}", MINUTE).await.unwrap_err();
    assert!(matches!(&failed, Unanswered::Failed(why) if why.contains("NotAnSqsEvent")), "{failed}");
    function.invoke(batch(), MINUTE).await.unwrap();
}

#[tokio::test]
async fn a_dropped_function_leaves_no_process() {
    let laboratory = Laboratory::open().await.unwrap();
    let function = Function::start(&settings(&laboratory)).await.unwrap();
    function.ready().await.unwrap();
    let process = format!("/proc/{}", function.process_id());
    assert!(Path::new(&process).exists());
    drop(function);
    while Path::new(&process).exists() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
