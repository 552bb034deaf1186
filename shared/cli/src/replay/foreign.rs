//! Events of other sources in an archive. It can neither be listed nor asked what it holds, so they are replayed to a
//! rule and a queue of our own, which exist for as long as that takes.

use super::{Arguments, journal::Kept, plan::Candidate};
use crate::{interrupt::Interrupt, terminal::Terminal};
use serde_json::{Value, json};
use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};
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

/// Those that were asked for. CloudEvents are kept in files of `folder`, to be sent from there. Others are counted
/// alone: sent by themselves they would get other ids.
///
/// # Errors
/// If a file cannot be written.
pub fn candidates(events: &[Value], arguments: &Arguments, folder: &Path) -> Result<Vec<Candidate>, String> {
    let mut candidates = Vec::new();
    for (number, event) in events.iter().enumerate() {
        let detail = &event["detail"];
        let envelope = if detail["specversion"].is_string() { detail } else { event };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let message_type = text(&event["detail-type"]);
        let line = text(&detail["correlationid"]);
        let is_wanted = (arguments.types.is_empty() || arguments.types.contains(&message_type))
            && (arguments.correlation_id.is_empty() || arguments.correlation_id.contains(&line));
        if !is_wanted {
            continue;
        }
        let path: PathBuf = folder.join(format!("{number:08}.json"));
        fs::create_dir_all(folder)
            .and_then(|()| fs::write(&path, envelope.to_string()))
            .map_err(|error| format!("{}: {error}", path.display()))?;
        let (id, source) = (text(&envelope["id"]), text(&envelope["source"]));
        let is_sent_alone = detail["specversion"].is_string();
        candidates.push(Candidate { message: Kept::File(path), id, source, message_type, is_sent_alone });
    }
    Ok(candidates)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Command {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn chosen(events: &[Value], options: &[&str]) -> Vec<(String, bool)> {
        let arguments = ["replay", "--foreign", "--from", "1h"].into_iter().chain(options.iter().copied());
        let Command { arguments } = Command::parse_from(arguments);
        let name = format!("throughline-foreign-{}-{}", std::process::id(), options.join(""));
        let folder = std::env::temp_dir().join(name);
        let candidates = candidates(events, &arguments, &folder).unwrap();
        for candidate in &candidates {
            let Kept::File(path) = &candidate.message else { panic!("{candidate:?} is kept in a file") };
            let kept: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
            assert_eq!(kept["id"], candidate.id);
        }
        _ = fs::remove_dir_all(&folder);
        candidates.into_iter().map(|candidate| (candidate.id, candidate.is_sent_alone)).collect()
    }

    fn events() -> [Value; 2] {
        let cloud_event = json!({ "specversion": "1.0", "id": "ours-like", "source": "elsewhere", "correlationid": "line-1" });
        [
            json!({ "id": "one", "source": "elsewhere", "detail-type": "seen", "detail": cloud_event }),
            json!({ "id": "two", "source": "aws.s3", "detail-type": "Object Created", "detail": { "size": 1 } }),
        ]
    }

    #[test]
    fn cloud_events_are_sent_alone_under_their_ids_and_others_are_counted_only() {
        assert_eq!(chosen(&events(), &[]), [("ours-like".into(), true), ("two".into(), false)]);
    }

    #[test]
    fn they_are_chosen_by_type_and_by_line() {
        assert_eq!(chosen(&events(), &["--type", "Object Created"]), [("two".into(), false)]);
        assert_eq!(chosen(&events(), &["--correlation-id", "line-1"]), [("ours-like".into(), true)]);
        assert_eq!(chosen(&events(), &["--correlation-id", "line-2"]), []);
    }
}
