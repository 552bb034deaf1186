//! Values: what a type holds comes back as it was, and what others hold stays.

use super::{
    LedgerUnderTest,
    fixtures::{Stock, account, at, bare, claim, commit, fields, load, save},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};
use throughline_core::{
    EntityKey, Version,
    internal::item::{item_of, read_item},
    ledger::{Attribute, Commit, CommitOutcome, Item, Number, Save},
};

/// A value of every kind that `serde` knows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(clippy::option_option, reason = "other people's types have one in another")]
struct Everything {
    whole: (u8, i8, u64, i64),
    wide: (u128, i128),
    fractions: (f32, f64, f64, f64),
    letter: char,
    texts: (String, String),
    nothing: ((), Option<u8>, Option<Option<u8>>),
    by_number: HashMap<u32, Vec<BTreeMap<i64, bool>>>,
    by_width: BTreeMap<u128, f32>,
    by_truth: BTreeMap<bool, Shape>,
    by_letter: BTreeMap<char, u8>,
    by_name: BTreeMap<Name, Shape>,
    by_shape: BTreeMap<Colour, i128>,
    shapes: Vec<Shape>,
    empty: (Vec<u8>, BTreeSet<u8>, BTreeMap<u8, u8>),
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Name(String);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Colour {
    Red,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Shape {
    Nothing,
    Circle(f64),
    Line(i8, u64),
    Box { width: u128 },
}

fn everything() -> Everything {
    let shapes = vec![
        Shape::Nothing,
        Shape::Circle(0.1),
        Shape::Line(-1, u64::MAX),
        Shape::Box { width: 10_u128.pow(38) - 1 },
    ];
    Everything {
        whole: (u8::MAX, i8::MIN, u64::MAX, i64::MIN),
        wide: (10_u128.pow(37) + 1, -(10_i128.pow(38) - 1)),
        fractions: (0.1, 492.659_999_999_999_97, 1e-130, 9.9e125),
        letter: '🦀',
        texts: (String::new(), "\u{0}\"ü".into()),
        nothing: ((), None, Some(Some(1))),
        by_number: HashMap::from([(7, vec![BTreeMap::from([(-7, true)])])]),
        by_width: BTreeMap::from([(u128::MAX, 0.1)]),
        by_truth: BTreeMap::from([(true, Shape::Nothing), (false, Shape::Circle(5.0))]),
        by_letter: BTreeMap::from([('ß', 1)]),
        by_name: BTreeMap::from([(Name("book".into()), Shape::Line(1, 2))]),
        by_shape: BTreeMap::from([(Colour::Red, i128::from(i64::MIN) - 1)]),
        shapes,
        empty: (Vec::new(), BTreeSet::new(), BTreeMap::new()),
    }
}

/// No type loses anything on its way into a table and back.
pub async fn a_value_of_every_type_comes_back_as_it_was(ledger: &dyn LedgerUnderTest) {
    let mut saved = save(account("a-1"), Version::Absent, &json!({}));
    saved.data.insert("everything".into(), Attribute::Map(item_of(&everything()).expect("an item")));
    let commit_of_it = Commit { saves: vec![saved], ..bare(claim("e-1")) };
    assert_eq!(commit(ledger, &commit_of_it).await, CommitOutcome::Committed);
    let loaded = fields(ledger, &account("a-1")).await;
    assert_eq!(loaded["everything"].read::<Everything>().expect("the same type"), everything());
}

fn number(text: &str) -> Attribute {
    Attribute::Number(Number::new(text).expect("a number"))
}

/// Returns attributes that only other programs write.
fn of_others() -> Item {
    Item::from([
        ("picture".into(), Attribute::Binary(vec![0, 255])),
        ("tags".into(), Attribute::Set(vec!["new".into(), "heavy".into()])),
        ("sizes".into(), Attribute::Set(vec![number("1.5"), number("12345678901234567890123")])),
        ("blobs".into(), Attribute::Set(vec![Attribute::Binary(vec![1]), Attribute::Binary(vec![2, 3])])),
        ("serial".into(), number("12345678901234567890123")),
    ])
}

/// Sets, bytes and long numbers are none of JSON's, and no less attributes.
pub async fn what_only_other_programs_write_comes_back_as_it_was(ledger: &dyn LedgerUnderTest) {
    let stock = EntityKey::of::<Stock>("book");
    let mut saved = save(stock.clone(), Version::Absent, &json!({"amount": 5}));
    saved.data.extend(of_others());
    let expected = saved.data.clone();
    commit(ledger, &Commit { saves: vec![saved], ..bare(claim("e-1")) }).await;
    let loaded = fields(ledger, &stock).await;
    assert_eq!(loaded, expected);
    assert_eq!(read_item::<Stock>(&loaded).expect("stock"), Stock { sku: "book".into(), amount: 5 });
}

/// A save writes only its own changes: what other programs wrote since the load stays.
pub async fn a_save_where_others_write_changes_what_it_changes_at_the_version(ledger: &dyn LedgerUnderTest) {
    let stock = EntityKey::of::<Stock>("book");
    let first = save(stock.clone(), Version::Absent, &json!({"amount": 5, "old": 1, "meanwhile": 2}));
    commit(ledger, &Commit { saves: vec![first], ..bare(claim("e-1")) }).await;
    let mut loaded = load(ledger, &stock).await.expect("saved").data;
    loaded.remove("meanwhile");
    let others = Some(Arc::new(loaded));
    let changes = |expected, id: &str| Commit {
        saves: vec![Save {
            others: others.clone(),
            ..save(stock.clone(), expected, &json!({"amount": 4, "new": [3]}))
        }],
        ..bare(claim(id))
    };
    assert_eq!(commit(ledger, &changes(at(7), "e-2")).await, CommitOutcome::Conflict(stock.clone()));
    assert_eq!(commit(ledger, &changes(at(1), "e-2")).await, CommitOutcome::Committed);
    let stored = load(ledger, &stock).await.expect("saved");
    let expected = json!({"sku": "book", "amount": 4, "new": [3], "meanwhile": 2});
    assert_eq!((stored.version, stored.data), (at(2), item_of(&expected).expect("an item")));
}
