//! The payload hash is written straight from JSON text. It must stay what it was when it was written from a
//! tree of `Value`s: ledgers hold it.

use proptest::prelude::*;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use throughline_core::identity::PayloadHash;

/// The hash as it was first written.
fn first_hash(message_type: &str, data: &str) -> Option<String> {
    let data: Value = serde_json::from_str(data).ok()?;
    let mut text = String::new();
    canonical(&data, &mut text);
    let mut hash = Sha256::new();
    hash.update(message_type.len().to_be_bytes());
    hash.update(message_type);
    hash.update(text);
    let mut hex = String::new();
    for byte in &hash.finalize()[..16] {
        _ = write!(hex, "{byte:02x}");
    }
    Some(hex)
}

fn canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by_key(|(name, _)| *name);
            out.push('{');
            for (at, (name, value)) in members.into_iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                _ = write!(out, "{}:", Value::from(name.as_str()));
                canonical(value, out);
            }
            out.push('}');
        }
        Value::Array(values) => {
            out.push('[');
            for (at, value) in values.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                canonical(value, out);
            }
            out.push(']');
        }
        scalar => _ = write!(out, "{scalar}"),
    }
}

fn hash(message_type: &str, data: &str) -> Option<String> {
    PayloadHash::of(message_type, data).ok().map(|hash| hash.to_string())
}

fn string() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
        // Names that are the same once unescaped, and names that sort otherwise once unescaped.
        prop::sample::select(vec![
            r#""""#,
            r#""a""#,
            r#""\u0061""#,
            r#""b""#,
            r#""aa""#,
            r#""\"""#,
            r#""\\""#,
            r#""/""#,
            r#""\/""#,
            r#""\n""#,
            r#""\u00e9""#,
            r#""é""#,
            r#""\ud83d\ude00""#,
            r#""\ud83d""#,
        ])
        .prop_map(Into::into),
    ]
}

fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<i64>().prop_map(|number| number.to_string()),
        any::<u64>().prop_map(|number| number.to_string()),
        any::<f64>()
            .prop_filter("JSON has no other", |number| number.is_finite())
            .prop_map(|n| format!("{n:e}")),
        "-?(0|[1-9][0-9]{0,24})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?",
    ]
}

/// JSON text, and some that is nearly JSON.
fn json() -> impl Strategy<Value = String> {
    let space = || prop::sample::select(vec!["", "", "", " ", "\n\t "]);
    let scalar = prop_oneof![
        prop::sample::select(vec!["null", "true", "false", "-0", "0.0", "1e400", "nul"]).prop_map(Into::into),
        string(),
        number(),
    ];
    scalar.prop_recursive(5, 60, 8, move |value| {
        let element = (space(), value.clone(), space())
            .prop_map(|(left, value, right)| format!("{left}{value}{right}"));
        let member = (space(), string(), space(), element.clone())
            .prop_map(|(left, name, right, value)| format!("{left}{name}{right}:{value}"));
        prop_oneof![
            prop::collection::vec(element, 0..8).prop_map(|values| format!("[{}]", values.join(","))),
            prop::collection::vec(member, 0..8).prop_map(|members| format!("{{{}}}", members.join(","))),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn the_hash_is_what_it_was_when_it_was_first_written(message_type in "[a-z.]{0,12}", data in json()) {
        prop_assert_eq!(hash(&message_type, &data), first_hash(&message_type, &data));
    }
}

#[test]
fn the_corners_are_hashed_as_they_were() {
    let deepest = |levels| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let hashed = [
        r#"{"b":1,"a":2,"b":3}"#.to_owned(),
        r#"{"a":{"z":1,"y":{"b":[],"a":{}}},"a":{"y":0,"x":1}}"#.into(),
        r#"{"\u0062":1,"a":2,"b":3}"#.into(),
        "[-0,-0.0,0.1,1E3,1e-7,18446744073709551615,18446744073709551616,-9223372036854775809]".into(),
        deepest(127),
    ];
    for data in hashed {
        assert!(hash("t", &data).is_some(), "{data}");
        assert_eq!(hash("t", &data), first_hash("t", &data), "{data}");
    }
    for data in ["", "{", "1 2", "1e400", r#""\ud83d""#, &deepest(128)] {
        assert_eq!((hash("t", data), first_hash("t", data)), (None, None), "{data}");
    }
}

/// `Value` takes an object with this one name for text to be read again. The hash does not: such an object is
/// an object, and another payload than what its text says.
#[test]
fn an_object_named_like_a_mark_of_serde_json_is_an_object() {
    let data = r#"{"$serde_json::private::RawValue":"[1]"}"#;
    assert_eq!(first_hash("t", data), first_hash("t", "[1]"));
    assert_ne!(hash("t", data), hash("t", "[1]"));
}
