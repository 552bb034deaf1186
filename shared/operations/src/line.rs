//! A whole line, from the first message to the last, read from the index by correlation id.

mod about;

pub use about::events_of;

use aws_sdk_dynamodb::{Client, types::AttributeValue};
use throughline_aws::{
    internal::{Item, describe, number_of, text_of},
    ledger::{layout, outgoing_from_item},
};
use throughline_core::{Timestamp, ledger::Outgoing};

/// Everything with one correlation id, each list in the order of its times.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Line {
    /// The claims of the messages that were handled.
    pub claims: Vec<RecordedClaim>,
    /// The messages that were sent.
    pub messages: Vec<LoggedMessage>,
}

/// The state of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimState {
    /// Its owner works under it, or died.
    Leased {
        /// The end of the lease.
        until: Option<Timestamp>,
    },
    /// Its work is finished.
    Done,
}

/// A message that was handled, or is being handled.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordedClaim {
    /// The handler.
    pub handler: String,
    /// The message's id.
    pub message_id: String,
    /// The message's source.
    pub source: String,
    /// The message's type.
    pub message_type: String,
    /// The subject of the message.
    pub subject: Option<String>,
    /// The id of the message's cause.
    pub causation_id: Option<String>,
    /// The number of the delivery.
    pub attempt: u32,
    /// The state of the claim.
    pub state: ClaimState,
    /// When the attempt began.
    pub started_at: Option<Timestamp>,
    /// When its effects were committed.
    pub finished_at: Option<Timestamp>,
}

/// A message that a handler sent.
#[derive(Debug, Clone, PartialEq)]
pub struct LoggedMessage {
    /// The handler.
    pub handler: String,
    /// When it happened.
    pub occurred_at: Option<Timestamp>,
    /// The message, and where it was going.
    pub outgoing: Outgoing,
}

/// Why a line could not be read.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// The index could not be asked.
    #[error("the index `{}` of table `{table}` could not be asked: {reason}", layout::CORRELATION_INDEX)]
    Query {
        /// The table.
        table: String,
        /// The reason that DynamoDB gave.
        reason: String,
    },
    /// A part of the table could not be asked.
    #[error("the items under `{partition}` of table `{table}` cannot be read: {reason}")]
    Partition {
        /// The table.
        table: String,
        /// The partition key.
        partition: String,
        /// The reason that DynamoDB gave.
        reason: String,
    },
    /// An entry of the log cannot be read.
    #[error("the log entry {key} cannot be read: {reason}")]
    Malformed {
        /// Its partition and sort key.
        key: String,
        /// The reason why the item cannot be read.
        reason: String,
    },
}

/// Reads everything with a correlation id. The index follows the table with a delay, usually well under a
/// second; finished claims and messages are there until they expire.
///
/// # Errors
/// [`LineError`].
pub async fn follow_line(client: &Client, table: &str, correlation_id: &str) -> Result<Line, LineError> {
    let mut line = Line::default();
    let mut pages = client
        .query()
        .table_name(table)
        .index_name(layout::CORRELATION_INDEX)
        .key_condition_expression("#id = :id")
        .expression_attribute_names("#id", layout::CORRELATION_ID)
        .expression_attribute_values(":id", AttributeValue::S(correlation_id.to_owned()))
        .into_paginator()
        .send();
    while let Some(page) = pages.next().await {
        let page =
            page.map_err(|error| LineError::Query { table: table.to_owned(), reason: describe(&error) })?;
        for item in page.items.unwrap_or_default() {
            add(&mut line, &item)?;
        }
    }
    Ok(line)
}

fn add(line: &mut Line, item: &Item) -> Result<(), LineError> {
    let sort_key = text_of(item, layout::SORT_KEY).unwrap_or_default();
    if sort_key == layout::CLAIM {
        line.claims.push(recorded_claim(item));
    } else if sort_key.starts_with(layout::EVENT_PREFIX) || sort_key.starts_with(layout::COMMAND_PREFIX) {
        let outgoing = outgoing_from_item(item).map_err(|reason| LineError::Malformed {
            key: format!("{} {sort_key}", text_of(item, layout::PARTITION_KEY).unwrap_or_default()),
            reason,
        })?;
        line.messages.push(LoggedMessage {
            handler: owned(item, layout::HANDLER),
            occurred_at: time_of(item, layout::OCCURRED_AT),
            outgoing,
        });
    }
    // Anything else is an entity whose fields happen to have the names of the index's keys.
    Ok(())
}

fn recorded_claim(item: &Item) -> RecordedClaim {
    let is_done = text_of(item, layout::CLAIM_STATE) == Some(layout::DONE);
    let until = || Timestamp::from_millisecond(number_of(item, layout::LEASED_UNTIL)?).ok();
    RecordedClaim {
        handler: owned(item, layout::HANDLER),
        message_id: owned(item, layout::EVENT_ID),
        source: owned(item, layout::EVENT_SOURCE),
        message_type: owned(item, layout::EVENT_TYPE),
        subject: text_of(item, layout::SUBJECT).map(Into::into),
        causation_id: text_of(item, layout::CAUSATION_ID).map(Into::into),
        attempt: number_of(item, layout::ATTEMPT).unwrap_or_default(),
        state: if is_done { ClaimState::Done } else { ClaimState::Leased { until: until() } },
        started_at: time_of(item, layout::OCCURRED_AT),
        finished_at: time_of(item, layout::FINISHED_AT),
    }
}

fn owned(item: &Item, name: &str) -> String {
    text_of(item, name).unwrap_or_default().to_owned()
}

fn time_of(item: &Item, name: &str) -> Option<Timestamp> {
    text_of(item, name)?.parse().ok()
}
