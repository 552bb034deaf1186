//! Commands for later: held back by their queue, or kept by EventBridge Scheduler.

use super::{CallError, call_error, group_of};
use crate::{describe, ledger::layout, sqs_text};
use aws_sdk_scheduler::{
    error::{BuildError, ProvideErrorMetadata, SdkError},
    types::{
        ActionAfterCompletion, DeadLetterConfig, FlexibleTimeWindow, FlexibleTimeWindowMode, RetryPolicy,
        SqsParameters, Target,
    },
};
use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};
use throughline_core::{Timestamp, ledger::Outgoing, ports::Time, relay::Delivery};

/// The longest that SQS holds a message back: `DelaySeconds` is at most 900.
pub const LONGEST_DELAY: Duration = Duration::from_mins(15);

/// The retries, and their time, with which EventBridge Scheduler tries to reach a queue: the most there is.
const MOST_RETRIES: i32 = 185;
const LONGEST_RETRIED: Duration = Duration::from_hours(24);

/// The time by which the service's clock may be ahead of ours: AWS refuses a request with a larger difference as signed
/// at a wrong time. A time further off has not passed, whatever the service objects to.
const MOST_DIFFERENCE: Duration = Duration::from_mins(5);

/// The start of a keyword, which EventBridge Scheduler replaces by a value wherever it stands in an input.
const KEYWORD_START: &str = "<aws.scheduler.";

pub(super) const NOT_SET_UP: &str = "commands for later are not set up: set THROUGHLINE_SCHEDULE_GROUP";

/// The way in which commands are kept until they are due.
///
/// A command that is due within [`longest_delay`](Self::longest_delay), or should have been long ago, goes to its
/// queue at once with a delay: to the second, and never early. One that is due later, or any time later if its queue
/// is FIFO (which knows no delay of single messages), becomes a one-time schedule of EventBridge Scheduler: it sends
/// the same body to the queue, with a precision of a minute, and is gone then. A FIFO queue that commands are
/// scheduled to must have content-based deduplication, which EventBridge Scheduler relies on. If EventBridge Scheduler
/// says that the time has passed, by its own clock, the command goes to its queue at once: with the delay that is left
/// by ours, where the queue knows delays.
///
/// Scheduling a command of the same type about the same subject replaces the schedule, and taking it back deletes
/// it. There may be none: it was never there, or it has fired. What SQS already holds back cannot be taken back: it
/// will be delivered, and whoever receives it asks whether it is still wanted.
#[derive(Clone)]
pub struct Schedules {
    /// EventBridge Scheduler.
    pub client: aws_sdk_scheduler::Client,
    /// The name of the schedule group.
    pub group: String,
    /// The role that EventBridge Scheduler sends to the queues with.
    pub role_arn: String,
    /// The queue for what cannot be sent: a standard one, which the role may send to as well.
    pub dead_letter_arn: String,
    /// The ARN of the queue of each logical name.
    pub target_arns: BTreeMap<String, String>,
    /// The delay beyond which EventBridge Scheduler keeps a command. [`LONGEST_DELAY`] at most.
    pub longest_delay: Duration,
    /// The clock that says how long it is until something is due.
    pub time: Arc<dyn Time>,
}

/// A command to keep.
pub(super) struct Schedule<'a> {
    pub(super) name: String,
    pub(super) queue_url: &'a str,
    pub(super) target_arn: &'a str,
    pub(super) is_fifo: bool,
    pub(super) at: Timestamp,
    pub(super) outgoing: &'a Outgoing,
    pub(super) text: String,
}

/// The outcome of keeping a command.
pub(super) enum Kept {
    /// It is kept, or could not be.
    Settled(Delivery),
    /// Its time has come, by the service's clock: it is to be sent, with this delay.
    Due { delay: Duration },
}

impl Schedules {
    /// Returns the delay in whole seconds, rounded up, with which a queue holds back a command until its time, or
    /// `None` if it cannot.
    pub(super) fn delay(&self, at: Timestamp, queue_url: &str) -> Option<Duration> {
        let left = self.left_until(at);
        let left = Duration::from_secs(left.as_secs() + u64::from(left.subsec_nanos() > 0));
        let longest =
            if sqs_text::is_fifo(queue_url) { Duration::ZERO } else { self.longest_delay.min(LONGEST_DELAY) };
        (left <= longest).then_some(left)
    }

    fn left_until(&self, at: Timestamp) -> Duration {
        // What is negative is no `Duration`: it is due.
        at.duration_since(self.time.now()).try_into().unwrap_or(Duration::ZERO)
    }

    /// Makes a schedule, or changes the one that there is.
    pub(super) async fn keep(&self, schedule: &Schedule<'_>) -> Kept {
        let kept = match self.create(schedule).await {
            Err(error) if error.code == "ConflictException" => self.update(schedule).await,
            other => other,
        };
        let left = self.left_until(schedule.at);
        match kept {
            Ok(()) => Kept::Settled(Delivery::Accepted),
            Err(error) if left <= MOST_DIFFERENCE && says_it_has_passed(&error) => {
                // Rounded up: never early by our own clock.
                let whole = Duration::from_secs(left.as_secs() + u64::from(left.subsec_nanos() > 0));
                let delay = if schedule.is_fifo { Duration::ZERO } else { whole };
                Kept::Due { delay }
            }
            // A time that has just passed is nothing to refuse a command for: the next try sends it.
            Err(error) if left.is_zero() => Kept::Settled(Delivery::Retry(error.reason)),
            Err(error) => Kept::Settled(error.delivery()),
        }
    }

    async fn create(&self, schedule: &Schedule<'_>) -> Result<(), CallError> {
        let call = self
            .client
            .create_schedule()
            .group_name(&self.group)
            .name(&schedule.name)
            .schedule_expression(expression(schedule.at))
            .schedule_expression_timezone("UTC")
            .flexible_time_window(to_the_minute()?)
            .action_after_completion(ActionAfterCompletion::Delete)
            .target(self.target(schedule)?);
        call.send().await.map(drop).map_err(|error| failed(&error))
    }

    async fn update(&self, schedule: &Schedule<'_>) -> Result<(), CallError> {
        let call = self
            .client
            .update_schedule()
            .group_name(&self.group)
            .name(&schedule.name)
            .schedule_expression(expression(schedule.at))
            .schedule_expression_timezone("UTC")
            .flexible_time_window(to_the_minute()?)
            .action_after_completion(ActionAfterCompletion::Delete)
            .target(self.target(schedule)?);
        call.send().await.map(drop).map_err(|error| failed(&error))
    }

    /// Deletes a schedule, if there is one.
    pub(super) async fn take_back(&self, name: &str) -> Delivery {
        let call = self.client.delete_schedule().group_name(&self.group).name(name);
        match call.send().await.map_err(|error| failed(&error)) {
            Ok(_) => Delivery::Accepted,
            Err(error) if error.code == "ResourceNotFoundException" => Delivery::Accepted,
            Err(error) => error.delivery(),
        }
    }

    fn target(&self, schedule: &Schedule<'_>) -> Result<Target, BuildError> {
        let group = schedule.is_fifo.then(|| group_of(schedule.outgoing));
        let retries = RetryPolicy::builder()
            .maximum_retry_attempts(MOST_RETRIES)
            .maximum_event_age_in_seconds(i32::try_from(LONGEST_RETRIED.as_secs()).unwrap_or(i32::MAX));
        Target::builder()
            .arn(schedule.target_arn)
            .role_arn(&self.role_arn)
            .input(input(&schedule.text))
            .retry_policy(retries.build())
            .dead_letter_config(DeadLetterConfig::builder().arn(&self.dead_letter_arn).build())
            .set_sqs_parameters(group.map(|group| SqsParameters::builder().message_group_id(group).build()))
            .build()
    }
}

impl fmt::Debug for Schedules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Schedules").field("group", &self.group).finish_non_exhaustive()
    }
}

/// A time in UTC, rounded up to a whole second.
fn expression(at: Timestamp) -> String {
    let at = Timestamp::from_second(layout::expiry_seconds(at)).unwrap_or(at);
    format!("at({})", at.strftime("%Y-%m-%dT%H:%M:%S"))
}

/// A body for SQS in which EventBridge Scheduler finds nothing to replace: in JSON, the escape means the same.
fn input(text: &str) -> String {
    sqs_text::body(text).replace(KEYWORD_START, "\\u003caws.scheduler.")
}

/// Whether EventBridge Scheduler objects to a schedule's time. The expression is always well formed: what it can object
/// to is that its time has passed. No document says in which words, so what is about the expression counts, or about
/// the past.
fn says_it_has_passed(error: &CallError) -> bool {
    let reason = error.reason.to_ascii_lowercase();
    let words = [
        "schedule expression",
        "scheduleexpression",
        "in the past",
        "in the future",
        "has passed",
        "earlier",
    ];
    error.code == "ValidationException" && words.iter().any(|word| reason.contains(word))
}

fn to_the_minute() -> Result<FlexibleTimeWindow, BuildError> {
    FlexibleTimeWindow::builder().mode(FlexibleTimeWindowMode::Off).build()
}

impl From<BuildError> for CallError {
    fn from(error: BuildError) -> Self {
        call_error(None, error.to_string(), &[])
    }
}

fn failed<E, R>(error: &SdkError<E, R>) -> CallError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: fmt::Debug,
{
    let code = error.as_service_error().and_then(ProvideErrorMetadata::code);
    call_error(code, describe(error), &["groupname", "role", "arn", "dead-letter", "deadletter"])
}
