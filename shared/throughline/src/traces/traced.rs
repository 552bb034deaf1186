//! Ties spans to the messages they are about, and to what became of them.

use super::{
    conventions::{
        DESTINATION, ERROR_TYPE, EVENT_SOURCE, MESSAGE_COUNT, OPERATION, OPERATION_TYPE, Place, SPEC_VERSION,
        SYSTEM, VERDICT, place_of, place_to,
    },
    recorder::{change, context_of},
    span::{self, Context, Kind, Value},
};
use crate::Invocation;
use std::fmt;
use throughline_core::{
    Attributes, Verdict, envelope,
    ledger::Outgoing,
    observer::{BegunRecord, Observer, RelayedEntry, SettledRecord},
    process::RetryCause,
};
use tracing::{Span, debug_span};

/// The span of an invocation: the root of its trace.
pub(crate) fn invocation_span(invocation: Invocation<'_>) -> Span {
    let span = debug_span!(
        "invocation",
        faas.invocation_id = invocation.request_id,
        cloud.resource_id = invocation.function_arn,
    );
    change(&span, |recorded| {
        recorded.kind = Kind::Server;
        // "AWS Lambda", "Attributes": the span has the function's name.
        if let Some(name) = invocation.function_arn.split(':').nth(6) {
            recorded.name = name.to_owned().into();
        }
    });
    span
}

/// Says that what was done in a span failed.
pub(crate) fn fail(span: &Span, error_type: &str) {
    change(span, |recorded| {
        recorded.set(ERROR_TYPE, error_type.to_owned());
        recorded.failure = Some(error_type.to_owned());
    });
}

/// An observer that also links spans to their messages' producers, says in them what became of what they are about, and
/// gives what is emitted the trace context of the span it is emitted in.
#[derive(Clone, Copy)]
pub struct Traced<'a>(
    /// The observer that watches, too.
    pub &'a dyn Observer,
);

impl fmt::Debug for Traced<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Traced").finish_non_exhaustive()
    }
}

impl Observer for Traced<'_> {
    fn settled(&self, record: SettledRecord<'_>) {
        change(record.span, |recorded| recorded.set(VERDICT, name_of(record.verdict)));
        if let Some(error_type) = failure(record.verdict) {
            fail(record.span, error_type);
        }
        self.0.settled(record);
    }

    fn committed(&self, requests: usize) {
        self.0.committed(requests);
    }

    fn relayed(&self, entry: RelayedEntry) {
        self.0.relayed(entry);
    }

    fn record_began(&self, span: &Span, record: BegunRecord<'_>) {
        change(span, |recorded| {
            if let Some(place) = record.source.and_then(place_of) {
                recorded.kind = Kind::Consumer;
                operation(recorded, ("process", "process"), Some(place));
            }
            if let Some(message) = record.message {
                recorded.set(EVENT_SOURCE, message.source.clone());
                recorded.set(SPEC_VERSION, envelope::SPEC_VERSION);
                link(recorded, message);
            }
        });
        self.0.record_began(span, record);
    }

    fn publishing(&self, span: &Span, messages: &[&Outgoing]) {
        change(span, |recorded| {
            let mut places = messages.iter().map(|message| place_to(&message.destination));
            let first = places.next().flatten();
            recorded.kind = Kind::Producer;
            operation(recorded, ("publish", "send"), first.filter(|_| places.all(|place| place == first)));
            recorded.set(MESSAGE_COUNT, Value::Integer(i64::try_from(messages.len()).unwrap_or(i64::MAX)));
            for message in messages {
                link(recorded, &message.envelope.attributes);
            }
        });
        self.0.publishing(span, messages);
    }

    fn failed(&self, span: &Span, error_type: &str) {
        fail(span, error_type);
        self.0.failed(span, error_type);
    }

    fn trace_parent(&self, span: &Span) -> Option<String> {
        context_of(span).map(|context| context.to_string())
    }
}

/// Says what is done with messages, and where.
fn operation(span: &mut span::Span, (name, kind): (&'static str, &'static str), place: Option<Place<'_>>) {
    span.set(OPERATION, name);
    span.set(OPERATION_TYPE, kind);
    span.name = name.into();
    if let Some(Place { system, destination }) = place {
        span.set(SYSTEM, system);
        if let Some(destination) = destination {
            // "Span name": what is done, and where.
            span.name = format!("{name} {destination}").into();
            span.set(DESTINATION, destination.to_owned());
        }
    }
}

/// Links a span to the one that emitted a message.
fn link(span: &mut span::Span, message: &Attributes) {
    if let Some(producer) = message.trace_parent.as_deref().and_then(Context::parse) {
        span.link(producer);
    }
}

fn name_of(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Done => "done",
        Verdict::Duplicate => "duplicate",
        Verdict::Retry { .. } => "retry",
        Verdict::Rejected { .. } => "rejected",
        // A verdict that has no name in traces yet.
        _ => "other",
    }
}

/// Returns the kind of failure that a verdict is, if it is one. A record that waits for others has not failed.
fn failure(verdict: &Verdict) -> Option<&str> {
    match verdict {
        Verdict::Rejected { error_type, .. } => Some(error_type),
        Verdict::Retry { cause, .. } => match cause {
            RetryCause::Failed { error_type, .. } => Some(error_type),
            RetryCause::LeaseLost => Some("LeaseLost"),
            RetryCause::Deadline => Some("Deadline"),
            RetryCause::NotDeadLettered { .. } => Some("NotDeadLettered"),
            // A record that waits for another has not failed; a cause to come must say so itself.
            _ => None,
        },
        // Done, or done before; a verdict to come must say itself that it is a failure.
        _ => None,
    }
}
