//! CloudFormation's description of a stack, and the files in which it is kept.

use crate::cloud::{
    aws_command_line::{AwsCommandLine, CommandLineError},
    place::Place,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};
use throughline_aws::Clients;
use throughline_operations::{CloudFormation, OperateError};

/// The key under which a file of outputs names its stack, which is CloudFormation's own for it. No output can have this
/// name, because outputs' names consist of letters and digits.
const STACK_NAME: &str = "AWS::StackName";

/// A resource of a stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Resource {
    /// The resource's type, such as `AWS::SQS::Queue`.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// The resource's physical id: a name, a URL or an ARN, depending on the type.
    pub(crate) id: String,
}

/// A stack's resources, by their logical ids.
pub(crate) type Resources = BTreeMap<String, Resource>;

/// A stack, as CloudFormation describes it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Described {
    /// The stack's name, or `None` if a file from another program does not contain it.
    pub(crate) stack: Option<String>,
    pub(crate) outputs: BTreeMap<String, String>,
    pub(crate) resources: Resources,
}

impl Described {
    /// Reads a stack from CloudFormation. Returns `None` if there is no such stack.
    pub(crate) async fn of(clients: &Clients, stack: &str) -> Result<Option<Self>, OperateError> {
        let cloudformation = CloudFormation::of(clients).await?;
        let asked = futures_util::join!(cloudformation.stacks(Some(stack)), cloudformation.resources(stack));
        let (described, resources) = asked;
        let Some(described) = described? else { return Ok(None) };
        // Without the permission to list resources, the outputs suffice.
        let resources = resources.ok().flatten().map(|listed| resources_in(&listed)).unwrap_or_default();
        Ok(Some(Self { stack: Some(stack.to_owned()), outputs: outputs_in(&described), resources }))
    }

    /// Reads the files that `write` wrote. A file of outputs from another program has no resources beside it.
    pub(crate) fn read(path: &Path) -> io::Result<Result<Self, serde_json::Error>> {
        let outputs = fs::read_to_string(path)?;
        let mut outputs: BTreeMap<String, String> = match serde_json::from_str(&outputs) {
            Ok(outputs) => outputs,
            Err(error) => return Ok(Err(error)),
        };
        let stack = outputs.remove(STACK_NAME);
        let kept = fs::read_to_string(beside(path)).unwrap_or_default();
        // The resources of another stack may remain from an earlier file.
        let kept =
            serde_json::from_str::<Kept>(&kept).ok().filter(|kept| Some(&kept.stack) == stack.as_ref());
        Ok(Ok(Self { stack, outputs, resources: kept.map(|kept| kept.resources).unwrap_or_default() }))
    }

    /// Writes the outputs into a file, and the resources into one beside it.
    pub(crate) fn write(&self, path: &Path) -> io::Result<()> {
        let mut outputs = self.outputs.clone();
        outputs.extend(self.stack.iter().map(|stack| (STACK_NAME.to_owned(), stack.clone())));
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let kept = Kept { stack: self.stack.clone().unwrap_or_default(), resources: self.resources.clone() };
        fs::write(beside(path), serde_json::to_string_pretty(&kept)?)?;
        fs::write(path, serde_json::to_string_pretty(&outputs)?)
    }

    /// Returns the outputs, and every resource without one under the name that its output would have: functions,
    /// queues, tables, state machines, buses, archives and topics.
    pub(crate) fn names(self) -> BTreeMap<String, String> {
        let resources = self.resources.into_iter().filter_map(|(logical_id, resource)| {
            let name = match resource.kind.as_str() {
                "AWS::Lambda::Function" if !logical_id.ends_with("Function") => logical_id + "Function",
                "AWS::Lambda::Function"
                | "AWS::DynamoDB::Table"
                | "AWS::Events::Archive"
                | "AWS::Events::EventBus"
                | "AWS::StepFunctions::StateMachine" => logical_id,
                "AWS::SQS::Queue" => logical_id + "Url",
                "AWS::SNS::Topic" => logical_id + "Arn",
                _ => return None,
            };
            Some((name, resource.id))
        });
        let mut names: BTreeMap<String, String> = resources.collect();
        names.extend(self.outputs);
        names
    }
}

/// The content of the file beside a file of outputs.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    stack: String,
    resources: Resources,
}

/// Returns the path of the file with the resources: `outputs.resources.json` beside `outputs.json`.
pub(crate) fn beside(outputs: &Path) -> PathBuf {
    outputs.with_extension("resources.json")
}

/// Returns all resources of a stack, or `None` if there is no such stack.
pub(crate) fn resources(aws: AwsCommandLine<'_>, stack: &str) -> Result<Option<Resources>, CommandLineError> {
    // The command line follows the pages by itself.
    match aws.json(["cloudformation", "list-stack-resources", "--stack-name", stack]) {
        Ok(listed) => Ok(Some(resources_in(&listed))),
        Err(error) if says_no_stack(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn resources_in(listed: &Value) -> Resources {
    let all = listed["StackResourceSummaries"].as_array().into_iter().flatten();
    let there = all.filter(|resource| resource["ResourceStatus"] != "DELETE_COMPLETE");
    let resource = |resource: &Value| {
        let text = |name: &str| resource[name].as_str().map(ToOwned::to_owned);
        let id = text("PhysicalResourceId").filter(|id| !id.is_empty())?;
        Some((text("LogicalResourceId")?, Resource { kind: text("ResourceType")?, id }))
    };
    there.filter_map(resource).collect()
}

/// Returns the outputs of a stack from CloudFormation's answer to `describe-stacks`.
pub(crate) fn outputs_in(described: &Value) -> BTreeMap<String, String> {
    let outputs = described["Stacks"][0]["Outputs"].as_array().cloned().unwrap_or_default();
    let text = |output: &Value, name: &str| output[name].as_str().unwrap_or_default().to_owned();
    outputs.iter().map(|output| (text(output, "OutputKey"), text(output, "OutputValue"))).collect()
}

/// Returns whether CloudFormation says that there is no such stack.
pub(crate) fn says_no_stack(error: &CommandLineError) -> bool {
    error.reason.contains("does not exist")
}

/// The number of stacks that a sentence names at most; an account may have hundreds.
const NAMED: usize = 10;

/// Returns advice on a stack that does not exist. The sentence names those that do.
pub(crate) async fn advice(clients: &Clients, place: &Place, stack: &str) -> String {
    let listed = match CloudFormation::of(clients).await {
        Ok(cloudformation) => cloudformation.stacks(None).await.ok().flatten(),
        Err(_) => None,
    };
    advice_by(listed.as_ref(), place, stack)
}

/// The same for whoever asks by AWS's command line.
pub(crate) fn advice_of(aws: AwsCommandLine<'_>, stack: &str) -> String {
    advice_by(aws.json(["cloudformation", "describe-stacks"]).ok().as_ref(), aws.place, stack)
}

fn advice_by(listed: Option<&Value>, place: &Place, stack: &str) -> String {
    // The permission to deploy does not imply the permission to list other stacks.
    let Some(listed) = listed else {
        return format!("deploy it first, with {}", deploy(place, stack));
    };
    let stacks = listed["Stacks"].as_array().into_iter().flatten();
    // A stack that was created only for a change set contains nothing.
    let stacks = stacks.filter(|stack| stack["StackStatus"] != "REVIEW_IN_PROGRESS");
    let names: Vec<&str> = stacks.filter_map(|stack| stack["StackName"].as_str()).collect();
    advice_among(&names, place, stack)
}

fn deploy(place: &Place, stack: &str) -> String {
    let aws = if place.is_local() { "" } else { " --aws" };
    format!("`throughline deploy{aws} --stack {stack}`")
}

fn advice_among(names: &[&str], place: &Place, stack: &str) -> String {
    let deploy = deploy(place, stack);
    match names {
        [] => format!("nothing is deployed there: deploy first, with {deploy}"),
        [only] => format!("deployed there is `{only}`: say --stack {only}, or deploy first, with {deploy}"),
        [first, ..] => {
            let more = names.len().saturating_sub(NAMED);
            let more = if more == 0 { String::new() } else { format!(" and {more} more") };
            let named: Vec<String> = names.iter().take(NAMED).map(|name| format!("`{name}`")).collect();
            let named = named.join(", ");
            format!(
                "deployed there are {named}{more}: choose with --stack, such as --stack {first}, or deploy first, with \
                 {deploy}"
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::env;

    fn resource(kind: &str, id: &str) -> Resource {
        Resource { kind: kind.into(), id: id.into() }
    }

    fn described() -> Described {
        Described {
            stack: Some("shop-dev".into()),
            outputs: [("LedgerTable".to_owned(), "ledger".to_owned())].into(),
            resources: [
                ("PlaceOrderFunction", resource("AWS::Lambda::Function", "shop-dev-place-order")),
                ("Relay", resource("AWS::Lambda::Function", "shop-dev-relay")),
                ("PlaceOrderQueue", resource("AWS::SQS::Queue", "https://sqs/place-order")),
                ("PlaceOrderRole", resource("AWS::IAM::Role", "role")),
                ("LedgerTable", resource("AWS::DynamoDB::Table", "another")),
            ]
            .map(|(logical_id, resource)| (logical_id.to_owned(), resource))
            .into(),
        }
    }

    #[test]
    fn what_has_no_output_is_known_by_the_name_that_its_output_would_have() {
        let names = described().names();
        let expected = [
            ("LedgerTable", "ledger"),
            ("PlaceOrderFunction", "shop-dev-place-order"),
            ("PlaceOrderQueueUrl", "https://sqs/place-order"),
            ("RelayFunction", "shop-dev-relay"),
        ];
        assert_eq!(names, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    }

    #[test]
    fn what_was_written_is_read_again_and_says_whose_it_is() {
        let folder = env::temp_dir().join(format!("throughline-described-{}", std::process::id()));
        let outputs = folder.join("deep/outputs.json");
        described().write(&outputs).unwrap();
        assert_eq!(Described::read(&outputs).unwrap().unwrap(), described());
        // Another program wrote these outputs, with only names and values.
        fs::write(&outputs, r#"{"LedgerTable": "theirs"}"#).unwrap();
        let theirs = Described::read(&outputs).unwrap().unwrap();
        assert_eq!((theirs.stack, theirs.resources), (None, Resources::new()));
        assert_eq!(theirs.outputs["LedgerTable"], "theirs");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn resources_that_are_gone_or_not_there_yet_are_none() {
        let summary = |logical_id: &str, id: Value, status: &str| {
            json!({
                "LogicalResourceId": logical_id, "PhysicalResourceId": id, "ResourceType": "AWS::SQS::Queue",
                "ResourceStatus": status,
            })
        };
        let listed = json!({ "StackResourceSummaries": [
            summary("There", json!("url"), "UPDATE_COMPLETE"),
            summary("Gone", json!("url"), "DELETE_COMPLETE"),
            summary("Coming", Value::Null, "CREATE_IN_PROGRESS"),
        ] });
        assert_eq!(resources_in(&listed).into_keys().collect::<Vec<_>>(), ["There"]);
    }

    #[test]
    fn who_names_a_stack_that_is_not_there_is_told_those_that_are() {
        let local = Place::Local { endpoint: "http://127.0.0.1:4566".into() };
        let said = advice_among(&["shop-dev"], &local, "shop");
        assert!(said.contains("say --stack shop-dev") && said.contains("deploy --stack shop`"), "{said}");
        assert!(advice_among(&[], &local, "shop").contains("nothing is deployed there"));
        let names: Vec<String> = (0..13).map(|number| format!("s{number}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let said = advice_among(&names, &Place::Aws, "shop");
        assert!(said.contains("`s9` and 3 more") && said.contains("deploy --aws --stack shop"), "{said}");
    }
}
