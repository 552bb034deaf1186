//! A collector: takes OTLP as JSON, on threads of its own, so that whatever it has once a call has returned was sent by
//! then.

use serde_json::Value;
use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, Ordering},
    },
    thread,
};

/// How a collector answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// With this status.
    Answers(u16),
    /// Never.
    Hangs,
}

pub(crate) struct Collector {
    pub(crate) endpoint: String,
    shared: Arc<Shared>,
}

struct Shared {
    requests: Mutex<Vec<Request>>,
    /// Zero if it hangs.
    status: AtomicU16,
}

/// What came in one request.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) headers: Vec<String>,
    pub(crate) body: Value,
}

impl Collector {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared { requests: Mutex::default(), status: AtomicU16::new(200) });
        let kept = Arc::clone(&shared);
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let kept = Arc::clone(&kept);
                thread::spawn(move || while take(&connection, &kept).is_ok() {});
            }
        });
        Self { endpoint, shared }
    }

    pub(crate) fn now(&self, manner: Manner) {
        let status = if let Manner::Answers(status) = manner { status } else { 0 };
        self.shared.status.store(status, Ordering::SeqCst);
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// Every span it was sent.
    pub(crate) fn spans(&self) -> Vec<Span> {
        let members = |value: &Value, name: &str| value[name].as_array().cloned().unwrap_or_default();
        let requests = self.requests().into_iter();
        let resources = requests.flat_map(|request| members(&request.body, "resourceSpans"));
        let scopes = resources.flat_map(|resource| members(&resource, "scopeSpans"));
        scopes.flat_map(|scope| members(&scope, "spans")).map(Span).collect()
    }
}

/// Takes one request.
fn take(connection: &TcpStream, shared: &Shared) -> io::Result<()> {
    let mut reader = BufReader::new(connection);
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    assert_eq!(line.trim(), "POST /v1/traces HTTP/1.1");
    let mut headers = Vec::new();
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        match line.trim() {
            "" => break,
            header => headers.push(header.to_ascii_lowercase()),
        }
    }
    let length = headers.iter().find_map(|header| header.strip_prefix("content-length: "));
    let mut body = vec![0; length.unwrap().parse().unwrap()];
    reader.read_exact(&mut body)?;
    let status = shared.status.load(Ordering::SeqCst);
    if status == 0 {
        loop {
            thread::park();
        }
    }
    let body = serde_json::from_slice(&body)?;
    shared.requests.lock().unwrap().push(Request { headers, body });
    let mut connection = connection;
    write!(connection, "HTTP/1.1 {status} x\r\ncontent-length: 2\r\n\r\n{{}}")
}

/// A span, as it was sent.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Span(pub(crate) Value);

impl Span {
    pub(crate) fn text(&self, field: &str) -> &str {
        self.0[field].as_str().unwrap_or_default()
    }

    pub(crate) fn id(&self) -> (&str, &str) {
        (self.text("traceId"), self.text("spanId"))
    }

    pub(crate) fn number(&self, field: &str) -> u64 {
        self.text(field).parse().unwrap()
    }

    /// An attribute, whatever its type.
    pub(crate) fn attribute(&self, name: &str) -> Option<String> {
        let attributes = self.0["attributes"].as_array()?;
        let mut found = attributes.iter().filter(|attribute| attribute["key"] == name);
        let value = found.next()?["value"].as_object()?.values().next()?.clone();
        assert!(found.next().is_none(), "{name} is there twice: {self:?}");
        Some(value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned))
    }

    pub(crate) fn links(&self) -> Vec<(String, String)> {
        let links = self.0["links"].as_array().unwrap().iter();
        links
            .map(|link| {
                (link["traceId"].as_str().unwrap().to_owned(), link["spanId"].as_str().unwrap().to_owned())
            })
            .collect()
    }

    /// The kind of its failure, if it failed.
    pub(crate) fn failure(&self) -> Option<String> {
        let message = self.0["status"]["message"].as_str().map(ToOwned::to_owned);
        assert_eq!(message.is_some(), self.0["status"]["code"] == 2);
        assert_eq!(self.attribute("error.type"), message);
        message
    }
}

pub(crate) fn named<'a>(spans: &'a [Span], name: &'a str) -> impl Iterator<Item = &'a Span> {
    spans.iter().filter(move |span| span.text("name") == name)
}

/// The span of the record that carried an event.
pub(crate) fn about<'a>(spans: &'a [Span], event_id: &str) -> &'a Span {
    let mut found =
        spans.iter().filter(|span| span.attribute("cloudevents.event_id").as_deref() == Some(event_id));
    let span = found.next().unwrap_or_else(|| panic!("no span about {event_id}: {spans:#?}"));
    assert!(found.next().is_none(), "more than one span about {event_id}");
    span
}

pub(crate) fn children<'a>(spans: &'a [Span], name: &'a str, parent: &Span) -> Vec<&'a Span> {
    let (trace, id) = parent.id();
    named(spans, name)
        .filter(|span| span.text("parentSpanId") == id && span.text("traceId") == trace)
        .collect()
}

pub(crate) fn child<'a>(spans: &'a [Span], name: &'a str, parent: &Span) -> &'a Span {
    let children = children(spans, name, parent);
    let [child] = children[..] else { panic!("{name} within {parent:?}: {children:?}") };
    child
}
