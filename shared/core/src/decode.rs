//! Decodes a record's body to a typed envelope.
//!
//! A body may be a CloudEvent, an EventBridge event around one, or an SNS notification around either.
//!
//! * An SNS notification is an object whose `Type` is `Notification`, with a `TopicArn`, a `MessageId` and a
//!   `Message`, all of them strings.
//! * An EventBridge event is an object with the strings `version`, `id`, `source` and `detail-type`, and a `detail`.
//!
//! An object that lacks one of them is another program's JSON, and is not unwrapped. A byte order mark at the beginning
//! is ignored.
//!
//! [`decode`] does all steps. The most frequent bodies are decoded in one pass, which can only succeed or give up;
//! [`open`] and [`read`] decide about all other bodies and all errors.

mod foreign;
mod form;
mod one_pass;
mod raw;

pub use foreign::UnknownForm;
pub use form::OF_NOTIFICATION;

use crate::{
    Envelope, Message, Record,
    delivery::Delivery,
    envelope::{Attributes, EncodedEnvelope, EnvelopeError, values::without_byte_order_mark},
    message::{DataError, WireForm},
};
use form::Form;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// The reason why a body could not be read.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The body is not JSON.
    #[error("{}", what_is_no_json(.0))]
    NotJson(#[source] serde_json::Error),
    /// The body is JSON of a form that is not read.
    #[error(transparent)]
    UnknownForm(#[from] UnknownForm),
    /// The body claims to be a CloudEvent and breaks the standard's rules.
    #[error("not a valid CloudEvent: {0}")]
    NotCloudEvent(EnvelopeError),
    /// The envelope is valid and the data is not.
    #[error(transparent)]
    Data(#[from] DataError),
}

impl DecodeError {
    /// Returns whether a later attempt may succeed: only if a newer version of the code could read the body.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Data(DataError::NewerVersion { .. }))
    }

    /// Returns the dead letter's `ErrorType`.
    pub fn error_type(&self) -> &'static str {
        match self {
            Self::UnknownForm(
                UnknownForm::PipeRecord
                | UnknownForm::DetailIsNoObject { .. }
                | UnknownForm::EventWithoutCloudEvent,
            )
            | Self::NotCloudEvent(_) => "MalformedEnvelope",
            Self::NotJson(_) | Self::UnknownForm(_) => "MalformedBody",
            Self::Data(DataError::UnknownType { .. }) => "UnknownType",
            Self::Data(DataError::NewerVersion { .. }) => "NewerVersion",
            Self::Data(DataError::OlderVersion { .. }) => "OlderVersion",
            Self::Data(DataError::Malformed { .. }) => "MalformedData",
        }
    }
}

fn what_is_no_json(error: &serde_json::Error) -> String {
    if error.is_eof() && (error.line(), error.column()) == (1, 0) {
        return "the body is empty".into();
    }
    format!("the body is not JSON: {error}")
}

/// The identity that the source gives to a record without an identity of its own.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// The id that the source gave the record.
    pub message_id: &'a str,
    /// The source, such as a queue's ARN.
    pub source: &'a str,
}

impl<'a> Origin<'a> {
    fn of(record: &Record<'a>) -> Self {
        Self { message_id: record.message_id, source: record.source }
    }
}

/// A message that was decoded.
#[derive(Debug, Clone, PartialEq)]
pub struct Decoded<'a, M> {
    /// The message in its envelope.
    pub envelope: Envelope<M>,
    /// The JSON from which the data was read, for its hash.
    pub data_json: Cow<'a, str>,
}

/// A body that could not be read.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct Undecodable {
    /// The envelope's attributes, if only the data is wrong.
    pub attributes: Option<Box<Attributes>>,
    /// The reason why it could not be read.
    pub error: DecodeError,
}

/// Reads a body: its envelope and its data.
///
/// # Errors
/// [`Undecodable`], with the envelope if that much could be read.
pub fn decode<'a, M: Message>(body: &'a str, origin: Origin<'_>) -> Result<Decoded<'a, M>, Undecodable> {
    decode_delivered(body, origin, Delivery::default())
}

/// Reads a record: its envelope and its data.
pub(crate) fn decode_record<'a, M: Message>(record: &Record<'a>) -> Result<Decoded<'a, M>, Undecodable> {
    decode_delivered(record.body, Origin::of(record), record.delivery)
}

/// Reads the envelope of a record, leaving its data as JSON text.
///
/// # Errors
/// As [`open`].
pub(crate) fn open_record(record: &Record<'_>, wire_form: WireForm) -> Result<EncodedEnvelope, DecodeError> {
    open_delivered(record.body, wire_form, Origin::of(record), record.delivery)
}

/// Returns the identity that a body contains: the attributes of the CloudEvent in it, or else the identity that
/// EventBridge or SNS gave it. Returns `None` if it contains none: then the message has the id that its source gave it.
///
/// ```
/// use throughline_core::internal::decode::named_in;
/// let event = r#"{"version":"0","id":"e-1","source":"aws.ec2","detail-type":"EC2 Instance Launch","detail":{}}"#;
/// assert_eq!(named_in(event).unwrap().id, "e-1");
/// assert_eq!(named_in(r#"{"id":"nightly"}"#), None);
/// ```
pub fn named_in(body: &str) -> Option<Attributes> {
    let nobody = Origin { message_id: "", source: "" };
    let opened = raw::open(body, nobody, Delivery::default(), MOST_NOTIFICATIONS);
    opened.is_named.then_some(Attributes { surroundings: None, ..opened.attributes })
}

/// The most SNS notifications that may be nested in each other.
pub const MOST_NOTIFICATIONS: u8 = 2;

fn decode_delivered<'a, M: Message>(
    body: &'a str,
    origin: Origin<'_>,
    delivery: Delivery<'_>,
) -> Result<Decoded<'a, M>, Undecodable> {
    if M::WIRE_FORM == WireForm::Plain {
        return decode_plain(body, origin, delivery);
    }
    if let Some(decoded) = one_pass::decode(body) {
        return Ok(decoded);
    }
    decode_step_by_step(body, delivery)
}

fn decode_step_by_step<'a, M: Message>(
    body: &str,
    delivery: Delivery<'_>,
) -> Result<Decoded<'a, M>, Undecodable> {
    let opened = open_cloud_event(body, MOST_NOTIFICATIONS).map_err(|error| match error {
        DecodeError::UnknownForm(form) => {
            let of_delivery = foreign::binary_mode(delivery.attributes().keys());
            DecodeError::UnknownForm(of_delivery.unwrap_or(form))
        }
        DecodeError::NotJson(error) => match foreign::binary_mode(delivery.attributes().keys()) {
            Some(form) => DecodeError::UnknownForm(form),
            None => DecodeError::NotJson(error),
        },
        error => error,
    });
    let Envelope { attributes, data } = opened.map_err(|error| Undecodable { attributes: None, error })?;
    match M::decode(&attributes.message_type, attributes.schema_version, &data) {
        Ok(message) => Ok(Decoded {
            envelope: Envelope { attributes, data: message },
            data_json: Cow::Owned(Box::<str>::from(data).into()),
        }),
        Err(error) => Err(Undecodable { attributes: Some(Box::new(attributes)), error: error.into() }),
    }
}

/// Decodes a body of any form. JSON is read as JSON. A body that is no JSON, or that is JSON only by accident, such as
/// a line that happens to be a number, is passed as a string to a type that reads one.
fn decode_plain<'a, M: Message>(
    body: &str,
    origin: Origin<'_>,
    delivery: Delivery<'_>,
) -> Result<Decoded<'a, M>, Undecodable> {
    let raw::Opened { attributes, data, .. } = raw::open(body, origin, delivery, MOST_NOTIFICATIONS);
    let (json, not_json, text) = match data {
        raw::Data::Detail(json) => (json, None, None),
        raw::Data::Whole(text) => {
            let (json, not_json) = raw::as_json(&text);
            (json, not_json, Some(text))
        }
    };
    let read = |json: &RawValue| M::decode(&attributes.message_type, attributes.schema_version, json);
    let message = read(&json).or_else(|error| match (not_json, text) {
        (Some(not_json), _) => Err(DecodeError::NotJson(not_json)),
        (None, Some(text)) if !raw::is_text(&json) && !is_beyond_a_reader(&json, &error) => {
            read(&raw::quoted(&text)).map_err(|_| error.into())
        }
        _ => Err(error.into()),
    });
    match message {
        Ok(message) => Ok(Decoded {
            envelope: Envelope { attributes, data: message },
            data_json: Cow::Owned(Box::<str>::from(json).into()),
        }),
        Err(error) => Err(Undecodable { attributes: Some(Box::new(attributes)), error }),
    }
}

/// Returns whether an object or an array holds a value that no full JSON reader accepts, such as `1e400`. Such a body
/// is not a string by accident: a type that reads any JSON would have meant it as JSON.
fn is_beyond_a_reader(json: &RawValue, error: &DataError) -> bool {
    let has_members = form::is_object(json.get()) || form::is_array(json.get());
    has_members && matches!(error, DataError::Malformed { error, .. } if !error.is_data())
}

/// Reads the envelope, leaving its data as JSON text. [`WireForm::Plain`] accepts any body: one that is not JSON
/// becomes a JSON string.
///
/// # Errors
/// [`DecodeError`], which says whether the body, its form or its envelope is wrong.
pub fn open(body: &str, wire_form: WireForm, origin: Origin<'_>) -> Result<EncodedEnvelope, DecodeError> {
    open_delivered(body, wire_form, origin, Delivery::default())
}

fn open_delivered(
    body: &str,
    wire_form: WireForm,
    origin: Origin<'_>,
    delivery: Delivery<'_>,
) -> Result<EncodedEnvelope, DecodeError> {
    if wire_form == WireForm::CloudEvent {
        return open_cloud_event(body, MOST_NOTIFICATIONS);
    }
    let raw::Opened { attributes, data, .. } = raw::open(body, origin, delivery, MOST_NOTIFICATIONS);
    let data = match data {
        raw::Data::Detail(json) => json,
        raw::Data::Whole(text) => raw::as_json(&text).0,
    };
    Ok(Envelope { attributes, data })
}

fn open_cloud_event(body: &str, notifications_left: u8) -> Result<EncodedEnvelope, DecodeError> {
    let body = without_byte_order_mark(body);
    if !form::is_object(body) {
        serde_json::from_str::<IgnoredAny>(body).map_err(DecodeError::NotJson)?;
        return Err(foreign::of_no_object(body).into());
    }
    let form: Form<'_> = serde_json::from_str(body).map_err(DecodeError::NotJson)?;
    if form.is_notification() {
        let left = notifications_left.checked_sub(1).ok_or(UnknownForm::TooManyNotifications)?;
        return open_cloud_event(&form.text("Message").unwrap_or_default(), left);
    }
    let mut envelope: EncodedEnvelope = if form.is_cloud_event() {
        EncodedEnvelope::from_json(body).map_err(|error| no_cloud_event(body, error))?
    } else if let Some(detail) = form.member("detail").filter(|_| form.is_event_bridge()) {
        EncodedEnvelope::from_json(detail.get()).map_err(|error| {
            let is_cloud_event = Form::of(detail.get()).is_some_and(|detail| detail.is_cloud_event());
            if is_cloud_event {
                no_cloud_event(detail.get(), error)
            } else {
                foreign::of_detail(detail).into()
            }
        })?
    } else {
        return Err(foreign::of_object(&form).into());
    };
    if let Some(replay_name) = form.text("replay-name").filter(|name| !name.is_empty()) {
        envelope.attributes.replay_name = Some(replay_name.into_owned());
        // This is another program's extension, if there is one: both cannot be written under one name.
        envelope.attributes.extensions.remove("replayname");
    }
    Ok(envelope)
}

/// Returns the error of a body that is no CloudEvent. Invalid JSON is not reported as a wrong envelope, although the
/// members that tell forms apart can be found in it.
fn no_cloud_event(json: &str, error: EnvelopeError) -> DecodeError {
    match (serde_json::from_str::<IgnoredAny>(json), error) {
        (Err(not_json), EnvelopeError::NotJson(_)) => DecodeError::NotJson(not_json),
        (_, error) => DecodeError::NotCloudEvent(error),
    }
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
mod tests;
