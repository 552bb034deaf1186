//! JSON with members sorted by name and no white space, written straight from JSON text.
//!
//! A tree of `Value`s would cost an allocation for every name and every string of every message. Its rules
//! hold here all the same: the last of several members with one name counts, and numbers are those that a
//! `Value` holds.

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::{fmt, ops::Range};

/// The canonical form of JSON text.
pub(super) fn canonical(json: &str) -> Result<Vec<u8>, serde_json::Error> {
    let mut writer = Writer { text: Vec::with_capacity(json.len() + 16), ..Writer::default() };
    let mut deserializer = serde_json::Deserializer::from_str(json);
    AnyValue(&mut writer).deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(writer.text)
}

#[derive(Default)]
struct Writer {
    text: Vec<u8>,
    /// The members of the objects that are being written, outer ones first.
    members: Vec<Member>,
    /// Their names, unescaped, because names are sorted by what they say and not by how it is written.
    names: String,
    /// Where the members of an object are put in order.
    sorted: Vec<u8>,
}

struct Member {
    name: Range<usize>,
    /// Its name and value in the text, without the comma.
    text: Range<usize>,
}

impl Writer {
    fn scalar<E: Error>(&mut self, value: impl serde::Serialize) -> Result<(), E> {
        serde_json::to_writer(&mut self.text, &value).map_err(E::custom)
    }

    /// A string that stands in the JSON text without any escape needs none here.
    fn plain(&mut self, value: &str) {
        self.text.push(b'"');
        self.text.extend_from_slice(value.as_bytes());
        self.text.push(b'"');
    }

    /// Puts the members from `first` on in order and forgets them.
    fn close_object(&mut self, first: usize) {
        let Self { text, members, names, sorted } = self;
        let object = &mut members[first..];
        let names_end = object.first().map_or(names.len(), |member| member.name.start);
        let name_of = |member: &Member| &names[member.name.clone()];
        if let Some(start) = object.first().map(|member| member.text.start)
            && !object.is_sorted_by(|one, next| name_of(one) < name_of(next))
        {
            object.sort_unstable_by(|one, other| {
                name_of(one).cmp(name_of(other)).then(one.text.start.cmp(&other.text.start))
            });
            sorted.clear();
            for (at, member) in object.iter().enumerate() {
                if object.get(at + 1).is_some_and(|next| name_of(next) == name_of(member)) {
                    continue; // the last one counts
                }
                if !sorted.is_empty() {
                    sorted.push(b',');
                }
                sorted.extend_from_slice(&text[member.text.clone()]);
            }
            text.truncate(start);
            text.extend_from_slice(sorted);
        }
        names.truncate(names_end);
        members.truncate(first);
        text.push(b'}');
    }
}

struct AnyValue<'w>(&'w mut Writer);

impl<'de> DeserializeSeed<'de> for AnyValue<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for AnyValue<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.0.scalar(())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.0.scalar(value)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.0.scalar(value)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.0.scalar(value)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.0.scalar(value)
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        self.0.scalar(value)
    }

    fn visit_borrowed_str<E: Error>(self, value: &'de str) -> Result<(), E> {
        self.0.plain(value);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<(), A::Error> {
        self.0.text.push(b'[');
        let start = self.0.text.len();
        loop {
            let end = self.0.text.len();
            if end > start {
                self.0.text.push(b',');
            }
            if values.next_element_seed(AnyValue(self.0))?.is_none() {
                self.0.text.truncate(end);
                self.0.text.push(b']');
                return Ok(());
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let first = self.0.members.len();
        self.0.text.push(b'{');
        while map.next_key_seed(Name { writer: self.0, first })?.is_some() {
            map.next_value_seed(AnyValue(self.0))?;
            let end = self.0.text.len();
            if let Some(member) = self.0.members.last_mut() {
                member.text.end = end;
            }
        }
        self.0.close_object(first);
        Ok(())
    }
}

/// Begins a member. `first` is the place of its object's first one.
struct Name<'w> {
    writer: &'w mut Writer,
    first: usize,
}

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Name<'_> {
    fn write<E: Error>(self, name: &str, write: impl FnOnce(&mut Writer) -> Result<(), E>) -> Result<(), E> {
        let Self { writer, first } = self;
        if writer.members.len() > first {
            writer.text.push(b',');
        }
        let (start, name_start) = (writer.text.len(), writer.names.len());
        write(writer)?;
        writer.text.push(b':');
        writer.names.push_str(name);
        writer.members.push(Member { name: name_start..writer.names.len(), text: start..start });
        Ok(())
    }
}

impl<'de> Visitor<'de> for Name<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a member")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<(), E> {
        self.write(name, |writer| writer.scalar(name))
    }

    fn visit_borrowed_str<E: Error>(self, name: &'de str) -> Result<(), E> {
        self.write(name, |writer| {
            writer.plain(name);
            Ok(())
        })
    }
}
