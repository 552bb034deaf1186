//! A change while it is carried out.

use super::{change_set::StackState, error::DeployError};
use crate::{
    cloud::aws_command_line::AwsCommandLine,
    terminal::{Bar, Terminal},
};
use serde_json::Value;
use std::{collections::BTreeSet, thread, time::Duration};

/// The pause before CloudFormation is asked again.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Waits until a stack is as it was asked to be, and says how far it is. `changes` is how many resources change.
pub(super) fn follow(
    aws: AwsCommandLine<'_>,
    stack: &str,
    changes: usize,
    terminal: Terminal,
) -> Result<StackState, DeployError> {
    let progress = terminal.progress(&format!("changing stack `{stack}`"), u64::try_from(changes).ok());
    let mut told = BTreeSet::new();
    loop {
        let gone = || DeployError::NotNow {
            stack: stack.to_owned(),
            status: "gone".into(),
            advice: "it was deleted meanwhile; deploy again".into(),
        };
        let state = StackState::of(aws, stack)?.ok_or_else(gone)?;
        if state.is_complete() {
            progress.finish();
            return Ok(state);
        }
        let events = events(aws, stack)?;
        tell(&events, &progress, &mut told);
        if !state.is_under_way() {
            progress.finish();
            let failures = failures(&events).join("\n");
            return Err(DeployError::Failed { stack: stack.to_owned(), status: state.status, failures });
        }
        thread::sleep(LOOK_AGAIN);
    }
}

/// Returns the events since the change began, the last first.
fn events(aws: AwsCommandLine<'_>, stack: &str) -> Result<Vec<Event>, DeployError> {
    let named = ["cloudformation", "describe-stack-events", "--stack-name", stack];
    // The command line asks for page after page; a change has far fewer events.
    let answer = aws.json([&named[..], &["--max-items", "1000"]].concat())?;
    let all = answer["StackEvents"].as_array().into_iter().flatten().map(Event::of);
    Ok(of_this_change(all.collect(), stack))
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Event {
    id: String,
    resource: String,
    kind: String,
    status: String,
    reason: String,
}

impl Event {
    fn of(event: &Value) -> Self {
        let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
        Self {
            id: text("EventId"),
            resource: text("LogicalResourceId"),
            kind: text("ResourceType"),
            status: text("ResourceStatus"),
            reason: text("ResourceStatusReason"),
        }
    }

    fn has_failed(&self) -> bool {
        // What was under way when another failed did nothing wrong.
        self.status.ends_with("_FAILED") && !self.reason.contains("cancelled")
    }
}

/// The events back to the one that began the change.
fn of_this_change(events: Vec<Event>, stack: &str) -> Vec<Event> {
    let begins = |event: &Event| {
        event.resource == stack
            && ["CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS"].contains(&event.status.as_str())
    };
    let length = events.iter().position(begins).map_or(events.len(), |place| place + 1);
    events.into_iter().take(length).collect()
}

fn tell(events: &[Event], bar: &Bar, told: &mut BTreeSet<String>) {
    let finished = events.iter().filter(|event| event.status.ends_with("_COMPLETE"));
    let finished: BTreeSet<&str> = finished.map(|event| event.resource.as_str()).collect();
    bar.set(u64::try_from(finished.len()).unwrap_or(u64::MAX));
    for event in events.iter().rev().filter(|event| event.has_failed()) {
        if told.insert(event.id.clone()) {
            bar.note(&sentence(event));
        }
    }
}

/// Returns the failures, the first first: the others failed because of it.
fn failures(events: &[Event]) -> Vec<String> {
    let failed: Vec<String> = events
        .iter()
        .rev()
        .filter(|event| event.has_failed())
        .map(|event| format!("  {}", sentence(event)))
        .collect();
    if failed.is_empty() {
        return vec![
            "  CloudFormation names no resource; `aws cloudformation describe-stack-events` tells all".into(),
        ];
    }
    failed
}

fn sentence(Event { resource, kind, status, reason, .. }: &Event) -> String {
    format!("{resource} ({kind}) {status}: {reason}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(resource: &str, status: &str, reason: &str) -> Event {
        let [resource, status, reason] = [resource, status, reason].map(ToOwned::to_owned);
        Event { id: format!("{resource} {status}"), resource, kind: "T".into(), status, reason }
    }

    #[test]
    fn only_the_events_of_this_change_count() {
        let events = vec![
            event("Queue", "UPDATE_FAILED", "new"),
            event("shop", "UPDATE_IN_PROGRESS", "User Initiated"),
            event("shop", "CREATE_COMPLETE", ""),
            event("Queue", "CREATE_FAILED", "old"),
        ];
        assert_eq!(of_this_change(events, "shop").len(), 2);
    }

    #[test]
    fn the_first_failure_is_told_first_and_what_was_cancelled_is_not_told() {
        let events = [
            event("Mapping", "CREATE_FAILED", "Resource creation cancelled"),
            event("Role", "CREATE_FAILED", "second"),
            event("Queue", "CREATE_FAILED", "first"),
        ];
        let failures = failures(&events);
        assert_eq!(failures, ["  Queue (T) CREATE_FAILED: first", "  Role (T) CREATE_FAILED: second"]);
        assert!(super::failures(&[])[0].contains("describe-stack-events"));
    }
}
