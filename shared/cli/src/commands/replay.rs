//! `throughline replay`: sends events again that were sent before. First a plan, then the replay, to its end.

use crate::{
    cloud::target::Target,
    project::Project,
    resend::{
        carrying::carry_out,
        journal::Journal,
        must_be_here,
        plan::Plan,
        planned::{self, Planned},
        request::ReplayRequest,
        work::{Manifest, Method, ToSend},
    },
    terminal::{Table, Terminal},
    time::moment::moment,
};
use clap::Args;
use std::{error::Error, fmt, path::PathBuf};
use throughline_core::Timestamp;

const EXAMPLES: &str = "Examples:
  throughline replay --from 24h --handler order-board
  throughline replay --from 2026-11-21T00:00:00Z --to 2026-11-22T00:00:00Z --type order.placed --plan";

/// Sends events again that were sent before, with the ids they had: what was done is not done twice.
///
/// First it shows a plan: how many events, which handlers get them, and what each would do with them: a duplicate
/// (it is done, nothing happens), a re-run (it is not, or nobody remembers), or only a projection. Then, if you
/// agree, EventBridge replays its archive. An archive cannot be filtered by type: with --type or --correlation-id
/// the events are sent one by one from the ledger's log. Killed half-way, --resume goes on.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// The stack.
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
    /// The most events a second, where they are sent one by one
    #[arg(long, value_name = "EVENTS", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    pub rate: u32,
    /// Go on with a replay that was interrupted: the last one, or the one of this name
    #[arg(long, value_name = "NAME", num_args = 0..=1, conflicts_with_all = ["from", "to", "directory", "plan"])]
    pub resume: Option<Option<String>>,
}

impl Arguments {
    /// Returns the request, without the words of the command line.
    fn request(&self) -> ReplayRequest {
        ReplayRequest {
            stack: self.target.stack.clone(),
            from: self.from,
            until: self.to,
            types: self.types.clone(),
            correlation_ids: self.correlation_id.clone(),
            rules: self.rule.clone(),
            handlers: self.handler.clone(),
            archive: self.archive.clone(),
            directory: self.directory.clone(),
            foreign: self.foreign,
            accept_rerun: self.accept_rerun,
            rate: self.rate,
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "The plan of {}, {} until {}:", self.name, self.from, self.until)?;
        writeln!(f, "figures from {}; to be sent {}", self.figures_from, self.way)?;
        let mut events = Table::new(["event", "count"]);
        for (message_type, count) in &self.events {
            events.row([message_type.clone(), count.to_string()]);
        }
        if events.is_empty() {
            writeln!(f, "\nno events")?;
        } else {
            writeln!(f, "\n{events}")?;
        }
        let mut handlers = Table::new([
            "handler",
            "policy",
            "events",
            "duplicate",
            "under way",
            "re-run",
            "projection only",
        ]);
        for plan in &self.handlers {
            let at_most = if plan.is_at_most { "≤ " } else { "" };
            let counts =
                [plan.duplicate, plan.under_way, plan.rerun, plan.projection_only].map(|n| n.to_string());
            let first = [plan.handler.clone(), plan.policy.clone(), format!("{at_most}{}", plan.events)];
            handlers.row(first.into_iter().chain(counts));
        }
        if !handlers.is_empty() {
            writeln!(f, "\n{handlers}")?;
        }
        for note in &self.notes {
            writeln!(f, "\n{note}")?;
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
    let request = arguments.request();
    // Reading the log takes minutes where the range is long.
    if let Some(from) = arguments.from.filter(|_| !arguments.plan) {
        planned::check(from, &request, &stack)?;
    }
    let planned = Planned::make(&request, &stack, &project, terminal).await?;
    if arguments.plan {
        return Ok(terminal.show(&planned.plan)?);
    }
    terminal.note(&planned.plan);
    planned::check(planned.plan.from, &request, &stack)?;
    if planned.to_send.work.is_empty() && matches!(planned.way, Method::Messages { .. }) {
        return Err("there is nothing to replay".into());
    }
    terminal.confirm(&format!(
        "replay {} events, which re-runs {}",
        planned.plan.total(),
        planned.plan.rerun()
    ))?;
    let begun = Manifest {
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
