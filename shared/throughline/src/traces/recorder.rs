//! Records `tracing`'s spans.

use super::{
    conventions,
    sampler::Sampler,
    span::{Context, Kind, SAMPLED, Span, Value},
};
use crate::system::System;
use std::{
    borrow::Cow,
    fmt::Debug,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};
use throughline_core::ports::Random as _;
use tracing::{
    Level, Metadata, Subscriber,
    field::{Field, Visit},
    level_filters::LevelFilter,
    span,
    subscriber::Interest,
};
use tracing_subscriber::{
    Layer, Registry,
    layer::{self, Filter},
    registry::LookupSpan,
};

/// The most spans that are kept: several for each record of a large batch.
const MOST_KEPT: usize = 8192;

/// Spans that have ended and are not sent yet.
#[derive(Debug, Clone, Default)]
pub(super) struct Buffer(Arc<Mutex<Kept>>);

/// The spans that were kept.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) spans: Vec<Span>,
    /// The number of spans for which there was no room.
    pub(super) lost: usize,
}

impl Buffer {
    pub(super) fn take(&self) -> Kept {
        mem::take(&mut *self.kept())
    }

    fn push(&self, span: Span) {
        let mut kept = self.kept();
        if kept.spans.len() < MOST_KEPT {
            kept.spans.push(span);
        } else {
            kept.lost += 1;
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps the spans that have ended.
#[derive(Debug)]
pub(super) struct Recorder {
    pub(super) sampler: Sampler,
    pub(super) ended: Buffer,
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Recorder {
    fn on_new_span(&self, attributes: &span::Attributes<'_>, id: &span::Id, context: layer::Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let parent =
            span.parent().and_then(|parent| parent.extensions().get::<Span>().map(|span| span.context));
        let now = SystemTime::now();
        let mut recorded = Span {
            context: self.within(parent),
            parent_span_id: parent.map(|parent| parent.span_id),
            name: attributes.metadata().name().into(),
            kind: Kind::Internal,
            started: now,
            ended: now,
            attributes: Vec::new(),
            dropped_attributes: 0,
            links: Vec::new(),
            dropped_links: 0,
            failure: None,
        };
        if recorded.context.is_sampled() {
            attributes.record(&mut Fields(&mut recorded));
        }
        span.extensions_mut().insert(recorded);
    }

    fn on_record(&self, id: &span::Id, values: &span::Record<'_>, context: layer::Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(recorded) = span.extensions_mut().get_mut::<Span>()
            && recorded.context.is_sampled()
        {
            values.record(&mut Fields(recorded));
        }
    }

    fn on_close(&self, id: span::Id, context: layer::Context<'_, S>) {
        if let Some(span) = context.span(&id)
            && let Some(recorded) = span.extensions_mut().remove::<Span>()
            && recorded.context.is_sampled()
        {
            self.ended.push(Span { ended: SystemTime::now(), ..recorded });
        }
    }
}

impl Recorder {
    /// A new span's context. A trace is recorded whole or not at all.
    fn within(&self, parent: Option<Context>) -> Context {
        let random = System.next();
        // Zero is no id. The chance is one in 2^64.
        let span_id = u64::try_from(random >> 64).unwrap_or_default().max(1);
        match parent {
            Some(parent) => Context { span_id, ..parent },
            None => {
                let trace_id = System.next().max(1);
                let flags = if self.sampler.takes(trace_id) { SAMPLED } else { 0 };
                Context { trace_id, span_id, flags }
            }
        }
    }
}

/// Changes what is recorded of a span. Nothing happens if it is not, for whatever reason.
pub(super) fn change(span: &tracing::Span, change: impl FnOnce(&mut Span)) {
    with(span, |recorded| {
        if recorded.context.is_sampled() {
            change(recorded);
        }
    });
}

/// The context of a span; nothing if nobody records.
pub(super) fn context_of(span: &tracing::Span) -> Option<Context> {
    with(span, |recorded| recorded.context)
}

fn with<T>(span: &tracing::Span, look: impl FnOnce(&mut Span) -> T) -> Option<T> {
    let look = |(id, dispatch): (&span::Id, &tracing::Dispatch)| {
        let span = dispatch.downcast_ref::<Registry>()?.span(id)?;
        let mut extensions = span.extensions_mut();
        extensions.get_mut::<Span>().map(look)
    };
    span.with_subscriber(look).flatten()
}

/// Takes a span's fields as attributes.
struct Fields<'a>(&'a mut Span);

impl Fields<'_> {
    fn set(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.set(Cow::Borrowed(conventions::key(field.name())), value);
    }
}

impl Visit for Fields<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field, Value::Double(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, Value::Integer(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        match i64::try_from(value) {
            Ok(value) => self.set(field, Value::Integer(value)),
            // OTLP knows no larger integers.
            Err(_) => self.set(field, value.to_string()),
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, Value::Truth(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field, value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.set(field, format!("{value:?}"));
    }
}

/// Spans, and no events: those are the log. Of the main path also the spans that are there for traces alone; of everybody
/// else what a handler may have opened.
pub(super) struct OnlySpans;

fn is_recorded(metadata: &Metadata<'_>) -> bool {
    let crate_name = metadata.target().split("::").next().unwrap_or_default();
    let most = match crate_name {
        "throughline" | "throughline_core" => Level::DEBUG,
        // Its span ends after the answer, too late to be sent.
        "lambda_runtime" => return false,
        _ => Level::INFO,
    };
    metadata.is_span() && *metadata.level() <= most
}

impl<S: Subscriber> Filter<S> for OnlySpans {
    fn enabled(&self, metadata: &Metadata<'_>, _: &layer::Context<'_, S>) -> bool {
        is_recorded(metadata)
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        if is_recorded(metadata) { Interest::always() } else { Interest::never() }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::DEBUG)
    }
}
