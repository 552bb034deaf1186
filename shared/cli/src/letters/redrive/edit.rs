//! Edits of letters before they are redriven.

mod patch;

use crate::project::{catalogue::Catalogue, sample::json_of};
use patch::Patch;
use serde::{Deserialize, Serialize};
use std::{fs, path::Path};
use throughline_core::EncodedEnvelope;
use throughline_operations::{
    Wrapping, event_in,
    json_text::{JsonText, Step, quoted, readable},
};

/// The extension attribute that records the edit: its author, its time and its fields.
const NOTE: &str = "redrivenote";

/// The changes to each letter's event. All values are kept as the JSON that they were given as.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Edits {
    /// A JSON Patch (RFC 6902) whose paths begin at the event.
    patch_json: Option<String>,
    /// Paths such as `data.lines.0.quantity`, each with the JSON value for that place.
    set_json: Vec<(String, String)>,
}

/// The reason that a letter cannot be edited.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EditError {
    /// The patch cannot be read.
    #[error("the patch at {path} cannot be read: {reason}")]
    Patch {
        /// The path of the patch's file.
        path: String,
        /// The parse error.
        reason: String,
    },
    /// The text is not of the form `path=value`.
    #[error("`{0}` is no edit such as data.lines.0.quantity=2")]
    NoEdit(String),
    /// The letter contains no CloudEvent.
    #[error("there is no CloudEvent in it, so there is nothing to edit")]
    NoEvent,
    /// The edit refers to a place that the event does not have.
    #[error("the edit does not fit: {0}")]
    DoesNotFit(String),
    /// The edited event is not a valid message.
    #[error("the edited event is not valid: {0}")]
    Invalid(String),
}

impl Edits {
    /// Reads a patch's file and `path=value` pairs into edits.
    ///
    /// # Errors
    /// [`EditError::Patch`] and [`EditError::NoEdit`].
    pub(crate) fn read(patch: Option<&Path>, set: &[String]) -> Result<Self, EditError> {
        let patch_json = patch.map(read_patch).transpose()?;
        let set_json = set.iter().map(|text| pair(text)).collect::<Result<_, _>>()?;
        Ok(Self { patch_json, set_json })
    }

    /// Returns whether there are no edits.
    pub(crate) fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Returns a short description of the edits, without their values.
    pub(crate) fn summary(&self) -> String {
        let patch = self.patch_json.as_deref().and_then(|text| Patch::read(text).ok());
        let patched = patch.iter().flat_map(Patch::summary);
        let set = self.set_json.iter().map(|(path, _)| format!("set {path}"));
        patched.chain(set).collect::<Vec<_>>().join(", ")
    }

    /// Returns a body in which only its event is edited. The event's extension `redrivenote` records the edit.
    ///
    /// # Errors
    /// [`EditError`]: the body has no event, the edit does not fit, or the result is not a valid event by the
    /// catalogue.
    pub(crate) fn apply(
        &self,
        body: &str,
        note: &str,
        catalogue: Option<&Catalogue>,
    ) -> Result<String, EditError> {
        let (message, _) = readable(body).map_err(|_| EditError::NoEvent)?;
        let (around, _) = event_in(&message).ok_or(EditError::NoEvent)?;
        let place: Vec<Step> = around.into_iter().flat_map(Wrapping::steps).collect();
        let mut text = JsonText::new(body).map_err(|_| EditError::NoEvent)?;
        if let Some(patch) = &self.patch_json {
            Patch::read(patch).map_err(EditError::DoesNotFit)?.apply(&mut text, &place)?;
        }
        let within = |path: &str| -> Vec<Step> {
            place.iter().cloned().chain(path.split('.').map(Step::name)).collect()
        };
        for (path, value) in &self.set_json {
            text.set(&within(path), value).map_err(|no_place| {
                let missing = no_place.missing;
                EditError::DoesNotFit(format!("there is no `{missing}` on the way to `{path}`"))
            })?;
        }
        text.set(&within(NOTE), &quoted(note)).map_err(|_| EditError::NoEvent)?;
        let event = text.get(&place).ok_or(EditError::NoEvent)?;
        serde_json::from_str::<EncodedEnvelope>(&event)
            .map_err(|error| EditError::Invalid(error.to_string()))?;
        if let Some(Err(problems)) = catalogue.map(|catalogue| catalogue.check_text(&event)) {
            let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
            return Err(EditError::Invalid(problems.join("; ")));
        }
        Ok(text.into_string())
    }
}

fn read_patch(path: &Path) -> Result<String, EditError> {
    let wrong = |reason: String| EditError::Patch { path: path.display().to_string(), reason };
    let text = fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    Patch::read(&text).map_err(wrong)?;
    Ok(text)
}

/// Splits a `path=value` pair. A value that is not JSON becomes a JSON string.
fn pair(text: &str) -> Result<(String, String), EditError> {
    let (path, value) = text.split_once('=').ok_or_else(|| EditError::NoEdit(text.to_owned()))?;
    if path.is_empty() || path.split('.').any(str::is_empty) {
        return Err(EditError::NoEdit(text.to_owned()));
    }
    Ok((path.to_owned(), json_of(value)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn event() -> Value {
        json!({
            "specversion": "1.0", "id": "e-1", "source": "shop.web", "type": "order.place",
            "data": { "lines": [{ "quantity": -1 }], "customer": "Ada" },
        })
    }

    fn edits(set: &[&str]) -> Edits {
        let set: Vec<String> = set.iter().map(|text| (*text).to_owned()).collect();
        Edits::read(None, &set).unwrap()
    }

    #[test]
    fn a_value_is_set_wherever_the_event_is_and_the_event_says_so() {
        let wrapped = json!({ "detail-type": "order.place", "id": "of-the-bus", "detail": event() });
        for (body, place) in [(event(), ""), (wrapped, "/detail")] {
            let edits = edits(&["data.lines.0.quantity=2", "data.note=a text"]);
            let body = edits.apply(&body.to_string(), "by ada", None).unwrap();
            let body: Value = serde_json::from_str(&body).unwrap();
            let event = body.pointer(place).unwrap();
            assert_eq!(event["data"]["lines"][0]["quantity"], 2);
            assert_eq!((&event["data"]["note"], &event[NOTE]), (&json!("a text"), &json!("by ada")));
            assert_eq!(event["id"], "e-1");
        }
    }

    fn patched(event: &str, patch: &Value) -> Result<String, EditError> {
        let edits = Edits { patch_json: Some(patch.to_string()), set_json: Vec::new() };
        edits.apply(event, "", None)
    }

    #[test]
    fn a_patch_is_applied_to_the_event() {
        let patch = json!([
            { "op": "test", "path": "/data/lines/0/quantity", "value": -1.0 },
            { "op": "replace", "path": "/data/lines/0/quantity", "value": 3 },
            { "op": "add", "path": "/data/lines/-", "value": { "quantity": 4 } },
            { "op": "add", "path": "/data/lines/0", "value": { "quantity": 2 } },
            { "op": "copy", "from": "/data/customer", "path": "/data/payer" },
            { "op": "move", "from": "/data/customer", "path": "/data/owner" },
            { "op": "remove", "path": "/data/lines/2" },
        ]);
        let edited: Value = serde_json::from_str(&patched(&event().to_string(), &patch).unwrap()).unwrap();
        assert_eq!(
            edited["data"],
            json!({ "lines": [{ "quantity": 2 }, { "quantity": 3 }], "owner": "Ada", "payer": "Ada" })
        );
        let edits = Edits { patch_json: Some(patch.to_string()), set_json: Vec::new() };
        assert!(
            edits.summary().starts_with("test /data/lines/0/quantity, replace /data/lines/0/quantity, add")
        );
    }

    #[test]
    fn a_patch_that_does_not_fit_says_which_operation_and_where() {
        let refused = [
            (
                json!({ "op": "replace", "path": "/data/nothing", "value": 3 }),
                "replace /data/nothing: there is nothing",
            ),
            (json!({ "op": "remove", "path": "/data/lines/1" }), "remove /data/lines/1: there is no `1`"),
            (
                json!({ "op": "add", "path": "/data/lines/7", "value": 3 }),
                "add /data/lines/7: there is no `7`",
            ),
            (
                json!({ "op": "test", "path": "/data/customer", "value": "Bob" }),
                "test /data/customer: it is another",
            ),
            (json!({ "op": "move", "from": "/data", "path": "/data/x" }), "cannot be moved into itself"),
            (json!({ "op": "copy", "from": "/data/x", "path": "/data/y" }), "there is nothing at `/data/x`"),
        ];
        for (operation, why) in refused {
            let error = patched(&event().to_string(), &json!([operation])).unwrap_err().to_string();
            assert!(error.contains(why) && !error.contains("Ada"), "{error}");
        }
        for (no_patch, why) in [
            (json!({}), "list of operations"),
            (json!([{ "op": "add", "path": "/data/x" }]), "no `value`"),
            (json!([{ "op": "move", "path": "/data/x" }]), "no `from`"),
            (json!([{ "op": "remove", "path": "data.x" }]), "no JSON pointer"),
        ] {
            let error = Patch::read(&no_patch.to_string()).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }

    /// Returns three bodies with the same event: bare, in an event of the bus and in an SNS notification.
    fn bodies(event: &str) -> [String; 3] {
        let text = quoted(event);
        [
            event.to_owned(),
            format!(r#"{{"version":"0", "detail-type":"t","detail":{event},"resources":[],"x":1.0}}"#),
            format!(
                r#"{{"Type":"Notification","MessageId":"m","TopicArn":"a","Message":{text} ,"Timestamp":"t"}}"#
            ),
        ]
    }

    #[test]
    fn nothing_in_the_body_changes_but_what_is_edited() {
        let event = |quantity: &str, note: &str| {
            let data = r#""big":18446744073709551617,"float" : 1.0,"huge":1e400,"half":"\ud800","u":"\u00e9\/","twice":1,"twice":2"#;
            format!(
                "{{ \"specversion\":\"1.0\",\"id\":\"e-1\",\"source\":\"s\",\"type\":\"t\",\
                 \"data\":{{ {data}, \"quantity\":{quantity}}}{note} }}\n"
            )
        };
        let note = ",\"redrivenote\":\"n\"";
        let patch = r#"[{"op":"replace","path":"/data/quantity","value":1.0e0}]"#;
        let patch = Edits { patch_json: Some(patch.into()), set_json: Vec::new() };
        let set = edits(&["data.quantity=18446744073709551618"]);
        for (edits, quantity) in [(patch, "1.0e0"), (set, "18446744073709551618")] {
            let expected = bodies(&event(quantity, note));
            for (body, expected) in bodies(&event("-1", "")).iter().zip(expected) {
                assert_eq!(edits.apply(body, "n", None).unwrap(), expected);
            }
        }
    }

    #[test]
    fn whoever_goes_on_puts_the_same_values_into_letters() {
        let edits = edits(&["data.big=18446744073709551617", "data.huge=1e400", "data.text=a text"]);
        let kept = serde_json::to_value(&edits).unwrap();
        assert_eq!(serde_json::from_value::<Edits>(kept).unwrap(), edits);
        let of_before = json!({ "patch": null, "set": [["data.x", 1]] });
        assert!(serde_json::from_value::<Edits>(of_before).is_err(), "never half of what was asked for");
    }

    #[test]
    fn what_does_not_fit_or_comes_out_wrong_is_refused() {
        let apply = |set: &str| edits(&[set]).apply(&event().to_string(), "", None).unwrap_err().to_string();
        assert!(apply("data.lines.7.quantity=2").contains("no `7`"));
        assert!(apply("data.nothing.here=2").contains("no `nothing`"));
        assert!(apply("id=").contains("not valid"), "an empty id");
        assert!(matches!(edits(&["data.x=1"]).apply("no json", "", None), Err(EditError::NoEvent)));
        let catalogue = Catalogue::default();
        let unknown = edits(&["data.x=1"]).apply(&event().to_string(), "", Some(&catalogue)).unwrap_err();
        assert!(unknown.to_string().contains("order.place"), "{unknown}");
        for text in ["data.x", "=1", "data..x=1"] {
            assert!(Edits::read(None, &[text.to_owned()]).is_err(), "{text}");
        }
    }
}
