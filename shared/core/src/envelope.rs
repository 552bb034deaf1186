//! The envelope: CloudEvents 1.0 in structured JSON mode.
//!
//! The core attributes follow the [specification](https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md)
//! (section "Context Attributes"), and their encoding its [JSON
//! format](https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md). The names of the
//! extensions that are written are lower-case letters and digits, as the section "Naming Conventions" asks.
//!
//! # Reading the CloudEvents of other programs
//!
//! Messages come from programs of every language. Harmless deviations are read, even where the standard does not allow
//! them; anything that would lose information, or could mean two things, is refused, and the error names the attribute.
//!
//! | in the message | result |
//! |---|---|
//! | `null` in any attribute | unset, as the JSON format says; a required attribute is then missing |
//! | an empty `subject`, `dataschema` or `datacontenttype` | unset |
//! | an empty `id`, `source` or `type`; one that is no text | refused |
//! | an id or a source of white space or control characters, a source that is no URI reference | taken as it is: it only has to tell messages apart |
//! | `specversion` other than the text `1.0` | refused |
//! | an attribute of any name given twice | refused: two readers could take two different messages from it |
//! | `time` that is RFC 3339, with any number of digits in its fraction | read, cut to nanoseconds; a leap second is the second before it |
//! | `time` in another spelling of ISO 8601 that names one instant, such as `20260105T093001Z`, `…T09:30Z`, `…01,5Z`, `…+0530`, `…Z[UTC]` | read, and written on as RFC 3339 |
//! | `time` without an offset, after 9999-12-30T22:00:00Z, or that is no text | refused |
//! | an extension whose name has capitals, dashes or other characters, or is empty or long | kept as it came |
//! | an extension that is an object, an array, or a number of any kind | kept as it came, a fraction as the nearest double |
//! | an extension that cannot be kept so: an integer beyond 64 bits, a number beyond a double, half of a surrogate pair, more than 127 levels | refused |
//! | a value of one of our extensions in a form that we do not write: `actor: 7`, `sequence: "0001"`, `schemaversion: "1.2.0"`, an empty `correlationid` | another program's extension: kept under that name as it came, and the attribute counts as not given |
//! | `schemaversion` as text, as it comes back from one hop by HTTP or Kafka headers | an integer from 1 to 65535 in digits is the version |
//! | a content type that ends in `/json` or `+json`, in any case, with any parameters, or none | JSON |
//! | any other content type | refused, even without data |
//! | `data_base64` | decoded; it must hold JSON, and the content type must allow it |
//! | `data` that is text which holds JSON | text, as the standard has it |
//! | both `data` and `data_base64` | refused, unless one of them is `null` |
//! | no data | `null` |
//! | a byte order mark, white space and line ends around the body | left out |
//!
//! Data is not checked here. Its text stays unchanged, and a reader skips the members that it does not need: half of a
//! surrogate pair, `1e400` or a million levels of nesting in a member that no type reads do no harm.

mod error;
mod reading;
pub(crate) mod values;

pub use crate::json_error::JsonKind;
pub use error::{Base64Problem, EnvelopeError, ExtensionProblem};

use crate::{
    Timestamp,
    message::EncodeError,
    surroundings::Surroundings,
    trace_context::{TraceContext, trace_id},
};
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::{Value, value::RawValue};
use std::collections::BTreeMap;

/// The version of the CloudEvents specification that is written and read.
pub const SPEC_VERSION: &str = "1.0";

/// The CloudEvents context attributes of a message: everything but its data.
///
/// ```
/// use throughline_core::Attributes;
/// let attributes = Attributes::new("e-1", "shop", "order.placed").about("order", "o-1");
/// assert_eq!(attributes.subject.as_deref(), Some("o-1"));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Attributes {
    /// `id`: unique within the source.
    pub id: String,
    /// `source`: a URI reference to the context in which the message was emitted.
    pub source: String,
    /// `type`: for instance `order.placed`.
    pub message_type: String,
    /// `schemaversion` (extension): the version of the data's shape, from 1.
    pub schema_version: u16,
    /// `subject`: the id of the entity that the message is about.
    pub subject: Option<String>,
    /// `aggregatetype` (extension): the kind of the entity that the message is about.
    pub aggregate_type: Option<String>,
    /// `sequence` (extension): the number of this event among the aggregate's events, from 1. It is set only if the
    /// same commit saved that aggregate. On the wire it is a string of 20 digits, since the CloudEvents extension of
    /// that name is compared as a string.
    pub sequence: Option<u64>,
    /// `time`: the time at which it happened.
    pub time: Option<Timestamp>,
    /// `dataschema`: the URI of the data's schema.
    pub data_schema: Option<String>,
    /// `correlationid` (extension): the id of the first message of the whole causal chain.
    pub correlation_id: String,
    /// `causationid` (extension): the id of the message that caused this one.
    pub causation_id: Option<String>,
    /// `traceparent` (extension "Distributed Tracing"): the W3C trace context.
    pub trace_parent: Option<String>,
    /// `tracestate` (extension "Distributed Tracing"): the additions of tracing vendors to that trace.
    pub trace_state: Option<String>,
    /// `actor` (extension): the person or program on whose behalf the message was sent.
    pub actor: Option<String>,
    /// `replayname` (extension): the name of the replay that sent the message again.
    pub replay_name: Option<String>,
    /// All other extensions, as they came. An extension under the name of one of the above is another program's, which
    /// does not have the form that we write.
    pub extensions: BTreeMap<String, Value>,
    /// The wrappers and message attributes with which a [`Raw`](crate::Raw) message came. They are not part of the
    /// CloudEvent: a message of a catalogue has none.
    pub surroundings: Option<Box<Surroundings>>,
}

impl Attributes {
    /// Returns the attributes of a message without a cause: its own id is the correlation id.
    pub fn new(id: impl Into<String>, source: impl Into<String>, message_type: impl Into<String>) -> Self {
        let id = id.into();
        Self {
            correlation_id: id.clone(),
            id,
            source: source.into(),
            message_type: message_type.into(),
            schema_version: 1,
            subject: None,
            aggregate_type: None,
            sequence: None,
            time: None,
            data_schema: None,
            causation_id: None,
            trace_parent: None,
            trace_state: None,
            actor: None,
            replay_name: None,
            extensions: BTreeMap::new(),
            surroundings: None,
        }
    }

    /// Sets the kind and the id of the entity that the message is about.
    pub fn about(self, aggregate_type: impl Into<String>, subject: impl Into<String>) -> Self {
        Self { aggregate_type: Some(aggregate_type.into()), subject: Some(subject.into()), ..self }
    }

    /// Continues the causal chain of the message that caused this one.
    pub(crate) fn go_on_from(&mut self, cause: &Self) {
        self.correlation_id.clone_from(&cause.correlation_id);
        self.causation_id = Some(cause.id.clone());
        self.trace_parent.clone_from(&cause.trace_parent);
        self.trace_state.clone_from(&cause.trace_state);
        self.actor.clone_from(&cause.actor);
    }

    /// Puts a message that names no trace itself into the trace of its delivery, such as the one in SQS's attributes.
    pub(crate) fn continue_trace(&mut self, around: Option<&TraceContext>) {
        if let Some(around) = around.filter(|_| self.trace_parent.is_none()) {
            self.trace_parent = Some(around.trace_parent.clone());
            self.trace_state.clone_from(&around.trace_state);
        }
    }

    /// Puts a message into the trace of the span that emits it. The vendors' additions to one trace are dropped in
    /// another.
    pub(crate) fn enter_trace(&mut self, trace_parent: &str) {
        if self.trace_parent.as_deref().map(trace_id) != Some(trace_id(trace_parent)) {
            self.trace_state = None;
        }
        self.trace_parent = Some(trace_parent.to_owned());
    }

    /// Returns the attributes of a message that this one causes, which continues the causal chain.
    pub fn caused(
        &self,
        id: impl Into<String>,
        source: impl Into<String>,
        message_type: &str,
        schema_version: u16,
        time: Timestamp,
    ) -> Self {
        Self {
            schema_version,
            time: Some(time),
            correlation_id: self.correlation_id.clone(),
            causation_id: Some(self.id.clone()),
            trace_parent: self.trace_parent.clone(),
            // A `tracestate` without its trace means nothing.
            trace_state: self.trace_parent.as_ref().and(self.trace_state.as_ref()).cloned(),
            actor: self.actor.clone(),
            replay_name: self.replay_name.clone(),
            ..Self::new(id, source, message_type)
        }
    }
}

/// A message and its attributes.
#[derive(Debug, Clone, PartialEq)]
pub struct Envelope<T> {
    /// The message's sender, time, subject and cause.
    pub attributes: Attributes,
    /// The message itself.
    pub data: T,
}

/// An envelope whose data is JSON text.
pub type EncodedEnvelope = Envelope<Box<RawValue>>;

impl<T: crate::Message> Envelope<T> {
    /// Puts a message without a cause into an envelope. Its type, version and subject are filled in.
    ///
    /// ```
    /// # use serde::{Deserialize, Serialize};
    /// # use throughline_core::{Envelope, events};
    /// # #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    /// # pub struct OrderPlaced { pub order_id: String }
    /// # events! { /// Orders.
    /// # pub enum OrderEvent of "order" { "order.placed" v1 => Placed(OrderPlaced.order_id) } }
    /// let envelope = Envelope::of("e-1", "shop", OrderPlaced { order_id: "o-1".into() });
    /// assert_eq!(envelope.attributes.subject.as_deref(), Some("o-1"));
    /// ```
    pub fn of(id: impl Into<String>, source: impl Into<String>, data: T) -> Self {
        let message_type = data.message_type();
        let attributes = Attributes {
            schema_version: message_type.version,
            subject: data.subject(),
            aggregate_type: T::AGGREGATE_TYPE.map(Into::into),
            ..Attributes::new(id, source, message_type.name)
        };
        Self { attributes, data }
    }

    /// Returns the same envelope with its data as JSON text.
    ///
    /// # Errors
    /// The data has no JSON form.
    pub fn encode(&self) -> Result<EncodedEnvelope, EncodeError> {
        Ok(Envelope { attributes: self.attributes.clone(), data: self.data.encode()? })
    }
}

impl<T: Serialize> Serialize for Envelope<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let attributes = &self.attributes;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("specversion", SPEC_VERSION)?;
        map.serialize_entry("id", &attributes.id)?;
        map.serialize_entry("source", &attributes.source)?;
        map.serialize_entry("type", &attributes.message_type)?;
        let time = attributes.time.map(|time| time.to_string());
        let sequence = attributes.sequence.map(|number| format!("{number:020}"));
        // If another program's extension has this name, a default value is not written in its place.
        let is_derived = |name| attributes.extensions.contains_key(name);
        let correlation_id = (attributes.correlation_id != attributes.id || !is_derived("correlationid"))
            .then_some(&*attributes.correlation_id);
        let schema_version = (attributes.schema_version != 1 || !is_derived("schemaversion"))
            .then_some(attributes.schema_version);
        let texts = [
            ("subject", attributes.subject.as_deref()),
            ("dataschema", attributes.data_schema.as_deref()),
            ("time", time.as_deref()),
            ("aggregatetype", attributes.aggregate_type.as_deref()),
            ("sequence", sequence.as_deref()),
            ("correlationid", correlation_id),
            ("causationid", attributes.causation_id.as_deref()),
            ("traceparent", attributes.trace_parent.as_deref()),
            ("tracestate", attributes.trace_state.as_deref()),
            ("actor", attributes.actor.as_deref()),
            ("replayname", attributes.replay_name.as_deref()),
        ];
        for (name, text) in texts {
            if let Some(text) = text {
                map.serialize_entry(name, text)?;
            }
        }
        if let Some(version) = schema_version {
            map.serialize_entry("schemaversion", &version)?;
        }
        for (name, value) in &attributes.extensions {
            let is_written = match &**name {
                "specversion" | "id" | "source" | "type" | "datacontenttype" | "data" | "data_base64" => true,
                "schemaversion" => schema_version.is_some(),
                name => texts.iter().any(|(other, text)| *other == name && text.is_some()),
            };
            // A name that was given twice would make the envelope unreadable.
            if !is_written {
                map.serialize_entry(name, value)?;
            }
        }
        map.serialize_entry("datacontenttype", "application/json")?;
        map.serialize_entry("data", &self.data)?;
        map.end()
    }
}

#[cfg(test)]
mod tests;
