//! The identity of a dead letter's message, which stays the same in every form and queue that the message appears in.

use serde_json::Value;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use throughline_core::{
    Attributes, Timestamp, WireForm,
    internal::decode::{Origin, named_in, open},
};
use throughline_operations::FoundLetter;

/// The values by which a claim identifies a message, and the correlation id that finds its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The message's id.
    pub(crate) id: String,
    /// The message's source, if it has one.
    pub(crate) source: Option<String>,
    /// The message's correlation id, which is the id of its line.
    pub(crate) correlation_id: String,
}

fn text(value: &Value, name: &str) -> Option<String> {
    value[name].as_str().map(ToOwned::to_owned)
}

impl Identity {
    /// Returns the identity of a letter's message as its handler reads it: from a CloudEvent in any wrapping, an event
    /// of EventBridge or an SNS notification. An envelope that no handler could read may still name its id. `None` if
    /// nothing identifies the message.
    pub(crate) fn of(letter: &FoundLetter) -> Option<Self> {
        let body = letter.delivered();
        let read = |form| {
            let nobody = Origin { message_id: "", source: "" };
            let attributes = open(&body, form, nobody).ok()?.attributes;
            (!attributes.id.is_empty()).then(|| Self::of_attributes(attributes))
        };
        let unreadable = || {
            let event = letter.event()?;
            let id = text(&event, "id")?;
            let correlation_id = text(&event, "correlationid").unwrap_or_else(|| id.clone());
            Some(Self { source: text(&event, "source"), correlation_id, id })
        };
        let named = || named_in(&body).map(Self::of_attributes);
        let of_first_delivery = || letter.first_message_id().map(|id| Self::of_sqs_message(&id));
        read(WireForm::CloudEvent).or_else(unreadable).or_else(named).or_else(of_first_delivery)
    }

    fn of_attributes(attributes: Attributes) -> Self {
        let Attributes { id, source, correlation_id, .. } = attributes;
        Self { id, source: Some(source), correlation_id }
    }

    /// Returns the identity of a message without an id of its own: SQS's message id stands for it.
    pub(crate) fn of_sqs_message(id: &str) -> Self {
        Self { id: id.to_owned(), source: None, correlation_id: id.to_owned() }
    }
}

/// Returns a text that is the same for two letters with the same message, no matter which service dead-lettered them.
pub(crate) fn message_name(letter: &FoundLetter) -> String {
    match Identity::of(letter) {
        Some(Identity { id, source, .. }) => format!("event {} {id}", source.unwrap_or_default()),
        None => {
            let mut hasher = DefaultHasher::new();
            letter.delivered().hash(&mut hasher);
            format!("body {:016x}", hasher.finish())
        }
    }
}

/// Returns the time of a letter's event, or else the time at which the letter was sent.
pub(crate) fn happened_at(letter: &FoundLetter) -> Option<Timestamp> {
    let event = letter.event().or_else(|| serde_json::from_str(&letter.delivered()).ok());
    let time = event.as_ref().and_then(|event| event["time"].as_str()?.parse().ok());
    time.or(letter.sent_at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn letter(body: &Value) -> FoundLetter {
        FoundLetter { message_id: "m-1".into(), body: body.to_string(), ..FoundLetter::default() }
    }

    #[test]
    fn a_message_is_the_same_bare_and_in_an_event_of_the_bus() {
        let event = json!({ "specversion": "1.0", "id": "e-1", "source": "shop", "correlationid": "c-1" });
        let bare = letter(&event);
        let wrapped = letter(&json!({ "id": "of-the-bus", "detail-type": "t", "detail": event }));
        assert_eq!(message_name(&bare), message_name(&wrapped));
        assert_eq!(Identity::of(&wrapped).unwrap().correlation_id, "c-1");
    }

    #[test]
    fn other_events_of_the_bus_have_its_id_and_other_bodies_themselves() {
        let other = letter(
            &json!({ "version": "0", "id": "e-2", "source": "aws.states", "detail-type": "t", "detail": {} }),
        );
        assert_eq!(message_name(&other), "event aws.states e-2");
        let (one, same, another) = (letter(&json!(1)), letter(&json!(1)), letter(&json!(2)));
        assert_eq!(message_name(&one), message_name(&same));
        assert_ne!(message_name(&one), message_name(&another));
        assert_eq!(Identity::of(&one), None);
    }

    #[test]
    fn a_plain_message_is_known_by_the_id_it_was_handled_by() {
        let of_function = |id: &str| FoundLetter {
            body: r#"{"cents":1}"#.into(),
            message_id: id.into(),
            attributes: [("EventId".to_owned(), "m-1".to_owned())].into(),
            origin: throughline_operations::Origin::Function,
            ..FoundLetter::default()
        };
        let identity = Identity::of(&of_function("letter-1")).unwrap();
        assert_eq!(
            (identity.id.as_str(), identity.correlation_id.as_str(), identity.source),
            ("m-1", "m-1", None)
        );
        assert_eq!(message_name(&of_function("letter-1")), message_name(&of_function("letter-2")));
    }

    #[test]
    fn a_notification_is_known_by_the_id_of_sns() {
        let notified = letter(&json!({
            "Type": "Notification", "MessageId": "n-1", "TopicArn": "arn:aws:sns:eu-west-1:1:t", "Message": "hello",
        }));
        let identity = Identity::of(&notified).unwrap();
        assert_eq!(
            (identity.id.as_str(), identity.source.as_deref()),
            ("n-1", Some("arn:aws:sns:eu-west-1:1:t"))
        );
    }

    #[test]
    fn a_message_is_the_same_in_a_notification() {
        let event = json!({
            "specversion": "1.0", "id": "e-1", "source": "shop", "type": "t", "correlationid": "c-1", "data": 1,
        });
        let notified = letter(&json!({
            "Type": "Notification", "MessageId": "n-1", "TopicArn": "arn:aws:sns:eu-west-1:1:t", "Message": event.to_string(),
        }));
        assert_eq!(message_name(&letter(&event)), message_name(&notified));
        assert_eq!(Identity::of(&notified).unwrap().correlation_id, "c-1");
        assert_eq!(happened_at(&notified), notified.sent_at);
    }

    #[test]
    fn an_event_says_itself_when_it_happened() {
        let mut found = letter(&json!({ "specversion": "1.0", "id": "e", "time": "2026-01-02T03:04:05Z" }));
        found.sent_at = Some(Timestamp::UNIX_EPOCH);
        assert_eq!(happened_at(&found).unwrap().to_string(), "2026-01-02T03:04:05Z");
        found.body = "no json".into();
        assert_eq!(happened_at(&found), found.sent_at);
    }
}
