//! Everything at once: duplicates, no order, and processes that die at work.

use super::{
    cloud::{Shop, events, types},
    messages::{place_order, unique},
    traps::Trick,
};
use serde_json::{Value, json};
use std::collections::HashSet;

/// Every order five times, in any order, while processes are killed at a commit of their own; then every
/// event again, last one first: each order has its effects once.
#[tokio::test]
async fn whatever_comes_twice_or_late_or_dies_has_its_effects_once() {
    const ORDERS: usize = 12;
    const COPIES: usize = 5;
    let shop = Shop::open().await;
    let seed = throughline_testing::chaos::seed();
    let mut random = fastrand::Rng::with_seed(seed);
    let sku = shop.stock(1000).await;
    let run = unique("storm");
    let orders: Vec<String> = (0..ORDERS).map(|number| format!("{run}-{number:02}")).collect();
    let mut copies: Vec<&String> = orders.iter().flat_map(|order| vec![order; COPIES]).collect();
    random.shuffle(&mut copies);

    // Each function commits at least once for each order, so each of these commits will come.
    let deaths = ["PlaceOrder", "ReserveStock"].map(|function| {
        let trick = if random.bool() { Trick::KillBefore } else { Trick::KillAfter };
        let passes = random.usize(..ORDERS);
        println!("{function}: {trick:?} after {passes} commits");
        shop.trap(function, "TransactWriteItems", trick, |trap| trap.about(&run).letting_pass(passes))
    });
    for order in copies {
        shop.send(&place_order(order, &sku, &json!(2))).await;
    }
    for death in &deaths {
        shop.sprung(death, 1).await;
    }
    for order in &orders {
        let line = shop.line_when_over(order).await;
        assert_eq!(types(&line), ["order.placed", "stock.reserved", "order.confirmed"]);
    }
    shop.quiet().await;
    let events = check_once(&shop, &run, &orders, &sku, 1).await;

    // As the relay would, had its answer been lost.
    for event in events.iter().rev() {
        shop.publish(event).await;
    }
    shop.quiet().await;
    check_once(&shop, &run, &orders, &sku, 2).await;
}

/// Checks that each order had its effects once and that the bus carried each event so often; returns the
/// events.
async fn check_once(shop: &Shop, run: &str, orders: &[String], sku: &str, carries: u32) -> Vec<Value> {
    assert_eq!(shop.stock_left(sku).await, 1000 - 2 * orders.len() as u64, "stock falls once for each order");
    let mut emitted = HashSet::new();
    for order in orders {
        let line = shop.stack.line(order).await.unwrap();
        assert_eq!(types(&line), ["order.placed", "stock.reserved", "order.confirmed"], "{line}");
        emitted.extend(events(&line).map(|event| event.id.clone()));
        assert_eq!(shop.notifications(order).await.len(), 1, "one notification about {order}");
    }
    let carried = shop.carried(run).await;
    assert_eq!(carried.keys().cloned().collect::<HashSet<_>>(), emitted, "the bus carried what was emitted");
    assert!(carried.values().all(|(_, count)| *count == carries), "each event {carries} times on the bus");
    carried.into_values().map(|(event, _)| event).collect()
}
