//! The SQS trigger: standard and FIFO queues, with partial batch responses.

pub use throughline_core::internal::sqs_batch::{SqsBatch, SqsMessage, SystemAttributes};

use crate::{
    Environment, Invocation, InvocationError, Trigger,
    backend::Backend,
    metrics::{HandlerFigures, Lines},
    payload::{AN_SQS_QUEUE, FedBy as Sender, Payload},
    run::Handled,
};
use serde_json::{Value, json};
use std::time::Duration;
use throughline_aws::{
    settings,
    visibility::{LONGEST_WAIT, VisibilityChange},
};
use throughline_core::{
    Handler, Record, Timestamp, Verdict,
    describe::{FedBy, FunctionDescription},
    internal::json_error::without_known_values,
    observer::Observer,
    ports::Ports,
    process::{self, process},
};
use tracing::warn;

/// Feeds a handler from an SQS queue.
///
/// The event source mapping must have `ReportBatchItemFailures`. A record that must be delivered again is
/// reported as failed, after its visibility timeout was set to the back-off; a rejected one, and one that
/// failed on its last allowed receive, is sent to the dead-letter queue with its reason.
///
/// A message is known by what its body names, see [`Raw`](throughline_core::Raw), and else by SQS's message id. When it
/// is redriven SQS gives it another; it is known by the first one all the same, which `throughline dlq redrive` sends
/// along as the attribute `RedrivenMessageId`, and which a dead letter of a function has with it should SQS itself move
/// it back. Of a message that SQS has moved to the dead-letter queue because its function crashed, only the command
/// keeps the id: moved back by SQS it is a new message.
///
/// An invocation by somebody else than a queue, such as the mapping of a stream, fails with `NotAnSqsEvent`, and says
/// what the function is fed by.
///
/// In a FIFO queue the records of a group run in order. The first that must be delivered again takes all
/// that follow it in its group along; a rejected one lets the group go on. Every receive counts, also one in which a
/// record waited behind another. On its last one it is tried if it can be in order: those before it in its group leave
/// it time then. If it cannot, or is not done in time, it is sent to the dead-letter queue, and its reason says so.
pub fn sqs<H: Handler>(handler: H) -> Sqs<H> {
    Sqs { handler }
}

/// The trigger that [`sqs`] returns.
#[derive(Debug, Clone)]
pub struct Sqs<H> {
    handler: H,
}

/// An SQS trigger with its settings.
#[derive(Debug)]
pub struct ReadySqs<H> {
    handler: H,
    settings: process::Settings,
    most_receives: u32,
    queue_url: String,
    backend: Backend,
}

impl<H: Handler> Trigger for Sqs<H> {
    type Ready = ReadySqs<H>;
    type Batch<'a> = SqsBatch<'a>;
    type Figures = HandlerFigures;

    fn describe(&self) -> FunctionDescription {
        FunctionDescription::of(FedBy::Queue, &self.handler)
    }

    fn configure(self, environment: &mut Environment) -> ReadySqs<H> {
        ReadySqs {
            handler: self.handler,
            settings: environment.process_settings(),
            most_receives: most_receives(environment),
            queue_url: environment
                .required(settings::QUEUE_URL, "the URL of the queue that feeds this function"),
            backend: Backend::configure(environment, H::TABLES),
        }
    }

    fn read(invocation: Invocation<'_>) -> Result<SqsBatch<'_>, InvocationError> {
        read(invocation.payload)
    }

    async fn handle<'a>(
        ready: &ReadySqs<H>,
        invocation: Invocation<'a>,
        batch: &SqsBatch<'a>,
        observer: &dyn Observer,
    ) -> Result<Value, InvocationError> {
        let ports = ready.backend.ports(observer).await;
        let answer =
            answer(&ready.handler, ports, &ready.settings, ready.most_receives, invocation.deadline, batch)
                .await;
        let changes = answer.visibility_changes();
        for cut in answer.redeliveries.iter().filter(|record| record.after > LONGEST_WAIT) {
            let (after, longest, messageid) = (cut.after, LONGEST_WAIT, &cut.message_id);
            warn!(?after, ?longest, messageid, "a queue cannot wait so long: the message comes back earlier");
        }
        if !changes.is_empty() {
            // The answer matters more than the back-off: it must not come too late because of it.
            let changing = ready.backend.change_visibility(&ready.queue_url, &changes);
            let changed = tokio::time::timeout(VISIBILITY_PATIENCE, changing).await;
            if let Err(error) = changed.unwrap_or_else(|late| Err(late.into())) {
                let handler = ready.handler.name();
                warn!(%error, handler, "the back-off could not be set; the queue's visibility timeout applies");
            }
        }
        Ok(answer.response())
    }

    fn write_figures(ready: &ReadySqs<H>, handled: Handled<'_, '_, Self>, lines: &mut Lines<'_>) {
        handled.figures.push(lines, ready.handler.name(), handled.batch.records.len());
    }
}

fn most_receives(environment: &mut Environment) -> u32 {
    let name = settings::MAX_RECEIVE_COUNT;
    let form = "the maxReceiveCount of the queue's redrive policy, at least 5";
    environment.required(name, form);
    let most = environment.parsed(name, form, 5);
    if most < 5 {
        // Native redrive is the backstop for crashes; below five it would overtake back-off and hand-backs.
        environment.problem(format!("{name} is `{most}`: it must be {form}"));
    }
    most
}

/// The time within which the back-off must be set: less than the margin that is kept before the invocation's end.
const VISIBILITY_PATIENCE: Duration = Duration::from_millis(400);

/// Reads a batch.
///
/// # Errors
/// If the payload is no SQS event: then the function is wired to something else.
pub fn read(payload: &str) -> Result<SqsBatch<'_>, InvocationError> {
    SqsBatch::read(payload).map_err(|error| {
        let message = match Payload::of(payload).fed_by() {
            Some(Sender { what, cure }) if what != AN_SQS_QUEUE => {
                format!("this function takes the messages of an SQS queue, and is fed by {what}: {cure}")
            }
            _ => {
                let error = without_known_values(&error);
                format!("this function is fed by an SQS queue, but the payload is no SQS event: {error}")
            }
        };
        InvocationError::new("NotAnSqsEvent", message)
    })
}

/// The response to a batch: the records that SQS must deliver again, and the verdict of each record.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BatchResponse {
    /// The records to deliver again, in their order.
    pub redeliveries: Vec<Redelivery>,
    /// Every record's verdict.
    pub verdicts: Vec<Verdict>,
}

/// A record that SQS must deliver again.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Redelivery {
    /// The id that SQS gave the record.
    pub message_id: String,
    /// The receipt handle by which the record's visibility timeout is changed.
    pub receipt_handle: String,
    /// The time from now until the next delivery.
    pub after: Duration,
}

impl BatchResponse {
    /// Returns the partial batch response as Lambda expects it
    /// ("Using Lambda with Amazon SQS", section "Reporting batch item failures").
    pub fn response(&self) -> Value {
        let items = self.redeliveries.iter();
        let items: Vec<_> = items.map(|record| json!({ "itemIdentifier": record.message_id })).collect();
        json!({ "batchItemFailures": items })
    }
}

impl BatchResponse {
    fn visibility_changes(&self) -> Vec<VisibilityChange> {
        let change = |record: &Redelivery| VisibilityChange {
            receipt_handle: record.receipt_handle.clone(),
            after: record.after,
        };
        self.redeliveries.iter().map(change).collect()
    }
}

/// Takes a batch through the main path.
///
/// `most_receives` is the `maxReceiveCount` of the queue's redrive policy: a record that fails on that
/// receive is dead-lettered here, with its reason, before SQS would do it without one.
pub async fn answer<H: Handler>(
    handler: &H,
    ports: Ports<'_>,
    settings: &process::Settings,
    most_receives: u32,
    deadline: Option<Timestamp>,
    batch: &SqsBatch<'_>,
) -> BatchResponse {
    let records: Vec<Record<'_>> = batch
        .records
        .iter()
        .map(|message| {
            let attempt = message.attributes.approximate_receive_count.parse().unwrap_or(1);
            Record {
                message_id: &message.message_id,
                source: &message.event_source_arn,
                body: &message.body,
                attempt,
                is_last_attempt: attempt >= most_receives,
                group: fifo_group(message),
                delivery: message.delivery(),
            }
        })
        .collect();
    let verdicts = process(handler, ports, settings, deadline, &records).await;
    let redeliveries = batch
        .records
        .iter()
        .zip(&verdicts)
        .filter_map(|(message, verdict)| match verdict {
            Verdict::Retry { after, .. } => Some(Redelivery {
                message_id: message.message_id.clone().into_owned(),
                receipt_handle: message.receipt_handle.clone().into_owned(),
                after: *after,
            }),
            _ => None,
        })
        .collect();
    BatchResponse { redeliveries, verdicts }
}

/// Standard queues may carry group ids, too ("fair queues"); only a FIFO queue promises order.
fn fifo_group<'a>(message: &'a SqsMessage<'_>) -> Option<&'a str> {
    let group = message.attributes.message_group_id.as_deref()?;
    message.event_source_arn.ends_with(".fifo").then_some(group)
}
