//! Finds integers that EventBridge does not accept.

use serde_json::value::RawValue;
use std::fmt;

/// The number of digits below which every integer fits in 64 bits with a sign.
const DIGITS_OF_THE_LARGEST: usize = 19;

/// Returns the error for the first field of an event with an integer that EventBridge does not accept: `PutEvents`
/// accepts those from -2^63 to 2^63-1 (`PutEventsRequestEntry`).
pub(super) fn beyond_what_events_hold(data: &RawValue) -> Option<String> {
    if !has_a_long_number(data.get()) {
        return None;
    }
    let path = find(data.get())?;
    let place = if path.is_empty() { "it".to_owned() } else { format!("field `{path}`") };
    // The error does not quote the integer, which may be confidential.
    Some(format!(
        "{place} is an integer that EventBridge does not take: those of an event are from -2^63 to 2^63-1; write it as a \
         text"
    ))
}

/// Returns whether there may be such an integer. Digits within strings count, too, because this check only has to rule
/// out most data quickly.
fn has_a_long_number(text: &str) -> bool {
    let mut digits = 0;
    text.bytes().any(|byte| {
        digits = if byte.is_ascii_digit() { digits + 1 } else { 0 };
        digits >= DIGITS_OF_THE_LARGEST
    })
}

/// Returns the path to the first integer that is too large. Data may be nested as deep as its bytes allow: this reads
/// it once, without recursion.
fn find(json: &str) -> Option<String> {
    let mut open: Vec<Step<'_>> = Vec::new();
    let mut rest = json;
    loop {
        let at =
            rest.find(|character| matches!(character, '"' | '{' | '[' | '}' | ']' | ',' | '-' | '0'..='9'))?;
        rest = &rest[at..];
        let length = match rest.as_bytes()[0] {
            b'"' => {
                let length = text_length(rest);
                if let Some(Step::Member(name @ None)) = open.last_mut() {
                    *name = Some(&rest[..length]);
                }
                length
            }
            b'-' | b'0'..=b'9' => {
                let is_of_number = |character| matches!(character, '-' | '+' | '.' | 'e' | 'E' | '0'..='9');
                let length = rest.find(|character| !is_of_number(character)).unwrap_or(rest.len());
                let number = &rest[..length];
                if !number.contains(['.', 'e', 'E']) && number.parse::<i64>().is_err() {
                    let path: Vec<_> = open.iter().map(ToString::to_string).collect();
                    return Some(path.join("."));
                }
                length
            }
            delimiter => {
                match (delimiter, open.last_mut()) {
                    (b'{', _) => open.push(Step::Member(None)),
                    (b'[', _) => open.push(Step::Element(0)),
                    (b',', Some(Step::Member(name))) => *name = None,
                    (b',', Some(Step::Element(at))) => *at += 1,
                    _ => _ = open.pop(),
                }
                1
            }
        };
        rest = &rest[length..];
    }
}

/// The current place in an object or an array.
enum Step<'a> {
    /// The member of this name, in quotes; `None` before the first member and between two.
    Member(Option<&'a str>),
    Element(usize),
}

impl fmt::Display for Step<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Member(name) => {
                let quoted = name.unwrap_or_default();
                f.write_str(serde_json::from_str::<String>(quoted).as_deref().unwrap_or(quoted))
            }
            Self::Element(at) => at.fmt(f),
        }
    }
}

/// Returns the length of the JSON string at the start of a text, quotes included.
fn text_length(text: &str) -> usize {
    let mut is_escaped = false;
    let end = text[1..].find(|character| {
        let is_end = character == '"' && !is_escaped;
        is_escaped = character == '\\' && !is_escaped;
        is_end
    });
    end.map_or(text.len(), |end| end + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Option<String> {
        beyond_what_events_hold(&RawValue::from_string(text.to_owned()).unwrap())
    }

    #[test]
    fn the_first_integer_that_eventbridge_does_not_take_is_named_with_its_field() {
        for (text, field) in [
            (r#"{"a":[{"\u0062":18446744073709551615}]}"#, "field `a.0.b` is an integer that"),
            (r#"{"n":"\\\"{[,","b":[],"a":-9223372036854775809}"#, "field `a` is an integer that"),
            (r#"{"a":340282366920938463463374607431768211455}"#, "field `a` is an integer that"),
            ("9223372036854775808", "it is an integer that"),
        ] {
            let why = found(text).unwrap();
            assert!(why.starts_with(field) && !why.contains("922337"), "{why}");
        }
    }

    #[test]
    fn data_may_be_nested_as_deep_as_its_bytes_allow() {
        let nested = |number| format!("{}{number}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(found(&nested("18446744073709551615")).is_some());
        assert_eq!(found(&nested("9223372036854775807")), None);
    }

    #[test]
    fn every_other_number_and_every_text_is_taken() {
        for text in [
            r#"{"a":9223372036854775807,"b":-9223372036854775808}"#,
            r#"{"a":12345678901234567890.5,"b":1e300,"c":1234567890123456789012e3}"#,
            r#"{"18446744073709551616":"18446744073709551616"}"#,
        ] {
            assert_eq!(found(text), None, "{text}");
        }
    }
}
