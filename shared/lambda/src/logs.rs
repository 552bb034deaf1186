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
    Event, Subscriber,
    field::{Field, Visit},
    span,
};
use tracing_subscriber::{
    EnvFilter, Layer,
    layer::{Context, SubscriberExt as _},
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
    _ = tracing_subscriber::registry().with(filter).with(layer).try_init();
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
    use tracing::{info, info_span};

    #[test]
    fn a_line_carries_the_fields_of_every_span_around_it() {
        let lines = Arc::new(Mutex::new(String::new()));
        let kept = Arc::clone(&lines);
        let layer = JsonLines { write: move |line: &str| kept.lock().unwrap().push_str(line) };
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            let outer = info_span!("outer", handler = "h", attempt = 2u32);
            let _outer = outer.enter();
            let inner = info_span!("inner", eventid = tracing::field::Empty);
            inner.record("eventid", "e-1");
            let _inner = inner.enter();
            info!(verdict = "done", "settled \"well\"\n");
        });
        let text = lines.lock().unwrap().clone();
        assert_eq!(text.lines().count(), 1);
        let line: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["handler"], "h");
        assert_eq!(line["attempt"], 2);
        assert_eq!(line["eventid"], "e-1");
        assert_eq!(line["verdict"], "done");
        assert_eq!(line["message"], "settled \"well\"\n");
        assert_eq!(line["level"], "INFO");
    }
}
