//! `throughline outbox republish`: sends again from the log what a stream outage may have lost.

use crate::{
    cloud::{
        relay_settings::{Clock, publisher_like_the_relays},
        target::Target,
    },
    project::Project,
    resend::{
        Report,
        journal::Journal,
        must_be_here, must_be_remembered,
        republish::{LONGEST_ATTEMPT, Plan, range},
        sending::Sending,
        work::Method,
    },
    terminal::{Table, Terminal},
    time::moment::moment,
};
use clap::{Args, Subcommand};
use std::{collections::BTreeMap, error::Error, fmt};
use throughline_aws::DynamoLedger;
use throughline_core::{Timestamp, ports::Time as _};

/// The ledger's log, from which the relay sends what handlers emitted.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The subcommand.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands for the log.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Sends again what a time holds.
    Republish(Republish),
}

const EXAMPLES: &str = "Examples:
  throughline outbox republish --since 25h";

/// Sends again what handlers emitted in a time: events to the bus, commands to their queues, starts to sagas.
///
/// A table's stream keeps entries for 24 hours: what the relay has not sent by then is lost to it, and is only in
/// the log. Messages keep their ids, so that what did arrive is a duplicate wherever it arrives again. Killed
/// half-way, --resume goes on.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Republish {
    /// The stack.
    #[command(flatten)]
    pub target: Target,
    /// The start of the range: a time, or a length of time ago such as 25h
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
    let Method::Messages { rate, .. } = begun.way else {
        return Err("no republish is done by an archive".into());
    };
    let publisher = publisher_like_the_relays(&stack, &project).await?;
    let sending = Sending {
        ledger: &ledger,
        publisher: &publisher,
        replay_name: None,
        takers: &[],
        rate,
        progress: terminal,
    };
    let sent = sending.run(&journal).await.map_err(|error| {
        format!("{error}; go on with: throughline outbox republish --resume {}", begun.name)
    })?;
    Ok(terminal.show(&Report::of(begun.name, &sent))?)
}
