//! Change sets: CloudFormation works out what a deployment would change, before it does.

use super::{
    changes::{Change, Changes},
    error::DeployError,
};
use crate::cloud::aws_command_line::AwsCommandLine;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// The pause before CloudFormation is asked again.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// A change set that waits to be executed.
#[derive(Debug)]
pub(super) struct ChangeSet {
    pub(super) name: String,
    pub(super) changes: Changes,
}

/// The state of a stack, if it exists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct StackState {
    pub(super) id: String,
    pub(super) status: String,
    /// When it was made or last changed.
    pub(super) changed_at: String,
    pub(super) outputs: BTreeMap<String, String>,
    /// The values of its parameters.
    pub(super) parameters: BTreeMap<String, String>,
}

impl StackState {
    /// `None`, if there is no such stack.
    pub(super) fn of(aws: AwsCommandLine<'_>, stack: &str) -> Result<Option<Self>, DeployError> {
        let described = match aws.json(["cloudformation", "describe-stacks", "--stack-name", stack]) {
            Ok(described) => described,
            Err(error) if error.reason.contains("does not exist") => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let outputs = crate::cloud::stack::outputs_in(&described);
        let text = |name: &str| described["Stacks"][0][name].as_str().unwrap_or_default().to_owned();
        let changed_at = Some(text("LastUpdatedTime")).filter(|time| !time.is_empty());
        let changed_at = changed_at.unwrap_or_else(|| text("CreationTime"));
        let parameters = described["Stacks"][0]["Parameters"].as_array().into_iter().flatten();
        let value = |parameter: &Value| {
            let text = |name: &str| parameter[name].as_str().map(ToOwned::to_owned);
            Some((text("ParameterKey")?, text("ParameterValue")?))
        };
        Ok(Some(Self {
            id: text("StackId"),
            status: text("StackStatus"),
            changed_at,
            outputs,
            parameters: parameters.filter_map(value).collect(),
        }))
    }

    /// Returns whether the last change is complete.
    pub(super) fn is_complete(&self) -> bool {
        ["CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE"].contains(&self.status.as_str())
    }

    /// Returns whether a change is under way.
    pub(super) fn is_under_way(&self) -> bool {
        self.status.ends_with("_IN_PROGRESS") && !self.is_empty()
    }

    /// Returns whether the stack holds nothing yet but a change set.
    pub(super) fn is_empty(&self) -> bool {
        self.status == "REVIEW_IN_PROGRESS"
    }

    /// Why it cannot be changed now.
    pub(super) fn hindrance(&self, stack: &str) -> Option<DeployError> {
        let advice = match self.status.as_str() {
            "ROLLBACK_COMPLETE" | "ROLLBACK_FAILED" | "CREATE_FAILED" | "DELETE_FAILED" => {
                format!(
                    "it was never whole and holds nothing; delete it with `aws cloudformation delete-stack --stack-name {stack}`, and deploy again"
                )
            }
            "UPDATE_ROLLBACK_FAILED" => {
                format!(
                    "mend what it names, then `aws cloudformation continue-update-rollback --stack-name {stack}`, and deploy again"
                )
            }
            _ if self.is_under_way() => {
                "it is being changed already; wait until that is over, and deploy again".into()
            }
            _ => return None,
        };
        Some(DeployError::NotNow { stack: stack.to_owned(), status: self.status.clone(), advice })
    }
}

/// The inputs of a change set.
#[derive(Debug)]
pub(super) struct Wanted<'a> {
    pub(super) stack: &'a str,
    /// Whether the stack does not exist yet.
    pub(super) is_new: bool,
    pub(super) template_url: &'a str,
    pub(super) parameters: &'a BTreeMap<String, String>,
    /// The folder for files of AWS's command line.
    pub(super) folder: &'a Path,
}

impl Wanted<'_> {
    /// The template and the values of its parameters, for AWS's command line.
    fn arguments(&self) -> Result<Vec<String>, DeployError> {
        let path = self.folder.join("parameters.json");
        let values: Vec<Value> = self
            .parameters
            .iter()
            .map(|(name, value)| json!({ "ParameterKey": name, "ParameterValue": value }))
            .collect();
        fs::write(&path, json!(values).to_string()).map_err(super::error::file(&path))?;
        let parameters = format!("file://{}", path.display());
        let template = ["--template-url", self.template_url, "--parameters", &parameters];
        let capabilities = ["--capabilities", "CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"];
        Ok(template.into_iter().chain(capabilities).map(ToOwned::to_owned).collect())
    }
}

/// Changes a stack without a change set. Whether CloudFormation had anything to change.
pub(super) fn update(aws: AwsCommandLine<'_>, wanted: &Wanted<'_>) -> Result<bool, DeployError> {
    let what = wanted.arguments()?;
    let call = ["cloudformation", "update-stack", "--stack-name", wanted.stack].into_iter();
    match aws.text(call.chain(what.iter().map(String::as_str))) {
        Ok(_) => Ok(true),
        Err(error) if says_nothing_changes(&error.reason) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

impl ChangeSet {
    /// Has CloudFormation work out what would change. `None`, if nothing would.
    pub(super) fn create(aws: AwsCommandLine<'_>, wanted: &Wanted<'_>) -> Result<Option<Self>, DeployError> {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let name = format!("throughline-{}", since_epoch.as_millis());
        let kind = if wanted.is_new { "CREATE" } else { "UPDATE" };
        let named_so = ["--stack-name", wanted.stack, "--change-set-name", &name, "--change-set-type", kind];
        let what = wanted.arguments()?;
        let call = ["cloudformation", "create-change-set"].into_iter().chain(named_so);
        aws.text(call.chain(what.iter().map(String::as_str)))?;
        loop {
            let described = aws.json(named("describe-change-set", wanted.stack, &name))?;
            let reason = described["StatusReason"].as_str().unwrap_or_default();
            match described["Status"].as_str().unwrap_or_default() {
                "CREATE_COMPLETE" => {
                    let changes =
                        described["Changes"].as_array().into_iter().flatten().map(Change::of).collect();
                    return Ok(Some(Self { name, changes: Changes(changes) }));
                }
                "FAILED" if says_nothing_changes(reason) => {
                    aws.text(named("delete-change-set", wanted.stack, &name))?;
                    return Ok(None);
                }
                "FAILED" => {
                    let reason = reason.to_owned();
                    discard(aws, wanted, &name)?;
                    return Err(DeployError::Refused { reason });
                }
                _ => thread::sleep(LOOK_AGAIN),
            }
        }
    }

    /// Has CloudFormation carry it out.
    pub(super) fn execute(&self, aws: AwsCommandLine<'_>, stack: &str) -> Result<(), DeployError> {
        aws.text(named("execute-change-set", stack, &self.name))?;
        Ok(())
    }

    /// Leaves nothing of it.
    pub(super) fn discard(&self, aws: AwsCommandLine<'_>, wanted: &Wanted<'_>) -> Result<(), DeployError> {
        discard(aws, wanted, &self.name)
    }
}

fn named<'a>(operation: &'a str, stack: &'a str, change_set: &'a str) -> [&'a str; 6] {
    ["cloudformation", operation, "--stack-name", stack, "--change-set-name", change_set]
}

/// A change set for a new stack leaves an empty stack.
fn discard(aws: AwsCommandLine<'_>, wanted: &Wanted<'_>, change_set: &str) -> Result<(), DeployError> {
    aws.text(named("delete-change-set", wanted.stack, change_set))?;
    if wanted.is_new && StackState::of(aws, wanted.stack)?.is_some_and(|stack| stack.is_empty()) {
        aws.text(["cloudformation", "delete-stack", "--stack-name", wanted.stack])?;
    }
    Ok(())
}

/// CloudFormation calls it a failure, in one of two sentences.
fn says_nothing_changes(reason: &str) -> bool {
    reason.contains("didn't contain changes") || reason.contains("No updates are to be performed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stack_that_failed_to_be_created_says_what_to_do() {
        let state = |status: &str| StackState { status: status.into(), ..StackState::default() };
        let said = state("ROLLBACK_COMPLETE").hindrance("shop").unwrap().to_string();
        assert!(said.contains("delete-stack --stack-name shop"), "{said}");
        assert!(state("UPDATE_IN_PROGRESS").hindrance("shop").is_some());
        assert!(state("REVIEW_IN_PROGRESS").hindrance("shop").is_none());
        assert!(state("UPDATE_ROLLBACK_COMPLETE").hindrance("shop").is_none());
        assert!(!state("UPDATE_ROLLBACK_COMPLETE").is_complete());
    }
}
