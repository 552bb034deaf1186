//! Several stacks on one local cloud: each command means the one that it names.

use super::{
    aws::{aws, setting},
    command::Said,
    messages::unique,
};
use serde_json::{Value, json};
use std::{
    env, fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// A project with a queue and no function, whose template a test may change, and the stacks that were deployed from it.
struct SmallProject {
    folder: PathBuf,
    stacks: Vec<String>,
}

impl SmallProject {
    fn new() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
        let folder = env::temp_dir().join(unique("throughline-project"));
        for part in ["functions", "infra", ".throughline"] {
            fs::create_dir_all(folder.join(part)).unwrap();
        }
        fs::write(folder.join("Cargo.toml"), "[workspace]\n").unwrap();
        for parameters in ["local", "localstack"] {
            fs::write(folder.join(format!("infra/{parameters}.parameters.json")), "{}").unwrap();
        }
        symlink(root.join(".throughline/cloud"), folder.join(".throughline/cloud")).unwrap();
        symlink(root.join("events"), folder.join("events")).unwrap();
        let this = Self { folder, stacks: Vec::new() };
        this.has_outputs(&["PlaceOrderDeadLetterQueueUrl: {Value: !Ref PlaceOrderDeadLetterQueue}"]);
        this
    }

    /// Writes the template with these outputs.
    fn has_outputs(&self, outputs: &[&str]) {
        let template = format!(
            "Parameters:\n  Note: {{Type: String, Default: none}}\nResources:\n  PlaceOrderQueue: {{Type: AWS::SQS::Queue}}\n  \
             PlaceOrderDeadLetterQueue: {{Type: AWS::SQS::Queue}}\nOutputs:\n  {}\n",
            outputs.join("\n  ")
        );
        fs::write(self.folder.join("infra/template.yaml"), template).unwrap();
    }

    fn throughline(&self, arguments: &[&str]) -> Said {
        let mut command = Command::new(env!("CARGO_BIN_EXE_throughline"));
        command.args(arguments).current_dir(&self.folder).stdin(Stdio::null());
        for name in ["THROUGHLINE_OUTPUTS", "THROUGHLINE_STACK"] {
            command.env_remove(name);
        }
        let output = command.output().expect("the command runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Said {
            is_success: output.status.success(),
            output: text(&output.stdout),
            errors: text(&output.stderr),
        }
    }

    fn deploy(&mut self, stack: &str, more: &[&str]) -> Value {
        if !self.stacks.iter().any(|known| known == stack) {
            self.stacks.push(stack.to_owned());
        }
        let said = self.throughline(&[&["deploy", "--json", "--stack", stack], more].concat());
        assert!(said.is_success, "{}", said.errors);
        said.json()
    }
}

/// The outputs that a deployment wrote.
fn outputs(report: &Value) -> Value {
    serde_json::from_str(&fs::read_to_string(report["outputs"].as_str().unwrap()).unwrap()).unwrap()
}

impl Drop for SmallProject {
    fn drop(&mut self) {
        for stack in &self.stacks {
            aws(&["cloudformation", "delete-stack", "--stack-name", stack]);
        }
        _ = fs::remove_dir_all(&self.folder);
    }
}

/// The URL of a resource of a stack.
fn physical(stack: &str, logical_id: &str) -> String {
    let listed = aws(&["cloudformation", "list-stack-resources", "--stack-name", stack]);
    let mut resources = listed["StackResourceSummaries"].as_array().unwrap().iter();
    let found = resources.find(|resource| resource["LogicalResourceId"] == logical_id).expect("it is there");
    found["PhysicalResourceId"].as_str().unwrap().to_owned()
}

fn waiting(queue: &str) -> Value {
    let asked = ["sqs", "get-queue-attributes", "--queue-url", queue, "--attribute-names", "All"];
    aws(&asked)["Attributes"]["ApproximateNumberOfMessages"].clone()
}

#[tokio::test]
async fn each_command_means_the_stack_that_it_names_even_if_another_was_deployed_last() {
    let mut project = SmallProject::new();
    let [first, last] = [unique("first"), unique("last")];
    let reports = [project.deploy(&first, &[]), project.deploy(&last, &[])];
    let queue_of = |report: &Value| outputs(report)["PlaceOrderDeadLetterQueueUrl"].clone();
    assert_ne!(queue_of(&reports[0]), queue_of(&reports[1]));

    // The queue has no output: the stack's resources tell of it.
    let said = project.throughline(&["publish", "--stack", &first, "events/order.place.v1.json"]);
    assert!(said.is_success, "{}", said.errors);
    assert!(said.errors.contains(&format!("throughline trace web-1001 --stack {first}")), "{}", said.errors);
    assert_eq!(waiting(&physical(&first, "PlaceOrderQueue")), "1");
    assert_eq!(waiting(&physical(&last, "PlaceOrderQueue")), "0");

    for stack in [&first, &last] {
        let queue = physical(stack, "PlaceOrderDeadLetterQueue");
        aws(&["sqs", "send-message", "--queue-url", &queue, "--message-body", "{}"]);
    }
    let said = project.throughline(&["dlq", "purge", "--all", "--yes", "--stack", &first]);
    assert!(said.is_success, "{}", said.errors);
    assert_eq!(waiting(&physical(&first, "PlaceOrderDeadLetterQueue")), "0");
    assert_eq!(waiting(&physical(&last, "PlaceOrderDeadLetterQueue")), "1");
}

#[tokio::test]
async fn a_stack_that_is_not_there_is_refused_with_those_that_are() {
    let mut project = SmallProject::new();
    let [there, missing] = [unique("there"), unique("missing")];
    let report = project.deploy(&there, &[]);
    let said = project.throughline(&["publish", "--stack", &missing, "events/order.place.v1.json"]);
    assert!(
        !said.is_success && said.errors.contains(&format!("stack `{missing}` is not on")),
        "{}",
        said.errors
    );
    assert!(said.errors.contains(&format!("`{there}`")), "it names what there is: {}", said.errors);

    let file = report["outputs"].as_str().unwrap();
    let named = ["publish", "--stack", &missing, "--outputs", file, "events/order.place.v1.json"];
    let said = project.throughline(&named);
    assert!(!said.is_success && said.errors.contains(&format!("say --stack {there}")), "{}", said.errors);
    assert_eq!(waiting(&physical(&there, "PlaceOrderQueue")), "0");
}

/// The stack is known to the cloud, and to no file of this folder.
#[tokio::test]
async fn a_stack_that_somebody_else_deployed_is_found_by_its_name() {
    let mut project = SmallProject::new();
    let stack = unique("elsewhere");
    project.deploy(&stack, &[]);
    fs::remove_dir_all(project.folder.join(".throughline/local")).unwrap();
    let said = project.throughline(&["publish", "--stack", &stack, "events/order.place.v1.json"]);
    assert!(said.is_success, "{}", said.errors);
    assert_eq!(waiting(&physical(&stack, "PlaceOrderQueue")), "1");
}

#[tokio::test]
async fn a_change_of_outputs_or_of_a_parameter_alone_is_shown_and_deployed() {
    let mut project = SmallProject::new();
    let stack = unique("outputs");
    let before = outputs(&project.deploy(&stack, &[]));
    assert_eq!(before["NoteOfAll"], Value::Null);
    let queue = "PlaceOrderQueueUrl: {Value: !Ref PlaceOrderQueue}";
    project.has_outputs(&[queue, "NoteOfAll: {Value: !Ref Note}"]);

    let changes = json!([
        ["Remove", "PlaceOrderDeadLetterQueueUrl"],
        ["Add", "NoteOfAll"],
        ["Add", "PlaceOrderQueueUrl"]
    ]);
    let told = |report: &Value| -> Vec<Value> {
        let changes = report["changes"].as_array().unwrap().iter();
        let mut told: Vec<Value> =
            changes.map(|change| json!([change["action"], change["logical_id"]])).collect();
        told.sort_by_key(|change| change[1].as_str().unwrap_or_default().to_owned());
        told
    };
    let mut expected = changes.as_array().unwrap().clone();
    expected.sort_by_key(|change| change[1].as_str().unwrap_or_default().to_owned());
    let planned = project.deploy(&stack, &["--dry-run"]);
    assert_eq!((&planned["outcome"], told(&planned)), (&json!("dry-run"), expected.clone()));

    let report = project.deploy(&stack, &[]);
    assert_eq!((&report["outcome"], told(&report)), (&json!("deployed"), expected));
    let after = outputs(&report);
    assert_eq!(after["PlaceOrderQueueUrl"], physical(&stack, "PlaceOrderQueue"));
    assert_eq!((&after["NoteOfAll"], &after["PlaceOrderDeadLetterQueueUrl"]), (&json!("none"), &Value::Null));

    let report = project.deploy(&stack, &["--parameter", "Note=some"]);
    assert_eq!((&report["outcome"], told(&report)), (&json!("deployed"), vec![json!(["Modify", "Note"])]));
    assert_eq!(outputs(&report)["NoteOfAll"], "some");
    let report = project.deploy(&stack, &["--parameter", "Note=some"]);
    assert_eq!(report["outcome"], "unchanged");
}

/// The tests' own setting names a file: it is the shop's, and no other stack's.
#[tokio::test]
async fn outputs_that_a_setting_names_are_of_their_stack_alone() {
    assert!(setting("THROUGHLINE_OUTPUTS").ends_with("outputs.json"));
    let said = super::command::throughline(&["dlq", "list", "--stack", "another"]);
    assert!(!said.is_success && said.errors.contains("those of stack `shop`"), "{}", said.errors);
}
