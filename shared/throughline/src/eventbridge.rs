//! The EventBridge trigger: a rule that invokes the function directly.

use crate::{
    Environment, Invocation, InvocationError, Trigger,
    backend::Backend,
    metrics::{HandlerFigures, Lines},
    payload::{FedBy as Sender, Payload},
    run::Handled,
};
use serde_json::Value;
use throughline_core::{
    Handler, Record, Verdict,
    describe::{FedBy, FunctionDescription},
    internal::delivery::read_redriven_payload,
    observer::Observer,
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

/// The trigger that [`eventbridge`] returns.
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
}

impl<H: Handler> Trigger for EventBridge<H> {
    type Ready = ReadyEventBridge<H>;
    type Batch<'a> = Event<'a>;
    type Figures = HandlerFigures;

    fn describe(&self) -> FunctionDescription {
        FunctionDescription::of(FedBy::Rule, &self.handler)
    }

    fn configure(self, environment: &mut Environment) -> ReadyEventBridge<H> {
        ReadyEventBridge {
            handler: self.handler,
            settings: environment.process_settings(),
            backend: Backend::configure(environment, H::TABLES),
        }
    }

    fn read(invocation: Invocation<'_>) -> Result<Event<'_>, InvocationError> {
        read(invocation)
    }

    async fn handle<'a>(
        ready: &ReadyEventBridge<H>,
        invocation: Invocation<'a>,
        event: &Event<'a>,
        observer: &dyn Observer,
    ) -> Result<Value, InvocationError> {
        let ports = ready.backend.ports(observer).await;
        answer(&ready.handler, ports, &ready.settings, invocation, event).await.map(|()| Value::Null)
    }

    fn write_figures(ready: &ReadyEventBridge<H>, handled: Handled<'_, '_, Self>, lines: &mut Lines<'_>) {
        handled.figures.push(lines, ready.handler.name(), 1);
    }
}

/// The one event of an invocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event<'a> {
    /// The id that the event keeps when Lambda invokes again.
    id: String,
    /// The event as the rule sent it.
    payload: &'a str,
}

/// Reads the event of an invocation.
///
/// # Errors
/// If the payload comes from something that is not EventBridge, such as a queue's mapping.
pub fn read(invocation: Invocation<'_>) -> Result<Event<'_>, InvocationError> {
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
    Ok(Event { id: first_id.unwrap_or_else(|| invocation.request_id.to_owned()), payload })
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
    event: &Event<'_>,
) -> Result<(), InvocationError> {
    let record = Record {
        message_id: &event.id,
        source: unqualified(invocation.function_arn),
        body: event.payload,
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
