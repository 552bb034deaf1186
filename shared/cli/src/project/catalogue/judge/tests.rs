use super::*;
use crate::project::{Project, catalogue::Catalogue};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{json, value::RawValue};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    num::NonZeroU32,
};
use throughline_core::Message as _;
use throughline_operations::json_text::{JsonText, Step, quoted, readable};
use throughline_shop::{ApprovalCommand, ApprovalEvent, OrderCommand, PaymentCommand, ShopEvent};

/// A field of every kind that a schema says less of than serde does.
#[derive(Debug, Deserialize, JsonSchema)]
#[expect(dead_code, reason = "it is read, and nothing more")]
struct Zoo {
    tiny: u8,
    tiny_signed: i8,
    short: i16,
    middle: u32,
    middle_signed: i32,
    whole: u64,
    whole_signed: i64,
    huge: u128,
    huge_signed: i128,
    size: usize,
    float: f64,
    single: f32,
    at: Timestamp,
    day: Option<jiff::civil::Date>,
    lasts: jiff::SignedDuration,
    letter: char,
    flag: bool,
    nothing: (),
    maybe: Option<u16>,
    #[serde(default)]
    optional: u32,
    not_zero: NonZeroU32,
    list: Vec<u32>,
    set: BTreeSet<u32>,
    pair: (u8, String),
    by_number: BTreeMap<u32, i16>,
    by_signed: BTreeMap<i64, Parts>,
    by_name: BTreeMap<String, u32>,
    choice: Choice,
    tagged: Option<Tagged>,
    either: Either,
    strict: Strict,
    parts: Option<Box<Parts>>,
    anything: Value,
    address: std::net::IpAddr,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[expect(dead_code, reason = "it is read, and nothing more")]
enum Choice {
    Plain,
    Number(u32),
    Fields { count: i8 },
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase")]
#[expect(dead_code, reason = "it is read, and nothing more")]
enum Tagged {
    Bare,
    Counted { count: u32, at: Option<Timestamp> },
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "it is read, and nothing more")]
enum Either {
    Number(u32),
    Text(String),
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "it is read, and nothing more")]
struct Strict {
    count: u64,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[expect(dead_code, reason = "it is read, and nothing more")]
struct Parts {
    number: Option<i32>,
    #[serde(default)]
    parts: Vec<Parts>,
}

fn animals() -> Value {
    json!({
        "tiny": 1, "tiny_signed": -1, "short": 2, "middle": 3, "middle_signed": -3, "whole": 4, "whole_signed": -4,
        "huge": 5, "huge_signed": -5, "size": 6, "float": 1.5, "single": 2, "at": "2026-01-02T03:04:05Z",
        "day": "2026-01-02", "lasts": "PT5M", "letter": "é", "flag": true, "nothing": null, "maybe": 7,
        "optional": 8, "not_zero": 9, "list": [1, 2], "set": [1, 2], "pair": [1, "one"],
        "by_number": { "1": 1, "20": 2 }, "by_signed": { "-1": { "number": 1, "parts": [] } },
        "by_name": { "a": 1 }, "choice": { "Number": 1 }, "tagged": { "kind": "counted", "count": 1, "at": null },
        "either": 1, "strict": { "count": 1 }, "parts": { "number": 1, "parts": [{ "number": 2 }] },
        "anything": { "x": [1, "y"] }, "address": "::1",
    })
}

const VALUES: [&str; 55] = [
    "0",
    "3",
    "3.0",
    "3e0",
    "-0",
    "-1",
    "-1.0",
    "0.5",
    "127",
    "128",
    "-129",
    "300",
    "65536",
    "-40000",
    "4294967295",
    "4294967296",
    "5000000000",
    "-5000000000",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775809",
    "18446744073709551615",
    "18446744073709551616",
    "18446744073709551617",
    "1e400",
    "-1e400",
    "340282366920938463463374607431768211456",
    "-340282366920938463463374607431768211456",
    "null",
    "true",
    r#""""#,
    r#""x""#,
    r#""xy""#,
    r#""3""#,
    r#""\ud800""#,
    r#""2026-01-01T00:00:00Z""#,
    r#""2026-01-01 00:00:00+02""#,
    r#""2026-01-01T00:00:60Z""#,
    r#""2026-01-01T00:00:00""#,
    r#""2026-02-30""#,
    r#""1h 30m""#,
    r#""Plain""#,
    "[]",
    "[1,1]",
    "[1,2,3]",
    r#"[7,"seven"]"#,
    "{}",
    r#"{"1":1}"#,
    r#"{"01":1}"#,
    r#"{"-1":{}}"#,
    r#"{"1":3.0}"#,
    r#"{"Fields":{"count":200}}"#,
    r#"{"Number":3.0}"#,
    r#"{"kind":"counted","count":3.0}"#,
    r#"{"kind":"bare","count":3.0}"#,
];

/// Every pointer into a value, without its own.
fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
    let mut inner = |name: &str, value: &Value| {
        let pointer = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
        found.push(pointer.clone());
        pointers(value, &pointer, found);
    };
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| inner(name, value)),
        Value::Array(items) => items.iter().enumerate().for_each(|(at, item)| inner(&at.to_string(), item)),
        _ => {}
    }
}

/// One change of a text, and whether it is one that schema and type are known to judge differently: a struct is also
/// read from a list of its fields, which nobody sends.
fn mutated(text: &str, random: &mut fastrand::Rng) -> Option<String> {
    let (value, _) = readable(text).unwrap();
    let mut found = Vec::new();
    pointers(&value, "", &mut found);
    let pointer = &found[random.usize(..found.len())];
    let path: Vec<Step> = Step::of_pointer(pointer).collect();
    let mut changed = JsonText::new(text).unwrap();
    let is_object = |pointer: &str| value.pointer(pointer).is_some_and(Value::is_object);
    let (parent, name) = pointer.rsplit_once('/')?;
    match random.usize(..10) {
        0 => changed.remove(&path).ok()?,
        1 if is_object(parent) => {
            // The same twice: of a map with one key twice, only the last value is judged.
            let other = changed.get(&path)?;
            let name = name.replace("~1", "/").replace("~0", "~");
            let parent: Vec<Step> = Step::of_pointer(parent).collect();
            let whole = changed.get(&parent)?;
            let twice = whole.replacen('{', &format!("{{{}:{other},", quoted(&name)), 1);
            changed.set(&parent, &twice).ok()?;
        }
        2 if is_object(parent) => {
            let other = VALUES[random.usize(..VALUES.len())];
            let beside: Vec<Step> = Step::of_pointer(&format!("{parent}/unknown")).collect();
            changed.set(&beside, other).ok()?;
        }
        _ => {
            let other = VALUES[random.usize(..VALUES.len())];
            if is_object(pointer) && other.starts_with('[') {
                return None;
            }
            changed.set(&path, other).ok()?;
        }
    }
    Some(changed.into_string())
}

/// Returns the judge's problems with data.
fn judged(schema: &Value, validator: &Validator, text: &str) -> Vec<String> {
    let (data, oddities) = readable(text).unwrap();
    let of_schema = validator.iter_errors(&data).map(|error| format!("{}: {error}", error.instance_path()));
    let odd = oddities
        .iter()
        .filter_map(|it| Some(format!("{}: {}", it.pointer, oddity(schema, &data, &it.pointer, it.kind)?)));
    of_schema.chain(odd).collect()
}

#[test]
fn the_judge_and_the_type_say_the_same_of_every_kind_of_field() {
    let schema = schemars::schema_for!(Zoo).to_value();
    let validator = validator(&schema).unwrap();
    let original = animals().to_string();
    assert_eq!(judged(&schema, &validator, &original), [] as [String; 0]);
    serde_json::from_str::<Zoo>(&original).unwrap();
    let mut counts = [0, 0];
    let mut random = fastrand::Rng::with_seed(11);
    for _ in 0..8_000 {
        let Some(text) = mutated(&original, &mut random) else { continue };
        let read = serde_json::from_str::<Zoo>(&text);
        let problems = judged(&schema, &validator, &text);
        assert_eq!(read.is_ok(), problems.is_empty(), "{problems:?}\n{:?}\n{text}", read.err());
        counts[usize::from(read.is_ok())] += 1;
    }
    assert!(counts[0] > 2_000 && counts[1] > 1_000, "{counts:?}");
}

#[test]
fn the_judge_and_the_handlers_types_say_the_same_of_every_sample_and_what_it_could_be() {
    let project = Project::find().unwrap();
    let catalogue = Catalogue::of(&project).unwrap();
    let mut random = fastrand::Rng::with_seed(12);
    let mut types = BTreeSet::new();
    for file in fs::read_dir(project.root().join("events")).unwrap() {
        let path = file.unwrap().path();
        let Ok(text) = fs::read_to_string(&path) else { continue };
        let (message, _) = readable(&text).unwrap();
        let Some(name) = message["type"].as_str() else { continue };
        let known = catalogue.message(name, 1).unwrap();
        let validator = validator(&known.schema).unwrap();
        let original = message["data"].to_string();
        for number in 0..400 {
            let text = if number == 0 { Some(original.clone()) } else { mutated(&original, &mut random) };
            let Some(text) = text else { continue };
            let raw = RawValue::from_string(text.clone()).unwrap();
            let read = [
                ShopEvent::decode(name, 1, &raw).map(drop),
                ApprovalEvent::decode(name, 1, &raw).map(drop),
                OrderCommand::decode(name, 1, &raw).map(drop),
                PaymentCommand::decode(name, 1, &raw).map(drop),
                ApprovalCommand::decode(name, 1, &raw).map(drop),
            ];
            let is_its =
                |read: &&Result<(), _>| !matches!(read, Err(throughline_core::DataError::UnknownType { .. }));
            let Some(read) = read.iter().find(is_its) else { continue };
            types.insert(name.to_owned());
            let problems = judged(&known.schema, &validator, &text);
            assert_eq!(read.is_ok(), problems.is_empty(), "{problems:?}\n{read:?}\n{name} {text}");
        }
    }
    assert!(types.len() >= 12, "{types:?}");
}

#[test]
fn an_integer_that_a_type_cannot_hold_says_which_and_the_notation_that_nobody_reads() {
    let catalogue = Catalogue::of(&Project::find().unwrap()).unwrap();
    let sample = include_str!("../../../../../../events/order.placed.v1.json");
    let said = |quantity: &str| {
        let mut text = JsonText::new(sample).unwrap();
        let path: Vec<Step> = Step::of_pointer("/data/lines/0/quantity").collect();
        text.set(&path, quantity).unwrap();
        catalogue.check_text(text.as_str()).unwrap_err()[0].to_string()
    };
    assert_eq!(
        said("5000000000"),
        "data.lines.0.quantity: 5000000000 is not within 0 and 4294967295, which is what `uint32` holds"
    );
    assert!(said("3.0").starts_with("data.lines.0.quantity: 3.0 is written with a fraction"));
    assert!(said("-1").contains("is not within 0 and"));
    assert!(said("1e400").contains("out of range"));
}

#[test]
fn ids_are_read_with_hyphens_or_without_in_braces_or_as_urn() {
    let bare = "67e5504410b1426f9247bb680e5fe0c8";
    let parted = "67e55044-10b1-426f-9247-bb680e5fe0c8";
    for text in [bare, parted, &format!("{{{parted}}}"), &format!("urn:uuid:{parted}")] {
        assert!(is_uuid(text), "{text}");
    }
    for text in ["", "67e5", &format!("{{{parted}"), &parted.replace('6', "g"), &format!("{{{bare}}}")] {
        assert!(!is_uuid(text), "{text}");
    }
}
