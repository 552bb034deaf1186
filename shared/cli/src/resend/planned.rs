//! Makes the plan of a replay from the ledger's log, from files or from the archive itself.

use super::{
    archive, directory, foreign, must_be_remembered, new_name,
    plan::{self, Plan},
    request::ReplayRequest,
    rules::{Handlers, Route},
    work::{Candidate, Location, Method, QueueRule, ToSend},
};
use crate::{
    cloud::{relay_settings::Clock, stack::Stack},
    progress::Progress,
    project::{Project, catalogue::Catalogue},
};
use futures_util::StreamExt as _;
use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    time::Duration,
};
use throughline_aws::DynamoLedger;
use throughline_core::{Timestamp, ledger::Destination, ports::Time as _};
use throughline_operations::{
    log::{ReadLog as _, TimeRange},
    replays,
    tap::Bus,
};

/// The time that events may take to get into an archive ("Archiving and replaying events in Amazon EventBridge").
const ARCHIVE_DELAY: Duration = Duration::from_mins(10);

/// A plan with all that is needed to carry it out.
pub(crate) struct Planned {
    pub(crate) plan: Plan,
    pub(crate) way: Method,
    pub(crate) to_send: ToSend,
    pub(crate) takers: Vec<QueueRule>,
}

impl Planned {
    /// Reads the events that would be replayed, and looks up which of them were handled.
    ///
    /// # Errors
    /// If there is nothing to read them from, or the request cannot be met.
    pub(crate) async fn make(
        request: &ReplayRequest,
        stack: &Stack,
        project: &Project,
        progress: &dyn Progress,
    ) -> Result<Self, Box<dyn Error>> {
        let eventbridge = stack.clients.eventbridge().await;
        let bus = stack.output("EventBus")?;
        let handlers = Handlers::of(project)?;
        let rules = replays::bus_rules(eventbridge, bus).await?;
        let rules = rules.into_iter().map(|rule| handlers.route(rule, &request.stack)).collect();
        let routes = in_scope(rules, request)?;
        let ledger = DynamoLedger::new(
            stack.clients.dynamodb().await.clone(),
            stack.output("LedgerTable")?,
            BTreeMap::new(),
        );
        let (now, name) = (Clock.now(), new_name());
        let (candidates, figures_from, range) = match &request.directory {
            Some(folder) => {
                let mut found = directory::read(folder, &Catalogue::of(project)?)?;
                found.retain(|found| directory::is_wanted(found, request));
                let range = directory::range(&found, now);
                let figures_from = format!("the files in {}", folder.display());
                (found.into_iter().map(|found| found.candidate).collect(), figures_from, range)
            }
            None => {
                let from =
                    request.from.ok_or("say from when on: --from 24h, or --from 2026-11-21T00:00:00Z")?;
                let range = TimeRange { from, until: request.until.unwrap_or(now) };
                if range.from >= range.until {
                    return Err(format!("{} is not before {}", range.from, range.until).into());
                }
                let (mut candidates, own_sources) = logged(&ledger, range, request, progress).await?;
                let mut figures_from = "the ledger's log, by its index over time".to_owned();
                if request.foreign {
                    let foreign = foreign(stack, project, range, &name, &own_sources, request, progress);
                    candidates.extend(foreign.await?);
                    figures_from.push_str("; and the archive, replayed to a temporary rule and queue");
                }
                (candidates, figures_from, range)
            }
        };
        let mut notes = Vec::new();
        let (way, straight_to) =
            choose(request, stack, project, &routes, candidates.len(), &mut notes).await?;
        let straight_to = straight_to.then_some(routes.as_slice());
        must_be_decidable(straight_to.unwrap_or_default())?;
        let activity = progress.begin("looking up what is done", None);
        let handlers = plan::handler_plans(&candidates, &routes, &handlers, &ledger, now, &*activity).await?;
        activity.finish();
        if matches!(way, Method::Archive { .. }) {
            notes.extend(on_an_archive(request, stack, range, now));
        }
        let not_alone = candidates.iter().filter(|candidate| !candidate.is_sent_alone).count();
        if not_alone > 0 && matches!(way, Method::Messages { .. }) {
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
        let to_send = match &way {
            Method::Archive { .. } => ToSend::default(),
            Method::Messages { .. } => plan::to_send(candidates, straight_to),
        };
        let takers = straight_to.unwrap_or_default().iter().flat_map(Route::takers).collect();
        Ok(Self { plan, way, to_send, takers })
    }
}

/// Returns the notes on the replay of an archive.
fn on_an_archive(request: &ReplayRequest, stack: &Stack, range: TimeRange, now: Timestamp) -> Vec<String> {
    let mut notes = vec![
        "An archive is replayed in no order, and its events may be delivered more than once.".to_owned(),
    ];
    if !request.foreign {
        notes.push(
            "Events of other sources than the log's are replayed, too, and are not in these figures: --foreign counts \
             them."
                .into(),
        );
    }
    if !stack.place().is_local() && now.duration_since(range.until).unsigned_abs() < ARCHIVE_DELAY {
        notes.push(format!(
            "Events get into an archive up to {} minutes late: those of the last minutes may be missing. Wait, or replay \
             these again later: nothing is done twice.",
            ARCHIVE_DELAY.as_secs() / 60
        ));
    }
    notes
}

/// Returns an error unless handlers remember their work on events from that time on, or the request accepts reruns.
///
/// # Errors
/// If the events are older than the handlers' claims, or the claims' lifetime is unknown, and reruns were not accepted.
pub(crate) fn check(from: Timestamp, request: &ReplayRequest, stack: &Stack) -> Result<(), String> {
    if request.accept_rerun {
        return Ok(());
    }
    must_be_remembered(from, stack.claim_lifetime(), Clock.now(), |from| match request.directory {
        Some(_) => format!("Leave out the files whose `time` is before {from}"),
        None => format!("Replay from {from} on"),
    })
}

/// Returns an error unless the rules' patterns can be decided here: messages sent straight to a queue must be exactly
/// those that EventBridge would deliver to it.
fn must_be_decidable(straight_to: &[Route]) -> Result<(), String> {
    let undecided = straight_to.iter().find_map(|route| Some((&route.rule.name, route.undecided()?)));
    let Some((name, why)) = undecided else { return Ok(()) };
    Err(format!(
        "what the pattern of rule `{name}` asks for can only be told by EventBridge ({why}), so that nothing can be \
         sent past it: leave out --rule and --handler, and the bus gets the events"
    ))
}

fn in_scope(routes: Vec<Route>, request: &ReplayRequest) -> Result<Vec<Route>, String> {
    let ReplayRequest { rules: rule, handlers: handler, .. } = request;
    if !request.is_scoped() {
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

/// Returns our own events of a time range from the log, and the sources that the log names.
async fn logged(
    ledger: &DynamoLedger,
    range: TimeRange,
    request: &ReplayRequest,
    progress: &dyn Progress,
) -> Result<(Vec<Candidate>, BTreeSet<String>), Box<dyn Error>> {
    let activity = progress.begin("reading the log, hour by hour", u64::try_from(range.hours()).ok());
    let mut hours = std::pin::pin!(ledger.read_log(range));
    let (mut candidates, mut own_sources, mut read) = (Vec::new(), BTreeSet::new(), 0);
    while let Some(hour) = hours.next().await {
        for header in hour? {
            if !own_sources.contains(&header.source) {
                own_sources.insert(header.source.clone());
            }
            let is_wanted = request.has(&header.message_type, header.correlation_id.as_deref());
            if header.destination == Destination::Bus && is_wanted {
                candidates.push(Candidate {
                    message: Location::Log(header.key.0, header.key.1),
                    id: header.id,
                    source: header.source,
                    message_type: header.message_type,
                    is_sent_alone: true,
                    event: None,
                });
            }
        }
        read += 1;
        activity.set(read);
    }
    activity.finish();
    Ok((candidates, own_sources))
}

/// Returns events of other sources from the archive.
async fn foreign(
    stack: &Stack,
    project: &Project,
    range: TimeRange,
    name: &str,
    own_sources: &BTreeSet<String>,
    request: &ReplayRequest,
    progress: &dyn Progress,
) -> Result<Vec<Candidate>, Box<dyn Error>> {
    if !archive::heeds_named_rules(stack, project)? {
        return Err(
            "this local cloud's archive takes no notice of the rules that are named, so that a look at it \
                    would replay everything to everybody: leave out --foreign"
                .into(),
        );
    }
    let found = archive::find(stack, request.archive.as_deref()).await?;
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
    let events = foreign::look(&bus, &order, &own_sources, stack.place().is_local(), progress).await?;
    Ok(foreign::candidates(events, request))
}

/// Returns the method of the replay, and whether messages go straight to the queues of the rules.
async fn choose(
    request: &ReplayRequest,
    stack: &Stack,
    project: &Project,
    routes: &[Route],
    total: usize,
    notes: &mut Vec<String>,
) -> Result<(Method, bool), Box<dyn Error>> {
    let messages = Method::Messages { total, rate: request.rate };
    let is_scoped = request.is_scoped();
    let has_queues_alone = routes.iter().all(|route| route.is_queues_alone);
    let is_straight = is_scoped && has_queues_alone;
    if request.directory.is_some() || request.is_filtered() {
        if is_scoped && !has_queues_alone {
            return Err(
                "chosen events can be sent straight to queues only, and a target of the rule is none: leave \
                        out --rule and --handler, or --type, --correlation-id and --directory"
                    .into(),
            );
        }
        return Ok((messages, is_straight));
    }
    // Most local clouds' archives ignore the rules that a replay names.
    if is_straight && stack.place().is_local() && request.archive.is_none() {
        return Ok((messages, true));
    }
    let Some((archive_arn, bus_arn)) = archive::find(stack, request.archive.as_deref()).await? else {
        notes.push(
            "The bus has no archive: events of other sources than the log's cannot be replayed.".into(),
        );
        return Ok((messages, is_straight));
    };
    if is_scoped && !archive::heeds_named_rules(stack, project)? {
        notes.push(
            "This local cloud's archive takes no notice of the rules that are named: every rule gets the events. The \
             others' handlers find them done."
                .into(),
        );
    }
    let rule_arns =
        if is_scoped { routes.iter().map(|route| route.rule.arn.clone()).collect() } else { Vec::new() };
    Ok((Method::Archive { archive_arn, bus_arn, rule_arns }, false))
}
