//! `throughline replay`: sends events again that were sent before. First a plan, then the replay, to its end.

use crate::{
    cloud::{
        relay_settings::Clock,
        stack::{Stack, StackError},
        target::Target,
    },
    project::Project,
    resend::{
        archive,
        journal::{self, Begun, Journal, Sent, Way},
        plan::ToSend,
        planned::{self, Planned},
        sending::Sending,
    },
    terminal::Terminal,
    time::moment::moment,
};
use clap::Args;
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    fmt,
    path::PathBuf,
    time::Duration,
};
use throughline_aws::{AwsPublisher, DynamoLedger, operate, replays};
use throughline_core::{Timestamp, ports::Time as _};

/// Sends events again that were sent before, with the ids they had: what was done is not done twice.
///
/// First it shows a plan: how many events, which handlers get them, and what each would do with them: a duplicate
/// (it is done, nothing happens), a re-run (it is not, or nobody remembers), or only a projection. Then, if you
/// agree, EventBridge replays its archive. An archive cannot be filtered by type: with --type or --correlation-id
/// the events are sent one by one from the ledger's log. Killed half-way, --resume goes on.
///
/// Example: throughline replay --from 24h --handler order-board
///
/// Example: throughline replay --from 2026-11-21T00:00:00Z --to 2026-11-22T00:00:00Z --type order.placed --plan
#[derive(Debug, Args)]
pub struct Arguments {
    /// Which stack.
    #[command(flatten)]
    pub target: Target,
    /// The first moment: a time, or a length of time ago such as 24h or 7d
    #[arg(long, value_name = "MOMENT", value_parser = moment)]
    pub from: Option<Timestamp>,
    /// The moment after the last; by default now
    #[arg(long, value_name = "MOMENT", value_parser = moment)]
    pub to: Option<Timestamp>,
    /// Only events of this type; may be given several times
    #[arg(long = "type", value_name = "TYPE")]
    pub types: Vec<String>,
    /// Only events of this line; may be given several times
    #[arg(long, value_name = "ID")]
    pub correlation_id: Vec<String>,
    /// Only to this rule of the bus; may be given several times
    #[arg(long, value_name = "NAME")]
    pub rule: Vec<String>,
    /// Only to the rules that lead to this handler; may be given several times
    #[arg(long, value_name = "NAME")]
    pub handler: Vec<String>,
    /// The archive; by default the one that the bus has
    #[arg(long, value_name = "NAME")]
    pub archive: Option<String>,
    /// Send the events in the files of this folder, CloudEvents in JSON, instead of what was logged
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["from", "to", "archive"])]
    pub directory: Option<PathBuf>,
    /// Count events of other sources, too, and choose among them: the archive is first replayed to a temporary rule
    /// and queue. Without it they are replayed unseen, or, where events are chosen, not at all
    #[arg(long, conflicts_with = "directory")]
    pub foreign: bool,
    /// Show the plan, and stop there
    #[arg(long)]
    pub plan: bool,
    /// Replay events that are older than what handlers remember: they do such work again
    #[arg(long)]
    pub accept_rerun: bool,
    /// Where events are sent one by one: the most a second
    #[arg(long, value_name = "EVENTS", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    pub rate: u32,
    /// Go on with a replay that was interrupted: the last one, or the one of this name
    #[arg(long, value_name = "NAME", num_args = 0..=1, conflicts_with_all = ["from", "to", "directory", "plan"])]
    pub resume: Option<Option<String>>,
}

/// What became of a replay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Its name: what it sent carries it as `replayname`.
    pub name: String,
    /// How many messages were sent, if they were sent one by one.
    pub sent: Option<u64>,
    /// Of the others: refused for good.
    pub refused: u64,
    /// Of the others: not sent, since nobody waits for them any more.
    pub too_late: u64,
    /// Of the others: not sent, since no rule takes them that leads to where they would go.
    pub untaken: u64,
}

impl Report {
    /// What became of what was sent one by one.
    pub(crate) fn of(name: String, sent: &Sent) -> Self {
        let Sent { accepted, refused, too_late, untaken, .. } = *sent;
        Self { name, sent: Some(accepted), refused, too_late, untaken }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.sent {
            None => write!(f, "{}: everything was replayed", self.name)?,
            Some(sent) => write!(f, "{}: {sent} messages sent", self.name)?,
        }
        if self.too_late > 0 {
            write!(f, ", {} too late for anybody", self.too_late)?;
        }
        if self.untaken > 0 {
            write!(f, ", {} that the rules do not take", self.untaken)?;
        }
        if self.refused > 0 {
            write!(f, ", {} refused for good", self.refused)?;
        }
        Ok(())
    }
}

/// Runs the command.
///
/// # Errors
/// If there is nothing to replay from, or it was not agreed to, or it stopped half-way.
pub async fn run(arguments: &Arguments, terminal: &Terminal) -> Result<(), Box<dyn Error>> {
    let stack = arguments.target.open(terminal).await?;
    let project = Project::find()?;
    let folder = project.root().join(".throughline/replays");
    let here = format!("{} on {}", arguments.target.stack, stack.place());
    if let Some(name) = &arguments.resume {
        let (journal, begun) = Journal::open(&folder, name.as_deref())?;
        must_be_here(&begun, &here)?;
        if !begun.is_replay {
            return Err(
                format!("{} is a republish: throughline outbox republish --resume", begun.name).into()
            );
        }
        terminal.note(format_args!("going on with {}", begun.name));
        return Ok(terminal.show(&carry_out(&stack, &journal, &begun, terminal).await?)?);
    }
    // Reading the log takes minutes where the range is long.
    if let Some(from) = arguments.from.filter(|_| !arguments.plan) {
        planned::check(from, arguments, &stack)?;
    }
    let planned = Planned::make(arguments, &stack, &project, terminal).await?;
    if arguments.plan {
        return Ok(terminal.show(&planned.plan)?);
    }
    terminal.note(&planned.plan);
    planned::check(planned.plan.from, arguments, &stack)?;
    if planned.to_send.work.is_empty() && matches!(planned.way, Way::Messages { .. }) {
        return Err("there is nothing to replay".into());
    }
    terminal.confirm(&format!(
        "replay {} events, which re-runs {}",
        planned.plan.total(),
        planned.plan.rerun()
    ))?;
    let begun = Begun {
        name: planned.plan.name.clone(),
        stack: here,
        from: planned.plan.from,
        until: planned.plan.until,
        is_replay: true,
        way: planned.way,
        takers: planned.takers,
    };
    let ToSend { work, kept } = &planned.to_send;
    let journal = Journal::begin(&folder, &begun, work, kept)?;
    Ok(terminal.show(&carry_out(&stack, &journal, &begun, terminal).await?)?)
}

pub(crate) fn must_be_here(begun: &Begun, here: &str) -> Result<(), String> {
    if begun.stack == here {
        return Ok(());
    }
    Err(format!("{} was begun for stack {}, and this is stack {here}", begun.name, begun.stack))
}

/// Whether handlers still remember what they did with something that happened then.
///
/// # Errors
/// A sentence with what can be done, if they do not, or if the stack does not tell how long they remember.
pub(crate) fn must_be_remembered(
    happened: Timestamp,
    lifetime: Result<Duration, StackError>,
    now: Timestamp,
    what_to_do: impl FnOnce(Timestamp) -> String,
) -> Result<(), String> {
    let lifetime = lifetime.map_err(|error| {
        format!("how long handlers remember their work is not known: {error}; or say --accept-rerun")
    })?;
    let remembered_from = now - lifetime;
    if happened >= remembered_from {
        return Ok(());
    }
    Err(format!(
        "handlers remember their work for {} days, and this goes back to {happened}: of what is older they would do all \
         again. {}, or say --accept-rerun",
        lifetime.as_secs() / 86_400,
        what_to_do(remembered_from)
    ))
}

/// A name for what begins now.
pub(crate) fn new_name() -> String {
    Clock.now().strftime("throughline-%Y%m%dT%H%M%S%3fZ").to_string()
}

async fn carry_out(
    stack: &Stack,
    journal: &Journal,
    begun: &Begun,
    terminal: &Terminal,
) -> Result<Report, Box<dyn Error>> {
    let name = begun.name.clone();
    let resume = format!("go on with: throughline replay --resume {name}");
    if let Way::Archive { archive_arn, bus_arn, rule_arns } = &begun.way {
        let order = replays::ReplayOrder {
            name: name.clone(),
            archive_arn: archive_arn.clone(),
            bus_arn: bus_arn.clone(),
            from: begun.from,
            until: begun.until,
            rule_arns: rule_arns.clone(),
        };
        archive::replay(stack, &order, terminal).await.map_err(|error| format!("{error}; {resume}"))?;
        journal.keep(&journal::Sent { is_over: true, ..journal.sent()? })?;
        return Ok(Report { name, sent: None, refused: 0, too_late: 0, untaken: 0 });
    }
    let clients = &stack.clients;
    let mut queues = BTreeMap::new();
    let names: BTreeSet<String> = journal.work()?.into_iter().flat_map(|work| work.queues).collect();
    for queue in names {
        let url = operate::queue_url(clients.sqs().await, &queue).await?;
        queues.insert(queue, url);
    }
    let (eventbridge, sqs) = (clients.eventbridge().await.clone(), clients.sqs().await.clone());
    let publisher = AwsPublisher::new(eventbridge, sqs, stack.output("EventBus")?, queues);
    let ledger =
        DynamoLedger::new(clients.dynamodb().await.clone(), stack.output("LedgerTable")?, BTreeMap::new());
    let Way::Messages { rate, .. } = begun.way else { return Err("there is no other way".into()) };
    let sending = Sending {
        ledger: &ledger,
        publisher: &publisher,
        replay_name: Some(&name),
        takers: &begun.takers,
        rate,
        terminal,
    };
    let sent = sending.run(journal).await.map_err(|error| format!("{error}; {resume}"))?;
    Ok(Report::of(name, &sent))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remembered(happened: &str, lifetime: Result<Duration, StackError>) -> Result<(), String> {
        let at = |text: &str| text.parse().unwrap();
        let since = |from| format!("Since {from}");
        must_be_remembered(at(happened), lifetime, at("2026-11-21T12:00:00Z"), since)
    }

    #[test]
    fn what_is_older_than_handlers_remember_is_said_to_be_done_again() {
        let a_day = || Ok(Duration::from_hours(24));
        assert_eq!(remembered("2026-11-20T12:00:00Z", a_day()), Ok(()));
        let error = remembered("2026-11-20T11:59:59Z", a_day()).unwrap_err();
        assert!(error.contains("for 1 days") && error.contains("Since 2026-11-20T12:00:00Z"), "{error}");
    }

    #[test]
    fn a_stack_that_does_not_tell_how_long_handlers_remember_is_no_leave_to_run_all_again() {
        let untold = Err(StackError::NoOutput { name: "ClaimLifetimeDays".into() });
        let error = remembered("2026-11-21T12:00:00Z", untold).unwrap_err();
        assert!(error.contains("`ClaimLifetimeDays`") && error.contains("--accept-rerun"), "{error}");
    }
}
