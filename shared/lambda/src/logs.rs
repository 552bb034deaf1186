//! Logs: one line of JSON an event, with the fields of every span around it, so that the handler, the
//! event's id, type and correlation id and the attempt stand on every line about a record.

use crate::Environment;
use serde_json::{Map, Value};
use std::{
    fmt::{Debug, Write as _},
    io::Write as _,
};
use throughline_core::Timestamp;
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    level_filters::LevelFilter,
    span,
    subscriber::Interest,
};
use tracing_subscriber::{
    EnvFilter, Layer,
    layer::{Context, Filter, SubscriberExt as _},
    registry::LookupSpan,
    util::SubscriberInitExt as _,
};

/// Starts the logs of this process, on standard output.
pub fn start(environment: &mut Environment) {
    let text = environment.optional("THROUGHLINE_LOG").unwrap_or_else(|| "info".into());
    let filter = EnvFilter::try_new(&text).unwrap_or_else(|error| {
        environment.problem(format!("THROUGHLINE_LOG is `{text}`: {error}; try `info` or `debug`"));
        EnvFilter::new("info")
    });
    let layer = JsonLines { write: |line: &str| _ = std::io::stdout().lock().write_all(line.as_bytes()) };
    // A test may have started its own.
    _ = tracing_subscriber::registry().with(layer.with_filter(KeepSpans(filter))).try_init();
}

/// A filter of events that lets spans pass: their fields say what a line is about, at whatever level and from
/// whatever module it is written.
struct KeepSpans(EnvFilter);

/// Ours are of this level; others', such as an HTTP client's, are finer and stay off.
const SPANS: Level = Level::INFO;

impl<S: Subscriber> Filter<S> for KeepSpans {
    fn enabled(&self, metadata: &Metadata<'_>, context: &Context<'_, S>) -> bool {
        if metadata.is_span() {
            *metadata.level() <= SPANS
        } else {
            Filter::<S>::enabled(&self.0, metadata, context)
        }
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        match metadata.is_span() {
            true if *metadata.level() <= SPANS => Interest::always(),
            true => Interest::never(),
            false => Filter::<S>::callsite_enabled(&self.0, metadata),
        }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Filter::<S>::max_level_hint(&self.0).map(|level| level.max(LevelFilter::from_level(SPANS)))
    }
}

/// A layer that writes a line of JSON for each event.
pub struct JsonLines<W> {
    /// Takes one whole line, its end included.
    pub write: W,
}

impl<W> Debug for JsonLines<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JsonLines").finish_non_exhaustive()
    }
}

/// The fields of a span.
struct Fields(Map<String, Value>);

impl<W: Fn(&str) + 'static, S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for JsonLines<W> {
    fn on_new_span(&self, attributes: &span::Attributes<'_>, id: &span::Id, context: Context<'_, S>) {
        let mut fields = Map::new();
        attributes.record(&mut Collect(&mut fields));
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(Fields(fields));
        }
    }

    fn on_record(&self, id: &span::Id, values: &span::Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(Fields(fields)) = span.extensions_mut().get_mut()
        {
            values.record(&mut Collect(fields));
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut line = Map::new();
        line.insert("timestamp".into(), Timestamp::now().to_string().into());
        line.insert("level".into(), event.metadata().level().as_str().into());
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(Fields(fields)) = span.extensions().get::<Fields>() {
                for (name, value) in fields {
                    line.entry(name.clone()).or_insert_with(|| value.clone());
                }
            }
        }
        event.record(&mut Collect(&mut line));
        line.insert("target".into(), event.metadata().target().into());
        let mut text = Value::Object(line).to_string();
        text.push('\n');
        (self.write)(&text);
    }
}

struct Collect<'a>(&'a mut Map<String, Value>);

impl Collect<'_> {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Collect<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let mut text = String::new();
        _ = write!(text, "{value:?}");
        self.put(field, text);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};
    use tracing::{info, info_span, warn};

    /// The lines that are written under a filter.
    fn lines(filter: &str, write: impl FnOnce()) -> Vec<Value> {
        let lines = Arc::new(Mutex::new(String::new()));
        let kept = Arc::clone(&lines);
        let layer = JsonLines { write: move |line: &str| kept.lock().unwrap().push_str(line) };
        let layer = layer.with_filter(KeepSpans(EnvFilter::new(filter)));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), write);
        let text = lines.lock().unwrap().clone();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn handle() {
        let outer = info_span!("outer", handler = "h", attempt = 2u32);
        let _outer = outer.enter();
        let inner = info_span!("inner", eventid = tracing::field::Empty);
        inner.record("eventid", "e-1");
        let _inner = inner.enter();
        info!(verdict = "done", "settled \"well\"\n");
        warn!(target: "my_function", "careful");
    }

    #[test]
    fn a_line_carries_the_fields_of_every_span_around_it() {
        let lines = lines("info", handle);
        assert_eq!(lines.len(), 2);
        let line = &lines[0];
        assert_eq!(
            (&line["handler"], &line["attempt"], &line["eventid"]),
            (&"h".into(), &2.into(), &"e-1".into())
        );
        assert_eq!((&line["verdict"], &line["level"]), (&"done".into(), &"INFO".into()));
        assert_eq!(line["message"], "settled \"well\"\n");
    }

    #[test]
    fn whatever_is_filtered_the_lines_that_are_written_say_what_they_are_about() {
        for filter in ["warn", "my_function=debug"] {
            let lines = lines(filter, handle);
            assert_eq!(lines.len(), 1, "{filter}: {lines:?}");
            assert_eq!(
                (&lines[0]["message"], &lines[0]["eventid"]),
                (&"careful".into(), &"e-1".into()),
                "{filter}"
            );
        }
    }
}
