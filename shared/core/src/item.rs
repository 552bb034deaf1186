//! The form in which entities are stored: items of attributes, in DynamoDB's terms and exact to the last digit.
//!
//! A ledger stores an [`Item`] unchanged, so that every ledger returns the same. This module decides how an item is
//! read, and which attributes a save changes.

mod merging;
mod number;
mod reading;
mod writing;

pub use merging::Changes;
pub(crate) use merging::{Reread, merged};
pub use number::Number;
pub(crate) use reading::read_without;
use writing::Written;
pub(crate) use writing::{Unwritable, check_is_finite, checked_json};

use crate::{Entity, json_error::without_values};
use serde::{Serialize, Serializer, de::DeserializeOwned, ser::SerializeMap as _};
use std::{borrow::Cow, collections::BTreeMap};

/// An entity's attributes by their names.
pub type Item = BTreeMap<String, Attribute>;

/// The value of an attribute, of one of DynamoDB's types.
///
/// Two values are equal if they mean the same: numbers in any notation, sets in any order.
#[derive(Debug, Clone)]
pub enum Attribute {
    /// A string (`S`).
    Text(String),
    /// A number (`N`).
    Number(Number),
    /// A Boolean (`BOOL`).
    Bool(bool),
    /// A null (`NULL`).
    Null,
    /// A list (`L`).
    List(Vec<Attribute>),
    /// A map (`M`).
    Map(Item),
    /// Bytes (`B`).
    Binary(Vec<u8>),
    /// A set (`SS`, `NS` or `BS`) of strings, numbers or bytes, all of one type.
    Set(Vec<Attribute>),
}

impl PartialEq for Attribute {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Text(one), Self::Text(other)) => one == other,
            (Self::Number(one), Self::Number(other)) => one == other,
            (Self::Bool(one), Self::Bool(other)) => one == other,
            (Self::Null, Self::Null) => true,
            (Self::List(one), Self::List(other)) => one == other,
            (Self::Map(one), Self::Map(other)) => one == other,
            (Self::Binary(one), Self::Binary(other)) => one == other,
            (Self::Set(one), Self::Set(other)) => {
                one.len() == other.len() && in_order(one) == in_order(other)
            }
            _ => false,
        }
    }
}

/// Returns the members of a set as keys that equal members share, sorted, so that the order in the set does not matter.
fn in_order(members: &[Attribute]) -> Vec<(u8, Cow<'_, [u8]>)> {
    let keys = members.iter().map(|member| match member {
        Attribute::Text(text) => (0, Cow::from(text.as_bytes())),
        Attribute::Number(number) => (1, Cow::from(number.canonical().into_bytes())),
        Attribute::Binary(bytes) => (2, Cow::from(bytes.as_slice())),
        other => (3, Cow::from(format!("{other:?}").into_bytes())),
    });
    let mut keys: Vec<_> = keys.collect();
    keys.sort();
    keys
}

/// Returns a value as an item.
///
/// ```
/// use serde_json::json;
/// use throughline_core::{ledger::Attribute, internal::item::item_of};
/// let item = item_of(&json!({"sku": "book", "amount": 5})).unwrap();
/// assert_eq!(item["amount"], Attribute::from(5_u64));
/// ```
///
/// # Errors
/// The reason why it cannot be an item, and the field: NaN, a number beyond DynamoDB's range, a map whose keys are no
/// strings, or a value that is neither a struct nor a map.
pub fn item_of<T: Serialize + ?Sized>(value: &T) -> Result<Item, String> {
    map(writing::attribute_of(value, None).map_err(|why| why.to_string())?.attribute)
}

/// Returns an entity as an item that can be read as that entity again.
pub(crate) fn item_of_entity<T: Entity>(entity: &T, id: &str) -> Result<Item, Unwritable> {
    let Written { attribute, has_rare_forms } = writing::attribute_of(entity, Some(id))?;
    let item = map(attribute).map_err(Unwritable::new)?;
    if has_rare_forms && let Err(error) = T::from_item(&item) {
        return Err(Unwritable::new(unreadable(&error)));
    }
    Ok(item)
}

/// Returns the reason why a value that would be stored could not be loaded again.
fn unreadable(error: &serde_json::Error) -> String {
    format!(
        "it could not be read again: {}; within `flatten`, `tag` and `untagged` serde reads no integers of 128 bits and \
         no keys but texts: make them texts there",
        without_values(error)
    )
}

fn map(attribute: Attribute) -> Result<Item, String> {
    match attribute {
        Attribute::Map(item) => Ok(item),
        _ => Err("an entity must be a struct or a map in JSON".into()),
    }
}

/// Reads an item as a type.
///
/// # Errors
/// The part of the item that the type does not accept.
pub fn read_item<T: DeserializeOwned>(item: &Item) -> Result<T, serde_json::Error> {
    read_without(item, None)
}

impl Attribute {
    /// Returns the attribute's type, as DynamoDB names it.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Text(_) => "S",
            Self::Number(_) => "N",
            Self::Bool(_) => "BOOL",
            Self::Null => "NULL",
            Self::List(_) => "L",
            Self::Map(_) => "M",
            Self::Binary(_) => "B",
            Self::Set(members) => match members.first() {
                Some(Self::Number(_)) => "NS",
                Some(Self::Binary(_)) => "BS",
                _ => "SS",
            },
        }
    }

    /// Returns the string, if the attribute is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Reads the attribute as a type.
    ///
    /// # Errors
    /// The part of the attribute that the type does not accept.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        T::deserialize(self)
    }
}

impl From<&str> for Attribute {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<u64> for Attribute {
    fn from(number: u64) -> Self {
        Self::Number(Number::from(number))
    }
}

/// Serializes the attribute as JSON: sets and bytes become lists.
impl Serialize for Attribute {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Number(number) => number.serialize(serializer),
            Self::Bool(truth) => serializer.serialize_bool(*truth),
            Self::Null => serializer.serialize_unit(),
            Self::List(members) | Self::Set(members) => serializer.collect_seq(members),
            Self::Map(item) => {
                let mut map = serializer.serialize_map(Some(item.len()))?;
                for (name, attribute) in item {
                    map.serialize_entry(name, attribute)?;
                }
                map.end()
            }
            Self::Binary(bytes) => serializer.collect_seq(bytes),
        }
    }
}
