//! `throughline logs`: what the functions logged, from CloudWatch Logs.

use crate::{
    project::Project,
    stack::{Stack, StackError},
    target::Target,
    terminal::Terminal,
};
use clap::Args;
use jiff::SignedDuration;
use serde::Serialize;
use serde_json::Value;
use std::{
    error::Error,
    fmt,
    process::{Child, Stdio},
    time::Duration,
};
use throughline_core::Timestamp;

/// Prints what the functions logged, one line of JSON each, in the order of their times.
///
/// Example: throughline logs web-1001
#[derive(Debug, Args)]
pub struct Arguments {
    /// Which stack.
    #[command(flatten)]
    pub target: Target,
    /// Only what was logged since so long ago, such as 15m or 2h
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub since: Option<Duration>,
    /// Only lines that contain this: a correlation id, an event id, a handler
    pub text: Option<String>,
}

/// Reads a length of time such as `90s`, `15m`, `2h 30m` or `7d`.
///
/// # Errors
/// A sentence, if it is none.
pub fn duration(text: &str) -> Result<Duration, String> {
    let wrong =
        |reason: &dyn fmt::Display| format!("`{text}` is no length of time such as 15m or 2h: {reason}");
    // A day is 24 hours here, whatever the clocks do.
    let span: SignedDuration = match text.trim().strip_suffix('d').map(str::parse::<i64>) {
        Some(Ok(days)) => SignedDuration::from_hours(days.saturating_mul(24)),
        _ => text.parse().map_err(|error| wrong(&error))?,
    };
    Duration::try_from(span).map_err(|error| wrong(&error))
}

/// A line that a function logged.
#[derive(Debug, Clone, PartialEq)]
pub struct LogLine {
    /// When.
    pub at: String,
    /// The function.
    pub function: String,
    /// What was logged, as it is.
    pub text: String,
    /// What was logged, read.
    pub fields: Value,
}

impl Serialize for LogLine {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.fields.serialize(serializer)
    }
}

impl fmt::Display for LogLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Why the logs could not be read.
#[derive(Debug, thiserror::Error)]
pub enum LogsError {
    /// AWS's command line is not installed.
    #[error("{0}")]
    NotSetUp(String),
    /// A group could not be read.
    #[error("the logs {group} cannot be read: {reason}")]
    Unreadable {
        /// The log group.
        group: String,
        /// What the command line said.
        reason: String,
    },
    /// The stack could not be used.
    #[error(transparent)]
    Stack(#[from] StackError),
}

/// Runs the command.
///
/// # Errors
/// If the stack cannot be used, or its logs cannot be read.
pub async fn run(arguments: &Arguments, terminal: &Terminal) -> Result<(), Box<dyn Error>> {
    let stack = arguments.target.open(terminal).await?;
    let since = arguments.since.map(|since| Timestamp::now() - since);
    for line in read(&Project::find()?, &stack, Wanted { since, phrase: None })? {
        if arguments.text.as_ref().is_none_or(|text| line.text.contains(text)) {
            terminal.line(&line)?;
        }
    }
    Ok(())
}

/// Which lines are read.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted<'a> {
    /// Only what was logged since.
    pub since: Option<Timestamp>,
    /// Only lines with this phrase, which CloudWatch Logs looks for by words: not for parts of ids.
    pub phrase: Option<&'a str>,
}

/// What the functions of a stack logged, in the order of their times. Only what is JSON and says when it was logged is
/// ours.
///
/// # Errors
/// [`LogsError`].
pub fn read(project: &Project, stack: &Stack, wanted: Wanted<'_>) -> Result<Vec<LogLine>, LogsError> {
    // All at once: each takes most of a second to start.
    let readers: Vec<(&str, Child)> = stack
        .functions()
        .map(|function| start(project, stack, function, wanted).map(|child| (function, child)))
        .collect::<Result<_, _>>()?;
    let mut lines = Vec::new();
    for (function, reader) in readers {
        lines.extend(finish(function, reader)?);
    }
    lines.sort_by(|a, b| a.at.cmp(&b.at));
    Ok(lines)
}

/// A filter pattern for a phrase ("Filter pattern syntax for unstructured log events"), if one can say it.
fn filter_pattern(phrase: &str) -> Option<String> {
    let is_sayable = !phrase.is_empty() && !phrase.contains(['"', '\\']);
    is_sayable.then(|| format!("\"{phrase}\""))
}

fn group(function: &str) -> String {
    format!("/aws/lambda/{function}")
}

fn start(project: &Project, stack: &Stack, function: &str, wanted: Wanted<'_>) -> Result<Child, LogsError> {
    let mut command = stack.place().aws_command_line(project).map_err(LogsError::NotSetUp)?;
    command.args(["logs", "filter-log-events", "--output", "json", "--log-group-name", &group(function)]);
    if let Some(since) = wanted.since {
        command.args(["--start-time", &since.as_millisecond().to_string()]);
    }
    if let Some(pattern) = wanted.phrase.and_then(filter_pattern) {
        command.args(["--filter-pattern", &pattern]);
    }
    let started = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    started.map_err(|error| LogsError::Unreadable { group: group(function), reason: error.to_string() })
}

/// The lines of a function that are ours.
fn finish(function: &str, reader: Child) -> Result<Vec<LogLine>, LogsError> {
    let unreadable = |reason: String| LogsError::Unreadable { group: group(function), reason };
    let output = reader.wait_with_output().map_err(|error| unreadable(error.to_string()))?;
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        // A function that never ran has no logs yet.
        return if reason.contains("ResourceNotFound") { Ok(Vec::new()) } else { Err(unreadable(reason)) };
    }
    let answer: Value =
        serde_json::from_slice(&output.stdout).map_err(|error| unreadable(error.to_string()))?;
    let messages =
        answer["events"].as_array().into_iter().flatten().filter_map(|event| event["message"].as_str());
    Ok(messages.flat_map(str::lines).filter_map(|line| ours(function, line)).collect())
}

fn ours(function: &str, line: &str) -> Option<LogLine> {
    let fields: Value = serde_json::from_str(line).ok()?;
    let at = fields["timestamp"].as_str()?.to_owned();
    Some(LogLine { at, function: function.to_owned(), text: line.to_owned(), fields })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phrase_is_looked_for_as_a_whole_if_a_pattern_can_say_it() {
        assert_eq!(filter_pattern("web-1001").as_deref(), Some("\"web-1001\""));
        assert_eq!((filter_pattern(""), filter_pattern("a\"b")), (None, None));
    }

    #[test]
    fn lengths_of_time_are_read_as_people_write_them() {
        for (text, seconds) in [("90s", 90), ("15m", 900), ("2h", 7200), ("2h 30m", 9000), ("7d", 604_800)] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "soon", "-2h", "15"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn only_lines_of_json_with_a_time_are_ours() {
        let line = r#"{"timestamp":"2026-01-01T00:00:00Z","message":"done"}"#;
        assert_eq!(ours("shop-place-order", line).unwrap().fields["message"], "done");
        for line in ["START RequestId: 1", r#"{"message":"done"}"#, "7"] {
            assert_eq!(ours("shop-place-order", line), None, "{line}");
        }
    }
}
