//! The work of a replay: the messages to send, their locations and destinations, and its progress. Journals keep these
//! as JSON: a name of a field or a variant is part of their form.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use std::path::PathBuf;
use throughline_core::Timestamp;

/// A message to send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkItem {
    /// The message's location.
    pub message: Location,
    /// The queues that it goes to; if there are none, it goes to its first destination.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub queues: Vec<String>,
}

/// The location of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Location {
    /// In the log, by its partition and sort key.
    Log(String, String),
    /// In a file, as a CloudEvent.
    File(PathBuf),
    /// In the journal itself, under this name, because it is otherwise only in an archive.
    Journal(String),
}

/// The method of a replay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// EventBridge replays its archive.
    Archive {
        /// The archive's ARN.
        archive_arn: String,
        /// The bus's ARN.
        bus_arn: String,
        /// The rules that get the events; all if none is named.
        rule_arns: Vec<String>,
    },
    /// The messages are sent one by one.
    Messages {
        /// The number of messages.
        total: usize,
        /// The highest number of messages a second.
        rate: u32,
    },
}

/// The manifest of a replay that was begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The replay's name.
    pub name: String,
    /// The stack and its place: a replay is not resumed for another one.
    pub stack: String,
    /// The start of the time range.
    pub from: Timestamp,
    /// The end of the time range, exclusive.
    pub until: Timestamp,
    /// Whether messages carry the replay's name.
    pub is_replay: bool,
    /// The method.
    pub way: Method,
    /// The rules that lead to the queues to which messages go directly.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub takers: Vec<QueueRule>,
}

/// The progress of a replay.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The number of messages that are dealt with, in order.
    pub position: usize,
    /// The number of these that were accepted.
    pub accepted: u64,
    /// The number of these that were refused for good, which was reported.
    pub refused: u64,
    /// The number of these whose receiver no longer waits for them, or that are gone from the log.
    pub too_late: u64,
    /// The number of these that no rule that leads to their queue takes.
    #[serde(default)]
    pub untaken: u64,
    /// Whether the replay is complete.
    #[serde(default)]
    pub is_over: bool,
}

/// A rule that leads to a queue, as it was when a replay was planned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueRule {
    /// The queue.
    pub queue: String,
    /// The rule's ARN.
    pub rule_arn: String,
    /// The rule's event pattern, as it is written.
    #[serde(deserialize_with = "pattern_text")]
    pub pattern: String,
}

/// Reads a pattern's text. Journals of earlier versions hold the pattern itself.
fn pattern_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let pattern = Value::deserialize(deserializer)?;
    Ok(match pattern {
        Value::String(text) => text,
        pattern => pattern.to_string(),
    })
}

/// An event that may be sent again.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// The message's location.
    pub message: Location,
    /// The event's id.
    pub id: String,
    /// The event's source.
    pub source: String,
    /// The event's type.
    pub message_type: String,
    /// Whether it can be sent without an archive: an event that is not a CloudEvent would get another id.
    pub is_sent_alone: bool,
    /// The known members of the event in the form in which EventBridge matches it.
    pub event: Option<Map<String, Value>>,
}

/// The messages that have to be sent.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ToSend {
    /// The messages with their destinations.
    pub work: Vec<WorkItem>,
    /// The messages that the journal has to keep, by their names in it.
    pub kept: Vec<(String, Value)>,
}
