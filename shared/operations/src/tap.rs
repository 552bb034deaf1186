//! Events as they pass on a bus, through a rule and a queue that exist for as long as somebody looks.

use crate::OperateError;
use aws_sdk_eventbridge::types::{RemoveTargetsResultEntry, Target};
use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, Message, QueueAttributeName};
use serde_json::{Value, json};
use std::time::Duration;
use throughline_aws::internal::describe;
use throughline_core::Timestamp;
use uuid::Uuid;

/// The prefix of the names of a tap's rule and queue.
const PREFIX: &str = "throughline-tail-";
/// The retention of the queue, which a running tap empties all the time. SQS takes no less than a minute.
const RETENTION: Duration = Duration::from_mins(10);
/// The visibility timeout of a received message, until it is deleted.
const VISIBILITY: Duration = Duration::from_secs(30);
/// The time without a sign of life after which a tap counts as abandoned.
pub const ABANDONED_AFTER: Duration = Duration::from_hours(1);

fn failed(what: impl Into<String>, reason: impl Into<String>) -> OperateError {
    OperateError { what: what.into(), reason: reason.into() }
}

/// The clients that a tap needs, and the bus it is on.
#[derive(Debug, Clone)]
pub struct Bus {
    /// Makes and removes rules.
    pub eventbridge: aws_sdk_eventbridge::Client,
    /// Makes, reads and removes queues.
    pub sqs: aws_sdk_sqs::Client,
    /// The bus.
    pub name: String,
}

/// An event that passed.
#[derive(Debug, Clone, PartialEq)]
pub struct TappedEvent {
    /// The whole event as EventBridge delivers it; what was published is its `detail`.
    pub event: Value,
}

/// A rule and a queue that collect what passes. [`close`](Self::close) removes both; dropping it does not.
#[derive(Debug)]
pub struct Tap {
    bus: Bus,
    name: String,
    queue_url: String,
}

impl Bus {
    /// Taps the bus: from now on, what matches the pattern is collected. On AWS a new rule takes up to a minute to
    /// take effect.
    ///
    /// # Errors
    /// If EventBridge or SQS refuses. What was made until then is removed.
    pub async fn tap(&self, pattern: &Value) -> Result<Tap, OperateError> {
        self.tap_keeping(pattern, RETENTION).await
    }

    /// The same, where more may pass than is received at once: the queue keeps it for so long.
    ///
    /// # Errors
    /// As [`tap`](Self::tap).
    pub async fn tap_keeping(&self, pattern: &Value, retention: Duration) -> Result<Tap, OperateError> {
        let name = format!("{PREFIX}{}", Uuid::now_v7().simple());
        let created = self
            .sqs
            .create_queue()
            .queue_name(&name)
            .attributes(QueueAttributeName::MessageRetentionPeriod, retention.as_secs().to_string())
            .attributes(QueueAttributeName::VisibilityTimeout, VISIBILITY.as_secs().to_string())
            .attributes(QueueAttributeName::SqsManagedSseEnabled, "true")
            .send()
            .await
            .map_err(|error| failed(format!("queue {name} cannot be made"), describe(&error)))?;
        let queue_url = created.queue_url.unwrap_or_default();
        let tap = Tap { bus: self.clone(), name, queue_url };
        match tap.connect(pattern).await {
            Ok(()) => Ok(tap),
            Err(error) => match tap.close().await {
                Ok(()) => Err(error),
                Err(left) => Err(failed(error.what, format!("{}; and then: {left}", error.reason))),
            },
        }
    }

    /// Removes the taps that a killed program left, and names them. One that gave a sign of life within
    /// [`ABANDONED_AFTER`] of `now` may be in use, and stays.
    ///
    /// # Errors
    /// If EventBridge or SQS cannot be asked.
    pub async fn remove_abandoned(&self, now: Timestamp) -> Result<Vec<String>, OperateError> {
        // The queue is made before its rule, and removed after it: asked for in this order, a rule that is in use has
        // its queue. Should SQS tell of a new queue late, the rule's age still says that it is new.
        let rules = self.rules().await?;
        let queues = self.queues().await?;
        let mut removed = Vec::new();
        for name in rules {
            let is_old = made_at(&name).is_some_and(|made| is_past(made, now));
            if is_old && !queues.iter().any(|url| name_of(url) == name) {
                self.remove_rule(&name).await?;
                removed.push(name);
            }
        }
        for url in queues {
            if self.is_abandoned(&url, now).await? {
                let name = name_of(&url).to_owned();
                Tap { bus: self.clone(), name: name.clone(), queue_url: url }.close().await?;
                removed.push(name);
            }
        }
        Ok(removed)
    }

    async fn queues(&self) -> Result<Vec<String>, OperateError> {
        let listed = self.sqs.list_queues().queue_name_prefix(PREFIX).max_results(1000).send().await;
        let listed = listed.map_err(|error| failed("queues cannot be listed", describe(&error)))?;
        Ok(listed.queue_urls.unwrap_or_default())
    }

    async fn rules(&self) -> Result<Vec<String>, OperateError> {
        let listed =
            self.eventbridge.list_rules().event_bus_name(&self.name).name_prefix(PREFIX).send().await;
        let listed = listed.map_err(|error| {
            failed(format!("rules of bus {} cannot be listed", self.name), describe(&error))
        })?;
        Ok(listed.rules.unwrap_or_default().into_iter().filter_map(|rule| rule.name).collect())
    }

    async fn is_abandoned(&self, url: &str, now: Timestamp) -> Result<bool, OperateError> {
        let asked = self.sqs.get_queue_attributes().queue_url(url);
        let answer = asked.attribute_names(QueueAttributeName::LastModifiedTimestamp).send().await;
        let answer =
            answer.map_err(|error| failed(format!("queue {url} cannot be read"), describe(&error)))?;
        let attributes = answer.attributes.unwrap_or_default();
        let seconds =
            attributes.get(&QueueAttributeName::LastModifiedTimestamp).and_then(|text| text.parse().ok());
        let last = seconds.and_then(|seconds: i64| Timestamp::from_second(seconds).ok());
        Ok(last.is_some_and(|last| is_past(last, now)))
    }

    async fn remove_rule(&self, name: &str) -> Result<(), OperateError> {
        let bus = &self.name;
        let failed = |reason: String| failed(format!("rule {name} of bus {bus} cannot be removed"), reason);
        let targets =
            self.eventbridge.remove_targets().rule(name).event_bus_name(bus).ids(TARGET).send().await;
        match targets {
            // A target that is not there is as good as removed: a tap may have died before it made one.
            Ok(answer) => {
                let left = answer.failed_entries.unwrap_or_default();
                let is_left = |entry: &&RemoveTargetsResultEntry| !entry.error_code().is_some_and(is_gone);
                if let Some(entry) = left.iter().find(is_left) {
                    return Err(failed(format!("{entry:?}")));
                }
            }
            Err(error) if is_gone(&describe(&error)) => {}
            Err(error) => return Err(failed(describe(&error))),
        }
        match self.eventbridge.delete_rule().name(name).event_bus_name(bus).send().await {
            Ok(_) => Ok(()),
            Err(error) if is_gone(&describe(&error)) => Ok(()),
            Err(error) => Err(failed(describe(&error))),
        }
    }
}

/// The id of a tap's one target.
const TARGET: &str = "queue";

fn name_of(queue_url: &str) -> &str {
    queue_url.rsplit('/').next().unwrap_or_default()
}

/// When a tap was made, as its name tells.
fn made_at(name: &str) -> Option<Timestamp> {
    let made = Uuid::try_parse(name.strip_prefix(PREFIX)?).ok()?.get_timestamp()?;
    let (seconds, nanoseconds) = made.to_unix();
    Timestamp::new(seconds.try_into().ok()?, nanoseconds.try_into().ok()?).ok()
}

fn is_past(last_sign: Timestamp, now: Timestamp) -> bool {
    now.duration_since(last_sign).unsigned_abs() > ABANDONED_AFTER && now > last_sign
}

/// Somebody else removed it already: EventBridge's and SQS's ways to say so.
fn is_gone(said: &str) -> bool {
    ["ResourceNotFoundException", "NonExistentQueue", "QueueDoesNotExist"]
        .iter()
        .any(|code| said.contains(code))
}

impl Tap {
    /// Its name: that of the rule and of the queue.
    pub fn name(&self) -> &str {
        &self.name
    }

    async fn connect(&self, pattern: &Value) -> Result<(), OperateError> {
        let Self { bus, name, .. } = self;
        let not_made =
            |what: &str, reason: String| failed(format!("the {what} {name} cannot be made"), reason);
        let queue_arn = self.queue_arn().await?;
        let rule = bus.eventbridge.put_rule().name(name).event_bus_name(&bus.name);
        let rule =
            rule.event_pattern(pattern.to_string()).description("throughline tail; removed when it ends");
        let rule = rule.send().await.map_err(|error| not_made("rule", describe(&error)))?;
        self.admit(&queue_arn, &rule.rule_arn.unwrap_or_default()).await?;
        let target = Target::builder().id(TARGET).arn(queue_arn).build();
        let target = target.map_err(|error| not_made("target", error.to_string()))?;
        let put =
            bus.eventbridge.put_targets().rule(name).event_bus_name(&bus.name).targets(target).send().await;
        let put = put.map_err(|error| not_made("target", describe(&error)))?;
        if put.failed_entry_count > 0 {
            return Err(not_made("target", format!("{:?}", put.failed_entries.unwrap_or_default())));
        }
        Ok(())
    }

    async fn queue_arn(&self) -> Result<String, OperateError> {
        let asked = self.bus.sqs.get_queue_attributes().queue_url(&self.queue_url);
        let answer = asked.attribute_names(QueueAttributeName::QueueArn).send().await;
        let answer = answer
            .map_err(|error| failed(format!("queue {} cannot be read", self.name), describe(&error)))?;
        let arn =
            answer.attributes.and_then(|mut attributes| attributes.remove(&QueueAttributeName::QueueArn));
        arn.ok_or_else(|| failed(format!("queue {} cannot be read", self.name), "it has no ARN"))
    }

    /// Lets the rule, and nobody else, send to the queue.
    async fn admit(&self, queue_arn: &str, rule_arn: &str) -> Result<(), OperateError> {
        let policy = json!({
            "Version": "2012-10-17",
            "Statement": [{
                "Sid": "OnlyItsRule",
                "Effect": "Allow",
                "Principal": { "Service": "events.amazonaws.com" },
                "Action": "sqs:SendMessage",
                "Resource": queue_arn,
                "Condition": { "ArnEquals": { "aws:SourceArn": rule_arn } },
            }],
        });
        self.set(QueueAttributeName::Policy, policy.to_string()).await
    }

    /// Says that somebody still looks: see [`ABANDONED_AFTER`].
    ///
    /// # Errors
    /// If SQS refuses.
    pub async fn keep(&self) -> Result<(), OperateError> {
        self.set(QueueAttributeName::VisibilityTimeout, VISIBILITY.as_secs().to_string()).await
    }

    async fn set(&self, name: QueueAttributeName, value: String) -> Result<(), OperateError> {
        let set = self.bus.sqs.set_queue_attributes().queue_url(&self.queue_url).attributes(name, value);
        let set = set.send().await;
        set.map(drop)
            .map_err(|error| failed(format!("queue {} cannot be changed", self.name), describe(&error)))
    }

    /// Up to ten events that passed since; none, if none passes within `wait`, which SQS takes in whole seconds, 20 at
    /// most. Each is given once, unless SQS delivers it twice.
    ///
    /// # Errors
    /// If SQS refuses, or what it holds is no JSON.
    pub async fn receive(&self, wait: Duration) -> Result<Vec<TappedEvent>, OperateError> {
        let sqs = &self.bus.sqs;
        let wait = i32::try_from(wait.as_secs().min(20)).unwrap_or(20);
        let received = sqs.receive_message().queue_url(&self.queue_url);
        let received = received.max_number_of_messages(10).wait_time_seconds(wait).send().await;
        let received = received
            .map_err(|error| failed(format!("queue {} cannot be read", self.name), describe(&error)))?;
        let messages = received.messages.unwrap_or_default();
        if messages.is_empty() {
            return Ok(Vec::new());
        }
        let events = messages.iter().map(event).collect::<Result<_, _>>()?;
        let receipts = messages.into_iter().enumerate().filter_map(|(place, message)| {
            let entry = DeleteMessageBatchRequestEntry::builder().id(place.to_string());
            entry.receipt_handle(message.receipt_handle?).build().ok()
        });
        let deleted = sqs.delete_message_batch().queue_url(&self.queue_url);
        // What is not deleted is shown again, and gone with the queue.
        _ = deleted.set_entries(Some(receipts.collect())).send().await;
        Ok(events)
    }

    /// Removes the rule, then the queue. Both are tried, whatever becomes of the first.
    ///
    /// # Errors
    /// If either is still there; it is named.
    pub async fn close(self) -> Result<(), OperateError> {
        let rule = self.bus.remove_rule(&self.name).await;
        let queue = match self.bus.sqs.delete_queue().queue_url(&self.queue_url).send().await {
            Ok(_) => Ok(()),
            Err(error) if is_gone(&describe(&error)) => Ok(()),
            Err(error) => Err(failed(format!("queue {} cannot be removed", self.name), describe(&error))),
        };
        rule.and(queue)
    }
}

fn event(message: &Message) -> Result<TappedEvent, OperateError> {
    let body = message.body.as_deref().unwrap_or_default();
    let event = serde_json::from_str(body);
    Ok(TappedEvent { event: event.map_err(|error| failed("an event is no JSON", error.to_string()))? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use throughline_aws::testing::{Answer, Fake};

    /// A bus whose services answer so, and what they were asked.
    fn bus(answers: impl IntoIterator<Item = Answer>) -> (Bus, Fake) {
        let fake = Fake::new(answers);
        let config = fake.config();
        let (eventbridge, sqs) =
            (aws_sdk_eventbridge::Client::new(&config), aws_sdk_sqs::Client::new(&config));
        (Bus { eventbridge, sqs, name: "shop".into() }, fake)
    }

    /// A tap's name, made so many seconds after 1970.
    fn name_made_at(seconds: u64) -> String {
        let at = uuid::Timestamp::from_unix(uuid::NoContext, seconds, 0);
        format!("{PREFIX}{}", Uuid::new_v7(at).simple())
    }

    #[tokio::test]
    async fn a_rule_is_left_behind_if_it_is_old_and_its_queue_is_not_there() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        let [old, young] = [1_000_000 - 3601, 1_000_000 - 60].map(name_made_at);
        let answers = [
            (200, json!({ "Rules": [{ "Name": old }, { "Name": young }] })),
            (200, json!({ "QueueUrls": [] })),
            (200, json!({ "FailedEntryCount": 0, "FailedEntries": [] })),
            (200, json!({})),
        ];
        let (bus, fake) = bus(answers);
        assert_eq!(bus.remove_abandoned(now).await.unwrap(), [old]);
        let asked = ["ListRules", "ListQueues", "RemoveTargets", "DeleteRule"];
        assert_eq!(fake.operations(), asked, "the rules first: their queues were made before them");
    }

    #[test]
    fn a_name_tells_when_it_was_made() {
        assert_eq!(made_at(&name_made_at(1_000_000)), Some(Timestamp::from_second(1_000_000).unwrap()));
        assert_eq!(made_at("throughline-tail-of-somebody"), None);
    }

    #[tokio::test]
    async fn a_queue_keeps_what_passes_for_as_long_as_was_asked() {
        let answers = [
            (200, json!({ "QueueUrl": "https://sqs/1/tap" })),
            (200, json!({ "Attributes": { "QueueArn": "arn:aws:sqs:eu-west-1:1:tap" } })),
            (200, json!({ "RuleArn": "arn:aws:events:eu-west-1:1:rule/shop/tap" })),
            (200, json!({})),
            (200, json!({ "FailedEntryCount": 0, "FailedEntries": [] })),
        ];
        let (bus, fake) = bus(answers);
        bus.tap_keeping(&json!({}), Duration::from_hours(1)).await.unwrap();
        assert_eq!(fake.requests()[0]["Attributes"]["MessageRetentionPeriod"], "3600");
    }

    #[test]
    fn a_tap_is_abandoned_an_hour_after_its_last_sign_of_life() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        let before = |seconds: i64| Timestamp::from_second(1_000_000 - seconds).unwrap();
        assert!(!is_past(before(3600), now) && is_past(before(3601), now));
        assert!(!is_past(before(-7200), now), "a clock that is behind abandons nothing");
    }

    #[test]
    fn a_queue_s_name_is_the_end_of_its_url() {
        assert_eq!(name_of("http://localhost:4566/000000000000/throughline-tail-1"), "throughline-tail-1");
    }
}
