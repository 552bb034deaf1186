//! Edits of letters before they are redriven.

use crate::catalogue::Catalogue;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{fs, path::Path};
use throughline_aws::operate::event_in;
use throughline_core::envelope::EncodedEnvelope;

/// The envelope's extension that says what was changed, by whom and when.
const NOTE: &str = "redrivenote";

/// What is changed in each letter's event.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Edits {
    /// A patch of RFC 6902; its paths begin at the event.
    patch: Option<Value>,
    /// Paths such as `data.lines.0.quantity`, and what is put there.
    set: Vec<(String, Value)>,
}

/// Why a letter cannot be edited.
#[derive(Debug, thiserror::Error)]
pub(super) enum EditError {
    /// The patch cannot be read.
    #[error("the patch at {path} cannot be read: {reason}")]
    Patch {
        /// Where it is.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// This is no edit.
    #[error("`{0}` is no edit such as data.lines.0.quantity=2")]
    NoEdit(String),
    /// There is no event in the letter.
    #[error("there is no CloudEvent in it, so there is nothing to edit")]
    NoEvent,
    /// The edit does not fit the event.
    #[error("the edit does not fit: {0}")]
    DoesNotFit(String),
    /// What came out is no valid message.
    #[error("the edited event is not valid: {0}")]
    Invalid(String),
}

impl Edits {
    /// Reads a patch's file and `path=value` pairs.
    ///
    /// # Errors
    /// [`EditError::Patch`] and [`EditError::NoEdit`].
    pub(super) fn read(patch: Option<&Path>, set: &[String]) -> Result<Self, EditError> {
        let patch = patch.map(read_patch).transpose()?;
        let set = set.iter().map(|text| pair(text)).collect::<Result<_, _>>()?;
        Ok(Self { patch, set })
    }

    /// Whether nothing is changed.
    pub(super) fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// What is changed, in short.
    pub(super) fn summary(&self) -> String {
        let operations = self.patch.iter().flat_map(|patch| patch.as_array().into_iter().flatten());
        let patched = operations.map(|operation| {
            let text = |name: &str| operation[name].as_str().unwrap_or_default().to_owned();
            format!("{} {}", text("op"), text("path"))
        });
        let set = self.set.iter().map(|(path, _)| format!("set {path}"));
        patched.chain(set).collect::<Vec<_>>().join(", ")
    }

    /// A body with its event edited; the event says so in its extension `redrivenote`.
    ///
    /// # Errors
    /// [`EditError`]: it has no event, the edit does not fit, or what comes out is no event, or not what the
    /// catalogue says.
    pub(super) fn apply(
        &self,
        body: &str,
        note: &str,
        catalogue: Option<&Catalogue>,
    ) -> Result<String, EditError> {
        let mut body: Value = serde_json::from_str(body).map_err(|_| EditError::NoEvent)?;
        let (place, _) = event_in(&body).ok_or(EditError::NoEvent)?;
        let event = body.pointer_mut(place).ok_or(EditError::NoEvent)?;
        if let Some(patch) = &self.patch {
            let wrong = |reason: String| EditError::DoesNotFit(reason);
            let patch: json_patch::Patch =
                serde_json::from_value(patch.clone()).map_err(|error| wrong(error.to_string()))?;
            json_patch::patch(event, &patch).map_err(|error| wrong(error.to_string()))?;
        }
        for (path, value) in &self.set {
            *member(event, path)? = value.clone();
        }
        event[NOTE] = note.into();
        let event = event.clone();
        serde_json::from_value::<EncodedEnvelope>(event.clone())
            .map_err(|error| EditError::Invalid(error.to_string()))?;
        if let Some(Err(problems)) = catalogue.map(|catalogue| catalogue.check(&event)) {
            let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
            return Err(EditError::Invalid(problems.join("; ")));
        }
        Ok(body.to_string())
    }
}

fn read_patch(path: &Path) -> Result<Value, EditError> {
    let wrong = |reason: String| EditError::Patch { path: path.display().to_string(), reason };
    let text = fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let patch: Value = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    let read: Result<json_patch::Patch, _> = serde_json::from_value(patch.clone());
    read.map_err(|error| wrong(format!("{error}; it is a list of operations as in RFC 6902")))?;
    Ok(patch)
}

/// What is no JSON is a text.
fn pair(text: &str) -> Result<(String, Value), EditError> {
    let (path, value) = text.split_once('=').ok_or_else(|| EditError::NoEdit(text.to_owned()))?;
    if path.is_empty() || path.split('.').any(str::is_empty) {
        return Err(EditError::NoEdit(text.to_owned()));
    }
    Ok((path.to_owned(), serde_json::from_str(value).unwrap_or_else(|_| value.into())))
}

/// The member at a path. The last step may be new; all before it must be there.
fn member<'a>(event: &'a mut Value, path: &str) -> Result<&'a mut Value, EditError> {
    let steps: Vec<&str> = path.split('.').collect();
    let missing = |step: &str| EditError::DoesNotFit(format!("there is no `{step}` on the way to `{path}`"));
    let mut place = event;
    for (at, step) in steps.iter().enumerate() {
        let is_last = at + 1 == steps.len();
        place = match place {
            Value::Object(members) if is_last || members.contains_key(*step) => {
                members.entry(*step).or_insert(Value::Null)
            }
            Value::Array(values) => {
                step.parse().ok().and_then(|at: usize| values.get_mut(at)).ok_or_else(|| missing(step))?
            }
            _ => return Err(missing(step)),
        };
    }
    Ok(place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

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

    #[test]
    fn a_patch_is_applied_to_the_event() {
        let patch = json!([{ "op": "replace", "path": "/data/lines/0/quantity", "value": 3 }]);
        let edits = Edits { patch: Some(patch), set: Vec::new() };
        let edited: Value =
            serde_json::from_str(&edits.apply(&event().to_string(), "", None).unwrap()).unwrap();
        assert_eq!(edited["data"]["lines"][0]["quantity"], 3);
        assert_eq!(edits.summary(), "replace /data/lines/0/quantity");
        let elsewhere = json!([{ "op": "replace", "path": "/data/nothing/here", "value": 3 }]);
        let edits = Edits { patch: Some(elsewhere), set: Vec::new() };
        assert!(matches!(edits.apply(&event().to_string(), "", None), Err(EditError::DoesNotFit(_))));
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
