//! Events of other sources in an archive. It can neither be listed nor asked what it holds, so they are replayed to a
//! rule and a queue of our own, which exist for as long as that takes.

use super::{Arguments, journal::Kept, plan::Candidate};
use crate::{interrupt::Interrupt, terminal::Terminal};
use serde_json::{Value, json};
use std::{error::Error, time::Duration};
use throughline_aws::{
    operate::OperateError,
    replays::{self, ReplayOrder, ReplayStage},
    tap::{Bus, Tap},
};

/// How long a queue is waited for.
const WAIT: Duration = Duration::from_secs(2);
/// How often it must turn out empty after the replay has ended.
const EMPTY_LOOKS: u32 = 2;
/// How long a new rule takes to take effect on AWS ("Creating rules that react to events in Amazon EventBridge").
const RULE_DELAY: Duration = Duration::from_mins(1);

/// Replays the archive to nobody but us, and returns what came of other sources than ours, each as EventBridge
/// delivers it. The order's rules do not count.
///
/// # Errors
/// If the bus cannot be tapped, the replay does not end well, or somebody presses Ctrl-C. The rule and the queue are
/// removed in any case.
pub async fn look(
    bus: &Bus,
    order: &ReplayOrder,
    own_sources: &[String],
    is_local: bool,
    terminal: &Terminal,
) -> Result<Vec<Value>, Box<dyn Error>> {
    // Before anything is made: from then on somebody who presses Ctrl-C finds it removed.
    let interrupt = Interrupt::watch()?;
    let name = format!("{}-look", order.name);
    let mut pattern = json!({ "replay-name": [name] });
    if !own_sources.is_empty() {
        pattern["source"] = json!([{ "anything-but": own_sources }]);
    }
    let tap = bus.tap(&pattern).await?;
    let looked = Look { bus, tap: &tap, interrupt: &interrupt, terminal };
    let found = looked.collect(&ReplayOrder { name, ..order.clone() }, is_local).await;
    let closed = tap.close().await;
    let found = found?;
    closed?;
    Ok(found)
}

struct Look<'a> {
    bus: &'a Bus,
    tap: &'a Tap,
    interrupt: &'a Interrupt,
    terminal: &'a Terminal,
}

impl Look<'_> {
    async fn collect(&self, order: &ReplayOrder, is_local: bool) -> Result<Vec<Value>, Box<dyn Error>> {
        let client = &self.bus.eventbridge;
        let rules = replays::bus_rules(client, &self.bus.name).await?;
        let rule = rules.into_iter().find(|rule| rule.name == self.tap.name());
        let rule = rule.ok_or("the rule that was just made is not there")?;
        if !is_local {
            self.terminal.note("waiting a minute for the temporary rule to take effect");
            tokio::time::sleep(RULE_DELAY).await;
        }
        replays::start_replay(client, &ReplayOrder { rule_arns: vec![rule.arn], ..order.clone() }).await?;
        let progress = self.terminal.progress("looking through the archive for other sources", None);
        let (mut found, mut empty_looks) = (Vec::new(), 0);
        while empty_looks < EMPTY_LOOKS {
            if self.interrupt.came() {
                replays::cancel_replay(client, &order.name).await?;
                return Err("interrupted: the look through the archive is called off".into());
            }
            let events = self.tap.receive(WAIT).await?;
            let is_over = is_over(replays::replay_progress(client, &order.name).await)?;
            empty_looks = if events.is_empty() && is_over { empty_looks + 1 } else { 0 };
            found.extend(events.into_iter().map(|tapped| tapped.event));
            progress.set(u64::try_from(found.len()).unwrap_or(u64::MAX));
        }
        progress.finish();
        Ok(found)
    }
}

fn is_over(progress: Result<Option<replays::ReplayProgress>, OperateError>) -> Result<bool, Box<dyn Error>> {
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

/// Those that were asked for. CloudEvents can be sent by themselves; others are counted alone: they would get other
/// ids.
pub fn candidates(events: Vec<Value>, arguments: &Arguments) -> Vec<Candidate> {
    let events = events.into_iter().enumerate();
    events.filter_map(|(number, event)| candidate(number, event, arguments)).collect()
}

fn candidate(number: usize, event: Value, arguments: &Arguments) -> Option<Candidate> {
    let detail = &event["detail"];
    let is_sent_alone = detail["specversion"].is_string();
    let envelope = if is_sent_alone { detail } else { &event };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let message_type = text(&event["detail-type"]);
    let line = text(&detail["correlationid"]);
    let is_wanted = (arguments.types.is_empty() || arguments.types.contains(&message_type))
        && (arguments.correlation_id.is_empty() || arguments.correlation_id.contains(&line));
    if !is_wanted {
        return None;
    }
    let (id, source) = (text(&envelope["id"]), text(&envelope["source"]));
    let message = Kept::Journal(format!("{number:08}.json"));
    let Value::Object(event) = event else { return None };
    Some(Candidate { message, id, source, message_type, is_sent_alone, event: Some(event) })
}

#[cfg(test)]
mod tests;
