//! The way in which a function is given its messages, by the template.

use crate::project::template::Template;
use serde_json::{Value, json};
use std::fmt;

/// The trigger of a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trigger {
    /// Batches of records from a queue.
    Queue {
        /// Its logical id.
        queue: String,
        /// Whether a rule sends events to the queue; otherwise it takes commands.
        is_fed_by_rule: bool,
    },
    /// One event at a time from a rule.
    Rule {
        /// Its logical id.
        rule: String,
    },
    /// Batches of records from a table's stream, or tasks of a state machine.
    Other {
        /// In words.
        what: String,
    },
}

impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Queue { queue, is_fed_by_rule: true } => write!(f, "events through {queue}"),
            Self::Queue { queue, is_fed_by_rule: false } => write!(f, "messages of {queue}"),
            Self::Rule { rule } => write!(f, "events of {rule}"),
            Self::Other { what } => f.write_str(what),
        }
    }
}

impl Trigger {
    /// That of the function with this logical id.
    pub(super) fn of(template: &Template, function: &str) -> Self {
        let (reference, arn) = (json!({ "Ref": function }), json!({ "Fn::GetAtt": [function, "Arn"] }));
        let is_it = |value: &Value| *value == reference || *value == arn;
        let mapping = template
            .of_type("AWS::Lambda::EventSourceMapping")
            .find(|(_, mapping)| is_it(&mapping["FunctionName"]));
        if let Some((name, mapping)) = mapping {
            let source = &mapping["EventSourceArn"]["Fn::GetAtt"];
            return match (source[0].as_str(), source[1].as_str()) {
                (Some(queue), Some("Arn")) => {
                    let is_fed_by_rule = !rules_to(template, queue).is_empty();
                    Self::Queue { queue: queue.to_owned(), is_fed_by_rule }
                }
                _ => Self::Other { what: format!("records of the stream that {name} reads") },
            };
        }
        match rules_to(template, function).into_iter().next() {
            Some(rule) => Self::Rule { rule },
            None => Self::Other { what: "tasks of a state machine".into() },
        }
    }

    /// Returns the payload that the function would be given of this: a CloudEvent, several in a list, or for a queue
    /// any message.
    ///
    /// What has a trigger's own form already (`Records`, `detail-type`) stays as it is.
    pub(super) fn wrap(&self, message: Value) -> Result<Value, String> {
        if message.get("Records").is_some() {
            return Ok(message);
        }
        let is_of_bus = message.get("detail-type").is_some();
        match self {
            Self::Queue { is_fed_by_rule, .. } => {
                let messages = match message {
                    Value::Array(messages) => messages,
                    message => vec![message],
                };
                let bodies = messages.into_iter().map(|message| {
                    if *is_fed_by_rule && is_cloud_event(&message) { of_bus(&message) } else { message }
                });
                Ok(json!({ "Records": bodies.enumerate().map(record).collect::<Vec<_>>() }))
            }
            Self::Rule { .. } if is_of_bus => Ok(message),
            Self::Rule { .. } if is_cloud_event(&message) => Ok(of_bus(&message)),
            Self::Rule { rule } => Err(format!(
                "it is no CloudEvent (it has no `specversion`), and {rule} brings nothing else; --raw gives it as it is"
            )),
            Self::Other { what } => Err(format!(
                "the function is given {what}, which are not made of a message; --raw gives it as it is"
            )),
        }
    }
}

/// The rules that have this as their target.
fn rules_to(template: &Template, target: &str) -> Vec<String> {
    let arn = json!({ "Fn::GetAtt": [target, "Arn"] });
    let rules = template.of_type("AWS::Events::Rule");
    let is_to =
        |rule: &Value| rule["Targets"].as_array().into_iter().flatten().any(|target| target["Arn"] == arn);
    rules.filter(|(_, rule)| is_to(rule)).map(|(name, _)| name.to_owned()).collect()
}

fn is_cloud_event(message: &Value) -> bool {
    message["specversion"].is_string()
}

/// A CloudEvent as EventBridge delivers it.
fn of_bus(message: &Value) -> Value {
    json!({
        "version": "0",
        "id": message["id"],
        "detail-type": message["type"],
        "source": message["source"],
        "account": "000000000000",
        "time": message["time"],
        "region": "us-east-1",
        "resources": [],
        "detail": message,
    })
}

/// A message as SQS delivers it the first time. No queue knows its receipt.
fn record((place, body): (usize, Value)) -> Value {
    let body = match body {
        Value::String(text) => text,
        body => body.to_string(),
    };
    json!({
        "messageId": format!("invoke-{}", place + 1),
        "receiptHandle": "of no queue",
        "body": body,
        "attributes": { "ApproximateReceiveCount": "1", "SentTimestamp": "0" },
        "messageAttributes": {},
        "md5OfBody": "",
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:invoke",
        "awsRegion": "us-east-1",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trigger(function: &str) -> Trigger {
        let template = Template::parse(include_str!("../../../../../infra/template.yaml")).unwrap();
        Trigger::of(&template, function)
    }

    fn event() -> Value {
        json!({ "specversion": "1.0", "id": "e-1", "type": "order.placed", "source": "shop", "time": "T", "data": {} })
    }

    #[test]
    fn the_template_says_what_invokes_a_function() {
        let queue = |queue: &str, is_fed_by_rule| Trigger::Queue { queue: queue.into(), is_fed_by_rule };
        assert_eq!(trigger("PlaceOrderFunction"), queue("PlaceOrderQueue", false));
        assert_eq!(trigger("ReserveStockFunction"), queue("ReserveStockQueue", true));
        assert_eq!(trigger("ConfirmOrderFunction"), Trigger::Rule { rule: "ConfirmOrderRule".into() });
        assert!(trigger("RelayOutboxFunction").to_string().contains("stream"));
        assert!(trigger("CheckoutFunction").to_string().contains("state machine"));
    }

    #[test]
    fn a_queue_s_record_holds_a_command_bare_and_an_event_as_the_bus_brings_it() {
        let body = |wrapped: &Value, place: usize| -> Value {
            serde_json::from_str(wrapped["Records"][place]["body"].as_str().unwrap()).unwrap()
        };
        let wrapped = trigger("PlaceOrderFunction").wrap(event()).unwrap();
        assert_eq!(body(&wrapped, 0), event());
        let wrapped = trigger("ReserveStockFunction").wrap(json!([event(), event()])).unwrap();
        assert_eq!(
            (&body(&wrapped, 1)["detail"], wrapped["Records"].as_array().unwrap().len()),
            (&event(), 2)
        );
        assert_ne!(wrapped["Records"][0]["messageId"], wrapped["Records"][1]["messageId"]);
    }

    #[test]
    fn a_rule_brings_events_alone() {
        let confirm = trigger("ConfirmOrderFunction");
        let wrapped = confirm.wrap(event()).unwrap();
        assert_eq!((&wrapped["detail-type"], &wrapped["detail"]), (&json!("order.placed"), &event()));
        assert_eq!(confirm.wrap(wrapped.clone()).unwrap(), wrapped, "what has the trigger's form keeps it");
        assert!(confirm.wrap(json!({ "id": 1 })).unwrap_err().contains("--raw"));
        assert!(trigger("RelayOutboxFunction").wrap(event()).unwrap_err().contains("--raw"));
    }
}
