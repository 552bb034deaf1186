//! Items that other programs write, too: a save changes what its type reads, and nothing else.

use crate::bank::World;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use throughline_core::{
    EntityKey, Record, Verdict, Version,
    internal::item::item_of,
    ledger::{Attribute, Item, Ledger as _, Number},
    prelude::*,
    process::{Settings, process},
};
use throughline_testing::scenario;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Told {
    pub(crate) sku: String,
}
events! { pub(crate) enum StoreEvent of "store" { "store.told" v1 => Told(Told.sku) } }

fn told() -> Told {
    Told { sku: "book".into() }
}

fn number(text: &str) -> Attribute {
    Attribute::Number(Number::new(text).unwrap())
}

fn texts(texts: &[&str]) -> Vec<Attribute> {
    texts.iter().copied().map(Attribute::from).collect()
}

/// Returns attributes of every type that nothing here reads.
fn foreign() -> Item {
    Item::from([
        ("picture".into(), Attribute::Binary(vec![0, 255, 1])),
        ("tags".into(), Attribute::Set(texts(&["new", "heavy"]))),
        ("sizes".into(), Attribute::Set(vec![number("1.50"), number("12345678901234567890123")])),
        ("blobs".into(), Attribute::Set(vec![Attribute::Binary(vec![1]), Attribute::Binary(vec![])])),
        ("serial".into(), number("12345678901234567890123")),
        ("gone".into(), Attribute::Null),
        ("audit".into(), Attribute::Map(Item::from([("by".into(), Attribute::List(texts(&["a"])))]))),
    ])
}

/// An item of the store, as another program left it: these fields, and what nobody reads.
fn left(fields: &Value) -> Item {
    let mut item = item_of(fields).unwrap();
    item.extend(foreign());
    item
}

/// Declares an entity in a table of its own, and a handler that changes it as told.
macro_rules! store {
    ($module:ident: $(#[$meta:meta])* $entity:ident { $($(#[$attribute:meta])* $field:ident: $type:ty),* $(,)? } => $change:expr) => {
        mod $module {
            use super::*;

            #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
            $(#[$meta])*
            pub(crate) struct $entity {
                pub(crate) sku: String,
                $($(#[$attribute])* pub(crate) $field: $type),*
            }

            impl Entity for $entity {
                const KIND: &'static str = "store";
                const TABLE: EntityTable =
                    EntityTable::Own { name: "store", partition_key: "sku", sort_key: None };
                fn id(&self) -> String {
                    self.sku.clone()
                }
            }

            #[derive(Debug, Clone)]
            pub(crate) struct Change;
            impl Handler for Change {
                const NAME: &'static str = "change";
                const TABLES: &'static [&'static str] = &["store"];
                type Message = Told;
                type Emits = Never;
                async fn handle(&self, told: Envelope<Told>, context: &Context<'_>) -> Result<Effects, Failure> {
                    let mut found = context.load::<$entity>(&told.data.sku).await?.or_reject("nothing there")?;
                    let change: fn(&mut $entity) = $change;
                    change(&mut found.value);
                    Ok(Effects::none().save(found))
                }
            }
        }
    };
}

/// Returns the item after two messages, each of which changed it.
async fn changed_twice<E: Entity>(handler: impl Handler<Message = Told>, item: Item) -> Item {
    let ran = scenario(handler).given_item::<E>("book", item).when(told()).await.then_done();
    let ran = ran.and_when(told()).await.then_done();
    ran.ledger().item(&EntityKey::of::<E>("book")).unwrap()
}

async fn rejected<E: Entity>(handler: impl Handler<Message = Told>, reason: &str) {
    let item = left(&json!({"sku": "book"}));
    scenario(handler).given_item::<E>("book", item).when(told()).await.then_rejected(reason);
}

store!(plain: Stock { amount: u32 } => |stock| stock.amount -= 1);

#[tokio::test]
async fn what_nobody_reads_stays_as_it_is() {
    let item = changed_twice::<plain::Stock>(plain::Change, left(&json!({"sku": "book", "amount": 5}))).await;
    assert_eq!(item, left(&json!({"sku": "book", "amount": 3})));
}

store!(optional: Stock {
    #[serde(skip_serializing_if = "Option::is_none")] note: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")] tags: BTreeSet<String>,
} => |stock| { stock.note = None; stock.tags.pop_first(); });

#[tokio::test]
async fn what_the_type_has_no_more_is_removed_and_the_rest_stays() {
    let found = left(&json!({"sku": "book", "note": "fragile"}));
    let mut expected = found.clone();
    assert!(expected.remove("note").is_some() && expected.remove("tags").is_some());
    assert_eq!(changed_twice::<optional::Stock>(optional::Change, found).await, expected);
}

store!(renamed: Stock { #[serde(alias = "count")] amount: u32, #[serde(alias = "where")] place: String }
    => |stock| stock.amount += 1);

#[tokio::test]
async fn a_field_under_its_old_name_gives_way_to_the_new_one() {
    let found = left(&json!({"sku": "book", "count": 5, "where": "north"}));
    let expected = left(&json!({"sku": "book", "amount": 7, "place": "north"}));
    assert_eq!(changed_twice::<renamed::Stock>(renamed::Change, found).await, expected);
}

store!(everything: Stock { amount: u32, #[serde(flatten)] rest: BTreeMap<String, Value> }
    => |stock| { stock.amount += 1; stock.rest.insert("seen".into(), true.into()); stock.rest.remove("gone"); });

#[tokio::test]
async fn a_type_that_reads_everything_changes_what_it_changed() {
    let item =
        changed_twice::<everything::Stock>(everything::Change, left(&json!({"sku": "book", "amount": 5})))
            .await;
    let mut expected = left(&json!({"sku": "book", "amount": 7, "seen": true}));
    expected.remove("gone");
    assert_eq!(item, expected);
}

store!(lists: Stock { tags: Vec<String>, sizes: HashSet<String>, picture: Vec<u8> }
    => |stock| { stock.tags.push(format!("tag-{}", stock.tags.len())); stock.sizes.insert("xl".into()); stock.picture.push(7); });

#[tokio::test]
async fn sets_stay_sets_and_bytes_stay_bytes() {
    let mut found = left(&json!({"sku": "book"}));
    found.insert("sizes".into(), Attribute::Set(texts(&["s", "m"])));
    let mut expected = found.clone();
    expected.insert("tags".into(), Attribute::Set(texts(&["new", "tag-2", "heavy", "tag-3"])));
    expected.insert("sizes".into(), Attribute::Set(texts(&["m", "xl", "s"])));
    expected.insert("picture".into(), Attribute::Binary(vec![0, 255, 1, 7, 7]));
    assert_eq!(changed_twice::<lists::Stock>(lists::Change, found).await, expected);
}

store!(emptied: Stock { tags: Vec<String> } => |stock| stock.tags.clear());
store!(doubled: Stock { tags: Vec<String> } => |stock| stock.tags.push("new".into()));

#[tokio::test]
async fn what_a_set_cannot_hold_is_refused_with_the_cure() {
    rejected::<emptied::Stock>(emptied::Change, "field `tags` is stored as a set (SS)").await;
    rejected::<emptied::Stock>(emptied::Change, "`skip_serializing_if`").await;
    rejected::<doubled::Stock>(doubled::Change, "it can hold each member once only").await;
}

store!(nested: Stock { address: Address, lines: Vec<Line> } => |stock| {
    stock.address.street.push('!');
    stock.lines[0].amount += 1;
    stock.lines.swap(0, 1);
});

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Address {
    #[serde(alias = "road")]
    pub(crate) street: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) amount: u32,
}

#[tokio::test]
async fn members_of_maps_that_nobody_reads_stay_with_what_they_belong_to() {
    let item = |street: &str, lines: Value| {
        let mut item = left(&json!({"sku": "book", "lines": lines}));
        let mut address = foreign();
        address.insert("street".into(), street.into());
        item.insert("address".into(), Attribute::Map(address));
        item
    };
    let found = item("Elm", json!([{"amount": 1, "of": "a"}, {"amount": 5, "of": "b"}]));
    let expected = item("Elm!!", json!([{"amount": 2, "of": "a"}, {"amount": 6, "of": "b"}]));
    assert_eq!(changed_twice::<nested::Stock>(nested::Change, found).await, expected);
}

#[tokio::test]
async fn a_nested_field_under_its_old_name_gives_way_to_the_new_one() {
    let found = left(&json!({
        "sku": "book", "address": {"road": "Elm"}, "lines": [{"amount": 1}, {"amount": 5}],
    }));
    let item = changed_twice::<nested::Stock>(nested::Change, found).await;
    assert_eq!(item["address"], Attribute::Map(Item::from([("street".into(), "Elm!!".into())])));
    assert!(foreign().iter().all(|(name, attribute)| item.get(name) == Some(attribute)), "{item:?}");
}

store!(measured: Stock { amount: u32, serial: f64 } => |stock| stock.amount += 1);

#[tokio::test]
async fn a_number_of_more_digits_than_its_type_holds_stays_as_long_as_it_is_not_changed() {
    let item =
        changed_twice::<measured::Stock>(measured::Change, left(&json!({"sku": "book", "amount": 5}))).await;
    assert_eq!(item, left(&json!({"sku": "book", "amount": 7})));
}

store!(rounded: Stock { amount: u32, double: f64, single: f32, scale: f32 } => |stock| stock.amount += 1);

#[tokio::test]
async fn so_does_a_number_that_looks_like_one_of_ours() {
    let item = |amount| {
        let fields = json!({ "sku": "book", "amount": amount, "double": 12_345_678_901_234_567_891_u64 });
        let mut item = item_of(&fields).unwrap();
        item.extend([("single".into(), number("0.123456789")), ("scale".into(), number("16777217"))]);
        item
    };
    assert_eq!(changed_twice::<rounded::Stock>(rounded::Change, item(5)).await, item(7));
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Parcel {
    Packed { id: String, by: Packer },
    Sent { id: String, by: Packer },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Packer {
    Machine(u32),
    Person(String),
}

impl Entity for Parcel {
    const KIND: &'static str = "parcel";
    fn id(&self) -> String {
        let (Self::Packed { id, .. } | Self::Sent { id, .. }) = self;
        id.clone()
    }
}

#[derive(Debug, Clone)]
struct Send;
impl Handler for Send {
    const NAME: &'static str = "send";
    type Message = Told;
    type Emits = Never;
    async fn handle(&self, told: Envelope<Told>, context: &Context<'_>) -> Result<Effects, Failure> {
        let parcel = context.load::<Parcel>(&told.data.sku).await?.or_reject("nothing there")?;
        Ok(Effects::none().save(parcel.map(|parcel| match parcel {
            Parcel::Packed { id, by } | Parcel::Sent { id, by } => Parcel::Sent { id, by },
        })))
    }
}

#[tokio::test]
async fn what_nobody_reads_may_lie_beside_the_name_of_a_variant() {
    let of = |state: &str| {
        left(&json!({ state: { "id": "book", "by": { "machine": 7, "seen_by": "another program" } } }))
    };
    let ran = scenario(Send).given_item::<Parcel>("book", of("sent")).when(told()).await.then_done();
    assert_eq!(ran.ledger().item(&EntityKey::of::<Parcel>("book")), Some(of("sent")));
    let ran = scenario(Send).given_item::<Parcel>("book", of("packed")).when(told()).await.then_done();
    let sent = left(&json!({ "sent": { "id": "book", "by": { "machine": 7 } } }));
    assert_eq!(ran.ledger().item(&EntityKey::of::<Parcel>("book")), Some(sent));
    // Which of two variants it is, nothing says.
    let both = json!({ "packed": { "id": "book", "by": { "machine": 7 } }, "sent": { "id": "book", "by": { "person": "Ada" } } });
    scenario(Send).given_item::<Parcel>("book", left(&both)).when(told()).await.then_retried("another shape");
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Counts {
    #[serde(default)]
    by_shelf: BTreeMap<u32, u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    total: Option<u128>,
}

store!(counted: Stock { #[serde(flatten)] counts: Counts } => |stock| _ = stock.counts.by_shelf.insert(7, 1));
store!(totalled: Stock { #[serde(flatten)] counts: Counts } => |stock| stock.counts.total = Some(1));
store!(direct: Stock { counts: Counts } => |stock| {
    stock.counts.by_shelf.insert(7, 1);
    stock.counts.total = Some(u128::MAX / 1000);
});
store!(forgetful: Stock { #[serde(skip_serializing_if = "u32_is_zero")] amount: u32 } => |stock| stock.amount = 0);

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it so")]
fn u32_is_zero(number: &u32) -> bool {
    *number == 0
}

#[tokio::test]
async fn what_could_never_be_loaded_again_is_refused_before_it_is_saved() {
    let cure = "store `book` cannot be written: it could not be read again: ";
    rejected::<counted::Stock>(counted::Change, cure).await;
    rejected::<totalled::Stock>(totalled::Change, "no keys but texts: make them texts there").await;
    let item = left(&json!({"sku": "book", "amount": 5}));
    let ran = scenario(forgetful::Change).given_item::<forgetful::Stock>("book", item).when(told()).await;
    ran.then_rejected(cure);
    changed_twice::<direct::Stock>(direct::Change, left(&json!({"sku": "book", "counts": {}}))).await;
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
enum Draft {
    Written { id: String, text: String },
    Printed { id: String, pages: u32 },
}

impl Entity for Draft {
    const KIND: &'static str = "draft";
    fn id(&self) -> String {
        let (Self::Written { id, .. } | Self::Printed { id, .. }) = self;
        id.clone()
    }
}

#[derive(Debug, Clone)]
struct Print;
impl Handler for Print {
    const NAME: &'static str = "print";
    type Message = Told;
    type Emits = Never;
    async fn handle(&self, told: Envelope<Told>, context: &Context<'_>) -> Result<Effects, Failure> {
        let draft = context.load::<Draft>(&told.data.sku).await?.or_reject("nothing there")?;
        Ok(Effects::none().save(draft.map(|draft| Draft::Printed { id: draft.id(), pages: 3 })))
    }
}

#[tokio::test]
async fn another_variant_leaves_nothing_of_the_one_before() {
    let written = json!({"state": "written", "id": "book", "text": "Once"});
    let ran = scenario(Print).given_item::<Draft>("book", left(&written)).when(told()).await.then_done();
    let item = ran.ledger().item(&EntityKey::of::<Draft>("book")).unwrap();
    assert_eq!(item, left(&json!({"state": "printed", "id": "book", "pages": 3})));
}

#[tokio::test]
async fn a_group_that_is_committed_as_one_leaves_what_nobody_reads() {
    let world = World::new();
    let key = EntityKey::of::<plain::Stock>("book");
    let item = |amount: u32| left(&json!({"sku": "book", "amount": amount}));
    world.ledger.seed_item(key.clone(), item(5), Version::Unversioned);
    let body = |id| serde_json::to_string(&Envelope::of(id, "store", told()).encode().unwrap()).unwrap();
    let bodies = ["e-1", "e-2", "e-3"].map(body);
    let records = bodies.each_ref().map(|body| Record {
        message_id: body,
        source: "queue",
        body,
        attempt: 1,
        is_last_attempt: false,
        group: Some("g"),
        delivery: throughline_core::process::Delivery::default(),
    });
    let verdicts = process(&plain::Change, world.ports(), &Settings::new("store"), None, &records).await;
    assert_eq!(verdicts, [Verdict::Done, Verdict::Done, Verdict::Done]);
    assert_eq!(world.ledger.item(&key), Some(item(2)));
    let stored = world.ledger.load(&[key]).await.remove(0).unwrap().unwrap();
    assert_eq!(stored.version, Version::At { version: 1, sequence: 0 }, "one write did it all");
}
