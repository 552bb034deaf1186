//! Reads attributes as a type. Attributes that the type does not ask for are not read.

use super::{Attribute, Item, number::Number, writing::RAW_VALUE};
use serde::{
    Deserializer,
    de::{
        self, DeserializeOwned, DeserializeSeed, EnumAccess, IntoDeserializer as _, MapAccess, SeqAccess,
        Unexpected, VariantAccess, Visitor,
        value::{MapDeserializer, StrDeserializer, U8Deserializer},
    },
    forward_to_deserialize_any,
};
use std::{collections::btree_map, iter, slice};

type Error = serde_json::Error;

/// Reads an item without one of its attributes.
pub(crate) fn read_without<T: DeserializeOwned>(item: &Item, without: Option<&str>) -> Result<T, Error> {
    T::deserialize(Whole { item, without })
}

impl Attribute {
    fn unexpected(&self) -> Unexpected<'_> {
        match self {
            Self::Text(text) => Unexpected::Str(text),
            Self::Number(number) => match number.as_str().parse() {
                Ok(whole) => Unexpected::Unsigned(whole),
                Err(_) => Unexpected::Other("number"),
            },
            Self::Bool(truth) => Unexpected::Bool(*truth),
            Self::Null => Unexpected::Unit,
            Self::List(_) | Self::Set(_) => Unexpected::Seq,
            Self::Map(_) => Unexpected::Map,
            Self::Binary(bytes) => Unexpected::Bytes(bytes),
        }
    }
}

/// Passes a number to a visitor that accepts any: as an integer if 64 bits hold it, as `serde_json` does.
fn visit_number<'de, V: Visitor<'de>>(number: &Number, visitor: V) -> Result<V::Value, Error> {
    let text = number.as_str();
    if let Ok(whole) = text.parse::<u64>() {
        return visitor.visit_u64(whole);
    }
    if let Ok(whole) = text.parse::<i64>() {
        return visitor.visit_i64(whole);
    }
    match number.as_whole() {
        Some((false, magnitude)) if let Ok(whole) = u64::try_from(magnitude) => visitor.visit_u64(whole),
        Some((true, magnitude)) if let Some(whole) = negative(magnitude) => visitor.visit_i64(whole),
        _ => visitor.visit_f64(text.parse().map_err(|_| de::Error::custom("a number that is none"))?),
    }
}

fn negative<N: TryFrom<i128>>(magnitude: u128) -> Option<N> {
    N::try_from(0_i128.checked_sub_unsigned(magnitude)?).ok()
}

impl<'de> Deserializer<'de> for &'de Attribute {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Attribute::Text(text) => visitor.visit_borrowed_str(text),
            Attribute::Number(number) => visit_number(number, visitor),
            Attribute::Bool(truth) => visitor.visit_bool(*truth),
            Attribute::Null => visitor.visit_unit(),
            Attribute::List(members) | Attribute::Set(members) => visit_members(members, visitor),
            Attribute::Map(item) => visit_map(item, None, visitor),
            // A type that accepts any value has no form for bytes, but one for a list of numbers.
            Attribute::Binary(bytes) => visit_bytes_one_by_one(bytes, visitor),
        }
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Attribute::Number(number) if let Ok(number) = number.as_str().parse() => {
                visitor.visit_f32(number)
            }
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Attribute::Number(number) if let Ok(number) = number.as_str().parse() => {
                visitor.visit_f64(number)
            }
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_u128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Attribute::Number(number) if let Some((false, magnitude)) = number.as_whole() => {
                visitor.visit_u128(magnitude)
            }
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_i128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Attribute::Number(number) => match number.as_whole() {
                Some((false, magnitude)) if let Ok(whole) = i128::try_from(magnitude) => {
                    visitor.visit_i128(whole)
                }
                Some((true, magnitude)) if let Some(whole) = negative(magnitude) => visitor.visit_i128(whole),
                _ => self.deserialize_any(visitor),
            },
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Attribute::Binary(bytes) => visitor.visit_borrowed_bytes(bytes),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Attribute::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        if name == RAW_VALUE {
            let text = serde_json::to_string(self)?;
            return visitor.visit_map(MapDeserializer::new(iter::once((RAW_VALUE, text))));
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self {
            Attribute::Text(variant) => visitor.visit_enum(Variant { variant, content: None }),
            Attribute::Map(item) => visit_variant(item, None, variants, visitor),
            other => Err(de::Error::invalid_type(other.unexpected(), &"string or map")),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Attribute::Null => visitor.visit_unit(),
            other => Err(de::Error::invalid_type(other.unexpected(), &visitor)),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_unit(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 char str string seq tuple tuple_struct map struct identifier
    }
}

/// An item, except for one of its attributes.
struct Whole<'de, 'a> {
    item: &'de Item,
    without: Option<&'a str>,
}

impl<'de> Deserializer<'de> for Whole<'de, '_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visit_map(self.item, self.without, visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        if name == RAW_VALUE {
            let (text, key) = (serde_json::to_string(self.item)?, RAW_VALUE);
            return visitor.visit_map(MapDeserializer::new(iter::once((key, text))));
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visit_variant(self.item, self.without, variants, visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}

/// Reads the variant that a map names. Other programs' attributes may be beside it: then it is the one that the type
/// knows.
fn visit_variant<'de, V: Visitor<'de>>(
    item: &'de Item,
    without: Option<&str>,
    variants: &[&str],
    visitor: V,
) -> Result<V::Value, Error> {
    fn only<T>(mut members: impl Iterator<Item = T>) -> Option<T> {
        members.next().filter(|_| members.next().is_none())
    }
    let members = || item.iter().filter(|(name, _)| Some(name.as_str()) != without);
    let known = || members().filter(|(name, _)| variants.contains(&name.as_str()));
    match only(members()).or_else(|| only(known())) {
        Some((variant, content)) => visitor.visit_enum(Variant { variant, content: Some(content) }),
        None => Err(de::Error::invalid_value(Unexpected::Map, &"map with a single key")),
    }
}

fn visit_members<'de, V: Visitor<'de>>(members: &'de [Attribute], visitor: V) -> Result<V::Value, Error> {
    let mut left = Members(members.iter());
    let value = visitor.visit_seq(&mut left)?;
    match left.0.len() {
        0 => Ok(value),
        _ => Err(de::Error::invalid_length(members.len(), &"fewer elements in array")),
    }
}

struct Members<'de>(slice::Iter<'de, Attribute>);

impl<'de> SeqAccess<'de> for Members<'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        self.0.next().map(|member| seed.deserialize(member)).transpose()
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.0.len())
    }
}

fn visit_bytes_one_by_one<'de, V: Visitor<'de>>(bytes: &'de [u8], visitor: V) -> Result<V::Value, Error> {
    let mut left = Bytes(bytes.iter());
    let value = visitor.visit_seq(&mut left)?;
    match left.0.len() {
        0 => Ok(value),
        _ => Err(de::Error::invalid_length(bytes.len(), &"fewer elements in array")),
    }
}

struct Bytes<'de>(slice::Iter<'de, u8>);

impl<'de> SeqAccess<'de> for Bytes<'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        let byte = self.0.next().copied();
        byte.map(|byte| seed.deserialize(U8Deserializer::<Error>::new(byte))).transpose()
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.0.len())
    }
}

fn visit_map<'de, V: Visitor<'de>>(
    item: &'de Item,
    without: Option<&str>,
    visitor: V,
) -> Result<V::Value, Error> {
    visitor.visit_map(Entries { left: item.iter(), without, value: None })
}

struct Entries<'de, 'a> {
    left: btree_map::Iter<'de, String, Attribute>,
    without: Option<&'a str>,
    value: Option<&'de Attribute>,
}

impl<'de> MapAccess<'de> for Entries<'de, '_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let without = self.without;
        let Some((name, value)) = self.left.find(|(name, _)| Some(name.as_str()) != without) else {
            return Ok(None);
        };
        self.value = Some(value);
        seed.deserialize(Key(name)).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Error> {
        match self.value.take() {
            Some(value) => seed.deserialize(value),
            None => Err(de::Error::custom("a value is read before its key")),
        }
    }

    fn size_hint(&self) -> Option<usize> {
        self.without.is_none().then(|| self.left.len())
    }
}

/// A key: it is a string in the item, whichever type the key has in Rust.
#[derive(Clone, Copy)]
struct Key<'de>(&'de str);

macro_rules! parsed_keys {
    ($($method:ident => $visit:ident),+ $(,)?) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            match self.0.parse() {
                Ok(key) => visitor.$visit(key),
                Err(_) => visitor.visit_borrowed_str(self.0),
            }
        })+
    };
}

impl<'de> Deserializer<'de> for Key<'de> {
    type Error = Error;

    parsed_keys!(
        deserialize_bool => visit_bool,
        deserialize_i8 => visit_i8,
        deserialize_i16 => visit_i16,
        deserialize_i32 => visit_i32,
        deserialize_i64 => visit_i64,
        deserialize_i128 => visit_i128,
        deserialize_u8 => visit_u8,
        deserialize_u16 => visit_u16,
        deserialize_u32 => visit_u32,
        deserialize_u64 => visit_u64,
        deserialize_u128 => visit_u128,
        deserialize_f32 => visit_f32,
        deserialize_f64 => visit_f64,
    );

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_borrowed_str(self.0)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_enum(Variant { variant: self.0, content: None })
    }

    forward_to_deserialize_any! {
        char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

struct Variant<'de> {
    variant: &'de str,
    content: Option<&'de Attribute>,
}

impl<'de> EnumAccess<'de> for Variant<'de> {
    type Error = Error;
    type Variant = Content<'de>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Content<'de>), Error> {
        let name: StrDeserializer<'_, Error> = self.variant.into_deserializer();
        Ok((seed.deserialize(name)?, Content(self.content)))
    }
}

/// The content of a variant.
struct Content<'de>(Option<&'de Attribute>);

impl<'de> Content<'de> {
    fn there(self, expected: &'static str) -> Result<&'de Attribute, Error> {
        self.0.ok_or_else(|| de::Error::invalid_type(Unexpected::UnitVariant, &expected))
    }
}

impl<'de> VariantAccess<'de> for Content<'de> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        match self.0 {
            None | Some(Attribute::Null) => Ok(()),
            Some(other) => Err(de::Error::invalid_type(other.unexpected(), &"unit variant")),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(self.there("newtype variant")?)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        match self.there("tuple variant")? {
            Attribute::List(members) => visit_members(members, visitor),
            other => Err(de::Error::invalid_type(other.unexpected(), &"tuple variant")),
        }
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.there("struct variant")? {
            attribute @ (Attribute::Map(_) | Attribute::List(_)) => attribute.deserialize_any(visitor),
            other => Err(de::Error::invalid_type(other.unexpected(), &"struct variant")),
        }
    }
}
