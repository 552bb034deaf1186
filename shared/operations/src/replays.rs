//! Replays of a bus's archive, for operators: its rules, its archives, and how far a replay is.

use crate::OperateError;
use aws_sdk_eventbridge::{
    Client,
    operation::describe_replay::DescribeReplayError,
    primitives::DateTime,
    types::{ArchiveState, ReplayDestination, ReplayState, RuleState},
};
use serde_json::{Value, json};
use throughline_aws::internal::describe;
use throughline_core::Timestamp;

/// The most replays that EventBridge runs at the same time in an account and region ("Amazon EventBridge quotas").
pub const MOST_REPLAYS: usize = 10;

/// The extension attribute of an event that an archive holds already and that is published again, as `true`. Unlike
/// `replayname`, what it causes does not inherit it.
pub const RESENT: &str = "resent";

/// Returns the pattern of an archive: all events that it does not hold already. EventBridge itself leaves out events
/// that it replays.
pub fn archive_pattern() -> Value {
    json!({ "detail": { RESENT: [{ "exists": false }] } })
}

/// A rule of a bus that is switched on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BusRule {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// The event pattern by which it takes events, in JSON.
    pub pattern: String,
    /// The ARNs of what it sends them to.
    pub targets: Vec<String>,
}

/// An archive of a bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BusArchive {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// The number of events in the archive. EventBridge's count may be a day old.
    pub events: i64,
    /// Whether the archive takes events.
    pub is_enabled: bool,
    /// The event pattern by which it takes events, in JSON; without one it takes all.
    pub pattern: Option<String>,
}

/// A replay to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplayOrder {
    /// The replay's name: what it sends carries it.
    pub name: String,
    /// The archive's ARN.
    pub archive_arn: String,
    /// The ARN of the bus, which is the archive's own.
    pub bus_arn: String,
    /// The first moment.
    pub from: Timestamp,
    /// The last moment.
    pub until: Timestamp,
    /// The ARNs of the rules that get the events; all of the bus's if none is named.
    pub rule_arns: Vec<String>,
}

/// The progress of a replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplayProgress {
    /// The stage: still running, ended well, or failed.
    pub stage: ReplayStage,
    /// Everything before this time was sent, as far as EventBridge says.
    pub sent_until: Option<Timestamp>,
    /// Why it is where it is, if EventBridge says.
    pub reason: Option<String>,
}

/// The stages of a replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplayStage {
    /// It goes on by itself.
    Running,
    /// Everything was sent.
    Completed,
    /// Somebody stopped it.
    Cancelled,
    /// EventBridge gave it up.
    Failed,
}

fn failed(what: impl Into<String>) -> impl FnOnce(String) -> OperateError {
    let what = what.into();
    move |reason| OperateError { what, reason }
}

/// The rules of a bus that are switched on and take events, with their targets.
///
/// # Errors
/// If EventBridge does not tell.
pub async fn bus_rules(client: &Client, bus: &str) -> Result<Vec<BusRule>, OperateError> {
    let mut rules = Vec::new();
    let mut next = None;
    loop {
        let page = client.list_rules().event_bus_name(bus).set_next_token(next).send().await;
        let page = page.map_err(|error| failed(format!("the rules of bus `{bus}`"))(describe(&error)))?;
        for rule in page.rules.unwrap_or_default() {
            let (Some(name), Some(arn), Some(pattern)) = (rule.name, rule.arn, rule.event_pattern) else {
                continue; // a rule without a pattern is a schedule
            };
            if rule.state == Some(RuleState::Enabled) {
                let targets = targets(client, bus, &name).await?;
                rules.push(BusRule { name, arn, pattern, targets });
            }
        }
        next = page.next_token;
        if next.is_none() {
            return Ok(rules);
        }
    }
}

async fn targets(client: &Client, bus: &str, rule: &str) -> Result<Vec<String>, OperateError> {
    let listed = client.list_targets_by_rule().event_bus_name(bus).rule(rule).send().await;
    let listed = listed.map_err(|error| failed(format!("the targets of rule `{rule}`"))(describe(&error)))?;
    Ok(listed.targets.unwrap_or_default().into_iter().map(|target| target.arn).collect())
}

/// The ARN of a bus.
///
/// # Errors
/// If there is no such bus.
pub async fn bus_arn(client: &Client, bus: &str) -> Result<String, OperateError> {
    let found = client.describe_event_bus().name(bus).send().await;
    let found = found.map_err(|error| failed(format!("the bus `{bus}`"))(describe(&error)))?;
    found.arn.ok_or_else(|| failed(format!("the bus `{bus}`"))("EventBridge does not tell its ARN".into()))
}

/// The archives of a bus.
///
/// # Errors
/// If EventBridge does not tell.
pub async fn archives(client: &Client, bus_arn: &str) -> Result<Vec<BusArchive>, OperateError> {
    let what = || failed(format!("the archives of {bus_arn}"));
    let listed = client.list_archives().event_source_arn(bus_arn).send().await;
    let listed = listed.map_err(|error| what()(describe(&error)))?;
    let mut archives = Vec::new();
    for archive in listed.archives.unwrap_or_default() {
        let Some(name) = archive.archive_name else { continue };
        let described = client.describe_archive().archive_name(&name).send().await;
        let described = described.map_err(|error| what()(describe(&error)))?;
        archives.push(BusArchive {
            name,
            arn: described.archive_arn.unwrap_or_default(),
            events: described.event_count,
            is_enabled: described.state == Some(ArchiveState::Enabled),
            pattern: described.event_pattern.filter(|pattern| !pattern.is_empty()),
        });
    }
    Ok(archives)
}

/// Makes an archive of a bus, of what [`archive_pattern`] says, if it has none of this name; says whether it made one.
/// One that takes something else is changed.
///
/// # Errors
/// If EventBridge does not make it.
pub async fn ensure_archive(client: &Client, bus: &str, name: &str) -> Result<bool, OperateError> {
    let what = || failed(format!("the archive `{name}` of bus `{bus}`"));
    let arn = bus_arn(client, bus).await?;
    let pattern = archive_pattern();
    let Some(found) = archives(client, &arn).await?.into_iter().find(|archive| archive.name == name) else {
        let made = client.create_archive().archive_name(name).event_source_arn(arn);
        let made = made.event_pattern(pattern.to_string()).send().await;
        return made.map(|_| true).map_err(|error| what()(describe(&error)));
    };
    let taken = found.pattern.and_then(|pattern| serde_json::from_str::<Value>(&pattern).ok());
    if taken != Some(pattern.clone()) {
        let changed = client.update_archive().archive_name(name).event_pattern(pattern.to_string());
        changed.send().await.map_err(|error| what()(describe(&error)))?;
    }
    Ok(false)
}

/// Returns the number of replays that are running.
///
/// # Errors
/// If EventBridge does not tell.
pub async fn running_replays(client: &Client) -> Result<usize, OperateError> {
    let mut count = 0;
    for state in [ReplayState::Starting, ReplayState::Running] {
        let listed = client.list_replays().state(state).send().await;
        let listed = listed.map_err(|error| failed("the replays that run")(describe(&error)))?;
        count += listed.replays.unwrap_or_default().len();
    }
    Ok(count)
}

/// Starts a replay. It goes on by itself.
///
/// # Errors
/// If EventBridge does not start it.
pub async fn start_replay(client: &Client, order: &ReplayOrder) -> Result<(), OperateError> {
    let what = || failed(format!("the replay `{}` was not started", order.name));
    let time = |time: Timestamp| {
        let nanos = u32::try_from(time.subsec_nanosecond()).unwrap_or_default();
        DateTime::from_secs_and_nanos(time.as_second(), nanos)
    };
    let filters = Some(order.rule_arns.clone()).filter(|arns| !arns.is_empty());
    let destination = ReplayDestination::builder().arn(&order.bus_arn).set_filter_arns(filters).build();
    let started = client
        .start_replay()
        .replay_name(&order.name)
        .event_source_arn(&order.archive_arn)
        .event_start_time(time(order.from))
        .event_end_time(time(order.until))
        .destination(destination.map_err(|error| what()(error.to_string()))?)
        .send()
        .await;
    started.map(drop).map_err(|error| what()(describe(&error)))
}

/// Returns the progress of a replay, or `None` if there is none of this name.
///
/// # Errors
/// If EventBridge does not tell.
pub async fn replay_progress(client: &Client, name: &str) -> Result<Option<ReplayProgress>, OperateError> {
    let described = match client.describe_replay().replay_name(name).send().await {
        Ok(described) => described,
        Err(error)
            if error.as_service_error().is_some_and(DescribeReplayError::is_resource_not_found_exception) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(failed(format!("the replay `{name}`"))(describe(&error))),
    };
    let stage = match described.state {
        Some(ReplayState::Completed) => ReplayStage::Completed,
        Some(ReplayState::Cancelled | ReplayState::Cancelling) => ReplayStage::Cancelled,
        Some(ReplayState::Failed) => ReplayStage::Failed,
        _ => ReplayStage::Running,
    };
    let sent_until = described.event_last_replayed_time;
    let sent_until = sent_until.and_then(|time| Timestamp::from_second(time.secs()).ok());
    Ok(Some(ReplayProgress { stage, sent_until, reason: described.state_reason }))
}

/// Stops a replay. What it has sent stays sent.
///
/// # Errors
/// If EventBridge does not stop it.
pub async fn cancel_replay(client: &Client, name: &str) -> Result<(), OperateError> {
    let cancelled = client.cancel_replay().replay_name(name).send().await;
    cancelled
        .map(drop)
        .map_err(|error| failed(format!("the replay `{name}` was not stopped"))(describe(&error)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use throughline_aws::testing::{Answer, Fake};

    const ARN: &str = "arn:aws:events:eu-west-1:1:event-bus/shop";

    /// Ensures an archive on a bus that has these archives, each with its pattern. Returns the requests, and the last
    /// one's body.
    async fn ensured(archives: &[(&str, &str)]) -> (bool, Vec<String>, Value) {
        let listed: Vec<Value> = archives.iter().map(|(name, _)| json!({ "ArchiveName": name })).collect();
        let described = |(name, pattern): &(&str, &str)| -> Answer {
            (200, json!({ "ArchiveName": name, "EventPattern": pattern, "State": "ENABLED" }))
        };
        let bus = [(200, json!({ "Name": "shop", "Arn": ARN })), (200, json!({ "Archives": listed }))];
        let answers = bus.into_iter().chain(archives.iter().map(described)).chain([(200, json!({}))]);
        let fake = Fake::new(answers);
        let made = ensure_archive(&Client::new(&fake.config()), "shop", "shop-events").await.unwrap();
        let last = fake.requests().pop().unwrap();
        (made, fake.operations(), last)
    }

    #[tokio::test]
    async fn an_archive_is_made_that_leaves_out_what_it_holds_already() {
        let (made, asked, last) = ensured(&[("another", "")]).await;
        assert!(made, "{asked:?}");
        assert_eq!(last["EventPattern"], r#"{"detail":{"resent":[{"exists":false}]}}"#);
        assert_eq!((&last["ArchiveName"], &last["EventSourceArn"]), (&json!("shop-events"), &json!(ARN)));
    }

    #[tokio::test]
    async fn one_of_an_earlier_version_is_changed_and_any_other_left_as_it_is() {
        let (made, asked, last) = ensured(&[("shop-events", "")]).await;
        assert!(!made);
        assert_eq!(
            (asked.last().unwrap().as_str(), &last["ArchiveName"]),
            ("UpdateArchive", &json!("shop-events"))
        );
        let (made, asked, _) = ensured(&[("shop-events", &archive_pattern().to_string())]).await;
        assert!(!made);
        assert_eq!(asked.last().unwrap(), "DescribeArchive");
    }
}
