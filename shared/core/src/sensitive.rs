//! Values that nobody who looks over a shoulder, and no log, may see.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::fmt;

/// The text in place of a sensitive value.
pub const MASK: &str = "***";

/// A value that is personal or secret: a name, an address, the token of a card.
///
/// On the wire and in a table it is the value itself. What it is not is shown: its `Debug` is `***`, it has no
/// `Display`, an error that says why it could not be read does not quote it, and its JSON Schema carries
/// `"x-sensitive": true`, by which the command line masks it wherever it prints a payload.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use throughline_core::Sensitive;
///
/// #[derive(Debug, Serialize, Deserialize)]
/// struct Customer { id: String, name: Sensitive<String> }
///
/// let customer: Customer = serde_json::from_str(r#"{"id":"c-1","name":"Ada"}"#).unwrap();
/// assert_eq!(format!("{customer:?}"), r#"Customer { id: "c-1", name: *** }"#);
/// assert_eq!(customer.name.expose(), "Ada");
/// assert_eq!(serde_json::to_string(&customer).unwrap(), r#"{"id":"c-1","name":"Ada"}"#);
/// ```
///
/// It is no id: ids and subjects are shown in logs, traces and dead letters. An event whose subject it is does not
/// compile, and an entity whose [`id`](crate::Entity::id) it is cannot be saved. Give such an entity an id of its own.
///
/// It hides, and does no more: the value is not encrypted, and stays in memory until it is overwritten.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sensitive<T>(T);

impl<T> Sensitive<T> {
    /// Marks a value as sensitive.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value, for the place that needs it. Search for this word to find every such place.
    pub const fn expose(&self) -> &T {
        &self.0
    }

    /// The value itself, no longer marked.
    pub fn into_exposed(self) -> T {
        self.0
    }
}

impl<T> fmt::Debug for Sensitive<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl<T> From<T> for Sensitive<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl From<&str> for Sensitive<String> {
    fn from(value: &str) -> Self {
        Self(value.to_owned())
    }
}

/// The name of the newtype by which a serializer knows that its content is sensitive. Every other format than ours
/// ignores it.
pub(crate) const SERIALIZED_AS: &str = "throughline::Sensitive";

impl<T: Serialize> Serialize for Sensitive<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct(SERIALIZED_AS, &self.0)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Sensitive<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The reader's own words would quote what it found.
        T::deserialize(deserializer).map(Self).map_err(|_| {
            D::Error::custom("a sensitive value, which is not shown, has another form than it should")
        })
    }
}

/// The mark in a JSON Schema that says that a value is sensitive.
pub const SCHEMA_MARK: &str = "x-sensitive";

#[cfg(feature = "schema")]
impl<T: schemars::JsonSchema> schemars::JsonSchema for Sensitive<T> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        format!("Sensitive_{}", T::schema_name()).into()
    }

    fn schema_id() -> std::borrow::Cow<'static, str> {
        format!("throughline_core::Sensitive<{}>", T::schema_id()).into()
    }

    /// The mark stands where the value does: no definition of its own hides it.
    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let mut schema = generator.subschema_for::<T>();
        schema.insert(SCHEMA_MARK.to_owned(), true.into());
        schema
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Account {
        id: u32,
        number: Sensitive<u64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        owner: Option<Sensitive<String>>,
    }

    #[test]
    fn a_sensitive_value_is_itself_on_the_wire_and_hidden_elsewhere() {
        let account = Account { id: 1, number: 4111.into(), owner: Some("Ada".into()) };
        let json = serde_json::to_string(&account).unwrap();
        assert_eq!(json, r#"{"id":1,"number":4111,"owner":"Ada"}"#);
        assert_eq!(serde_json::from_str::<Account>(&json).unwrap(), account);
        let shown = format!("{account:?} {account:#?}");
        assert!(!shown.contains("4111") && !shown.contains("Ada"), "{shown}");
    }

    #[test]
    fn an_error_says_where_a_sensitive_value_is_malformed_and_not_what_it_is() {
        let error = serde_json::from_str::<Account>("{\n\"id\":1,\n\"number\":\"4111-secret\"}").unwrap_err();
        assert_eq!(error.line(), 3);
        assert!(
            error.to_string().contains("sensitive value") && !error.to_string().contains("4111"),
            "{error}"
        );
    }

    #[cfg(feature = "schema")]
    #[test]
    fn its_schema_is_that_of_the_value_with_a_mark() {
        #[derive(schemars::JsonSchema)]
        #[expect(dead_code, reason = "only its schema is looked at")]
        struct Parcel {
            to: Sensitive<String>,
            from: Option<Sensitive<String>>,
            inside: Vec<Sensitive<Item>>,
        }
        #[derive(schemars::JsonSchema)]
        #[expect(dead_code, reason = "only its schema is looked at")]
        struct Item {
            name: String,
        }
        let schema = schemars::schema_for!(Parcel).to_value();
        for place in ["/properties/to", "/properties/from", "/properties/inside/items"] {
            assert_eq!(schema.pointer(place).unwrap()[SCHEMA_MARK], true, "{schema:#}");
        }
        assert_eq!(schema["properties"]["to"]["type"], "string");
        assert_eq!(schema["properties"]["inside"]["items"]["$ref"], "#/$defs/Item");
    }
}
