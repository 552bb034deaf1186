//! The log over a range of time, read from the index by time: for plans of replays, and to send again what was
//! lost on its way.

use aws_sdk_dynamodb::{Client, types::AttributeValue};
use futures_util::{Stream, StreamExt as _, future::try_join_all, stream};
use std::time::Duration;
use throughline_aws::{
    DynamoLedger,
    internal::{Item, describe, number_of, text_of},
    ledger::{
        layout::{self, Address},
        outgoing_from_item,
    },
};
use throughline_core::{
    Timestamp,
    ledger::{ClaimKey, Destination, LedgerError, Outgoing},
};

/// The number of hours that are read at the same time, each with a request a shard.
const HOURS_AT_A_TIME: usize = 4;
const HOUR: Duration = Duration::from_hours(1);

/// A part of the log: from a time on, until before another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeRange {
    /// The first moment that belongs to it.
    pub from: Timestamp,
    /// The first moment after it.
    pub until: Timestamp,
}

impl TimeRange {
    /// Returns the number of hours that the range touches, which is the number of items that [`ReadLog::read_log`]
    /// gives.
    ///
    /// ```
    /// use throughline_operations::log::TimeRange;
    /// let range = TimeRange { from: "2026-11-21T13:30:00Z".parse()?, until: "2026-11-21T15:00:00Z".parse()? };
    /// assert_eq!(range.hours(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn hours(self) -> usize {
        self.starts_of_hours().count()
    }

    /// Returns whether a time belongs to the range.
    pub fn contains(self, time: Timestamp) -> bool {
        self.from <= time && time < self.until
    }

    fn starts_of_hours(self) -> impl Iterator<Item = Timestamp> {
        let seconds = self.from.as_second();
        let first = Timestamp::from_second(seconds - seconds.rem_euclid(HOUR.as_secs().cast_signed()));
        let next = |start: &Timestamp| start.checked_add(HOUR).ok();
        std::iter::successors(first.ok(), next).take_while(move |start| *start < self.until)
    }
}

/// A message of the log, as the index by time has it: without its data.
#[derive(Debug, Clone, PartialEq)]
pub struct LoggedHeader {
    /// Its partition and sort key, for [`ReadLog::open_messages`].
    pub key: (String, String),
    /// When it happened.
    pub occurred_at: Timestamp,
    /// Its id.
    pub id: String,
    /// Its source.
    pub source: String,
    /// Its type.
    pub message_type: String,
    /// The handler that sent it.
    pub handler: String,
    /// The line it belongs to, if its id is one that an index can hold.
    pub correlation_id: Option<String>,
    /// The destination of the message.
    pub destination: Destination,
}

/// Why the log could not be read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The index could not be asked.
    #[error(
        "the index `{}` of table `{table}` could not be asked: {reason}. A table of an older template has no such \
         index: deploy the present one",
        layout::TIME_INDEX
    )]
    Query {
        /// The table.
        table: String,
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
    /// The table could not be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// The ledger's memory of a handler's work on a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remembered {
    /// It is done: the message is a duplicate.
    Done,
    /// Somebody works on it, or did until they died.
    UnderWay,
    /// Nothing, or nothing any more: the handler would run.
    Nothing,
}

async fn read_hour(
    client: &Client,
    table: &str,
    range: TimeRange,
    start: Timestamp,
) -> Result<Vec<LoggedHeader>, LogError> {
    let shards = layout::time_buckets(start).map(|bucket| read_shard(client, table, range, bucket));
    let mut headers = try_join_all(shards).await?.concat();
    headers.sort_by(|one, other| (one.occurred_at, &one.key).cmp(&(other.occurred_at, &other.key)));
    Ok(headers)
}

async fn read_shard(
    client: &Client,
    table: &str,
    range: TimeRange,
    bucket: String,
) -> Result<Vec<LoggedHeader>, LogError> {
    let failed = |reason| LogError::Query { table: table.to_owned(), reason };
    let time = |time| AttributeValue::S(layout::sortable_text(time));
    let mut pages = client
        .query()
        .table_name(table)
        .index_name(layout::TIME_INDEX)
        .key_condition_expression("#bucket = :bucket AND #time BETWEEN :from AND :until")
        .expression_attribute_names("#bucket", layout::TIME_BUCKET)
        .expression_attribute_names("#time", layout::OCCURRED_AT)
        .expression_attribute_values(":bucket", AttributeValue::S(bucket))
        .expression_attribute_values(":from", time(range.from))
        .expression_attribute_values(":until", time(range.until))
        .into_paginator()
        .send();
    let mut headers = Vec::new();
    while let Some(page) = pages.try_next().await.map_err(|error| failed(describe(&error)))? {
        for item in page.items.unwrap_or_default() {
            let header = header(&item)?;
            // BETWEEN includes both ends.
            headers.extend(range.contains(header.occurred_at).then_some(header));
        }
    }
    Ok(headers)
}

fn header(item: &Item) -> Result<LoggedHeader, LogError> {
    let text = |name: &str| text_of(item, name).map(ToOwned::to_owned);
    let key = || Some((text(layout::PARTITION_KEY)?, text(layout::SORT_KEY)?));
    let key = key().unwrap_or_default();
    let malformed = |name: &str| LogError::Malformed {
        key: format!("{} {}", key.0, key.1),
        reason: format!("the index has no readable `{name}` of it"),
    };
    let required = |name: &str| text(name).ok_or_else(|| malformed(name));
    let occurred_at = required(layout::OCCURRED_AT)?;
    let destination = required(layout::DESTINATION)?;
    Ok(LoggedHeader {
        occurred_at: occurred_at.parse().map_err(|_| malformed(layout::OCCURRED_AT))?,
        id: required(layout::ID)?,
        source: required(layout::SOURCE)?,
        message_type: required(layout::TYPE)?,
        handler: required(layout::HANDLER)?,
        correlation_id: text(layout::CORRELATION_ID),
        destination: layout::destination_from(&destination).ok_or_else(|| malformed(layout::DESTINATION))?,
        key,
    })
}

/// Reads the log of a ledger's table.
pub trait ReadLog {
    /// Reads what was logged in a range of time: hour after hour, each in the order of time. The index follows the
    /// table with a delay, usually well under a second.
    ///
    /// # Errors
    /// [`LogError`], as an item of the stream.
    fn read_log(
        &self,
        range: TimeRange,
    ) -> impl Stream<Item = Result<Vec<LoggedHeader>, LogError>> + Send + '_;

    /// Reads messages of the log whole, in the order asked for; nothing for one that has expired meanwhile.
    ///
    /// # Errors
    /// [`LogError`], if one of them cannot be read.
    fn open_messages(
        &self,
        keys: &[(String, String)],
    ) -> impl Future<Output = Result<Vec<Option<Outgoing>>, LogError>> + Send;

    /// Returns the ledger's memory, at a time, of the work under these claims, in the order asked for.
    ///
    /// # Errors
    /// [`LogError::Ledger`].
    fn remembered(
        &self,
        keys: &[ClaimKey],
        now: Timestamp,
    ) -> impl Future<Output = Result<Vec<Remembered>, LogError>> + Send;
}

impl ReadLog for DynamoLedger {
    fn read_log(
        &self,
        range: TimeRange,
    ) -> impl Stream<Item = Result<Vec<LoggedHeader>, LogError>> + Send + '_ {
        stream::iter(range.starts_of_hours())
            .map(move |start| read_hour(self.client(), self.table(), range, start))
            .buffered(HOURS_AT_A_TIME)
    }

    async fn open_messages(&self, keys: &[(String, String)]) -> Result<Vec<Option<Outgoing>>, LogError> {
        let address = |(partition, sort): &(String, String)| {
            Address::in_ledger(self.table(), partition.clone(), sort.clone())
        };
        let addresses: Vec<Address> = keys.iter().map(address).collect();
        let found = self.fetch(addresses.iter()).await;
        let opened = addresses.iter().zip(keys).map(|(address, (partition, sort))| {
            let Some(item) = found.get(address) else { return Ok(None) };
            let item = item.as_ref().map_err(Clone::clone)?;
            let malformed = |reason| LogError::Malformed { key: format!("{partition} {sort}"), reason };
            outgoing_from_item(item).map(Some).map_err(malformed)
        });
        opened.collect()
    }

    async fn remembered(&self, keys: &[ClaimKey], now: Timestamp) -> Result<Vec<Remembered>, LogError> {
        let address =
            |key: &ClaimKey| Address::in_ledger(self.table(), key.as_str().to_owned(), layout::CLAIM);
        let addresses: Vec<Address> = keys.iter().map(address).collect();
        let found = self.fetch(addresses.iter()).await;
        let remembered = addresses.iter().map(|address| match found.get(address) {
            Some(item) => Ok(remembered_of(item.as_ref().map_err(Clone::clone)?, now)),
            None => Ok(Remembered::Nothing),
        });
        remembered.collect()
    }
}

/// As the conditions of the ledger's writes have it: what has expired is not there, swept or not.
fn remembered_of(claim: &Item, now: Timestamp) -> Remembered {
    let has_expired = number_of::<i64>(claim, layout::EXPIRES_AT).is_some_and(|at| at <= now.as_second());
    let lease_has_ended =
        number_of::<i64>(claim, layout::LEASED_UNTIL).is_some_and(|until| until <= now.as_millisecond());
    match text_of(claim, layout::CLAIM_STATE) {
        _ if has_expired || lease_has_ended => Remembered::Nothing,
        Some(layout::DONE) => Remembered::Done,
        _ => Remembered::UnderWay,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(from: &str, until: &str) -> TimeRange {
        TimeRange { from: from.parse().unwrap(), until: until.parse().unwrap() }
    }

    #[test]
    fn a_range_touches_every_hour_that_it_has_a_moment_of() {
        for (from, until, hours) in [
            ("2026-11-21T13:00:00Z", "2026-11-21T13:00:00Z", 0),
            ("2026-11-21T13:00:00Z", "2026-11-21T14:00:00Z", 1),
            ("2026-11-21T13:59:59.9Z", "2026-11-21T14:00:00.1Z", 2),
            ("2026-11-21T13:30:00Z", "2026-11-22T13:30:00Z", 25),
            ("2026-11-21T13:30:00Z", "2026-11-21T12:00:00Z", 0),
            ("1969-12-31T23:30:00Z", "1970-01-01T00:30:00Z", 2),
        ] {
            assert_eq!(range(from, until).hours(), hours, "{from} to {until}");
        }
    }

    #[test]
    fn what_the_index_lacks_of_a_message_is_named() {
        let error = header(&Item::new()).unwrap_err().to_string();
        assert!(error.contains(layout::OCCURRED_AT), "{error}");
    }
}
