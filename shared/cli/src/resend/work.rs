//! What is sent again: messages, where they lie and where they go, and how far it is. Journals keep these as JSON: a name
//! of a field or a variant is part of their form.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use std::path::PathBuf;
use throughline_core::Timestamp;

/// A message to send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkItem {
    /// Where it is.
    pub message: Location,
    /// The queues that it goes to; to where it went the first time if there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub queues: Vec<String>,
}

/// Where a message is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Location {
    /// In the log: its partition and sort key.
    Log(String, String),
    /// In a file, as a CloudEvent.
    File(PathBuf),
    /// In the journal itself, under this name: it is nowhere else but in an archive.
    Journal(String),
}

/// How it is done.
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
    /// Message by message.
    Messages {
        /// How many there are.
        total: usize,
        /// The most a second.
        rate: u32,
    },
}

/// What was begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Its name.
    pub name: String,
    /// The stack, and where it is: it is not gone on with elsewhere.
    pub stack: String,
    /// The first moment.
    pub from: Timestamp,
    /// The first moment after it.
    pub until: Timestamp,
    /// Whether what is sent names the replay.
    pub is_replay: bool,
    /// How.
    pub way: Method,
    /// What leads to the queues that messages go straight to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub takers: Vec<QueueRule>,
}

/// How far it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Messages that are dealt with, from the first on.
    pub position: usize,
    /// Of these, accepted.
    pub accepted: u64,
    /// Refused for good, and said so.
    pub refused: u64,
    /// Nobody waits for them any more, or they are gone from the log.
    pub too_late: u64,
    /// No rule takes them that leads to where they would go.
    #[serde(default)]
    pub untaken: u64,
    /// Whether all of it is done.
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
    /// Which events it takes: its pattern, as it is written.
    #[serde(deserialize_with = "pattern_text")]
    pub pattern: String,
}

/// A pattern's text. Journals of earlier versions hold the pattern itself.
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
    /// Where it is.
    pub message: Location,
    /// Its id.
    pub id: String,
    /// Its source.
    pub source: String,
    /// Its type.
    pub message_type: String,
    /// Whether it can be sent but by its archive: what is no CloudEvent would get another id.
    pub is_sent_alone: bool,
    /// What is known of it as EventBridge gives it to its rules.
    pub event: Option<Map<String, Value>>,
}

/// What has to be sent.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ToSend {
    /// Each message, and where to.
    pub work: Vec<WorkItem>,
    /// The messages that the journal has to keep, by their names in it.
    pub kept: Vec<(String, Value)>,
}
