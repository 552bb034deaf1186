//! Changes of a deployment besides resources: outputs, the values of parameters, conditions and the like. Change sets
//! list none of them.

use super::changes::Change;
use crate::project::template::Template;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// The type under which an output is listed among the changes.
const OUTPUT: &str = "Output";
/// The type of a parameter's value there.
const PARAMETER: &str = "Parameter";
/// The type of any other section of a template.
const SECTION: &str = "Section";

/// Returns the differences between a stack as it is and as it is to be, but for its resources: of the templates, both
/// as they were written, and of the values of parameters.
pub(super) fn differences(
    (now, values_now): (&Value, &BTreeMap<String, String>),
    (wanted, values_wanted): (&Value, &BTreeMap<String, String>),
) -> Vec<Change> {
    let none = Map::new();
    let section = |template: &Value, name: &str| template[name].as_object().unwrap_or(&none).clone();
    let mut changes = of_each(OUTPUT, &section(now, "Outputs"), &section(wanted, "Outputs"));
    // What is not given has the template's default, or what it had before.
    let value_of = |name: &str, template: &Value, values: &BTreeMap<String, String>| match values.get(name) {
        Some(value) => Value::String(value.clone()),
        None => match &template["Parameters"][name]["Default"] {
            Value::String(value) => Value::String(value.clone()),
            Value::Null => Value::Null,
            other => Value::String(other.to_string()),
        },
    };
    for name in section(wanted, "Parameters").keys() {
        // One that is not to be echoed is told as asterisks.
        let is_told = |value: &String| value.is_empty() || value.contains(|letter: char| letter != '*');
        let known = values_now.get(name).is_some_and(is_told);
        let values = [value_of(name, now, values_now), value_of(name, wanted, values_wanted)];
        if known && values[0] != values[1] {
            changes.push(change("Modify", name, PARAMETER));
        }
    }
    let told = ["Resources", "Outputs"];
    let sections = [now, wanted].into_iter().filter_map(Value::as_object).flat_map(Map::keys);
    let sections: BTreeSet<&String> = sections.filter(|name| !told.contains(&name.as_str())).collect();
    let differ = sections.into_iter().filter(|name| now[name.as_str()] != wanted[name.as_str()]);
    changes.extend(differ.map(|name| change("Modify", name, SECTION)));
    changes
}

/// A template as CloudFormation gives it back: JSON as such, anything else as text.
pub(super) fn template(answer: &Value) -> Option<Value> {
    match &answer["TemplateBody"] {
        Value::String(text) => serde_json::from_str(text)
            .ok()
            .or_else(|| Template::parse(text).ok().map(|template| template.document().clone())),
        Value::Null => None,
        body => Some(body.clone()),
    }
}

fn of_each(kind: &str, now: &Map<String, Value>, wanted: &Map<String, Value>) -> Vec<Change> {
    let names: BTreeSet<&String> = now.keys().chain(wanted.keys()).collect();
    let action = |name: &str| match (now.get(name), wanted.get(name)) {
        (None, _) => Some("Add"),
        (_, None) => Some("Remove"),
        (now, wanted) => (now != wanted).then_some("Modify"),
    };
    names.into_iter().filter_map(|name| Some(change(action(name)?, name, kind))).collect()
}

fn change(action: &str, name: &str, kind: &str) -> Change {
    Change {
        action: action.to_owned(),
        logical_id: name.to_owned(),
        kind: kind.to_owned(),
        replacement: None,
        loses_data: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn values(value: &str) -> BTreeMap<String, String> {
        BTreeMap::from([("Level".to_owned(), value.to_owned())])
    }

    fn told(now: &Value, wanted: &Value, level: &str) -> Vec<String> {
        let changes = differences((now, &values("info")), (wanted, &values(level)));
        let said = changes
            .iter()
            .map(|Change { action, logical_id, kind, .. }| format!("{action} {logical_id} {kind}"));
        said.collect()
    }

    fn stack(outputs: &Value) -> Value {
        json!({
            "Parameters": { "Level": { "Type": "String", "Default": "info" } },
            "Resources": { "Q": {} },
            "Outputs": outputs,
        })
    }

    #[test]
    fn outputs_that_come_change_and_go_are_told() {
        let now = stack(&json!({ "Same": { "Value": 1 }, "Other": { "Value": 1 }, "Gone": { "Value": 1 } }));
        let wanted =
            stack(&json!({ "Same": { "Value": 1 }, "Other": { "Value": 2 }, "New": { "Value": 1 } }));
        assert_eq!(
            told(&now, &wanted, "info"),
            ["Remove Gone Output", "Add New Output", "Modify Other Output"]
        );
        assert_eq!(told(&now, &now, "info"), [""; 0]);
    }

    #[test]
    fn values_of_parameters_and_other_sections_are_told_by_their_names() {
        let now = stack(&json!({}));
        let mut wanted = now.clone();
        wanted["Conditions"] = json!({ "Never": { "Fn::Equals": [1, 2] } });
        assert_eq!(told(&now, &wanted, "debug"), ["Modify Level Parameter", "Modify Conditions Section"]);
    }

    #[test]
    fn of_a_value_that_is_not_echoed_nothing_is_told() {
        let template = stack(&json!({}));
        let changes = differences((&template, &values("****")), (&template, &values("secret")));
        assert!(changes.is_empty(), "{changes:?}");
    }

    #[test]
    fn a_template_is_read_as_json_and_as_text() {
        let body = stack(&json!({}));
        assert_eq!(template(&json!({ "TemplateBody": body.clone() })), Some(body.clone()));
        assert_eq!(template(&json!({ "TemplateBody": body.to_string() })), Some(body));
        let yaml = template(&json!({ "TemplateBody": "Outputs: {A: {Value: !Ref Q}}" })).unwrap();
        assert_eq!(yaml["Outputs"]["A"]["Value"], json!({ "Ref": "Q" }));
        assert_eq!(template(&json!({})), None);
    }
}
