//! Checks a message, its envelope and its data, by the catalogue, and finds all problems at once.

use super::{
    Catalogue, Message,
    judge::{self, validator},
};
use jsonschema::{ValidationError, Validator, error::ValidationErrorKind};
use serde::Serialize;
use serde_json::{Value, json};
use std::fmt;
use throughline_core::{EncodedEnvelope, internal::sensitive::MASK};
use throughline_operations::json_text::{Oddity, readable};

/// Something that is wrong with a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The place: a JSON pointer (RFC 6901) into the message, such as `/data/lines/0/quantity`.
    pub pointer: String,
    /// The value that was found, and the expectation. Sensitive values are masked.
    pub what: String,
}

impl Problem {
    fn new(pointer: impl Into<String>, what: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), what: what.into() }
    }

    /// Returns the place as people write it: `data.lines.0.quantity`.
    pub fn field(&self) -> String {
        let names = self.pointer.split('/').skip(1).map(|name| name.replace("~1", "/").replace("~0", "~"));
        names.collect::<Vec<_>>().join(".")
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.field().as_str() {
            "" => f.write_str(&self.what),
            field => write!(f, "{field}: {}", self.what),
        }
    }
}

impl Catalogue {
    /// Everything that is wrong with a message: its envelope (CloudEvents 1.0, "Context Attributes"), its type and
    /// version, its data, which its type must be able to read, and whether its subject is the one its data names.
    ///
    /// # Errors
    /// The problems, if there are any; else what the message is.
    pub fn check_text(&self, text: &str) -> Result<&Message, Vec<Problem>> {
        let (message, oddities) =
            readable(text).map_err(|error| vec![Problem::new("", format!("it is no JSON: {error}"))])?;
        let mut problems = envelope_problems(&message);
        let known = match self.known(&message) {
            Ok(known) => known,
            Err(unknown) => {
                problems.extend(unknown);
                return Err(problems);
            }
        };
        problems.extend(self.data_problems(known, &message, &oddities));
        if problems.is_empty()
            && let Err(error) = serde_json::from_str::<EncodedEnvelope>(text)
        {
            problems.push(Problem::new("", without_place(&error)));
        }
        if problems.is_empty() { Ok(known) } else { Err(problems) }
    }

    /// The message's entry by its type and version. Without a version it is the first.
    fn known(&self, message: &Value) -> Result<&Message, Option<Problem>> {
        let Some(name) = message["type"].as_str().filter(|name| !name.is_empty()) else { return Err(None) };
        let version = match &message["schemaversion"] {
            Value::Null => 1,
            Value::String(version) => version.parse().map_err(|_| None)?,
            version => version.as_u64().and_then(|version| u16::try_from(version).ok()).ok_or(None)?,
        };
        self.message(name, version).ok_or_else(|| {
            let versions: Vec<_> =
                self.of_type(name).map(|known| format!("v{}", known.entry.schemaversion)).collect();
            Some(if versions.is_empty() {
                Problem::new("/type", format!("the catalogue has no `{name}`{}", self.nearest(name)))
            } else {
                let what = format!("`{name}` has no v{version}; the catalogue has {}", versions.join(", "));
                Problem::new("/schemaversion", what)
            })
        })
    }

    fn nearest(&self, name: &str) -> String {
        let family = |name: &str| name.split('.').next().unwrap_or_default().to_owned();
        let mut names: Vec<&str> =
            self.messages().iter().map(|known| known.entry.message_type.as_str()).collect();
        names.dedup();
        if names.iter().any(|known| family(known) == family(name)) {
            names.retain(|known| family(known) == family(name));
        }
        format!(": it has {}", names.join(", "))
    }

    fn data_problems(&self, known: &Message, message: &Value, oddities: &[Oddity]) -> Vec<Problem> {
        let Some(data) = message.get("data") else { return Vec::new() };
        let shown = self.masked(&known.entry.message_type, data.clone());
        let mut problems = match validator(&known.schema) {
            Ok(validator) => problems_of(&validator, data, &shown, "/data"),
            Err(reason) => {
                vec![Problem::new("", format!("its schema {} cannot be used: {reason}", known.entry.schema))]
            }
        };
        let odd = judge::of_data(oddities).filter_map(|(pointer, kind)| {
            let what = judge::oddity(&known.schema, data, pointer, kind)?;
            Some(Problem::new(format!("/data{pointer}"), what))
        });
        let odd: Vec<Problem> = odd.collect();
        // What stands for something that a value cannot hold is not what was found.
        problems.retain(|problem| odd.iter().all(|odd| odd.pointer != problem.pointer));
        problems.extend(odd);
        // As it may be shown; what is masked is not compared.
        let subject = &shown[&known.entry.subject];
        let text = match subject {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        };
        if let (Some(named), Some(given)) = (text, message["subject"].as_str())
            && named != given
            && named != MASK
        {
            let field = &known.entry.subject;
            problems
                .push(Problem::new("/subject", format!("it is `{given}`, but data.{field} is `{named}`")));
        }
        problems
    }
}

/// Returns serde's error without its place, which is counted in the text that serde was given.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or_default().to_owned()
}

fn envelope_problems(message: &Value) -> Vec<Problem> {
    let text = json!({ "type": "string", "minLength": 1 });
    let schema = json!({
        "type": "object",
        "required": ["specversion", "id", "source", "type", "data"],
        "properties": {
            "specversion": { "const": "1.0" },
            "id": text, "source": text, "type": text, "subject": text,
            "time": { "type": "string", "format": "date-time" },
            "datacontenttype": { "type": "string", "pattern": "(?i)^[^;]*[/+]json\\s*(;.*)?$" },
            "dataschema": text, "correlationid": text, "causationid": text, "traceparent": text, "tracestate": text,
            "actor": text,
            "aggregatetype": text, "replayname": text,
            // A number comes back as a text from whatever keeps to the types of CloudEvents, or knows headers alone.
            "schemaversion": { "anyOf": [
                { "type": "integer", "format": "uint16", "minimum": 1, "maximum": 99 },
                { "type": "string", "pattern": "^[1-9][0-9]?$" },
            ] },
        },
    });
    let message = &without_unset(message);
    let mut problems = match validator(&schema) {
        Ok(validator) => problems_of(&validator, message, message, ""),
        Err(reason) => vec![Problem::new("", reason)],
    };
    for name in message.as_object().into_iter().flatten().map(|(name, _)| name) {
        if name == "data_base64" {
            problems.push(Problem::new("/data_base64", "binary data is not read: give JSON in `data`"));
        } else if !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()) {
            let what = "an attribute's name is lower-case letters and digits (CloudEvents 1.0, \"Naming Conventions\")";
            problems.push(Problem::new(format!("/{}", name.replace('~', "~0").replace('/', "~1")), what));
        }
    }
    problems
}

/// An attribute that is null is not set ("Type System" of CloudEvents 1.0, in its JSON format).
fn without_unset(message: &Value) -> Value {
    let mut message = message.clone();
    if let Value::Object(members) = &mut message {
        members.retain(|name, value| name == "data" || !value.is_null());
    }
    message
}

/// `shown` is the value as it may be shown; `place` is where it is in the message.
fn problems_of(validator: &Validator, value: &Value, shown: &Value, place: &str) -> Vec<Problem> {
    validator.iter_errors(value).flat_map(|error| explained(&error, shown, place)).collect()
}

/// Returns the problems that an error comes down to. Of alternatives, those are left out that were plainly not meant.
fn explained(error: &ValidationError<'_>, shown: &Value, place: &str) -> Vec<Problem> {
    if let ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } =
        error.kind()
    {
        let at = error.instance_path().as_str();
        let is_other_type = |error: &ValidationError<'_>| {
            matches!(error.kind(), ValidationErrorKind::Type { .. }) && error.instance_path().as_str() == at
        };
        let is_other_variant =
            |error: &ValidationError<'_>| matches!(error.kind(), ValidationErrorKind::Constant { .. });
        let mut meant: Vec<_> = context.iter().filter(|errors| !errors.iter().any(is_other_type)).collect();
        if let [first, ..] = meant.as_slice()
            && meant.iter().all(|errors| errors.iter().any(is_other_variant))
            && let Some(tag) = first.iter().find(|error| is_other_variant(error))
        {
            let constants =
                meant.iter().flat_map(|errors| errors.iter()).filter_map(|error| match error.kind() {
                    ValidationErrorKind::Constant { expected_value } => Some(expected_value.to_string()),
                    _ => None,
                });
            let constants: Vec<_> = constants.collect();
            let pointer = tag.instance_path().as_str();
            let found = shown.pointer(pointer).map_or_else(|| MASK.to_owned(), Value::to_string);
            let what = format!("{found} is none of {}", constants.join(", "));
            return vec![Problem::new(format!("{place}{pointer}"), what)];
        }
        meant.retain(|errors| !errors.iter().any(is_other_variant));
        if let [errors] = meant.as_slice() {
            return errors.iter().flat_map(|error| explained(error, shown, place)).collect();
        }
    }
    let pointer = error.instance_path().as_str();
    let found = shown.pointer(pointer).map_or_else(|| MASK.to_owned(), brief);
    if let ValidationErrorKind::Custom { message, .. } = error.kind() {
        return vec![Problem::new(format!("{place}{pointer}"), format!("{found} {message}"))];
    }
    vec![Problem::new(format!("{place}{pointer}"), error.masked_with(found).to_string())]
}

/// A value, unless it is long.
fn brief(value: &Value) -> String {
    match value {
        Value::Object(_) => "this object".to_owned(),
        Value::Array(_) => "this list".to_owned(),
        value => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::Project;

    fn catalogue() -> Catalogue {
        Catalogue::of(&Project::find().unwrap()).unwrap()
    }

    fn order() -> Value {
        serde_json::from_str(include_str!("../../../../../events/order.place.v1.delivery.json")).unwrap()
    }

    fn problems(change: impl FnOnce(&mut Value)) -> Vec<String> {
        let mut message = order();
        change(&mut message);
        match catalogue().check_text(&message.to_string()) {
            Ok(_) => Vec::new(),
            Err(problems) => problems.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn a_message_that_is_right_is_known() {
        let catalogue = catalogue();
        assert_eq!(catalogue.check_text(&order().to_string()).unwrap().entry.message_type, "order.place");
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once_with_its_field() {
        let found = problems(|message| {
            message["time"] = json!("yesterday");
            message["data"]["lines"][1]["quantity"] = json!("two");
            message["data"].as_object_mut().unwrap().remove("currency");
            message["subject"] = json!("o-7");
        });
        assert_eq!(
            found,
            [
                "time: \"yesterday\" is not a \"date-time\"",
                "data: \"currency\" is a required property",
                "data.lines.1.quantity: \"two\" is not of type \"integer\"",
                "subject: it is `o-7`, but data.order_id is `o-1011`",
            ]
        );
    }

    #[test]
    fn what_is_wrong_in_an_optional_field_is_told_of_what_is_in_it_and_not_shown() {
        let found = problems(|message| {
            message["data"]["delivery"] = json!({ "card": 4111, "address": "12 Analytical Row" });
        });
        assert_eq!(found, ["data.delivery.card: \"***\" is not of type \"string\""]);
    }

    #[test]
    fn an_unknown_type_or_version_names_those_there_are() {
        let found = problems(|message| message["type"] = json!("order.plase"));
        assert!(
            found[0].starts_with("type: the catalogue has no `order.plase`: it has order.cancelled"),
            "{found:?}"
        );
        let found = problems(|message| message["schemaversion"] = json!(9));
        assert_eq!(found, ["schemaversion: `order.place` has no v9; the catalogue has v1"]);
    }

    #[test]
    fn a_variant_that_does_not_exist_names_those_that_do() {
        let cancelled = include_str!("../../../../../events/order.cancelled.v1.json");
        let mut message: Value = serde_json::from_str(cancelled).unwrap();
        message["data"]["reason"] = json!({ "kind": "bored" });
        let found = catalogue().check_text(&message.to_string()).unwrap_err();
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].field(), "data.reason.kind");
        assert!(found[0].what.starts_with("\"bored\" is none of \"out_of_stock\", \"unpaid\""), "{found:?}");
    }

    #[test]
    fn what_is_no_envelope_says_what_is_missing() {
        let found = catalogue().check_text("[]").unwrap_err();
        assert_eq!(found[0].what, "this list is not of type \"object\"");
        let found = problems(|message| message["Trace-Id"] = json!("1"));
        assert!(found[0].starts_with("Trace-Id: an attribute's name"), "{found:?}");
    }
}
