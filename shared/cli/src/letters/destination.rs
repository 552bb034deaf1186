//! The destination of a redriven letter: the queue, function or bus that its message came from, and no other consumer.

use super::identity::Identity;
use crate::cloud::stack::{Stack, StackError};
use std::fmt;
use throughline_core::{ledger::Destination as Sent, metrics::RELAY};
use throughline_operations::{FoundLetter, Origin, line::follow_line};

/// The destination of a redriven letter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Destination {
    /// A queue of the stack.
    Queue {
        /// The queue's URL.
        url: String,
    },
    /// A function, which is invoked asynchronously, as a rule does it.
    Function {
        /// Its name in AWS.
        name: String,
    },
    /// The event bus: the relay could not put the event there, so no consumer has seen it.
    Bus {
        /// Its name in AWS.
        name: String,
    },
    /// No destination: the letter cannot be redriven.
    Nowhere {
        /// The reason, and the command that helps instead.
        why: String,
    },
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Queue { url } => write!(f, "queue {}", last_part(url, '/')),
            Self::Function { name } => write!(f, "function {name}"),
            Self::Bus { name } => write!(f, "bus {name}"),
            Self::Nowhere { why } => write!(f, "nowhere: {why}"),
        }
    }
}

fn last_part(text: &str, separator: char) -> &str {
    text.rsplit(separator).next().unwrap_or(text)
}

fn nowhere(why: impl Into<String>) -> Destination {
    Destination::Nowhere { why: why.into() }
}

/// Returns the destination of a letter in a dead-letter queue: the place that its message came from.
pub(crate) async fn destination(
    stack: &Stack,
    queue: &str,
    letter: &FoundLetter,
) -> Result<Destination, StackError> {
    if letter.attribute("Handler") == Some(RELAY) && letter.origin == Origin::Function {
        return of_relay(stack, letter).await;
    }
    Ok(match &letter.origin {
        Origin::Schedule { is_truncated: true, .. } => nowhere(
            "EventBridge Scheduler cut its payload; `throughline outbox republish` sends it from the log",
        ),
        Origin::Rule { target } | Origin::Schedule { target, .. } => of_target(stack, target),
        Origin::Invocation { function } => of_target(stack, function),
        Origin::Stream { since } => nowhere(format!(
            "it only names records in the ledger's stream; `throughline outbox republish --since {}` sends them",
            since.as_deref().unwrap_or("TIME")
        )),
        Origin::Function | Origin::Queue | Origin::Topic { .. } | Origin::Unknown => of_queue(stack, queue),
    })
}

/// Returns the place that feeds the function of a dead-letter queue: its queue, or else the function itself, which a
/// rule invokes.
fn of_queue(stack: &Stack, queue: &str) -> Destination {
    if let Ok(url) = stack.queue_url(queue) {
        return Destination::Queue { url: url.to_owned() };
    }
    match stack.function_named(queue) {
        Some(name) => Destination::Function { name: name.to_owned() },
        None => nowhere(format!("the stack has neither a queue nor a function `{queue}`")),
    }
}

fn of_target(stack: &Stack, target: &str) -> Destination {
    let parts: Vec<&str> = target.split(':').collect();
    match parts.as_slice() {
        [_, _, "sqs", .., name] => match stack.queue_urls().find(|url| last_part(url, '/') == *name) {
            Some(url) => Destination::Queue { url: url.to_owned() },
            None => nowhere(format!("its target {target} is no queue of this stack")),
        },
        [_, _, "lambda", _, _, "function", name, ..] => Destination::Function { name: (*name).to_owned() },
        _ => nowhere(format!("its target {target} is neither a queue nor a function")),
    }
}

/// Returns the destination of a message that the relay could not send, which is read from its entry in the ledger's
/// log.
async fn of_relay(stack: &Stack, letter: &FoundLetter) -> Result<Destination, StackError> {
    let Some(identity) = Identity::of(letter) else {
        return Ok(nowhere("this entry of the log cannot be read, so its destination is unknown"));
    };
    let table = stack.output("LedgerTable")?;
    let line = follow_line(stack.clients.dynamodb().await, table, &identity.correlation_id).await?;
    let entry =
        line.messages.into_iter().find(|message| message.outgoing.envelope.attributes.id == identity.id);
    Ok(match entry.map(|entry| entry.outgoing.destination) {
        Some(Sent::Bus) => Destination::Bus { name: stack.output("EventBus")?.to_owned() },
        Some(Sent::Queue(name)) => match stack.queue_url(&name) {
            Ok(url) => Destination::Queue { url: url.to_owned() },
            Err(error) => nowhere(error.to_string()),
        },
        Some(_) => {
            nowhere("it is no event and no command; `throughline outbox republish` sends it from the log")
        }
        None => nowhere("the log has it no more, so its destination is unknown"),
    })
}
