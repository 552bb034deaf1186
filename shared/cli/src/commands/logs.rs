//! `throughline logs`: what the functions logged, from CloudWatch Logs.

use crate::{
    cloud::{
        logs::{LogLine, LogsError, Wanted, read_of},
        stack::Stack,
        target::Target,
    },
    terminal::Terminal,
    time::duration::duration,
};
use clap::Args;
use std::{collections::BTreeMap, error::Error, time::Duration};
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
    /// The stack.
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

/// The pause between two looks at the logs.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// The delay with which a line may get into the logs.
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

/// The lines that were shown already. A line may come late, and in any order.
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
        // A line's own time is a little earlier than its time in the logs, by which it is asked for.
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
    /// Returns whether a line is meant.
    fn has(&self, line: &LogLine) -> bool {
        (self.platform || !line.is_platform) && self.text.as_ref().is_none_or(|text| line.text.contains(text))
    }

    /// Returns the message that nothing was found, with all that was asked for.
    fn nothing(&self, functions: &[&str]) -> String {
        let who = if self.function.is_empty() { "the functions".to_owned() } else { functions.join(", ") };
        let what = self.text.as_ref().map(|text| format!(" that contains `{text}`")).unwrap_or_default();
        let since = self.since.map(|since| format!(" in the last {since:?}")).unwrap_or_default();
        format!("nothing was logged by {who}{what}{since}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::logs::lines;
    use serde_json::{Value, json};

    fn event(at: i64, id: &str, message: &str) -> Value {
        json!({ "timestamp": at, "eventId": id, "logStreamName": "s", "message": message })
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
