//! The source's description of a message, beside its body.

use crate::trace_context::TraceContext;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json, value::RawValue};
use std::{borrow::Cow, collections::BTreeMap};

/// The message attribute under which a redriven message keeps the id it had when it was first delivered:
/// SQS gives it a new one whenever it is sent or moved.
pub const REDRIVEN_MESSAGE_ID: &str = "RedrivenMessageId";

/// The message attribute in which a dead letter keeps the message attributes of what it was made of: JSON, as
/// Lambda gives them.
pub const KEPT_ATTRIBUTES: &str = "MessageAttributes";

/// The attributes by which a dead letter of ours is known, should it be moved as it is instead of redriven.
const OF_A_DEAD_LETTER: [&str; 3] = ["FailedAt", "Handler", "MessageId"];
/// The attributes of a dead letter that hold the id of its message, the surer one first.
const IDS_OF_A_DEAD_LETTER: [&str; 2] = ["EventId", "MessageId"];

/// The message attributes in which a dead letter says what became of its message. Besides them it has
/// [`KEPT_ATTRIBUTES`].
pub const ABOUT_A_DEATH: [&str; 9] = [
    "ErrorType",
    "ErrorMessage",
    "Handler",
    "Attempts",
    "FailedAt",
    "MessageId",
    "EventId",
    "EventType",
    "CorrelationId",
];

/// The message attributes that a redrive writes.
const OF_A_REDRIVE: [&str; 5] =
    [REDRIVEN_MESSAGE_ID, "RedrivenAt", "RedrivenFrom", "RedriveCount", "RedriveNote"];

/// The source's description of a message, beside its body, as text that is read only when it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Delivery<'a> {
    /// SQS's message attributes: the JSON that Lambda gives.
    pub message_attributes: Option<&'a str>,
    /// SQS's `SentTimestamp`: milliseconds since 1970, in decimal digits.
    pub sent_timestamp: Option<&'a str>,
    /// SQS's `AWSTraceHeader`: the sender's X-Ray trace context.
    pub trace_header: Option<&'a str>,
}

/// An attribute of an SQS message or an SNS notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageAttribute {
    /// `String`, `Number`, `Binary`, or one of them with a name of the sender's own, such as `Number.cents`;
    /// SNS has `String.Array`, too.
    pub data_type: String,
    /// The value, as text; of binary data in base64.
    pub value: String,
}

/// The payload of a function that is given an event again: an invocation has no attributes.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct RedrivenPayload<'a> {
    #[serde(borrow)]
    redriven_message_id: Cow<'a, str>,
    #[serde(borrow)]
    redriven_payload: &'a RawValue,
}

/// Puts the id of an event's first delivery around it, for a function that is invoked with it again; nothing if the
/// event is no JSON.
pub fn redriven_payload(event: &str, first_id: &str) -> Option<String> {
    let redriven_payload: &RawValue = serde_json::from_str(event).ok()?;
    serde_json::to_string(&RedrivenPayload { redriven_message_id: first_id.into(), redriven_payload }).ok()
}

/// Takes apart what [`redriven_payload`] made: the id of the first delivery, and the event.
///
/// ```
/// use throughline_core::internal::delivery::{read_redriven_payload, redriven_payload};
/// let payload = redriven_payload(r#"{"id": "nightly"}"#, "request-1").unwrap();
/// assert_eq!(read_redriven_payload(&payload), Some(("request-1".into(), r#"{"id": "nightly"}"#)));
/// assert_eq!(read_redriven_payload(r#"{"id": "nightly"}"#), None);
/// ```
pub fn read_redriven_payload(payload: &str) -> Option<(String, &str)> {
    // An array would be read, too, one element a member.
    let payload = Some(payload).filter(|payload| payload.trim_start().starts_with('{'))?;
    let read: RedrivenPayload<'_> = serde_json::from_str(payload).ok()?;
    Some((read.redriven_message_id.into_owned(), read.redriven_payload.get()))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SqsAttribute<'a> {
    #[serde(borrow, default)]
    data_type: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    string_value: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    binary_value: Option<Cow<'a, str>>,
}

type SqsAttributes<'a> = BTreeMap<Cow<'a, str>, SqsAttribute<'a>>;

fn read(json: &str) -> SqsAttributes<'_> {
    // Most messages have none.
    if json.len() <= "{}".len() { BTreeMap::new() } else { serde_json::from_str(json).unwrap_or_default() }
}

impl Delivery<'_> {
    /// The text of one of the message's attributes.
    ///
    /// ```
    /// use throughline_core::process::Delivery;
    /// let json = r#"{"tenant":{"stringValue":"t-1","dataType":"String"}}"#;
    /// let delivery = Delivery { message_attributes: Some(json), ..Delivery::default() };
    /// assert_eq!(delivery.attribute("tenant").as_deref(), Some("t-1"));
    /// ```
    pub fn attribute(&self, name: &str) -> Option<String> {
        self.attributes().remove(name).map(|attribute| attribute.value)
    }

    /// The attributes that the message was sent with first: without those that say what became of it as a dead
    /// letter, and that it was redriven.
    pub fn attributes(&self) -> BTreeMap<String, MessageAttribute> {
        self.message_attributes.map(sent_with).unwrap_or_default()
    }

    /// The trace that its sender says it belongs to: by the message attributes `traceparent` and `tracestate`, as
    /// OpenTelemetry's instrumentation writes them, or by X-Ray's header.
    pub(crate) fn trace_context(&self) -> Option<TraceContext> {
        let mut attributes = self.attributes();
        let mut text = |name| attributes.remove(name).map(|attribute| attribute.value);
        let (trace_parent, trace_state) = (text("traceparent"), text("tracestate"));
        TraceContext::around_message(trace_parent.as_deref(), trace_state.as_deref(), self.trace_header)
    }

    /// Those attributes as JSON, to be kept with a dead letter.
    pub(crate) fn kept_attributes(&self) -> Option<String> {
        let json = self.message_attributes?;
        let own = read(json);
        if !is_redriven(&own) {
            return (!own.is_empty()).then(|| json.to_owned());
        }
        match kept(&own) {
            // Text within text within text would grow with every death.
            Some(kept) if own.keys().all(|name| is_ours(name)) => Some(kept.to_owned()),
            _ => written(&sent_with(json)),
        }
    }

    /// The id the message had when it was first delivered, if it was redriven since.
    pub fn first_message_id(&self) -> Option<String> {
        let attributes = read(self.message_attributes?);
        let text =
            |name: &&str| attributes.get(*name)?.string_value.as_deref().filter(|text| !text.is_empty());
        let redriven = text(&REDRIVEN_MESSAGE_ID);
        let moved =
            || IDS_OF_A_DEAD_LETTER.iter().find_map(text).filter(|_| is_of_a_dead_letter(&attributes));
        redriven.or_else(moved).map(Into::into)
    }
}

/// The attributes of what a dead letter was made of, if these are a letter's.
fn kept<'a>(attributes: &'a SqsAttributes<'_>) -> Option<&'a str> {
    let kept = attributes.get(KEPT_ATTRIBUTES)?.string_value.as_deref()?;
    is_redriven(attributes).then_some(kept)
}

fn sent_with(json: &str) -> BTreeMap<String, MessageAttribute> {
    let mut attributes = read(json);
    let mut sent = kept(&attributes).map(sent_with).unwrap_or_default();
    if is_redriven(&attributes) {
        attributes.retain(|name, _| !is_ours(name));
    }
    sent.extend(owned(attributes));
    sent
}

/// Says whether dead letters or redrives write the attribute of this name.
fn is_ours(name: &str) -> bool {
    name == KEPT_ATTRIBUTES || ABOUT_A_DEATH.contains(&name) || OF_A_REDRIVE.contains(&name)
}

fn is_redriven(attributes: &SqsAttributes<'_>) -> bool {
    let marks = [REDRIVEN_MESSAGE_ID, "RedrivenAt"];
    is_of_a_dead_letter(attributes) || marks.iter().any(|name| attributes.contains_key(*name))
}

fn is_of_a_dead_letter(attributes: &SqsAttributes<'_>) -> bool {
    OF_A_DEAD_LETTER.iter().all(|name| attributes.contains_key(*name))
}

/// Attributes in the form that Lambda gives them; nothing if there are none.
fn written(attributes: &BTreeMap<String, MessageAttribute>) -> Option<String> {
    let written = attributes.iter().map(|(name, MessageAttribute { data_type, value })| {
        let member = if data_type.starts_with("Binary") { "binaryValue" } else { "stringValue" };
        (name.clone(), json!({ member: value, "dataType": data_type }))
    });
    (!attributes.is_empty()).then(|| written.collect::<Value>().to_string())
}

fn owned(attributes: SqsAttributes<'_>) -> BTreeMap<String, MessageAttribute> {
    let owned = |(name, attribute): (Cow<'_, str>, SqsAttribute<'_>)| {
        let value = attribute.string_value.or(attribute.binary_value).unwrap_or_default().into_owned();
        let data_type = attribute.data_type.unwrap_or_default().into_owned();
        (name.into_owned(), MessageAttribute { data_type, value })
    };
    attributes.into_iter().map(owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attributes(given: &[(&str, &str)]) -> String {
        let given = given
            .iter()
            .map(|(name, text)| ((*name).to_owned(), json!({ "stringValue": text, "dataType": "String" })));
        given.collect::<Value>().to_string()
    }

    fn names(json: &str) -> Vec<String> {
        let delivery = Delivery { message_attributes: Some(json), ..Delivery::default() };
        delivery.attributes().into_keys().collect()
    }

    #[test]
    fn a_redriven_message_has_the_attributes_it_was_sent_with() {
        let own = attributes(&[("tenant", "t"), ("Handler", "of the sender")]);
        assert_eq!(names(&own), ["Handler", "tenant"]);
        let letter = attributes(&[
            ("FailedAt", "t"),
            ("Handler", "h"),
            ("MessageId", "m"),
            ("MessageAttributes", &own),
        ]);
        assert_eq!(names(&letter), ["Handler", "tenant"]);
        let with_notes = [("RedrivenAt", "t"), ("RedriveCount", "1"), ("RedrivenMessageId", "m")];
        let redriven =
            attributes(&[&with_notes[..], &[("MessageAttributes", &own), ("beside", "b")]].concat());
        assert_eq!(names(&redriven), ["Handler", "beside", "tenant"]);
        assert_eq!(names(&attributes(&with_notes)), [""; 0]);
    }

    #[test]
    fn what_a_letter_keeps_is_read_back_however_often_it_dies() {
        let own = attributes(&[("tenant", "t")]);
        let mut json = own.clone();
        for _ in 0..3 {
            let delivery = Delivery { message_attributes: Some(&json), ..Delivery::default() };
            let kept = delivery.kept_attributes().unwrap();
            let letter =
                [("FailedAt", "t"), ("Handler", "h"), ("MessageId", "m"), ("MessageAttributes", &*kept)];
            json = attributes(&letter);
            assert_eq!(names(&json), ["tenant"]);
        }
        let nothing = Delivery { message_attributes: Some("{}"), ..Delivery::default() };
        assert_eq!(nothing.kept_attributes(), None);
        assert_eq!(names("no json"), [""; 0]);
    }

    #[test]
    fn the_trace_of_a_delivery_is_read_from_the_header_of_x_ray() {
        let header = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
        let delivery = Delivery { trace_header: Some(header), ..Delivery::default() };
        let trace_parent = "00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01";
        assert_eq!(delivery.trace_context().unwrap().trace_parent, trace_parent);
    }
}
