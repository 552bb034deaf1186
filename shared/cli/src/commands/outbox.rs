//! `throughline outbox republish`: sends again from the log what a stream outage may have lost.

use crate::{
    cloud::{
        relay_settings::{Clock, publisher_like_the_relays},
        target::Target,
    },
    commands::replay::{Report, must_be_here, must_be_remembered, new_name},
    project::Project,
    resend::{
        journal::{Begun, Journal, Kept, Way, Work},
        sending::Sending,
    },
    terminal::{Table, Terminal},
    time::moment::moment,
};
use clap::{Args, Subcommand};
use futures_util::StreamExt as _;
use serde::Serialize;
use std::{collections::BTreeMap, error::Error, fmt, path::Path, time::Duration};
use throughline_aws::{
    DynamoLedger,
    ledger::{LogError, LoggedHeader, TimeRange},
};
use throughline_core::{Timestamp, ledger::Destination, ports::Time as _};

/// The ledger's log, from which the relay sends what handlers emitted.
#[derive(Debug, Args)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do with the log.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Sends again what a time holds.
    Republish(Republish),
}

/// Sends again what handlers emitted in a time: events to the bus, commands to their queues, starts to sagas.
///
/// A table's stream keeps entries for 24 hours: what the relay has not sent by then is lost to it, and is only in
/// the log. Messages keep their ids, so that what did arrive is a duplicate wherever it arrives again. Killed
/// half-way, --resume goes on.
///
/// Example: throughline outbox republish --since 25h
#[derive(Debug, Args)]
pub struct Republish {
    /// Which stack.
    #[command(flatten)]
    pub target: Target,
    /// What got into the log since then: a time, or a length of time ago such as 25h
    #[arg(long, value_name = "MOMENT", value_parser = moment, required_unless_present = "resume")]
    pub since: Option<Timestamp>,
    /// The moment after the last; by default now
    #[arg(long, value_name = "MOMENT", value_parser = moment)]
    pub until: Option<Timestamp>,
    /// Show what would be sent, and stop there
    #[arg(long)]
    pub plan: bool,
    /// Send messages that are older than what handlers remember: they do such work again
    #[arg(long)]
    pub accept_rerun: bool,
    /// The most messages a second
    #[arg(long, value_name = "MESSAGES", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    pub rate: u32,
    /// Go on with a republish that was interrupted: the last one, or the one of this name
    #[arg(long, value_name = "NAME", num_args = 0..=1, conflicts_with_all = ["since", "until", "plan"])]
    pub resume: Option<Option<String>>,
}

/// After so long Step Functions forgets the name of an execution, and starts another under it (`StartExecution`,
/// "Idempotency").
const NAMES_ARE_KNOWN: Duration = Duration::from_hours(90 * 24);

/// How long after it began a handler may commit: a function runs for 15 minutes at most ("Lambda quotas"), and clocks
/// differ. A message bears the time at which its handler began, and gets into the log when it commits.
const LONGEST_ATTEMPT: Duration = Duration::from_mins(16);

/// What got into the log since a time, by the times that messages bear.
fn range(since: Option<Timestamp>, until: Option<Timestamp>, now: Timestamp) -> TimeRange {
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
    work: Vec<Work>,
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
        terminal: &Terminal,
    ) -> Result<Self, LogError> {
        let progress = terminal.progress("reading the log, hour by hour", u64::try_from(range.hours()).ok());
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
            progress.set(read);
        }
        progress.finish();
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
        self.work.push(Work { message: Kept::Log(partition, sort), queues: Vec::new() });
    }

    /// How many messages it sends.
    pub fn total(&self) -> usize {
        self.work.len()
    }

    /// Puts it down, to be carried out.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn begin(&self, folder: &Path, here: &str, rate: u32) -> Result<(Journal, Begun), Box<dyn Error>> {
        let begun = Begun {
            name: self.name.clone(),
            stack: here.to_owned(),
            from: self.from,
            until: self.until,
            is_replay: false,
            way: Way::Messages { total: self.total(), rate },
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

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{}: the log's messages from {} until {}, to be sent again. They bear the time at which their handler \
             began, so that the {} minutes before are among them:",
            self.name,
            self.from,
            self.until,
            LONGEST_ATTEMPT.as_secs() / 60
        )?;
        let mut table = Table::new(["to", "message", "count"]);
        for (place, types) in &self.messages {
            for (message_type, count) in types {
                table.row([place.clone(), message_type.clone(), count.to_string()]);
            }
        }
        if table.is_empty() {
            writeln!(f, "nothing")?;
        } else {
            writeln!(f, "{table}")?;
        }
        if self.left_out > 0 {
            writeln!(
                f,
                "{} starts of sagas are left out: Step Functions has forgotten their names and would start them anew",
                self.left_out
            )?;
        }
        Ok(())
    }
}

/// Runs the command.
///
/// # Errors
/// If the log cannot be read, or it was not agreed to, or it stopped half-way.
pub async fn run(arguments: &Arguments, terminal: &Terminal) -> Result<(), Box<dyn Error>> {
    let Command::Republish(republish) = &arguments.command;
    let stack = republish.target.open(terminal).await?;
    let project = Project::find()?;
    let folder = project.root().join(".throughline/replays");
    let here = format!("{} on {}", republish.target.stack, stack.place());
    let ledger = DynamoLedger::new(
        stack.clients.dynamodb().await.clone(),
        stack.output("LedgerTable")?,
        BTreeMap::new(),
    );
    let (journal, begun) = match &republish.resume {
        Some(name) => {
            let (journal, begun) = Journal::open(&folder, name.as_deref())?;
            must_be_here(&begun, &here)?;
            if begun.is_replay {
                return Err(format!("{} is a replay: throughline replay --resume", begun.name).into());
            }
            (journal, begun)
        }
        None => {
            let now = Clock.now();
            let range = range(republish.since, republish.until, now);
            if !republish.accept_rerun {
                must_be_remembered(range.from, stack.claim_lifetime(), now, |from| {
                    format!("Republish since {}", from + LONGEST_ATTEMPT)
                })?;
            }
            let plan = Plan::make(&ledger, range, now, terminal).await?;
            if republish.plan {
                return Ok(terminal.show(&plan)?);
            }
            terminal.note(&plan);
            if plan.total() == 0 {
                return Err("there is nothing to send again".into());
            }
            terminal.confirm(&format!("send {} messages again", plan.total()))?;
            plan.begin(&folder, &here, republish.rate)?
        }
    };
    let Way::Messages { rate, .. } = begun.way else {
        return Err("no republish is done by an archive".into());
    };
    let publisher = publisher_like_the_relays(&stack, &project).await?;
    let sending =
        Sending { ledger: &ledger, publisher: &publisher, replay_name: None, takers: &[], rate, terminal };
    let sent = sending.run(&journal).await.map_err(|error| {
        format!("{error}; go on with: throughline outbox republish --resume {}", begun.name)
    })?;
    Ok(terminal.show(&Report::of(begun.name, &sent))?)
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
