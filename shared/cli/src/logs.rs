//! `throughline logs`: what the functions logged, from CloudWatch Logs.

use crate::{
    stack::{Stack, StackError},
    target::Target,
    terminal::Terminal,
};
use clap::Args;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use jiff::SignedDuration;
use serde::Serialize;
use serde_json::{Value, json};
use std::{collections::BTreeMap, error::Error, fmt, time::Duration};
use throughline_aws::operate::{LogFilter, Logs, OperateError};
use throughline_core::Timestamp;

const EXAMPLES: &str = "Examples:
  throughline logs web-1001
  throughline logs --function place-order --since 15m
  throughline logs --function place-order --follow

It ends with 0 if anything was shown, and with 1 if nothing was.";

/// Prints what the functions logged, in the order of their times: their own lines, which are JSON, as they are, and all
/// else, such as a panic or what the runtime says of a process that died, after its time and its function.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Which stack.
    #[command(flatten)]
    pub target: Target,
    /// Only what was logged since so long ago, such as 15m or 2h
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub since: Option<Duration>,
    /// Only what this function logged, such as `place-order` (repeatable)
    #[arg(long, value_name = "NAME")]
    pub function: Vec<String>,
    /// Go on showing what is logged, until it is interrupted; what was logged before, only with --since
    #[arg(long)]
    pub follow: bool,
    /// Show Lambda's own lines, too: that an invocation began, ended and what it cost
    #[arg(long)]
    pub platform: bool,
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
        Some(Ok(days)) => SignedDuration::from_hours(days.clamp(-1, MOST_DAYS + 1) * 24),
        _ => text.parse().map_err(|error| wrong(&error))?,
    };
    if span > SignedDuration::from_hours(MOST_DAYS * 24) {
        return Err(wrong(&"it is more than a hundred years"));
    }
    Duration::try_from(span).map_err(|error| wrong(&error))
}

/// Clocks can be set back by so much without leaving the years that there are.
const MOST_DAYS: i64 = 36_500;

/// A line of a function's log.
#[derive(Debug, Clone, PartialEq)]
pub struct LogLine {
    /// When.
    pub at: Timestamp,
    /// The function.
    pub function: String,
    /// What was logged, as it is.
    pub text: String,
    /// What was logged, read; null if it is no JSON.
    pub fields: Value,
    /// Whether Lambda says it, and all is well.
    pub is_platform: bool,
    /// What tells it apart from all others.
    id: (String, usize),
}

impl LogLine {
    /// A line of JSON.
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

/// Why the logs could not be read.
#[derive(Debug, thiserror::Error)]
pub enum LogsError {
    /// A group could not be read.
    #[error(transparent)]
    Unreadable(#[from] OperateError),
    /// The stack has no such function.
    #[error("the stack has no function `{name}`; it has {known}")]
    NoFunction {
        /// What was asked for.
        name: String,
        /// Those there are.
        known: String,
    },
    /// Nothing was logged that was asked for.
    #[error("{0}")]
    Nothing(String),
    /// The stack could not be used.
    #[error(transparent)]
    Stack(#[from] StackError),
}

/// How long after one look at the logs the next one follows.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// How much later than others a line may get into the logs.
const LATEST: Duration = Duration::from_secs(30);

/// Runs the command.
///
/// # Errors
/// If the stack cannot be used, its logs cannot be read, or nothing was logged that was asked for.
pub async fn run(arguments: &Arguments, terminal: &Terminal) -> Result<(), Box<dyn Error>> {
    let stack = arguments.target.open(terminal).await?;
    let functions = functions(&stack, &arguments.function)?;
    let functions: Vec<&str> = functions.iter().map(String::as_str).collect();
    let now = Timestamp::now();
    let since = arguments.since.map(|since| now - since);
    if arguments.follow {
        return follow(arguments, &stack, &functions, since.unwrap_or(now), terminal).await;
    }
    let mut is_any = false;
    for line in read_of(&stack, &functions, Wanted { since, phrase: None }).await? {
        if arguments.has(&line) {
            is_any = true;
            terminal.line(&line)?;
        }
    }
    if is_any { Ok(()) } else { Err(LogsError::Nothing(arguments.nothing(&functions)).into()) }
}

/// Shows what is new, again and again.
async fn follow(
    arguments: &Arguments,
    stack: &Stack,
    functions: &[&str],
    since: Timestamp,
    terminal: &Terminal,
) -> Result<(), Box<dyn Error>> {
    let mut shown = Shown::since(since);
    loop {
        let wanted = Wanted { since: Some(shown.looks_from()), phrase: None };
        for line in shown.new_of(read_of(stack, functions, wanted).await?) {
            if arguments.has(&line) {
                terminal.line(&line)?;
            }
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// Which lines were shown already. A line may come late, and in any order.
#[derive(Debug)]
struct Shown {
    since: Timestamp,
    latest: Timestamp,
    /// When each of those was logged that may come by again.
    ids: BTreeMap<(String, usize), Timestamp>,
}

impl Shown {
    fn since(since: Timestamp) -> Self {
        Self { since, latest: since, ids: BTreeMap::new() }
    }

    /// From when on lines may be new.
    fn looks_from(&self) -> Timestamp {
        self.since.max(self.latest - LATEST)
    }

    /// Those that were not shown yet.
    fn new_of(&mut self, lines: Vec<LogLine>) -> Vec<LogLine> {
        let mut new = Vec::new();
        for line in lines {
            if line.at >= self.since && self.ids.insert(line.id.clone(), line.at).is_none() {
                self.latest = self.latest.max(line.at);
                new.push(line);
            }
        }
        // What a line says of its time is a little earlier than what the logs say, by which it is asked for.
        let from = self.latest - LATEST * 2;
        self.ids.retain(|_, at| *at >= from);
        new
    }
}

/// The deployed names of the functions that are meant: all, unless some are named.
fn functions(stack: &Stack, named: &[String]) -> Result<Vec<String>, LogsError> {
    let deployed = |name: &String| {
        let is_it = |deployed: &&str| *deployed == name;
        let found = stack.function_named(name).or_else(|| stack.functions().find(is_it));
        found.map(ToOwned::to_owned).ok_or_else(|| LogsError::NoFunction {
            name: name.clone(),
            known: stack.logical_functions().map(|(name, _)| name).collect::<Vec<_>>().join(", "),
        })
    };
    if named.is_empty() {
        return Ok(stack.functions().map(ToOwned::to_owned).collect());
    }
    named.iter().map(deployed).collect()
}

impl Arguments {
    /// Whether a line is meant.
    fn has(&self, line: &LogLine) -> bool {
        (self.platform || !line.is_platform) && self.text.as_ref().is_none_or(|text| line.text.contains(text))
    }

    /// What was asked for in vain.
    fn nothing(&self, functions: &[&str]) -> String {
        let who = if self.function.is_empty() { "the functions".to_owned() } else { functions.join(", ") };
        let what = self.text.as_ref().map(|text| format!(" that contains `{text}`")).unwrap_or_default();
        let since = self.since.map(|since| format!(" in the last {since:?}")).unwrap_or_default();
        format!("nothing was logged by {who}{what}{since}")
    }
}

/// Which lines are read.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted<'a> {
    /// Only what was logged since.
    pub since: Option<Timestamp>,
    /// Only lines with this phrase, which CloudWatch Logs looks for by words: not for parts of ids.
    pub phrase: Option<&'a str>,
}

/// What the functions of a stack logged, in the order of their times.
///
/// # Errors
/// [`LogsError`].
pub async fn read(stack: &Stack, wanted: Wanted<'_>) -> Result<Vec<LogLine>, LogsError> {
    let functions: Vec<&str> = stack.functions().collect();
    read_of(stack, &functions, wanted).await
}

/// How many logs are read side by side: CloudWatch Logs takes ten requests a second from an account in most regions.
const SIDE_BY_SIDE: usize = 5;

async fn read_of(stack: &Stack, functions: &[&str], wanted: Wanted<'_>) -> Result<Vec<LogLine>, LogsError> {
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

/// A filter pattern for a phrase ("Filter pattern syntax for unstructured log events"), if one can say it.
fn filter_pattern(phrase: &str) -> Option<String> {
    let is_sayable = !phrase.is_empty() && !phrase.contains(['"', '\\']);
    is_sayable.then(|| format!("\"{phrase}\""))
}

fn group(function: &str) -> String {
    format!("/aws/lambda/{function}")
}

/// The lines of an event in CloudWatch Logs. A runtime may put several into one.
fn lines(function: &str, event: &Value) -> Vec<LogLine> {
    let logged_at = event["timestamp"].as_i64().and_then(|at| Timestamp::from_millisecond(at).ok());
    let message = event["message"].as_str().unwrap_or_default();
    let event_id = match event["eventId"].as_str() {
        Some(id) => id.to_owned(),
        None => format!("{} {} {message}", event["logStreamName"], event["timestamp"]),
    };
    let line = |(number, text): (usize, &str)| {
        let fields: Value = serde_json::from_str(text).unwrap_or_default();
        let fields = if fields.is_object() { fields } else { Value::Null };
        // Our own lines say it more exactly.
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

/// Whether Lambda says that an invocation or a process began or ended as it should ("Lambda log formats": text and JSON).
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

    #[test]
    fn lengths_of_time_are_read_as_people_write_them() {
        for (text, seconds) in [("90s", 90), ("15m", 900), ("2h", 7200), ("2h 30m", 9000), ("7d", 604_800)] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "soon", "-2h", "15", "36501d", "9223372036854775807d", "-1d", "1000000h"] {
            assert!(duration(text).is_err(), "{text}");
        }
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

    #[test]
    fn whoever_follows_sees_each_line_once_and_late_ones_too() {
        let second = |second: i64| Timestamp::from_second(second).unwrap();
        let of = |events: &[(i64, &str)]| -> Vec<LogLine> {
            events.iter().flat_map(|(at, id)| lines("f", &event(at * 1_000, id, "a\nb"))).collect()
        };
        let mut shown = Shown::since(second(100));
        let count = |shown: &mut Shown, events: &[(i64, &str)]| shown.new_of(of(events)).len();
        assert_eq!(count(&mut shown, &[(99, "before"), (100, "1"), (101, "2")]), 4);
        assert_eq!(count(&mut shown, &[(100, "1"), (101, "2"), (101, "late"), (200, "3")]), 4);
        assert_eq!(shown.looks_from(), second(170));
        assert_eq!(count(&mut shown, &[(200, "3"), (180, "late, too")]), 2);
        assert_eq!(shown.ids.len(), 4, "what cannot come again is forgotten");
    }
}
