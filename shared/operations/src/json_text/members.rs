//! The members of an object or the items of a list, with their places in the text.

use super::{
    Splice,
    literal::{Literal, quoted},
};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;
use std::{fmt, ops::Range};

/// An object or a list in a text.
#[derive(Debug)]
pub(super) struct Container<'a> {
    text: &'a str,
    range: Range<usize>,
    is_list: bool,
    parts: Vec<Part>,
}

/// A member or an item.
#[derive(Debug)]
struct Part {
    /// Its name; of an item, none.
    name: Option<String>,
    /// From its name, if it has one, to the end of its value.
    whole: Range<usize>,
    value: Range<usize>,
}

/// The container at a place; nothing if it is neither an object nor a list.
pub(super) fn container(text: &str, range: Range<usize>) -> Option<Container<'_>> {
    let Parts { is_list, parts } = serde_json::from_str(&text[range.clone()]).ok()?;
    let place = |raw: &RawValue| {
        // What was borrowed from the text is a part of it.
        let start = raw.get().as_ptr() as usize - text.as_ptr() as usize;
        start..start + raw.get().len()
    };
    let part = |(name, value): (Option<&RawValue>, &RawValue)| {
        let value = place(value);
        let whole = name.map_or(value.clone(), |name| place(name).start..value.end);
        let name = name.map(|name| Literal::read(name.get()).map_or_else(String::new, Literal::into_text));
        Part { name, whole, value }
    };
    let parts = parts.into_iter().map(part).collect();
    Some(Container { text, range, is_list, parts })
}

impl Container<'_> {
    /// Returns whether this is a list.
    pub(super) fn is_list(&self) -> bool {
        self.is_list
    }

    /// Returns the place of a member's or an item's value. Of members with one name the last counts, as it does for
    /// readers.
    pub(super) fn value(&self, name: &str) -> Option<Range<usize>> {
        let at = self.position(name)?;
        Some(self.parts[at].value.clone())
    }

    /// Returns the name or index and the place of each value, in their order.
    pub(super) fn values(&self) -> impl Iterator<Item = (String, Range<usize>)> + '_ {
        self.parts.iter().enumerate().map(|(at, part)| {
            let name = part.name.clone().unwrap_or_else(|| at.to_string());
            (name, part.value.clone())
        })
    }

    fn position(&self, name: &str) -> Option<usize> {
        if self.is_list {
            return index(name).filter(|at| *at < self.parts.len());
        }
        self.parts.iter().rposition(|part| part.name.as_deref() == Some(name))
    }

    /// A member is made after the last one, laid out like it.
    pub(super) fn new_member(&self, name: &str, value: &str) -> Splice {
        let member = |between: &str| format!("{}:{between}{value}", quoted(name));
        let Some(last) = self.parts.last() else {
            let start = self.range.start + 1;
            return Splice::new(start..start, member(""));
        };
        let between = &self.text[last.whole.start..last.value.start];
        let between = between.rsplit(':').next().unwrap_or_default();
        let place = last.whole.end..last.whole.end;
        Splice::new(place, format!(",{}{}", self.before(self.parts.len() - 1), member(between)))
    }

    /// An item goes before the one that is there, or to the end.
    pub(super) fn insertion(&self, name: &str, value: &str) -> Option<Splice> {
        let at = if name == "-" { self.parts.len() } else { index(name)? };
        if let Some(part) = self.parts.get(at) {
            let start = part.whole.start;
            return Some(Splice::new(start..start, format!("{value},{}", self.before(at))));
        }
        if at > self.parts.len() {
            return None;
        }
        Some(match self.parts.last() {
            Some(last) => {
                let place = last.whole.end..last.whole.end;
                Splice::new(place, format!(",{}{value}", self.before(self.parts.len() - 1)))
            }
            None => Splice::new(self.range.start + 1..self.range.start + 1, value),
        })
    }

    /// A member or an item goes, with the comma that is then one too many.
    pub(super) fn removal(&self, name: &str) -> Option<Splice> {
        let at = self.position(name)?;
        let whole = &self.parts[at].whole;
        let range = match (at.checked_sub(1).map(|before| &self.parts[before]), self.parts.get(at + 1)) {
            (Some(before), _) => before.whole.end..whole.end,
            (None, Some(after)) => whole.start..after.whole.start,
            (None, None) => whole.clone(),
        };
        let of_that_name = self.parts.iter().filter(|part| part.name.as_deref() == Some(name)).count();
        Some(Splice { is_repeated: of_that_name > 1, ..Splice::new(range, "") })
    }

    /// The white space before a part.
    fn before(&self, at: usize) -> &str {
        let start = at.checked_sub(1).map_or(self.range.start + 1, |before| self.parts[before].whole.end);
        let between = &self.text[start..self.parts[at].whole.start];
        between.rsplit(',').next().unwrap_or_default()
    }
}

/// An index as RFC 6901 has it.
fn index(name: &str) -> Option<usize> {
    let is_one = name == "0" || (!name.starts_with('0') && name.bytes().all(|byte| byte.is_ascii_digit()));
    if is_one { name.parse().ok() } else { None }
}

/// The parts of an object or a list, as they stand in the text.
struct Parts<'a> {
    is_list: bool,
    parts: Vec<(Option<&'a RawValue>, &'a RawValue)>,
}

impl<'de> Deserialize<'de> for Parts<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PartsVisitor)
    }
}

struct PartsVisitor;

impl<'de> Visitor<'de> for PartsVisitor {
    type Value = Parts<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or a list")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Parts<'de>, A::Error> {
        let mut parts = Vec::new();
        while let Some((name, value)) = map.next_entry()? {
            parts.push((Some(name), value));
        }
        Ok(Parts { is_list: false, parts })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Parts<'de>, A::Error> {
        let mut parts = Vec::new();
        while let Some(value) = list.next_element()? {
            parts.push((None, value));
        }
        Ok(Parts { is_list: true, parts })
    }
}
