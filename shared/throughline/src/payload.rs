//! The kind of an invocation's payload, by the members that its sender alone writes.

use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// A payload, as far as it tells its sender.
pub(crate) enum Payload<'a> {
    /// An object, by its members.
    Object(Box<Members<'a>>),
    /// The records of an array, as far as they are objects.
    Array(Vec<Record<'a>>),
    /// Anything else.
    Other,
}

/// The members by which payloads are told apart. Each is kept as JSON text: nothing that nobody reads makes a
/// payload one that cannot be read.
#[derive(Deserialize)]
pub(crate) struct Members<'a> {
    #[serde(borrow, default)]
    version: Option<&'a RawValue>,
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    source: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "detail-type")]
    detail_type: Option<&'a RawValue>,
    #[serde(borrow, default)]
    detail: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "Records")]
    records: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "records")]
    other_records: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "deliveryStreamArn")]
    delivery_stream: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "eventSource")]
    event_source: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "messages")]
    messages: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "rmqMessagesByQueue")]
    messages_by_queue: Option<&'a RawValue>,
    #[serde(borrow, default)]
    events: Option<&'a RawValue>,
    #[serde(borrow, default)]
    awslogs: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "requestContext")]
    request_context: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "httpMethod")]
    http_method: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "requestPayload")]
    request_payload: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "userPoolId")]
    user_pool: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "triggerSource")]
    trigger_source: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "RequestType")]
    request_type: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "ResponseURL")]
    response_url: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "Event")]
    event: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "Bucket")]
    bucket: Option<&'a RawValue>,
}

/// A record of a batch, as far as it says of which.
#[derive(Deserialize)]
pub(crate) struct Record<'a> {
    #[serde(borrow, default, rename = "eventSource", alias = "EventSource")]
    event_source: Option<Cow<'a, str>>,
    #[serde(borrow, default, rename = "eventSourceKey")]
    event_source_key: Option<&'a RawValue>,
    #[serde(borrow, default)]
    kinesis: Option<&'a RawValue>,
    #[serde(borrow, default)]
    dynamodb: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "receiptHandle")]
    receipt_handle: Option<&'a RawValue>,
    #[serde(borrow, default)]
    cf: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct RequestContext<'a> {
    #[serde(borrow, default)]
    http: Option<&'a RawValue>,
    #[serde(borrow, default)]
    elb: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "connectionId")]
    connection: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "httpMethod")]
    http_method: Option<&'a RawValue>,
}

/// A sender that the function's trigger does not take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FedBy {
    /// The sender of the payload.
    pub(crate) what: &'static str,
    /// The cure.
    pub(crate) cure: &'static str,
}

pub(crate) const AN_SQS_QUEUE: &str = "an SQS queue";
const THROUGH_A_QUEUE: &str = "have it send to an SQS queue, and wrap the handler in `throughline::sqs(..)`";
const THROUGH_A_PIPE: &str =
    "let an EventBridge pipe bring its records to an SQS queue or a bus, one event each";
const NO_EVENTS: &str = "it asks for an answer, and is none of the triggers of this framework";

impl<'a> Payload<'a> {
    /// Reads what can be read: a payload may be any JSON.
    pub(crate) fn of(json: &'a str) -> Self {
        let read = match json.trim_start().as_bytes() {
            [b'{', ..] => serde_json::from_str(json).ok().map(|members| Self::Object(Box::new(members))),
            [b'[', ..] => serde_json::from_str(json).ok().map(Self::Array),
            _ => None,
        };
        read.unwrap_or(Self::Other)
    }

    /// The id that EventBridge gave the event. Others have an `id`, too, which names no delivery.
    pub(crate) fn event_bridge_id(&self) -> Option<String> {
        if let Self::Object(members) = self { members.event_bridge_id() } else { None }
    }

    /// Returns the sender of the payload, if it is unmistakable and neither EventBridge nor a program of one's own.
    pub(crate) fn fed_by(&self) -> Option<FedBy> {
        match self {
            Self::Object(members) if members.event_bridge_id().is_none() => members.fed_by(),
            Self::Array(records) if records.first()?.is_of_pipe() => Some(FedBy {
                what: "an EventBridge pipe (an array of records)",
                cure: "let the pipe's target be an SQS queue or a bus, with an input template that sends one record's \
                       body alone (`<$.body>`)",
            }),
            _ => None,
        }
    }
}

impl Record<'_> {
    fn is_of_pipe(&self) -> bool {
        self.event_source.as_deref().and_then(source).is_some() || self.event_source_key.is_some()
    }
}

impl Members<'_> {
    fn event_bridge_id(&self) -> Option<String> {
        let text = |member: Option<&RawValue>| serde_json::from_str::<String>(member?.get()).ok();
        let (_, _, _) = (text(self.version)?, text(self.source)?, text(self.detail_type)?);
        self.detail.filter(|detail| detail.get() != "null")?;
        text(self.id).filter(|id| !id.is_empty())
    }

    fn fed_by(&self) -> Option<FedBy> {
        let fed_by = |what, cure| Some(FedBy { what, cure });
        if let Some(records) = self.records {
            let records: Vec<Record<'_>> = serde_json::from_str(records.get()).ok()?;
            let first = records.first()?;
            return match first.event_source.as_deref() {
                Some(name) => source(name),
                None if first.kinesis.is_some() => source("aws:kinesis"),
                None if first.dynamodb.is_some() => source("aws:dynamodb"),
                None if first.receipt_handle.is_some() => source("aws:sqs"),
                None if first.cf.is_some() => fed_by("CloudFront", NO_EVENTS),
                None => None,
            };
        }
        if self.other_records.is_some() && self.delivery_stream.is_some() {
            return fed_by("a Firehose stream", NO_EVENTS);
        }
        let has_records = [self.other_records, self.messages, self.messages_by_queue, self.events];
        if let Some(name) = self.event_source
            && has_records.iter().any(Option::is_some)
        {
            return serde_json::from_str::<Cow<'_, str>>(name.get()).ok().and_then(|name| source(&name));
        }
        if self.awslogs.is_some() {
            return fed_by("a CloudWatch Logs subscription", THROUGH_A_PIPE);
        }
        if let Some(context) = self.request_context {
            if self.request_payload.is_some() {
                return fed_by(
                    "a Lambda destination (the record of an asynchronous invocation)",
                    "an on-failure destination belongs to a dead-letter queue; what was to be handled lies in its \
                     `requestPayload`, and `throughline dlq redrive` takes it out",
                );
            }
            let context: RequestContext<'_> = serde_json::from_str(context.get()).ok()?;
            return match context {
                RequestContext { elb: Some(_), .. } => fed_by("an Application Load Balancer", NO_EVENTS),
                RequestContext { http: Some(_), .. } => {
                    fed_by("an HTTP API of API Gateway, or a function URL", NO_EVENTS)
                }
                RequestContext { connection: Some(_), .. } => {
                    fed_by("a WebSocket API of API Gateway", NO_EVENTS)
                }
                RequestContext { http_method: Some(_), .. } => fed_by("a REST API of API Gateway", NO_EVENTS),
                _ if self.http_method.is_some() => fed_by("a REST API of API Gateway", NO_EVENTS),
                _ => None,
            };
        }
        if self.user_pool.is_some() && self.trigger_source.is_some() {
            return fed_by("a Cognito user pool", NO_EVENTS);
        }
        if self.request_type.is_some() && self.response_url.is_some() {
            return fed_by("CloudFormation (a custom resource)", NO_EVENTS);
        }
        let is_test = self.event.is_some_and(|event| event.get() == r#""s3:TestEvent""#);
        if is_test && self.bucket.is_some() {
            return source("aws:s3");
        }
        None
    }
}

/// Returns the sender whose records carry this event source.
fn source(name: &str) -> Option<FedBy> {
    let (what, cure) = match name {
        "aws:sqs" => (AN_SQS_QUEUE, "wrap the handler in `throughline::sqs(..)`"),
        "aws:sns" => ("an SNS topic", THROUGH_A_QUEUE),
        "aws:s3" => ("S3 notifications", "have the bucket send to EventBridge or to an SQS queue"),
        "aws:kinesis" => ("a Kinesis stream", THROUGH_A_PIPE),
        "aws:dynamodb" => {
            ("a DynamoDB stream", "`throughline::outbox` reads the ledger's stream; for others use a pipe")
        }
        "aws:kafka" => ("an MSK topic", THROUGH_A_PIPE),
        "SelfManagedKafka" | "aws:SelfManagedKafka" => ("a Kafka topic", THROUGH_A_PIPE),
        "aws:mq" | "aws:amq" => ("an ActiveMQ queue", THROUGH_A_PIPE),
        "aws:rmq" => ("a RabbitMQ queue", THROUGH_A_PIPE),
        "aws:docdb" => ("a DocumentDB change stream", "let a function of your own put its changes on a bus"),
        "aws:ses" => ("SES", "have SES publish to EventBridge"),
        "aws:codecommit" => ("CodeCommit", "its events are on the default bus: use a rule"),
        _ => return None,
    };
    Some(FedBy { what, cure })
}
