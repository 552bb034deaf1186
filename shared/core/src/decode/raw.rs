//! Opens a body of any form, for handlers that take bodies as they come.

use super::{
    Origin,
    form::{Form, text},
    without_byte_order_mark,
};
use crate::{
    Attributes, Timestamp,
    delivery::{Delivery, MessageAttribute},
    envelope::EncodedEnvelope,
    surroundings::Surroundings,
};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::{borrow::Cow, collections::BTreeMap};

/// An opened body, with the message's identity.
pub(super) struct Opened<'a> {
    pub(super) attributes: Attributes,
    pub(super) data: Data<'a>,
    /// Whether the body itself contains the message's identity, in any form.
    pub(super) is_named: bool,
}

/// The data that a handler is given.
pub(super) enum Data<'a> {
    /// A part of the body, as JSON.
    Detail(Box<RawValue>),
    /// The whole body.
    Whole(Cow<'a, str>),
}

/// Opens a body: removes the wrappers of SNS and EventBridge, and finds the message's identity. The innermost identity
/// counts; a body without one has the identity that its source gave it.
pub(super) fn open<'a>(
    body: &'a str,
    origin: Origin<'_>,
    delivery: Delivery<'_>,
    mut notifications_left: u8,
) -> Opened<'a> {
    let first_message_id = delivery.first_message_id();
    let id = first_message_id.as_deref().unwrap_or(origin.message_id);
    let mut walk = Walk {
        attributes: Attributes::new(id, origin.source, "raw"),
        surroundings: Surroundings {
            delivered_to: origin.source.to_owned(),
            delivery_id: origin.message_id.to_owned(),
            sent_at: delivery.sent_timestamp.and_then(of_milliseconds),
            message_attributes: delivery.attributes(),
            ..Surroundings::default()
        },
        is_named: false,
    };
    let mut body = Cow::Borrowed(without_byte_order_mark(body));
    while let Some(form) = Form::of(&body) {
        if form.is_notification() && notifications_left > 0 {
            notifications_left -= 1;
            walk.notification(&form);
            let message = form.text("Message").unwrap_or_default();
            let message = without_byte_order_mark(&message).to_owned();
            body = Cow::Owned(message);
            continue;
        }
        if form.is_cloud_event() {
            walk.cloud_event(&body);
        } else if form.is_event_bridge()
            && let Some(detail) = form.member("detail")
        {
            walk.event(&form);
            walk.cloud_event(detail.get());
            let detail = detail.to_owned();
            return walk.arrived(Data::Detail(detail));
        }
        break;
    }
    walk.arrived(Data::Whole(body))
}

struct Walk {
    attributes: Attributes,
    surroundings: Surroundings,
    is_named: bool,
}

#[derive(Deserialize)]
struct SnsAttribute {
    #[serde(rename = "Type")]
    data_type: String,
    #[serde(rename = "Value")]
    value: String,
}

impl Walk {
    fn arrived(mut self, data: Data<'_>) -> Opened<'_> {
        self.attributes.surroundings = Some(Box::new(self.surroundings));
        Opened { attributes: self.attributes, data, is_named: self.is_named }
    }

    /// Sets the message's identity, if both id and source are given.
    fn identify(&mut self, id: Option<String>, source: Option<String>, message_type: &str) {
        if let (Some(id), Some(source)) = (id, source) {
            self.attributes = Attributes {
                time: self.attributes.time,
                replay_name: self.attributes.replay_name.take(),
                ..Attributes::new(id, source, message_type)
            };
            self.is_named = true;
        }
    }

    fn sent_at(&mut self, time: Option<Timestamp>) {
        if time.is_some() {
            self.attributes.time = time;
            self.surroundings.sent_at = time;
        }
    }

    /// Takes over what a notification says. A notification that is delivered again has another SQS message id, but the
    /// same id of SNS.
    fn notification(&mut self, form: &Form<'_>) {
        self.identify(form.named("MessageId"), form.named("TopicArn"), "raw");
        self.sent_at(form.read("Timestamp"));
        self.surroundings.topic = form.named("TopicArn");
        self.surroundings.notification_subject = form.named("Subject");
        let attributes: Option<BTreeMap<String, SnsAttribute>> = form.read("MessageAttributes");
        let of_sns = attributes.unwrap_or_default().into_iter().map(|(name, attribute)| {
            (name, MessageAttribute { data_type: attribute.data_type, value: attribute.value })
        });
        self.surroundings.message_attributes.extend(of_sns);
    }

    fn event(&mut self, form: &Form<'_>) {
        let detail_type = form.text("detail-type").unwrap_or_default();
        self.identify(form.named("id"), form.named("source"), &detail_type);
        detail_type.as_ref().clone_into(&mut self.attributes.message_type);
        self.sent_at(form.read("time"));
        if let Some(name) = form.named("replay-name") {
            self.attributes.replay_name = Some(name);
        }
        self.surroundings.detail_type = Some(detail_type.into_owned());
        self.surroundings.event_source = form.named("source");
        self.surroundings.account = form.named("account");
        self.surroundings.region = form.named("region");
        self.surroundings.resources = form.read("resources").unwrap_or_default();
    }

    /// Takes over a CloudEvent's attributes. A CloudEvent that a handler of CloudEvents could not read, such as one
    /// with binary data, is still identified by its id and source.
    fn cloud_event(&mut self, json: &str) {
        let Some(form) = Form::of(json).filter(Form::is_cloud_event) else { return };
        let outside = self.attributes.replay_name.take();
        if let Ok(envelope) = EncodedEnvelope::from_json(json) {
            let time = envelope.attributes.time.or(self.attributes.time);
            self.attributes = Attributes { time, ..envelope.attributes };
            self.is_named = true;
        } else if let (Some(id), Some(source), None) =
            (form.named("id"), form.named("source"), form.repeated())
        {
            let message_type = form.named("type").unwrap_or_else(|| self.attributes.message_type.clone());
            self.attributes = Attributes {
                subject: form.named("subject"),
                replay_name: form.named("replayname"),
                time: form.read("time").or(self.attributes.time),
                ..Attributes::new(id, source, message_type)
            };
            self.is_named = true;
        }
        // A replay of an archive is named around the event, not in it.
        if outside.is_some() {
            self.attributes.replay_name = outside;
        }
    }
}

fn of_milliseconds(digits: &str) -> Option<Timestamp> {
    Timestamp::from_millisecond(digits.parse().ok()?).ok()
}

/// Returns a text as JSON. If it is no JSON, returns it as a JSON string, with the error.
pub(super) fn as_json(body: &str) -> (Box<RawValue>, Option<serde_json::Error>) {
    match RawValue::from_string(body.to_owned()) {
        Ok(json) => (json, None),
        Err(error) => (quoted(body), Some(error)),
    }
}

/// Returns a text as a JSON string.
pub(super) fn quoted(text: &str) -> Box<RawValue> {
    serde_json::value::to_raw_value(text).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

/// Returns whether a JSON text is a string.
pub(super) fn is_text(json: &RawValue) -> bool {
    text(json).is_some()
}
