//! `throughline replay`: sends events again that were sent before. First a plan, then the replay, to its end.

pub mod archive;
pub mod directory;
pub mod foreign;
pub mod journal;
mod pattern;
pub mod plan;
pub mod rules;
pub mod sending;

use crate::{
    moment::moment, project::Project, relay_settings::Clock, stack::Stack, target::Target, terminal::Terminal,
};
use clap::Args;
use futures_util::StreamExt as _;
use journal::{Begun, Journal, Kept, Way};
use plan::{Candidate, Plan};
use rules::{Handlers, Route};
use sending::Sending;
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    fmt,
    path::PathBuf,
    time::Duration,
};
use throughline_aws::{AwsPublisher, DynamoLedger, ledger::TimeRange, operate, replays, tap::Bus};
use throughline_core::{Timestamp, ledger::Destination, ports::Time as _};

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
        if self.refused > 0 {
            write!(f, ", {} refused for good", self.refused)?;
        }
        Ok(())
    }
}

/// How long events may take to get into an archive ("Archiving and replaying events in Amazon EventBridge").
const ARCHIVE_DELAY: Duration = Duration::from_mins(10);

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
    let planned = Planned::make(arguments, &stack, &project, terminal).await?;
    if arguments.plan {
        return Ok(terminal.show(&planned.plan)?);
    }
    terminal.note(&planned.plan);
    planned.check(arguments, &stack)?;
    if planned.plan.total() == 0 && matches!(planned.way, Way::Messages { .. }) {
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
    };
    let journal = Journal::begin(&folder, &begun, &planned.work)?;
    Ok(terminal.show(&carry_out(&stack, &journal, &begun, terminal).await?)?)
}

pub(crate) fn must_be_here(begun: &Begun, here: &str) -> Result<(), String> {
    if begun.stack == here {
        return Ok(());
    }
    Err(format!("{} was begun for stack {}, and this is stack {here}", begun.name, begun.stack))
}

/// A name for what begins now.
pub(crate) fn new_name() -> String {
    Clock.now().strftime("throughline-%Y%m%dT%H%M%S%3fZ").to_string()
}

/// A plan, and what it takes to carry it out.
struct Planned {
    plan: Plan,
    way: Way,
    work: Vec<journal::Work>,
}

impl Planned {
    async fn make(
        arguments: &Arguments,
        stack: &Stack,
        project: &Project,
        terminal: &Terminal,
    ) -> Result<Self, Box<dyn Error>> {
        let eventbridge = stack.clients.eventbridge().await;
        let bus = stack.output("EventBus")?;
        let handlers = Handlers::of(project)?;
        let rules = replays::bus_rules(eventbridge, bus).await?;
        let rules = rules.into_iter().map(|rule| handlers.route(rule, &arguments.target.stack)).collect();
        let routes = in_scope(rules, arguments)?;
        let ledger = DynamoLedger::new(
            stack.clients.dynamodb().await.clone(),
            stack.output("LedgerTable")?,
            BTreeMap::new(),
        );
        let (now, name) = (Clock.now(), new_name());
        let (candidates, figures_from, range) = match &arguments.directory {
            Some(folder) => {
                let candidates = directory::read(folder)?;
                let candidates =
                    candidates.into_iter().filter(|found| directory::is_wanted(found, arguments));
                let figures_from = format!("the files in {}", folder.display());
                let candidates = candidates.map(|found| found.candidate).collect();
                (candidates, figures_from, TimeRange { from: now, until: now })
            }
            None => {
                let from =
                    arguments.from.ok_or("say from when on: --from 24h, or --from 2026-11-21T00:00:00Z")?;
                let range = TimeRange { from, until: arguments.to.unwrap_or(now) };
                if range.from >= range.until {
                    return Err(format!("{} is not before {}", range.from, range.until).into());
                }
                let (mut candidates, own_sources) = logged(&ledger, range, arguments, terminal).await?;
                let mut figures_from = "the ledger's log, by its index over time".to_owned();
                if arguments.foreign {
                    let foreign = foreign(stack, project, range, &name, &own_sources, arguments, terminal);
                    candidates.extend(foreign.await?);
                    figures_from.push_str("; and the archive, replayed to a temporary rule and queue");
                }
                (candidates, figures_from, range)
            }
        };
        let mut notes = Vec::new();
        let (way, straight_to) = choose(arguments, stack, &routes, candidates.len(), &mut notes).await?;
        let straight_to = straight_to.then_some(routes.as_slice());
        let progress = terminal.progress("looking up what is done", None);
        let handlers = plan::handler_plans(&candidates, &routes, &handlers, &ledger, now, &progress).await?;
        progress.finish();
        if matches!(way, Way::Archive { .. }) {
            notes.push(
                "An archive is replayed in no order, and its events may be delivered more than once.".into(),
            );
            if !arguments.foreign {
                notes.push(
                    "Events of other sources than the log's are replayed, too, and are not in these figures: \
                     --foreign counts them."
                        .into(),
                );
            }
            if !stack.place().is_local() && now.duration_since(range.until).unsigned_abs() < ARCHIVE_DELAY {
                notes.push(format!(
                    "Events get into an archive up to {} minutes late: those of the last minutes may be missing. \
                     Wait, or replay these again later: nothing is done twice.",
                    ARCHIVE_DELAY.as_secs() / 60
                ));
            }
        }
        let not_alone = candidates.iter().filter(|candidate| !candidate.is_sent_alone).count();
        if not_alone > 0 && matches!(way, Way::Messages { .. }) {
            notes.push(format!(
                "{not_alone} of these events are no CloudEvents and are not sent: sent by themselves they would get \
                 other ids. The archive keeps their ids: replay without --type and --correlation-id."
            ));
        }
        let plan = Plan {
            name,
            from: range.from,
            until: range.until,
            figures_from,
            way: plan::way_in_words(&way, straight_to),
            events: plan::by_type(&candidates),
            handlers,
            notes,
        };
        let work = match &way {
            Way::Archive { .. } => Vec::new(),
            Way::Messages { .. } => plan::work(candidates, straight_to),
        };
        Ok(Self { plan, way, work })
    }

    /// Whether what would be done is known well enough.
    fn check(&self, arguments: &Arguments, stack: &Stack) -> Result<(), String> {
        let lifetime = stack.output("ClaimLifetimeDays").ok().and_then(|days| days.parse::<u64>().ok());
        let Some(lifetime) = lifetime.map(|days| Duration::from_hours(days * 24)) else { return Ok(()) };
        let remembered_from = Clock.now() - lifetime;
        if self.plan.from >= remembered_from || arguments.accept_rerun {
            return Ok(());
        }
        Err(format!(
            "handlers remember their work for {} days, and this goes back to {}: of what is older they would do all \
             again. Replay from {remembered_from} on, or say --accept-rerun",
            lifetime.as_secs() / 86_400,
            self.plan.from
        ))
    }
}

fn in_scope(routes: Vec<Route>, arguments: &Arguments) -> Result<Vec<Route>, String> {
    let Arguments { rule, handler, .. } = arguments;
    if rule.is_empty() && handler.is_empty() {
        return Ok(routes);
    }
    let rules: Vec<_> = routes.iter().map(|route| route.rule.name.clone()).collect();
    let handlers: Vec<_> = routes.iter().flat_map(|route| route.handlers.clone()).collect();
    if let Some(unknown) = rule.iter().find(|name| !rules.contains(name)) {
        return Err(format!("the bus has no rule `{unknown}`; it has {}", rules.join(", ")));
    }
    if let Some(unknown) = handler.iter().find(|name| !handlers.contains(name)) {
        return Err(format!("no rule leads to a handler `{unknown}`; they lead to {}", handlers.join(", ")));
    }
    let is_in = |route: &Route| {
        rule.contains(&route.rule.name) || route.handlers.iter().any(|name| handler.contains(name))
    };
    Ok(routes.into_iter().filter(is_in).collect())
}

/// Our own events of a range, from the log.
async fn logged(
    ledger: &DynamoLedger,
    range: TimeRange,
    arguments: &Arguments,
    terminal: &Terminal,
) -> Result<(Vec<Candidate>, BTreeSet<String>), Box<dyn Error>> {
    let Arguments { types, correlation_id: lines, .. } = arguments;
    let progress = terminal.progress("reading the log, hour by hour", u64::try_from(range.hours()).ok());
    let mut hours = std::pin::pin!(ledger.read_log(range));
    let (mut candidates, mut own_sources, mut read) = (Vec::new(), BTreeSet::new(), 0);
    while let Some(hour) = hours.next().await {
        for header in hour? {
            if !own_sources.contains(&header.source) {
                own_sources.insert(header.source.clone());
            }
            let is_of_line =
                lines.is_empty() || header.correlation_id.as_ref().is_some_and(|line| lines.contains(line));
            let is_of_type = types.is_empty() || types.contains(&header.message_type);
            if header.destination == Destination::Bus && is_of_line && is_of_type {
                candidates.push(Candidate {
                    message: Kept::Log(header.key.0, header.key.1),
                    id: header.id,
                    source: header.source,
                    message_type: header.message_type,
                    is_sent_alone: true,
                });
            }
        }
        read += 1;
        progress.set(read);
    }
    progress.finish();
    Ok((candidates, own_sources))
}

/// Events of other sources, from the archive.
async fn foreign(
    stack: &Stack,
    project: &Project,
    range: TimeRange,
    name: &str,
    own_sources: &BTreeSet<String>,
    arguments: &Arguments,
    terminal: &Terminal,
) -> Result<Vec<Candidate>, Box<dyn Error>> {
    if stack.place().is_local() {
        return Err("a local cloud's archive takes no notice of the rules that are named, so that a look at it would \
                    replay everything to everybody: leave out --foreign"
            .into());
    }
    let found = archive::find(stack, arguments.archive.as_deref()).await?;
    let (archive_arn, bus_arn) = found.ok_or("the bus has no archive to look for other sources in")?;
    let bus = Bus {
        eventbridge: stack.clients.eventbridge().await.clone(),
        sqs: stack.clients.sqs().await.clone(),
        name: stack.output("EventBus")?.to_owned(),
    };
    let TimeRange { from, until } = range;
    let order = replays::ReplayOrder {
        name: name.to_owned(),
        archive_arn,
        bus_arn,
        from,
        until,
        rule_arns: Vec::new(),
    };
    let own_sources: Vec<String> = own_sources.iter().cloned().collect();
    let events = foreign::look(&bus, &order, &own_sources, false, terminal).await?;
    let folder = project.root().join(".throughline/replays").join(name).join("foreign");
    Ok(foreign::candidates(&events, arguments, &folder)?)
}

/// How it is done, and whether messages go straight to the queues of the rules.
async fn choose(
    arguments: &Arguments,
    stack: &Stack,
    routes: &[Route],
    total: usize,
    notes: &mut Vec<String>,
) -> Result<(Way, bool), Box<dyn Error>> {
    let messages = Way::Messages { total, rate: arguments.rate };
    let is_filtered = !arguments.types.is_empty() || !arguments.correlation_id.is_empty();
    let is_scoped = !arguments.rule.is_empty() || !arguments.handler.is_empty();
    let has_queues_alone = routes.iter().all(|route| route.is_queues_alone);
    let is_straight = is_scoped && has_queues_alone;
    if arguments.directory.is_some() || is_filtered {
        if is_scoped && !has_queues_alone {
            return Err(
                "chosen events can be sent straight to queues only, and a target of the rule is none: leave \
                        out --rule and --handler, or --type, --correlation-id and --directory"
                    .into(),
            );
        }
        return Ok((messages, is_straight));
    }
    // A local cloud's archive takes no notice of the rules that are named.
    if is_straight && stack.place().is_local() && arguments.archive.is_none() {
        return Ok((messages, true));
    }
    let Some((archive_arn, bus_arn)) = archive::find(stack, arguments.archive.as_deref()).await? else {
        notes.push(
            "The bus has no archive: events of other sources than the log's cannot be replayed.".into(),
        );
        return Ok((messages, is_straight));
    };
    if is_scoped && stack.place().is_local() {
        notes.push(
            "A local cloud's archive takes no notice of the rules that are named: every rule gets the events. The \
             others' handlers find them done."
                .into(),
        );
    }
    let rule_arns =
        if is_scoped { routes.iter().map(|route| route.rule.arn.clone()).collect() } else { Vec::new() };
    Ok((Way::Archive { archive_arn, bus_arn, rule_arns }, false))
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
        return Ok(Report { name, sent: None, refused: 0, too_late: 0 });
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
    let sending =
        Sending { ledger: &ledger, publisher: &publisher, replay_name: Some(&name), rate, terminal };
    let sent = sending.run(journal).await.map_err(|error| format!("{error}; {resume}"))?;
    Ok(Report { name, sent: Some(sent.accepted), refused: sent.refused, too_late: sent.too_late })
}
