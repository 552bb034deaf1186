//! A span, as it is recorded and as OTLP has it in JSON
//! ([OTLP](https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding), "JSON Protobuf Encoding"; the fields are
//! those of `opentelemetry/proto/trace/v1/trace.proto`): names in camel case, ids in hexadecimal, 64-bit integers as
//! texts, enumerations as numbers.

use serde::{Serialize, Serializer, ser::SerializeMap as _};
use std::{
    borrow::Cow,
    fmt,
    time::{SystemTime, UNIX_EPOCH},
};
use throughline_core::internal::trace_context::is_trace_parent;

/// `SpanFlags`: the lowest eight bits are those of W3C; these say whether it is known that a span was another process's.
const IS_REMOTE_IS_KNOWN: u32 = 0x100;
const IS_REMOTE: u32 = 0x200;

/// The flag of W3C Trace Context that says that a span is recorded.
pub(super) const SAMPLED: u8 = 1;

/// The most attributes and the most links of a span ("Span Limits": 128, by default).
const MOST: usize = 128;

/// A request to take spans (`ExportTraceServiceRequest`), all of one process.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Request<'a> {
    resource_spans: [OfResource<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OfResource<'a> {
    resource: Resource<'a>,
    scope_spans: [OfScope<'a>; 1],
}

#[derive(Serialize)]
struct Resource<'a> {
    attributes: &'a [Attribute],
}

#[derive(Serialize)]
struct OfScope<'a> {
    scope: Scope,
    spans: &'a [Span],
}

/// The library that recorded the spans (`InstrumentationScope`).
#[derive(Serialize)]
struct Scope {
    name: &'static str,
    version: &'static str,
}

impl<'a> Request<'a> {
    pub(super) fn new(attributes: &'a [Attribute], spans: &'a [Span]) -> Self {
        let scope = Scope { name: "throughline", version: env!("CARGO_PKG_VERSION") };
        let scope_spans = [OfScope { scope, spans }];
        Self { resource_spans: [OfResource { resource: Resource { attributes }, scope_spans }] }
    }
}

/// A span.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Span {
    #[serde(flatten, serialize_with = "own")]
    pub(super) context: Context,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "parent")]
    pub(super) parent_span_id: Option<u64>,
    pub(super) name: Cow<'static, str>,
    pub(super) kind: Kind,
    #[serde(rename = "startTimeUnixNano", serialize_with = "nanoseconds")]
    pub(super) started: SystemTime,
    #[serde(rename = "endTimeUnixNano", serialize_with = "nanoseconds")]
    pub(super) ended: SystemTime,
    pub(super) attributes: Vec<Attribute>,
    #[serde(rename = "droppedAttributesCount")]
    pub(super) dropped_attributes: u32,
    #[serde(serialize_with = "links")]
    pub(super) links: Vec<Context>,
    #[serde(rename = "droppedLinksCount")]
    pub(super) dropped_links: u32,
    #[serde(rename = "status", serialize_with = "status")]
    pub(super) failure: Option<String>,
}

/// The ids of a span and its trace, and whether it is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Context {
    pub(super) trace_id: u128,
    pub(super) span_id: u64,
    pub(super) flags: u8,
}

/// `SpanKind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Internal = 1,
    Server = 2,
    Producer = 4,
    Consumer = 5,
}

/// `KeyValue`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Attribute {
    pub(super) key: Cow<'static, str>,
    pub(super) value: Value,
}

/// `AnyValue`, as far as fields of spans need it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Text(Cow<'static, str>),
    Integer(i64),
    Double(f64),
    Truth(bool),
}

impl Span {
    /// Sets an attribute. Setting it again replaces it ("Set Attributes").
    pub(super) fn set(&mut self, key: impl Into<Cow<'static, str>>, value: impl Into<Value>) {
        let (key, value) = (key.into(), value.into());
        if let Some(known) = self.attributes.iter_mut().find(|known| known.key == key) {
            known.value = value;
        } else if self.attributes.len() < MOST {
            self.attributes.push(Attribute { key, value });
        } else {
            self.dropped_attributes += 1;
        }
    }

    pub(super) fn link(&mut self, context: Context) {
        if self.links.len() < MOST {
            self.links.push(context);
        } else {
            self.dropped_links += 1;
        }
    }
}

impl Context {
    pub(super) fn is_sampled(self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// Reads a `traceparent` ([W3C Trace Context](https://www.w3.org/TR/trace-context/#traceparent-header)).
    pub(super) fn parse(trace_parent: &str) -> Option<Self> {
        if !is_trace_parent(trace_parent) {
            return None;
        }
        let mut parts = trace_parent.split('-').skip(1);
        let (trace_id, span_id, flags) = (parts.next()?, parts.next()?, parts.next()?);
        Some(Self {
            trace_id: u128::from_str_radix(trace_id, 16).ok()?,
            span_id: u64::from_str_radix(span_id, 16).ok()?,
            flags: u8::from_str_radix(flags, 16).ok()?,
        })
    }
}

/// As a `traceparent`.
impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace_id, self.span_id, self.flags & SAMPLED)
    }
}

impl From<&'static str> for Value {
    fn from(text: &'static str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(*self as u8)
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        match self {
            Self::Text(text) => map.serialize_entry("stringValue", text)?,
            Self::Integer(number) => map.serialize_entry("intValue", &number.to_string())?,
            Self::Double(number) if number.is_finite() => map.serialize_entry("doubleValue", number)?,
            // What no JSON number is, protobuf's JSON writes as a text.
            Self::Double(number) if number.is_nan() => map.serialize_entry("doubleValue", "NaN")?,
            Self::Double(number) => {
                let text = if *number > 0.0 { "Infinity" } else { "-Infinity" };
                map.serialize_entry("doubleValue", text)?;
            }
            Self::Truth(truth) => map.serialize_entry("boolValue", truth)?,
        }
        map.end()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Ids {
    trace_id: String,
    span_id: String,
    flags: u32,
}

impl Ids {
    fn of(context: Context, remote: u32) -> Self {
        Self {
            trace_id: format!("{:032x}", context.trace_id),
            span_id: format!("{:016x}", context.span_id),
            flags: u32::from(context.flags) | IS_REMOTE_IS_KNOWN | remote,
        }
    }
}

fn own<S: Serializer>(context: &Context, serializer: S) -> Result<S::Ok, S::Error> {
    // No span has a parent in another process: those are linked.
    Ids::of(*context, 0).serialize(serializer)
}

fn links<S: Serializer>(links: &[Context], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(links.iter().map(|link| Ids::of(*link, IS_REMOTE)))
}

#[expect(clippy::ref_option, reason = "the signature that serde asks for")]
fn parent<S: Serializer>(id: &Option<u64>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{:016x}", id.unwrap_or_default()))
}

fn nanoseconds<S: Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&time.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos())
}

#[derive(Serialize)]
struct Status<'a> {
    code: u8,
    message: &'a str,
}

/// `Status`: unset, or an error.
#[expect(clippy::ref_option, reason = "the signature that serde asks for")]
fn status<S: Serializer>(failure: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
    match failure {
        Some(message) => Status { code: 2, message }.serialize(serializer),
        None => serializer.serialize_map(Some(0))?.end(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::time::Duration;

    const PRODUCER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_span_is_written_as_the_protocol_has_it() {
        let started = UNIX_EPOCH + Duration::from_nanos(1_767_225_600_000_000_001);
        let mut span = Span {
            context: Context { trace_id: 1, span_id: 2, flags: 1 },
            parent_span_id: Some(3),
            name: "commit".into(),
            kind: Kind::Internal,
            started,
            ended: started + Duration::from_nanos(1),
            attributes: Vec::new(),
            dropped_attributes: 0,
            links: Vec::new(),
            dropped_links: 0,
            failure: Some("Contended".into()),
        };
        span.link(Context::parse(PRODUCER).unwrap());
        span.set("attempt", Value::Integer(1));
        span.set("attempt", Value::Integer(2));
        let written = serde_json::to_value(&span).unwrap();
        let expected = json!({
            "traceId": "00000000000000000000000000000001", "spanId": "0000000000000002", "flags": 0x101,
            "parentSpanId": "0000000000000003", "name": "commit", "kind": 1,
            "startTimeUnixNano": "1767225600000000001", "endTimeUnixNano": "1767225600000000002",
            "attributes": [{ "key": "attempt", "value": { "intValue": "2" } }], "droppedAttributesCount": 0,
            "links": [{
                "traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "b7ad6b7169203331", "flags": 0x301,
            }],
            "droppedLinksCount": 0,
            "status": { "code": 2, "message": "Contended" },
        });
        assert_eq!(written, expected);
        let root = serde_json::to_value(Span { parent_span_id: None, failure: None, ..span }).unwrap();
        assert_eq!((root.get("parentSpanId"), &root["status"]), (None, &json!({})));
    }

    #[test]
    fn every_kind_of_value_has_its_form() {
        for (value, expected) in [
            (Value::Truth(true), json!({ "boolValue": true })),
            (Value::Integer(i64::MAX), json!({ "intValue": "9223372036854775807" })),
            (Value::Double(0.5), json!({ "doubleValue": 0.5 })),
            (Value::Double(f64::NEG_INFINITY), json!({ "doubleValue": "-Infinity" })),
            (Value::Double(f64::NAN), json!({ "doubleValue": "NaN" })),
            (Value::from("x"), json!({ "stringValue": "x" })),
        ] {
            assert_eq!(serde_json::to_value(value).unwrap(), expected);
        }
    }

    #[test]
    fn a_span_holds_so_many_attributes_and_links_and_counts_the_others() {
        let context = Context { trace_id: 1, span_id: 2, flags: 1 };
        let mut span = Span {
            context,
            parent_span_id: None,
            name: "x".into(),
            kind: Kind::Internal,
            started: UNIX_EPOCH,
            ended: UNIX_EPOCH,
            attributes: Vec::new(),
            dropped_attributes: 0,
            links: Vec::new(),
            dropped_links: 0,
            failure: None,
        };
        for number in 0..130 {
            span.set(format!("a{number}"), Value::Truth(true));
            span.link(context);
        }
        assert_eq!((span.attributes.len(), span.dropped_attributes), (MOST, 2));
        assert_eq!((span.links.len(), span.dropped_links), (MOST, 2));
    }

    #[test]
    fn a_trace_parent_is_read_as_the_standard_writes_it() {
        let later = "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-comes-later";
        for text in [PRODUCER, later] {
            let context = Context::parse(text).unwrap();
            assert!(context.is_sampled());
            assert_eq!(context.to_string(), PRODUCER);
        }
    }

    #[test]
    fn what_is_no_trace_parent_names_nothing() {
        for text in [
            "",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0af7651916cd43dd8448eb211c80319c-xyz-01",
        ] {
            assert_eq!(Context::parse(text), None, "{text}");
        }
    }
}
