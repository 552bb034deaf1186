use super::Scanner;
use proptest::{prelude::*, sample::Index};
use std::borrow::Cow;

fn scan(json: &str) -> Option<String> {
    let mut scanner = Scanner::new(json);
    let text = scanner.string()?;
    scanner.end()?;
    Some(text.into_owned())
}

fn parse(json: &str) -> Option<String> {
    serde_json::from_str(json).ok()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_string_is_what_serde_json_says(text in any::<String>(), json_in_json in 0..3) {
        let mut json = serde_json::to_string(&text).unwrap();
        for _ in 0..json_in_json {
            json = serde_json::to_string(&json).unwrap();
        }
        prop_assert!(parse(&json).is_some());
        prop_assert_eq!(scan(&json), parse(&json));
    }

    #[test]
    fn runs_and_escapes_of_every_length_are_unescaped(
        parts in prop::collection::vec(("[ -!#-\\[\\]-~é🫖]{0,70}", prop::sample::select(
            vec!["\\\"", "\\\\", "\\/", "\\n", "\\b", "\\u00e9", "\\ud83e\\uded6", "\\ud83e", "\\x", "\n", "\u{7f}", "\\"]
        )), 0..12),
    ) {
        let inner: String = parts.iter().flat_map(|(run, escape)| [run, *escape]).collect();
        let json = format!("\"{inner}\"");
        prop_assert_eq!(scan(&json), parse(&json));
        prop_assert_eq!(scan(&json[..json.len() - 1]), parse(&json[..json.len() - 1]));
    }

    #[test]
    fn a_damaged_string_is_what_serde_json_says(text in ".{0,90}", at in any::<Index>(), byte in 0_u8..0x80) {
        let json = serde_json::to_string(&text).unwrap();
        let mut damaged = json.into_bytes();
        let at = at.index(damaged.len());
        damaged[at] = byte;
        if let Ok(damaged) = String::from_utf8(damaged) {
            prop_assert_eq!(scan(&damaged), parse(&damaged));
        }
    }
}

#[test]
fn a_string_without_escapes_is_borrowed() {
    let text = "what is there already need not be copied, however long it is";
    let json = format!(" \"{text}\"");
    assert!(matches!(Scanner::new(&json).string(), Some(Cow::Borrowed(found)) if found == text));
}

#[test]
fn what_is_no_object_or_array_is_not_read_as_one() {
    fn object(json: &str) -> Option<usize> {
        let mut scanner = Scanner::new(json);
        let mut members = 0;
        scanner.object(|scanner, _| {
            members += 1;
            scanner.skip()
        })?;
        scanner.end()?;
        Some(members)
    }
    for (json, members) in
        [("{}", 0), (" { } ", 0), (r#"{"a":1}"#, 1), (r#"{ "a" : {"b":[{}]} , "c":"d" }"#, 2)]
    {
        assert_eq!(object(json), Some(members), "{json}");
    }
    for json in [
        "",
        "{",
        "}",
        "[]",
        r#"{"a"}"#,
        r#"{"a":}"#,
        r#"{"a":1,}"#,
        r#"{,"a":1}"#,
        r#"{"a":1}}"#,
        r#"{"a":1 2}"#,
        "{a:1}",
    ] {
        assert!(serde_json::from_str::<serde_json::Value>(json).map_or(true, |value| !value.is_object()));
        assert_eq!(object(json), None, "{json}");
    }
    let mut elements = Vec::new();
    let read = Scanner::new("[1, 2 ,3]").array(|scanner| {
        elements.push(scanner.value::<u8>()?);
        Some(())
    });
    assert_eq!((read, elements), (Some(()), vec![1, 2, 3]));
    for json in ["[1,]", "[1", "[1 2]", "[,1]"] {
        assert_eq!(Scanner::new(json).array(Scanner::skip), None, "{json}");
    }
}
