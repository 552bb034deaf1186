//! Forms of JSON that are not read. Each is recognised by what other programs write, and has its own error message.

use super::form::{Form, OF_EVENT_BRIDGE, OF_NOTIFICATION, is_array, text};
use crate::json_error::JsonKind;
use serde_json::value::RawValue;

/// A body that is JSON, but no form of a CloudEvent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnknownForm {
    /// Several events in one body.
    #[error(
        "the body is a batch of CloudEvents (a JSON array), and each message is one event: send each as a message of \
         its own"
    )]
    Batch,
    /// The pointer that the extended client libraries write in place of a large payload.
    #[error(
        "the body is a pointer of the extended client library to a payload in S3, which is not fetched: send a message \
         that fits, or take the pointer with Raw<T> and fetch it in the handler"
    )]
    PayloadInS3,
    /// The attributes of a CloudEvent as message attributes, and its data as the body.
    #[error(
        "the message is a CloudEvent in binary mode (message attributes `{attribute}` and others), for which no binding \
         to SQS or SNS is standardised: send it in structured mode, all of it as one JSON object, or take its data with \
         Raw<T>"
    )]
    BinaryMode {
        /// The message attribute that marks this mode.
        attribute: String,
    },
    /// The records that an EventBridge pipe passes to a function that is its target.
    #[error(
        "the body is an array of records, as an EventBridge pipe delivers them: have the pipe's input template send one \
         record's body alone (`<$.body>`)"
    )]
    PipeBatch,
    /// A record of a pipe's source on a bus.
    #[error(
        "the `detail` of this EventBridge event is a record of a pipe's source, no CloudEvent: have the pipe's input \
         template send the record's body alone (`<$.body>`), or take the record with Raw<T>"
    )]
    PipeRecord,
    /// JSON text within JSON.
    #[error(
        "the `detail` of this EventBridge event is {}, not an object: where a schedule, a pipe or another program puts \
         it together, `detail` must be the CloudEvent itself, without quotes around it",
        .found
    )]
    DetailIsNoObject {
        /// The JSON type that was found.
        found: JsonKind,
    },
    /// An event of AWS's services or of other programs.
    #[error(
        "the `detail` of this EventBridge event is no CloudEvent (it has no `specversion`): a handler of events of AWS's \
         services, or of other programs, takes Raw<T>, with the `detail` as T"
    )]
    EventWithoutCloudEvent,
    /// An object with a `detail` that EventBridge did not write, or not completely.
    #[error(
        "the body has a `detail` and is no EventBridge event: it lacks {lacks}; send the event as EventBridge delivers \
         it, or its `detail` alone"
    )]
    PartOfAnEvent {
        /// The names of the missing members.
        lacks: String,
    },
    /// An object with `Type` and `Message` that SNS did not write, or not completely.
    #[error(
        "the body has the `Type` of an SNS notification and is none: it lacks {lacks}; a handler of such JSON takes \
         Raw<T>"
    )]
    PartOfANotification {
        /// The names of the missing members.
        lacks: String,
    },
    /// SNS notifications that are nested more than two deep.
    #[error("the body holds SNS notifications within each other, more than two of them")]
    TooManyNotifications,
    /// One of SNS's own messages.
    #[error(
        "the body is SNS's own message about a subscription (`Type` is `SubscriptionConfirmation` or \
         `UnsubscribeConfirmation`), no notification"
    )]
    AboutASubscription,
    /// A member by which forms are told apart is given twice.
    #[error("`{member}` is given twice, and two readers could take two different messages from the body")]
    GivenTwice {
        /// The member's name.
        member: &'static str,
    },
    /// The record of an invocation that Lambda sends to a destination.
    #[error(
        "the body is Lambda's record of an asynchronous invocation (`requestContext`, `requestPayload`), as a destination \
         is sent it; what was to be handled lies in `requestPayload`: `throughline dlq redrive` takes it out and sends it \
         to its function, and a handler of such records takes Raw<T>"
    )]
    InvocationRecord,
    /// The message that S3 sends once to test a notification.
    #[error(
        "the body is `s3:TestEvent`, which S3 sends once when notifications of a bucket are set up: it tells of no \
         object and can be deleted"
    )]
    S3TestEvent,
    /// The records that a service passes to a function or sends to a queue.
    #[error(
        "the body holds `Records` as {service} writes them, no CloudEvent: a handler of them takes Raw<T>"
    )]
    Records {
        /// The service that wrote them.
        service: &'static str,
    },
    /// Any other JSON.
    #[error(
        "the body is {found} and no CloudEvent (no `specversion`), no EventBridge event (no `detail`) and no SNS \
         notification (no `Message`); a handler of other JSON takes Raw<T>"
    )]
    Other {
        /// The JSON type that was found.
        found: JsonKind,
    },
}

/// Returns the form of JSON that is no object.
pub(super) fn of_no_object(json: &str) -> UnknownForm {
    if is_array(json)
        && let Ok(elements) = serde_json::from_str::<Vec<&RawValue>>(json)
    {
        match elements.first().map(|first| (text(first), Form::of(first.get()))) {
            Some((Some(name), _)) if name.ends_with("S3Pointer") => return UnknownForm::PayloadInS3,
            Some((_, Some(first))) if first.is_cloud_event() => return UnknownForm::Batch,
            Some((_, Some(first))) if is_record(&first) => return UnknownForm::PipeBatch,
            _ => {}
        }
    }
    UnknownForm::Other { found: JsonKind::of(json) }
}

/// Returns the form of an object that has no `specversion` and is neither an EventBridge event nor a notification.
pub(super) fn of_object(form: &Form<'_>) -> UnknownForm {
    let given_twice = || {
        let member = form.repeated().unwrap_or_default();
        UnknownForm::GivenTwice { member }
    };
    match form.text("Type").as_deref() {
        Some("Notification") if form.has("Message") => {
            let lacks = form.lacks(&OF_NOTIFICATION);
            return if lacks.is_empty() { given_twice() } else { UnknownForm::PartOfANotification { lacks } };
        }
        Some("SubscriptionConfirmation" | "UnsubscribeConfirmation") if form.has("TopicArn") => {
            return UnknownForm::AboutASubscription;
        }
        _ => {}
    }
    if form.has("requestContext") && form.has("requestPayload") {
        return UnknownForm::InvocationRecord;
    }
    if form.text("Event").as_deref() == Some("s3:TestEvent") {
        return UnknownForm::S3TestEvent;
    }
    if form.has("detail") {
        let lacks = form.lacks(&OF_EVENT_BRIDGE);
        return if lacks.is_empty() { given_twice() } else { UnknownForm::PartOfAnEvent { lacks } };
    }
    let records: Option<Vec<&RawValue>> = form.read("Records");
    if let Some(first) = records.iter().flatten().find_map(|record| Form::of(record.get())) {
        let source = first.text("eventSource").or_else(|| first.text("EventSource"));
        if let Some(service) = source.and_then(|source| service(&source)) {
            return UnknownForm::Records { service };
        }
    }
    UnknownForm::Other { found: JsonKind::Object }
}

/// Returns the form of an EventBridge event by its detail, in which there is no `specversion`.
pub(super) fn of_detail(detail: &RawValue) -> UnknownForm {
    match Form::of(detail.get()) {
        Some(record) if is_record(&record) => UnknownForm::PipeRecord,
        Some(_) => UnknownForm::EventWithoutCloudEvent,
        None => UnknownForm::DetailIsNoObject { found: JsonKind::of(detail.get()) },
    }
}

/// Returns the form of a message whose attributes mark it as a CloudEvent in binary mode, in the notations of the
/// bindings to HTTP, AMQP and Kafka.
pub(super) fn binary_mode<'n>(mut names: impl Iterator<Item = &'n String>) -> Option<UnknownForm> {
    let spec_versions =
        ["ce-specversion", "ce_specversion", "cloudEvents:specversion", "cloudEvents_specversion"];
    names
        .find(|name| spec_versions.iter().any(|known| name.eq_ignore_ascii_case(known)))
        .map(|name| UnknownForm::BinaryMode { attribute: name.clone() })
}

/// Returns whether an object is a record of a queue or a stream.
fn is_record(form: &Form<'_>) -> bool {
    let is_of_queue = form.has("messageId") && form.has("receiptHandle") && form.has("body");
    let is_of_stream = form.has("eventSource") && (form.has("eventID") || form.has("kinesisSchemaVersion"));
    is_of_queue || is_of_stream || form.text("eventSource").and_then(|source| service(&source)).is_some()
}

/// Returns the service that writes this value of `eventSource`.
pub(super) fn service(event_source: &str) -> Option<&'static str> {
    Some(match event_source {
        "aws:sqs" => "an SQS queue",
        "aws:sns" => "an SNS topic",
        "aws:s3" => "S3",
        "aws:kinesis" => "a Kinesis stream",
        "aws:dynamodb" => "a DynamoDB stream",
        "aws:kafka" => "an MSK topic",
        "SelfManagedKafka" | "aws:SelfManagedKafka" => "a Kafka topic",
        "aws:mq" | "aws:amq" => "an ActiveMQ queue",
        "aws:rmq" => "a RabbitMQ queue",
        "aws:docdb" => "a DocumentDB change stream",
        "aws:ses" => "SES",
        "aws:codecommit" => "CodeCommit",
        _ => return None,
    })
}
