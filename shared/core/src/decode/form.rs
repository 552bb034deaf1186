//! The form of a body, told by the members of an object.
//!
//! Members are kept as JSON text and parsed only on demand. Therefore a member that is not needed never makes a body
//! unreadable, however deep it is nested and however large its numbers are.

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
    // An EventBridge event; a CloudEvent has some of them, too.
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
    // The bodies of other programs.
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

/// The members of an EventBridge event.
pub(super) const OF_EVENT_BRIDGE: [&str; 5] = ["version", "id", "source", "detail-type", "detail"];
/// The members, all of them texts, that an SNS notification has besides its `Type`.
pub const OF_NOTIFICATION: [&str; 3] = ["TopicArn", "MessageId", "Message"];

/// The members of an object by which its form is told. A member that is `null` counts as missing.
pub(super) struct Form<'a> {
    members: [Option<&'a RawValue>; NAMES.len()],
    /// The members that are given twice. Two readers could take two different messages from such an object.
    repeated: [bool; NAMES.len()],
}

fn place(name: &str) -> Option<usize> {
    NAMES.iter().position(|known| *known == name)
}

impl<'a> Form<'a> {
    /// Returns the members of a JSON text; `None` if it is no object.
    pub(super) fn of(json: &'a str) -> Option<Self> {
        if is_object(json) { serde_json::from_str(json).ok() } else { None }
    }

    pub(super) fn member(&self, name: &str) -> Option<&'a RawValue> {
        self.members[place(name)?]
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.member(name).is_some()
    }

    /// Returns a member that is a string.
    pub(super) fn text(&self, name: &str) -> Option<Cow<'a, str>> {
        text(self.member(name)?)
    }

    /// Returns a member that is a string and not empty.
    pub(super) fn named(&self, name: &str) -> Option<String> {
        self.text(name).filter(|text| !text.is_empty()).map(Cow::into_owned)
    }

    /// Returns a member, read as a type; `None` if it is missing or of another type.
    pub(super) fn read<T: Deserialize<'a>>(&self, name: &str) -> Option<T> {
        serde_json::from_str(self.member(name)?.get()).ok()
    }

    pub(super) fn is_cloud_event(&self) -> bool {
        self.has("specversion")
    }

    /// Returns whether SNS wrote the object. Other programs' objects have a `Type` and a `Message`, too.
    pub(super) fn is_notification(&self) -> bool {
        self.text("Type").as_deref() == Some("Notification")
            && OF_NOTIFICATION.iter().all(|name| self.text(name).is_some())
            && !self.repeats(&["Type"])
            && !self.repeats(&OF_NOTIFICATION)
    }

    /// Returns whether EventBridge wrote the object. Other programs' objects have a `detail`, too.
    pub(super) fn is_event_bridge(&self) -> bool {
        let (detail, texts) = OF_EVENT_BRIDGE.split_last().unwrap_or((&"", &[]));
        self.has(detail)
            && texts.iter().all(|name| self.text(name).is_some())
            && !self.repeats(&["replay-name"])
            && !self.repeats(&OF_EVENT_BRIDGE)
    }

    /// Returns the name of the first member that is given twice.
    pub(super) fn repeated(&self) -> Option<&'static str> {
        self.repeated.iter().position(|repeated| *repeated).map(|place| NAMES[place])
    }

    fn repeats(&self, names: &[&str]) -> bool {
        names.iter().filter_map(|name| place(name)).any(|place| self.repeated[place])
    }

    /// Returns the names of these members that are missing, or are no strings.
    pub(super) fn lacks(&self, names: &[&str]) -> String {
        let missing = |name: &&str| match self.member(name) {
            None => Some(format!("`{name}`")),
            Some(_) if *name == "detail" || self.text(name).is_some() => None,
            Some(_) => Some(format!("`{name}` as a text")),
        };
        names.iter().filter_map(missing).collect::<Vec<_>>().join(", ")
    }
}

/// Returns whether a JSON text is an object, provided that it is JSON.
pub(super) fn is_object(json: &str) -> bool {
    json.trim_start().starts_with('{')
}

/// Returns whether a JSON text is an array, provided that it is JSON.
pub(super) fn is_array(json: &str) -> bool {
    json.trim_start().starts_with('[')
}

/// Returns the string that a JSON text stands for; `None` if it is no string.
pub(super) fn text(json: &RawValue) -> Option<Cow<'_, str>> {
    let inner = json.get().strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        serde_json::from_str(json.get()).ok().map(Cow::Owned)
    } else {
        Some(inner.into())
    }
}

/// A member's name, read as bytes: half of a surrogate pair in the name of a member that is not needed is no reason to
/// refuse the body.
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
