//! Changes of a JSON text that leave everything else in it as it is: numbers of any size, the order and the number of
//! members, white space and escapes.
//!
//! A value is found by its place in the text, and the text alone is spliced: nothing is read and written anew.

mod literal;
mod members;
mod readable;
mod same;
#[cfg(test)]
mod tests;

use literal::Literal;
pub use literal::quoted;
use members::container;
pub use readable::{Oddity, OddityKind, readable};
pub use same::says_the_same;
use serde_json::value::RawValue;
use std::{fmt, ops::Range};

/// One step on the way to a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// To a member of an object, or by its index to an item of a list.
    Name(String),
    /// Into a text that holds JSON, as an SNS notification's `Message` does.
    Inside,
}

impl Step {
    /// To a member, or to an item by its index.
    pub fn name(name: impl Into<String>) -> Self {
        Self::Name(name.into())
    }

    /// The steps of a JSON pointer (RFC 6901).
    pub fn of_pointer(pointer: &str) -> impl Iterator<Item = Self> + '_ {
        pointer.split('/').skip(1).map(|name| Self::Name(name.replace("~1", "/").replace("~0", "~")))
    }
}

/// A place that a text does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no `{missing}` on the way to `{path}`")]
pub struct NoPlace {
    /// The step that leads nowhere.
    pub missing: String,
    /// The whole way, as people write it.
    pub path: String,
}

/// The edit at a place.
#[derive(Debug, Clone, Copy)]
enum Edit<'a> {
    /// The value is replaced; a member that is missing is made.
    Set(&'a str),
    /// The same, and so are the objects that are missing on the way.
    SetWithin(&'a str),
    /// The value goes into a list before the item that is there, or at its end (`-`); into an object as a member.
    Add(&'a str),
    /// The member or item goes.
    Remove,
}

/// A JSON text that is changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonText(String);

impl JsonText {
    /// Takes a text.
    ///
    /// # Errors
    /// If it is no JSON.
    pub fn new(text: impl Into<String>) -> serde_json::Result<Self> {
        let text = text.into();
        serde_json::from_str::<&RawValue>(&text)?;
        Ok(Self(text))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text, for good.
    pub fn into_string(self) -> String {
        self.0
    }

    /// The JSON of the value at a place, if there is one.
    pub fn get(&self, path: &[Step]) -> Option<String> {
        value_at(&self.0, path)
    }

    /// Puts a value, which is JSON, at a place. The member may be new; what holds it must be there.
    ///
    /// # Errors
    /// [`NoPlace`].
    pub fn set(&mut self, path: &[Step], value: &str) -> Result<(), NoPlace> {
        self.edit(path, Edit::Set(value))
    }

    /// Puts a value at a place, and makes the objects that are missing on the way.
    ///
    /// # Errors
    /// [`NoPlace`], if something is there that can hold no member.
    pub fn set_within(&mut self, path: &[Step], value: &str) -> Result<(), NoPlace> {
        self.edit(path, Edit::SetWithin(value))
    }

    /// Adds a value as RFC 6902 has it: into a list before the item that is there, or at its end.
    ///
    /// # Errors
    /// [`NoPlace`].
    pub fn add(&mut self, path: &[Step], value: &str) -> Result<(), NoPlace> {
        self.edit(path, Edit::Add(value))
    }

    /// Removes a member or an item.
    ///
    /// # Errors
    /// [`NoPlace`].
    pub fn remove(&mut self, path: &[Step]) -> Result<(), NoPlace> {
        self.edit(path, Edit::Remove)
    }

    fn edit(&mut self, path: &[Step], edit: Edit<'_>) -> Result<(), NoPlace> {
        // A member that stands twice is removed twice.
        loop {
            let Splice { range, with, is_repeated } =
                splice(&self.0, path, edit).map_err(|missing| NoPlace { missing, path: in_words(path) })?;
            self.0.replace_range(range, &with);
            if !is_repeated {
                return Ok(());
            }
        }
    }

    /// Returns the offset of the value at a JSON pointer, or of the innermost value around it that exists.
    pub fn offset_of(text: &str, pointer: &str) -> usize {
        let mut range = trimmed(text, 0..text.len());
        for step in Step::of_pointer(pointer) {
            let Step::Name(name) = step else { break };
            let inner = container(text, range.clone()).and_then(|container| container.value(&name));
            let Some(inner) = inner else { break };
            range = inner;
        }
        range.start
    }
}

impl fmt::Display for JsonText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Names as people write them: `data.lines.0.quantity`.
fn in_words(path: &[Step]) -> String {
    let names = path.iter().filter_map(|step| match step {
        Step::Name(name) => Some(name.as_str()),
        Step::Inside => None,
    });
    names.collect::<Vec<_>>().join(".")
}

/// A piece to put into a text, and its place.
#[derive(Debug, PartialEq, Eq)]
struct Splice {
    range: Range<usize>,
    with: String,
    /// Whether the same edit has more places.
    is_repeated: bool,
}

impl Splice {
    fn new(range: Range<usize>, with: impl Into<String>) -> Self {
        Self { range, with: with.into(), is_repeated: false }
    }
}

fn value_at(text: &str, path: &[Step]) -> Option<String> {
    let mut range = trimmed(text, 0..text.len());
    for (at, step) in path.iter().enumerate() {
        match step {
            Step::Name(name) => range = container(text, range)?.value(name)?,
            Step::Inside => return value_at(Literal::read(&text[range])?.text(), &path[at + 1..]),
        }
    }
    Some(text[range].to_owned())
}

/// Returns the splice that an edit comes down to, or the step that leads nowhere.
fn splice(text: &str, path: &[Step], edit: Edit<'_>) -> Result<Splice, String> {
    splice_in(text, trimmed(text, 0..text.len()), path, edit)
}

fn splice_in(text: &str, range: Range<usize>, path: &[Step], edit: Edit<'_>) -> Result<Splice, String> {
    let Some((step, rest)) = path.split_first() else {
        return match edit {
            Edit::Set(value) | Edit::SetWithin(value) | Edit::Add(value) => Ok(Splice::new(range, value)),
            Edit::Remove => Ok(Splice::new(range, "null")),
        };
    };
    let name = match step {
        Step::Inside => return splice_inside(text, &range, rest, edit),
        Step::Name(name) => name,
    };
    let container = container(text, range).ok_or_else(|| name.clone())?;
    let found = container.value(name);
    match (found, rest, edit) {
        (_, [], Edit::Remove) => container.removal(name).ok_or_else(|| name.clone()),
        (_, [], Edit::Add(value)) if container.is_list() => {
            container.insertion(name, value).ok_or_else(|| name.clone())
        }
        (Some(value), rest, edit) => splice_in(text, value, rest, edit),
        (None, [], Edit::Set(value) | Edit::SetWithin(value) | Edit::Add(value)) if !container.is_list() => {
            Ok(container.new_member(name, value))
        }
        (None, rest, Edit::SetWithin(value)) if !container.is_list() => {
            let nested = nested(rest, value).ok_or_else(|| name.clone())?;
            Ok(container.new_member(name, &nested))
        }
        (None, ..) => Err(name.clone()),
    }
}

/// The JSON within a text: what is changed of it is escaped as its surroundings are, which stay.
fn splice_inside(text: &str, range: &Range<usize>, rest: &[Step], edit: Edit<'_>) -> Result<Splice, String> {
    let nothing = || "a text that holds JSON".to_owned();
    let literal = Literal::read(&text[range.clone()]).ok_or_else(nothing)?;
    serde_json::from_str::<&RawValue>(literal.text()).map_err(|_| nothing())?;
    let inner = splice(literal.text(), rest, edit)?;
    let outer = literal.outer(&inner.range);
    Ok(Splice {
        range: range.start + outer.start..range.start + outer.end,
        with: literal::escaped(&inner.with),
        is_repeated: inner.is_repeated,
    })
}

/// Objects around a value, one for each name.
fn nested(path: &[Step], value: &str) -> Option<String> {
    path.iter().rev().try_fold(value.to_owned(), |inner, step| match step {
        Step::Name(name) => Some(format!("{{{}:{inner}}}", literal::quoted(name))),
        Step::Inside => None,
    })
}

/// Without JSON's white space around it.
fn trimmed(text: &str, range: Range<usize>) -> Range<usize> {
    let is_space = |letter: char| matches!(letter, ' ' | '\t' | '\n' | '\r');
    let whole = &text[range.clone()];
    let start = range.start + (whole.len() - whole.trim_start_matches(is_space).len());
    start..start + whole.trim_matches(is_space).len()
}
