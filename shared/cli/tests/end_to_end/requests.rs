//! The requests of functions to the cloud, and the rights that they need.

use hyper::{body::Bytes, http::request::Parts};
use serde_json::Value;

/// The resource of an answer to a task: the state machine is not named.
pub(crate) const WHOSE_TASK: &str = "the state machine of a task token";

/// A request, as the recorder saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    /// The function that made it, by name.
    pub(crate) function: String,
    /// The API's operation, such as `TransactWriteItems`.
    pub(crate) operation: String,
    /// Its path, where that names anything, and its body, in any protocol.
    pub(crate) body: String,
    /// The rights it needs.
    pub(crate) rights: Vec<Right>,
}

/// An IAM action, and the ARN of what it is done to. The account is left empty where the request does not
/// name it: then it is the caller's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Right {
    pub(crate) action: String,
    pub(crate) resource: String,
}

impl Request {
    pub(crate) fn read(head: &Parts, body: &Bytes) -> Self {
        let headers = &head.headers;
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let text = String::from_utf8_lossy(body).into_owned();
        let json: Value = serde_json::from_slice(body).unwrap_or_default();
        let region = region(header("authorization"));
        if let Some(name) = head.uri.path().strip_prefix("/schedules/") {
            return Self::of_scheduler(head, name, &text, &json, region);
        }
        let (service, operation) = header("x-amz-target").split_once('.').unwrap_or_default();
        let rights = match service {
            // SNS speaks the older query protocol.
            "" => return Self::of_query(header("user-agent"), text),
            "AmazonSQS" => vec![sqs_right(operation, &json, region)],
            "AWSEvents" => event_bus_rights(operation, &json, region),
            "AWSStepFunctions" => vec![step_functions_right(operation, &json)],
            service if service.starts_with("DynamoDB_") => table_rights(operation, &json, region),
            other => vec![right("unknown", other, operation.to_owned())],
        };
        Self { function: function(header("user-agent")), operation: operation.to_owned(), body: text, rights }
    }

    /// EventBridge Scheduler is spoken to by method and path. Deleting names the group in the query.
    fn of_scheduler(head: &Parts, name: &str, body: &str, json: &Value, region: &str) -> Self {
        let operation = match head.method.as_str() {
            "POST" => "CreateSchedule",
            "PUT" => "UpdateSchedule",
            "DELETE" => "DeleteSchedule",
            _ => "GetSchedule",
        };
        let mut query = head.uri.query().unwrap_or_default().split('&');
        let group = query.find_map(|pair| pair.strip_prefix("groupName="));
        let group = group.or_else(|| json["GroupName"].as_str()).unwrap_or("default");
        let schedule = format!("arn:aws:scheduler:{region}::schedule/{group}/{name}");
        let agent = head.headers.get("user-agent").and_then(|value| value.to_str().ok()).unwrap_or_default();
        Self {
            function: function(agent),
            operation: operation.to_owned(),
            body: format!("{name} {body}"),
            rights: vec![right("scheduler", operation, schedule)],
        }
    }

    fn of_query(agent: &str, body: String) -> Self {
        let field = |name: &str| {
            let value = body.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
            value.unwrap_or_default().replace("%3A", ":").replace("%2F", "/")
        };
        let operation = field("Action");
        let rights = vec![right("sns", &operation, field("TopicArn"))];
        Self { function: function(agent), operation, body, rights }
    }

    /// Returns whether it is this function's call of this operation, and contains this text.
    pub(crate) fn is(&self, function: &str, operation: &str, text: &str) -> bool {
        self.function == function && self.operation == operation && self.body.contains(text)
    }
}

fn right(service: &str, action: &str, resource: String) -> Right {
    Right { action: format!("{service}:{action}"), resource }
}

/// Our clients name the function in the user agent: `app/<function>`.
fn function(agent: &str) -> String {
    let name = agent.split_whitespace().find_map(|part| part.strip_prefix("app/"));
    name.map_or_else(|| format!("unnamed:{agent}"), Into::into)
}

/// The region that a request is signed for: `… Credential=key/date/region/service/aws4_request …`.
fn region(authorization: &str) -> &str {
    let scope = authorization.split_once("Credential=").map_or("", |(_, rest)| rest);
    scope.split('/').nth(2).unwrap_or_default()
}

/// An ARN as it is, or the ARN of what is only named.
fn arn(service: &str, region: &str, kind: &str, name: &str) -> String {
    if name.starts_with("arn:") {
        return name.to_owned();
    }
    format!("arn:aws:{service}:{region}::{kind}/{name}")
}

/// A queue's URL ends with its account and its name. IAM knows no batch actions of SQS.
fn sqs_right(operation: &str, json: &Value, region: &str) -> Right {
    let url = json["QueueUrl"].as_str().unwrap_or_default();
    let mut parts = url.rsplit('/');
    let (name, account) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let queue = format!("arn:aws:sqs:{region}:{account}:{name}");
    right("sqs", operation.trim_end_matches("Batch"), queue)
}

/// An answer to a task names its token only: it is the caller's to know whose that is. The rights of the relay are
/// on state machines.
fn step_functions_right(operation: &str, json: &Value) -> Right {
    let named = ["stateMachineArn", "executionArn"].iter().find_map(|field| json[*field].as_str());
    right("states", operation, named.unwrap_or(WHOSE_TASK).to_owned())
}

/// Every entry names its own bus.
fn event_bus_rights(operation: &str, json: &Value, region: &str) -> Vec<Right> {
    let entries = json["Entries"].as_array().map(Vec::as_slice).unwrap_or_default();
    let bus = |entry: &Value| {
        arn("events", region, "event-bus", entry["EventBusName"].as_str().unwrap_or("default"))
    };
    let mut buses: Vec<String> = entries.iter().map(bus).collect();
    buses.sort_unstable();
    buses.dedup();
    buses.into_iter().map(|bus| right("events", operation, bus)).collect()
}

/// A transaction needs the right of each of its items ("Using IAM with DynamoDB transactions"), a batch of
/// statements that of each statement ("IAM security policies with PartiQL for DynamoDB").
fn table_rights(operation: &str, json: &Value, region: &str) -> Vec<Right> {
    let on = |action: &str, table: &str| right("dynamodb", action, arn("dynamodb", region, "table", table));
    match operation {
        "TransactWriteItems" => {
            let items = json["TransactItems"].as_array().map(Vec::as_slice).unwrap_or_default();
            let writes = items.iter().filter_map(Value::as_object).flatten();
            writes
                .map(|(kind, item)| {
                    let action = match kind.as_str() {
                        "Put" => "PutItem",
                        "Update" => "UpdateItem",
                        "Delete" => "DeleteItem",
                        "ConditionCheck" => "ConditionCheckItem",
                        other => other,
                    };
                    on(action, item["TableName"].as_str().unwrap_or_default())
                })
                .collect()
        }
        "BatchExecuteStatement" => {
            let statements = json["Statements"].as_array().map(Vec::as_slice).unwrap_or_default();
            let texts = statements.iter().filter_map(|statement| statement["Statement"].as_str());
            texts
                .map(|text| {
                    let table = text.split('"').nth(1).unwrap_or_default();
                    let verb = text.split_whitespace().next().unwrap_or_default();
                    let action = match verb {
                        "INSERT" => "PartiQLInsert",
                        "UPDATE" => "PartiQLUpdate",
                        other => other,
                    };
                    on(action, table)
                })
                .collect()
        }
        "BatchGetItem" => json["RequestItems"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(table, _)| on(operation, table))
            .collect(),
        _ => vec![on(operation, json["TableName"].as_str().unwrap_or_default())],
    }
}
