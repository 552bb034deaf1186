//! The shop's handlers on their real main path, over DynamoDB's wire, with a clock that can be set and a relay
//! that can be down.

use confirm_order::ConfirmOrder;
use futures_util::{TryStreamExt as _, future::BoxFuture};
use notify_customer::{Notification, Notifier, NotifyCustomer};
use order_board::OrderBoard;
use place_order::PlaceOrderHandler;
use reserve_stock::ReserveStock;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, HashSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};
use throughline_aws::DynamoLedger;
use throughline_core::{
    EncodedEnvelope, Record, Verdict,
    ledger::Outgoing,
    observer::Unobserved,
    ports::{Ports, Time},
    prelude::*,
    process::{Delivery, Settings, process},
};
use throughline_laboratory::{Database, database::Item};
use throughline_operations::log::{ReadLog as _, TimeRange};
use throughline_testing::{MemoryDeadLetters, SeededRandom};

/// The articles, and how many pieces there are of each but the first, of which there are few.
const ARTICLES: usize = 20;
const PIECES: usize = 1000;
const FEW_PIECES: usize = 10;
const BATCH: usize = 10;

/// The first moment.
pub(crate) const START: Timestamp = Timestamp::constant(1_795_000_000, 0);

/// A clock that stands still until it is set.
#[derive(Debug, Default)]
pub(crate) struct SetClock(AtomicI64);

impl SetClock {
    pub(crate) fn set(&self, after_start: Duration) {
        self.0.store(i64::try_from(after_start.as_millis()).expect("no such time"), Ordering::SeqCst);
    }
}

impl Time for SetClock {
    fn now(&self) -> Timestamp {
        START + Duration::from_millis(self.0.load(Ordering::SeqCst).unsigned_abs())
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'_, ()> {
        Box::pin(tokio::task::yield_now())
    }
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Postbox(Arc<Mutex<Vec<Notification>>>);

impl Notifier for Postbox {
    async fn notify(&self, notification: Notification) -> Result<(), Failure> {
        self.0.lock().unwrap().push(notification);
        Ok(())
    }
}

pub(crate) struct Shop {
    pub(crate) database: Database,
    pub(crate) ledger: DynamoLedger,
    pub(crate) clock: SetClock,
    dead_letters: MemoryDeadLetters,
    random: SeededRandom,
    postbox: Postbox,
    /// Log entries that the stream has brought, or lost.
    gone_by: Mutex<HashSet<(String, String)>>,
}

/// The result of a delivery to every handler.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdicts {
    pub(crate) done: usize,
    pub(crate) duplicates: usize,
    /// The number of events that the read model looked at.
    pub(crate) projected: usize,
}

impl Shop {
    pub(crate) async fn open() -> Self {
        let database = Database::start().await.expect("a database");
        for article in 0..ARTICLES {
            let pieces = if article == 0 { FEW_PIECES } else { PIECES };
            let item = json!({ "sku": sku(article), "available": pieces });
            let item: Item = serde_dynamo::to_item(item).expect("an item");
            database.put(database.stock_table(), item).await.expect("stock");
        }
        let client = Database::client(&format!("http://{}", database.address()));
        let own = [("stock", database.stock_table()), ("order-board", database.order_board_table())];
        let own = own.map(|(name, table)| (name.to_owned(), table.to_owned()));
        let ledger = DynamoLedger::new(client, database.ledger_table(), own.into());
        Self {
            database,
            ledger,
            clock: SetClock::default(),
            dead_letters: MemoryDeadLetters::default(),
            random: SeededRandom::new(1),
            postbox: Postbox::default(),
            gone_by: Mutex::default(),
        }
    }

    /// Has so many orders placed, evenly over a time.
    pub(crate) async fn place_orders(&self, orders: usize, over: Duration) {
        let commands: Vec<String> = (0..orders).map(command).collect();
        for (batch, commands) in commands.chunks(BATCH).enumerate() {
            let part =
                f64::from(u32::try_from(batch * BATCH).unwrap()) / f64::from(u32::try_from(orders).unwrap());
            self.clock.set(over.mul_f64(part));
            self.deliver(&PlaceOrderHandler, commands).await;
        }
        self.clock.set(over);
    }

    /// Delivers bodies to a handler, and again what has to be delivered again. How many were done, and how many
    /// were done before.
    async fn deliver<H: Handler>(&self, handler: &H, bodies: &[String]) -> (usize, usize) {
        let (done, duplicates, left) = self.deliver_some(handler, bodies, 20).await;
        assert_eq!(left, 0, "{} goes on for ever", handler.name());
        (done, duplicates)
    }

    /// The same, so often at most; and how many are left.
    async fn deliver_some<H: Handler>(
        &self,
        handler: &H,
        bodies: &[String],
        times: u32,
    ) -> (usize, usize, usize) {
        let ports = Ports {
            ledger: &self.ledger,
            dead_letters: &self.dead_letters,
            time: &self.clock,
            random: &self.random,
            observer: &Unobserved,
        };
        let settings = Settings::new("shop");
        let (mut done, mut duplicates) = (0, 0);
        let mut left: Vec<&String> = bodies.iter().collect();
        for attempt in 1..=times {
            let mut again = Vec::new();
            for batch in left.chunks(BATCH) {
                let record = |body| Record {
                    message_id: "m",
                    source: "queue",
                    body,
                    attempt,
                    is_last_attempt: false,
                    group: None,
                    delivery: Delivery::default(),
                };
                let records: Vec<_> = batch.iter().map(|body| record(body.as_str())).collect();
                let verdicts = process(handler, ports, &settings, None, &records).await;
                for (body, verdict) in batch.iter().zip(verdicts) {
                    match verdict {
                        Verdict::Done => done += 1,
                        Verdict::Duplicate => duplicates += 1,
                        Verdict::Retry { .. } => again.push(*body),
                        Verdict::Rejected { reason, .. } => panic!("{}: {reason}: {body}", handler.name()),
                        other => panic!("{}: {other:?}: {body}", handler.name()),
                    }
                }
            }
            left = again;
            if left.is_empty() {
                break;
            }
        }
        (done, duplicates, left.len())
    }

    /// Delivers events to every handler whose rule takes them.
    pub(crate) async fn carry(&self, events: &[EncodedEnvelope]) -> Verdicts {
        let of = |types: &[&str]| -> Vec<String> {
            let wanted =
                events.iter().filter(|event| types.contains(&event.attributes.message_type.as_str()));
            wanted.map(|event| serde_json::to_string(event).expect("JSON")).collect()
        };
        let mut verdicts = Verdicts::default();
        let add = |counts: (usize, usize), verdicts: &mut Verdicts| {
            verdicts.done += counts.0;
            verdicts.duplicates += counts.1;
        };
        add(self.deliver(&ReserveStock, &of(&["order.placed"])).await, &mut verdicts);
        add(self.deliver(&ConfirmOrder, &of(&["stock.reserved", "stock.depleted"])).await, &mut verdicts);
        let notify = leased(NotifyCustomer { notifier: self.postbox.clone() });
        add(self.deliver(&notify, &of(&["order.confirmed", "order.cancelled"])).await, &mut verdicts);
        verdicts.projected = self.show(events).await;
        verdicts
    }

    /// Delivers events to the read model alone. How many it looked at.
    pub(crate) async fn show(&self, events: &[EncodedEnvelope]) -> usize {
        let (done, left) = self.show_some(events, 20).await;
        assert_eq!(left, 0);
        done
    }

    /// The same, so often at most; and how many are left.
    pub(crate) async fn show_some(&self, events: &[EncodedEnvelope], times: u32) -> (usize, usize) {
        let types = ["order.placed", "order.confirmed", "order.cancelled", "order.paid"];
        let wanted = events.iter().filter(|event| types.contains(&event.attributes.message_type.as_str()));
        let bodies: Vec<String> = wanted.map(|event| serde_json::to_string(event).expect("JSON")).collect();
        let handler = projection(OrderBoard).on_replay(Reprocess);
        let (done, _, left) = self.deliver_some(&handler, &bodies, times).await;
        (done, left)
    }

    /// Returns the entries that the stream has brought since the last call, in the order of time.
    async fn stream(&self) -> Vec<Outgoing> {
        let range = TimeRange { from: START, until: self.clock.now() + Duration::from_hours(1) };
        let hours: Vec<_> = self.ledger.read_log(range).try_collect().await.expect("the log");
        let keys = hours.concat().into_iter().map(|header| header.key);
        let new: Vec<_> = {
            let mut gone_by = self.gone_by.lock().unwrap();
            keys.filter(|key| gone_by.insert(key.clone())).collect()
        };
        let mut messages = Vec::new();
        for keys in new.chunks(100) {
            messages.extend(self.ledger.open_messages(keys).await.expect("messages").into_iter().flatten());
        }
        messages
    }

    /// The relay is down for so long that the stream forgets what it has brought. How many messages it lost.
    pub(crate) async fn lose_the_stream(&self) -> usize {
        self.stream().await.len()
    }

    /// Carries everything from handler to handler until nothing is new; returns all the events.
    pub(crate) async fn settle(&self) -> Vec<EncodedEnvelope> {
        let mut all = Vec::new();
        loop {
            let events = on_the_bus(self.stream().await);
            if events.is_empty() {
                return all;
            }
            self.carry(&events).await;
            all.extend(events);
        }
    }

    /// Every entity and every item of the tables besides, by table and key, without what only counts saves of
    /// the read model.
    pub(crate) async fn entities(&self) -> BTreeMap<String, Value> {
        let mut entities = BTreeMap::new();
        for (table, key) in [(self.database.ledger_table(), "pk"), (self.database.stock_table(), "sku")] {
            for item in self.database.items(table).await.expect("items") {
                let item = value(&item);
                if item["sk"].is_null() || item["sk"] == "state" {
                    entities.insert(format!("{table} {}", item[key]), item);
                }
            }
        }
        entities
    }

    /// The read model: every entry by its order. How often an entry was saved does not count.
    pub(crate) async fn board(&self) -> BTreeMap<String, Value> {
        let items = self.database.items(self.database.order_board_table()).await.expect("items");
        let entry = |item: &Item| {
            let mut item = value(item);
            item.as_object_mut().expect("an item").remove("_version");
            (item["order_id"].to_string(), item)
        };
        items.iter().map(entry).collect()
    }

    pub(crate) fn notifications(&self) -> usize {
        self.postbox.0.lock().unwrap().len()
    }
}

/// The events among messages: what the bus carries.
pub(crate) fn on_the_bus(messages: Vec<Outgoing>) -> Vec<EncodedEnvelope> {
    let events = messages.into_iter().filter(|message| message.destination == Destination::Bus);
    events.map(|message| message.envelope).collect()
}

/// The same events as a replay sends them.
pub(crate) fn replayed(events: &[EncodedEnvelope], name: &str) -> Vec<EncodedEnvelope> {
    let mut events = events.to_vec();
    for event in &mut events {
        event.attributes.replay_name = Some(name.to_owned());
    }
    events
}

fn value(item: &Item) -> Value {
    serde_dynamo::from_item(item.clone()).expect("an item has a JSON form")
}

fn sku(article: usize) -> String {
    format!("article-{article}")
}

fn command(number: usize) -> String {
    json!({
        "specversion": "1.0", "id": format!("web-{number}"), "source": "shop.web", "type": "order.place",
        "subject": format!("o-{number}"), "correlationid": format!("web-{number}"), "schemaversion": 1,
        "datacontenttype": "application/json",
        "data": {
            "order_id": format!("o-{number}"), "customer": "Ada", "currency": "EUR",
            "lines": [{ "sku": sku(number % ARTICLES), "quantity": 1, "unit_price_cents": 500 }],
        },
    })
    .to_string()
}
