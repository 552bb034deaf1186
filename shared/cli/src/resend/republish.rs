//! Sends messages again from the log after an outage of the stream may have lost them.

use super::{
    journal::Journal,
    new_name,
    work::{Location, Manifest, Method, WorkItem},
};
use crate::progress::Progress;
use futures_util::StreamExt as _;
use serde::Serialize;
use std::{collections::BTreeMap, error::Error, path::Path, time::Duration};
use throughline_aws::DynamoLedger;
use throughline_core::{Timestamp, ledger::Destination};
use throughline_operations::log::{LogError, LoggedHeader, ReadLog as _, TimeRange};

/// The time after which Step Functions forgets the name of an execution, and starts another under it (`StartExecution`,
/// "Idempotency").
const NAMES_ARE_KNOWN: Duration = Duration::from_hours(90 * 24);

/// The longest time from a handler's beginning to its commit: a function runs for 15 minutes at most ("Lambda quotas"),
/// and clocks differ. A message bears the time at which its handler began, and gets into the log when the handler
/// commits.
pub(crate) const LONGEST_ATTEMPT: Duration = Duration::from_mins(16);

/// Returns the time range, by the times that messages bear, of all that got into the log since a time.
pub(crate) fn range(since: Option<Timestamp>, until: Option<Timestamp>, now: Timestamp) -> TimeRange {
    TimeRange { from: since.unwrap_or(now) - LONGEST_ATTEMPT, until: until.unwrap_or(now) }
}

/// The plan of a republication.
#[derive(Debug, Clone, Serialize)]
pub struct Plan {
    /// The plan's name, which its journal gets.
    pub name: String,
    /// The start of the time range.
    pub from: Timestamp,
    /// The end of the time range, exclusive.
    pub until: Timestamp,
    /// The number of messages, by destination and type.
    pub messages: BTreeMap<String, BTreeMap<String, u64>>,
    /// The number of saga starts that are left out: they are so old that they would start another execution.
    pub left_out: u64,
    #[serde(skip)]
    work: Vec<WorkItem>,
}

impl Plan {
    /// Makes a plan of the messages that the log holds of a time range.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub async fn make(
        ledger: &DynamoLedger,
        range: TimeRange,
        now: Timestamp,
        progress: &dyn Progress,
    ) -> Result<Self, LogError> {
        let activity = progress.begin("reading the log, hour by hour", u64::try_from(range.hours()).ok());
        let mut plan = Self {
            name: new_name(),
            from: range.from,
            until: range.until,
            messages: BTreeMap::new(),
            left_out: 0,
            work: Vec::new(),
        };
        let mut hours = std::pin::pin!(ledger.read_log(range));
        let mut read = 0;
        while let Some(hour) = hours.next().await {
            for header in hour? {
                plan.add(header, now);
            }
            read += 1;
            activity.set(read);
        }
        activity.finish();
        Ok(plan)
    }

    fn add(&mut self, header: LoggedHeader, now: Timestamp) {
        let is_start = matches!(header.destination, Destination::StateMachine(_));
        let age = Duration::try_from(now.duration_since(header.occurred_at)).unwrap_or_default();
        if is_start && age >= NAMES_ARE_KNOWN {
            self.left_out += 1;
            return;
        }
        let types = self.messages.entry(place(&header.destination)).or_default();
        *types.entry(header.message_type).or_default() += 1;
        let (partition, sort) = header.key;
        self.work.push(WorkItem { message: Location::Log(partition, sort), queues: Vec::new() });
    }

    /// Returns the number of messages that it sends.
    pub fn total(&self) -> usize {
        self.work.len()
    }

    /// Writes the plan into a journal, from which it is carried out.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn begin(&self, folder: &Path, here: &str, rate: u32) -> Result<(Journal, Manifest), Box<dyn Error>> {
        let begun = Manifest {
            name: self.name.clone(),
            stack: here.to_owned(),
            from: self.from,
            until: self.until,
            is_replay: false,
            way: Method::Messages { total: self.total(), rate },
            takers: Vec::new(),
        };
        Ok((Journal::begin(folder, &begun, &self.work, &[])?, begun))
    }
}

/// Returns the destination of a message in words. The text leaves out which task is answered, because that is
/// confidential.
fn place(destination: &Destination) -> String {
    match destination {
        Destination::Bus => "the bus".into(),
        Destination::Queue(queue) => format!("the queue {queue}"),
        Destination::Scheduled { queue, .. } => format!("the queue {queue}, later"),
        Destination::Unscheduled { queue } => format!("taking back from the queue {queue}"),
        Destination::StateMachine(saga) => format!("the saga {saga}"),
        Destination::Task { .. } => "a waiting task".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_was_logged_in_the_time_is_sent_though_its_handler_began_before() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let (since, now) = (at("2026-11-21T10:00:00Z"), at("2026-11-21T12:00:00Z"));
        let range = range(Some(since), None, now);
        assert!(range.contains(at("2026-11-21T09:45:00Z")), "its function ran for a quarter of an hour");
        assert!(!range.contains(at("2026-11-21T09:40:00Z")) && !range.contains(now));
    }
}
