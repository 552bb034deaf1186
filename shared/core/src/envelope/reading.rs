//! Reads a CloudEvent member by member.

use super::{
    Attributes, EncodedEnvelope, Envelope, EnvelopeError, SPEC_VERSION,
    error::{Base64Problem, ExtensionProblem},
    values,
};
use crate::json_error::JsonKind;
use base64::{
    Engine as _,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use serde::{
    Deserialize, Deserializer,
    de::{self, IgnoredAny, MapAccess, Visitor},
};
use serde_json::{Value, value::RawValue};
use std::{borrow::Cow, collections::BTreeSet, fmt};

/// The decoder also accepts Base64 without padding, which some programs leave out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

impl EncodedEnvelope {
    /// Reads any CloudEvent 1.0 whose data is JSON, by the rules of the [module](super). If our extensions are missing,
    /// `correlationid` is the event's own id and `schemaversion` is 1.
    ///
    /// ```
    /// use throughline_core::EncodedEnvelope;
    /// let text = r#"{"specversion":"1.0","id":"e-1","source":"shop","type":"order.placed","data":[1]}"#;
    /// let envelope = EncodedEnvelope::from_json(text)?;
    /// assert_eq!((envelope.attributes.correlation_id.as_str(), envelope.data.get()), ("e-1", "[1]"));
    ///
    /// let error = EncodedEnvelope::from_json(r#"{"specversion":"1.0","id":"e-1","type":"order.placed"}"#).unwrap_err();
    /// assert_eq!(error.to_string(), "attribute `source` is missing");
    /// # Ok::<(), throughline_core::EnvelopeError>(())
    /// ```
    ///
    /// # Errors
    /// [`EnvelopeError`] says which attribute is wrong.
    pub fn from_json(json: &str) -> Result<Self, EnvelopeError> {
        let members = members(values::without_byte_order_mark(json))?;
        let mut names = BTreeSet::new();
        if let Some((name, _)) = members.iter().find(|(name, _)| !names.insert(&*name.0)) {
            // Two readers could take two different messages from it.
            return Err(EnvelopeError::GivenTwice { name: name.0.to_string() });
        }
        // The attributes of another version may mean something else, so this is checked first.
        let version = members.iter().find(|(name, _)| name.0 == "specversion");
        if let Some((_, version)) = version.filter(|(_, version)| !is_null(version)) {
            let found = text("specversion", version)?;
            if found != SPEC_VERSION {
                return Err(EnvelopeError::AnotherVersion { found });
            }
        }
        let mut reading = Reading::new();
        for (name, value) in members {
            reading.member(name.0, value)?;
        }
        reading.finish()
    }
}

/// Deserializes the same CloudEvents that [`EncodedEnvelope::from_json`] reads.
impl<'de> Deserialize<'de> for EncodedEnvelope {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Box::<RawValue>::deserialize(deserializer)?;
        Self::from_json(json.get()).map_err(de::Error::custom)
    }
}

/// The parts of an envelope that were read so far.
struct Reading<'a> {
    attributes: Attributes,
    correlation_id: Option<String>,
    /// The required attributes that are still missing.
    missing: Vec<&'static str>,
    content_type: Option<String>,
    data: Option<&'a RawValue>,
    data_base64: Option<&'a RawValue>,
}

impl<'a> Reading<'a> {
    fn new() -> Self {
        Self {
            attributes: Attributes::new("", "", ""),
            correlation_id: None,
            missing: vec!["specversion", "id", "source", "type"],
            content_type: None,
            data: None,
            data_base64: None,
        }
    }

    fn member(&mut self, name: Cow<'a, str>, value: &'a RawValue) -> Result<(), EnvelopeError> {
        let attributes = &mut self.attributes;
        if &*name == "data" {
            self.data = Some(value);
            return Ok(());
        }
        // `null` means "unset": JSON format, sections 2.2 and 3.
        if is_null(value) {
            return Ok(());
        }
        let required = |name: &'static str, missing: &mut Vec<&'static str>| {
            missing.retain(|other| *other != name);
            let text = text(name, value)?;
            if text.is_empty() { Err(EnvelopeError::Empty { name }) } else { Ok(text) }
        };
        match &*name {
            "specversion" => drop(required("specversion", &mut self.missing)?),
            "id" => attributes.id = required("id", &mut self.missing)?,
            "source" => attributes.source = required("source", &mut self.missing)?,
            "type" => attributes.message_type = required("type", &mut self.missing)?,
            "subject" => attributes.subject = optional("subject", value)?,
            "dataschema" => attributes.data_schema = optional("dataschema", value)?,
            "datacontenttype" => self.content_type = optional("datacontenttype", value)?,
            "time" => {
                let time = values::time(&text("time", value)?);
                attributes.time = Some(time.ok_or(EnvelopeError::Time)?);
            }
            "data_base64" => self.data_base64 = Some(value),
            _ => self.extension(name, value)?,
        }
        Ok(())
    }

    /// Reads an extension: as ours, if its value has the form that we write; otherwise as another program's.
    fn extension(&mut self, name: Cow<'a, str>, json: &'a RawValue) -> Result<(), EnvelopeError> {
        let attributes = &mut self.attributes;
        let value = extension(&name, json)?;
        let ours = match &*name {
            "correlationid" => &mut self.correlation_id,
            "causationid" => &mut attributes.causation_id,
            "aggregatetype" => &mut attributes.aggregate_type,
            "traceparent" => &mut attributes.trace_parent,
            "tracestate" => &mut attributes.trace_state,
            "actor" => &mut attributes.actor,
            "replayname" => &mut attributes.replay_name,
            "sequence" => {
                match value.as_str().and_then(values::sequence) {
                    Some(number) => attributes.sequence = Some(number),
                    None => _ = attributes.extensions.insert(name.into_owned(), value),
                }
                return Ok(());
            }
            "schemaversion" => {
                let digits = value.as_str().unwrap_or_else(|| json.get());
                match values::version(digits) {
                    Some(number) => attributes.schema_version = number,
                    None => _ = attributes.extensions.insert(name.into_owned(), value),
                }
                return Ok(());
            }
            _ => {
                attributes.extensions.insert(name.into_owned(), value);
                return Ok(());
            }
        };
        match value {
            Value::String(text) if values::is_ours(&name, &text) => *ours = Some(text),
            value => _ = attributes.extensions.insert(name.into_owned(), value),
        }
        Ok(())
    }

    fn finish(self) -> Result<EncodedEnvelope, EnvelopeError> {
        let Self { mut attributes, correlation_id, missing, content_type, data, data_base64 } = self;
        if !missing.is_empty() {
            return Err(EnvelopeError::Missing { names: missing });
        }
        if let Some(found) = content_type.filter(|name| !values::is_json(name)) {
            return Err(EnvelopeError::ContentType { found });
        }
        let data = match (data, data_base64) {
            (Some(data), Some(_)) if !is_null(data) => return Err(EnvelopeError::DataTwice),
            (_, Some(base64)) => decoded(base64).map_err(EnvelopeError::Base64)?,
            (Some(data), None) => data.to_owned(),
            (None, None) => RawValue::NULL.to_owned(),
        };
        attributes.correlation_id = correlation_id.unwrap_or_else(|| attributes.id.clone());
        Ok(Envelope { attributes, data })
    }
}

fn is_null(value: &RawValue) -> bool {
    value.get() == "null"
}

fn text(name: &'static str, value: &RawValue) -> Result<String, EnvelopeError> {
    match JsonKind::of(value.get()) {
        // The value is valid JSON; only half of a surrogate pair makes it no valid string.
        JsonKind::Text => serde_json::from_str(value.get())
            .map_err(|_| EnvelopeError::HalfCharacter { name: name.to_owned() }),
        found => Err(EnvelopeError::NotText { name, found }),
    }
}

fn optional(name: &'static str, value: &RawValue) -> Result<Option<String>, EnvelopeError> {
    let text = text(name, value)?;
    Ok(Some(text).filter(|text| !text.is_empty()))
}

fn extension(name: &str, json: &RawValue) -> Result<Value, EnvelopeError> {
    let json = json.get();
    let problem = match serde_json::from_str(json) {
        Ok(value) if !is_rounded(json, &value) => return Ok(value),
        Ok(_) => ExtensionProblem::LargeInteger,
        Err(error) => {
            let said = error.to_string();
            if said.starts_with("number out of range") {
                ExtensionProblem::LargeNumber
            } else if said.starts_with("recursion limit exceeded") {
                ExtensionProblem::Depth
            } else {
                return Err(EnvelopeError::HalfCharacter { name: name.to_owned() });
            }
        }
    };
    Err(EnvelopeError::Extension { name: name.to_owned(), problem })
}

/// Returns whether an integer in the value had to become a double.
fn is_rounded(json: &str, value: &Value) -> bool {
    fn has_double(value: &Value) -> bool {
        match value {
            Value::Number(number) => number.is_f64(),
            Value::Array(values) => values.iter().any(has_double),
            Value::Object(members) => members.values().any(has_double),
            _ => false,
        }
    }
    has_double(value) && numbers(json).any(is_large_integer)
}

fn is_large_integer(number: &str) -> bool {
    let is_integer = !number.contains(['.', 'e', 'E']);
    is_integer && number.parse::<i64>().is_err() && number.parse::<u64>().is_err()
}

/// Returns the numbers in valid JSON.
fn numbers(json: &str) -> impl Iterator<Item = &str> {
    let mut rest = json;
    std::iter::from_fn(move || {
        loop {
            let at = rest.find(|character: char| matches!(character, '"' | '-' | '0'..='9'))?;
            rest = &rest[at..];
            if let Some(text) = rest.strip_prefix('"') {
                rest = behind_text(text);
                continue;
            }
            let is_of_number = |character: char| matches!(character, '-' | '+' | '.' | 'e' | 'E' | '0'..='9');
            let length = rest.find(|character| !is_of_number(character)).unwrap_or(rest.len());
            let (number, behind) = rest.split_at(length);
            rest = behind;
            return Some(number);
        }
    })
}

/// Returns the text after the closing quote.
fn behind_text(text: &str) -> &str {
    let mut is_escaped = false;
    let end = text.find(|character| {
        let is_end = character == '"' && !is_escaped;
        is_escaped = character == '\\' && !is_escaped;
        is_end
    });
    end.map_or("", |end| &text[end + 1..])
}

fn decoded(base64: &RawValue) -> Result<Box<RawValue>, Base64Problem> {
    let kind = JsonKind::of(base64.get());
    if kind != JsonKind::Text {
        return Err(Base64Problem::NotText(kind));
    }
    let text: String = serde_json::from_str(base64.get()).map_err(|_| Base64Problem::NotBase64)?;
    let bytes = BASE64.decode(text).map_err(|_| Base64Problem::NotBase64)?;
    let json = String::from_utf8(bytes).map_err(|_| Base64Problem::NotUtf8)?;
    let json = values::without_byte_order_mark(&json);
    RawValue::from_string(json.to_owned()).map_err(|_| Base64Problem::NotJson)
}

/// The members of an object: each name as often as it is given, each value not parsed yet.
struct Members<'a>(Vec<(Name<'a>, &'a RawValue)>);

struct Name<'a>(Cow<'a, str>);

fn members(json: &str) -> Result<Vec<(Name<'_>, &RawValue)>, EnvelopeError> {
    let kind = JsonKind::of(json);
    if kind == JsonKind::Object
        && let Ok(Members(members)) = serde_json::from_str(json)
    {
        return Ok(members);
    }
    Err(match serde_json::from_str::<IgnoredAny>(json) {
        Err(error) => EnvelopeError::NotJson(error.to_string()),
        Ok(_) if kind == JsonKind::Object => EnvelopeError::Name,
        Ok(_) => EnvelopeError::NotAnObject(kind),
    })
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                /// The usual number of a CloudEvent's members.
                const MEMBERS: usize = 16;
                let mut members = Vec::with_capacity(MEMBERS);
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_borrowed_str<E: de::Error>(self, name: &'de str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Borrowed(name)))
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Owned(name.to_owned())))
            }
        }
        deserializer.deserialize_str(Reader)
    }
}
