//! The plan of a replay, made before anything is sent.

use super::{
    rules::{Handlers, Route},
    work::{Candidate, Location, Method, ToSend, WorkItem},
};
use crate::{progress::Activity, project::event_pattern::Answer};
use futures_util::{StreamExt as _, stream};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use throughline_aws::DynamoLedger;
use throughline_core::{ReplayPolicy, Timestamp, ledger::ClaimKey};
use throughline_operations::log::{LogError, ReadLog as _, Remembered};

/// The number of claims that are looked up in one request.
const CLAIMS_AT_A_TIME: usize = 100;
const REQUESTS_AT_A_TIME: usize = 4;

/// The plan of a replay.
#[derive(Debug, Clone, Serialize)]
pub struct Plan {
    /// The replay's name.
    pub name: String,
    /// The start of the time range.
    pub from: Timestamp,
    /// The end of the time range, exclusive.
    pub until: Timestamp,
    /// The source of the figures, in words.
    pub figures_from: String,
    /// The method of the replay, in words.
    pub way: String,
    /// The number of events, by type.
    pub events: BTreeMap<String, u64>,
    /// The expected work of each handler.
    pub handlers: Vec<HandlerPlan>,
    /// Notes for the operator.
    pub notes: Vec<String>,
}

/// The expected work of a handler on the events that its rule takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HandlerPlan {
    /// The handler's name.
    pub handler: String,
    /// The name of the rule that delivers them.
    pub rule: String,
    /// `claims-decide` or `reprocess`.
    pub policy: String,
    /// The number of events that it gets. It is an upper bound if the rule's pattern depends on values that a plan does
    /// not read.
    pub events: u64,
    /// Whether the number of events is an upper bound.
    pub is_at_most: bool,
    /// The number of these that were handled before: nothing happens.
    pub duplicate: u64,
    /// The number of these that are being handled at the moment.
    pub under_way: u64,
    /// The number of these that would be handled, because they never were or are no longer remembered.
    pub rerun: u64,
    /// The number of these that a projection handles again.
    pub projection_only: u64,
}

impl Plan {
    /// Returns the number of events that would be sent.
    pub fn total(&self) -> u64 {
        self.events.values().sum()
    }

    /// Returns the number of events that would be handled because they never were, or are no longer remembered.
    pub fn rerun(&self) -> u64 {
        self.handlers.iter().map(|handler| handler.rerun).sum()
    }
}

/// The number of events, by type.
pub fn by_type(candidates: &[Candidate]) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for candidate in candidates {
        *counts.entry(candidate.message_type.clone()).or_default() += 1;
    }
    counts
}

/// Returns the expected work of each handler, by its claims in the ledger.
///
/// # Errors
/// If the claims cannot be read.
pub async fn handler_plans(
    candidates: &[Candidate],
    routes: &[Route],
    handlers: &Handlers,
    ledger: &DynamoLedger,
    now: Timestamp,
    activity: &dyn Activity,
) -> Result<Vec<HandlerPlan>, LogError> {
    let mut plans = Vec::new();
    let mut looked_up = 0;
    for route in routes {
        let taken: Vec<(&Candidate, Answer)> = candidates
            .iter()
            .map(|candidate| (candidate, route.takes(candidate)))
            .filter(|(_, takes)| takes.may_be())
            .collect();
        for handler in &route.handlers {
            let policy = handlers.policy(handler);
            let mut plan = HandlerPlan {
                handler: handler.clone(),
                rule: route.rule.name.clone(),
                policy: policy.name().to_owned(),
                events: u64::try_from(taken.len()).unwrap_or(u64::MAX),
                is_at_most: taken.iter().any(|(_, takes)| *takes != Answer::Yes),
                duplicate: 0,
                under_way: 0,
                rerun: 0,
                projection_only: 0,
            };
            if policy == ReplayPolicy::Reprocess {
                plan.projection_only = plan.events;
            } else {
                let key = |(candidate, _): &(&Candidate, Answer)| {
                    ClaimKey::for_event(handler, &candidate.source, &candidate.id)
                };
                let keys: Vec<ClaimKey> = taken.iter().map(key).collect();
                let mut answers = stream::iter(keys.chunks(CLAIMS_AT_A_TIME))
                    .map(|keys| ledger.remembered(keys, now))
                    .buffered(REQUESTS_AT_A_TIME);
                while let Some(answer) = answers.next().await {
                    for remembered in answer? {
                        looked_up += 1;
                        match remembered {
                            Remembered::Done => plan.duplicate += 1,
                            Remembered::UnderWay => plan.under_way += 1,
                            Remembered::Nothing => plan.rerun += 1,
                        }
                    }
                    activity.set(looked_up);
                }
            }
            plans.push(plan);
        }
    }
    Ok(plans)
}

/// Returns the messages to send: to the bus, or straight to the queues of the rules that take them.
pub fn to_send(candidates: Vec<Candidate>, straight_to: Option<&[Route]>) -> ToSend {
    let mut to_send = ToSend::default();
    for candidate in candidates.into_iter().filter(|candidate| candidate.is_sent_alone) {
        let queues: BTreeSet<String> = straight_to
            .into_iter()
            .flatten()
            .filter(|route| route.takes(&candidate).may_be())
            .flat_map(|route| route.queues.iter().cloned())
            .collect();
        if straight_to.is_some() && queues.is_empty() {
            continue;
        }
        let Candidate { message, event, .. } = candidate;
        if let (Location::Journal(name), Some(mut event)) = (&message, event) {
            to_send.kept.push((name.clone(), event.remove("detail").unwrap_or_default()));
        }
        to_send.work.push(WorkItem { message, queues: queues.into_iter().collect() });
    }
    to_send
}

/// Returns the method of the replay in words.
pub fn way_in_words(way: &Method, straight_to: Option<&[Route]>) -> String {
    match (way, straight_to) {
        (Method::Archive { archive_arn, rule_arns, .. }, _) => {
            let archive = archive_arn.rsplit('/').next().unwrap_or(archive_arn);
            let to = if rule_arns.is_empty() { "to every rule" } else { "to the named rules alone" };
            format!("by EventBridge from its archive `{archive}`, {to}")
        }
        (Method::Messages { rate, .. }, None) => {
            format!("message by message to the bus, at most {rate} a second")
        }
        (Method::Messages { rate, .. }, Some(routes)) => {
            let queues: Vec<_> = routes.iter().flat_map(|route| &route.queues).map(String::as_str).collect();
            format!("message by message straight to {}, at most {rate} a second", queues.join(", "))
        }
    }
}
