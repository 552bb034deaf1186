//! The JSON reader's errors about data, without the data: its messages quote the value that they complain of, and end
//! up in logs and dead-letter queues.

use serde_json::{Error, error::Category};
use std::fmt;

/// The kind of a JSON value, which can be said of it where the value itself may be personal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonKind {
    /// `null`.
    Null,
    /// `true` or `false`.
    Boolean,
    /// Any number.
    Number,
    /// A string.
    Text,
    /// An array.
    Array,
    /// An object.
    Object,
}

impl JsonKind {
    /// The kind of the value that JSON text begins with. Text that begins with none counts as a number.
    ///
    /// ```
    /// use throughline_core::internal::json_error::JsonKind;
    /// assert_eq!(JsonKind::of(" [1]").to_string(), "an array");
    /// ```
    pub fn of(json: &str) -> Self {
        match json.trim_ascii_start().as_bytes().first() {
            Some(b'n') => Self::Null,
            Some(b't' | b'f') => Self::Boolean,
            Some(b'"') => Self::Text,
            Some(b'[') => Self::Array,
            Some(b'{') => Self::Object,
            _ => Self::Number,
        }
    }
}

impl fmt::Display for JsonKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Null => "null",
            Self::Boolean => "a boolean",
            Self::Number => "a number",
            Self::Text => "text",
            Self::Array => "an array",
            Self::Object => "an object",
        })
    }
}

/// Returns the error and its place, with the values left out. The message of a type's own `Deserialize` may quote
/// anything, and is left out whole.
///
/// ```
/// use throughline_core::internal::json_error::without_values;
/// let error = serde_json::from_str::<u64>("\"4111 1111\"").unwrap_err();
/// assert_eq!(without_values(&error), "invalid type: string, expected u64 at line 1 column 11");
/// ```
pub fn without_values(error: &Error) -> String {
    said(error, |_| "a value is not what its type allows".to_owned())
}

/// The same, but that messages that are not serde's own stay: for what holds no data, such as an envelope.
pub fn without_known_values(error: &Error) -> String {
    said(error, str::to_owned)
}

fn said(error: &Error, custom: impl FnOnce(&str) -> String) -> String {
    let text = error.to_string();
    // What is wrong with the JSON itself is said without quoting it.
    if error.classify() != Category::Data {
        return text;
    }
    let place = format!(" at line {} column {}", error.line(), error.column());
    let (message, place) = match text.strip_suffix(&place) {
        Some(message) => (message, place),
        None => (text.as_str(), String::new()),
    };
    without_value(message).unwrap_or_else(|| custom(message)) + &place
}

/// One of serde's own messages (`serde::de::Error`) without the value that it quotes; nothing if it is none.
fn without_value(message: &str) -> Option<String> {
    for names_fields_alone in ["missing field ", "duplicate field ", "invalid length "] {
        if message.starts_with(names_fields_alone) {
            return Some(message.to_owned());
        }
    }
    // The value may itself say "expected", what is expected hardly.
    let (found, expected) =
        message.rsplit_once(", expected ").or_else(|| message.rsplit_once(", there are no "))?;
    for quotes_a_value in ["invalid type: ", "invalid value: "] {
        if let Some(value) = found.strip_prefix(quotes_a_value) {
            let kind = value.split(['"', '`']).next().unwrap_or_default().trim_end();
            return Some(format!("{quotes_a_value}{kind}, expected {expected}"));
        }
    }
    ["unknown variant", "unknown field"]
        .into_iter()
        .find(|what| found.starts_with(what))
        .map(|what| format!("{what}, expected {expected}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::{Deserialize, de};

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only ever refused")]
    struct Card {
        number: u64,
        kind: Kind,
        holder: Option<Holder>,
    }

    #[derive(Debug, Deserialize)]
    enum Kind {
        Debit,
        Credit,
    }

    #[derive(Debug)]
    struct Holder;

    impl<'de> Deserialize<'de> for Holder {
        fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let name = String::deserialize(deserializer)?;
            Err(de::Error::custom(format!("nobody is called {name}")))
        }
    }

    fn said_of(json: &str) -> String {
        without_values(&serde_json::from_str::<Card>(json).unwrap_err())
    }

    #[test]
    fn what_is_wrong_and_where_is_said_and_the_value_is_not() {
        let secret = "4111, expected \"1111";
        let text = serde_json::to_string(secret).unwrap();
        for (json, expected) in [
            (format!(r#"{{"number":{text}}}"#), "invalid type: string, expected u64 at line 1 column"),
            (r#"{"number":-4111}"#.to_owned(), "invalid value: integer, expected u64 at line 1 column"),
            (
                r#"{"number":4111.5}"#.to_owned(),
                "invalid type: floating point, expected u64 at line 1 column",
            ),
            (
                format!(r#"{{"kind":{text}}}"#),
                "unknown variant, expected `Debit` or `Credit` at line 1 column",
            ),
            (
                format!(r"{{{text}:1}}"),
                "unknown field, expected one of `number`, `kind`, `holder` at line 1 column",
            ),
            (format!(r#"{{"holder":{text}}}"#), "a value is not what its type allows at line 1 column"),
            (r#"{"number":1}"#.to_owned(), "missing field `kind` at line 1 column 12"),
            (r#"{"number":{"a":4111}}"#.to_owned(), "invalid type: map, expected u64 at line 1 column"),
            (r#"{"number":4111"#.to_owned(), "EOF while parsing an object at line 1 column 14"),
        ] {
            let said = said_of(&json);
            assert!(said.starts_with(expected), "{said}");
            assert!(!said.contains("4111"), "{said}");
        }
    }

    #[test]
    fn of_an_envelope_the_reasons_of_our_own_stay() {
        let error = <Error as de::Error>::custom("specversion is `0.3`; only `1.0` is read");
        assert_eq!(without_known_values(&error), "specversion is `0.3`; only `1.0` is read");
    }
}
