//! Least privilege, held against what really happened: every call that a function made while the end-to-end
//! tests ran must be allowed by its role. Rights that were never used are listed.
//!
//! `scripts/test` runs this after the end-to-end tests.

use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    process::Command,
};

type Rights = BTreeSet<(String, String)>;

fn setting(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run these tests with scripts/test"))
}

/// Asks the local cloud's IAM through the AWS command line.
fn aws(arguments: &[&str]) -> Value {
    let output = Command::new(setting("THROUGHLINE_AWS"))
        .args(arguments)
        .args(["--endpoint-url", &setting("AWS_ENDPOINT_URL"), "--output", "json"])
        .envs([
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_DEFAULT_REGION", "us-east-1"),
        ])
        .output()
        .expect("the AWS command line is installed by scripts/setup");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
}

/// What the functions did: for each, the actions and the resources' names.
fn recorded() -> BTreeMap<String, Rights> {
    let path = setting("THROUGHLINE_CALLS");
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let mut calls: BTreeMap<String, Rights> = BTreeMap::new();
    for line in text.lines() {
        let call: Value = serde_json::from_str(line).expect("the recorder writes JSON");
        let field = |name: &str| call[name].as_str().unwrap_or_default().to_owned();
        calls.entry(field("function")).or_default().insert((field("action"), field("resource")));
    }
    calls
}

/// What a function's role allows, by action and resource ARN.
fn allowed(function: &str) -> Rights {
    let configuration = aws(&["lambda", "get-function-configuration", "--function-name", function]);
    let role =
        configuration["Role"].as_str().and_then(|arn| arn.rsplit('/').next()).expect("a function has a role");
    let names = aws(&["iam", "list-role-policies", "--role-name", role]);
    let mut rights = Rights::new();
    for name in names["PolicyNames"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        let policy = aws(&["iam", "get-role-policy", "--role-name", role, "--policy-name", name]);
        let document = match &policy["PolicyDocument"] {
            Value::String(text) => serde_json::from_str(text).expect("a policy is JSON"),
            document => document.clone(),
        };
        for statement in list(&document["Statement"]).filter(|statement| statement["Effect"] == "Allow") {
            for action in list(&statement["Action"]) {
                for resource in list(&statement["Resource"]) {
                    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                    rights.insert((text(action), text(resource)));
                }
            }
        }
    }
    rights
}

/// IAM writes one of something without a list.
fn list(value: &Value) -> Box<dyn Iterator<Item = &Value> + '_> {
    match value {
        Value::Array(values) => Box::new(values.iter()),
        one => Box::new(std::iter::once(one)),
    }
}

/// The name at the end of an ARN: of a table, a queue, a bus, a topic.
fn name_of(arn: &str) -> &str {
    arn.rsplit(['/', ':']).next().unwrap_or_default()
}

/// Whose calls the recorder does not see: Lambda's own, for the event source mapping and the logs.
fn is_made_by_lambda(action: &str) -> bool {
    const ACTIONS: [&str; 9] = [
        "sqs:ReceiveMessage",
        "sqs:DeleteMessage",
        "sqs:GetQueueAttributes",
        "dynamodb:GetRecords",
        "dynamodb:GetShardIterator",
        "dynamodb:DescribeStream",
        "dynamodb:ListStreams",
        "logs:CreateLogStream",
        "logs:PutLogEvents",
    ];
    ACTIONS.contains(&action)
}

#[test]
fn every_call_a_function_made_is_allowed_by_its_role() {
    let outputs: BTreeMap<String, String> =
        serde_json::from_str(&fs::read_to_string(setting("THROUGHLINE_OUTPUTS")).unwrap()).unwrap();
    let functions: Vec<&str> = outputs
        .iter()
        .filter(|(name, _)| name.ends_with("Function"))
        .map(|(_, value)| value.as_str())
        .collect();
    assert_eq!(functions.len(), 5, "{functions:?}");
    let calls = recorded();
    let mut violations = Vec::new();
    for unknown in calls.keys().filter(|name| !functions.contains(&name.as_str())) {
        violations.push(format!("calls came from `{unknown}`, which is no function of the shop"));
    }
    for function in functions {
        let made = calls
            .get(function)
            .unwrap_or_else(|| panic!("`{function}` made no call at all: was it recorded?"));
        let rights = allowed(function);
        assert!(!rights.is_empty(), "the role of `{function}` allows nothing: was it read?");
        let is_allowed = |(action, resource): &(String, String)| {
            rights.iter().any(|(right, arn)| right == action && name_of(arn) == resource)
        };
        for (action, resource) in made.iter().filter(|call| !is_allowed(call)) {
            violations.push(format!(
                "`{function}` called {action} on `{resource}`, and its role does not allow it"
            ));
        }
        let is_used = |(right, arn): &&(String, String)| {
            is_made_by_lambda(right) || made.contains(&(right.clone(), name_of(arn).to_owned()))
        };
        println!("{function}: {} different calls, all checked; rights that no call used:", made.len());
        for (right, arn) in rights.iter().filter(|right| !is_used(right)) {
            println!("  {right} on {arn}");
        }
    }
    assert!(violations.is_empty(), "{}", violations.join("\n"));
}
