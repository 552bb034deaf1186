//! The EventBridge trigger: a rule that invokes the function directly.

use crate::{
    Environment, Invocation, InvocationError, Trigger,
    backend::Backend,
    metrics::{HandlerFigures, Metrics},
    payload::{FedBy as Sender, Payload},
    telemetry,
};
use serde_json::Value;
use throughline_core::{
    Handler, Record, Verdict,
    describe::{FedBy, FunctionDescription},
    internal::delivery::read_redriven_payload,
    ports::Ports,
    process::{self, Delivery, RetryCause, process},
};

/// Feeds a handler from an EventBridge rule that invokes the function directly: a batch of one.
///
/// If the event must be delivered again the invocation fails, and Lambda's own retries and on-failure
/// destination apply: Lambda does not say which attempt it is, so every one counts as the first, and what it
/// gives up lies in the destination in Lambda's own form. A rejected event is sent to the dead-letter queue,
/// and the invocation succeeds. A queue between rule and function has none of these limits.
///
/// A CloudEvent is known by its own id and source, any other EventBridge event by EventBridge's. Every other payload
/// that a [`raw`](fn@throughline_core::raw) handler is given, such as a schedule's constant input, is known by the
/// request id of the invocation, whatever it says in `id`: it stays the same when Lambda invokes again after a
/// failure, and is another one every night.
///
/// An invocation by somebody who is not EventBridge, such as the mapping of a queue or a stream, fails with
/// `NotAnEventBridgeEvent`, and says what the function is fed by.
pub fn eventbridge<H: Handler>(handler: H) -> EventBridge<H> {
    EventBridge { handler }
}

/// What [`eventbridge`] returns.
#[derive(Debug, Clone)]
pub struct EventBridge<H> {
    handler: H,
}

/// An EventBridge trigger with its settings.
#[derive(Debug)]
pub struct ReadyEventBridge<H> {
    handler: H,
    settings: process::Settings,
    backend: Backend,
    metrics: Metrics,
}

impl<H: Handler> Trigger for EventBridge<H> {
    type Ready = ReadyEventBridge<H>;

    fn describe(&self) -> FunctionDescription {
        FunctionDescription::of(FedBy::Rule, &self.handler)
    }

    fn configure(self, environment: &mut Environment) -> ReadyEventBridge<H> {
        ReadyEventBridge {
            handler: self.handler,
            settings: environment.process_settings(),
            backend: Backend::configure(environment, H::TABLES),
            metrics: Metrics::configure(environment),
        }
    }

    async fn respond(
        ready: &ReadyEventBridge<H>,
        invocation: Invocation<'_>,
    ) -> Result<Value, InvocationError> {
        let (is_cold, figures) = (ready.metrics.is_cold(), HandlerFigures::default());
        let watched = telemetry::watched(ready.metrics.observer(&figures));
        let ports = ready.backend.ports(watched.observer()).await;
        let answer = answer(&ready.handler, ports, &ready.settings, invocation).await;
        ready.metrics.write(invocation, is_cold, |lines| figures.push(lines, ready.handler.name(), 1));
        answer.map(|()| Value::Null)
    }
}

/// Takes one event through the main path.
///
/// # Errors
/// If it must be delivered again.
pub async fn answer<H: Handler>(
    handler: &H,
    ports: Ports<'_>,
    settings: &process::Settings,
    invocation: Invocation<'_>,
) -> Result<(), InvocationError> {
    let given = Payload::of(invocation.payload);
    if let Some(Sender { what, cure }) = given.fed_by() {
        let message = format!("this function takes events of EventBridge, and is fed by {what}: {cure}");
        return Err(InvocationError::new("NotAnEventBridgeEvent", message));
    }
    // The id of the EventBridge event stays the same when Lambda invokes again; the request id does, too,
    // but only for the retries of one asynchronous invocation.
    let (first_id, payload) = match read_redriven_payload(invocation.payload) {
        Some((first_id, payload)) => (Some(first_id), payload),
        None => (given.event_bridge_id(), invocation.payload),
    };
    let id = first_id.unwrap_or_else(|| invocation.request_id.to_owned());
    let record = Record {
        message_id: &id,
        source: unqualified(invocation.function_arn),
        body: payload,
        attempt: 1,
        is_last_attempt: false,
        group: None,
        delivery: Delivery::default(),
    };
    match process(handler, ports, settings, invocation.deadline, &[record]).await.pop() {
        Some(Verdict::Retry { cause, .. }) => Err(unanswered(cause)),
        Some(_) => Ok(()),
        None => Err(InvocationError::new("Internal", "the main path gave no verdict")),
    }
}

/// A function's ARN without a version or an alias, by which it may be invoked again.
fn unqualified(arn: &str) -> &str {
    arn.match_indices(':').nth(6).map_or(arn, |(at, _)| &arn[..at])
}

fn unanswered(cause: RetryCause) -> InvocationError {
    match cause {
        RetryCause::Failed { error_type, reason } => InvocationError::new(error_type, reason),
        RetryCause::Busy => InvocationError::new("Busy", "another invocation is working on this event"),
        RetryCause::LeaseLost => {
            InvocationError::new("LeaseLost", "another invocation took this event over when the lease ended")
        }
        RetryCause::Deadline => InvocationError::new("Deadline", "the invocation was about to end"),
        RetryCause::Behind => InvocationError::new("Behind", "an event before it must be delivered first"),
        RetryCause::NotDeadLettered { reason } => InvocationError::new("NotDeadLettered", reason),
        other => InvocationError::new("Retry", format!("the event must be delivered again: {other:?}")),
    }
}
