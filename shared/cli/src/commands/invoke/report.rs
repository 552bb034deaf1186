//! A function's answer.

use super::trigger::Trigger;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::Serialize;
use serde_json::Value;
use std::{fmt, time::Duration};

/// The outcome of a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// The record's position: the first is 1.
    pub record: usize,
    /// Its event's id, if it has one.
    pub event_id: Option<String>,
    /// Whether the record would be delivered again.
    pub is_delivered_again: bool,
    /// The log's word on it, such as `done`, `duplicate` or `rejected`, and its reason.
    pub logged: Option<String>,
}

/// A function's answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Its name on the cloud.
    pub function: String,
    /// The trigger that usually invokes it.
    pub trigger: String,
    /// The answer.
    pub result: Value,
    /// The error that it ended with: its type and its message.
    pub error: Option<String>,
    /// The outcome of each record.
    pub verdicts: Vec<Verdict>,
    /// The time in milliseconds as seen from here, the start of AWS's command line included.
    pub milliseconds: u128,
    /// The end of what it logged.
    pub log: Vec<String>,
}

impl Report {
    pub(super) fn of(
        function: &str,
        trigger: &Trigger,
        payload: &Value,
        answer: &Value,
        received: &str,
        took: Duration,
    ) -> Self {
        let result: Value =
            serde_json::from_str(received).unwrap_or_else(|_| Value::String(received.to_owned()));
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let error = answer["FunctionError"].as_str().map(|kind| match result["errorMessage"].as_str() {
            Some(message) => format!("{}: {message}", text(&result["errorType"])),
            None => format!("{kind}: {result}"),
        });
        let log =
            answer["LogResult"].as_str().and_then(|log| BASE64_STANDARD.decode(log).ok()).unwrap_or_default();
        let log = String::from_utf8_lossy(&log).into_owned();
        let verdicts = if error.is_none() { verdicts(payload, &result, &log) } else { Vec::new() };
        Self {
            function: function.to_owned(),
            trigger: trigger.to_string(),
            verdicts,
            error,
            milliseconds: took.as_millis(),
            log: log.lines().map(ToOwned::to_owned).collect(),
            result,
        }
    }
}

/// Returns the outcome of each record, if the function was given records.
fn verdicts(payload: &Value, result: &Value, log: &str) -> Vec<Verdict> {
    let failures: Vec<&str> = result["batchItemFailures"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|failure| failure["itemIdentifier"].as_str())
        .collect();
    let records = payload["Records"].as_array().into_iter().flatten().enumerate();
    records
        .map(|(place, record)| {
            let body: Value =
                record["body"].as_str().and_then(|body| serde_json::from_str(body).ok()).unwrap_or_default();
            let event = if body["detail"].is_object() { &body["detail"] } else { &body };
            Verdict {
                record: place + 1,
                event_id: event["id"].as_str().map(ToOwned::to_owned),
                is_delivered_again: record["messageId"].as_str().is_some_and(|id| failures.contains(&id)),
                logged: logged(log, &record["messageId"]),
            }
        })
        .collect()
}

/// The last verdict in the log on a message.
fn logged(log: &str, message_id: &Value) -> Option<String> {
    let lines = log.lines().rev().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let line =
        lines.into_iter().find(|line| line["messageid"] == *message_id && line["verdict"].is_string())?;
    let verdict = line["verdict"].as_str()?;
    Some(line["reason"].as_str().map_or_else(|| verdict.to_owned(), |reason| format!("{verdict}: {reason}")))
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let answered = if self.is_delivered_again {
            "it would be delivered again"
        } else {
            "its queue would be rid of it"
        };
        write!(f, "record {}", self.record)?;
        self.event_id.iter().try_for_each(|id| write!(f, " ({id})"))?;
        write!(f, ": {answered}")?;
        self.logged.iter().try_for_each(|logged| write!(f, "; {logged}"))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{}, which is given {}, answered in {} ms",
            self.function, self.trigger, self.milliseconds
        )?;
        match &self.error {
            Some(error) => writeln!(f, "it failed: {error}")?,
            None if self.verdicts.is_empty() => writeln!(f, "result: {}", self.result)?,
            None => {}
        }
        for verdict in &self.verdicts {
            writeln!(f, "{verdict}")?;
        }
        if self.log.is_empty() {
            return f.write_str("it logged nothing");
        }
        f.write_str("the end of its log:")?;
        self.log.iter().try_for_each(|line| write!(f, "\n  {line}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn report(answer: &Value, received: &str) -> Report {
        let records = json!([
            { "messageId": "invoke-1", "body": json!({ "id": "e-1" }).to_string() },
            { "messageId": "invoke-2", "body": json!({ "detail": { "id": "e-2" } }).to_string() },
        ]);
        let trigger = Trigger::Queue { queue: "Q".into(), is_fed_by_rule: false };
        Report::of(
            "shop-f",
            &trigger,
            &json!({ "Records": records }),
            answer,
            received,
            Duration::from_millis(7),
        )
    }

    #[test]
    fn each_record_s_verdict_is_told_in_words() {
        let received = json!({ "batchItemFailures": [{ "itemIdentifier": "invoke-2" }] }).to_string();
        let log = BASE64_STANDARD.encode("START\n{\"messageid\":\"invoke-1\",\"verdict\":\"done\"}\n");
        let report = report(&json!({ "StatusCode": 200, "LogResult": log }), &received);
        let shown = report.to_string();
        assert!(
            shown.contains("record 1 (e-1): its queue would be rid of it; done")
                && shown.contains("record 2 (e-2): it would be delivered again"),
            "{shown}"
        );
        assert_eq!((report.log.len(), report.log[0].as_str()), (2, "START"));
    }

    #[test]
    fn the_function_s_own_error_is_told_and_no_verdict() {
        let received = json!({ "errorType": "Panic", "errorMessage": "it broke" }).to_string();
        let report = report(&json!({ "StatusCode": 200, "FunctionError": "Unhandled" }), &received);
        assert_eq!((report.error.as_deref(), report.verdicts.len()), (Some("Panic: it broke"), 0));
        assert!(report.to_string().contains("it failed: Panic: it broke"));
    }
}
