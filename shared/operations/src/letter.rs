//! A message in a dead-letter queue: who put it there, why, and what was to be delivered.

use crate::json_text::{Step, readable};
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName as System};
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};
use std::{borrow::Cow, collections::BTreeMap};
use throughline_core::{
    Timestamp,
    internal::decode::{MOST_NOTIFICATIONS, OF_NOTIFICATION},
};

/// The sender of a message in a dead-letter queue. Each leaves other traces.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Origin {
    /// A function that gave it up: the body is as it was delivered, the reason in attributes of ours.
    Function,
    /// SQS, which had delivered it too often (redrive policy).
    Queue,
    /// A rule that could not reach its target.
    Rule {
        /// The target's ARN.
        target: String,
    },
    /// EventBridge Scheduler, which could not reach its target.
    Schedule {
        /// The target's ARN.
        target: String,
        /// Whether the payload was too long and was cut.
        is_truncated: bool,
    },
    /// Lambda's on-failure destination for asynchronous invocations: the event is inside the body.
    Invocation {
        /// The function's ARN.
        function: String,
    },
    /// The on-failure destination of a stream's mapping. It names the records in the stream and holds none.
    Stream {
        /// When the first of them was written.
        since: Option<String>,
    },
    /// An SNS topic that could not deliver its notification to a subscriber.
    Topic {
        /// The topic's ARN.
        topic: String,
    },
    /// Somebody else.
    #[default]
    Unknown,
}

/// A message that lies in a dead-letter queue.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FoundLetter {
    /// The id SQS gave it in this queue.
    pub message_id: String,
    /// Its body.
    pub body: String,
    /// Its message attributes as text: `ErrorType`, `ErrorMessage` and the others that
    /// [`SqsDeadLetters`](throughline_aws::SqsDeadLetters) writes. Where somebody else put the message here, as much
    /// of it as can be read from the message.
    pub attributes: BTreeMap<String, String>,
    /// When it was sent to this queue; if SQS moved it here, to the queue before.
    pub sent_at: Option<Timestamp>,
    /// The number of times that the letter was received.
    pub receives: u32,
    /// Its FIFO group, if this is a FIFO queue.
    pub group: Option<String>,
    /// The sender of the letter.
    pub origin: Origin,
}

/// Something that is wrapped around an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrapping {
    /// An EventBridge event: what it carries is its `detail`.
    EventBridge,
    /// An SNS notification: what it carries is JSON in the text of its `Message`.
    Notification,
    /// The form that Lambda sends to an on-failure destination: the message is its `requestPayload`.
    Invocation,
}

impl Wrapping {
    /// The steps to what it carries.
    pub fn steps(self) -> Vec<Step> {
        match self {
            Self::EventBridge => vec![Step::name("detail")],
            Self::Notification => vec![Step::name("Message"), Step::Inside],
            Self::Invocation => vec![Step::name("requestPayload")],
        }
    }
}

/// The CloudEvent in a body, and what is wrapped around it, the outermost first.
pub fn event_in(body: &Value) -> Option<(Vec<Wrapping>, Value)> {
    unwrapped(body, Vec::new())
}

fn is_notification(body: &Value) -> bool {
    let is_told = |name: &str| body[name].is_string();
    body["Type"] == "Notification" && OF_NOTIFICATION.into_iter().all(is_told)
}

fn unwrapped(body: &Value, mut around: Vec<Wrapping>) -> Option<(Vec<Wrapping>, Value)> {
    if body["specversion"].is_string() {
        return Some((around, body.clone()));
    }
    if is_notification(body) {
        let is_one = |it: &&Wrapping| **it == Wrapping::Notification;
        if around.iter().filter(is_one).count() == usize::from(MOST_NOTIFICATIONS) {
            return None;
        }
        let (inner, _) = readable(body["Message"].as_str()?).ok()?;
        around.push(Wrapping::Notification);
        return unwrapped(&inner, around);
    }
    // Nobody wraps an invocation's record into something else.
    let (wrapping, inner) = match (body.get("detail"), body.get("requestPayload")) {
        (Some(detail), _) if detail["specversion"].is_string() => (Wrapping::EventBridge, detail),
        (_, Some(payload)) if around.is_empty() => (Wrapping::Invocation, payload),
        _ => return None,
    };
    around.push(wrapping);
    unwrapped(inner, around)
}

#[derive(Deserialize)]
struct InvocationRecord<'a> {
    #[serde(borrow, rename = "requestPayload")]
    request_payload: &'a RawValue,
}

impl FoundLetter {
    /// Why it is here.
    pub fn reason(&self) -> String {
        match (self.attribute("ErrorType"), self.attribute("ErrorMessage")) {
            (Some(error_type), Some(message)) => format!("{error_type}: {message}"),
            (Some(reason), None) | (None, Some(reason)) => reason.to_owned(),
            (None, None) if matches!(self.origin, Origin::Topic { .. }) => {
                "its topic could not deliver it: the subscriber is gone, or refused it".into()
            }
            (None, None) => {
                "received too often without an answer: its function crashed or ran out of time".into()
            }
        }
    }

    /// One of its attributes.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str)
    }

    /// Returns the payload that the handler was given, or should have been: the body without Lambda's wrapping.
    pub fn delivered(&self) -> Cow<'_, str> {
        if matches!(self.origin, Origin::Invocation { .. })
            && let Ok(record) = serde_json::from_str::<InvocationRecord<'_>>(&self.body)
        {
            return Cow::Owned(record.request_payload.get().to_owned());
        }
        Cow::Borrowed(&self.body)
    }

    /// The CloudEvent in it, if there is one.
    pub fn event(&self) -> Option<Value> {
        let (body, _) = readable(&self.body).ok()?;
        event_in(&body).map(|(_, event)| event)
    }
}

/// The system attributes that are asked for.
pub(super) const SYSTEM_ATTRIBUTES: [System; 4] = [
    System::SentTimestamp,
    System::ApproximateReceiveCount,
    System::MessageGroupId,
    System::DeadLetterQueueSourceArn,
];

/// Reads a received message.
pub(super) fn letter(message: Message) -> FoundLetter {
    let system = |name| message.attributes.as_ref().and_then(|attributes| attributes.get(&name));
    let sent_at = system(System::SentTimestamp)
        .and_then(|milliseconds| Timestamp::from_millisecond(milliseconds.parse().ok()?).ok());
    let receives = system(System::ApproximateReceiveCount).and_then(|count| count.parse().ok()).unwrap_or(0);
    let group = system(System::MessageGroupId).cloned();
    let is_moved = system(System::DeadLetterQueueSourceArn).is_some();
    let attributes: BTreeMap<String, String> = message
        .message_attributes
        .unwrap_or_default()
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.string_value?)))
        .collect();
    let body = message.body.unwrap_or_default();
    let json = readable(&body).map_or(Value::Null, |(json, _)| json);
    let origin = origin(&attributes, &json, is_moved);
    let attributes = completed(attributes, &json);
    let message_id = message.message_id.unwrap_or_default();
    FoundLetter { message_id, body, attributes, sent_at, receives, group, origin }
}

/// See "Message attributes" of EventBridge's and EventBridge Scheduler's dead-letter queues, and Lambda's
/// "Invocation record" and "Discarded batches".
fn origin(attributes: &BTreeMap<String, String>, body: &Value, is_moved: bool) -> Origin {
    let attribute = |name: &str| attributes.get(name).cloned();
    let text = |value: &Value| value.as_str().map(ToOwned::to_owned);
    if let (Some(target), Some(_)) = (attribute("TARGET_ARN"), attribute("SCHEDULE_ARN")) {
        let is_truncated =
            attribute("IS_PAYLOAD_TRUNCATED").is_some_and(|it| it.eq_ignore_ascii_case("true"));
        return Origin::Schedule { target, is_truncated };
    }
    if let Some(target) = attribute("TARGET_ARN") {
        return Origin::Rule { target };
    }
    if let Some(batch) = body.get("DDBStreamBatchInfo").or_else(|| body.get("KinesisBatchInfo")) {
        return Origin::Stream { since: text(&batch["approximateArrivalOfFirstRecord"]) };
    }
    if let (Some(function), true) =
        (text(&body["requestContext"]["functionArn"]), body.get("requestPayload").is_some())
    {
        return Origin::Invocation { function };
    }
    // SQS moves a message with its attributes: those of ours would be of an earlier time.
    if is_moved {
        return Origin::Queue;
    }
    if attributes.contains_key("ErrorType") {
        return Origin::Function;
    }
    // SNS gives what it could not deliver to the subscription's dead-letter queue in the form that it was to have.
    match text(&body["TopicArn"]).filter(|_| is_notification(body)) {
        Some(topic) => Origin::Topic { topic },
        None => Origin::Unknown,
    }
}

/// Returns the attributes that a body without a CloudEvent tells of its message: a notification's id, or the id and
/// type of an EventBridge event.
fn told_of(body: &Value) -> Value {
    let body = body.get("requestPayload").unwrap_or(body);
    if is_notification(body) {
        return json!({ "id": body["MessageId"] });
    }
    if body["detail-type"].is_string() && body["source"].is_string() && body.get("detail").is_some() {
        return json!({ "id": body["id"], "type": body["detail-type"] });
    }
    Value::Null
}

/// Messages also get here without our attributes: moved by SQS, by a rule that could not reach its target
/// (its attributes are `ERROR_CODE` and `ERROR_MESSAGE`), or by Lambda's on-failure destination (the error
/// and the event are in the body). What they say is put under our names.
fn completed(mut attributes: BTreeMap<String, String>, body: &Value) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().map(ToOwned::to_owned);
    let event = event_in(body).map_or_else(|| told_of(body), |(_, event)| event);
    let error = &body["responsePayload"];
    let handler = text(&body["requestContext"]["functionArn"]);
    let found = [
        ("EventId", text(&event["id"])),
        ("EventType", text(&event["type"])),
        ("CorrelationId", text(&event["correlationid"]).or_else(|| text(&event["id"]))),
        ("ErrorType", attributes.get("ERROR_CODE").cloned().or_else(|| text(&error["errorType"]))),
        ("ErrorMessage", attributes.get("ERROR_MESSAGE").cloned().or_else(|| text(&error["errorMessage"]))),
        ("Handler", handler.and_then(|arn| arn.split(':').nth(6).map(ToOwned::to_owned))),
    ];
    for (name, value) in found {
        if let Some(value) = value {
            attributes.entry(name.to_owned()).or_insert(value);
        }
    }
    attributes
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_sqs::types::MessageAttributeValue;

    fn found(body: &str, attributes: &[(&str, &str)], system: &[(System, &str)]) -> FoundLetter {
        let value = |text: &str| {
            MessageAttributeValue::builder().data_type("String").string_value(text).build().unwrap()
        };
        let mut message = Message::builder().message_id("m-1").body(body);
        for (name, text) in attributes {
            message = message.message_attributes(*name, value(text));
        }
        for (name, text) in system {
            message = message.attributes(name.clone(), *text);
        }
        letter(message.build())
    }

    fn event() -> Value {
        json!({ "specversion": "1.0", "id": "e-1", "type": "stock.reserved", "correlationid": "c-1" })
    }

    #[test]
    fn what_lambda_put_there_is_read_like_our_own() {
        let payload =
            r#"{ "detail-type": "stock.reserved", "detail": {"specversion":"1.0", "id":"e-1", "n": 1.0} }"#;
        let arn = "arn:aws:lambda:eu-west-1:1:function:shop-confirm-order:$LATEST";
        let body = format!(
            r#"{{"requestContext":{{"functionArn":"{arn}"}},"requestPayload":{payload},
                "responsePayload":{{"errorType":"Missing","errorMessage":"order not seen yet"}}}}"#
        );
        let letter = found(&body, &[], &[]);
        let said = ["EventId", "CorrelationId", "Handler"].map(|name| letter.attribute(name));
        assert_eq!(said, [Some("e-1"), Some("e-1"), Some("shop-confirm-order")]);
        assert_eq!(letter.reason(), "Missing: order not seen yet");
        assert_eq!(letter.origin, Origin::Invocation { function: arn.into() });
        assert_eq!(letter.delivered(), payload, "to the letter");
        assert_eq!(letter.event().unwrap()["id"], "e-1");
    }

    #[test]
    fn an_event_is_found_in_a_notification_and_in_all_that_is_wrapped_around_it() {
        use Wrapping::{EventBridge, Invocation, Notification};

        let notification = |message: &Value| {
            json!({
                "Type": "Notification", "MessageId": "n-1", "TopicArn": "arn:aws:sns:eu-west-1:1:orders",
                "Message": message.to_string(), "Timestamp": "2026-01-02T03:04:05Z",
            })
        };
        let bus = json!({ "id": "b", "source": "shop", "detail-type": "t", "detail": event() });
        let cases = [
            (event(), vec![]),
            (bus.clone(), vec![EventBridge]),
            (notification(&event()), vec![Notification]),
            (notification(&bus), vec![Notification, EventBridge]),
            (notification(&notification(&event())), vec![Notification, Notification]),
            (json!({ "requestContext": {}, "requestPayload": bus }), vec![Invocation, EventBridge]),
        ];
        for (body, around) in cases {
            let letter = found(&body.to_string(), &[], &[]);
            let said = ["EventId", "EventType", "CorrelationId"].map(|name| letter.attribute(name));
            assert_eq!(said, [Some("e-1"), Some("stock.reserved"), Some("c-1")], "{body}");
            assert_eq!(event_in(&body), Some((around, event())), "{body}");
        }
        let too_deep = notification(&notification(&notification(&event())));
        let not_of_sns = json!({ "Type": "Notification", "Message": event().to_string() });
        for body in [too_deep, not_of_sns] {
            assert_eq!(event_in(&body), None, "{body}");
        }
    }

    #[test]
    fn what_is_no_cloud_event_says_who_it_is_by_what_its_sender_gave_it() {
        let notified =
            json!({ "Type": "Notification", "MessageId": "n-1", "TopicArn": "t", "Message": "a text" });
        let changed =
            json!({ "id": "b-1", "source": "aws.s3", "detail-type": "Object Created", "detail": {} });
        let invoked = json!({ "requestContext": {}, "requestPayload": changed });
        for (body, id, kind) in [
            (notified, "n-1", None),
            (changed, "b-1", Some("Object Created")),
            (invoked, "b-1", Some("Object Created")),
        ] {
            let letter = found(&body.to_string(), &[], &[]);
            let said = ["EventId", "EventType", "CorrelationId"].map(|name| letter.attribute(name));
            assert_eq!(said, [Some(id), kind, Some(id)], "{body}");
            let is_of_topic = letter.origin == Origin::Topic { topic: "t".into() };
            assert_eq!(is_of_topic, id == "n-1", "{body}");
            assert_eq!(letter.reason().contains("its topic could not deliver it"), is_of_topic);
        }
        let own = found(r#"{"detail-type":"order","detail":1}"#, &[], &[]);
        assert_eq!(own.attribute("EventType"), None, "a body of the customer's own");
    }

    #[test]
    fn an_event_is_found_beside_what_no_value_can_hold() {
        let body = r#"{"specversion":"1.0","id":"e-1","type":"t","data":{"much":1e400,"half":"\ud800"}}"#;
        let letter = found(body, &[], &[]);
        assert_eq!((letter.attribute("EventId"), letter.attribute("EventType")), (Some("e-1"), Some("t")));
    }

    #[test]
    fn what_a_rule_or_a_schedule_could_not_deliver_says_where_it_was_going() {
        let wrapped = json!({ "detail-type": "stock.reserved", "detail": event() }).to_string();
        let target = ("TARGET_ARN", "arn:aws:sqs:eu-west-1:1:shop-reserve-stock");
        let rule = found(&wrapped, &[("ERROR_CODE", "NO_PERMISSIONS"), target], &[]);
        assert_eq!(
            (rule.attribute("EventType"), rule.reason()),
            (Some("stock.reserved"), "NO_PERMISSIONS".into())
        );
        assert_eq!(rule.origin, Origin::Rule { target: target.1.into() });
        assert_eq!(rule.delivered(), wrapped);
        let schedule = [("SCHEDULE_ARN", "s"), target, ("IS_PAYLOAD_TRUNCATED", "true")];
        let schedule = found(&event().to_string(), &schedule, &[]);
        assert_eq!(schedule.origin, Origin::Schedule { target: target.1.into(), is_truncated: true });
    }

    #[test]
    fn who_put_it_there_is_known_by_what_they_leave() {
        let ours = [("ErrorType", "BadOrder"), ("EventId", "ours")];
        let letter = found(&event().to_string(), &ours, &[]);
        assert_eq!((letter.origin.clone(), letter.attribute("EventId")), (Origin::Function, Some("ours")));
        let moved = [
            (System::DeadLetterQueueSourceArn, "arn:aws:sqs:eu-west-1:1:q"),
            (System::ApproximateReceiveCount, "7"),
            (System::MessageGroupId, "o-1"),
        ];
        let letter = found("{}", &[], &moved);
        assert_eq!(
            (letter.origin.clone(), letter.receives, letter.group.as_deref()),
            (Origin::Queue, 7, Some("o-1"))
        );
        assert!(letter.reason().contains("received too often"), "{letter:?}");
        let batch =
            json!({ "DDBStreamBatchInfo": { "approximateArrivalOfFirstRecord": "2026-01-02T03:04:05Z" } });
        let since = Some("2026-01-02T03:04:05Z".to_owned());
        assert_eq!(found(&batch.to_string(), &[], &[]).origin, Origin::Stream { since });
        let letter = found("no json", &[], &[]);
        assert_eq!((letter.origin.clone(), letter.attributes.len()), (Origin::Unknown, 0));
    }
}
