//! The envelope: CloudEvents 1.0 in structured JSON mode.
//!
//! Core attributes follow the [specification](https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md)
//! (section "Context Attributes"); extensions are lower-case letters and digits, as its section "Naming
//! Conventions" asks.

use crate::{Timestamp, message::EncodeError, surroundings::Surroundings};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, MapAccess, Visitor},
    ser::SerializeMap,
};
use serde_json::{Value, value::RawValue};
use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// The version of the specification this speaks.
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
    /// `source`: a URI reference to the context that announces it.
    pub source: String,
    /// `type`: for instance `order.placed`.
    pub message_type: String,
    /// `schemaversion` (extension): the version of the data's shape, from 1.
    pub schema_version: u16,
    /// `subject`: the id of what it happened to.
    pub subject: Option<String>,
    /// `aggregatetype` (extension): the kind of what it happened to.
    pub aggregate_type: Option<String>,
    /// `sequence` (extension): which of the aggregate's events this is, from 1. There only if the same
    /// commit saved that aggregate. On the wire it is a text of 20 digits, since the CloudEvents
    /// extension of that name is compared as text.
    pub sequence: Option<u64>,
    /// `time`: when it happened.
    pub time: Option<Timestamp>,
    /// `dataschema`: where the data's schema is.
    pub data_schema: Option<String>,
    /// `correlationid` (extension): the id of the first message of the whole line.
    pub correlation_id: String,
    /// `causationid` (extension): the id of the message that caused this one.
    pub causation_id: Option<String>,
    /// `traceparent` (extension "Distributed Tracing"): the W3C trace context.
    pub trace_parent: Option<String>,
    /// `actor` (extension): who is behind it.
    pub actor: Option<String>,
    /// `replayname` (extension): the replay that sent it again.
    pub replay_name: Option<String>,
    /// Every other extension, as it came.
    pub extensions: BTreeMap<String, Value>,
    /// What surrounded a [`Raw`](crate::Raw) message on its way. Not part of the CloudEvent: a message of a catalogue
    /// has none.
    pub surroundings: Option<Box<Surroundings>>,
}

impl Attributes {
    /// A message that nothing caused: its own id is the correlation id.
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
            actor: None,
            replay_name: None,
            extensions: BTreeMap::new(),
            surroundings: None,
        }
    }

    /// Says what it happened to.
    pub fn about(self, aggregate_type: impl Into<String>, subject: impl Into<String>) -> Self {
        Self { aggregate_type: Some(aggregate_type.into()), subject: Some(subject.into()), ..self }
    }

    /// Puts the message into the line of another that caused it.
    pub(crate) fn go_on_from(&mut self, cause: &Self) {
        self.correlation_id.clone_from(&cause.correlation_id);
        self.causation_id = Some(cause.id.clone());
        self.trace_parent.clone_from(&cause.trace_parent);
        self.actor.clone_from(&cause.actor);
    }

    /// The attributes of a message that this one causes: the line goes on.
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
            actor: self.actor.clone(),
            replay_name: self.replay_name.clone(),
            ..Self::new(id, source, message_type)
        }
    }
}

/// A message and its attributes.
#[derive(Debug, Clone, PartialEq)]
pub struct Envelope<T> {
    /// Who sent it, when, about what, and because of what.
    pub attributes: Attributes,
    /// The message itself.
    pub data: T,
}

/// An envelope whose data is JSON text.
pub type EncodedEnvelope = Envelope<Box<RawValue>>;

impl<T: crate::Message> Envelope<T> {
    /// Puts a message that nothing caused into an envelope; its type, version and subject are filled in.
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

    /// The same with its data as JSON text.
    ///
    /// # Errors
    /// When the data has no JSON form.
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
        let mut optional = |name, value: Option<&str>| match value {
            Some(value) => map.serialize_entry(name, value),
            None => Ok(()),
        };
        optional("subject", attributes.subject.as_deref())?;
        optional("dataschema", attributes.data_schema.as_deref())?;
        optional("time", attributes.time.map(|time| time.to_string()).as_deref())?;
        optional("aggregatetype", attributes.aggregate_type.as_deref())?;
        optional("sequence", attributes.sequence.map(|number| format!("{number:020}")).as_deref())?;
        optional("correlationid", Some(&attributes.correlation_id))?;
        optional("causationid", attributes.causation_id.as_deref())?;
        optional("traceparent", attributes.trace_parent.as_deref())?;
        optional("actor", attributes.actor.as_deref())?;
        optional("replayname", attributes.replay_name.as_deref())?;
        map.serialize_entry("schemaversion", &attributes.schema_version)?;
        for (name, value) in &attributes.extensions {
            map.serialize_entry(name, value)?;
        }
        map.serialize_entry("datacontenttype", "application/json")?;
        map.serialize_entry("data", &self.data)?;
        map.end()
    }
}

/// Reads any CloudEvent 1.0 whose data is JSON. Where our extensions are missing, `correlationid` is the
/// event's own id and `schemaversion` is 1.
impl<'de> Deserialize<'de> for EncodedEnvelope {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EnvelopeVisitor)
    }
}

struct EnvelopeVisitor;

impl<'de> Visitor<'de> for EnvelopeVisitor {
    type Value = EncodedEnvelope;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a CloudEvent 1.0 in structured JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<EncodedEnvelope, A::Error> {
        let (mut spec_version, mut id, mut source, mut message_type) = (None::<String>, None, None, None);
        let (mut data, mut content_type) = (None, None::<String>);
        let mut correlation_id: Option<String> = None;
        let mut attributes = Attributes::new("", "", "");
        let mut names = BTreeSet::new();
        while let Some(name) = map.next_key::<Cow<'de, str>>()? {
            // Two readers could take two different messages from it.
            if !names.insert(name.to_string()) {
                return Err(de::Error::custom(format_args!("`{name}` is given twice")));
            }
            match &*name {
                "specversion" => spec_version = Some(map.next_value()?),
                "id" => id = non_empty::<A>("id", map.next_value()?)?,
                "source" => source = non_empty::<A>("source", map.next_value()?)?,
                "type" => message_type = non_empty::<A>("type", map.next_value()?)?,
                "datacontenttype" => content_type = map.next_value()?,
                "data" => data = Some(map.next_value::<Box<RawValue>>()?),
                "data_base64" => {
                    return Err(de::Error::custom(
                        "`data_base64` holds binary data; only JSON `data` is read",
                    ));
                }
                "subject" => attributes.subject = map.next_value()?,
                "time" => attributes.time = map.next_value()?,
                "dataschema" => attributes.data_schema = map.next_value()?,
                "aggregatetype" => attributes.aggregate_type = map.next_value()?,
                "correlationid" => correlation_id = map.next_value()?,
                "causationid" => attributes.causation_id = map.next_value()?,
                "traceparent" => attributes.trace_parent = map.next_value()?,
                "actor" => attributes.actor = map.next_value()?,
                "replayname" => attributes.replay_name = map.next_value()?,
                "schemaversion" => attributes.schema_version = map.next_value()?,
                // Another program's `sequence` need not be a number: then it is an extension like others.
                "sequence" => match map.next_value::<Value>()? {
                    Value::String(text)
                        if text.bytes().all(|byte| byte.is_ascii_digit()) && text.len() == 20 =>
                    {
                        attributes.sequence = Some(text.parse().map_err(de::Error::custom)?);
                    }
                    other => _ = attributes.extensions.insert(name.into_owned(), other),
                },
                _ => {
                    let value = map.next_value()?;
                    attributes.extensions.insert(name.into_owned(), value);
                }
            }
        }
        match spec_version.as_deref() {
            Some(SPEC_VERSION) => {}
            Some(other) => {
                return Err(de::Error::custom(format_args!("specversion is `{other}`; only `1.0` is read")));
            }
            None => return Err(de::Error::missing_field("specversion")),
        }
        if let Some(other) = content_type.filter(|name| !is_json(name)) {
            return Err(de::Error::custom(format_args!("datacontenttype is `{other}`; only JSON is read")));
        }
        attributes.id = id.ok_or_else(|| de::Error::missing_field("id"))?;
        attributes.source = source.ok_or_else(|| de::Error::missing_field("source"))?;
        attributes.message_type = message_type.ok_or_else(|| de::Error::missing_field("type"))?;
        attributes.correlation_id = correlation_id.unwrap_or_else(|| attributes.id.clone());
        let data = data.unwrap_or_else(|| RawValue::NULL.to_owned());
        Ok(Envelope { attributes, data })
    }
}

fn non_empty<'de, A: MapAccess<'de>>(name: &str, value: String) -> Result<Option<String>, A::Error> {
    if value.is_empty() {
        return Err(de::Error::custom(format_args!("`{name}` is empty")));
    }
    Ok(Some(value))
}

/// `application/json`, `text/json`, `application/anything+json`, with or without parameters.
fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence.ends_with("/json") || essence.ends_with("+json")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<EncodedEnvelope, serde_json::Error> {
        serde_json::from_str(text)
    }

    #[test]
    fn a_foreign_cloud_event_is_read_and_written_back_whole() {
        let text =
            r#"{"specversion":"1.0","id":"1","source":"/x","type":"t","sequence":"b","vendor":7,"data":[1]}"#;
        let envelope = read(text).unwrap();
        assert_eq!(envelope.attributes.correlation_id, "1");
        assert_eq!(envelope.attributes.schema_version, 1);
        let again: EncodedEnvelope = read(&serde_json::to_string(&envelope).unwrap()).unwrap();
        assert_eq!(again.attributes, envelope.attributes);
        assert_eq!(again.data.get(), "[1]");
        assert_eq!(again.attributes.extensions["sequence"], "b");
    }

    #[test]
    fn what_is_no_cloud_event_says_why() {
        for (text, why) in [
            (r#"{"id":"1","source":"s","type":"t"}"#, "missing field `specversion`"),
            (r#"{"specversion":"0.3","id":"1","source":"s","type":"t"}"#, "only `1.0` is read"),
            (r#"{"specversion":"1.0","id":"","source":"s","type":"t"}"#, "`id` is empty"),
            (r#"{"specversion":"1.0","id":"1","source":"s"}"#, "missing field `type`"),
            (r#"{"specversion":"1.0","id":"1","source":"s","type":"t","data_base64":"AA=="}"#, "binary"),
            (
                r#"{"specversion":"1.0","id":"1","source":"s","type":"t","datacontenttype":"text/xml"}"#,
                "only JSON",
            ),
            (r#"{"specversion":"1.0","id":"1","source":"s","id":"2","type":"t"}"#, "`id` is given twice"),
            (r#"{"specversion":"1.0","id":"1","source":"s","type":"t","x":1,"x":1}"#, "`x` is given twice"),
            ("[]", "expected a CloudEvent"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
