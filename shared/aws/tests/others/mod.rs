//! Items that other programs write, too: what they wrote is there after our saves, byte for byte.

use crate::support::{LocalLedger, fresh};
use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use fastrand::Rng;
use serde::{Deserialize, Serialize};
use std::{collections::HashMap, sync::Mutex};
use throughline_aws::ledger::layout;
use throughline_core::{
    Record, Verdict, observer::Unobserved, ports::Ports, prelude::*, process::Settings, process::process,
};
use throughline_testing::{MemoryDeadLetters, SeededRandom, TestTime, conformance::fixtures::Stock};

type Item = HashMap<String, AttributeValue>;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Taken {
    sku: String,
}
events! { enum StockEvent of "stock" { "stock.taken" v1 => Taken(Taken.sku) } }

/// Takes one of what is there. Another program writes in between, if it is told to.
#[derive(Clone)]
struct Take<'a> {
    meanwhile: &'a Meanwhile,
}

type Meanwhile = Mutex<Option<(aws_sdk_dynamodb::Client, String)>>;

impl Handler for Take<'static> {
    const NAME: &'static str = "take";
    const TABLES: &'static [&'static str] = &["stock"];
    type Message = Taken;
    type Emits = Never;

    async fn handle(&self, taken: Envelope<Taken>, context: &Context<'_>) -> Result<Effects, Failure> {
        let stock = context.load::<Stock>(&taken.data.sku).await?.or_reject("no such stock")?;
        let other = self.meanwhile.lock().unwrap().take();
        if let Some((client, table)) = other {
            let update = client.update_item().table_name(table).key("sku", text(&taken.data.sku));
            update
                .update_expression("SET price = :price")
                .expression_attribute_values(":price", AttributeValue::N("9.99".into()))
                .send()
                .await?;
        }
        Ok(Effects::none().save(stock.map(|stock| Stock { amount: stock.amount - 1, ..stock })))
    }
}

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

/// Delivers a message to the handler, over the real main path.
async fn take(ledger: &LocalLedger, id: &str, meanwhile: &'static Meanwhile) -> Verdict {
    let message = Envelope::of(id, "tests", Taken { sku: "book".into() }).encode().unwrap();
    let body = serde_json::to_string(&message).unwrap();
    let record = Record {
        message_id: id,
        source: "queue",
        body: &body,
        attempt: 1,
        is_last_attempt: false,
        group: None,
        delivery: throughline_core::process::Delivery::default(),
    };
    let (dead_letters, time) = (MemoryDeadLetters::default(), TestTime::start());
    let random = SeededRandom::new(fastrand::u64(..));
    let ports = Ports {
        ledger: &ledger.ledger,
        dead_letters: &dead_letters,
        time: &time,
        random: &random,
        observer: &Unobserved,
    };
    process(&Take { meanwhile }, ports, &Settings::new("tests"), None, &[record]).await.remove(0)
}

async fn put(ledger: &LocalLedger, item: Item) {
    ledger.client.put_item().table_name(&ledger.stock_table).set_item(Some(item)).send().await.unwrap();
}

async fn stored(ledger: &LocalLedger) -> Item {
    let get = ledger.client.get_item().table_name(&ledger.stock_table).key("sku", text("book"));
    get.consistent_read(true).send().await.unwrap().item.unwrap()
}

fn word(random: &mut Rng) -> String {
    std::iter::repeat_with(|| random.alphanumeric()).take(5).collect()
}

/// An attribute of any type.
fn attribute(random: &mut Rng, depth: u8) -> AttributeValue {
    let number = |random: &mut Rng| {
        let length = random.usize(1..36);
        let digits: String = std::iter::repeat_with(|| random.digit(10)).take(length).collect();
        format!("{}{}.{}", ["", "-"][random.usize(..2)], random.u8(1..9), digits)
    };
    let bytes = |random: &mut Rng| Blob::new([random.u8(..), random.u8(..), random.u8(..)]);
    match random.u8(..if depth == 0 { 8 } else { 10 }) {
        0 => AttributeValue::S(word(random)),
        1 => AttributeValue::N(number(random)),
        2 => AttributeValue::B(bytes(random)),
        3 => AttributeValue::Bool(random.bool()),
        4 => AttributeValue::Null(true),
        5 => AttributeValue::Ss(vec![word(random), format!("{}-2", word(random))]),
        6 => AttributeValue::Ns(vec![number(random), "12345678901234567890123".into()]),
        7 => AttributeValue::Bs(vec![bytes(random), Blob::new([])]),
        8 => AttributeValue::L((0..random.u8(..4)).map(|_| attribute(random, depth - 1)).collect()),
        _ => {
            let members = (0..random.u8(..4)).map(|_| (word(random), attribute(random, depth - 1)));
            AttributeValue::M(members.collect())
        }
    }
}

static NOTHING: Meanwhile = Mutex::new(None);

#[tokio::test]
async fn saves_leave_what_others_wrote_byte_for_byte() {
    let ledger = fresh().await;
    for seed in 0..100 {
        let mut random = Rng::with_seed(seed);
        let foreign = (0..random.u8(1..8)).map(|at| (format!("other-{at}"), attribute(&mut random, 3)));
        let mut item: Item = foreign.collect();
        item.insert("sku".into(), text("book"));
        item.insert("amount".into(), AttributeValue::N("5".into()));
        put(&ledger, item).await;
        // As the database gives it back: it has notations of its own.
        let mut expected = stored(&ledger).await;
        for save in 1..=3 {
            assert_eq!(
                take(&ledger, &format!("e-{seed}-{save}"), &NOTHING).await,
                Verdict::Done,
                "seed {seed}"
            );
            expected.insert("amount".into(), AttributeValue::N((5 - save).to_string()));
            expected.insert("_version".into(), AttributeValue::N(save.to_string()));
            expected.insert("_sequence".into(), AttributeValue::N("0".into()));
            assert_eq!(stored(&ledger).await, expected, "seed {seed}, save {save}");
        }
    }
}

#[tokio::test]
async fn what_another_program_writes_between_a_load_and_its_save_stays_too() {
    static PRICE: Meanwhile = Mutex::new(None);
    let ledger = fresh().await;
    let item = [("sku", text("book")), ("amount", AttributeValue::N("5".into())), ("title", text("Emma"))];
    put(&ledger, item.map(|(name, value)| (name.to_owned(), value)).into()).await;
    *PRICE.lock().unwrap() = Some((ledger.client.clone(), ledger.stock_table.clone()));
    assert_eq!(take(&ledger, "e-1", &PRICE).await, Verdict::Done);
    let stored = stored(&ledger).await;
    let found = ["amount", "price"].map(|name| stored[name].as_n().unwrap().as_str());
    assert_eq!((found, stored["title"].as_s().unwrap().as_str()), (["4", "9.99"], "Emma"));
    assert!(ledger.items().await.iter().any(|item| item[layout::SORT_KEY] == text(layout::CLAIM)));
}
