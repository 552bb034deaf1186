//! One line, from the first message to the last, drawn as a tree with times.

use std::{
    collections::HashSet,
    fmt::{self, Write as _},
};
use throughline_aws::{
    ledger::{ClaimState, Line, LoggedMessage, RecordedClaim},
    operate::FoundLetter,
};
use throughline_core::{Timestamp, ledger::Destination};

/// Everything with one correlation id: what was handled, what was sent, what was given up.
#[derive(Debug, Clone, Default)]
pub struct WholeLine {
    /// What the ledger remembers.
    pub recorded: Line,
    /// What lies in dead-letter queues, with the queue's name.
    pub dead_letters: Vec<(String, FoundLetter)>,
}

impl WholeLine {
    /// Whether nothing is known of it.
    pub fn is_empty(&self) -> bool {
        self.recorded.claims.is_empty() && self.recorded.messages.is_empty() && self.dead_letters.is_empty()
    }

    /// Whether this handler has finished something in it.
    pub fn is_done_by(&self, handler: &str) -> bool {
        self.recorded.claims.iter().any(|claim| claim.handler == handler && claim.state == ClaimState::Done)
    }

    /// The messages nothing in the line caused: where it starts. Known by what was done with them.
    fn roots(&self) -> Vec<Node<'_>> {
        let sent: HashSet<&str> = self
            .recorded
            .messages
            .iter()
            .map(|message| message.outgoing.envelope.attributes.id.as_str())
            .collect();
        let mut seen = HashSet::new();
        let mut roots = Vec::new();
        for claim in &self.recorded.claims {
            if !sent.contains(claim.message_id.as_str()) && seen.insert(claim.message_id.as_str()) {
                roots.push(Node {
                    id: &claim.message_id,
                    message_type: &claim.message_type,
                    subject: claim.subject.as_deref(),
                    at: claim.started_at,
                });
            }
        }
        for (_, letter) in &self.dead_letters {
            let id = letter.attribute("EventId").unwrap_or(&letter.message_id);
            if !sent.contains(id) && seen.insert(id) {
                let message_type = letter.attribute("EventType").unwrap_or("unreadable message");
                roots.push(Node { id, message_type, subject: None, at: letter.sent_at });
            }
        }
        for message in &self.recorded.messages {
            let attributes = &message.outgoing.envelope.attributes;
            let cause = attributes.causation_id.as_deref().unwrap_or_default();
            if !sent.contains(cause) && !seen.contains(cause) {
                roots.push(Node::of(message));
            }
        }
        roots
    }

    fn started_at(&self) -> Option<Timestamp> {
        let claims = self.recorded.claims.iter().filter_map(|claim| claim.started_at);
        let messages = self.recorded.messages.iter().filter_map(|message| message.occurred_at);
        claims.chain(messages).min()
    }
}

/// A message in the tree.
struct Node<'a> {
    id: &'a str,
    message_type: &'a str,
    subject: Option<&'a str>,
    at: Option<Timestamp>,
}

impl<'a> Node<'a> {
    fn of(message: &'a LoggedMessage) -> Self {
        let attributes = &message.outgoing.envelope.attributes;
        Self {
            id: &attributes.id,
            message_type: &attributes.message_type,
            subject: attributes.subject.as_deref(),
            at: message.occurred_at,
        }
    }
}

/// The tree, one line for each message and each handler. Times count from the line's first one.
impl fmt::Display for WholeLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut drawing = Drawing { line: self, start: self.started_at(), out: String::new() };
        for root in self.roots() {
            drawing.message(&root, "", "", "");
        }
        f.write_str(drawing.out.trim_end_matches('\n'))
    }
}

struct Drawing<'a> {
    line: &'a WholeLine,
    start: Option<Timestamp>,
    out: String,
}

/// What follows a message: a handler's work, or its refusal.
enum Branch<'a> {
    Done(&'a RecordedClaim),
    Refused(&'a str, &'a FoundLetter),
}

impl Drawing<'_> {
    fn message(&mut self, node: &Node<'_>, indent: &str, joint: &str, note: &str) {
        let label = match node.subject {
            Some(subject) => format!("{} {subject}", node.message_type),
            None => node.message_type.to_owned(),
        };
        self.row(&format!("{indent}{joint}{label}{note}"), node.at, "");
        let indent = format!("{indent}{}", continuation(joint));
        let line = self.line;
        let mut branches: Vec<Branch<'_>> = line
            .recorded
            .claims
            .iter()
            .filter(|claim| claim.message_id == node.id)
            .map(Branch::Done)
            .collect();
        let refused = line
            .dead_letters
            .iter()
            .filter(|(_, letter)| letter.attribute("EventId").unwrap_or(&letter.message_id) == node.id);
        branches.extend(refused.map(|(queue, letter)| Branch::Refused(queue, letter)));
        let last = branches.len();
        for (position, branch) in branches.iter().enumerate() {
            let joint = if position + 1 == last { "└─ " } else { "├─ " };
            match branch {
                Branch::Done(claim) => self.handler(claim, &indent, joint),
                Branch::Refused(queue, letter) => self.refusal(queue, letter, &indent, joint),
            }
        }
    }

    fn handler(&mut self, claim: &RecordedClaim, indent: &str, joint: &str) {
        let state = match (&claim.state, claim.started_at, claim.finished_at) {
            (ClaimState::Done, Some(started), Some(finished)) => {
                format!("done in {}", milliseconds(started, finished))
            }
            (ClaimState::Done, ..) => "done".into(),
            (ClaimState::Leased { .. }, ..) => "at work".into(),
        };
        let attempt = if claim.attempt > 1 { format!(", attempt {}", claim.attempt) } else { String::new() };
        self.row(
            &format!("{indent}{joint}{}", claim.handler),
            claim.started_at,
            &format!("{state}{attempt}"),
        );
        let line = self.line;
        let sent: Vec<_> = line
            .recorded
            .messages
            .iter()
            .filter(|message| {
                message.handler == claim.handler
                    && message.outgoing.envelope.attributes.causation_id.as_deref() == Some(&claim.message_id)
            })
            .collect();
        let indent = format!("{indent}{}", continuation(joint));
        let last = sent.len();
        for (position, message) in sent.into_iter().enumerate() {
            let joint = if position + 1 == last { "└─ " } else { "├─ " };
            let note = match &message.outgoing.destination {
                Destination::Bus => String::new(),
                Destination::Queue(name) => format!(" → {name}"),
                Destination::Scheduled { queue, at } => format!(" → {queue} at {at}"),
                Destination::Unscheduled { queue } => format!(" → {queue}, taken back"),
                Destination::StateMachine(name) => format!(" → saga {name}"),
                Destination::Task { .. } => " → a waiting task".to_owned(),
            };
            self.message(&Node::of(message), &indent, joint, &note);
        }
    }

    fn refusal(&mut self, queue: &str, letter: &FoundLetter, indent: &str, joint: &str) {
        let handler = letter.attribute("Handler").unwrap_or("given up");
        self.row(&format!("{indent}{joint}{handler}"), letter.sent_at, "rejected");
        let indent = format!("{indent}{}", continuation(joint));
        _ = writeln!(self.out, "  {indent}{}", letter.reason());
        _ = writeln!(self.out, "  {indent}it lies in {queue}");
    }

    fn row(&mut self, label: &str, at: Option<Timestamp>, state: &str) {
        let time = match (self.start, at) {
            (Some(start), Some(at)) if at >= start => format!("+{}", milliseconds(start, at)),
            _ => String::new(),
        };
        _ = writeln!(self.out, "{}", format!("  {label:<52} {time:>9}  {state}").trim_end());
    }
}

fn continuation(joint: &str) -> &'static str {
    match joint {
        "" => "",
        "├─ " => "│  ",
        _ => "   ",
    }
}

fn milliseconds(from: Timestamp, to: Timestamp) -> String {
    format!("{} ms", to.duration_since(from).as_millis())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use throughline_core::{Attributes, Envelope, ledger::Outgoing};

    fn at(milliseconds: i64) -> Option<Timestamp> {
        Timestamp::from_millisecond(1_767_225_600_000 + milliseconds).ok()
    }

    fn claim(handler: &str, message_id: &str, message_type: &str, started: i64) -> RecordedClaim {
        RecordedClaim {
            handler: handler.into(),
            message_id: message_id.into(),
            source: "shop".into(),
            message_type: message_type.into(),
            subject: Some("o-1".into()),
            causation_id: None,
            attempt: 1,
            state: ClaimState::Done,
            started_at: at(started),
            finished_at: at(started + 7),
        }
    }

    fn message(handler: &str, cause: &str, id: &str, message_type: &str, occurred: i64) -> LoggedMessage {
        let data = serde_json::value::to_raw_value(&()).unwrap();
        let mut attributes = Attributes::new(id, "shop", message_type).about("order", "o-1");
        attributes.causation_id = Some(cause.into());
        LoggedMessage {
            handler: handler.into(),
            occurred_at: at(occurred),
            outgoing: Outgoing { destination: Destination::Bus, envelope: Envelope { attributes, data } },
        }
    }

    fn refused(id: &str) -> (String, FoundLetter) {
        let attributes = [
            ("EventId", id),
            ("EventType", "order.placed"),
            ("Handler", "reserve-stock"),
            ("ErrorType", "MalformedData"),
            ("ErrorMessage", "no quantity"),
        ];
        let attributes: BTreeMap<_, _> = attributes.map(|(name, value)| (name.into(), value.into())).into();
        let letter = FoundLetter { message_id: "m".into(), body: "{".into(), attributes, sent_at: at(90) };
        ("ReserveStockDeadLetterQueue".into(), letter)
    }

    #[test]
    fn a_line_is_drawn_from_its_first_message_to_its_last() {
        let line = WholeLine {
            recorded: Line {
                claims: vec![
                    claim("place-order", "c-1", "order.place", 0),
                    claim("count-orders", "e-1", "order.placed", 50),
                ],
                messages: vec![message("place-order", "c-1", "e-1", "order.placed", 5)],
            },
            dead_letters: vec![refused("e-1")],
        };
        let expected = [
            "  order.place o-1                                          +0 ms",
            "  └─ place-order                                           +0 ms  done in 7 ms",
            "     └─ order.placed o-1                                   +5 ms",
            "        ├─ count-orders                                   +50 ms  done in 7 ms",
            "        └─ reserve-stock                                  +90 ms  rejected",
            "           MalformedData: no quantity",
            "           it lies in ReserveStockDeadLetterQueue",
        ];
        assert_eq!(line.to_string(), expected.join("\n"));
        assert!(line.is_done_by("place-order") && !line.is_done_by("reserve-stock"));
    }

    #[test]
    fn a_message_that_was_refused_at_once_is_a_line_of_its_own() {
        let line = WholeLine { recorded: Line::default(), dead_letters: vec![refused("c-9")] };
        assert!(line.to_string().starts_with("  order.placed\n  └─ reserve-stock"), "{line}");
        assert!(WholeLine::default().is_empty());
    }
}
