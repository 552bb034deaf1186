//! Writes values as attributes, and names the field that cannot be written.

use super::{Attribute, Item, number::Number};
use crate::sensitive::SERIALIZED_AS;
use serde::{
    Serialize, Serializer,
    ser::{self, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple},
};
use serde_json::Value;
use std::{
    cell::Cell,
    fmt::{self, Display},
};

/// The most levels of attributes within each other ("Constraints in Amazon DynamoDB").
const MOST_LEVELS: u8 = 32;

/// The name by which `serde_json` marks text that is JSON already; the next one marks a number of any length.
pub(super) const RAW_VALUE: &str = "$serde_json::private::RawValue";
const ARBITRARY_NUMBER: &str = "$serde_json::private::Number";

/// Writes a value as an attribute. It fails if a sensitive part of the value is equal to `id`.
pub(super) fn attribute_of<T: Serialize + ?Sized>(
    value: &T,
    id: Option<&str>,
) -> Result<Written, Unwritable> {
    let id = id.filter(|id| id.len() >= LEAST_TELLING_BYTES);
    let has_rare_forms = Cell::new(false);
    let attribute =
        value.serialize(Writer { rules: Rules::DynamoDb, level: 0, id, rare: &has_rare_forms })?;
    Ok(Written { attribute, has_rare_forms: has_rare_forms.get() })
}

/// The result of [`attribute_of`].
pub(super) struct Written {
    pub(super) attribute: Attribute,
    /// Whether the attribute holds forms that serde reads only where it knows the type, and not within `flatten`, `tag`
    /// or `untagged`: keys that are no strings, integers of 128 bits, bytes and raw JSON.
    pub(super) has_rare_forms: bool,
}

/// The shortest id that is compared with sensitive values: a shorter one may be equal by chance.
const LEAST_TELLING_BYTES: usize = 6;

/// Checks that all numbers of a value are finite; otherwise the error names the field. `serde_json` writes `null` for
/// other numbers, which could not be read again.
pub(crate) fn check_is_finite<T: Serialize + ?Sized>(value: &T) -> Result<(), Unwritable> {
    value.serialize(Writer { rules: Rules::Json, level: 0, id: None, rare: &Cell::new(false) }).map(|_| ())
}

/// Returns a value as JSON, after checking that all its numbers are finite.
pub(crate) fn checked_json<T: Serialize + ?Sized>(value: &T) -> Result<Value, serde_json::Error> {
    check_is_finite(value).map_err(ser::Error::custom)?;
    serde_json::to_value(value)
}

/// The rules that a value must meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rules {
    /// Numbers must be finite.
    Json,
    /// The value must also be within DynamoDB's limits.
    DynamoDb,
}

/// The reason why a value cannot be written, with the path to it.
#[derive(Debug)]
pub(crate) struct Unwritable(Box<Problem>);

#[derive(Debug)]
struct Problem {
    /// The path to the value, the innermost field first.
    path: Vec<String>,
    why: String,
    /// Whether the error is that the id is sensitive, so that it must not be shown.
    is_of_the_id: bool,
}

impl Unwritable {
    pub(super) fn new(why: impl Into<String>) -> Self {
        Self(Box::new(Problem { path: Vec::new(), why: why.into(), is_of_the_id: false }))
    }

    /// Returns whether the entity's id must not be shown.
    pub(crate) fn is_of_the_id(&self) -> bool {
        self.0.is_of_the_id
    }

    fn within(mut self, step: impl Display) -> Self {
        self.0.path.push(step.to_string());
        self
    }
}

impl Display for Unwritable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Problem { path, why, .. } = &*self.0;
        if !path.is_empty() {
            let path: Vec<_> = path.iter().rev().map(String::as_str).collect();
            write!(f, "field `{}` ", path.join("."))?;
        }
        f.write_str(why)
    }
}

impl std::error::Error for Unwritable {}

impl ser::Error for Unwritable {
    fn custom<T: Display>(why: T) -> Self {
        Self::new(format!("has no JSON form: {why}"))
    }
}

#[derive(Debug, Clone, Copy)]
struct Writer<'a> {
    rules: Rules,
    level: u8,
    /// The id of the entity that is written.
    id: Option<&'a str>,
    /// Set when a [rare form](Written::has_rare_forms) is written.
    rare: &'a Cell<bool>,
}

impl<'a> Writer<'a> {
    /// Refuses a sensitive value that is the entity's id, because every message about an entity shows its id.
    fn check_is_no_id(self, sensitive: &Attribute) -> Result<(), Unwritable> {
        let Some(id) = self.id else { return Ok(()) };
        let is_id = match sensitive {
            Attribute::Text(text) => text == id,
            Attribute::Number(number) => number.as_str() == id,
            _ => false,
        };
        if is_id {
            let mut refused = Unwritable::new(
                "is sensitive, and is the entity's id, which keys, logs, traces and dead letters show: give the entity \
                 an id of its own",
            );
            refused.0.is_of_the_id = true;
            return Err(refused);
        }
        Ok(())
    }

    fn number(self, number: Number) -> Result<Attribute, Unwritable> {
        match number.problem().filter(|_| self.rules == Rules::DynamoDb) {
            Some(problem) => Err(Unwritable::new(problem)),
            None => Ok(Attribute::Number(number)),
        }
    }

    /// Returns the writer for a value inside this one; an error if that would be too deep.
    fn inner(self) -> Result<Self, Unwritable> {
        if self.rules == Rules::DynamoDb && self.level > MOST_LEVELS {
            return Err(Unwritable::new(format!(
                "lies deeper than DynamoDB's attributes may, which is {MOST_LEVELS} levels"
            )));
        }
        Ok(Self { level: self.level.saturating_add(1), ..self })
    }

    fn map(self, variant: Option<&'static str>) -> Result<MapWriter<'a>, Unwritable> {
        let writer = if variant.is_some() { self.inner()? } else { self };
        Ok(MapWriter { writer: writer.inner()?, variant, item: Item::new(), key: None, verbatim: None })
    }

    fn list(self, variant: Option<&'static str>, length: usize) -> Result<ListWriter<'a>, Unwritable> {
        let writer = if variant.is_some() { self.inner()? } else { self };
        Ok(ListWriter { writer: writer.inner()?, variant, members: Vec::with_capacity(length) })
    }
}

fn not_finite(number: impl Display) -> Unwritable {
    Unwritable::new(format!("is {number}; a JSON number can be neither NaN nor infinite"))
}

fn under(variant: Option<&'static str>, attribute: Attribute) -> Attribute {
    match variant {
        Some(variant) => Attribute::Map(Item::from([(variant.to_owned(), attribute)])),
        None => attribute,
    }
}

macro_rules! whole_numbers {
    ($($method:ident($number:ty)),+) => {
        $(fn $method(self, number: $number) -> Result<Attribute, Unwritable> {
            Ok(Attribute::Number(Number::whole(&number)))
        })+
    };
}

impl<'a> Serializer for Writer<'a> {
    type Ok = Attribute;
    type Error = Unwritable;
    type SerializeSeq = ListWriter<'a>;
    type SerializeTuple = ListWriter<'a>;
    type SerializeTupleStruct = ListWriter<'a>;
    type SerializeTupleVariant = ListWriter<'a>;
    type SerializeMap = MapWriter<'a>;
    type SerializeStruct = MapWriter<'a>;
    type SerializeStructVariant = MapWriter<'a>;

    whole_numbers!(
        serialize_i8(i8),
        serialize_i16(i16),
        serialize_i32(i32),
        serialize_i64(i64),
        serialize_u8(u8),
        serialize_u16(u16),
        serialize_u32(u32),
        serialize_u64(u64)
    );

    fn serialize_i128(self, number: i128) -> Result<Attribute, Unwritable> {
        self.rare.set(true);
        self.number(Number::whole(&number))
    }

    fn serialize_u128(self, number: u128) -> Result<Attribute, Unwritable> {
        self.rare.set(true);
        self.number(Number::whole(&number))
    }

    fn serialize_f32(self, number: f32) -> Result<Attribute, Unwritable> {
        if !number.is_finite() {
            return Err(not_finite(number));
        }
        // All 32-bit numbers are in DynamoDB's range.
        Ok(Attribute::Number(Number::of_f32(number)))
    }

    fn serialize_f64(self, number: f64) -> Result<Attribute, Unwritable> {
        if !number.is_finite() {
            return Err(not_finite(number));
        }
        let magnitude = number.abs();
        if self.rules == Rules::DynamoDb && magnitude != 0.0 && !(1e-130..1e126).contains(&magnitude) {
            return self.number(Number::of_f64(number));
        }
        Ok(Attribute::Number(Number::of_f64(number)))
    }

    fn serialize_bool(self, truth: bool) -> Result<Attribute, Unwritable> {
        Ok(Attribute::Bool(truth))
    }

    fn serialize_char(self, letter: char) -> Result<Attribute, Unwritable> {
        Ok(Attribute::Text(letter.to_string()))
    }

    fn serialize_str(self, text: &str) -> Result<Attribute, Unwritable> {
        Ok(Attribute::Text(text.to_owned()))
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<Attribute, Unwritable> {
        self.rare.set(true);
        Ok(Attribute::Binary(bytes.to_vec()))
    }

    fn serialize_none(self) -> Result<Attribute, Unwritable> {
        Ok(Attribute::Null)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Attribute, Unwritable> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<Attribute, Unwritable> {
        Ok(Attribute::Null)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<Attribute, Unwritable> {
        Ok(Attribute::Null)
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<Attribute, Unwritable> {
        Ok(Attribute::Text(variant.to_owned()))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<Attribute, Unwritable> {
        let attribute = value.serialize(self)?;
        if name == SERIALIZED_AS {
            self.check_is_no_id(&attribute)?;
        }
        Ok(attribute)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Attribute, Unwritable> {
        let attribute = value.serialize(self.inner()?).map_err(|error| error.within(variant))?;
        Ok(under(Some(variant), attribute))
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<ListWriter<'a>, Unwritable> {
        self.list(None, length.unwrap_or_default().min(1024))
    }

    fn serialize_tuple(self, length: usize) -> Result<ListWriter<'a>, Unwritable> {
        self.list(None, length)
    }

    fn serialize_tuple_struct(self, _: &'static str, length: usize) -> Result<ListWriter<'a>, Unwritable> {
        self.list(None, length)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<ListWriter<'a>, Unwritable> {
        self.list(Some(variant), length)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<MapWriter<'a>, Unwritable> {
        self.map(None)
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<MapWriter<'a>, Unwritable> {
        let verbatim = Some(name).filter(|name| *name == RAW_VALUE || *name == ARBITRARY_NUMBER);
        if verbatim.is_some() {
            self.rare.set(true);
            let (item, variant, key) = (Item::new(), None, None);
            return Ok(MapWriter { writer: self, variant, item, key, verbatim });
        }
        self.map(None)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<MapWriter<'a>, Unwritable> {
        self.map(Some(variant))
    }
}

#[derive(Debug)]
struct ListWriter<'a> {
    writer: Writer<'a>,
    variant: Option<&'static str>,
    members: Vec<Attribute>,
}

impl SerializeSeq for ListWriter<'_> {
    type Ok = Attribute;
    type Error = Unwritable;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unwritable> {
        let written = value.serialize(self.writer).map_err(|error| {
            let error = error.within(self.members.len());
            self.variant.into_iter().fold(error, Unwritable::within)
        });
        self.members.push(written?);
        Ok(())
    }

    fn end(self) -> Result<Attribute, Unwritable> {
        Ok(under(self.variant, Attribute::List(self.members)))
    }
}

impl SerializeTuple for ListWriter<'_> {
    type Ok = Attribute;
    type Error = Unwritable;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unwritable> {
        SerializeSeq::serialize_element(self, value)
    }

    fn end(self) -> Result<Attribute, Unwritable> {
        SerializeSeq::end(self)
    }
}

impl ser::SerializeTupleStruct for ListWriter<'_> {
    type Ok = Attribute;
    type Error = Unwritable;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unwritable> {
        SerializeSeq::serialize_element(self, value)
    }

    fn end(self) -> Result<Attribute, Unwritable> {
        SerializeSeq::end(self)
    }
}

impl ser::SerializeTupleVariant for ListWriter<'_> {
    type Ok = Attribute;
    type Error = Unwritable;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unwritable> {
        SerializeSeq::serialize_element(self, value)
    }

    fn end(self) -> Result<Attribute, Unwritable> {
        SerializeSeq::end(self)
    }
}

#[derive(Debug)]
struct MapWriter<'a> {
    writer: Writer<'a>,
    variant: Option<&'static str>,
    item: Item,
    /// The key of the value that comes next.
    key: Option<String>,
    /// The marker by which `serde_json` disguises text that is JSON already: the struct's one field holds that text.
    verbatim: Option<&'static str>,
}

impl MapWriter<'_> {
    fn put<T: Serialize + ?Sized>(&mut self, name: String, value: &T) -> Result<(), Unwritable> {
        let written = value.serialize(self.writer).map_err(|error| {
            let error = error.within(&name);
            self.variant.into_iter().fold(error, Unwritable::within)
        });
        self.item.insert(name, written?);
        Ok(())
    }

    fn finish(self) -> Result<Attribute, Unwritable> {
        let Some(form) = self.verbatim else { return Ok(under(self.variant, Attribute::Map(self.item))) };
        // Raw JSON is passed on unchanged, so its numbers need no check.
        if form == RAW_VALUE && self.writer.rules == Rules::Json {
            return Ok(Attribute::Null);
        }
        let text = self.item.values().next().and_then(Attribute::as_text).unwrap_or_default();
        if form == ARBITRARY_NUMBER {
            let number = Number::new(text).ok_or_else(|| Unwritable::new("holds a number that is none"))?;
            return self.writer.number(number);
        }
        let value: Value = serde_json::from_str(text).map_err(ser::Error::custom)?;
        value.serialize(self.writer)
    }
}

impl SerializeMap for MapWriter<'_> {
    type Ok = Attribute;
    type Error = Unwritable;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Unwritable> {
        let key = key.serialize(Writer { rules: Rules::Json, level: 0, ..self.writer }).and_then(|key| {
            self.writer.rare.set(self.writer.rare.get() || key.as_text().is_none());
            key_text(key)
        });
        self.key = Some(key.map_err(|error| self.variant.into_iter().fold(error, Unwritable::within))?);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unwritable> {
        let key = self.key.take().ok_or_else(|| Unwritable::new("has a value without a key"))?;
        self.put(key, value)
    }

    fn end(self) -> Result<Attribute, Unwritable> {
        self.finish()
    }
}

/// Returns a key as the string that `serde_json` makes of it, so that the same types can be keys in both forms.
fn key_text(key: Attribute) -> Result<String, Unwritable> {
    match key {
        Attribute::Text(text) => Ok(text),
        Attribute::Number(number) => Ok(number.into_text()),
        Attribute::Bool(truth) => Ok(truth.to_string()),
        other => Err(Unwritable::new(format!(
            "has a key of DynamoDB's type {}; a key must be a text, a number or a truth value",
            other.type_name()
        ))),
    }
}

impl SerializeStruct for MapWriter<'_> {
    type Ok = Attribute;
    type Error = Unwritable;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Unwritable> {
        self.put(name.to_owned(), value)
    }

    fn end(self) -> Result<Attribute, Unwritable> {
        self.finish()
    }
}

impl SerializeStructVariant for MapWriter<'_> {
    type Ok = Attribute;
    type Error = Unwritable;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Unwritable> {
        self.put(name.to_owned(), value)
    }

    fn end(self) -> Result<Attribute, Unwritable> {
        self.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_made_only_of_what_can_be_read_again() {
        let error = checked_json(&(1, Some(f64::NAN))).unwrap_err().to_string();
        assert_eq!(error, "field `1` is NaN; a JSON number can be neither NaN nor infinite");
        assert_eq!(checked_json(&(1, None::<f64>)).unwrap(), serde_json::json!([1, null]));
        assert_eq!(checked_json(&1e300).unwrap(), serde_json::json!(1e300));
    }
}
