//! A message in a file: what it says, where in the file it says it, and small changes to it.

use crate::catalogue::Problem;
use jsonc_parser::{ast, common::Ranged as _};
use serde_json::{Map, Value};
use std::{fs, io, path::Path, str::FromStr};
use throughline_aws::replays::RESENT;
use throughline_core::Timestamp;

/// A message, as a file has it or as it was changed.
#[derive(Debug, Clone)]
pub struct Sample {
    /// The file.
    pub path: String,
    text: String,
    /// What it says; nothing if it is no JSON.
    pub message: Result<Value, Located>,
    is_changed: bool,
}

/// Something wrong, and where in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
    /// What is wrong.
    pub what: String,
}

/// A small change to a message: `data.order_id=o-7`.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    names: Vec<String>,
    value: Value,
}

impl FromStr for Change {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (field, value) = text.split_once('=').ok_or_else(|| {
            format!("`{text}` has no `=`: say the field and its value, such as data.order_id=o-7")
        })?;
        let names: Vec<String> = field.split('.').map(str::to_owned).collect();
        if names.iter().any(String::is_empty) {
            return Err(format!("`{field}` is no field: say it as data.lines.0.quantity"));
        }
        // What is no JSON is text; text that looks like JSON can be quoted.
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
        Ok(Self { names, value })
    }
}

impl Sample {
    /// Reads a file.
    ///
    /// # Errors
    /// If there is no such file, or it is no text.
    pub fn read(path: &Path) -> io::Result<Self> {
        Ok(Self::of(path.display().to_string(), fs::read_to_string(path)?))
    }

    fn of(path: String, text: String) -> Self {
        let message = serde_json::from_str(&text).map_err(|error: serde_json::Error| {
            let what = error.to_string();
            let what = what.split(" at line ").next().unwrap_or_default();
            Located {
                line: error.line().max(1),
                column: error.column().max(1),
                what: format!("no JSON: {what}"),
            }
        });
        Self { path, text, message, is_changed: false }
    }

    /// What is sent: the file as it is, unless it was changed.
    pub fn body(&self) -> String {
        match &self.message {
            Ok(message) if self.is_changed => message.to_string(),
            _ => self.text.clone(),
        }
    }

    /// Makes a change. The subject follows the field of the data that it names, if they were the same.
    ///
    /// # Errors
    /// A sentence, if the message has no such place.
    pub fn change(&mut self, change: &Change, subject_field: Option<&str>) -> Result<(), String> {
        let Ok(message) = &mut self.message else { return Ok(()) };
        let is_subject = subject_field.is_some_and(|field| change.names == ["data", field]);
        let before = subject_field.map(|field| message["data"][field].clone());
        let follows =
            is_subject && before.as_ref().is_some_and(|before| message.get("subject") == Some(before));
        let place = place(message, &change.names)
            .ok_or_else(|| format!("{} has no place `{}`", self.path, change.names.join(".")))?;
        *place = change.value.clone();
        if follows {
            message["subject"] = change.value.clone();
        }
        self.is_changed = true;
        Ok(())
    }

    /// Gives it an identity of its own: a fresh id, the present time, and a line that it begins.
    pub fn renew(&mut self, id: &str, now: Timestamp) {
        let Ok(Value::Object(message)) = &mut self.message else { return };
        for (name, value) in
            [("id", id.to_owned()), ("correlationid", id.to_owned()), ("time", now.to_string())]
        {
            message.insert(name.to_owned(), Value::String(value));
        }
        // Of the line that it was copied from.
        for name in ["causationid", "traceparent", "tracestate", "replayname", RESENT] {
            message.remove(name);
        }
        self.is_changed = true;
    }

    /// Where in the file a problem is: at the value, or at what should hold it.
    pub fn locate(&self, problem: &Problem) -> Located {
        let options = (jsonc_parser::CollectOptions::default(), jsonc_parser::ParseOptions::default());
        let parsed = jsonc_parser::parse_to_ast(&self.text, &options.0, &options.1);
        let root = parsed.ok().and_then(|parsed| parsed.value);
        let offset = root.as_ref().map_or(0, |root| offset_of(root, &problem.pointer));
        let before = self.text.get(..offset).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        Located {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            what: problem.to_string(),
        }
    }
}

/// The place of a field, made if only its last name is missing.
fn place<'a>(message: &'a mut Value, names: &[String]) -> Option<&'a mut Value> {
    let (last, before) = names.split_last()?;
    let mut at = message;
    for name in before {
        at = match at {
            Value::Object(fields) => fields.entry(name.clone()).or_insert_with(|| Value::Object(Map::new())),
            Value::Array(items) => items.get_mut(name.parse::<usize>().ok()?)?,
            _ => return None,
        };
    }
    match at {
        Value::Object(fields) => Some(fields.entry(last.clone()).or_insert(Value::Null)),
        Value::Array(items) => items.get_mut(last.parse::<usize>().ok()?),
        _ => None,
    }
}

/// Where the value at a pointer begins, or the innermost one around it that is there.
fn offset_of(root: &ast::Value<'_>, pointer: &str) -> usize {
    let mut at = root;
    for name in pointer.split('/').skip(1) {
        let name = name.replace("~1", "/").replace("~0", "~");
        let inner = match at {
            ast::Value::Object(object) => object
                .properties
                .iter()
                .find(|property| property.name.as_str() == name)
                .map(|property| &property.value),
            ast::Value::Array(array) => name.parse().ok().and_then(|index: usize| array.elements.get(index)),
            _ => None,
        };
        let Some(inner) = inner else { break };
        at = inner;
    }
    at.start()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "{\n  \"subject\": \"o-1\",\n  \"data\": {\n    \"order_id\": \"o-1\",\n    \"lines\": [\n      { \"née\": 1, \"quantity\": \"two\" }\n    ]\n  }\n}\n";

    fn sample() -> Sample {
        Sample::of("a.json".into(), TEXT.into())
    }

    fn changed(text: &str) -> Value {
        let mut sample = sample();
        sample.change(&text.parse().unwrap(), Some("order_id")).unwrap();
        serde_json::from_str(&sample.body()).unwrap()
    }

    #[test]
    fn a_problem_is_found_where_it_stands_in_the_file() {
        let at = |pointer: &str| {
            let problem = Problem { pointer: pointer.into(), what: String::new() };
            let Located { line, column, .. } = sample().locate(&problem);
            (line, column)
        };
        assert_eq!(at("/data/lines/0/quantity"), (6, 31));
        assert_eq!(at("/subject"), (2, 14));
        assert_eq!(at("/data/customer"), (3, 11), "where it should be");
        assert_eq!(at(""), (1, 1));
    }

    #[test]
    fn what_is_no_json_says_where() {
        let sample = Sample::of("a.json".into(), "{\n  \"id\": \"1\",\n}".into());
        let Located { line, column, what } = sample.message.unwrap_err();
        assert_eq!((line, column), (3, 1));
        assert_eq!(what, "no JSON: trailing comma");
    }

    #[test]
    fn what_is_not_changed_is_sent_as_it_is() {
        assert_eq!(sample().body(), TEXT);
        assert_eq!(Sample::of("a".into(), "no json".into()).body(), "no json");
    }

    #[test]
    fn a_change_reads_its_value_as_json_or_else_as_text() {
        assert_eq!(changed("data.lines.0.quantity=2")["data"]["lines"][0]["quantity"], 2);
        assert_eq!(changed("data.note=by hand")["data"]["note"], "by hand");
        assert_eq!(changed("data.note=\"7\"")["data"]["note"], "7");
        assert_eq!(changed("data.delivery.card=c-1")["data"]["delivery"]["card"], "c-1");
    }

    #[test]
    fn the_subject_follows_the_field_it_is_the_same_as() {
        let message = changed("data.order_id=o-7");
        assert_eq!((&message["subject"], &message["data"]["order_id"]), (&"o-7".into(), &"o-7".into()));
    }

    #[test]
    fn a_change_that_has_no_place_or_no_value_is_refused() {
        let mut sample = sample();
        assert!(
            sample
                .change(&"data.lines.7.quantity=1".parse().unwrap(), None)
                .unwrap_err()
                .contains("no place")
        );
        assert!("data.order_id".parse::<Change>().unwrap_err().contains("no `=`"));
        assert!("data..id=1".parse::<Change>().unwrap_err().contains("no field"));
    }

    #[test]
    fn a_renewed_message_begins_a_line_of_its_own() {
        let text = r#"{"id":"1","correlationid":"c","causationid":"b","resent":true,"data":1}"#;
        let mut sample = Sample::of("a".into(), text.into());
        sample.renew("fresh", "2026-01-01T00:00:00Z".parse().unwrap());
        let message: Value = serde_json::from_str(&sample.body()).unwrap();
        assert_eq!((&message["id"], &message["correlationid"]), (&"fresh".into(), &"fresh".into()));
        assert_eq!(message["time"], "2026-01-01T00:00:00Z");
        assert!(message.get("causationid").is_none() && message.get(RESENT).is_none());
    }
}
