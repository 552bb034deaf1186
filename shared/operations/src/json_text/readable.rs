//! Values of texts that hold what a [`Value`] cannot.

use super::{
    literal::Literal,
    members::{Container, container},
    trimmed,
};
use serde_json::{Map, Value, value::RawValue};
use std::{collections::BTreeSet, ops::Range};

/// The depth to which values are read, as `serde_json` has it for a message's data; deeper values are read as null.
const DEEPEST: usize = 128;
/// The value that stands for a number out of range.
const OUT_OF_RANGE: f64 = f64::MAX;

/// Something in a text that a [`Value`] does not tell of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Oddity {
    /// The place, as a JSON pointer (RFC 6901).
    pub pointer: String,
    /// The kind of oddity.
    pub kind: OddityKind,
}

/// The kinds of oddities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OddityKind {
    /// An object has the member before under the same name.
    Repeated,
    /// A number is out of the range of all that numbers are read as, such as 1e400.
    OutOfRange,
    /// A text holds half of a pair of surrogates, which is no character.
    LoneSurrogate,
    /// A value lies deeper than readers go.
    TooDeep,
}

/// The value of a JSON text, and what of it the value cannot hold: something stands for that.
///
/// # Errors
/// If the text is no JSON.
pub fn readable(text: &str) -> serde_json::Result<(Value, Vec<Oddity>)> {
    if let Err(error) = serde_json::from_str::<&RawValue>(text) {
        // Who reads everything says best what is wrong.
        return Err(serde_json::from_str::<Value>(text).err().unwrap_or(error));
    }
    let mut reader = Reader { text, oddities: Vec::new() };
    let value = reader.value(trimmed(text, 0..text.len()), &mut String::new(), 0);
    Ok((value, reader.oddities))
}

struct Reader<'a> {
    text: &'a str,
    oddities: Vec<Oddity>,
}

impl Reader<'_> {
    fn value(&mut self, range: Range<usize>, pointer: &mut String, depth: usize) -> Value {
        let json = &self.text[range.clone()];
        match json.as_bytes().first() {
            Some(b'{' | b'[') if depth == DEEPEST => {
                self.odd(pointer, OddityKind::TooDeep);
                Value::Null
            }
            Some(b'{' | b'[') => {
                container(self.text, range).map_or(Value::Null, |it| self.parts(&it, pointer, depth))
            }
            Some(b'"') => self.text_of(json, pointer),
            _ => serde_json::from_str(json).unwrap_or_else(|_| {
                self.odd(pointer, OddityKind::OutOfRange);
                OUT_OF_RANGE.into()
            }),
        }
    }

    fn text_of(&mut self, json: &str, pointer: &str) -> Value {
        let text = serde_json::from_str(json);
        text.unwrap_or_else(|_| {
            self.odd(pointer, OddityKind::LoneSurrogate);
            Literal::read(json).map_or(Value::Null, |literal| literal.into_text().into())
        })
    }

    fn parts(&mut self, container: &Container<'_>, pointer: &mut String, depth: usize) -> Value {
        let (mut fields, mut items, mut names) = (Map::new(), Vec::new(), BTreeSet::new());
        let end = pointer.len();
        for (name, range) in container.values() {
            pointer.push('/');
            pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
            if !names.insert(name.clone()) {
                self.odd(pointer, OddityKind::Repeated);
            }
            let value = self.value(range, pointer, depth + 1);
            if container.is_list() {
                items.push(value);
            } else {
                fields.insert(name, value);
            }
            pointer.truncate(end);
        }
        if container.is_list() { Value::Array(items) } else { Value::Object(fields) }
    }

    fn odd(&mut self, pointer: &str, kind: OddityKind) {
        self.oddities.push(Oddity { pointer: pointer.to_owned(), kind });
    }
}
