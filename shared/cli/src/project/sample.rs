//! A message in a file: what it says, where in the file it says it, and small changes to it.

use super::catalogue::{Catalogue, Problem};
use serde_json::{Value, value::RawValue};
use std::{fmt, fs, io, path::Path, str::FromStr};
use throughline_core::{Timestamp, catalogue::MessageKind};
use throughline_operations::{
    json_text::{JsonText, NoPlace, Step, quoted, readable},
    replays::RESENT,
};

/// A message, as a file has it or as it was changed.
#[derive(Debug, Clone)]
pub struct Sample {
    /// The file.
    pub path: String,
    /// As the file has it.
    text: String,
    /// The message, or the problem if the file is not JSON.
    pub message: Result<Value, Located>,
    /// With its changes; nothing if there are none.
    changed: Option<JsonText>,
}

/// Something wrong, and where in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
    /// The problem.
    pub what: String,
}

/// A small change to a message: `data.order_id=o-7`.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    names: Vec<String>,
    /// The JSON of the value, as it was given.
    value: String,
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
        Ok(Self { names, value: json_of(value) })
    }
}

/// The JSON that somebody gave, or the text that it is if it is no JSON.
pub(crate) fn json_of(given: &str) -> String {
    match serde_json::from_str::<&RawValue>(given) {
        Ok(json) => json.get().to_owned(),
        Err(_) => quoted(given),
    }
}

/// Reads the message from a text.
fn message(text: &str) -> Result<Value, Located> {
    readable(text).map(|(message, _)| message).map_err(|error| {
        let what = error.to_string();
        let what = what.split(" at line ").next().unwrap_or_default();
        let what = format!("no JSON: {what}");
        Located { line: error.line().max(1), column: error.column().max(1), what }
    })
}

fn steps<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<Step> {
    names.into_iter().map(|name| Step::Name(name.to_owned())).collect()
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
        let message = message(&text);
        Self { path, text, message, changed: None }
    }

    /// Returns the body to send: the file as it is, but for its changes.
    pub fn body(&self) -> &str {
        self.changed.as_ref().map_or(&self.text, JsonText::as_str)
    }

    /// Makes a change. The subject follows the field of the data that it names, if they were the same. Nothing else in
    /// the text changes.
    ///
    /// # Errors
    /// A sentence, if the message has no such place.
    pub fn change(&mut self, change: &Change, subject_field: Option<&str>) -> Result<(), String> {
        let Ok(message) = &self.message else { return Ok(()) };
        let is_subject = subject_field.is_some_and(|field| change.names == ["data", field]);
        let follows = is_subject
            && subject_field.is_some_and(|field| message.get("subject") == Some(&message["data"][field]));
        let path = steps(change.names.iter().map(String::as_str));
        self.edit(|text| {
            text.set_within(&path, &change.value)?;
            if follows { text.set(&steps(["subject"]), &change.value) } else { Ok(()) }
        })
        .map_err(|no_place: NoPlace| {
            let names = change.names.join(".");
            format!("{} has no place `{names}`: {no_place}", self.path)
        })
    }

    /// Gives it an identity of its own: a fresh id, the present time, and a line that it begins.
    pub fn renew(&mut self, id: &str, now: Timestamp) {
        if !self.message.as_ref().is_ok_and(Value::is_object) {
            return;
        }
        let renewed = self.edit(|text| {
            for (name, value) in [("id", id), ("correlationid", id), ("time", &now.to_string())] {
                text.set(&steps([name]), &quoted(value))?;
            }
            // Of the line that it was copied from.
            for name in ["causationid", "traceparent", "tracestate", "replayname", RESENT] {
                _ = text.remove(&steps([name])); // it may not be there
            }
            Ok(())
        });
        debug_assert!(renewed.is_ok(), "an object has a place for every member");
    }

    fn edit(&mut self, edit: impl FnOnce(&mut JsonText) -> Result<(), NoPlace>) -> Result<(), NoPlace> {
        let before = self.changed.take().or_else(|| JsonText::new(self.text.clone()).ok());
        let Some(mut text) = before.clone() else { return Ok(()) };
        match edit(&mut text) {
            Ok(()) => {
                self.message = message(text.as_str());
                self.changed = Some(text);
                Ok(())
            }
            Err(no_place) => {
                self.changed = before;
                Err(no_place)
            }
        }
    }

    /// Returns the place of a problem in the file: at the value, or at the object that should hold it.
    pub fn locate(&self, problem: &Problem) -> Located {
        let offset = JsonText::offset_of(&self.text, &problem.pointer);
        let before = self.text.get(..offset).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        Located {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            what: problem.to_string(),
        }
    }
}

/// Something wrong in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// The file.
    pub path: String,
    /// The problem and its place.
    pub at: Located,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.path, self.at.line, self.at.column, self.at.what)
    }
}

/// Returns the problems of a message, with their places.
pub(crate) fn problems(sample: &Sample, catalogue: &Catalogue, queue: Option<&str>) -> Vec<Located> {
    if let Err(no_json) = &sample.message {
        return vec![no_json.clone()];
    }
    let known = match catalogue.check_text(sample.body()) {
        Ok(known) => known,
        Err(problems) => return problems.iter().map(|problem| sample.locate(problem)).collect(),
    };
    let about_queue = queue.and_then(|queue| misdirected(&known.entry.kind, queue));
    about_queue.map(|what| Located { line: 1, column: 1, what }).into_iter().collect()
}

/// Why a message does not belong into a queue.
fn misdirected(kind: &MessageKind, queue: &str) -> Option<String> {
    match kind {
        MessageKind::Command { queue: takes } if takes != queue => {
            Some(format!("it is a command that the queue `{takes}` takes, not `{queue}`: leave --queue out"))
        }
        // An event may be sent again to one receiver.
        _ => None,
    }
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
        serde_json::from_str(sample.body()).unwrap()
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
    fn nothing_changes_but_what_is_asked_for() {
        let text = "{ \"id\":\"1\",\"big\" : 18446744073709551617,\n\"data\":{\"n\":1.0,\"much\":1e400,\"half\":\"\\ud800\",\"e\":\"\\u00e9\",\"n2\":1}, \"time\":\"2025-01-01T00:00:00Z\"}\n";
        let mut sample = Sample::of("a".into(), text.into());
        sample.change(&"data.n2=18446744073709551618".parse().unwrap(), None).unwrap();
        sample.change(&"data.n=2e0".parse().unwrap(), None).unwrap();
        let expected = text.replace("\"n2\":1}", "\"n2\":18446744073709551618}").replace("1.0", "2e0");
        assert_eq!(sample.body(), expected);
        sample.renew("fresh", "2026-01-01T00:00:00Z".parse().unwrap());
        let expected = expected
            .replace("\"1\"", "\"fresh\"")
            .replace("2025", "2026")
            .replace("}\n", ", \"correlationid\":\"fresh\"}\n");
        assert_eq!(sample.body(), expected);
    }

    #[test]
    fn a_renewed_message_begins_a_line_of_its_own() {
        let text = r#"{"id":"1","correlationid":"c","causationid":"b","resent":true,"data":1}"#;
        let mut sample = Sample::of("a".into(), text.into());
        sample.renew("fresh", "2026-01-01T00:00:00Z".parse().unwrap());
        let message: Value = serde_json::from_str(sample.body()).unwrap();
        assert_eq!((&message["id"], &message["correlationid"]), (&"fresh".into(), &"fresh".into()));
        assert_eq!(message["time"], "2026-01-01T00:00:00Z");
        assert!(message.get("causationid").is_none() && message.get(RESENT).is_none());
    }
}
