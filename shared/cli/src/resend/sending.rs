//! Sends messages again in order, so that it can be interrupted at any point.

use super::{
    journal::{Journal, JournalError},
    work::{Checkpoint, Location, QueueRule, WorkItem},
};
use crate::{
    progress::{Activity, Progress},
    project::event_pattern::Answer,
};
use std::{fs, time::Duration};
use throughline_aws::DynamoLedger;
use throughline_core::{
    EncodedEnvelope,
    ledger::{Destination, Outgoing},
    process::Backoff,
    relay::{Delivery, MOST_ENTRIES, Publisher},
};
use throughline_operations::{
    log::{LogError, ReadLog as _},
    replays::RESENT,
};
use tokio::time::{Instant, sleep, sleep_until};

/// The number of times that a message is tried before sending stops.
const MOST_TRIES: u32 = 5;

/// The sender of messages, with its destinations and rate.
#[derive(Clone, Copy)]
pub struct Sending<'a> {
    /// The ledger with the log.
    pub ledger: &'a DynamoLedger,
    /// The publisher that sends them.
    pub publisher: &'a dyn Publisher,
    /// The name of the replay that messages carry, if it is one.
    pub replay_name: Option<&'a str>,
    /// The rules that lead to the queues to which messages go directly.
    pub takers: &'a [QueueRule],
    /// The highest number of messages a second.
    pub rate: u32,
    /// The receiver of progress reports.
    pub progress: &'a dyn Progress,
}

impl std::fmt::Debug for Sending<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sending").field("replay_name", &self.replay_name).finish_non_exhaustive()
    }
}

/// The reason that sending stopped. The journal holds what was sent.
#[derive(Debug, thiserror::Error)]
pub enum SendingError {
    /// The journal could not be read or written.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The log could not be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A file is no longer a valid CloudEvent.
    #[error("{path} is no CloudEvent any more: {reason}")]
    File {
        /// The file's path.
        path: String,
        /// The parse error.
        reason: String,
    },
    /// A message was not accepted after all tries.
    #[error("stopped after {position} messages: {reason}")]
    NotAccepted {
        /// The number of messages that are dealt with.
        position: usize,
        /// The error that the service returned.
        reason: String,
    },
}

impl Sending<'_> {
    /// Sends the remaining messages of a journal, and records its progress there. A message that was in flight at an
    /// interruption may be sent twice, with the same id.
    ///
    /// # Errors
    /// [`SendingError`]; the journal can be resumed.
    pub async fn run(&self, journal: &Journal) -> Result<Checkpoint, SendingError> {
        let work = journal.work()?;
        let mut sent = journal.sent()?;
        let total = u64::try_from(work.len()).ok();
        let progress = self.progress.begin("sending again", total);
        let started = Instant::now();
        let mut sent_now = 0_u32;
        for some in work[sent.position.min(work.len())..].chunks(MOST_ENTRIES) {
            let messages = self.open(journal, some, &mut sent, &*progress).await?;
            for messages in messages.chunks(MOST_ENTRIES) {
                self.send(messages, &mut sent, &*progress).await?;
                sent_now = sent_now.saturating_add(u32::try_from(messages.len()).unwrap_or(u32::MAX));
                sleep_until(
                    started + Duration::from_secs_f64(f64::from(sent_now) / f64::from(self.rate.max(1))),
                )
                .await;
            }
            sent.position += some.len();
            journal.keep(&sent)?;
            progress.set(u64::try_from(sent.position).unwrap_or(u64::MAX));
        }
        progress.finish();
        sent.is_over = true;
        journal.keep(&sent)?;
        Ok(sent)
    }

    async fn open(
        &self,
        journal: &Journal,
        work: &[WorkItem],
        sent: &mut Checkpoint,
        progress: &dyn Activity,
    ) -> Result<Vec<Outgoing>, SendingError> {
        let logged = |work: &WorkItem| match &work.message {
            Location::Log(partition, sort) => Some((partition.clone(), sort.clone())),
            Location::File(_) | Location::Journal(_) => None,
        };
        let keys: Vec<_> = work.iter().filter_map(logged).collect();
        let mut logged = self.ledger.open_messages(&keys).await?.into_iter();
        let mut messages = Vec::with_capacity(work.len());
        for work in work {
            let outgoing = match &work.message {
                Location::Log(..) => logged.next().flatten(),
                Location::File(path) => Some(in_file(path)?),
                Location::Journal(name) => Some(in_file(&journal.message(name))?),
            };
            let Some(outgoing) = outgoing else {
                sent.too_late += 1; // it has expired since the plan was made
                continue;
            };
            let (id, message_type) =
                (outgoing.envelope.attributes.id.clone(), outgoing.envelope.attributes.message_type.clone());
            match addressed(outgoing, work, self.replay_name, self.takers) {
                Ok(none) if none.is_empty() => sent.untaken += 1,
                Ok(addressed) => messages.extend(addressed),
                Err(why) => {
                    sent.refused += 1;
                    progress.note(&format!("{message_type} {id} is not sent: {why}"));
                }
            }
        }
        Ok(messages)
    }

    async fn send(
        &self,
        messages: &[Outgoing],
        sent: &mut Checkpoint,
        progress: &dyn Activity,
    ) -> Result<(), SendingError> {
        let mut left: Vec<&Outgoing> = messages.iter().collect();
        for attempt in 1.. {
            let answers = self.publisher.publish(&left).await;
            let mut again = Vec::new();
            let mut why = "no answer".to_owned();
            for (message, answer) in
                left.into_iter().zip(answers.into_iter().map(Some).chain(std::iter::repeat(None)))
            {
                match answer {
                    Some(Delivery::Accepted) => sent.accepted += 1,
                    Some(Delivery::TooLate(_)) => sent.too_late += 1,
                    Some(Delivery::Refused { error_type, reason }) => {
                        sent.refused += 1;
                        let attributes = &message.envelope.attributes;
                        progress.note(&format!(
                            "{} {} was refused for good: {error_type}: {reason}",
                            attributes.message_type, attributes.id
                        ));
                    }
                    Some(Delivery::Retry(reason)) => {
                        why = reason;
                        again.push(message);
                    }
                    None => again.push(message),
                }
            }
            if again.is_empty() {
                return Ok(());
            }
            if attempt >= MOST_TRIES {
                return Err(SendingError::NotAccepted { position: sent.position, reason: why });
            }
            left = again;
            sleep(Backoff::REDELIVERY.ceiling(attempt)).await;
        }
        Ok(())
    }
}

/// Returns a message as it is sent: to its first destination, or to those of its queues to which a rule would deliver
/// it. An error names the queue for which that cannot be decided, and the reason.
fn addressed(
    mut outgoing: Outgoing,
    WorkItem { message, queues }: &WorkItem,
    replay_name: Option<&str>,
    takers: &[QueueRule],
) -> Result<Vec<Outgoing>, String> {
    if let Some(name) = replay_name {
        outgoing.envelope.attributes.replay_name = Some(name.to_owned());
    }
    if queues.is_empty() {
        // A file's event may never have been on this bus.
        let extensions = &mut outgoing.envelope.attributes.extensions;
        extensions.remove(RESENT);
        if replay_name.is_some() && !matches!(message, Location::File(_)) {
            extensions.insert(RESENT.into(), true.into());
        }
        return Ok(vec![outgoing]);
    }
    let mut addressed = Vec::with_capacity(queues.len());
    for queue in queues {
        let rules: Vec<&QueueRule> = takers.iter().filter(|taker| taker.queue == *queue).collect();
        let takes = rules.iter().map(|rule| rule.takes(&outgoing.envelope)).fold(Answer::No, Answer::or);
        match takes {
            // A journal of an earlier version contains no rules.
            Answer::No if !rules.is_empty() => {}
            Answer::Perhaps(reason) => {
                return Err(format!("whether a rule gives it to {queue} cannot be told ({reason})"));
            }
            _ => addressed
                .push(Outgoing { destination: Destination::Queue(queue.clone()), ..outgoing.clone() }),
        }
    }
    Ok(addressed)
}

fn in_file(path: &std::path::Path) -> Result<Outgoing, SendingError> {
    let wrong = |reason: String| SendingError::File { path: path.display().to_string(), reason };
    let text = fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let envelope: EncodedEnvelope = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    Ok(Outgoing { destination: Destination::Bus, envelope })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use throughline_core::Attributes;

    fn outgoing(sequence: Option<u64>) -> Outgoing {
        let attributes = Attributes { sequence, ..Attributes::new("e-1", "shop", "order.placed") };
        let data = serde_json::value::to_raw_value(&json!({ "quantity": 2 })).unwrap();
        Outgoing { destination: Destination::Bus, envelope: EncodedEnvelope { attributes, data } }
    }

    fn taker(queue: &str, pattern: &Value) -> QueueRule {
        let pattern = pattern.to_string();
        QueueRule { queue: queue.into(), rule_arn: "arn:aws:events:us-east-1:1:rule/shop/r".into(), pattern }
    }

    fn to_queues(queues: &[&str]) -> WorkItem {
        WorkItem {
            message: Location::File("event.json".into()),
            queues: queues.iter().map(|queue| (*queue).to_owned()).collect(),
        }
    }

    fn queues(outgoing: Outgoing, work: &WorkItem, takers: &[QueueRule]) -> Result<Vec<Destination>, String> {
        let addressed = addressed(outgoing, work, Some("again"), takers)?;
        Ok(addressed.into_iter().map(|outgoing| outgoing.destination).collect())
    }

    #[test]
    fn a_queue_gets_what_one_of_its_rules_takes_and_nothing_else() {
        let takers = [
            taker("board", &json!({ "detail": { "sequence": [{ "exists": true }] } })),
            taker("board", &json!({ "detail-type": ["order.paid"] })),
            taker("stock", &json!({ "detail": { "data": { "quantity": [{ "numeric": [">", 1] }] } } })),
        ];
        let work = to_queues(&["board", "stock"]);
        let [board, stock] = ["board", "stock"].map(|queue| Destination::Queue(queue.into()));
        assert_eq!(queues(outgoing(Some(1)), &work, &takers), Ok(vec![board, stock.clone()]));
        assert_eq!(queues(outgoing(None), &work, &takers), Ok(vec![stock]));
        assert_eq!(queues(outgoing(None), &to_queues(&["board"]), &takers), Ok(vec![]));
    }

    #[test]
    fn what_cannot_be_told_of_is_not_sent() {
        for (pattern, why) in [
            (
                json!({ "detail": { "data": { "quantity": [2.0] } } }),
                "`detail.data.quantity`: the same number in another notation",
            ),
            (json!({ "id": ["e-1"] }), "`id`: its value is not known here"),
            (
                json!({ "source": [{ "contains": "x" }] }),
                "not every version of Amazon's matcher takes this pattern",
            ),
        ] {
            let refused =
                queues(outgoing(None), &to_queues(&["board"]), &[taker("board", &pattern)]).unwrap_err();
            assert!(
                refused.starts_with(&format!("whether a rule gives it to board cannot be told ({why}")),
                "{refused}"
            );
        }
        let inside = json!({ "detail": { "data": { "quantity": [{ "cidr": "10.0.0.0/8" }] } } });
        assert_eq!(queues(outgoing(None), &to_queues(&["board"]), &[taker("board", &inside)]), Ok(vec![]));
    }

    /// The archive leaves out events with the mark, and a folder's events may be new to it.
    #[test]
    fn only_what_an_archive_has_already_says_that_it_is_sent_again() {
        let is_marked = |message, replay_name| {
            let work = WorkItem { message, queues: vec![] };
            let mut outgoing = outgoing(None);
            // The event may bear the mark from a replay of another bus.
            outgoing.envelope.attributes.extensions.insert(RESENT.into(), true.into());
            let sent = addressed(outgoing, &work, replay_name, &[]).unwrap();
            sent[0].envelope.attributes.extensions.contains_key(RESENT)
        };
        assert!(is_marked(Location::Log("p".into(), "s".into()), Some("again")));
        assert!(is_marked(Location::Journal("1.json".into()), Some("again")));
        assert!(!is_marked(Location::File("1.json".into()), Some("again")));
        assert!(
            !is_marked(Location::Log("p".into(), "s".into()), None),
            "what was lost is not in an archive"
        );
    }
}
