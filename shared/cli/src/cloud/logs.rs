//! The reader of the functions' logs in CloudWatch Logs.

use crate::cloud::stack::{Stack, StackError};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde::Serialize;
use serde_json::{Value, json};
use std::fmt;
use throughline_core::Timestamp;
use throughline_operations::{LogFilter, Logs, OperateError};

/// A line of a function's log.
#[derive(Debug, Clone, PartialEq)]
pub struct LogLine {
    /// The time of the line.
    pub at: Timestamp,
    /// The function's name.
    pub function: String,
    /// The text of the line, unchanged.
    pub text: String,
    /// The fields of the line, or null if it is not a JSON object.
    pub fields: Value,
    /// Whether Lambda itself wrote the line, about an invocation or a process without problems.
    pub is_platform: bool,
    /// The line's identity: its event's id, and its number within the event.
    pub(crate) id: (String, usize),
}

impl LogLine {
    /// Returns a line of JSON.
    #[cfg(test)]
    pub(crate) fn of_json(at: Timestamp, function: &str, fields: Value) -> Self {
        let (text, function) = (fields.to_string(), function.to_owned());
        Self { at, function, id: (text.clone(), 0), text, fields, is_platform: false }
    }
}

impl Serialize for LogLine {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !self.fields.is_null() {
            return self.fields.serialize(serializer);
        }
        let line = json!({ "timestamp": self.at, "function": self.function, "message": self.text });
        line.serialize(serializer)
    }
}

impl fmt::Display for LogLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.fields.is_null() {
            write!(f, "{:.3} {}: ", self.at, self.function)?;
        }
        f.write_str(&self.text)
    }
}

/// The reason that the logs could not be read.
#[derive(Debug, thiserror::Error)]
pub enum LogsError {
    /// A log group could not be read.
    #[error(transparent)]
    Unreadable(#[from] OperateError),
    /// The stack has no such function.
    #[error("the stack has no function `{name}`; it has {known}")]
    NoFunction {
        /// The name that was asked for.
        name: String,
        /// The functions of the stack.
        known: String,
    },
    /// No line matches the request.
    #[error("{0}")]
    Nothing(String),
    /// The stack could not be used.
    #[error(transparent)]
    Stack(#[from] StackError),
}

/// The filter of the lines to read.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted<'a> {
    /// Only lines from this time on.
    pub since: Option<Timestamp>,
    /// Only lines with this phrase. CloudWatch Logs searches for whole words, and not for parts of ids.
    pub phrase: Option<&'a str>,
}

/// Returns the log lines of all functions of a stack, in the order of their times.
///
/// # Errors
/// [`LogsError`].
pub async fn read(stack: &Stack, wanted: Wanted<'_>) -> Result<Vec<LogLine>, LogsError> {
    let functions: Vec<&str> = stack.functions().collect();
    read_of(stack, &functions, wanted).await
}

/// The number of logs that are read concurrently. CloudWatch Logs accepts ten requests a second from an account in most
/// regions.
const SIDE_BY_SIDE: usize = 5;

/// Returns the log lines of these functions, in the order of their times.
///
/// # Errors
/// [`LogsError`].
pub(crate) async fn read_of(
    stack: &Stack,
    functions: &[&str],
    wanted: Wanted<'_>,
) -> Result<Vec<LogLine>, LogsError> {
    let (logs, pattern) = (Logs::of(&stack.clients).await?, wanted.phrase.and_then(filter_pattern));
    let filter = LogFilter { since: wanted.since, pattern: pattern.as_deref() };
    let read = functions.iter().map(async |function| -> Result<Vec<LogLine>, LogsError> {
        let events = logs.events(&group(function), filter).await?;
        Ok(events.iter().flat_map(|event| lines(function, event)).collect())
    });
    let read: Vec<Vec<LogLine>> = stream::iter(read).buffered(SIDE_BY_SIDE).try_collect().await?;
    let mut lines: Vec<LogLine> = read.into_iter().flatten().collect();
    lines.sort_by_key(|line| line.at);
    Ok(lines)
}

/// Returns a filter pattern for a phrase ("Filter pattern syntax for unstructured log events"), or `None` if no pattern
/// can express it.
fn filter_pattern(phrase: &str) -> Option<String> {
    let is_sayable = !phrase.is_empty() && !phrase.contains(['"', '\\']);
    is_sayable.then(|| format!("\"{phrase}\""))
}

fn group(function: &str) -> String {
    format!("/aws/lambda/{function}")
}

/// Returns the lines of an event in CloudWatch Logs. A runtime may put several into one event.
pub(crate) fn lines(function: &str, event: &Value) -> Vec<LogLine> {
    let logged_at = event["timestamp"].as_i64().and_then(|at| Timestamp::from_millisecond(at).ok());
    let message = event["message"].as_str().unwrap_or_default();
    let event_id = match event["eventId"].as_str() {
        Some(id) => id.to_owned(),
        None => format!("{} {} {message}", event["logStreamName"], event["timestamp"]),
    };
    let line = |(number, text): (usize, &str)| {
        let fields: Value = serde_json::from_str(text).unwrap_or_default();
        let fields = if fields.is_object() { fields } else { Value::Null };
        // The time in our own lines is more exact.
        let said_at = ["timestamp", "time"].iter().find_map(|name| fields[name].as_str()?.parse().ok());
        LogLine {
            at: said_at.or(logged_at).unwrap_or_default(),
            function: function.to_owned(),
            text: text.to_owned(),
            is_platform: is_platform(text, &fields),
            fields,
            id: (event_id.clone(), number),
        }
    };
    message.lines().map(str::trim_end).filter(|text| !text.is_empty()).enumerate().map(line).collect()
}

/// Returns whether the line is Lambda's report of a normal beginning or end of an invocation or a process ("Lambda log
/// formats": text and JSON).
fn is_platform(text: &str, fields: &Value) -> bool {
    let is_event = fields["type"].as_str().is_some_and(|kind| kind.starts_with("platform."));
    if is_event && fields["record"].is_object() {
        return fields["record"]["status"].as_str().is_none_or(|status| status == "success");
    }
    let begins = ["START RequestId: ", "END RequestId: ", "REPORT RequestId: ", "INIT_START ", "EXTENSION\t"];
    begins.iter().any(|begin| text.starts_with(begin)) && !text.contains("Status: ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phrase_is_looked_for_as_a_whole_if_a_pattern_can_say_it() {
        assert_eq!(filter_pattern("web-1001").as_deref(), Some("\"web-1001\""));
        assert_eq!((filter_pattern(""), filter_pattern("a\"b")), (None, None));
    }

    fn event(at: i64, id: &str, message: &str) -> Value {
        json!({ "timestamp": at, "eventId": id, "logStreamName": "s", "message": message })
    }

    #[test]
    fn what_is_no_json_is_shown_after_its_time_and_its_function() {
        let panic = "thread 'main' panicked at src/main.rs:7:5:\nno stock\n";
        let shown: Vec<String> =
            lines("shop-place-order", &event(1_500, "1", panic)).iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            [
                "1970-01-01T00:00:01.500Z shop-place-order: thread 'main' panicked at src/main.rs:7:5:",
                "1970-01-01T00:00:01.500Z shop-place-order: no stock",
            ]
        );
        let ours = r#"{"timestamp":"2026-01-01T00:00:00.000001Z","message":"done"}"#;
        let [line] = &lines("shop-place-order", &event(1_500, "2", ours))[..] else { panic!("one line") };
        assert_eq!((line.to_string(), &line.fields["message"]), (ours.to_owned(), &json!("done")));
        assert_eq!(line.at.to_string(), "2026-01-01T00:00:00.000001Z");
        let [line] = &lines("shop-place-order", &event(1_500, "3", "7"))[..] else { panic!("one line") };
        let document = serde_json::to_value(line).unwrap();
        assert_eq!((&document["function"], &document["message"]), (&json!("shop-place-order"), &json!("7")));
    }

    #[test]
    fn what_lambda_says_is_left_out_unless_something_went_wrong() {
        let well = [
            "START RequestId: 1 Version: $LATEST",
            "END RequestId: 1",
            "REPORT RequestId: 1\tDuration: 3 ms\tBilled Duration: 4 ms",
            "INIT_START Runtime Version: provided:al2023.v1",
            r#"{"time":"2026-01-01T00:00:00Z","type":"platform.start","record":{"requestId":"1"}}"#,
            r#"{"time":"2026-01-01T00:00:00Z","type":"platform.report","record":{"requestId":"1","status":"success"}}"#,
        ];
        let wrong = [
            "REPORT RequestId: 1\tDuration: 3000 ms\tStatus: timeout",
            "REPORT RequestId: 1\tDuration: 3 ms\tStatus: error\tError Type: Runtime.ExitError",
            "2026-01-01T00:00:00Z 1 Task timed out after 3.00 seconds",
            "RequestId: 1 Error: Runtime exited with error: exit status 101",
            r#"{"time":"2026-01-01T00:00:00Z","type":"platform.report","record":{"requestId":"1","status":"timeout"}}"#,
            r#"{"timestamp":"2026-01-01T00:00:00Z","level":"ERROR","type":"platform.x"}"#,
        ];
        let is_platform = |text: &&str| lines("f", &event(1, "1", text))[0].is_platform;
        assert!(well.iter().all(&is_platform));
        assert!(!wrong.iter().any(is_platform));
    }
}
