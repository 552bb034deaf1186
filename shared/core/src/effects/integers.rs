//! Integers that EventBridge takes.

use serde_json::value::RawValue;
use std::{borrow::Cow, collections::BTreeMap};

/// No number of fewer digits is beyond 64 bits and a sign.
const DIGITS_OF_THE_LARGEST: usize = 19;

/// Says which field of an event holds an integer that EventBridge does not take: `PutEvents` takes those from -2^63 to
/// 2^63-1 (`PutEventsRequestEntry`).
pub(super) fn beyond_what_events_hold(data: &RawValue) -> Option<String> {
    if !has_a_long_number(data.get()) {
        return None;
    }
    let path = find(data, String::new())?;
    let place = if path.is_empty() { "it".to_owned() } else { format!("field `{path}`") };
    // Not the integer itself: it may be nobody's business.
    Some(format!(
        "{place} is an integer that EventBridge does not take: those of an event are from -2^63 to 2^63-1; write it as a \
         text"
    ))
}

/// Whether there may be such a number. Digits within texts count, too: this is for leaving out the others.
fn has_a_long_number(text: &str) -> bool {
    let mut digits = 0;
    text.bytes().any(|byte| {
        digits = if byte.is_ascii_digit() { digits + 1 } else { 0 };
        digits >= DIGITS_OF_THE_LARGEST
    })
}

/// The path to the first of them.
fn find(value: &RawValue, path: String) -> Option<String> {
    let within = |step: &str| if path.is_empty() { step.to_owned() } else { format!("{path}.{step}") };
    let text = value.get();
    match text.as_bytes().first()? {
        b'{' => {
            let members: BTreeMap<Name<'_>, &RawValue> = serde_json::from_str(text).ok()?;
            members.into_iter().find_map(|(Name(name), member)| find(member, within(&name)))
        }
        b'[' => {
            let members: Vec<&RawValue> = serde_json::from_str(text).ok()?;
            members.into_iter().enumerate().find_map(|(at, member)| find(member, within(&at.to_string())))
        }
        b'-' | b'0'..=b'9' if !text.contains(['.', 'e', 'E']) && text.parse::<i64>().is_err() => Some(path),
        _ => None,
    }
}

/// A name, borrowed where it has no escapes.
#[derive(serde::Deserialize, PartialEq, Eq, PartialOrd, Ord)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

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
            (r#"{"a":-9223372036854775809}"#, "field `a` is an integer that"),
            (r#"{"a":340282366920938463463374607431768211455}"#, "field `a` is an integer that"),
            ("9223372036854775808", "it is an integer that"),
        ] {
            let why = found(text).unwrap();
            assert!(why.starts_with(field) && !why.contains("92233") && !why.contains("18446"), "{why}");
        }
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
