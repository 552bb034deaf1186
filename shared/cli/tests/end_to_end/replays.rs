//! Messages are sent again: from the archive, from the log, by a command that is killed half-way.

use super::{
    aws::{aws, setting},
    cloud::{Shop, until},
    command::{Running, throughline},
    messages::{place_order, stock_counted, unique},
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, fs, path::Path};
use throughline_core::Timestamp;
use throughline_operations as operate;

/// As many as go through every function in a few seconds. A thousand are replayed in process, by the laboratory.
const ORDERS: usize = 60;
/// The number of items that one request may delete.
const MOST_DELETED: usize = 25;

/// Orders that are over, and what there is of them.
struct Day<'a> {
    shop: &'a Shop,
    name: String,
    from: String,
}

impl<'a> Day<'a> {
    async fn of_orders(shop: &'a Shop) -> Day<'a> {
        let (name, from) = (unique("day"), Timestamp::now().to_string());
        let sku = shop.stock(1000).await;
        for number in 0..ORDERS {
            shop.send(&place_order(&format!("{name}-{number}"), &sku, &json!(1))).await;
        }
        let day = Self { shop, name, from };
        day.is_on_the_board(ORDERS).await;
        shop.quiet().await;
        day
    }

    /// Waits until so many of its orders are confirmed on the board.
    async fn is_on_the_board(&self, orders: usize) {
        until(&format!("{orders} orders are confirmed on the board"), async || {
            let board = self.board().await;
            let confirmed = board.values().filter(|entry| entry["status"] == "confirmed").count();
            (confirmed >= orders).then_some(())
        })
        .await;
    }

    /// The board's entries, but for how often they were saved.
    async fn board(&self) -> BTreeMap<String, Value> {
        let table = self.shop.stack.output("OrderBoardTable").unwrap();
        let items = operate::scan(self.shop.stack.clients.dynamodb().await, table).await.unwrap();
        let mut items: Vec<Value> = items.into_iter().map(|item| json!(item)).collect();
        items.retain(|item| item["order_id"].as_str().is_some_and(|id| id.starts_with(&self.name)));
        let entry = |mut item: Value| {
            item.as_object_mut().expect("an item").remove("_version");
            (item["order_id"].as_str().unwrap_or_default().to_owned(), item)
        };
        items.into_iter().map(entry).collect()
    }

    fn empty_the_board(&self, entries: &BTreeMap<String, Value>) {
        let table = self.shop.stack.output("OrderBoardTable").unwrap();
        let ids: Vec<&String> = entries.keys().collect();
        for ids in ids.chunks(MOST_DELETED) {
            let delete = |id: &&String| json!({ "DeleteRequest": { "Key": { "order_id": { "S": id } } } });
            let requests = json!({ table: ids.iter().map(delete).collect::<Vec<_>>() });
            aws(&["dynamodb", "batch-write-item", "--request-items", &requests.to_string()]);
        }
    }

    /// Returns the facts that a replay must not change: entities, the stock, and the notifications to customers.
    async fn facts(&self) -> (Vec<Value>, usize) {
        let mut entities = self.shop.entities(|pk| pk.contains(&self.name)).await;
        entities.sort_by_key(|entity| entity["pk"].to_string());
        (entities, self.shop.notifications(&self.name).await.len())
    }
}

#[tokio::test]
async fn a_replayed_archive_and_a_republished_log_change_nothing() {
    let shop = Shop::open().await;
    let day = Day::of_orders(&shop).await;
    let (facts, board) = (day.facts().await, day.board().await);
    assert!(facts.0.len() >= 2 * ORDERS, "an order and a reservation each");
    assert_eq!((facts.1, board.len()), (ORDERS, ORDERS));

    let planned = throughline(&["replay", "--from", &day.from, "--plan", "--json"]);
    assert!(planned.is_success, "{}", planned.errors);
    let plan = planned.json();
    assert_eq!(plan["events"]["order.placed"], ORDERS, "{plan}");
    for handler in plan["handlers"].as_array().expect("handlers") {
        assert_eq!(handler["rerun"], 0, "{handler}");
        let projected = if handler["handler"] == "order-board" { 2 * ORDERS } else { 0 };
        assert_eq!(handler["projection_only"], projected, "{handler}");
    }

    let replayed = throughline(&["replay", "--from", &day.from, "--yes"]);
    assert!(replayed.is_success, "{}", replayed.errors);
    shop.quiet().await;
    assert!(day.facts().await == facts, "the replay changed something");
    assert!(day.board().await == board, "the replay changed the board");

    let republished = throughline(&["outbox", "republish", "--since", &day.from, "--yes", "--json"]);
    assert!(republished.is_success, "{}", republished.errors);
    let report = republished.json();
    assert!(report["sent"].as_u64().is_some_and(|sent| sent >= 3 * ORDERS as u64), "{report}");
    assert_eq!(report["refused"], 0, "{report}");
    shop.quiet().await;
    assert!(day.facts().await == facts, "what was republished changed something");
}

#[tokio::test]
async fn an_emptied_board_is_filled_to_what_it_was_though_the_replay_is_killed_half_way() {
    let shop = Shop::open().await;
    let day = Day::of_orders(&shop).await;
    let (facts, board) = (day.facts().await, day.board().await);
    day.empty_the_board(&board);
    assert!(day.board().await.is_empty());

    let slowly = ["replay", "--from", &day.from, "--handler", "order-board", "--rate", "10", "--yes"];
    let killed = Running::start(&slowly);
    until("the board begins to fill", async || (!day.board().await.is_empty()).then_some(())).await;
    killed.signal("KILL");
    drop(killed);
    shop.quiet().await;
    assert!(day.board().await.len() < ORDERS, "it was killed half-way");

    let resumed = throughline(&["replay", "--resume", &unfinished_here()]);
    assert!(resumed.is_success, "{}", resumed.errors);
    until("the board is what it was", async || (day.board().await == board).then_some(())).await;
    assert!(day.facts().await == facts, "filling the board changed something else");
}

/// The name of the last replay that was begun on this local cloud and is not over: another cloud's tests may have begun
/// some beside it.
fn unfinished_here() -> String {
    let endpoint = setting("AWS_ENDPOINT_URL");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.throughline/replays");
    let read = |file: &Path| -> Value {
        fs::read(file).map_or(Value::Null, |json| serde_json::from_slice(&json).expect("a journal is JSON"))
    };
    let mut names: Vec<String> = fs::read_dir(folder)
        .expect("a replay was begun")
        .map(|entry| entry.expect("a journal").path())
        .filter(|journal| {
            let begun = read(&journal.join("begun.json"));
            let is_here = begun["stack"].as_str().is_some_and(|stack| stack.contains(&endpoint));
            is_here && read(&journal.join("sent.json"))["is_over"] != true
        })
        .filter_map(|journal| Some(journal.file_name()?.to_str()?.to_owned()))
        .collect();
    names.sort();
    names.pop().expect("one is not over")
}

/// The archive cannot be asked what it holds, so it is replayed to a rule of our own.
#[tokio::test]
async fn events_of_other_sources_are_found_in_the_archive_without_anybody_getting_them_again() {
    let shop = Shop::open().await;
    let (id, from) = (unique("counted"), Timestamp::now().to_string());
    shop.publish(&stock_counted(&id)).await;
    let comes = async |times| {
        let what = format!("{id} comes {times} times");
        until(&what, async || (shop.carried(&id).await.get(&id)?.1 == times).then_some(())).await;
    };
    comes(1).await;

    let chosen = ["replay", "--from", &from, "--foreign", "--correlation-id", &id];
    until("the archive has it", async || {
        let planned = throughline(&[&chosen[..], &["--plan", "--json"]].concat());
        assert!(planned.is_success, "{}", planned.errors);
        (planned.json()["events"] == json!({ "stock.counted": 1 })).then_some(())
    })
    .await;
    shop.quiet().await;
    comes(1).await;

    let replayed = throughline(&[&chosen[..], &["--yes"]].concat());
    assert!(replayed.is_success, "{}", replayed.errors);
    comes(2).await;
}

#[test]
fn a_replay_that_cannot_be_says_why() {
    for (arguments, why) in [
        (vec!["replay"], "say from when on"),
        (vec!["replay", "--from", "2h", "--handler", "nobody"], "no rule leads to a handler `nobody`"),
        (vec!["replay", "--from", "2h", "--rule", "none"], "the bus has no rule `none`"),
        (vec!["replay", "--from", "300d", "--yes"], "--accept-rerun"),
        (vec!["replay", "--from", "1h", "--to", "2h"], "is not before"),
        (vec!["replay", "--from", "yesterday"], "neither a time such as"),
        (vec!["replay", "--resume", "never"], "nothing of that name was begun here"),
        (vec!["replay", "--directory", "src"], "holds no .json file"),
        (vec!["replay", "--from", "1h", "--archive", "none", "--plan"], "no archive `none`"),
    ] {
        let said = throughline(&arguments);
        assert!(!said.is_success && said.errors.contains(why), "{arguments:?}: {}", said.errors);
    }
}
