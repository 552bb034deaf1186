//! What entities are stored as: items of attributes, in DynamoDB's terms and exact to the last digit.
//!
//! A ledger keeps an [`Item`] as it is, so that every ledger gives back the same. What is read of it, and what a
//! save changes in it, is decided here.

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
/// Two of them are equal if they mean the same: numbers whatever their notation, sets whatever their order.
#[derive(Debug, Clone)]
pub enum Attribute {
    /// A text (`S`).
    Text(String),
    /// A number (`N`).
    Number(Number),
    /// A truth value (`BOOL`).
    Bool(bool),
    /// Nothing (`NULL`).
    Null,
    /// A list (`L`).
    List(Vec<Attribute>),
    /// A map (`M`).
    Map(Item),
    /// Bytes (`B`).
    Binary(Vec<u8>),
    /// A set (`SS`, `NS` or `BS`): texts, numbers or bytes, all of one type.
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

/// The members of a set, each as a text that equal ones share, in an order that does not depend on theirs.
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

/// A value as an item.
///
/// ```
/// use serde_json::json;
/// use throughline_core::{ledger::Attribute, internal::item::item_of};
/// let item = item_of(&json!({"sku": "book", "amount": 5})).unwrap();
/// assert_eq!(item["amount"], Attribute::from(5_u64));
/// ```
///
/// # Errors
/// Why it cannot be one, and which of its fields: NaN, a number beyond DynamoDB's range, a map whose keys are no
/// texts, or something that is neither a struct nor a map.
pub fn item_of<T: Serialize + ?Sized>(value: &T) -> Result<Item, String> {
    map(writing::attribute_of(value, None).map_err(|why| why.to_string())?.attribute)
}

/// An entity as an item, which can be read as one again.
pub(crate) fn item_of_entity<T: Entity>(entity: &T, id: &str) -> Result<Item, Unwritable> {
    let Written { attribute, has_rare_forms } = writing::attribute_of(entity, Some(id))?;
    let item = map(attribute).map_err(Unwritable::new)?;
    if has_rare_forms && let Err(error) = T::from_item(&item) {
        return Err(Unwritable::new(unreadable(&error)));
    }
    Ok(item)
}

/// Why what would be stored could not be loaded.
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
/// What about the item the type does not take.
pub fn read_item<T: DeserializeOwned>(item: &Item) -> Result<T, serde_json::Error> {
    read_without(item, None)
}

impl Attribute {
    /// Its type, as DynamoDB names it.
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

    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Reads it as a type.
    ///
    /// # Errors
    /// What about it the type does not take.
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

/// As JSON has it: sets and bytes are lists.
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
