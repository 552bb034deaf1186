//! OpenTelemetry's names for what the main path calls otherwise. By the semantic conventions:
//!
//! - [Messaging spans](https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/): "Span name", "Span kind",
//!   "Messaging attributes". One process span a message, linked to its producer, as "Batch receiving" has it.
//! - [CloudEvents spans](https://opentelemetry.io/docs/specs/semconv/cloudevents/cloudevents-spans/): "Attributes". Not
//!   `cloudevents.event_subject`: it is an id of the users' own.
//! - [AWS Lambda](https://opentelemetry.io/docs/specs/semconv/faas/aws-lambda/) and its
//!   [resource](https://opentelemetry.io/docs/specs/semconv/resource/cloud-provider/aws/lambda/).
//! - [Errors](https://opentelemetry.io/docs/specs/semconv/general/recording-errors/): `error.type`, and the status.

use super::span::{Attribute, Value};
use crate::Environment;
use throughline_core::Destination;

pub(super) const SYSTEM: &str = "messaging.system";
pub(super) const OPERATION: &str = "messaging.operation.name";
pub(super) const OPERATION_TYPE: &str = "messaging.operation.type";
pub(super) const DESTINATION: &str = "messaging.destination.name";
pub(super) const MESSAGE_COUNT: &str = "messaging.batch.message_count";
pub(super) const EVENT_SOURCE: &str = "cloudevents.event_source";
pub(super) const SPEC_VERSION: &str = "cloudevents.event_spec_version";
pub(super) const ERROR_TYPE: &str = "error.type";
pub(super) const VERDICT: &str = "throughline.verdict";

const SQS: &str = "aws_sqs";
/// No name of the conventions' own: they know no EventBridge.
const EVENTBRIDGE: &str = "aws_eventbridge";

/// A messaging system, and the name of a place in it if that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place<'a> {
    pub(super) system: &'static str,
    pub(super) destination: Option<&'a str>,
}

/// Returns the messaging system and destination that records of a source come from, or `None` if they are no messages,
/// as a saga's tasks are not.
pub(super) fn place_of(source: &str) -> Option<Place<'_>> {
    let mut parts = source.splitn(6, ':');
    let service = parts.nth(2)?;
    let name = parts.nth(2)?;
    match service {
        "sqs" => Some(Place { system: SQS, destination: Some(name) }),
        // A rule that invokes the function says neither which rule nor which bus it was.
        "lambda" => Some(Place { system: EVENTBRIDGE, destination: None }),
        _ => None,
    }
}

/// Returns the messaging system and destination that a message goes to, or `None` if that is no messaging system.
pub(super) fn place_to(destination: &Destination) -> Option<Place<'_>> {
    match destination {
        Destination::Bus => Some(Place { system: EVENTBRIDGE, destination: None }),
        Destination::Queue(queue) => Some(Place { system: SQS, destination: Some(queue) }),
        _ => None,
    }
}

/// The conventions' name for a field of the log.
pub(super) fn key(field: &'static str) -> &'static str {
    match field {
        "messageid" => "messaging.message.id",
        "correlationid" => "messaging.message.conversation_id",
        "eventid" => "cloudevents.event_id",
        "eventtype" => "cloudevents.event_type",
        "handler" => "throughline.handler",
        "attempt" => "throughline.attempt",
        other => other,
    }
}

/// Returns the resource of all spans: the given attributes, and what Lambda's environment says of the function.
pub(super) fn resource(environment: &Environment, given: Vec<(String, String)>) -> Vec<Attribute> {
    let of_lambda = |name: &str| environment.optional(&format!("AWS_LAMBDA_{name}"));
    let function = of_lambda("FUNCTION_NAME");
    let megabytes = of_lambda("FUNCTION_MEMORY_SIZE").and_then(|text| text.parse::<i64>().ok());
    let attribute = |(key, value): (String, String)| Attribute { key: key.into(), value: value.into() };
    let mut resource: Vec<_> = given.into_iter().map(attribute).collect();
    // "General SDK configuration": this one stands before the same attribute among those given.
    let service = environment.optional("OTEL_SERVICE_NAME");
    if service.is_some() {
        resource.retain(|known| known.key != "service.name");
    }
    let service = service.or_else(|| function.clone()).unwrap_or_else(|| "unknown_service".to_owned());
    let found = [
        ("service.name", Some(Value::from(service))),
        ("cloud.provider", function.as_ref().map(|_| "aws".into())),
        ("cloud.platform", function.as_ref().map(|_| "aws_lambda".into())),
        ("cloud.region", environment.optional("AWS_REGION").map(Value::from)),
        ("faas.name", function.map(Value::from)),
        ("faas.version", of_lambda("FUNCTION_VERSION").map(Value::from)),
        ("faas.instance", of_lambda("LOG_STREAM_NAME").map(Value::from)),
        ("faas.max_memory", megabytes.map(|megabytes| Value::Integer(megabytes << 20))),
    ];
    for (key, value) in found {
        if let Some(value) = value.filter(|_| resource.iter().all(|known| known.key != key)) {
            resource.push(Attribute { key: key.into(), value });
        }
    }
    resource
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_is_known_by_its_arn() {
        let queue = Place { system: "aws_sqs", destination: Some("orders.fifo") };
        assert_eq!(place_of("arn:aws:sqs:eu-west-1:123456789012:orders.fifo"), Some(queue));
        let rule = Place { system: "aws_eventbridge", destination: None };
        assert_eq!(place_of("arn:aws:lambda:eu-west-1:123456789012:function:f"), Some(rule));
        assert_eq!((place_of("checkout"), place_of("")), (None, None));
    }

    #[test]
    fn a_resource_is_named_by_its_variables_or_else_by_its_function() {
        let service = |environment: Environment, given: &[(&str, &str)]| {
            let given = given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            let resource = resource(&environment, given).into_iter();
            let mut named = resource.filter(|one| one.key == "service.name").map(|one| one.value);
            let service = named.next().unwrap();
            assert_eq!(named.next(), None);
            service
        };
        let function = ("AWS_LAMBDA_FUNCTION_NAME", "place-order");
        let given = [("service.name", "shop")];
        let own = ("OTEL_SERVICE_NAME", "web");
        assert_eq!(service(Environment::default(), &[]), Value::from("unknown_service"));
        assert_eq!(service(Environment::from([function]), &[]), Value::from("place-order"));
        assert_eq!(service(Environment::from([function]), &given), Value::from("shop"));
        assert_eq!(service(Environment::from([function, own]), &given), Value::from("web"));
    }
}
