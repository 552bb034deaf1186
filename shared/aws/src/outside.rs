//! Events and commands from programs that are no function: a web server, a test, the command line.

use crate::AwsPublisher;
use std::time::Duration;
use throughline_core::{
    Command, Envelope, Event, Message, Timestamp,
    ledger::{Destination, Outgoing},
    process::Backoff,
    relay::{Delivery, Publisher as _},
};
use uuid::Uuid;

/// The number of times that a message is sent which may be accepted later.
const MOST_SENDS: u32 = 4;

/// Publishes events and sends commands for a program that is no function.
///
/// There is no transaction here: what the program stores and what it publishes can part. A program that
/// needs both sends one command to a function and lets that do the work. Sending the same envelope again,
/// with its id, is always safe: the receivers know it.
///
/// ```no_run
/// # use serde::{Deserialize, Serialize};
/// # use throughline_core::commands;
/// # #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
/// # pub struct PlaceOrder { pub order_id: String }
/// # commands! { /// Orders.
/// # pub enum OrderCommand to "place-order" { "order.place" v1 => Place(PlaceOrder.order_id) } }
/// # async fn example(publisher: throughline_aws::AwsPublisher) -> Result<(), throughline_aws::PublishError> {
/// let outside = throughline_aws::Outside::new(publisher, "web-shop");
/// let id = outside.send(PlaceOrder { order_id: "o-1".into() }).await?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct Outside {
    publisher: AwsPublisher,
    source: String,
}

/// Some messages were not accepted.
#[derive(Debug, thiserror::Error)]
#[error("{} of {} messages were not accepted; {}", failures.len(), failures.len() + accepted.len(), list(failures))]
pub struct PublishError {
    /// The ids of those that were accepted.
    pub accepted: Vec<String>,
    /// Those that were not, and why.
    pub failures: Vec<PublishFailure>,
}

/// A message that was not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishFailure {
    /// Its id.
    pub id: String,
    /// Whether sending the same message again may succeed.
    pub may_be_sent_again: bool,
    /// The reason.
    pub reason: String,
}

fn list(failures: &[PublishFailure]) -> String {
    let describe = |failure: &PublishFailure| {
        let advice = if failure.may_be_sent_again {
            "send it again with the same id"
        } else {
            "it will never be accepted as it is"
        };
        format!("{}: {} ({advice})", failure.id, failure.reason)
    };
    failures.iter().map(describe).collect::<Vec<_>>().join("; ")
}

/// An id that no other message has: a UUID version 7, so that ids sort by time.
pub fn fresh_id() -> String {
    Uuid::now_v7().to_string()
}

impl Outside {
    /// A client that names itself `source` in what it sends (the CloudEvents `source`).
    pub fn new(publisher: AwsPublisher, source: impl Into<String>) -> Self {
        Self { publisher, source: source.into() }
    }

    /// An envelope with a fresh id (a UUID version 7, so ids sort by time) and the present time, to be
    /// completed and given to [`publish_all`](Self::publish_all) or [`send_all`](Self::send_all).
    pub fn envelope<M: Message>(&self, data: M) -> Envelope<M> {
        let mut envelope = Envelope::of(fresh_id(), &self.source, data);
        envelope.attributes.time = Some(Timestamp::now());
        envelope
    }

    /// Publishes one event to the bus; returns its id.
    ///
    /// # Errors
    /// [`PublishError`].
    pub async fn publish<E: Event>(&self, event: E) -> Result<String, PublishError> {
        let envelope = self.envelope(event);
        let id = envelope.attributes.id.clone();
        self.publish_all(&[envelope]).await.map(|_| id)
    }

    /// Publishes events to the bus; returns their ids.
    ///
    /// # Errors
    /// [`PublishError`], which says which were accepted.
    pub async fn publish_all<E: Event>(&self, events: &[Envelope<E>]) -> Result<Vec<String>, PublishError> {
        self.deliver(events, &Destination::Bus).await
    }

    /// Sends one command to its receiver's queue; returns its id.
    ///
    /// # Errors
    /// [`PublishError`].
    pub async fn send<C: Command>(&self, command: C) -> Result<String, PublishError> {
        let envelope = self.envelope(command);
        let id = envelope.attributes.id.clone();
        self.send_all(&[envelope]).await.map(|_| id)
    }

    /// Sends commands to their receiver's queue; returns their ids.
    ///
    /// # Errors
    /// [`PublishError`], which says which were accepted.
    pub async fn send_all<C: Command>(&self, commands: &[Envelope<C>]) -> Result<Vec<String>, PublishError> {
        self.deliver(commands, &Destination::Queue(C::QUEUE.to_owned())).await
    }

    async fn deliver<M: Message>(
        &self,
        messages: &[Envelope<M>],
        destination: &Destination,
    ) -> Result<Vec<String>, PublishError> {
        let mut error = PublishError { accepted: Vec::new(), failures: Vec::new() };
        let mut waiting = Vec::with_capacity(messages.len());
        for message in messages {
            match message.encode() {
                Ok(envelope) => waiting.push(Outgoing { destination: destination.clone(), envelope }),
                Err(why) => error.failures.push(PublishFailure {
                    id: message.attributes.id.clone(),
                    may_be_sent_again: false,
                    reason: format!("its data has no JSON form: {why}"),
                }),
            }
        }
        for send in 1..=MOST_SENDS {
            let mut left = Vec::new();
            let sending: Vec<&Outgoing> = waiting.iter().collect();
            let answers = self.publisher.publish(&sending).await;
            for (outgoing, answer) in waiting.into_iter().zip(answers) {
                let id = outgoing.envelope.attributes.id.clone();
                match answer {
                    Delivery::Accepted | Delivery::TooLate(_) => error.accepted.push(id),
                    Delivery::Retry(_) if send < MOST_SENDS => left.push(outgoing),
                    Delivery::Retry(reason) => {
                        error.failures.push(PublishFailure { id, may_be_sent_again: true, reason });
                    }
                    Delivery::Refused { reason, .. } => {
                        error.failures.push(PublishFailure { id, may_be_sent_again: false, reason });
                    }
                }
            }
            waiting = left;
            if waiting.is_empty() {
                break;
            }
            tokio::time::sleep(wait(send)).await;
        }
        if !error.failures.is_empty() {
            return Err(error);
        }
        Ok(messages.iter().map(|message| message.attributes.id.clone()).collect())
    }
}

fn wait(sends: u32) -> Duration {
    Backoff::REQUEST.ceiling(sends).mul_f64(fastrand::f64())
}

#[cfg(test)]
mod tests;
