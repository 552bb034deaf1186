//! JSON Patch (RFC 6902), applied to a JSON text.

use super::EditError;
use serde::Deserialize;
use serde_json::value::RawValue;
use throughline_operations::json_text::{JsonText, NoPlace, Step, says_the_same};

/// One operation of a patch.
#[derive(Debug, Clone, Deserialize)]
struct Operation {
    op: Kind,
    path: String,
    from: Option<String>,
    value: Option<Box<RawValue>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Add,
    Remove,
    Replace,
    Move,
    Copy,
    Test,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Remove => "remove",
            Self::Replace => "replace",
            Self::Move => "move",
            Self::Copy => "copy",
            Self::Test => "test",
        }
    }
}

/// A JSON Patch that has been read and checked.
#[derive(Debug, Clone)]
pub(super) struct Patch(Vec<Operation>);

impl Patch {
    /// Reads and checks a patch.
    ///
    /// # Errors
    /// A sentence that explains the problem.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let operations: Vec<Operation> = serde_json::from_str(text)
            .map_err(|error| format!("{error}; it is a list of operations as in RFC 6902"))?;
        for operation in &operations {
            operation.checked()?;
        }
        Ok(Self(operations))
    }

    /// Returns a short description of each operation, without the values, which may be confidential.
    pub(super) fn summary(&self) -> impl Iterator<Item = String> + '_ {
        self.0.iter().map(|Operation { op, path, .. }| format!("{} {path}", op.word()))
    }

    /// Applies the patch to the value at a place of a text.
    ///
    /// # Errors
    /// [`EditError::DoesNotFit`].
    pub(super) fn apply(&self, text: &mut JsonText, place: &[Step]) -> Result<(), EditError> {
        self.0.iter().try_for_each(|operation| {
            operation.apply(text, place).map_err(|why| {
                let Operation { op, path, .. } = operation;
                EditError::DoesNotFit(format!("{} {path}: {why}", op.word()))
            })
        })
    }
}

impl Operation {
    fn checked(&self) -> Result<(), String> {
        let Self { op, path, from, value } = self;
        let is_pointer = |pointer: &str| pointer.is_empty() || pointer.starts_with('/');
        if !is_pointer(path) || from.as_deref().is_some_and(|from| !is_pointer(from)) {
            return Err(format!("`{path}` is no JSON pointer such as /data/lines/0/quantity (RFC 6901)"));
        }
        match op {
            Kind::Add | Kind::Replace | Kind::Test if value.is_none() => {
                Err(format!("`{}` of {path} has no `value`", op.word()))
            }
            Kind::Move | Kind::Copy if from.is_none() => {
                Err(format!("`{}` to {path} has no `from`", op.word()))
            }
            _ => Ok(()),
        }
    }

    fn apply(&self, text: &mut JsonText, place: &[Step]) -> Result<(), String> {
        let at =
            |pointer: &str| -> Vec<Step> { place.iter().cloned().chain(Step::of_pointer(pointer)).collect() };
        let (path, from) = (at(&self.path), self.from.as_deref().map(at).unwrap_or_default());
        // RFC 6902 distinguishes `null` from a missing value. A missing value was refused when the patch was read.
        let value = self.value.as_ref().map_or("null", |value| value.get());
        let nothing = |pointer: &str| format!("there is nothing at `{pointer}`");
        let here = |text: &JsonText| text.get(&path).ok_or_else(|| nothing(&self.path));
        let there = |text: &JsonText| {
            text.get(&from).ok_or_else(|| nothing(self.from.as_deref().unwrap_or_default()))
        };
        let fits = |result: Result<(), NoPlace>| result.map_err(|no_place| no_place.to_string());
        match self.op {
            Kind::Add => fits(text.add(&path, value)),
            Kind::Remove => fits(text.remove(&path)),
            Kind::Replace => here(text).and_then(|_| fits(text.set(&path, value))),
            Kind::Copy => there(text).and_then(|value| fits(text.add(&path, &value))),
            Kind::Move if path.starts_with(&from) && path != from => {
                Err("a value cannot be moved into itself".to_owned())
            }
            Kind::Move => there(text).and_then(|value| {
                fits(text.remove(&from))?;
                fits(text.add(&path, &value))
            }),
            Kind::Test => match here(text)? {
                found if says_the_same(&found, value) => Ok(()),
                _ => Err("it is another value".to_owned()),
            },
        }
    }
}
