//! Builds the tree of messages and handlers of a line.

use super::{
    Data, LoggedAttempt, WholeLine,
    attempts::Attempts,
    branch::{Branch, elapsed},
};
use serde_json::Value;
use std::collections::HashSet;
use throughline_core::{
    Timestamp,
    ledger::{Destination, Outgoing},
};
use throughline_operations::{
    FoundLetter,
    line::{ClaimState, LoggedMessage, RecordedClaim},
};

/// The builder of a line's tree.
pub(super) struct Builder<'a> {
    pub(super) line: &'a WholeLine,
    /// The ids of everything that was sent in the line.
    sent: HashSet<&'a str>,
    data: Data<'a>,
}

/// A message that no handler in the line sent. It is known only by its claims, dead letters or attempts.
struct Arrived<'a> {
    id: &'a str,
    label: String,
    at: Option<Timestamp>,
}

impl<'a> Builder<'a> {
    pub(super) fn new(line: &'a WholeLine, data: Data<'a>) -> Self {
        let sent = line.recorded.messages.iter();
        let sent = sent.map(|message| message.outgoing.envelope.attributes.id.as_str()).collect();
        Self { line, sent, data }
    }

    /// Returns the messages without a cause in the line, with which the line starts.
    pub(super) fn roots(&self) -> Vec<Branch> {
        let arrived = self.arrived(|cause| cause.is_none_or(|cause| !self.sent.contains(cause)));
        let mut known: HashSet<&str> = arrived.iter().map(|arrived| arrived.id).collect();
        known.extend(self.line.recorded.claims.iter().map(|claim| claim.message_id.as_str()));
        let orphans = self.line.recorded.messages.iter().filter(|message| {
            let cause = message.outgoing.envelope.attributes.causation_id.as_deref().unwrap_or_default();
            !self.sent.contains(cause) && !known.contains(cause)
        });
        let arrived = arrived.iter().map(|arrived| self.arrival(arrived));
        arrived.chain(orphans.map(|message| self.message(message))).collect()
    }

    /// Returns the messages from outside whose cause meets a condition, each once.
    fn arrived(&self, is_cause: impl Fn(Option<&str>) -> bool) -> Vec<Arrived<'a>> {
        let mut seen = HashSet::new();
        let mut arrived = Vec::new();
        for claim in &self.line.recorded.claims {
            let id = claim.message_id.as_str();
            let is_from_outside = !self.sent.contains(id) && !self.is_of_saga(claim);
            if is_from_outside && is_cause(claim.causation_id.as_deref()) && seen.insert(id) {
                let label = label(&claim.message_type, claim.subject.as_deref());
                arrived.push(Arrived { id, label, at: claim.started_at });
            }
        }
        for (_, letter) in &self.line.dead_letters {
            let id = letter.attribute("EventId").unwrap_or(&letter.message_id);
            let is_handled = || self.line.recorded.claims.iter().any(|claim| claim.message_id == id);
            if !self.sent.contains(id) && !is_handled() && is_cause(None) && seen.insert(id) {
                let message_type = letter.attribute("EventType").unwrap_or("unreadable message");
                arrived.push(Arrived { id, label: message_type.to_owned(), at: letter.sent_at });
            }
        }
        for attempt in &self.line.attempts {
            let id = attempt.message_id.as_str();
            let is_handled = || self.line.recorded.claims.iter().any(|claim| claim.message_id == id);
            if !self.sent.contains(id) && !is_handled() && is_cause(None) && seen.insert(id) {
                arrived.push(Arrived { id, label: attempt.message_type.clone(), at: attempt.ended_at });
            }
        }
        arrived
    }

    fn arrival(&self, arrived: &Arrived<'_>) -> Branch {
        let children = self.handlers_of(arrived.id);
        Branch { children, ..Branch::new(&*arrived.label, arrived.at) }
    }

    /// Returns the row of a message that was sent in the line.
    pub(super) fn message(&self, message: &LoggedMessage) -> Branch {
        if let Destination::StateMachine(saga) = &message.outgoing.destination {
            return self.saga(saga, message);
        }
        let id = &message.outgoing.envelope.attributes.id;
        let label = match &message.outgoing.destination {
            Destination::Bus => label_of(&message.outgoing),
            Destination::Task { .. } => format!("answers {}", self.who_waits()),
            _ => sentence_of(&message.outgoing, self.line.started_at()),
        };
        let mut children = self.handlers_of(id);
        // Messages from outside the line that this message caused.
        let answers = self.arrived(|cause| cause == Some(id.as_str()));
        children.extend(answers.iter().map(|arrived| self.arrival(arrived)));
        Branch { children, data: self.data_of(message), ..Branch::new(label, message.occurred_at) }
    }

    fn data_of(&self, message: &LoggedMessage) -> Option<Value> {
        let data = || serde_json::from_str(message.outgoing.envelope.data.get()).unwrap_or_default();
        self.data.map(|shown| shown.data(&message.outgoing.envelope.attributes.message_type, data()))
    }

    /// Returns the rows of the handlers of a message.
    fn handlers_of(&self, id: &str) -> Vec<Branch> {
        let claims = self.line.recorded.claims.iter().filter(|claim| claim.message_id == id);
        let letters = self.line.dead_letters.iter();
        let refused =
            letters.filter(|(_, letter)| letter.attribute("EventId").unwrap_or(&letter.message_id) == id);
        let handled = claims.clone().map(|claim| self.handler(claim));
        let given_up = refused.clone().map(|(queue, letter)| self.refusal(id, queue, letter));
        let mut branches: Vec<Branch> = handled.chain(given_up).collect();
        let mut told: HashSet<&str> = claims.map(|claim| claim.handler.as_str()).collect();
        told.extend(refused.filter_map(|(_, letter)| letter.attribute("Handler")));
        // Handlers that have neither finished nor dead-lettered the message.
        for attempt in self.line.attempts.iter().filter(|attempt| attempt.message_id == id) {
            if told.insert(&attempt.handler) {
                branches.push(self.unfinished(attempt));
            }
        }
        branches
    }

    fn attempts(&self, handler: &str, message_id: &str) -> Attempts<'a> {
        let is_its =
            |attempt: &&LoggedAttempt| attempt.handler == handler && attempt.message_id == message_id;
        Attempts(self.line.attempts.iter().filter(is_its).collect())
    }

    fn unfinished(&self, first: &LoggedAttempt) -> Branch {
        let children = self.attempts(&first.handler, &first.message_id).failed();
        // Work that is logged as done and has no claim any more has expired.
        let state = if children.is_empty() { "done" } else { "to be delivered again" };
        Branch { state: state.to_owned(), children, ..Branch::new(&*first.handler, first.ended_at) }
    }

    fn refusal(&self, message_id: &str, queue: &str, letter: &FoundLetter) -> Branch {
        let handler = letter.attribute("Handler").unwrap_or("given up");
        let attempt = match letter.attribute("Attempts") {
            Some(attempts) if attempts != "1" => format!(", attempt {attempts}"),
            _ => String::new(),
        };
        Branch {
            state: format!("rejected{attempt}"),
            notes: vec![letter.reason(), format!("it lies in {queue}")],
            children: self.attempts(handler, message_id).failed(),
            ..Branch::new(handler, letter.sent_at)
        }
    }

    fn handler(&self, claim: &RecordedClaim) -> Branch {
        let state = match (&claim.state, claim.started_at, claim.finished_at) {
            (ClaimState::Done, Some(started), Some(finished)) => {
                format!("done in {}", elapsed(started, finished))
            }
            (ClaimState::Done, ..) => "done".into(),
            (ClaimState::Leased { .. }, ..) => "at work".into(),
        };
        let attempt = if claim.attempt > 1 { format!(", attempt {}", claim.attempt) } else { String::new() };
        let attempts = self.attempts(&claim.handler, &claim.message_id);
        let mut children = attempts.failed();
        children.extend(self.sent_by(claim));
        Branch {
            state: format!("{state}{attempt}{}", attempts.duplicates()),
            children,
            ..Branch::new(&*claim.handler, claim.started_at)
        }
    }

    /// Returns the rows of the messages that were sent when a message was handled.
    pub(super) fn sent_by(&self, claim: &RecordedClaim) -> Vec<Branch> {
        let messages = self.line.recorded.messages.iter().filter(|message| {
            let cause = message.outgoing.envelope.attributes.causation_id.as_deref();
            message.handler == claim.handler && cause == Some(&claim.message_id)
        });
        let mut messages: Vec<&LoggedMessage> = messages.collect();
        // A saga is long, so the messages sent with its start come before it.
        let is_start =
            |message: &LoggedMessage| matches!(message.outgoing.destination, Destination::StateMachine(_));
        messages.sort_by_key(|message| is_start(message));
        messages.into_iter().map(|message| self.message(message)).collect()
    }
}

fn label(message_type: &str, subject: Option<&str>) -> String {
    match subject {
        Some(subject) => format!("{message_type} {subject}"),
        None => message_type.to_owned(),
    }
}

fn label_of(outgoing: &Outgoing) -> String {
    let attributes = &outgoing.envelope.attributes;
    label(&attributes.message_type, attributes.subject.as_deref())
}

/// Returns in words the effect of a handler that sends a message. A time on the same day as `day` is given without the
/// date.
pub fn sentence_of(outgoing: &Outgoing, day: Option<Timestamp>) -> String {
    let label = label_of(outgoing);
    match &outgoing.destination {
        Destination::Bus => format!("emits {label}"),
        Destination::Queue(queue) => format!("sends {label} to {queue}"),
        Destination::Scheduled { at, .. } => {
            let date = at.strftime("%Y-%m-%d").to_string();
            let is_today = day.is_some_and(|day| day.strftime("%Y-%m-%d").to_string() == date);
            let time = at.strftime("%H:%M:%S");
            if is_today {
                format!("sends {label} at {time}")
            } else {
                format!("sends {label} at {date} {time}")
            }
        }
        Destination::Unscheduled { .. } => format!("takes {label} back"),
        Destination::StateMachine(saga) => {
            format!("starts {saga} {}", short_name(&outgoing.envelope.attributes.id))
        }
        Destination::Task { .. } => "answers a step that waits".to_owned(),
    }
}

/// Returns the first part of an execution's name, which is enough to tell it from others.
pub fn short_name(execution: &str) -> &str {
    execution.split('-').next().unwrap_or(execution)
}
