//! A day of a thousand orders, replayed; and a relay that was down for longer than its stream remembers.

mod shop;

use futures_util::future::BoxFuture;
use shop::{START, Shop, Verdicts, on_the_bus, replayed};
use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use throughline_cli::{
    progress::Silent,
    resend::{republish::Plan, sending::Sending},
};
use throughline_core::{
    ledger::Outgoing,
    ports::Time as _,
    relay::{Delivery, Publisher},
};
use throughline_operations::log::TimeRange;

const ORDERS: usize = 1000;
const DAY: Duration = Duration::from_hours(24);

#[tokio::test]
async fn a_replayed_day_of_a_thousand_orders_changes_nothing_and_fills_an_emptied_read_model() {
    let shop = Shop::open().await;
    shop.place_orders(ORDERS, DAY).await;
    let events = shop.settle().await;
    assert_eq!(events.len(), 3 * ORDERS, "placed, answered by the stock, settled");
    assert_eq!(shop.notifications(), ORDERS);
    let (entities, board) = (shop.entities().await, shop.board().await);
    assert_eq!(board.len(), ORDERS);
    assert!(entities.len() > 2 * ORDERS, "an order and a reservation each");

    let verdicts = shop.carry(&replayed(&events, "the-day")).await;
    assert_eq!(verdicts, Verdicts { done: 0, duplicates: 3 * ORDERS, projected: 2 * ORDERS });
    assert!(shop.entities().await == entities, "the replay changed an entity");
    assert!(shop.board().await == board, "the replay changed the read model");
    assert_eq!(shop.notifications(), ORDERS);

    // A replay has no order. It is interrupted half-way, and started again from its beginning.
    shop.database.empty(shop.database.order_board_table(), "order_id").await.unwrap();
    let mut again = replayed(&events, "rebuild");
    fastrand::Rng::with_seed(7).shuffle(&mut again);
    shop.show_some(&again[..ORDERS], 1).await;
    assert!(shop.board().await.len() < ORDERS, "it was interrupted");
    shop.show(&again).await;
    assert!(shop.board().await == board, "the read model is not what it was");
    assert!(shop.entities().await == entities, "filling the read model changed an entity");
    assert_eq!(shop.notifications(), ORDERS);
}

/// Takes everything, and hangs for ever at some calls: whoever waits for it then is killed.
struct Bus {
    taken: Mutex<Vec<Outgoing>>,
    calls: AtomicUsize,
    hangs_at: Vec<usize>,
}

impl Publisher for Bus {
    fn publish<'a>(&'a self, messages: &'a [&'a Outgoing]) -> BoxFuture<'a, Vec<Delivery>> {
        Box::pin(async {
            self.taken.lock().unwrap().extend(messages.iter().map(|message| (*message).clone()));
            let call = self.calls.fetch_add(1, Ordering::SeqCst);
            if self.hangs_at.contains(&call) {
                std::future::pending::<()>().await;
            }
            vec![Delivery::Accepted; messages.len()]
        })
    }
}

const LOST_ORDERS: usize = 100;
const OUTAGE: Duration = Duration::from_hours(25);

#[tokio::test]
async fn what_a_relay_outage_of_25_hours_lost_is_republished_though_it_is_interrupted_three_times() {
    let shop = Shop::open().await;
    shop.place_orders(LOST_ORDERS, OUTAGE).await;
    let lost = shop.lose_the_stream().await;
    assert!(lost >= LOST_ORDERS);
    assert_eq!(shop.settle().await.len(), 0, "nothing brings it to the bus");

    let range = TimeRange { from: START, until: START + OUTAGE };
    let plan = Plan::make(&shop.ledger, range, shop.clock.now(), &Silent).await.unwrap();
    assert_eq!(plan.total(), lost);
    let folder = std::env::temp_dir().join(format!("throughline-outage-{}", std::process::id()));
    let (journal, _) = plan.begin(&folder, "here", u32::MAX).unwrap();
    let bus = Bus { taken: Mutex::default(), calls: AtomicUsize::default(), hangs_at: vec![3, 7, 12] };
    let sending = Sending {
        ledger: &shop.ledger,
        publisher: &bus,
        replay_name: None,
        takers: &[],
        rate: u32::MAX,
        progress: &Silent,
    };
    let mut kills = 0;
    let sent = loop {
        let hangs = async {
            let next = bus.hangs_at.get(kills).map_or(usize::MAX, |call| call + 1);
            while bus.calls.load(Ordering::SeqCst) < next {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            sent = sending.run(&journal) => break sent.unwrap(),
            () = hangs => kills += 1,
        }
    };
    assert_eq!((kills, sent.position, sent.is_over), (3, lost, true));
    let taken = std::mem::take(&mut *bus.taken.lock().unwrap());
    let surplus = taken.len() - lost;
    println!("{lost} messages lost, {kills} kills, {surplus} surplus copies");
    assert!(surplus <= kills * throughline_core::relay::MOST_ENTRIES, "{surplus} surplus copies");
    std::fs::remove_dir_all(folder).unwrap();

    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let events = on_the_bus(taken);
    for event in &events {
        *counts.entry(event.attributes.id.clone()).or_default() += 1;
    }
    assert_eq!(counts.len(), LOST_ORDERS, "every order.placed is on the bus");
    shop.carry(&events).await;
    shop.settle().await;
    assert_eq!(shop.notifications(), LOST_ORDERS, "every order is settled once");
}
