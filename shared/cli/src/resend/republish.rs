//! What a stream outage may have lost, to be sent again from the log.

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

/// After so long Step Functions forgets the name of an execution, and starts another under it (`StartExecution`,
/// "Idempotency").
const NAMES_ARE_KNOWN: Duration = Duration::from_hours(90 * 24);

/// How long after it began a handler may commit: a function runs for 15 minutes at most ("Lambda quotas"), and clocks
/// differ. A message bears the time at which its handler began, and gets into the log when it commits.
pub(crate) const LONGEST_ATTEMPT: Duration = Duration::from_mins(16);

/// What got into the log since a time, by the times that messages bear.
pub(crate) fn range(since: Option<Timestamp>, until: Option<Timestamp>, now: Timestamp) -> TimeRange {
    TimeRange { from: since.unwrap_or(now) - LONGEST_ATTEMPT, until: until.unwrap_or(now) }
}

/// What would be sent.
#[derive(Debug, Clone, Serialize)]
pub struct Plan {
    /// Its name.
    pub name: String,
    /// The first moment.
    pub from: Timestamp,
    /// The first moment after it.
    pub until: Timestamp,
    /// How many messages, by where they go and their types.
    pub messages: BTreeMap<String, BTreeMap<String, u64>>,
    /// Starts of sagas that are left out: they are so old that they would start another execution.
    pub left_out: u64,
    #[serde(skip)]
    work: Vec<WorkItem>,
}

impl Plan {
    /// What there is in the log of a time.
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

    /// How many messages it sends.
    pub fn total(&self) -> usize {
        self.work.len()
    }

    /// Puts it down, to be carried out.
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

/// Where a message goes, in words. Whose task is answered is nobody's business.
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
