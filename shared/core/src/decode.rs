//! From a record's body to a typed envelope.
//!
//! A body may be a CloudEvent, an EventBridge event around one, or an SNS notification around either.
//!
//! [`decode`] is the whole way. The bodies that are sent most go it in one pass, which knows only how to
//! succeed; for all others, and for everything that is wrong, [`open`] and [`read`] decide.

mod one_pass;

use crate::{
    Envelope, Message,
    envelope::{Attributes, EncodedEnvelope, EnvelopeError, values::without_byte_order_mark},
    message::{DataError, WireForm},
};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Why a body could not be read.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The body is not JSON.
    #[error("the body is not JSON: {0}")]
    NotJson(#[source] serde_json::Error),
    /// It is JSON of a form that is not known.
    #[error(
        "the body is no CloudEvent (no `specversion`), no EventBridge event (no `detail`) and no SNS \
         notification (no `Message`); a handler of other JSON takes Raw<T>"
    )]
    UnknownForm,
    /// It says it is a CloudEvent and breaks the standard's rules.
    #[error("not a valid CloudEvent: {0}")]
    NotCloudEvent(EnvelopeError),
    /// The envelope is right and the data is not.
    #[error(transparent)]
    Data(#[from] DataError),
}

impl DecodeError {
    /// Whether a later attempt may succeed: only when a newer version of the code could read it.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Data(DataError::NewerVersion { .. }))
    }

    /// The dead letter's `ErrorType`.
    pub fn error_type(&self) -> &'static str {
        match self {
            Self::NotJson(_) | Self::UnknownForm => "MalformedBody",
            Self::NotCloudEvent(_) => "MalformedEnvelope",
            Self::Data(DataError::UnknownType { .. }) => "UnknownType",
            Self::Data(DataError::NewerVersion { .. }) => "NewerVersion",
            Self::Data(DataError::OlderVersion { .. }) => "OlderVersion",
            Self::Data(DataError::Malformed { .. }) => "MalformedData",
        }
    }
}

/// The members by which the forms of a body are told apart.
#[derive(Deserialize)]
struct Form<'a> {
    #[serde(borrow, default)]
    specversion: Option<&'a RawValue>,
    #[serde(borrow, default)]
    detail: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "detail-type")]
    detail_type: Option<Cow<'a, str>>,
    #[serde(borrow, default, rename = "replay-name")]
    replay_name: Option<Cow<'a, str>>,
    #[serde(borrow, default, rename = "Message")]
    message: Option<Cow<'a, str>>,
    #[serde(borrow, default, rename = "Type")]
    notification_type: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    source: Option<&'a RawValue>,
    #[serde(borrow, default)]
    time: Option<&'a RawValue>,
}

impl Form<'_> {
    fn is_notification(&self) -> bool {
        self.message.is_some() && self.notification_type.as_deref() == Some("Notification")
    }

    fn is_event_bridge(&self) -> bool {
        self.detail.is_some() && self.detail_type.is_some()
    }
}

/// What the source knows about a record that carries no identity of its own.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// The id the source gave it.
    pub message_id: &'a str,
    /// The source, such as a queue's ARN.
    pub source: &'a str,
}

/// A message that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Decoded<'a, M> {
    /// The message in its envelope.
    pub envelope: Envelope<M>,
    /// The JSON that its data was read from, to be hashed.
    pub data_json: Cow<'a, str>,
}

/// A body that could not be read.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct Undecodable {
    /// What the envelope says, if it is only the data that is wrong.
    pub attributes: Option<Box<Attributes>>,
    /// What is wrong.
    pub error: DecodeError,
}

/// Reads a body: its envelope and its data.
///
/// # Errors
/// [`Undecodable`], with the envelope if that much could be read.
pub fn decode<'a, M: Message>(body: &'a str, origin: Origin<'_>) -> Result<Decoded<'a, M>, Undecodable> {
    if M::WIRE_FORM == WireForm::CloudEvent
        && let Some(decoded) = one_pass::decode(body)
    {
        return Ok(decoded);
    }
    decode_step_by_step(body, origin)
}

fn decode_step_by_step<'a, M: Message>(
    body: &str,
    origin: Origin<'_>,
) -> Result<Decoded<'a, M>, Undecodable> {
    let Envelope { attributes, data } =
        open(body, M::WIRE_FORM, origin).map_err(|error| Undecodable { attributes: None, error })?;
    match M::decode(&attributes.message_type, attributes.schema_version, &data) {
        Ok(message) => Ok(Decoded {
            envelope: Envelope { attributes, data: message },
            data_json: Cow::Owned(Box::<str>::from(data).into()),
        }),
        Err(error) => Err(Undecodable { attributes: Some(Box::new(attributes)), error: error.into() }),
    }
}

/// Reads the envelope, leaving its data as JSON text.
///
/// # Errors
/// [`DecodeError`], which says whether the body, its form or its envelope is wrong.
pub fn open(body: &str, wire_form: WireForm, origin: Origin<'_>) -> Result<EncodedEnvelope, DecodeError> {
    open_nested(body, wire_form, origin, 2)
}

fn open_nested(
    body: &str,
    wire_form: WireForm,
    origin: Origin<'_>,
    notifications_left: u8,
) -> Result<EncodedEnvelope, DecodeError> {
    let body = without_byte_order_mark(body);
    if !body.trim_start().starts_with('{') {
        return match serde_json::from_str::<IgnoredAny>(body) {
            Err(error) => Err(DecodeError::NotJson(error)),
            Ok(_) if wire_form == WireForm::Plain => plain(body, origin),
            Ok(_) => Err(DecodeError::UnknownForm),
        };
    }
    let form: Form<'_> = match serde_json::from_str(body) {
        Ok(form) => form,
        Err(error) if error.is_data() && wire_form == WireForm::Plain => return plain(body, origin),
        // Another program's extension can have the name of such a member, and an attribute can be given twice.
        Err(error) if error.is_data() => {
            serde_json::from_str::<IgnoredAny>(body).map_err(DecodeError::NotJson)?;
            return EncodedEnvelope::from_json(body).map_err(|error| match error {
                EnvelopeError::Missing { names } if names.contains(&"specversion") => {
                    DecodeError::UnknownForm
                }
                error => DecodeError::NotCloudEvent(error),
            });
        }
        Err(error) => return Err(DecodeError::NotJson(error)),
    };
    if form.is_notification() && notifications_left > 0 {
        let inner = form.message.as_deref().unwrap_or_default();
        return open_nested(inner, wire_form, origin, notifications_left - 1);
    }
    if wire_form == WireForm::Plain {
        return if form.is_event_bridge() { event_bridge(&form, origin) } else { plain(body, origin) };
    }
    let mut envelope: EncodedEnvelope = if form.specversion.is_some() {
        EncodedEnvelope::from_json(body).map_err(DecodeError::NotCloudEvent)?
    } else if let Some(detail) = form.detail {
        EncodedEnvelope::from_json(detail.get()).map_err(DecodeError::NotCloudEvent)?
    } else {
        return Err(DecodeError::UnknownForm);
    };
    if let Some(replay_name) = form.replay_name.filter(|name| !name.is_empty()) {
        envelope.attributes.replay_name = Some(replay_name.into_owned());
        // Another program's, if there is one: it cannot be written besides.
        envelope.attributes.extensions.remove("replayname");
    }
    Ok(envelope)
}

fn plain(body: &str, origin: Origin<'_>) -> Result<EncodedEnvelope, DecodeError> {
    let data = RawValue::from_string(body.to_owned()).map_err(DecodeError::NotJson)?;
    Ok(Envelope { attributes: Attributes::new(origin.message_id, origin.source, "raw"), data })
}

fn event_bridge(form: &Form<'_>, origin: Origin<'_>) -> Result<EncodedEnvelope, DecodeError> {
    let text = |raw: Option<&RawValue>, otherwise: &str| match raw {
        Some(raw) => serde_json::from_str::<String>(raw.get()).map_err(DecodeError::NotJson),
        None => Ok(otherwise.to_owned()),
    };
    let mut attributes = Attributes::new(
        text(form.id, origin.message_id)?,
        text(form.source, origin.source)?,
        form.detail_type.as_deref().unwrap_or("raw"),
    );
    attributes.time = form.time.and_then(|time| serde_json::from_str(time.get()).ok());
    attributes.replay_name = form.replay_name.as_deref().map(Into::into);
    let data = form.detail.map_or_else(|| RawValue::NULL.to_owned(), ToOwned::to_owned);
    Ok(Envelope { attributes, data })
}

/// Reads the data of an opened envelope.
///
/// # Errors
/// [`DecodeError::Data`].
pub fn read<M: Message>(envelope: EncodedEnvelope) -> Result<Envelope<M>, DecodeError> {
    let Envelope { attributes, data } = envelope;
    let data = M::decode(&attributes.message_type, attributes.schema_version, &data)?;
    Ok(Envelope { attributes, data })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN: Origin<'static> = Origin { message_id: "m-1", source: "arn:aws:sqs:eu-west-1:1:q" };
    const BARE: &str = r#"{"specversion":"1.0","id":"e-1","source":"shop","type":"t","data":{"n":1}}"#;

    fn wrapped(body: &str) -> String {
        format!(
            r#"{{"version":"0","id":"eb-1","detail-type":"t","source":"aws.x","replay-name":"again","detail":{body}}}"#
        )
    }

    fn notification(body: &str) -> String {
        serde_json::json!({ "Type": "Notification", "MessageId": "n-1", "Message": body }).to_string()
    }

    #[test]
    fn every_wrapping_of_a_cloud_event_is_opened() {
        for body in [BARE.into(), wrapped(BARE), notification(BARE), notification(&wrapped(BARE))] {
            let envelope =
                open(&body, WireForm::CloudEvent, ORIGIN).unwrap_or_else(|error| panic!("{body}: {error}"));
            assert_eq!(envelope.attributes.id, "e-1", "{body}");
            assert_eq!(envelope.data.get(), r#"{"n":1}"#);
        }
        let replayed = open(&wrapped(BARE), WireForm::CloudEvent, ORIGIN).unwrap();
        assert_eq!(replayed.attributes.replay_name.as_deref(), Some("again"));
    }

    #[test]
    fn other_bodies_say_what_they_are_not() {
        for (body, error_type) in [
            ("{", "MalformedBody"),
            ("", "MalformedBody"),
            ("[1]", "MalformedBody"),
            (r#"{"hello":1}"#, "MalformedBody"),
            (r#"{"specversion":"1.0","id":"1"}"#, "MalformedEnvelope"),
            (r#"{"detail-type":"t","detail":{}}"#, "MalformedEnvelope"),
            (&notification("no json"), "MalformedBody"),
        ] {
            let error = open(body, WireForm::CloudEvent, ORIGIN).unwrap_err();
            assert_eq!(error.error_type(), error_type, "{body}: {error}");
            assert!(!error.is_transient());
        }
    }

    #[test]
    fn raw_input_has_the_identity_its_source_gave_it() {
        let event = open(&wrapped(r#"{"a":1}"#), WireForm::Plain, ORIGIN).unwrap();
        assert_eq!((event.attributes.id.as_str(), event.attributes.source.as_str()), ("eb-1", "aws.x"));
        assert_eq!(event.data.get(), r#"{"a":1}"#);
        for body in ["[1,2]", r#"{"Records":[]}"#, "7"] {
            let message = open(body, WireForm::Plain, ORIGIN).unwrap();
            assert_eq!((message.attributes.id.as_str(), message.data.get()), ("m-1", body));
        }
    }
}
