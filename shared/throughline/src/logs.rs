//! Logs: one line of JSON an event, with the fields of every span around it, so that the handler, the
//! event's id, type and correlation id and the attempt stand on every line about a record.

use crate::{Environment, telemetry};
use serde::Serialize;
use std::{
    cell::Cell,
    fmt::{self, Debug},
    io::{self, Write as _},
    mem,
    ops::Range,
};
use throughline_aws::settings;
use throughline_core::Timestamp;
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    level_filters::LevelFilter,
    span,
    subscriber::Interest,
};
use tracing_subscriber::{
    Layer,
    filter::Targets,
    layer::{Context, Filter, SubscriberExt as _},
    registry::LookupSpan,
    util::SubscriberInitExt as _,
};

/// Starts the logs of this process, on standard output; and its traces, if there are any.
///
/// Each line is written when its event happens, in one call: buffered lines would be lost with a process that
/// is killed, and those are the ones that matter most.
pub fn start(environment: &mut Environment) {
    let layer = JsonLines { write: |line: &[u8]| _ = io::stdout().lock().write_all(line) };
    let filter = KeepSpans(targets(environment));
    let traces = telemetry::begin(environment);
    // A test may have started its own.
    _ = tracing_subscriber::registry().with(layer.with_filter(filter)).with(traces).try_init();
}

/// Reads from `THROUGHLINE_LOG` which targets are logged.
fn targets(environment: &mut Environment) -> Targets {
    let name = settings::LOG;
    let text = environment.optional(name).unwrap_or_else(|| "info".into());
    parse(&text).unwrap_or_else(|part| {
        environment.problem(format!(
            "{name} is `{text}`: `{part}` must be a level (off, error, warn, info, debug or trace) or \
             a module's level, such as `throughline_core=debug`"
        ));
        Targets::new().with_default(LevelFilter::INFO)
    })
}

/// Reads levels, of everything or of a module, separated by commas. The error is the part that is neither.
fn parse(text: &str) -> Result<Targets, &str> {
    text.split(',').map(str::trim).try_fold(Targets::new(), |targets, part| {
        let (module, level) = match part.split_once('=') {
            Some((module, level)) => (Some(module), level),
            None => (None, part),
        };
        // The level of no text at all would be `error`.
        let level = level.parse::<LevelFilter>().ok().filter(|_| !level.is_empty()).ok_or(part)?;
        match module {
            None => Ok(targets.with_default(level)),
            Some(module) if is_module(module) => Ok(targets.with_target(module, level)),
            Some(_) => Err(part),
        }
    })
}

fn is_module(text: &str) -> bool {
    !text.is_empty()
        && text.chars().all(|character| character.is_alphanumeric() || "_:-.".contains(character))
}

/// A filter of events that lets spans pass: their fields say what a line is about, at whatever level and from
/// whatever module it is written.
struct KeepSpans(Targets);

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

/// A layer that writes a line of JSON for each event: `timestamp`, `level`, the event's own fields, those of
/// the spans around it, `target`. Where a name occurs twice the innermost value stands; the names of the three
/// that every line has are never those of a field.
pub struct JsonLines<W> {
    /// Takes one whole line, its end included.
    pub write: W,
}

impl<W> Debug for JsonLines<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonLines").finish_non_exhaustive()
    }
}

impl<W: Fn(&[u8]) + 'static, S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for JsonLines<W> {
    fn on_new_span(&self, attributes: &span::Attributes<'_>, id: &span::Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &span::Id, values: &span::Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        // Taken, not borrowed: a value that logs while it is formatted gets buffers of its own.
        let mut buffers = BUFFERS.take();
        let Buffers { fields, line } = &mut buffers;
        fields.clear();
        event.record(fields);
        line.start(event.metadata());
        line.push(fields);
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(fields) = span.extensions().get::<Fields>() {
                line.push(fields);
            }
        }
        line.end(event.metadata());
        (self.write)(&line.text);
        BUFFERS.set(buffers);
    }
}

thread_local! {
    /// Used for one line after another.
    static BUFFERS: Cell<Buffers> = Cell::default();
}

#[derive(Default)]
struct Buffers {
    fields: Fields,
    line: Line,
}

/// Fields of a span or an event, each name once, with their values as JSON. A span's are written into many
/// lines and turned into text once.
#[derive(Default)]
struct Fields {
    named: Vec<(&'static str, Range<usize>)>,
    values: Vec<u8>,
    /// The text of a value's `Debug`, before it is quoted.
    unquoted: String,
}

impl Fields {
    fn clear(&mut self) {
        self.named.clear();
        self.values.clear();
    }

    /// The last value of a name stands.
    fn put(&mut self, field: &Field, value: &(impl Serialize + ?Sized)) {
        let start = self.values.len();
        push_json(&mut self.values, value);
        let range = start..self.values.len();
        match self.named.iter_mut().find(|(name, _)| *name == field.name()) {
            Some((_, old)) => *old = range,
            None => self.named.push((field.name(), range)),
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let mut text = mem::take(&mut self.unquoted);
        text.clear();
        _ = fmt::Write::write_fmt(&mut text, format_args!("{value:?}"));
        self.put(field, &text);
        self.unquoted = text;
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, &value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, &value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, &value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, &value);
    }
}

fn push_json(text: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) {
    serde_json::to_writer(text, value).expect("a text, a number or a truth value can be JSON");
}

const TIMESTAMP: &str = "timestamp";
const LEVEL: &str = "level";
const TARGET: &str = "target";

/// A line of JSON in the making.
#[derive(Default)]
struct Line {
    text: Vec<u8>,
    names: Vec<&'static str>,
}

impl Line {
    fn start(&mut self, metadata: &Metadata<'_>) {
        self.names.clear();
        self.names.extend([TIMESTAMP, LEVEL, TARGET]);
        self.text.clear();
        let (now, level) = (Timestamp::now(), metadata.level());
        _ = write!(self.text, r#"{{"{TIMESTAMP}":"{now}","{LEVEL}":"{level}""#);
    }

    /// Adds the fields whose names the line does not have yet.
    fn push(&mut self, fields: &Fields) {
        for (name, value) in &fields.named {
            if self.names.contains(name) {
                continue;
            }
            self.names.push(name);
            self.text.push(b',');
            push_json(&mut self.text, name);
            self.text.push(b':');
            self.text.extend_from_slice(&fields.values[value.clone()]);
        }
    }

    fn end(&mut self, metadata: &Metadata<'_>) {
        _ = write!(self.text, r#","{TARGET}":"#);
        push_json(&mut self.text, metadata.target());
        self.text.extend_from_slice(b"}\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use std::sync::{Arc, Mutex};
    use tracing::{info, info_span, warn};

    /// The lines that are written under a filter.
    fn lines(filter: &str, write: impl FnOnce()) -> Vec<Value> {
        texts(filter, write).iter().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn texts(filter: &str, write: impl FnOnce()) -> Vec<String> {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&lines);
        let layer = JsonLines { write: move |line: &[u8]| kept.lock().unwrap().extend_from_slice(line) };
        let layer = layer.with_filter(KeepSpans(parse(filter).unwrap()));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), write);
        let text = String::from_utf8(lines.lock().unwrap().clone()).unwrap();
        text.lines().map(ToOwned::to_owned).collect()
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

    #[test]
    fn every_kind_of_value_becomes_its_kind_of_json() {
        let lines = lines("info", || {
            let error = std::io::Error::other("no \"way\"");
            info!(
                text = "tab\t quote\" backslash\\ bell\u{7} é",
                displayed = %"a\nb",
                debugged = ?Some("x"),
                small = -3,
                large = u64::MAX,
                huge = u128::MAX,
                ratio = 0.25,
                not_a_number = f64::NAN,
                truth = true,
                error = &error as &(dyn std::error::Error + 'static),
                missing = tracing::field::Empty,
                dotted.name = 1,
                "odd \"name\"" = 2,
                "message with {}",
                "an argument",
            );
        });
        let mut line = lines[0].as_object().unwrap().clone();
        let timestamp = line.remove("timestamp").unwrap();
        timestamp.as_str().unwrap().parse::<Timestamp>().unwrap();
        assert_eq!(
            Value::Object(line),
            json!({
                "level": "INFO",
                "target": "throughline::logs::tests",
                "message": "message with an argument",
                "text": "tab\t quote\" backslash\\ bell\u{7} é",
                "displayed": "a\nb",
                "debugged": "Some(\"x\")",
                "small": -3,
                "large": u64::MAX,
                "huge": u128::MAX.to_string(),
                "ratio": 0.25,
                "not_a_number": null,
                "truth": true,
                "error": "no \"way\"",
                "dotted.name": 1,
                "odd \"name\"": 2,
            })
        );
    }

    #[test]
    fn of_a_name_that_occurs_twice_the_innermost_value_stands_once() {
        let texts = texts("info", || {
            let _outer = info_span!("outer", a = 1, b = 1, c = 1, level = "spurious").entered();
            let inner = info_span!("inner", b = 2, c = 2);
            inner.record("b", 3);
            let _inner = inner.entered();
            info!(c = 4, target = "spurious", "once");
            info!("again");
        });
        let line = |text: &str| text.split_once(r#""level""#).unwrap().1.to_owned();
        assert_eq!(
            texts.iter().map(|text| line(text)).collect::<Vec<_>>(),
            [
                r#":"INFO","message":"once","c":4,"b":3,"a":1,"target":"throughline::logs::tests"}"#,
                r#":"INFO","message":"again","b":3,"c":2,"a":1,"target":"throughline::logs::tests"}"#,
            ]
        );
    }

    #[test]
    fn what_is_no_filter_is_a_problem_that_names_its_part() {
        for (text, part) in [
            ("loud", "loud"),
            ("info,throughline_core=", "throughline_core="),
            ("info, [span]=debug", "[span]=debug"),
            ("=debug", "=debug"),
            ("info,", ""),
        ] {
            let mut environment = Environment::from([("THROUGHLINE_LOG", text)]);
            assert_eq!(targets(&mut environment), Targets::new().with_default(LevelFilter::INFO));
            let problems = environment.finish().unwrap_err().problems;
            let expected = format!("THROUGHLINE_LOG is `{text}`: `{part}` must be a level");
            assert!(problems[0].starts_with(&expected), "{problems:?}");
        }
    }

    #[test]
    fn a_filter_is_a_level_of_everything_or_of_modules() {
        let targets = |text| parse(text).unwrap();
        assert_eq!(targets("DEBUG"), Targets::new().with_default(LevelFilter::DEBUG));
        let both = Targets::new().with_default(LevelFilter::INFO);
        let both = both.with_target("throughline_core", LevelFilter::DEBUG);
        assert_eq!(targets("info, throughline_core=debug"), both);
    }
}
