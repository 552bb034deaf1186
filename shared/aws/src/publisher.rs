//! From the log to the bus, to the queues of commands, now or later, and to Step Functions.

mod commands;
mod events;
mod plan;
mod relay_settings;
mod schedules;
mod step_functions;

pub use step_functions::execution_arn;

pub use relay_settings::{Needed, RelaySettings, ScheduleSettings};
pub use schedules::{LONGEST_DELAY, Schedules};

use crate::{
    ledger::by_logical_name,
    settings::{COMMAND_QUEUE, setting_name},
    sqs_text,
};
use futures_util::{
    FutureExt as _,
    future::{BoxFuture, join, join_all},
};
use plan::{Encoded, Plan, Request};
use std::{collections::BTreeMap, time::Duration};
use step_functions::StepFunctions;
use throughline_core::{
    internal::limits::MOST_MESSAGE_BYTES,
    ledger::Outgoing,
    relay::{Delivery, MOST_ENTRIES, Publisher},
};

/// The time that one destination is waited for. The others' answers are worth nothing once the invocation is over.
const PATIENCE: Duration = Duration::from_secs(4);

/// The [`Publisher`] on EventBridge and SQS, and, where they are given, EventBridge Scheduler and Step Functions.
///
/// - An event becomes an entry of `PutEvents`: the whole envelope is its detail, the event's type its detail type
///   and the event's source its source.
/// - A command becomes a message in its receiver's queue, with the whole envelope as its body; in a FIFO queue its
///   group is its subject, and its deduplication id is its id.
/// - A command for later becomes the same message, held back by SQS or kept by EventBridge Scheduler: see
///   [`Schedules`].
/// - The start of a saga becomes an execution with the message's id as its name and the whole envelope as its
///   input. If there is one of that name with the same input, this is a success; with another, the message is
///   refused.
/// - An answer to a task becomes `SendTaskSuccess` or `SendTaskFailure`. A task that was answered before or given
///   up is [`Delivery::TooLate`].
///
/// ```
/// # fn example(eventbridge: aws_sdk_eventbridge::Client, sqs: aws_sdk_sqs::Client, sfn: aws_sdk_sfn::Client) {
/// use throughline_aws::AwsPublisher;
/// let queues = [("place-order".to_owned(), "https://sqs.eu-west-1.amazonaws.com/1/orders".to_owned())];
/// let machines = [("checkout".to_owned(), "arn:aws:states:eu-west-1:1:stateMachine:checkout".to_owned())];
/// let publisher =
///     AwsPublisher::new(eventbridge, sqs, "shop", queues.into()).with_step_functions(sfn, machines.into());
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct AwsPublisher {
    eventbridge: aws_sdk_eventbridge::Client,
    sqs: aws_sdk_sqs::Client,
    bus: String,
    queues: BTreeMap<String, String>,
    schedules: Option<Schedules>,
    step_functions: Option<StepFunctions>,
}

/// The failure of a whole call.
struct CallError {
    code: String,
    reason: String,
}

impl AwsPublisher {
    /// Publishes events to `bus` (a name or an ARN) and commands to `queues`: the URL of each logical name.
    pub fn new(
        eventbridge: aws_sdk_eventbridge::Client,
        sqs: aws_sdk_sqs::Client,
        bus: impl Into<String>,
        queues: BTreeMap<String, String>,
    ) -> Self {
        Self { eventbridge, sqs, bus: bus.into(), queues, schedules: None, step_functions: None }
    }

    /// Also takes commands for later.
    #[must_use]
    pub fn with_schedules(self, schedules: Schedules) -> Self {
        Self { schedules: Some(schedules), ..self }
    }

    /// Also answers tasks, and starts sagas on `state_machines`: the ARN of each saga's.
    #[must_use]
    pub fn with_step_functions(
        self,
        client: aws_sdk_sfn::Client,
        state_machines: BTreeMap<String, String>,
    ) -> Self {
        Self { step_functions: Some(StepFunctions { client, state_machines }), ..self }
    }

    /// Asks everybody at the same time: whoever is slow or fails does so for himself alone.
    async fn publish_all(&self, messages: &[&Outgoing]) -> Vec<Delivery> {
        let mut plan = Plan::default();
        for (position, outgoing) in messages.iter().enumerate() {
            plan.add(self, position, outgoing);
        }
        let Plan { batched, single, settled } = plan;
        let batched = batched.into_iter().map(|(queue, messages)| {
            let positions = messages.iter().map(|message| message.position).collect();
            in_time(positions, self.send_to(queue, messages))
        });
        let single = single.into_values().map(|requests| {
            let positions = requests.iter().map(|(position, _)| *position).collect();
            in_time(positions, self.carry_out(requests))
        });
        let (batched, single) = join(join_all(batched), join_all(single)).await;
        let mut answers: Vec<Option<Delivery>> = vec![None; messages.len()];
        for (position, delivery) in settled.into_iter().chain(batched.into_iter().chain(single).flatten()) {
            // A command for later can take two requests: it is done when both are.
            if matches!(answers[position], None | Some(Delivery::Accepted)) {
                answers[position] = Some(delivery);
            }
        }
        let silent = || Delivery::Retry("the service gave no answer for this message".into());
        answers.into_iter().map(|answer| answer.unwrap_or_else(silent)).collect()
    }

    /// To the bus, or to a queue.
    async fn send_to(&self, queue: Option<&str>, messages: Vec<Encoded<'_>>) -> Vec<(usize, Delivery)> {
        let Some(name) = queue else {
            return self.send(messages, |batch| self.put_events(batch).boxed()).await;
        };
        if let Some(url) = by_logical_name(&self.queues, name) {
            return self.send(messages, |batch| self.send_commands(url, batch).boxed()).await;
        }
        let unknown = Delivery::Retry(unknown_queue(name));
        messages.iter().map(|message| (message.position, unknown.clone())).collect()
    }

    /// One after another: an order that matters is kept.
    async fn carry_out(&self, requests: Vec<(usize, Request<'_>)>) -> Vec<(usize, Delivery)> {
        let mut deliveries = Vec::with_capacity(requests.len());
        for (position, request) in requests {
            let delivery = match request {
                Request::Schedule { schedules, schedule } => self.schedule(schedules, schedule).await,
                Request::Unschedule { schedules, name } => schedules.take_back(&name).await,
                Request::Start { step_functions, saga, message } => step_functions.start(saga, message).await,
                Request::Answer { step_functions, token, answer } => {
                    step_functions.answer(token, answer).await
                }
            };
            deliveries.push((position, delivery));
        }
        deliveries
    }

    /// Sends in as few calls as the limits allow, one after another, so that the order is kept.
    async fn send<'a>(
        &self,
        messages: Vec<Encoded<'a>>,
        call: impl for<'b> Fn(&'b [Encoded<'a>]) -> BoxFuture<'b, Result<Vec<Delivery>, CallError>>,
    ) -> Vec<(usize, Delivery)> {
        let mut deliveries = Vec::with_capacity(messages.len());
        for batch in batches(&messages) {
            deliveries.extend(match call(batch).await {
                Ok(answers) => answers,
                // One bad entry can make a service refuse the call: then each is sent alone, so that the
                // bad one stands out and does not keep the others back.
                Err(error) if batch.len() > 1 && is_permanent(&error.code) => {
                    let mut alone = Vec::with_capacity(batch.len());
                    for message in batch {
                        let answers = call(std::slice::from_ref(message)).await;
                        alone.push(answers.map_or_else(CallError::delivery, |mut answers| answers.remove(0)));
                    }
                    alone
                }
                Err(error) => vec![error.delivery(); batch.len()],
            });
        }
        messages.iter().map(|message| message.position).zip(deliveries).collect()
    }
}

/// Returns the outcomes that are known in time. A message without one is sent again: it may have been accepted.
async fn in_time(
    positions: Vec<usize>,
    deliveries: impl Future<Output = Vec<(usize, Delivery)>>,
) -> Vec<(usize, Delivery)> {
    let late = || Delivery::Retry(format!("there was no answer within {} seconds", PATIENCE.as_secs()));
    let deliveries = tokio::time::timeout(PATIENCE, deliveries).await;
    deliveries.unwrap_or_else(|_| positions.into_iter().map(|position| (position, late())).collect())
}

impl CallError {
    fn delivery(self) -> Delivery {
        failed_entry(&self.code, self.reason)
    }
}

impl Publisher for AwsPublisher {
    fn publish<'a>(&'a self, messages: &'a [&'a Outgoing]) -> BoxFuture<'a, Vec<Delivery>> {
        Box::pin(self.publish_all(messages))
    }
}

/// At most ten messages, and at most 256 KB, in each.
fn batches<'a, 'b>(messages: &'b [Encoded<'a>]) -> Vec<&'b [Encoded<'a>]> {
    let mut batches = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (at, message) in messages.iter().enumerate() {
        let size = message.size();
        if at > start && (at - start == MOST_ENTRIES || bytes + size > MOST_MESSAGE_BYTES) {
            batches.push(&messages[start..at]);
            (start, bytes) = (at, 0);
        }
        bytes += size;
    }
    if start < messages.len() {
        batches.push(&messages[start..]);
    }
    batches
}

fn unknown_queue(name: &str) -> String {
    unknown("the URL of the command queue", COMMAND_QUEUE, name)
}

/// Returns the error of a logical name without a setting.
fn unknown(what: &str, setting_prefix: &str, name: &str) -> String {
    format!("{what} `{name}` is not known: set {}", setting_name(setting_prefix, name))
}

/// The answer for an entry that failed with this code.
fn failed_entry(code: &str, reason: String) -> Delivery {
    if is_permanent(code) { refused(code, reason) } else { Delivery::Retry(reason) }
}

fn refused(error_type: &str, reason: String) -> Delivery {
    Delivery::Refused { error_type: error_type.to_owned(), reason }
}

/// Returns whether the service objects to the message itself, so that it will object again.
///
/// EventBridge also lists refused access and wrong accounts as errors not to be retried
/// (`PutEventsResultEntry`). No message is at fault there, and a deployment mends them: they are retried,
/// and the stream waits. `MissingParameter` is a wrong queue type, not a wrong message.
pub fn is_permanent(code: &str) -> bool {
    matches!(
        sqs_text::bare_code(code),
        "MalformedDetail"
            | "InvalidArgument"
            | "RedactionFailure"
            | "NotAuthorizedForSourceException"
            | "NotAuthorizedForDetailTypeException"
            | "ValidationException"
            | "ValidationError"
            | "InvalidMessageContents"
            | "InvalidParameterValue"
            | "InvalidParameterValueException"
            | "BatchRequestTooLong"
            | "InvalidExecutionInput"
            | "InvalidName"
            | "InvalidOutput"
            | "InvalidToken"
    )
}

/// A call's error. What the service says of the call's own parameters, such as the bus's name, is no
/// message's fault.
fn call_error(code: Option<&str>, reason: String, settings: &[&str]) -> CallError {
    let is_setting = settings.iter().any(|name| reason.to_ascii_lowercase().contains(name));
    let code = code.filter(|_| !is_setting).unwrap_or("CallFailed").to_owned();
    CallError { code, reason }
}

fn group_of(outgoing: &Outgoing) -> std::borrow::Cow<'_, str> {
    let attributes = &outgoing.envelope.attributes;
    sqs_text::fifo_id(attributes.subject.as_deref().unwrap_or(&attributes.id))
}

#[cfg(test)]
mod tests;
