//! The shop on the local cloud: real function binaries behind real event source mappings.
//!
//! `scripts/test` starts the cloud, deploys the shop, and runs these.

mod cloud;
mod recorder;

use cloud::{Shop, place_order, processes_of, unique};
use serde_json::{Value, json};
use std::{collections::HashSet, process::Command, time::Duration};
use throughline_aws::operate;
use throughline_cli::line_tree::WholeLine;

fn is_over(line: &WholeLine) -> bool {
    line.is_done_by("notify-customer")
}

fn types(line: &WholeLine) -> Vec<&str> {
    line.recorded
        .messages
        .iter()
        .map(|sent| sent.outgoing.envelope.attributes.message_type.as_str())
        .collect()
}

#[tokio::test]
async fn an_order_travels_from_its_command_to_its_notification() {
    let shop = Shop::open().await;
    let sku = shop.stock(10).await;
    let order = unique("travel");
    shop.send(&place_order(&order, &sku, &json!(3))).await;
    let line = shop.line_where(&order, "is over", is_over).await;
    assert_eq!(types(&line), ["order.placed", "stock.reserved", "order.confirmed"]);
    let handlers: Vec<&str> = line.recorded.claims.iter().map(|claim| claim.handler.as_str()).collect();
    assert_eq!(handlers, ["place-order", "reserve-stock", "confirm-order", "notify-customer"]);
    assert_eq!(shop.stock_left(&sku).await, 7);
    let carried = shop.carried(&order).await;
    assert_eq!(carried.len(), 3);
    for (event, count) in carried.values() {
        assert_eq!(*count, 1, "{event}");
        assert_eq!(
            (event["specversion"].as_str(), event["correlationid"].as_str()),
            (Some("1.0"), Some(&*order))
        );
        assert!(event["causationid"].is_string() && event["time"].is_string(), "{event}");
    }
    let notifications = shop.notifications(&order).await;
    assert_eq!(notifications.len(), 1);
    assert!(notifications[0].contains("is confirmed"), "{notifications:?}");
}

#[tokio::test]
async fn an_order_for_too_much_is_cancelled_and_takes_no_stock() {
    let shop = Shop::open().await;
    let sku = shop.stock(2).await;
    let order = unique("too-much");
    shop.send(&place_order(&order, &sku, &json!(3))).await;
    let line = shop.line_where(&order, "is over", is_over).await;
    assert_eq!(types(&line), ["order.placed", "stock.depleted", "order.cancelled"]);
    assert_eq!(shop.stock_left(&sku).await, 2);
    assert!(shop.notifications(&order).await[0].contains("is cancelled"));
}

#[tokio::test]
async fn a_bad_order_lies_in_the_dead_letter_queue_with_its_reason() {
    let shop = Shop::open().await;
    let sku = shop.stock(2).await;
    for (name, quantity, error_type, reason) in [
        ("malformed", json!("two"), "MalformedData", "expected i64"),
        ("negative", json!(-1), "BadOrder", "-1"),
    ] {
        let order = unique(name);
        let body = place_order(&order, &sku, &quantity);
        shop.send(&body).await;
        let line = shop.line_where(&order, "is rejected", |line| !line.dead_letters.is_empty()).await;
        let (queue, letter) = &line.dead_letters[0];
        assert_eq!((queue.as_str(), &letter.body), ("PlaceOrderDeadLetterQueue", &body));
        assert_eq!(letter.attribute("ErrorType"), Some(error_type));
        assert!(
            letter.attribute("ErrorMessage").is_some_and(|message| message.contains(reason)),
            "{letter:?}"
        );
        assert_eq!(letter.attribute("Handler"), Some("place-order"));
        assert_eq!(letter.attribute("Attempts"), Some("1"));
        assert!(line.recorded.messages.is_empty() && line.recorded.claims.is_empty());
    }
    let noise = unique("noise");
    shop.send(&noise).await;
    let is_there = async || {
        let letters = shop.stack.dead_letters().await.unwrap();
        letters.into_iter().find(|(_, letter)| letter.body == noise)
    };
    let mut looks = 0;
    let (_, letter) = loop {
        if let Some(found) = is_there().await {
            break found;
        }
        looks += 1;
        assert!(looks < 300, "a body that is no JSON was not dead-lettered");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert_eq!(letter.attribute("ErrorType"), Some("MalformedBody"));
}

/// Every order five times, in any order, with processes killed meanwhile; then every event again, last one
/// first: each order has its effects once.
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

    let mut killed = HashSet::new();
    for (sent, order) in copies.into_iter().enumerate() {
        shop.send(&place_order(order, &sku, &json!(2))).await;
        if sent % 6 == 5 {
            killed.extend(kill_one(&shop, &["PlaceOrderFunction", "ReserveStockFunction"], &mut random));
        }
    }
    // Whoever was idle when it was its turn is killed now, in the middle of the rest.
    let mut waits = 0;
    while killed.is_empty() {
        killed.extend(kill_one(&shop, &["PlaceOrderFunction", "ReserveStockFunction"], &mut random));
        waits += 1;
        assert!(waits < 1000, "no process of the functions was there to be killed");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    println!("killed {} processes", killed.len());
    for order in &orders {
        let line = shop.line_where(order, "is over", is_over).await;
        assert_eq!(types(&line), ["order.placed", "stock.reserved", "order.confirmed"]);
    }
    shop.quiet().await;
    let events = check_once(&shop, &run, &orders, &sku, 1).await;

    let bus = shop.stack.output("EventBus").unwrap();
    for event in events.iter().rev() {
        republish(&shop, bus, event).await;
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
        emitted.extend(line.recorded.messages.into_iter().map(|sent| sent.outgoing.envelope.attributes.id));
        assert_eq!(shop.notifications(order).await.len(), 1, "one notification about {order}");
    }
    let carried = shop.carried(run).await;
    assert_eq!(carried.keys().cloned().collect::<HashSet<_>>(), emitted, "the bus carried what was emitted");
    assert!(carried.values().all(|(_, count)| *count == carries), "each event {carries} times on the bus");
    carried.into_values().map(|(event, _)| event).collect()
}

fn kill_one(shop: &Shop, functions: &[&str], random: &mut fastrand::Rng) -> Option<u32> {
    let processes: Vec<u32> =
        functions.iter().flat_map(|function| processes_of(shop.stack.output(function).unwrap())).collect();
    let pid = *processes.get(random.usize(0..processes.len().max(1)))?;
    let killed =
        Command::new("kill").args(["-KILL", &pid.to_string()]).status().is_ok_and(|status| status.success());
    killed.then_some(pid)
}

/// Publishes an event again, as the relay would if its answer had been lost.
async fn republish(shop: &Shop, bus: &str, event: &Value) {
    let body = event.to_string();
    operate::put_event(shop.stack.clients.eventbridge().await, bus, &body).await.unwrap();
}
