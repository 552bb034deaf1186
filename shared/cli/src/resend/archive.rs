//! EventBridge's archive: it is found, and a replay of it is followed to its end.

use crate::{
    cloud::{place::Place, stack::Stack},
    local::{Kind, cloud::LocalCloud, error::CloudError},
    progress::Progress,
    project::Project,
};
use std::{error::Error, time::Duration};
use throughline_core::Timestamp;
use throughline_operations::replays::{self, MOST_REPLAYS, ReplayOrder, ReplayStage};

/// The time between two questions about a replay's progress.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// The number of parts in which progress is shown.
const PARTS: u64 = 1000;

/// Returns the name of the archive that `throughline deploy` creates on a local cloud.
pub fn local_name(stack: &str) -> String {
    format!("{stack}-events")
}

/// Creates the archive of a stack's bus on a local cloud, which refuses it in a template, unless it exists. Returns
/// whether it created it.
///
/// # Errors
/// If EventBridge does not create it.
pub async fn ensure(stack: &Stack, name: &str) -> Result<bool, Box<dyn Error>> {
    let bus = stack.output("EventBus")?;
    Ok(replays::ensure_archive(stack.clients.eventbridge().await, bus, &local_name(name)).await?)
}

/// Returns the ARNs of an archive and of its bus: the archive of this name, or the bus's only one. `None` if no name is
/// given and the bus has none.
///
/// # Errors
/// If there is none of that name, or several and no name is given.
pub async fn find(stack: &Stack, name: Option<&str>) -> Result<Option<(String, String)>, Box<dyn Error>> {
    let client = stack.clients.eventbridge().await;
    let bus_arn = replays::bus_arn(client, stack.output("EventBus")?).await?;
    let archives = replays::archives(client, &bus_arn).await?;
    let names = || archives.iter().map(|archive| archive.name.as_str()).collect::<Vec<_>>().join(", ");
    let found = match (name, archives.as_slice()) {
        (None, []) => return Ok(None),
        (None, [only]) => only,
        (None, _) => {
            return Err(format!("the bus has several archives: choose with --archive: {}", names()).into());
        }
        (Some(name), _) => archives
            .iter()
            .find(|archive| archive.name == name)
            .ok_or_else(|| format!("the bus has no archive `{name}`; it has: {}", names()))?,
    };
    Ok(Some((found.arn.clone(), bus_arn)))
}

/// Returns whether a replay goes only to the rules that it names, as on AWS. ministack's goes to every rule.
/// LocalStack's does so, too, unless our plugin (`infra/localstack`) corrects it, which it cannot in Docker or in a
/// LocalStack that this command did not start.
///
/// # Errors
/// If the kind of local cloud cannot be determined.
pub fn heeds_named_rules(stack: &Stack, project: &Project) -> Result<bool, CloudError> {
    let Place::Local { endpoint } = stack.place() else { return Ok(true) };
    let Some(cloud) = LocalCloud::at(project.clone(), endpoint) else { return Ok(false) };
    Ok(cloud.status()?.cloud == Some(Kind::Localstack))
}

/// Starts a replay, or resumes it, and follows it to its end. EventBridge continues it while nobody follows. A replay
/// that EventBridge gave up is started again from the point that it reached.
///
/// # Errors
/// If it cannot be started, or fails or is cancelled before its end.
pub async fn replay(
    stack: &Stack,
    order: &ReplayOrder,
    progress: &dyn Progress,
) -> Result<(), Box<dyn Error>> {
    let client = stack.clients.eventbridge().await;
    let mut order = order.clone();
    let name = order.name.clone();
    for attempt in 2_u32.. {
        match replays::replay_progress(client, &order.name).await? {
            None => break,
            Some(earlier) if earlier.stage == ReplayStage::Running => {
                return follow(stack, &order, progress).await;
            }
            Some(earlier) if earlier.stage == ReplayStage::Completed => return Ok(()),
            Some(earlier) => {
                order.from = begun_again_from(order.from, earlier.sent_until);
                order.name = format!("{name}-{attempt}");
            }
        }
    }
    let running = replays::running_replays(client).await?;
    if running >= MOST_REPLAYS {
        return Err(format!(
            "{running} replays run already, and EventBridge allows {MOST_REPLAYS}: wait for one"
        )
        .into());
    }
    replays::start_replay(client, &order).await?;
    follow(stack, &order, progress).await
}

/// Returns the time from which a replay that was given up begins again. EventBridge replays minute by minute, and the
/// events of a minute in no order ("Archiving and replaying events in Amazon EventBridge"): a late event of a minute
/// says nothing about the others. EventBridge does not document where its minutes begin, so the minute before is
/// replayed again, too.
fn begun_again_from(from: Timestamp, sent_until: Option<Timestamp>) -> Timestamp {
    let Some(sent_until) = sent_until else { return from };
    let minute = sent_until.as_second().div_euclid(60) - 1;
    Timestamp::from_second(minute * 60).unwrap_or(from).max(from)
}

async fn follow(stack: &Stack, order: &ReplayOrder, progress: &dyn Progress) -> Result<(), Box<dyn Error>> {
    let client = stack.clients.eventbridge().await;
    let activity = progress.begin("replaying the archive, in thousandths of its time", Some(PARTS));
    loop {
        let Some(now) = replays::replay_progress(client, &order.name).await? else {
            return Err(format!("EventBridge knows nothing of the replay `{}`", order.name).into());
        };
        match now.stage {
            ReplayStage::Completed => {
                activity.finish();
                return Ok(());
            }
            ReplayStage::Running => {
                activity.set(now.sent_until.map_or(0, |until| part(order.from, order.until, until)));
            }
            ReplayStage::Cancelled | ReplayStage::Failed => {
                activity.finish();
                let reason = now.reason.unwrap_or_else(|| "EventBridge does not say why".into());
                return Err(format!("the replay `{}` ended before its end: {reason}", order.name).into());
            }
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

fn part(from: Timestamp, until: Timestamp, now: Timestamp) -> u64 {
    let whole = until.duration_since(from).as_secs().max(1);
    let done = now.duration_since(from).as_secs().clamp(0, whole);
    u64::try_from(done).unwrap_or_default() * PARTS / whole.unsigned_abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_given_up_begins_again_before_the_minute_it_was_in() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let from = at("2026-11-21T10:00:30Z");
        let again = |sent_until: Option<&str>| begun_again_from(from, sent_until.map(at)).to_string();
        assert_eq!(again(Some("2026-11-21T10:07:59Z")), "2026-11-21T10:06:00Z");
        assert_eq!(again(Some("2026-11-21T10:07:00Z")), "2026-11-21T10:06:00Z");
        assert_eq!(again(Some("2026-11-21T10:01:10Z")), from.to_string(), "but not before it began");
        assert_eq!(again(None), from.to_string());
    }

    #[test]
    fn progress_is_a_part_of_the_time_and_never_more_than_all_of_it() {
        let at = |second| Timestamp::from_second(second).unwrap();
        assert_eq!(part(at(0), at(100), at(50)), 500);
        assert_eq!(part(at(0), at(100), at(200)), PARTS);
        assert_eq!(part(at(100), at(200), at(0)), 0);
        assert_eq!(part(at(0), at(0), at(0)), 0);
    }
}
