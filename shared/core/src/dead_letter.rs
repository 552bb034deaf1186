//! The dead-letter queue, as a port.

use crate::{BoxError, Timestamp, envelope::Attributes};
use futures_util::future::BoxFuture;

/// A message that will not be run again unless somebody redrives it, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct DeadLetter {
    /// The body, exactly as it came.
    pub body: String,
    /// The id the source gave the message.
    pub message_id: String,
    /// The SQS message attributes that it was sent with, if any: JSON, as Lambda gives them.
    pub message_attributes: Option<String>,
    /// Its FIFO group, if it came from a FIFO queue.
    pub group: Option<String>,
    /// The type of the error, for grouping.
    pub error_type: String,
    /// The reason, in words.
    pub error_message: String,
    /// The handler that refused it.
    pub handler: String,
    /// The number of deliveries.
    pub attempts: u32,
    /// When it was given up.
    pub failed_at: Timestamp,
    /// Its CloudEvents attributes, where they could be read.
    pub attributes: Option<Attributes>,
}

/// The dead-letter queue, which takes rejected messages.
pub trait DeadLetters: Send + Sync {
    /// Sends one. Only when this succeeds is the message acknowledged.
    fn send<'a>(&'a self, letter: &'a DeadLetter) -> BoxFuture<'a, Result<(), BoxError>>;
}
