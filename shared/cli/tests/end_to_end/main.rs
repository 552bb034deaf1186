//! The shop on the local cloud: real function binaries behind real event source mappings.
//!
//! `scripts/test` starts the cloud, deploys the shop, and runs these.

mod answers;
mod aws;
mod callbacks;
mod check;
mod checkouts;
mod cloud;
mod command;
mod deaths;
mod deployment;
mod failures;
mod invoking;
mod kills;
mod letters;
mod messages;
mod orders;
mod processes;
mod recorder;
mod replays;
mod requests;
mod stacks;
mod storm;
mod stuck;
mod tailing;
mod traps;
mod unpaid;
mod versions;

use cloud::{Shop, decisions, types};
use messages::{order_placed, place_order, stock_reserved, unique, with};
use serde_json::json;

#[tokio::test]
async fn an_order_travels_from_its_command_to_its_notification() {
    let shop = Shop::open().await;
    let sku = shop.stock(10).await;
    let order = unique("travel");
    shop.send(&place_order(&order, &sku, &json!(3))).await;
    let line = shop.line_when_over(&order).await;
    assert_eq!(types(&line), ["order.placed", "stock.reserved", "order.confirmed"]);
    let handlers: Vec<&str> = decisions(&line).map(|claim| claim.handler.as_str()).collect();
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
    assert!(notifications[0].body.contains("is confirmed"), "{notifications:?}");
}

#[tokio::test]
async fn an_order_for_too_much_is_cancelled_and_takes_no_stock() {
    let shop = Shop::open().await;
    let sku = shop.stock(2).await;
    let order = unique("too-much");
    shop.send(&place_order(&order, &sku, &json!(3))).await;
    let line = shop.line_when_over(&order).await;
    assert_eq!(types(&line), ["order.placed", "stock.depleted", "order.cancelled"]);
    assert_eq!(shop.stock_left(&sku).await, 2);
    assert!(shop.notifications(&order).await[0].body.contains("is cancelled"));
}

/// The claim knows a message by its id. Under another id it is the entities that remember.
#[tokio::test]
async fn what_was_decided_is_not_decided_again_under_another_id() {
    let shop = Shop::open().await;
    let sku = shop.stock(10).await;
    let order = unique("decided");
    let command = place_order(&order, &sku, &json!(3));
    shop.send(&command).await;
    shop.line_when_over(&order).await;

    let [asked, placed, reserved] =
        ["asked", "placed", "reserved"].map(|what| format!("{order}-{what}-again"));
    let asked_again = with(with(command, "id", json!(asked)), "correlationid", json!(asked));
    shop.send(&asked_again).await;
    shop.publish(&order_placed(&placed, &order, &sku)).await;
    shop.publish(&stock_reserved(&reserved, &order)).await;
    for (id, handler) in [(&asked, "place-order"), (&placed, "reserve-stock"), (&reserved, "confirm-order")] {
        let line = shop.line_where(id, "is handled", |line| line.is_done_by(handler)).await;
        assert!(line.recorded.messages.is_empty(), "{line}");
    }
    shop.quiet().await;
    assert_eq!(shop.stock_left(&sku).await, 7);
    assert_eq!(shop.notifications(&order).await.len(), 1);
}
