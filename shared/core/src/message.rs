//! Messages: events (facts, past tense) and commands (requests to one receiver), and the catalogues
//! that name them on the wire.

use crate::{Attributes, item, json_error::without_values};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;
use std::fmt::Debug;

/// The name and schema version a message has on the wire.
///
/// The name is the CloudEvents attribute `type`; the version travels as the extension `schemaversion`.
///
/// ```
/// use throughline_core::MessageType;
/// assert_eq!(MessageType { name: "order.placed", version: 1 }.to_string(), "order.placed v1");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageType {
    /// For instance `order.placed`.
    pub name: &'static str,
    /// Counts up from 1 with every change of the data's shape.
    pub version: u16,
}

impl std::fmt::Display for MessageType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} v{}", self.name, self.version)
    }
}

/// Why data could not be read as the message a handler takes.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// The catalogue has no such type: the message was sent to the wrong place.
    #[error("type `{found}` is not one this handler takes (it takes {})", list(.known))]
    UnknownType {
        /// The type on the wire.
        found: String,
        /// The types that the catalogue holds.
        known: &'static [MessageType],
    },
    /// The sender is ahead of this code. Retried, because a deployment mends it.
    #[error("`{name}` v{found} is newer than this code knows (v{known}): deploy the newer handler")]
    NewerVersion {
        /// The message's type.
        name: &'static str,
        /// The version on the wire.
        found: u16,
        /// The newest version the catalogue holds.
        known: u16,
    },
    /// The version is older than every version in the catalogue.
    #[error("`{name}` v{found} is older than this code still reads (v{known})")]
    OlderVersion {
        /// The message's type.
        name: &'static str,
        /// The version on the wire.
        found: u16,
        /// The version the catalogue holds.
        known: u16,
    },
    /// The data does not have the shape that its type and version promise.
    #[error("the data of `{name}` is malformed: {}", without_values(.error))]
    Malformed {
        /// The message's type.
        name: String,
        /// The JSON reader's error, with line and column within `data`.
        error: serde_json::Error,
    },
}

fn list(types: &[MessageType]) -> String {
    match types {
        [] => "nothing".into(),
        types => types.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    }
}

impl DataError {
    /// The error for a name or version that no entry of `known` has.
    pub fn not_in(known: &'static [MessageType], name: &str, version: u16) -> Self {
        match known.iter().filter(|entry| entry.name == name).max_by_key(|entry| entry.version) {
            None => Self::UnknownType { found: name.into(), known },
            Some(newest) if version > newest.version => {
                Self::NewerVersion { name: newest.name, found: version, known: newest.version }
            }
            Some(newest) => Self::OlderVersion { name: newest.name, found: version, known: newest.version },
        }
    }
}

/// The wire form of a handler's input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WireForm {
    /// A CloudEvent, bare or inside an EventBridge event or an SNS notification.
    CloudEvent,
    /// Whatever it is; see [`Raw`].
    Plain,
}

/// Something a handler can be given: an [`Event`], a [`Command`] or [`Raw`] JSON.
///
/// Implemented by the macros [`events!`](crate::events!) and [`commands!`](crate::commands!).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a message",
    label = "declared in no catalogue",
    note = "declare an event:   events! {{ pub enum OrderEvent of \"order\" {{ \"order.placed\" v1 => Placed({Self}.order_id) }} }}",
    note = "declare a command:  commands! {{ pub enum OrderCommand to \"place-order\" {{ \"order.place\" v1 => Place({Self}.order_id) }} }}",
    note = "or take JSON as it comes: Raw<{Self}>"
)]
pub trait Message: Debug + Clone + Send + Sync + Sized + 'static {
    /// Every type and version this can be on the wire.
    const CATALOGUE: &'static [MessageType];
    /// The wire form.
    const WIRE_FORM: WireForm = WireForm::CloudEvent;
    /// The kind of thing the message is about, as in [`Entity::KIND`](crate::Entity::KIND).
    const AGGREGATE_TYPE: Option<&'static str> = None;

    /// [`AGGREGATE_TYPE`](Self::AGGREGATE_TYPE), of a message that knows it only when it is there.
    fn aggregate_type(&self) -> Option<&'static str> {
        Self::AGGREGATE_TYPE
    }
    /// Its type and version.
    fn message_type(&self) -> MessageType;
    /// The id of what it is about: the CloudEvents attribute `subject`.
    fn subject(&self) -> Option<String>;
    /// The message that this one goes on from, where its own envelope cannot say so: it then has the same
    /// correlation id and trace context.
    fn continues(&self) -> Option<&Attributes> {
        None
    }
    /// Its data as JSON.
    ///
    /// # Errors
    /// When the data has no JSON form, such as a map whose keys are no strings.
    fn encode(&self) -> Result<Box<RawValue>, serde_json::Error>;
    /// Reads it back.
    ///
    /// # Errors
    /// [`DataError`] says whether the type, the version or the shape is wrong.
    fn decode(name: &str, version: u16, data: &RawValue) -> Result<Self, DataError>;
    /// Reads the data that a text begins with, and says how long that is; nothing if
    /// [`decode`](Self::decode) would fail. The macros' way to read data without first looking for its end.
    #[doc(hidden)]
    fn decode_first(name: &str, version: u16, text: &str) -> Option<(Self, usize)> {
        let mut values = serde_json::Deserializer::from_str(text).into_iter();
        let data: &RawValue = values.next()?.ok()?;
        Some((Self::decode(name, version, data).ok()?, values.byte_offset()))
    }
}

/// A fact: something that happened, in the past tense, told to whoever cares.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an event",
    label = "not declared in an `events!` catalogue",
    note = "declare it: events! {{ pub enum OrderEvent of \"order\" {{ \"order.placed\" v1 => Placed({Self}.order_id) }} }}"
)]
pub trait Event: Message + PartialEq {}

/// A request to one receiver, in the imperative, sent to that receiver's queue.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a command",
    label = "not declared in a `commands!` catalogue",
    note = "declare it: commands! {{ pub enum OrderCommand to \"place-order\" {{ \"order.place\" v1 => Place({Self}.order_id) }} }}"
)]
pub trait Command: Message + PartialEq {
    /// The receiver's queue, by its logical name: the setting `THROUGHLINE_COMMAND_QUEUE_<NAME>` holds
    /// its URL.
    const QUEUE: &'static str;
}

/// The events of a handler that announces nothing.
///
/// ```
/// use throughline_core::{Effects, Never};
/// let quiet: Effects<Never> = Effects::none();
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Never {}

impl Message for Never {
    const CATALOGUE: &'static [MessageType] = &[];
    fn message_type(&self) -> MessageType {
        match *self {}
    }
    fn subject(&self) -> Option<String> {
        match *self {}
    }
    fn encode(&self) -> Result<Box<RawValue>, serde_json::Error> {
        match *self {}
    }
    fn decode(name: &str, version: u16, _: &RawValue) -> Result<Self, DataError> {
        Err(DataError::not_in(Self::CATALOGUE, name, version))
    }
}

impl Event for Never {}

/// An event of any catalogue, as JSON already: what functions whose types are forgotten emit.
#[derive(Debug, Clone)]
pub(crate) struct EncodedEvent {
    message_type: MessageType,
    aggregate_type: Option<&'static str>,
    subject: Option<String>,
    data: Result<Box<RawValue>, String>,
}

impl EncodedEvent {
    pub(crate) fn of<E: Event>(event: &E) -> Self {
        Self {
            message_type: event.message_type(),
            aggregate_type: event.aggregate_type(),
            subject: event.subject(),
            data: event.encode().map_err(|error| error.to_string()),
        }
    }
}

impl PartialEq for EncodedEvent {
    fn eq(&self, other: &Self) -> bool {
        let text = |event: &Self| event.data.as_ref().map(|data| data.get().to_owned()).map_err(Clone::clone);
        (self.message_type, &self.subject, text(self)) == (other.message_type, &other.subject, text(other))
    }
}

impl Message for EncodedEvent {
    const CATALOGUE: &'static [MessageType] = &[];
    fn aggregate_type(&self) -> Option<&'static str> {
        self.aggregate_type
    }
    fn message_type(&self) -> MessageType {
        self.message_type
    }
    fn subject(&self) -> Option<String> {
        self.subject.clone()
    }
    fn encode(&self) -> Result<Box<RawValue>, serde_json::Error> {
        self.data.clone().map_err(serde::ser::Error::custom)
    }
    fn decode(name: &str, version: u16, _: &RawValue) -> Result<Self, DataError> {
        Err(DataError::not_in(Self::CATALOGUE, name, version))
    }
}

impl Event for EncodedEvent {}

/// Whatever EventBridge, SNS or SQS brings, read as `T`: events of AWS's services, schedules, messages of programs
/// that know no CloudEvents.
///
/// | what comes | `T` is read from |
/// |---|---|
/// | an EventBridge event | its `detail` |
/// | an SNS notification, at most two within each other | what its `Message` holds |
/// | anything else | all of it |
///
/// # Who it is
///
/// The main path handles a message once, and knows it by what its sender named; the first of these that is there:
///
/// 1. a CloudEvent's `id` and `source`, bare or in an event or a notification, whatever its data is;
/// 2. EventBridge's `id` and `source`;
/// 3. SNS's `MessageId` and `TopicArn` (a subscription with raw message delivery brings neither);
/// 4. SQS's message id and the queue's ARN, or Lambda's request id and the function's ARN.
///
/// SQS gives a message another id each time it is sent. `throughline dlq redrive` sends the first one along, so that a
/// redriven message is still the same, and [`idempotency_key`](crate::Context::idempotency_key) with it.
///
/// # What surrounds it
///
/// [`surroundings`](crate::Envelope::surroundings) of its envelope: resources, account and region of an event, topic and
/// subject of a notification, message attributes, when it was sent.
///
/// # Texts
///
/// `Raw<String>` takes a body that is not JSON as it is, and so does any `T` that reads itself from a text. A JSON string
/// is the text that it means, without its quotes; any other JSON that `T` cannot be read from is given as text, too: a
/// line that happens to be a number or an object stays a line. Whoever takes JSON has a body that is none rejected as
/// `MalformedBody`; and whoever takes any JSON, such as `Value`, an object that holds what no `Value` can, such as
/// `1e400`, as `MalformedData`.
///
/// # S3's test event
///
/// When notifications of a bucket to a queue are set up, S3 sends one `s3:TestEvent`, which has no `Records`. With a
/// default for them there is nothing to do for it; without, it becomes a dead letter:
///
/// ```
/// # #[derive(Debug, Clone, serde::Deserialize)] struct S3Record {}
/// #[derive(Debug, Clone, serde::Deserialize)]
/// struct Uploads {
///     #[serde(rename = "Records", default)]
///     records: Vec<S3Record>,
/// }
/// # let test = r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"b"}"#;
/// # assert!(serde_json::from_str::<Uploads>(test).unwrap().records.is_empty());
/// ```
///
/// # Example
///
/// ```
/// use serde::Deserialize;
/// use throughline_core::prelude::*;
///
/// #[derive(Debug, Clone, Deserialize)]
/// struct InstanceStopped { #[serde(rename = "instance-id")] instance_id: String }
///
/// async fn note(stopped: Envelope<Raw<InstanceStopped>>) -> Result<(), Failure> {
///     println!("{} stopped", stopped.data.0.instance_id);
///     Ok(())
/// }
/// let handler = raw("note-stopped-instances", note);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raw<T>(pub T);

impl<T: DeserializeOwned + Debug + Clone + Send + Sync + 'static> Message for Raw<T> {
    const CATALOGUE: &'static [MessageType] = &[];
    const WIRE_FORM: WireForm = WireForm::Plain;
    fn message_type(&self) -> MessageType {
        MessageType { name: "raw", version: 1 }
    }
    fn subject(&self) -> Option<String> {
        None
    }
    fn encode(&self) -> Result<Box<RawValue>, serde_json::Error> {
        Err(serde::ser::Error::custom("raw input is only ever read"))
    }
    fn decode(name: &str, _: u16, data: &RawValue) -> Result<Self, DataError> {
        decode_data(name, data).map(Raw)
    }
}

#[doc(hidden)]
pub fn encode_data<T: Serialize>(data: &T) -> Result<Box<RawValue>, serde_json::Error> {
    let text = serde_json::value::to_raw_value(data)?;
    // `serde_json` writes `null` for NaN and infinity, which no reader would take for a number again.
    if text.get().contains("null") {
        item::check_is_finite(data).map_err(serde::ser::Error::custom)?;
    }
    Ok(text)
}

#[doc(hidden)]
pub fn decode_data<T: DeserializeOwned>(name: &str, data: &RawValue) -> Result<T, DataError> {
    serde_json::from_str(data.get()).map_err(|error| DataError::Malformed { name: name.into(), error })
}

#[doc(hidden)]
pub fn decode_first<T: DeserializeOwned>(text: &str) -> Option<(T, usize)> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter();
    let data = values.next()?.ok()?;
    Some((data, values.byte_offset()))
}

/// Fails to compile where EventBridge would refuse an event's type, which is its `detail-type`.
#[doc(hidden)]
pub const fn check_event_type(name: &str) {
    assert!(!name.is_empty(), "the type of an event is empty");
    assert!(
        name.len() <= 128,
        "the type of an event has more than 128 bytes, which EventBridge does not take"
    );
}

/// The versions a catalogue may name. Constants rather than a function that reads the text, so that the
/// compiler's error for another word points at that word.
#[doc(hidden)]
pub mod versions {
    macro_rules! versions {
        ($($name:ident = $number:literal),+ $(,)?) => {
            $(#[expect(non_upper_case_globals, reason = "spelt as in a catalogue")] pub const $name: u16 = $number;)+
        };
    }

    #[rustfmt::skip]
    versions![
        v1 = 1, v2 = 2, v3 = 3, v4 = 4, v5 = 5, v6 = 6, v7 = 7, v8 = 8, v9 = 9,
        v10 = 10, v11 = 11, v12 = 12, v13 = 13, v14 = 14, v15 = 15, v16 = 16, v17 = 17, v18 = 18,
        v19 = 19, v20 = 20, v21 = 21, v22 = 22, v23 = 23, v24 = 24, v25 = 25, v26 = 26, v27 = 27,
        v28 = 28, v29 = 29, v30 = 30, v31 = 31, v32 = 32, v33 = 33, v34 = 34, v35 = 35, v36 = 36,
        v37 = 37, v38 = 38, v39 = 39, v40 = 40, v41 = 41, v42 = 42, v43 = 43, v44 = 44, v45 = 45,
        v46 = 46, v47 = 47, v48 = 48, v49 = 49, v50 = 50, v51 = 51, v52 = 52, v53 = 53, v54 = 54,
        v55 = 55, v56 = 56, v57 = 57, v58 = 58, v59 = 59, v60 = 60, v61 = 61, v62 = 62, v63 = 63,
        v64 = 64, v65 = 65, v66 = 66, v67 = 67, v68 = 68, v69 = 69, v70 = 70, v71 = 71, v72 = 72,
        v73 = 73, v74 = 74, v75 = 75, v76 = 76, v77 = 77, v78 = 78, v79 = 79, v80 = 80, v81 = 81,
        v82 = 82, v83 = 83, v84 = 84, v85 = 85, v86 = 86, v87 = 87, v88 = 88, v89 = 89, v90 = 90,
        v91 = 91, v92 = 92, v93 = 93, v94 = 94, v95 = 95, v96 = 96, v97 = 97, v98 = 98, v99 = 99,
    ];
}

/// Declares a catalogue of events: one enum, and the name and version each has on the wire.
///
/// `of "order"` is the kind of thing the events happen to; `OrderPlaced.order_id` names the field that
/// holds its id (the CloudEvents `subject`). The field's type must implement `ToString`. A handler may
/// take the whole enum or one of its payloads.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use throughline_core::{Message, events};
///
/// #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
/// pub struct OrderPlaced { pub order_id: String }
///
/// events! {
///     /// Everything that happens to an order.
///     pub enum OrderEvent of "order" {
///         "order.placed" v1 => Placed(OrderPlaced.order_id),
///     }
/// }
/// let event = OrderEvent::from(OrderPlaced { order_id: "o-1".into() });
/// assert_eq!(event.message_type().name, "order.placed");
/// assert_eq!(event.subject().as_deref(), Some("o-1"));
/// ```
///
/// A type has at most 128 bytes, which is what EventBridge takes as a `detail-type`:
///
/// ```compile_fail,E0080
/// use serde::{Deserialize, Serialize};
/// use throughline_core::events;
///
/// #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
/// pub struct Placed { pub order_id: String }
///
/// events! { /// Orders.
/// pub enum OrderEvent of "order" {
///     "order.placed.order.placed.order.placed.order.placed.order.placed.order.placed.order.placed.order.placed.order.placed.order.placed"
///     v1 => Placed(Placed.order_id)
/// } }
/// ```
///
/// What is [`Sensitive`](crate::Sensitive) is no subject: it has no `Display`, and logs and traces show subjects.
///
/// ```compile_fail,E0599
/// use serde::{Deserialize, Serialize};
/// use throughline_core::{Sensitive, events};
///
/// #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
/// pub struct Joined { pub email: Sensitive<String> }
///
/// events! { /// Customers.
/// pub enum CustomerEvent of "customer" { "customer.joined" v1 => Joined(Joined.email) } }
/// ```
#[macro_export]
macro_rules! events {
    ($(#[$meta:meta])* $vis:vis enum $family:ident of $aggregate:literal {
        $($name:literal $version:ident => $variant:ident($payload:ident . $subject:ident)),+ $(,)?
    }) => {
        $crate::__catalogue! { $(#[$meta])* $vis enum $family of (Some($aggregate)) {
            $($name $version => $variant($payload . $subject)),+
        } }
        $(
            const _: () = $crate::__macro::check_event_type($name);
            impl $crate::Event for $payload {}
        )+
        impl $crate::Event for $family {}
    };
}

/// Declares a catalogue of commands that one receiver takes from one queue.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use throughline_core::{Command, commands};
///
/// #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
/// pub struct PlaceOrder { pub order_id: String }
///
/// commands! {
///     /// What the shop may be asked to do with an order.
///     pub enum OrderCommand to "place-order" {
///         "order.place" v1 => Place(PlaceOrder.order_id),
///     }
/// }
/// assert_eq!(PlaceOrder::QUEUE, "place-order");
/// ```
#[macro_export]
macro_rules! commands {
    ($(#[$meta:meta])* $vis:vis enum $family:ident to $queue:literal {
        $($name:literal $version:ident => $variant:ident($payload:ident . $subject:ident)),+ $(,)?
    }) => {
        $crate::__catalogue! { $(#[$meta])* $vis enum $family of (None) {
            $($name $version => $variant($payload . $subject)),+
        } }
        $(impl $crate::Command for $payload { const QUEUE: &'static str = $queue; })+
        impl $crate::Command for $family { const QUEUE: &'static str = $queue; }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __catalogue {
    ($(#[$meta:meta])* $vis:vis enum $family:ident of ($aggregate:expr) {
        $($name:literal $version:ident => $variant:ident($payload:ident . $subject:ident)),+
    }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq)]
        $vis enum $family { $(#[doc = $name] $variant($payload)),+ }

        $(
            impl ::core::convert::From<$payload> for $family {
                fn from(payload: $payload) -> Self { Self::$variant(payload) }
            }

            impl $crate::Message for $payload {
                const CATALOGUE: &'static [$crate::MessageType] = &[$crate::MessageType {
                    name: $name,
                    version: $crate::__macro::versions::$version,
                }];
                const AGGREGATE_TYPE: Option<&'static str> = $aggregate;
                fn message_type(&self) -> $crate::MessageType { Self::CATALOGUE[0] }
                fn subject(&self) -> Option<String> { Some(self.$subject.to_string()) }
                fn encode(
                    &self,
                ) -> Result<Box<$crate::__macro::RawValue>, $crate::EncodeError> {
                    $crate::__macro::encode_data(self)
                }
                fn decode(
                    name: &str,
                    version: u16,
                    data: &$crate::__macro::RawValue,
                ) -> Result<Self, $crate::DataError> {
                    if name == Self::CATALOGUE[0].name && version == Self::CATALOGUE[0].version {
                        return $crate::__macro::decode_data(name, data);
                    }
                    Err($crate::DataError::not_in(Self::CATALOGUE, name, version))
                }
                fn decode_first(name: &str, version: u16, text: &str) -> Option<(Self, usize)> {
                    if name == Self::CATALOGUE[0].name && version == Self::CATALOGUE[0].version {
                        return $crate::__macro::decode_first(text);
                    }
                    None
                }
            }
        )+

        impl<V> $crate::catalogue::Family<V> for $family
        where
            $(V: $crate::catalogue::Visit<$payload>),+
        {
            fn each(visitor: &mut V) {
                $($crate::catalogue::Visit::<$payload>::visit(visitor, stringify!($subject));)+
            }
        }

        impl $crate::Message for $family {
            const CATALOGUE: &'static [$crate::MessageType] =
                &[$(<$payload as $crate::Message>::CATALOGUE[0]),+];
            const AGGREGATE_TYPE: Option<&'static str> = $aggregate;
            fn message_type(&self) -> $crate::MessageType {
                match self { $(Self::$variant(payload) => $crate::Message::message_type(payload)),+ }
            }
            fn subject(&self) -> Option<String> {
                match self { $(Self::$variant(payload) => $crate::Message::subject(payload)),+ }
            }
            fn encode(&self) -> Result<Box<$crate::__macro::RawValue>, $crate::EncodeError> {
                match self { $(Self::$variant(payload) => $crate::Message::encode(payload)),+ }
            }
            fn decode(
                name: &str,
                version: u16,
                data: &$crate::__macro::RawValue,
            ) -> Result<Self, $crate::DataError> {
                $(
                    let entry = <$payload as $crate::Message>::CATALOGUE[0];
                    if name == entry.name && version == entry.version {
                        return $crate::__macro::decode_data(name, data).map(Self::$variant);
                    }
                )+
                Err($crate::DataError::not_in(Self::CATALOGUE, name, version))
            }
            fn decode_first(name: &str, version: u16, text: &str) -> Option<(Self, usize)> {
                $(
                    let entry = <$payload as $crate::Message>::CATALOGUE[0];
                    if name == entry.name && version == entry.version {
                        let (payload, length) = $crate::__macro::decode_first(text)?;
                        return Some((Self::$variant(payload), length));
                    }
                )+
                None
            }
        }
    };
}

/// The error of turning data into JSON.
pub type EncodeError = serde_json::Error;
