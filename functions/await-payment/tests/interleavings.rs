//! An order that is picked up, with everything that can happen to it happening in every order, at the same
//! time, and again: it ends paid with its stock, or cancelled without.

use await_payment::AwaitPayment;
use confirm_order::ConfirmOrder;
use place_order::PlaceOrderHandler;
use reserve_stock::ReserveStock;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Mutex,
    time::Duration,
};
use throughline::{
    Version,
    observer::Unobserved,
    ports::Ports,
    prelude::*,
    process::{Delivery, Record, Settings, Verdict, process},
};
use throughline_shop::{Order, OrderStatus, PayOrder, PlaceOrder, RequestedLine, Reservation, Stock};
use throughline_testing::{CountingLedger, MemoryDeadLetters, MemoryLedger, SeededRandom, TestTime};

/// The number of pieces that the order asks for.
const WANTED: u32 = 2;
/// The time that the ledger takes to answer, so that other work runs between its requests.
const A_REQUEST: Duration = Duration::from_millis(10);

/// An action on an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Happening {
    /// `order.placed` reaches reserve-stock.
    Reserve,
    /// Its answer reaches confirm-order.
    Confirm,
    /// `order.expire` reaches await-payment.
    Expire,
    /// `order.pay` reaches await-payment.
    Pay,
}

use Happening::{Confirm, Expire, Pay, Reserve};

const ALL: [Happening; 4] = [Reserve, Confirm, Expire, Pay];

struct World {
    ledger: CountingLedger<MemoryLedger>,
    dead_letters: MemoryDeadLetters,
    time: TestTime,
    random: SeededRandom,
    deliveries: Mutex<BTreeMap<Happening, u32>>,
    pieces: u32,
}

impl World {
    /// A shop with so many pieces in stock, and one order placed.
    async fn open(pieces: u32) -> Self {
        let ledger = MemoryLedger::default();
        ledger.seed(&Stock { sku: "mug-blue".into(), available: pieces }, Version::Unversioned);
        let world = Self {
            ledger: CountingLedger::new(ledger).with_latency(A_REQUEST),
            dead_letters: MemoryDeadLetters::default(),
            time: TestTime::start(),
            random: SeededRandom::new(1),
            deliveries: Mutex::default(),
            pieces,
        };
        let line = RequestedLine { sku: "mug-blue".into(), quantity: WANTED.into(), unit_price_cents: 1250 };
        let order = PlaceOrder {
            order_id: "o-1".into(),
            customer: "Ada".into(),
            currency: "EUR".into(),
            lines: vec![line],
            delivery: None,
            pay_by: None,
        };
        assert_eq!(world.run(&PlaceOrderHandler, &body("web-1", order), 1).await, Verdict::Done);
        world
    }

    async fn run<H: Handler>(&self, handler: &H, body: &str, attempt: u32) -> Verdict {
        let record = Record {
            message_id: "none",
            source: "none",
            body,
            attempt,
            is_last_attempt: false,
            group: None,
            delivery: Delivery::default(),
        };
        let ports = Ports {
            ledger: &self.ledger,
            dead_letters: &self.dead_letters,
            time: &self.time,
            random: &self.random,
            observer: &Unobserved,
        };
        process(handler, ports, &Settings::new("shop"), None, &[record]).await.remove(0)
    }

    /// Delivers a message, if there is one yet.
    async fn happen(&self, happening: Happening) -> Option<Verdict> {
        let attempt = || {
            let mut deliveries = self.deliveries.lock().unwrap();
            let attempt = deliveries.entry(happening).or_default();
            *attempt += 1;
            *attempt
        };
        Some(match happening {
            Reserve => self.run(&ReserveStock, &self.message(&["order.placed"])?, attempt()).await,
            Confirm => {
                let answer = self.message(&["stock.reserved", "stock.depleted"])?;
                self.run(&ConfirmOrder, &answer, attempt()).await
            }
            Expire => self.run(&AwaitPayment, &self.message(&["order.expire"])?, attempt()).await,
            Pay => {
                let pay = body("counter-1", PayOrder { order_id: "o-1".into() });
                self.run(&AwaitPayment, &pay, attempt()).await
            }
        })
    }

    /// The first message of one of these types.
    fn message(&self, types: &[&str]) -> Option<String> {
        let mut envelopes = self.ledger.inner().log().into_iter().map(|outgoing| outgoing.envelope);
        let found = envelopes.find(|envelope| types.contains(&&*envelope.attributes.message_type))?;
        Some(serde_json::to_string(&found).unwrap())
    }

    /// Everything is delivered until nothing is new and nothing waits.
    async fn settle(&self) {
        for _ in 0..10 {
            let before = self.ledger.inner().log().len();
            let mut waits = false;
            for happening in ALL {
                waits |= matches!(self.happen(happening).await, Some(Verdict::Retry { .. }));
            }
            if !waits && self.ledger.inner().log().len() == before {
                return;
            }
        }
        panic!("it does not come to rest");
    }

    /// Returns how the order ended, after checking it.
    fn end(&self) -> String {
        let ledger = self.ledger.inner();
        let order: Order = ledger.entity("o-1").unwrap();
        let reservation: Reservation = ledger.entity("o-1").unwrap();
        let stock: Stock = ledger.entity("mug-blue").unwrap();
        let mut events: Vec<_> = ledger
            .log()
            .into_iter()
            .filter(|outgoing| outgoing.destination == Destination::Bus)
            .map(|outgoing| outgoing.envelope.attributes.message_type)
            .collect();
        events.sort();
        let taken = if reservation.is_held { WANTED } else { 0 };
        assert_eq!(stock.available + taken, self.pieces, "{events:?}");
        assert_eq!(reservation.is_held, order.status == OrderStatus::Paid, "{events:?}");
        assert_eq!(self.is_taken_back(), order.status == OrderStatus::Paid, "{events:?}");
        assert_eq!(self.dead_letters.letters().is_empty(), order.status == OrderStatus::Paid, "{events:?}");
        events.join(" ")
    }

    fn is_taken_back(&self) -> bool {
        let taken_back = Destination::Unscheduled { queue: "await-payment".into() };
        self.ledger.inner().log().iter().any(|outgoing| outgoing.destination == taken_back)
    }
}

fn body<M: Message>(id: &str, message: M) -> String {
    serde_json::to_string(&Envelope::of(id, "shop.web", message).encode().unwrap()).unwrap()
}

/// Every sequence of up to two.
fn beginnings() -> Vec<Vec<Happening>> {
    let one = ALL.map(|first| vec![first]);
    let two = ALL.into_iter().flat_map(|first| ALL.map(|second| vec![first, second]));
    [vec![]].into_iter().chain(one).chain(two).collect()
}

/// The ends of an order, as its events in alphabetical order.
const PAID: &str = "order.confirmed order.paid order.placed stock.reserved";
const NEVER_RESERVED: &str = "order.cancelled order.placed";
const OUT_OF_STOCK: &str = "order.cancelled order.placed stock.depleted";
const RELEASED: &str = "order.cancelled order.placed stock.released stock.reserved";
const CONFIRMED_AND_RELEASED: &str =
    "order.cancelled order.confirmed order.placed stock.released stock.reserved";

#[tokio::test(start_paused = true)]
async fn an_order_ends_paid_with_its_stock_or_cancelled_without_whatever_meets() {
    let mut ends = BTreeMap::<String, usize>::new();
    for pieces in [WANTED + 3, WANTED - 1] {
        for beginning in beginnings() {
            for (first, second) in ALL.into_iter().flat_map(|first| ALL.map(|second| (first, second))) {
                for head_start in 0..4 {
                    let world = World::open(pieces).await;
                    for happening in &beginning {
                        world.happen(*happening).await;
                    }
                    let later = async {
                        tokio::time::sleep(A_REQUEST * head_start).await;
                        world.happen(second).await
                    };
                    tokio::join!(world.happen(first), later);
                    world.settle().await;
                    *ends.entry(world.end()).or_default() += 1;
                }
            }
        }
    }
    let ways: BTreeSet<_> = ends.keys().map(String::as_str).collect();
    let all = [PAID, NEVER_RESERVED, OUT_OF_STOCK, RELEASED, CONFIRMED_AND_RELEASED];
    assert_eq!(ways, BTreeSet::from(all), "{ends:?}");
    assert_eq!(ends.values().sum::<usize>(), 2 * 21 * 16 * 4);
}
