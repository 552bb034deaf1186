//! The changes of a deployment, as they are shown.

use crate::terminal::Table;
use serde::Serialize;
use serde_json::Value;
use std::{collections::BTreeMap, fmt};

/// Types of resources that hold what nobody can give back: data, messages, the progress of sagas.
const HOLD_DATA: [&str; 8] = [
    "AWS::DynamoDB::Table",
    "AWS::DynamoDB::GlobalTable",
    "AWS::Events::Archive",
    "AWS::Logs::LogGroup",
    "AWS::S3::Bucket",
    "AWS::SQS::Queue",
    "AWS::Scheduler::ScheduleGroup",
    "AWS::StepFunctions::StateMachine",
];

/// One change of one resource, or of something else that a stack has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// `Add`, `Modify`, `Remove`, `Import` or `Dynamic`.
    pub action: String,
    /// The logical id.
    pub logical_id: String,
    /// Its type, such as `AWS::SQS::Queue`; or `Output`, `Parameter` or `Section`, if the template changes elsewhere.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether the resource is replaced: `True`, `False`, or `Conditional` where CloudFormation cannot know yet.
    pub replacement: Option<String>,
    /// Whether its data would be lost.
    pub loses_data: bool,
}

impl Change {
    pub(super) fn of(change: &Value) -> Self {
        let change = &change["ResourceChange"];
        let text = |name: &str| change[name].as_str().map(ToOwned::to_owned);
        let (action, kind) = (text("Action").unwrap_or_default(), text("ResourceType").unwrap_or_default());
        let replacement = text("Replacement");
        let goes = action == "Remove" || matches!(replacement.as_deref(), Some("True" | "Conditional"));
        // `Retain`, `ReplaceAndRetain` and `ReplaceAndSnapshot`: the old one stays, or a copy of it.
        let is_kept =
            text("PolicyAction").is_some_and(|policy| policy != "Delete" && policy != "ReplaceAndDelete");
        let loses_data = goes && !is_kept && HOLD_DATA.contains(&kind.as_str());
        Self {
            action,
            logical_id: text("LogicalResourceId").unwrap_or_default(),
            kind,
            replacement,
            loses_data,
        }
    }
}

/// The changes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Changes(pub Vec<Change>);

impl Changes {
    /// The resources whose data would be lost.
    pub fn losses(&self) -> Vec<&str> {
        self.0.iter().filter(|change| change.loses_data).map(|change| change.logical_id.as_str()).collect()
    }
}

/// So many additions are read one by one; of more, as for a new stack, only how many of which type.
const FEW: usize = 20;

impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("No changes.");
        }
        let (added, others): (Vec<_>, Vec<_>) = self.0.iter().partition(|change| change.action == "Add");
        let mut table = Table::new(["action", "resource", "type", "replacement", ""]);
        for change in &others {
            let replacement = change.replacement.as_deref().unwrap_or("");
            let warning = if change.loses_data { "WHAT IT HOLDS IS LOST" } else { "" };
            table.row([&change.action, &change.logical_id, &change.kind, replacement, warning]);
        }
        if added.len() > FEW {
            let mut types = BTreeMap::<_, usize>::new();
            for change in added {
                *types.entry(&change.kind).or_default() += 1;
            }
            for (kind, count) in types {
                let plural = if count == 1 { "" } else { "s" };
                table.row(["Add", &format!("{count} resource{plural}"), kind, "", ""]);
            }
        } else {
            for change in added {
                table.row(["Add", &change.logical_id, &change.kind, "", ""]);
            }
        }
        table.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn change(action: &str, kind: &str, replacement: Option<&str>, policy: Option<&str>) -> Change {
        Change::of(&json!({ "ResourceChange": {
            "Action": action, "LogicalResourceId": "X", "ResourceType": kind, "Replacement": replacement,
            "PolicyAction": policy,
        }}))
    }

    #[test]
    fn what_holds_data_and_goes_is_a_loss() {
        let queue = "AWS::SQS::Queue";
        assert!(change("Remove", queue, None, None).loses_data);
        assert!(change("Modify", queue, Some("True"), Some("ReplaceAndDelete")).loses_data);
        assert!(change("Modify", queue, Some("Conditional"), None).loses_data);
        assert!(!change("Modify", queue, Some("False"), None).loses_data);
        assert!(!change("Add", queue, None, None).loses_data);
        assert!(!change("Remove", "AWS::IAM::Role", None, None).loses_data);
    }

    #[test]
    fn what_is_retained_is_no_loss() {
        let table = "AWS::DynamoDB::Table";
        assert!(!change("Remove", table, None, Some("Retain")).loses_data);
        assert!(!change("Modify", table, Some("True"), Some("ReplaceAndRetain")).loses_data);
    }

    #[test]
    fn the_table_warns_beside_the_resource_that_loses_its_data() {
        let changes = Changes(vec![
            change("Modify", "AWS::IAM::Role", Some("False"), None),
            change("Remove", "AWS::SQS::Queue", None, None),
        ]);
        let shown = changes.to_string();
        let warned: Vec<&str> = shown.lines().filter(|line| line.contains("LOST")).collect();
        assert!(warned.len() == 1 && warned[0].starts_with("Remove"), "{shown}");
        assert_eq!(Changes::default().to_string(), "No changes.");
    }

    #[test]
    fn a_new_stack_is_shown_by_how_much_of_what_it_holds() {
        let queues = |count| Changes(vec![change("Add", "AWS::SQS::Queue", None, None); count]);
        let few = queues(FEW).to_string();
        assert_eq!(few.matches("AWS::SQS::Queue").count(), FEW, "{few}");
        let many = queues(FEW + 1).to_string();
        assert!(many.contains("21 resources") && many.matches("AWS::SQS::Queue").count() == 1, "{many}");
    }
}
