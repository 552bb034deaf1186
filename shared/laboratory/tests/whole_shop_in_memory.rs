//! The whole shop in memory: its handlers, their real main path, and a relay that delivers everything
//! several times, in any order, over a ledger that fails at random.

use confirm_order::ConfirmOrder;
use notify_customer::{Notification, Notifier, NotifyCustomer};
use place_order::PlaceOrderHandler;
use reserve_stock::ReserveStock;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};
use throughline::{
    Version, leased,
    ledger::Ledger,
    observer::Unobserved,
    ports::Ports,
    prelude::*,
    process::{Settings, Verdict},
};
use throughline_shop::{
    Order, OrderEvent, OrderStatus, PlaceOrder, RequestedLine, Reservation, Stock, StockEvent,
};
use throughline_testing::{
    MemoryDeadLetters, MemoryLedger, SeededRandom, TestTime,
    chaos::{ChaoticSource, FlakyLedger, seed},
};

const ARTICLES: [&str; 3] = ["mug-blue", "tea-green", "teapot-copper"];
const PIECES: u32 = 30;
const GOOD_ORDERS: usize = 40;

#[derive(Debug, Clone, Default)]
struct Postbox(Arc<Mutex<Vec<Notification>>>);

impl Notifier for Postbox {
    async fn notify(&self, notification: Notification) -> Result<(), Failure> {
        self.0.lock().unwrap().push(notification);
        Ok(())
    }
}

struct Shop {
    ledger: FlakyLedger<MemoryLedger>,
    dead_letters: MemoryDeadLetters,
    time: TestTime,
    random: SeededRandom,
    source: ChaoticSource,
    postbox: Postbox,
}

impl Shop {
    fn open(seed: u64) -> Self {
        let ledger = MemoryLedger::default();
        for sku in ARTICLES {
            ledger.seed(&Stock { sku: sku.into(), available: PIECES }, Version::Unversioned);
        }
        Self {
            ledger: FlakyLedger::new(ledger, seed, 10),
            dead_letters: MemoryDeadLetters::default(),
            time: TestTime::start(),
            random: SeededRandom::new(seed),
            source: ChaoticSource::new(seed, 5),
            postbox: Postbox::default(),
        }
    }

    async fn deliver<H: Handler>(&mut self, handler: H, bodies: &[String]) -> BTreeMap<usize, Vec<Verdict>> {
        // A notification is sent at least once: exactly once only as long as the ledger answers.
        let ledger: &dyn Ledger =
            if handler.holds_claim_while_running() { self.ledger.inner() } else { &self.ledger };
        let ports = Ports {
            ledger,
            dead_letters: &self.dead_letters,
            time: &self.time,
            random: &self.random,
            observer: &Unobserved,
        };
        self.source.deliver(&handler, ports, &Settings::new("shop"), bodies).await
    }

    /// The bodies of all events so far whose type is one of these.
    fn bodies(&self, types: &[&str]) -> Vec<String> {
        let log = self.ledger.inner().log();
        let envelopes = log.iter().map(|outgoing| &outgoing.envelope);
        envelopes
            .filter(|envelope| types.contains(&&*envelope.attributes.message_type))
            .map(|envelope| serde_json::to_string(envelope).unwrap())
            .collect()
    }

    /// Delivers every event to whoever takes it, and all of them again each time, until nothing is new.
    async fn relay(&mut self) {
        let mut delivered = usize::MAX;
        while delivered != self.ledger.inner().log().len() {
            delivered = self.ledger.inner().log().len();
            let notify = leased(NotifyCustomer { notifier: self.postbox.clone() });
            let settled = self.bodies(&["order.confirmed", "order.cancelled"]);
            self.deliver(notify, &settled).await;
            let answers = self.bodies(&["stock.reserved", "stock.depleted"]);
            self.deliver(ConfirmOrder, &answers).await;
            let placed = self.bodies(&["order.placed"]);
            self.deliver(ReserveStock, &placed).await;
        }
    }

    /// Returns the number of events, by order and type.
    fn counts(&self) -> BTreeMap<(String, String), usize> {
        let mut counts = BTreeMap::new();
        for outgoing in self.ledger.inner().log() {
            let attributes = outgoing.envelope.attributes;
            *counts.entry((attributes.subject.unwrap(), attributes.message_type)).or_default() += 1;
        }
        counts
    }
}

fn command(id: usize, lines: Vec<RequestedLine>) -> String {
    let order = PlaceOrder {
        order_id: format!("o-{id}"),
        customer: "Ada".into(),
        currency: "EUR".into(),
        lines,
        delivery: None,
        pay_by: None,
    };
    serde_json::to_string(&Envelope::of(format!("web-{id}"), "shop.web", order).encode().unwrap()).unwrap()
}

fn some_lines(random: &mut fastrand::Rng) -> Vec<RequestedLine> {
    let count = random.usize(1..=ARTICLES.len());
    let articles = fastrand::Rng::choose_multiple(random, ARTICLES, count);
    let line =
        |sku: &str| RequestedLine { sku: sku.into(), quantity: random.i64(1..=3), unit_price_cents: 1000 };
    articles.into_iter().map(line).collect()
}

#[tokio::test(start_paused = true)]
async fn every_order_happens_once_however_often_and_in_whatever_order_it_comes() {
    let seed = seed();
    let mut random = fastrand::Rng::with_seed(seed);
    let mut shop = Shop::open(seed);
    let mut commands: Vec<_> = (0..GOOD_ORDERS).map(|id| command(id, some_lines(&mut random))).collect();
    commands.push(command(GOOD_ORDERS, vec![]));
    commands.push(include_str!("../../../events/order.place.v1.malformed.json").into());

    let verdicts = shop.deliver(PlaceOrderHandler, &commands).await;
    shop.relay().await;
    shop.deliver(PlaceOrderHandler, &commands).await;
    shop.relay().await;

    let is_rejected = |position: &usize| {
        verdicts[position].iter().all(|verdict| matches!(verdict, Verdict::Rejected { .. }))
    };
    let rejected: Vec<_> = (0..commands.len()).filter(is_rejected).collect();
    assert_eq!(rejected, [GOOD_ORDERS, GOOD_ORDERS + 1]);

    let ledger = shop.ledger.inner();
    let counts = shop.counts();
    assert!(counts.values().all(|count| *count == 1), "an event came twice: {counts:?}");
    assert_eq!(counts.len(), GOOD_ORDERS * 4, "each order has three events and one time limit");
    let mut taken = BTreeMap::<String, u32>::new();
    let mut statuses = BTreeSet::new();
    for id in (0..GOOD_ORDERS).map(|id| format!("o-{id}")) {
        let order: Order = ledger.entity(&id).unwrap();
        let reservation: Reservation = ledger.entity(&id).unwrap();
        assert_eq!(reservation.is_held, order.status == OrderStatus::Confirmed, "{order:?}");
        assert_ne!(order.status, OrderStatus::Placed, "{order:?}");
        statuses.insert(format!("{:?}", order.status));
        for line in order.lines.into_iter().filter(|_| reservation.is_held) {
            *taken.entry(line.sku).or_default() += line.quantity;
        }
    }
    assert_eq!(statuses.len(), 2, "there is too much or too little stock for this test: {statuses:?}");
    for sku in ARTICLES {
        let stock: Stock = ledger.entity(sku).unwrap();
        assert_eq!(stock.available + taken[sku], PIECES, "{sku}");
    }
    let told: Vec<_> = shop.postbox.0.lock().unwrap().iter().map(|told| told.order_id.clone()).collect();
    assert_eq!(told.len(), GOOD_ORDERS);
    assert_eq!(told.into_iter().collect::<BTreeSet<_>>().len(), GOOD_ORDERS);
}

/// The rules on the bus match exactly the types that the handlers take.
#[test]
fn the_events_relayed_here_are_the_catalogues() {
    let names = |catalogue: &[throughline::MessageType]| -> Vec<_> {
        catalogue.iter().map(|entry| entry.name).collect()
    };
    assert_eq!(
        names(OrderEvent::CATALOGUE),
        ["order.placed", "order.confirmed", "order.cancelled", "order.paid"]
    );
    assert_eq!(names(StockEvent::CATALOGUE), ["stock.reserved", "stock.depleted", "stock.released"]);
}
