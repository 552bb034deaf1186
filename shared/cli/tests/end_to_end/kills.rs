//! The worker of the checkouts, killed at random moments: no order ends half done.

use super::{
    cloud::{Shop, types, until},
    messages::{decide_order, delivered, place_order, priced, unique},
    orders::{CHEAP_CENTS, DEAR_CENTS, GOOD_ADDRESS, GOOD_CARD, PIECES, ended_in, totals},
    processes,
};
use serde_json::{Value, json};
use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};
use throughline_cli::line::WholeLine;

/// The kinds of orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Good,
    Declined,
    Undeliverable,
    AnswerLost,
    Approved,
    NotApproved,
}

/// The number of orders of each kind.
const MIX: [(Kind, usize); 6] = [
    (Kind::Good, 30),
    (Kind::Declined, 6),
    (Kind::Undeliverable, 7),
    (Kind::AnswerLost, 7),
    (Kind::Approved, 6),
    (Kind::NotApproved, 4),
];

/// The number of times that the worker is killed. Each time, every process of it dies or lives by the toss of a coin.
const KILLS: usize = 80;
/// The longest time between two of them, beyond what a process needs to start. One that dies while it starts is not
/// killed at work; and the local cloud has a name of its own for that, `Runtime.Unknown`, where Lambda says
/// `Runtime.ExitError`, which is tried again.
const LONGEST_GAP: Duration = Duration::from_millis(300);
const START: Duration = Duration::from_millis(100);
const PLENTY: u32 = 10_000;

struct Order {
    id: String,
    kind: Kind,
}

impl Order {
    fn needs_approval(&self) -> bool {
        matches!(self.kind, Kind::Approved | Kind::NotApproved)
    }

    fn piece_cents(&self) -> u32 {
        if self.needs_approval() { DEAR_CENTS } else { CHEAP_CENTS }
    }

    fn total(&self) -> i64 {
        i64::from(PIECES * self.piece_cents())
    }

    fn command(&self, sku: &str) -> Value {
        let (card, address) = match self.kind {
            Kind::Declined => ("card-declined", GOOD_ADDRESS),
            Kind::Undeliverable => (GOOD_CARD, "undeliverable"),
            Kind::AnswerLost => ("answer-lost", GOOD_ADDRESS),
            Kind::Good | Kind::Approved | Kind::NotApproved => (GOOD_CARD, GOOD_ADDRESS),
        };
        delivered(priced(place_order(&self.id, sku, &json!(PIECES)), self.piece_cents()), card, address)
    }

    /// Returns whether the order can be fulfilled at all. Killed often enough, any order is cancelled.
    fn may_be_confirmed(&self) -> bool {
        matches!(self.kind, Kind::Good | Kind::Approved)
    }
}

/// The expensive ones are asked for first, and nobody is killed until their approvals were asked for: the local
/// cloud swallows the failure of a task that waits for a callback, which Step Functions would try again, and would
/// wait for a day. Everything that they do after that is done under fire, like everything of the others.
#[tokio::test]
async fn a_worker_that_is_killed_at_random_moments_leaves_no_order_half_done() {
    let shop = Shop::open().await;
    let started = Instant::now();
    let mut random = fastrand::Rng::with_seed(throughline_testing::chaos::seed());
    let sku = shop.stock(PLENTY).await;
    let run = unique("kills");
    let mut orders: Vec<Order> = Vec::new();
    for (kind, count) in MIX {
        let of_kind = (0..count).map(|number| Order { id: format!("{run}-{kind:?}-{number}"), kind });
        orders.extend(of_kind);
    }
    random.shuffle(&mut orders);
    let callbacks = ask_for_approvals(&shop, &run, &orders, &sku).await;

    let under_fire = Instant::now();
    let moments = Cell::new(0);
    let mut of_killer = random.fork();
    let killing = async {
        let mut started = BTreeSet::new();
        while moments.get() < KILLS {
            tokio::time::sleep(START + LONGEST_GAP.mul_f32(of_killer.f32())).await;
            let alive = processes::of_function(shop.output("Checkout", "Function"));
            kill_some(alive.iter().filter(|pid| started.contains(*pid)), &mut of_killer);
            started = alive.into_iter().collect();
            moments.set(moments.get() + 1);
        }
    };
    let sending = async {
        for order in &orders {
            tokio::time::sleep(LONGEST_GAP.mul_f32(random.f32())).await;
            match callbacks.get(&order.id) {
                Some(callback) => {
                    let refusal = (order.kind == Kind::NotApproved).then_some("no");
                    let decision = decide_order(&order.id, callback, refusal);
                    shop.send_to("ApproveOrder", &decision.to_string()).await;
                }
                None => shop.send(&order.command(&sku)).await,
            }
        }
    };
    tokio::join!(killing, sending);
    settled(&shop, &run).await;
    let lines = all_ended(&shop, &orders).await;
    let took = under_fire.elapsed();

    shop.quiet().await;
    let outcomes = nothing_is_half_done(&shop, &run, &orders, &lines, &sku).await;
    let died = attempts_that_died(&lines);
    println!(
        "{} orders, the worker killed at {KILLS} moments in the midst of {died} tasks, over in {:.1} s ({:.1} s in all):",
        orders.len(),
        took.as_secs_f32(),
        started.elapsed().as_secs_f32()
    );
    for ((kind, status), count) in outcomes {
        println!("  {kind:?}: {count} {status}");
    }
    assert!(died > 0, "the worker was never killed at work: nothing was tested");
}

/// Places the expensive ones. Returns where their approvals are awaited, by order.
async fn ask_for_approvals(shop: &Shop, run: &str, orders: &[Order], sku: &str) -> BTreeMap<String, String> {
    let expensive: Vec<&Order> = orders.iter().filter(|order| order.needs_approval()).collect();
    for order in &expensive {
        shop.send(&order.command(sku)).await;
    }
    until("all approvals are asked for", async || {
        let carried = shop.carried(run).await;
        let asked = carried.values().filter(|(event, _)| event["type"] == "approval.requested");
        let callbacks: BTreeMap<String, String> = asked
            .map(|(event, _)| {
                let text = |name: &str| event["data"][name].as_str().unwrap_or_default().to_owned();
                (text("order_id"), text("callback"))
            })
            .collect();
        (callbacks.len() == expensive.len()).then_some(callbacks)
    })
    .await
}

fn kill_some<'a>(started: impl Iterator<Item = &'a u32>, random: &mut fastrand::Rng) {
    for pid in started {
        if random.bool() {
            processes::kill(*pid);
        }
    }
}

/// Waits until every order is confirmed or cancelled.
async fn settled(shop: &Shop, run: &str) {
    until("all orders are settled", async || {
        let orders = shop.entities(|key| key.starts_with("order#") && key.contains(run)).await;
        orders.iter().all(|order| order["status"] != "placed").then_some(())
    })
    .await;
}

/// Waits until every saga has ended. Returns the lines of the orders.
async fn all_ended(shop: &Shop, orders: &[Order]) -> Vec<WholeLine> {
    let mut lines = Vec::new();
    for order in orders {
        let has_ended = |line: &WholeLine| line.execution("checkout").is_some_and(|saga| saga.end.is_some());
        lines.push(shop.line_where(&order.id, "has ended", has_ended).await);
    }
    lines
}

/// The number of orders by kind and end.
type Outcomes = BTreeMap<(Kind, String), usize>;

async fn nothing_is_half_done(
    shop: &Shop,
    run: &str,
    orders: &[Order],
    lines: &[WholeLine],
    sku: &str,
) -> Outcomes {
    let (totals, carried) = (totals().await, shop.carried(run).await);
    let entities = shop.entities(|key| key.contains(run)).await;
    let entity = |kind: &str, id: &str| {
        let key = format!("{kind}#{id}");
        entities.iter().find(|item| item["pk"] == key).unwrap_or(&Value::Null)
    };
    let mut outcomes = Outcomes::new();
    let (mut paid, mut owed, mut confirmed) = (0, 0, 0);
    for (order, line) in orders.iter().zip(lines) {
        let status = entity("order", &order.id)["status"].as_str().unwrap_or("(unknown)").to_owned();
        let is_held = entity("reservation", &order.id)["is_held"] == true;
        let figures = &totals["orders"][&order.id];
        let figure = |name: &str| figures[name].as_i64().unwrap_or_default();
        let found = (status.as_str(), ended_in(line), is_held, figure("net_cents"), figure("live_shipments"));
        let is_confirmed = status == "confirmed";
        let expected = if is_confirmed {
            ("confirmed", "Completed", true, order.total(), 1)
        } else {
            ("cancelled", "Compensated", false, 0, 0)
        };
        assert_eq!(found, expected, "{}:\n{line}", order.id);
        assert!(order.may_be_confirmed() || !is_confirmed, "{}:\n{line}", order.id);
        assert!(figure("charges") <= 1, "{} was charged twice: {figures}", order.id);
        let endings: BTreeSet<&str> =
            types(line).into_iter().filter(|name| name.starts_with("order.c")).collect();
        let told = if is_confirmed { "order.confirmed" } else { "order.cancelled" };
        assert_eq!(endings, BTreeSet::from([told]), "{line}");
        assert_eq!(types(line).iter().filter(|name| **name == told).count(), 1, "{line}");
        let on_the_bus = carried.values().filter(|(event, _)| {
            event["correlationid"] == order.id && event["type"].as_str().is_some_and(|name| name == told)
        });
        assert_eq!(on_the_bus.count(), 1, "{told} of {}", order.id);
        paid += figure("net_cents");
        owed += if is_confirmed { order.total() } else { 0 };
        confirmed += u32::from(is_confirmed);
        *outcomes.entry((order.kind, status)).or_default() += 1;
    }
    assert_eq!(paid, owed, "what is paid at the provider is what the confirmed orders cost");
    assert_eq!(shop.stock_left(sku).await, u64::from(PLENTY - PIECES * confirmed), "the stock adds up");
    assert!(carried.values().all(|(event, _)| event["type"] != "saga.stuck"), "none is stuck");
    println!("{confirmed} orders are confirmed, which cost {owed} cents; the provider has {paid}");
    outcomes
}

/// Returns the number of tasks whose worker died.
fn attempts_that_died(lines: &[WholeLine]) -> usize {
    let visits = lines.iter().filter_map(|line| line.execution("checkout")).flat_map(|saga| &saga.visits);
    let failures = visits
        .flat_map(|visit| &visit.attempts)
        .filter_map(|attempt| attempt.outcome.as_ref()?.as_ref().err());
    let mut of_error: BTreeMap<&str, usize> = BTreeMap::new();
    for failure in failures {
        *of_error.entry(&failure.error).or_default() += 1;
    }
    println!("tasks that failed, by their errors: {of_error:?}");
    of_error.get("Runtime.ExitError").copied().unwrap_or_default()
}
