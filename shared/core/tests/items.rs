//! Entities as items: whatever `serde_json` reads back from its own text is saved and loaded alike.

use proptest::{collection, prelude::*};
use serde::{Deserialize, Serialize, Serializer, de::DeserializeOwned};
use serde_json::{Value, json, value::RawValue};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    fmt::Debug,
};
use throughline_core::{
    internal::item::{item_of, read_item},
    ledger::{Attribute, Number},
};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Holding<T> {
    held: T,
}

#[track_caller]
fn comes_back<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: T) {
    let holding = Holding { held: value };
    let text = serde_json::to_string(&holding).unwrap();
    let of_json: Holding<T> = serde_json::from_str(&text).unwrap();
    assert_eq!(of_json, holding, "serde_json does not read {text} back: an example of nothing");
    let item = item_of(&holding).unwrap();
    assert_eq!(read_item::<Holding<T>>(&item).unwrap(), holding, "{item:?}");
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
struct Sku(String);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
struct Shelf(u32);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Colour {
    Red,
    DarkBlue,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Shape {
    Nothing,
    Circle(f64),
    Line(i8, u64),
    Box { width: u128, label: Option<String> },
    Many(Vec<Shape>),
    Held(Option<()>),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "content")]
enum Adjacent {
    Unit,
    Text(String),
    Pair(u8, i64),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind")]
enum Internal {
    Unit,
    Fields { amount: i64, ratio: f32, colour: Colour },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Whole(i64),
    Text(String),
    Members(BTreeMap<String, u64>),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Flat {
    own: u8,
    #[serde(flatten)]
    others: BTreeMap<String, Value>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Nothing;

/// A letter, whole numbers of every width, and what is made of them.
#[test]
fn scalars_of_every_type_come_back() {
    comes_back((u8::MAX, u16::MAX, u32::MAX, u64::MAX));
    comes_back((i8::MIN, i16::MIN, i32::MIN, i64::MIN));
    comes_back(10_u128.pow(38) - 1);
    comes_back(-(10_i128.pow(38) - 1));
    comes_back(170_000_000_000_000_000_000_000_000_000_000_000_000_u128);
    comes_back((0.1_f32, f32::MAX, f32::MIN_POSITIVE, -0.0_f32));
    comes_back((0.1_f64, 492.659_999_999_999_97, 1e125, 1e-130, 5.0, -0.0));
    comes_back(('ü', true, String::new(), "🦀\u{0}\"".to_owned()));
    comes_back(((), Nothing, None::<u8>, Some(Some(1_u8))));
}

/// As keys of maps: DynamoDB's names are texts, whatever the type has.
#[test]
fn keys_of_every_type_come_back() {
    comes_back(HashMap::from([(7_u32, "a".to_owned()), (8, String::new())]));
    comes_back(BTreeMap::from([(-1_i8, 1), (0, 2)]));
    comes_back(BTreeMap::from([(u128::MAX, 1), (0, 2)]));
    comes_back(BTreeMap::from([(i128::MIN, 1), (i128::MAX, 2)]));
    comes_back(BTreeMap::from([(true, 1), (false, 2)]));
    comes_back(BTreeMap::from([('x', 1), ('ß', 2)]));
    comes_back(BTreeMap::from([(Sku("book".into()), 1)]));
    comes_back(BTreeMap::from([(Shelf(3), vec![Sku("book".into())])]));
    comes_back(BTreeMap::from([(Colour::Red, 1), (Colour::DarkBlue, 2)]));
    comes_back(BTreeMap::from([(1_u8, BTreeMap::from([(2_u16, BTreeMap::from([(3_u64, 1.5)]))]))]));
}

#[test]
fn structures_of_every_kind_come_back() {
    comes_back((Vec::<u8>::new(), BTreeSet::<u8>::new(), BTreeMap::<u8, u8>::new()));
    comes_back(HashSet::from([1, 2, 3]));
    comes_back([[1_u8, 2], [3, 4]]);
    for shape in [
        Shape::Nothing,
        Shape::Circle(1.5),
        Shape::Line(-1, u64::MAX),
        Shape::Box { width: 10_u128.pow(30), label: None },
        Shape::Many(vec![Shape::Nothing, Shape::Circle(0.1)]),
        Shape::Held(None),
    ] {
        comes_back(shape);
    }
    for adjacent in [Adjacent::Unit, Adjacent::Text(String::new()), Adjacent::Pair(1, -1)] {
        comes_back(adjacent);
    }
    comes_back(Internal::Unit);
    comes_back(Internal::Fields { amount: i64::MIN, ratio: 0.1, colour: Colour::DarkBlue });
    for untagged in [
        Untagged::Whole(-3),
        Untagged::Text("3".into()),
        Untagged::Members(BTreeMap::from([("a".into(), u64::MAX)])),
    ] {
        comes_back(untagged);
    }
    let others = json!({"text": "x", "nested": {"list": [1, null, true, 0.5]}});
    comes_back(Flat { own: 1, others: serde_json::from_value(others).unwrap() });
    let bytes = Attribute::Binary(vec![1, 2, 255]);
    assert_eq!(bytes.read::<Vec<u8>>().unwrap(), [1, 2, 255]);
    assert_eq!(bytes.read::<Value>().unwrap(), json!([1, 2, 255]));
}

#[test]
fn json_that_is_text_already_comes_back() {
    let raw = Holding { held: RawValue::from_string(r#"{"a": [1, "x"]}"#.into()).unwrap() };
    let item = item_of(&raw).unwrap();
    assert!(matches!(&item["held"], Attribute::Map(_)), "{item:?}");
    let read: Holding<Box<RawValue>> = read_item(&item).unwrap();
    assert_eq!(read.held.get(), r#"{"a":[1,"x"]}"#);
}

/// Numbers of a float's own digits, whatever wrote them.
#[test]
fn a_float_of_32_bits_keeps_its_own_digits() {
    let item = item_of(&Holding { held: 0.1_f32 }).unwrap();
    assert_eq!(item["held"], Attribute::Number(Number::new("0.1").unwrap()));
    let old = Attribute::Number(Number::new("0.10000000149011612").unwrap());
    assert_eq!(old.read::<f32>().unwrap().to_bits(), 0.1_f32.to_bits());
}

/// Items as other programs write them: sets, long numbers, other notations.
#[test]
fn what_other_programs_write_is_read_as_whoever_asks_for_it_wants_it() {
    let number = |text: &str| Attribute::Number(Number::new(text).unwrap());
    assert_eq!(number("1E+2").read::<u8>().unwrap(), 100);
    assert_eq!(number("-5.0").read::<i8>().unwrap(), -5);
    assert_eq!(number("12345678901234567890123").read::<u128>().unwrap(), 12_345_678_901_234_567_890_123);
    let nearest = number("12345678901234567890123").read::<f64>().unwrap();
    assert_eq!(nearest.to_bits(), 1.234_567_890_123_456_8e22_f64.to_bits());
    assert!(number("12345678901234567890123").read::<u64>().is_err());
    let set = Attribute::Set(vec!["a".into(), "b".into()]);
    assert_eq!(set.read::<BTreeSet<String>>().unwrap(), BTreeSet::from(["a".into(), "b".into()]));
}

#[derive(Debug, Serialize)]
struct Order {
    id: String,
    lines: Vec<Line>,
    #[serde(flatten)]
    extra: BTreeMap<String, f64>,
    #[serde(serialize_with = "as_half")]
    weight: f64,
    shape: Option<Odd>,
}

#[derive(Debug, Serialize)]
struct Line {
    price: f64,
}

#[derive(Debug, Serialize)]
enum Odd {
    New(f32),
    Pair(u8, f64),
    Fields { depth: f64 },
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Loose {
    Float(f64),
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as `serialize_with` calls it")]
fn as_half<S: Serializer>(weight: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(weight / 2.0)
}

fn order() -> Order {
    Order {
        id: "o-1".into(),
        lines: vec![Line { price: 1.0 }, Line { price: 2.0 }],
        extra: BTreeMap::from([("tax".into(), 0.19)]),
        weight: 1.0,
        shape: None,
    }
}

#[test]
fn a_number_that_is_none_is_refused_wherever_it_hides() {
    let why = |change: fn(&mut Order)| {
        let mut order = order();
        change(&mut order);
        item_of(&order).unwrap_err()
    };
    item_of(&order()).unwrap();
    let is = |path: &str, number: &str| {
        format!("field `{path}` is {number}; a JSON number can be neither NaN nor infinite")
    };
    assert_eq!(why(|order| order.lines[1].price = f64::NAN), is("lines.1.price", "NaN"));
    assert_eq!(why(|order| order.lines[0].price = f64::INFINITY), is("lines.0.price", "inf"));
    assert_eq!(why(|order| _ = order.extra.insert("tax".into(), f64::NEG_INFINITY)), is("tax", "-inf"));
    assert_eq!(why(|order| order.weight = f64::NAN), is("weight", "NaN"));
    assert_eq!(why(|order| order.shape = Some(Odd::New(f32::NAN))), is("shape.New", "NaN"));
    assert_eq!(why(|order| order.shape = Some(Odd::Pair(1, f64::NAN))), is("shape.Pair.1", "NaN"));
    assert_eq!(
        why(|order| order.shape = Some(Odd::Fields { depth: f64::NAN })),
        is("shape.Fields.depth", "NaN")
    );
    let loose = Holding { held: Some(Loose::Float(f64::NAN)) };
    assert_eq!(item_of(&loose).unwrap_err(), is("held", "NaN"));
}

#[test]
fn a_number_beyond_dynamodbs_range_is_refused_with_its_field() {
    for (value, expected) in [
        (
            json!({"a": {"b": [1, 1e126]}}),
            "field `a.b.1` is about 1E+126; DynamoDB's numbers are from 1E-130",
        ),
        (json!({"a": 5e-324}), "field `a` is about 1E-324; DynamoDB's numbers are"),
        (json!({"a": -1e200}), "field `a` is about 1E+200; DynamoDB's numbers are"),
    ] {
        let why = item_of(&value).unwrap_err();
        assert!(why.starts_with(expected), "{why}");
    }
    let why = item_of(&Holding { held: u128::MAX }).unwrap_err();
    assert_eq!(why, "field `held` has 39 significant digits; DynamoDB's numbers have at most 38");
}

#[test]
fn what_lies_deeper_than_attributes_may_is_refused() {
    let nested = |levels: usize| (0..levels).fold(json!(1), |value, _| json!({ "a": value }));
    item_of(&nested(33)).unwrap();
    assert!(item_of(&nested(40)).unwrap_err().contains("32 levels"));
}

#[test]
fn only_a_map_is_an_item_and_only_simple_keys_are_names() {
    assert_eq!(item_of(&[1]).unwrap_err(), "an entity must be a struct or a map in JSON");
    let why = item_of(&BTreeMap::from([(vec![1], 1)])).unwrap_err();
    assert_eq!(why, "has a key of DynamoDB's type L; a key must be a text, a number or a truth value");
}

/// Any JSON, but for floats that are whole: a database has one form for 1 and 1.0.
fn any_json() -> impl Strategy<Value = Value> {
    let fraction = (-1e15_f64..1e15).prop_filter("whole", |number| number.fract() != 0.0);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        fraction.prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 6, |inner| {
        prop_oneof![
            collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|members| members.into_iter().collect::<Value>()),
        ]
    })
}

proptest! {
    #[test]
    fn any_json_comes_back(value in any_json()) {
        comes_back(value);
    }

    #[test]
    fn any_numbers_come_back(
        doubles in collection::vec(prop_oneof![-1e100_f64..1e100, -1.0_f64..1.0, any::<i32>().prop_map(f64::from)], 0..4),
        floats in collection::vec(any::<f32>().prop_filter("no number", |number| number.is_finite()), 0..4),
        wide in collection::btree_map(any::<i128>(), 0..10_u128.pow(38), 0..4),
        narrow in collection::btree_map(any::<u8>(), any::<Option<i64>>(), 0..4),
    ) {
        prop_assume!(doubles.iter().all(|number| *number == 0.0 || number.abs() >= 1e-130));
        comes_back((doubles, floats, wide, narrow));
    }
}
