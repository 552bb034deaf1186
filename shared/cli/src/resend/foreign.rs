//! Events of other sources in an archive. An archive can be neither listed nor queried, so they are replayed to a
//! temporary rule and queue, which are removed afterwards.

use super::{
    request::ReplayRequest,
    work::{Candidate, Location},
};
use crate::progress::{Interruptions, Progress};
use serde_json::{Value, json};
use std::{
    error::Error,
    time::{Duration, Instant},
};
use throughline_operations::{
    OperateError,
    replays::{self, ReplayOrder, ReplayProgress, ReplayStage},
    tap::{Bus, Tap},
};

/// The time to wait for events in the queue.
const WAIT: Duration = Duration::from_secs(2);
/// The number of times that the queue must be empty after the replay has ended.
const EMPTY_LOOKS: u32 = 2;
/// The time that the queue keeps events: an archive may be replayed faster than they are received.
const RETENTION: Duration = Duration::from_hours(24);
/// The time until a new rule takes effect on AWS ("Creating rules that react to events in Amazon EventBridge").
const RULE_DELAY: Duration = Duration::from_mins(1);
/// The time between two signs that the tap is still in use.
const SIGN_OF_LIFE: Duration = Duration::from_mins(10);
/// The longest time until Ctrl-C is noticed while the command waits for the rule.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// Replays the archive to a temporary rule and queue only, and returns the events of other sources than ours, each as
/// EventBridge delivers it. The order's own rules are ignored.
///
/// # Errors
/// If the bus cannot be tapped, the replay fails, or the operator presses Ctrl-C. The replay is then cancelled. The
/// rule and the queue are removed in any case.
pub async fn look(
    bus: &Bus,
    order: &ReplayOrder,
    own_sources: &[String],
    is_local: bool,
    progress: &dyn Progress,
) -> Result<Vec<Value>, Box<dyn Error>> {
    // Interruptions are held before anything is created, so that Ctrl-C leaves nothing behind.
    let interruptions = progress.hold_interruptions()?;
    let name = format!("{}-look", order.name);
    let mut pattern = json!({ "replay-name": [name] });
    if !own_sources.is_empty() {
        pattern["source"] = json!([{ "anything-but": own_sources }]);
    }
    let tap = bus.tap_keeping(&pattern, RETENTION).await?;
    let tapped = Tapped { bus, tap: &tap, order: ReplayOrder { name, ..order.clone() } };
    let rule_delay = if is_local { Duration::ZERO } else { RULE_DELAY };
    let look = Look {
        source: &tapped,
        interruptions: &*interruptions,
        progress,
        rule_delay,
        sign_of_life: SIGN_OF_LIFE,
    };
    let found = look.collect().await;
    let closed = tap.close().await;
    interruptions.release();
    let found = found?;
    closed?;
    Ok(found)
}

/// The operations that a look through the archive needs.
trait Source {
    async fn start(&self) -> Result<(), Box<dyn Error>>;
    async fn progress(&self) -> Result<Option<ReplayProgress>, OperateError>;
    async fn receive(&self) -> Result<Vec<Value>, OperateError>;
    /// Marks the tap as still in use.
    async fn keep(&self) -> Result<(), OperateError>;
    async fn cancel(&self) -> Result<(), OperateError>;
}

struct Tapped<'a> {
    bus: &'a Bus,
    tap: &'a Tap,
    order: ReplayOrder,
}

impl Source for Tapped<'_> {
    async fn start(&self) -> Result<(), Box<dyn Error>> {
        let client = &self.bus.eventbridge;
        let rules = replays::bus_rules(client, &self.bus.name).await?;
        let rule = rules.into_iter().find(|rule| rule.name == self.tap.name());
        let rule = rule.ok_or("the rule that was just made is not there")?;
        let order = ReplayOrder { rule_arns: vec![rule.arn], ..self.order.clone() };
        Ok(replays::start_replay(client, &order).await?)
    }

    async fn progress(&self) -> Result<Option<ReplayProgress>, OperateError> {
        replays::replay_progress(&self.bus.eventbridge, &self.order.name).await
    }

    async fn receive(&self) -> Result<Vec<Value>, OperateError> {
        Ok(self.tap.receive(WAIT).await?.into_iter().map(|tapped| tapped.event).collect())
    }

    async fn keep(&self) -> Result<(), OperateError> {
        self.tap.keep().await
    }

    async fn cancel(&self) -> Result<(), OperateError> {
        replays::cancel_replay(&self.bus.eventbridge, &self.order.name).await
    }
}

struct Look<'a, S> {
    source: &'a S,
    interruptions: &'a dyn Interruptions,
    progress: &'a dyn Progress,
    rule_delay: Duration,
    sign_of_life: Duration,
}

impl<S: Source> Look<'_, S> {
    async fn collect(&self) -> Result<Vec<Value>, Box<dyn Error>> {
        if !self.rule_delay.is_zero() {
            self.progress.note("waiting a minute for the temporary rule to take effect");
        }
        let made = Instant::now();
        while made.elapsed() < self.rule_delay {
            self.go_on()?;
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        match self.replay().await {
            Ok(found) => Ok(found),
            Err(error) => match self.call_off().await {
                Ok(()) => Err(error),
                Err(left) => Err(format!("{error}; and then: {left}").into()),
            },
        }
    }

    async fn replay(&self) -> Result<Vec<Value>, Box<dyn Error>> {
        self.source.start().await?;
        let activity = self.progress.begin("looking through the archive for other sources", None);
        let (mut found, mut empty_looks, mut last_sign) = (Vec::new(), 0, Instant::now());
        while empty_looks < EMPTY_LOOKS {
            self.go_on()?;
            if last_sign.elapsed() >= self.sign_of_life {
                self.source.keep().await?;
                last_sign = Instant::now();
            }
            let events = self.source.receive().await?;
            // The replay's progress does not matter while events still arrive.
            let is_at_its_end = events.is_empty() && is_over(self.source.progress().await)?;
            empty_looks = if is_at_its_end { empty_looks + 1 } else { 0 };
            found.extend(events);
            activity.set(u64::try_from(found.len()).unwrap_or(u64::MAX));
        }
        activity.finish();
        Ok(found)
    }

    fn go_on(&self) -> Result<(), &'static str> {
        if self.interruptions.came() {
            return Err("interrupted: the look through the archive is called off");
        }
        Ok(())
    }

    /// Cancels the replay if it may still run, because nothing receives its events any more.
    async fn call_off(&self) -> Result<(), OperateError> {
        match self.source.progress().await {
            Ok(None) => Ok(()),
            Ok(Some(progress)) if progress.stage != ReplayStage::Running => Ok(()),
            _ => self.source.cancel().await,
        }
    }
}

fn is_over(progress: Result<Option<ReplayProgress>, OperateError>) -> Result<bool, Box<dyn Error>> {
    match progress? {
        Some(progress) => match progress.stage {
            ReplayStage::Running => Ok(false),
            ReplayStage::Completed => Ok(true),
            ReplayStage::Cancelled | ReplayStage::Failed => {
                let reason = progress.reason.unwrap_or_else(|| "EventBridge does not say why".into());
                Err(format!("the look through the archive ended before its end: {reason}").into())
            }
        },
        None => Err("EventBridge knows nothing of the look through the archive".into()),
    }
}

/// Returns those of the events that were asked for. CloudEvents can be sent by themselves; others are only counted,
/// because they would get other ids.
pub fn candidates(events: Vec<Value>, request: &ReplayRequest) -> Vec<Candidate> {
    let events = events.into_iter().enumerate();
    events.filter_map(|(number, event)| candidate(number, event, request)).collect()
}

fn candidate(number: usize, event: Value, request: &ReplayRequest) -> Option<Candidate> {
    let detail = &event["detail"];
    let is_sent_alone = detail["specversion"].is_string();
    let envelope = if is_sent_alone { detail } else { &event };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let message_type = text(&event["detail-type"]);
    let line = text(&detail["correlationid"]);
    if !request.has(&message_type, Some(&line)) {
        return None;
    }
    let (id, source) = (text(&envelope["id"]), text(&envelope["source"]));
    let message = Location::Journal(format!("{number:08}.json"));
    let Value::Object(event) = event else { return None };
    Some(Candidate { message, id, source, message_type, is_sent_alone, event: Some(event) })
}

#[cfg(test)]
mod tests;
