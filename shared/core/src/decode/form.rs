//! The forms that a body may have, told apart by the members of an object.
//!
//! Members are kept as JSON text, and only what somebody asks for is read: nothing that nobody reads, however deep
//! it is or whatever its numbers are, makes a body one that cannot be read.

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Visitor},
};
use serde_json::value::RawValue;
use std::{borrow::Cow, fmt};

/// The members by which forms are told apart.
const NAMES: [&str; 38] = [
    // A CloudEvent.
    "specversion",
    "type",
    "subject",
    "correlationid",
    "causationid",
    "traceparent",
    "actor",
    "replayname",
    // An EventBridge event; some of them a CloudEvent's, too.
    "version",
    "id",
    "source",
    "detail-type",
    "detail",
    "time",
    "account",
    "region",
    "resources",
    "replay-name",
    // An SNS notification.
    "Type",
    "TopicArn",
    "MessageId",
    "Message",
    "Subject",
    "Timestamp",
    "MessageAttributes",
    // What others send.
    "Records",
    "Event",
    "Bucket",
    "eventSource",
    "EventSource",
    "messageId",
    "receiptHandle",
    "body",
    "kinesisSchemaVersion",
    "sequenceNumber",
    "eventID",
    "requestContext",
    "requestPayload",
];

/// What an EventBridge event has.
pub(super) const OF_EVENT_BRIDGE: [&str; 5] = ["version", "id", "source", "detail-type", "detail"];
/// The members, all of them texts, that an SNS notification has besides its `Type`.
pub const OF_NOTIFICATION: [&str; 3] = ["TopicArn", "MessageId", "Message"];

/// The members of an object that tell its form. One that is null is not there.
pub(super) struct Form<'a> {
    members: [Option<&'a RawValue>; NAMES.len()],
    /// Which are there twice. Two readers could take two different messages from such an object.
    repeated: [bool; NAMES.len()],
}

fn place(name: &str) -> Option<usize> {
    NAMES.iter().position(|known| *known == name)
}

impl<'a> Form<'a> {
    /// The form of a JSON text; nothing if it is no object.
    pub(super) fn of(json: &'a str) -> Option<Self> {
        if is_object(json) { serde_json::from_str(json).ok() } else { None }
    }

    pub(super) fn member(&self, name: &str) -> Option<&'a RawValue> {
        self.members[place(name)?]
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.member(name).is_some()
    }

    /// A member that is a text.
    pub(super) fn text(&self, name: &str) -> Option<Cow<'a, str>> {
        text(self.member(name)?)
    }

    /// A member that is a text and not empty.
    pub(super) fn named(&self, name: &str) -> Option<String> {
        self.text(name).filter(|text| !text.is_empty()).map(Cow::into_owned)
    }

    /// A member that is whatever is wanted.
    pub(super) fn read<T: Deserialize<'a>>(&self, name: &str) -> Option<T> {
        serde_json::from_str(self.member(name)?.get()).ok()
    }

    pub(super) fn is_cloud_event(&self) -> bool {
        self.has("specversion")
    }

    /// Whether SNS wrote it. Others have a `Type` and a `Message`, too.
    pub(super) fn is_notification(&self) -> bool {
        self.text("Type").as_deref() == Some("Notification")
            && OF_NOTIFICATION.iter().all(|name| self.text(name).is_some())
            && !self.repeats(&["Type"])
            && !self.repeats(&OF_NOTIFICATION)
    }

    /// Whether EventBridge wrote it. Others have a `detail`, too.
    pub(super) fn is_event_bridge(&self) -> bool {
        let (detail, texts) = OF_EVENT_BRIDGE.split_last().unwrap_or((&"", &[]));
        self.has(detail)
            && texts.iter().all(|name| self.text(name).is_some())
            && !self.repeats(&["replay-name"])
            && !self.repeats(&OF_EVENT_BRIDGE)
    }

    /// The first member that is there twice.
    pub(super) fn repeated(&self) -> Option<&'static str> {
        self.repeated.iter().position(|repeated| *repeated).map(|place| NAMES[place])
    }

    fn repeats(&self, names: &[&str]) -> bool {
        names.iter().filter_map(|name| place(name)).any(|place| self.repeated[place])
    }

    /// Which of these members are not there, or are no texts.
    pub(super) fn lacks(&self, names: &[&str]) -> String {
        let missing = |name: &&str| match self.member(name) {
            None => Some(format!("`{name}`")),
            Some(_) if *name == "detail" || self.text(name).is_some() => None,
            Some(_) => Some(format!("`{name}` as a text")),
        };
        names.iter().filter_map(missing).collect::<Vec<_>>().join(", ")
    }
}

/// Whether a JSON text is an object, should it be JSON.
pub(super) fn is_object(json: &str) -> bool {
    json.trim_start().starts_with('{')
}

/// Whether a JSON text is an array, should it be JSON.
pub(super) fn is_array(json: &str) -> bool {
    json.trim_start().starts_with('[')
}

/// A JSON text that is a string.
pub(super) fn text(json: &RawValue) -> Option<Cow<'_, str>> {
    let inner = json.get().strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        serde_json::from_str(json.get()).ok().map(Cow::Owned)
    } else {
        Some(inner.into())
    }
}

/// A member's name: half of a surrogate pair in the name of one that nobody reads is no reason to refuse the rest.
enum Name {
    Known(usize),
    Other,
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameVisitor;
        impl Visitor<'_> for NameVisitor {
            type Value = Name;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a member's name")
            }

            fn visit_bytes<E: Error>(self, name: &[u8]) -> Result<Name, E> {
                Ok(str::from_utf8(name).ok().and_then(place).map_or(Name::Other, Name::Known))
            }
        }
        deserializer.deserialize_bytes(NameVisitor)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Form<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FormVisitor;
        impl<'de> Visitor<'de> for FormVisitor {
            type Value = Form<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Form<'de>, A::Error> {
                let mut form = Form { members: [None; NAMES.len()], repeated: [false; NAMES.len()] };
                let mut is_there = [false; NAMES.len()];
                while let Some(name) = map.next_key()? {
                    let value: &RawValue = map.next_value()?;
                    let Name::Known(place) = name else { continue };
                    form.repeated[place] |= std::mem::replace(&mut is_there[place], true);
                    form.members[place] =
                        Some(value).filter(|value| value.get() != "null").or(form.members[place]);
                }
                Ok(form)
            }
        }
        deserializer.deserialize_map(FormVisitor)
    }
}
