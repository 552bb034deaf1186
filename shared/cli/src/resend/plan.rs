//! What a replay would do, before it does it.

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

/// How many claims are looked up in a request, and how many requests are made at the same time.
const CLAIMS_AT_A_TIME: usize = 100;
const REQUESTS_AT_A_TIME: usize = 4;

/// What a replay would do.
#[derive(Debug, Clone, Serialize)]
pub struct Plan {
    /// The replay's name.
    pub name: String,
    /// The first moment.
    pub from: Timestamp,
    /// The first moment after it.
    pub until: Timestamp,
    /// Where the figures come from.
    pub figures_from: String,
    /// How it would be done.
    pub way: String,
    /// How many events there are, by their types.
    pub events: BTreeMap<String, u64>,
    /// What each handler would do.
    pub handlers: Vec<HandlerPlan>,
    /// What else to know.
    pub notes: Vec<String>,
}

/// What a handler would do with the events that its rule takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HandlerPlan {
    /// The handler.
    pub handler: String,
    /// The rule that brings them.
    pub rule: String,
    /// `claims-decide` or `reprocess`.
    pub policy: String,
    /// How many it gets; at most, if its rule asks for what a plan does not read.
    pub events: u64,
    /// Whether it may be fewer.
    pub is_at_most: bool,
    /// Of these, done before: nothing happens.
    pub duplicate: u64,
    /// Somebody works on them just now.
    pub under_way: u64,
    /// Not done, or not remembered any more: they would be done.
    pub rerun: u64,
    /// A projection looks at them again.
    pub projection_only: u64,
}

impl Plan {
    /// How many events would be sent.
    pub fn total(&self) -> u64 {
        self.events.values().sum()
    }

    /// How many would be done that are not done, or not known to be.
    pub fn rerun(&self) -> u64 {
        self.handlers.iter().map(|handler| handler.rerun).sum()
    }
}

/// How many events there are, by their types.
pub fn by_type(candidates: &[Candidate]) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for candidate in candidates {
        *counts.entry(candidate.message_type.clone()).or_default() += 1;
    }
    counts
}

/// What each handler would do, by what the ledger remembers of its work.
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

/// What has to be sent: to the bus, or to the queues of the rules that take it.
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

/// How it would be done, in words.
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
