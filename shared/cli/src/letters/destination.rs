//! Where a letter goes when it is redriven: to where it came from, and to nobody else.

use super::identity::Identity;
use crate::cloud::stack::{Stack, StackError};
use std::fmt;
use throughline_core::{ledger::Destination as Sent, metrics::RELAY};
use throughline_operations::{FoundLetter, Origin, line::follow_line};

/// Where a letter goes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Destination {
    /// Into a queue.
    Queue {
        /// Its URL.
        url: String,
    },
    /// To a function, asynchronously, as a rule does.
    Function {
        /// Its name.
        name: String,
    },
    /// Onto the bus: nobody has seen it there.
    Bus {
        /// Its name.
        name: String,
    },
    /// It cannot be redriven.
    Nowhere {
        /// Why, and what can be done instead.
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

/// Where a letter of a dead-letter queue came from.
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

/// What a function was fed by: its queue, or else a rule.
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

/// A message that the relay could not send: the log knows where it was going.
async fn of_relay(stack: &Stack, letter: &FoundLetter) -> Result<Destination, StackError> {
    let Some(identity) = Identity::of(letter) else {
        return Ok(nowhere("this entry of the log cannot be read, so nobody knows where it was going"));
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
        None => nowhere("the log has it no more, so nobody knows where it was going"),
    })
}
