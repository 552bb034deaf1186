//! The messages that the functions are given.

use serde_json::{Value, json};
use std::time::Duration;
use throughline_laboratory::{Function, Trouble, sqs_event};

/// The size of a batch, unless the size is what is measured.
pub(crate) const BATCH: usize = 10;
/// The size of a record's body.
pub(crate) const KIBIBYTE: usize = 1024;

/// A message of about so many bytes. Each is about a meter of its own.
pub(crate) fn reading(number: usize, bytes: usize) -> String {
    let message = |note: String| {
        json!({
            "specversion": "1.0", "id": format!("3f0c4f5e-8a8e-4c43-9b1e-{number:012}"), "source": "meters",
            "type": "reading.taken", "subject": format!("m-{number}"), "time": "2026-01-05T09:30:01Z",
            "aggregatetype": "meter", "correlationid": format!("round-{}", number / BATCH),
            "schemaversion": 1, "datacontenttype": "application/json",
            "data": { "meter_id": format!("m-{number}"), "amount": 7, "note": note }
        })
        .to_string()
    };
    let shortest = message(String::new()).len();
    message("x".repeat(bytes.saturating_sub(shortest)))
}

/// Delivers these messages in one batch; every one must be finished.
pub(crate) async fn deliver(function: &Function, bodies: &[String], receives: u32) -> Result<(), Trouble> {
    let batch = sqs_event(bodies.iter().map(String::as_str), receives);
    let answer = function.invoke(batch, Duration::from_mins(15)).await?;
    match answer.payload["batchItemFailures"].as_array() {
        Some(failures) if failures.is_empty() => Ok(()),
        failures => Err(format!("{} records came back", failures.map_or(0, Vec::<Value>::len)).into()),
    }
}
