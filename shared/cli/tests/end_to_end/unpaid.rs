//! Orders that are picked up, which nobody orchestrates: cancelled unless they are paid in time.

use super::{
    aws::{aws, try_aws},
    cloud::{Shop, types, until},
    messages::{expire_order, pay_order, place_order, to_be_paid_by, unique},
    traps::Trick,
};
use serde_json::{Value, json};
use std::time::Duration;
use throughline_core::Timestamp;

const IN_STOCK: u32 = 10;

/// An order of three pieces that is picked up.
struct PickUp<'a> {
    shop: &'a Shop,
    id: String,
    sku: String,
}

impl<'a> PickUp<'a> {
    async fn new(shop: &'a Shop, name: &str) -> Self {
        Self { shop, id: unique(name), sku: shop.stock(IN_STOCK).await }
    }

    async fn place(&self, pay_by: Option<Timestamp>) {
        let command = place_order(&self.id, &self.sku, &json!(3));
        let command = match pay_by {
            Some(time) => to_be_paid_by(command, time),
            None => command,
        };
        self.shop.send(&command).await;
    }

    async fn status(&self) -> String {
        let order = self.shop.entity("order", &self.id).await.expect("the order was saved");
        order["status"].as_str().expect("an order has a status").to_owned()
    }

    /// Waits until it has had this event.
    async fn has(&self, message_type: &str) {
        let has_it = |line: &_| types(line).contains(&message_type);
        self.shop.line_where(&self.id, message_type, has_it).await;
    }

    /// Waits until it is cancelled, which must not be before `pay_by`, and checks that its stock is for sale
    /// again and each event was carried once.
    async fn is_cancelled_after(&self, pay_by: Timestamp) {
        self.has("order.cancelled").await;
        self.shop.quiet().await;
        assert_eq!(self.status().await, "cancelled");
        assert_eq!(self.shop.stock_left(&self.sku).await, u64::from(IN_STOCK));
        let carried = self.shop.carried(&self.id).await;
        let mut types: Vec<&str> =
            carried.values().map(|(event, _)| event["type"].as_str().unwrap_or_default()).collect();
        types.sort_unstable();
        let expected =
            ["order.cancelled", "order.confirmed", "order.placed", "stock.released", "stock.reserved"];
        assert_eq!(types, expected);
        assert!(carried.values().all(|(_, times)| *times == 1), "{carried:?}");
        let (cancelled, _) =
            carried.values().find(|(event, _)| event["type"] == "order.cancelled").expect("it is there");
        let at: Timestamp = cancelled["time"].as_str().and_then(|time| time.parse().ok()).expect("a time");
        assert!(at >= pay_by, "cancelled at {at}, before {pay_by}");
        assert!(cancelled["data"]["reason"].to_string().contains("unpaid"), "{cancelled}");
    }

    /// The name of its schedule, once there is one.
    async fn schedule(&self) -> String {
        let request = until(&format!("the schedule of {}", self.id), async || {
            self.shop.requests("RelayOutbox", "CreateSchedule", &self.id).pop()
        })
        .await;
        request.body.split(' ').next().unwrap_or_default().to_owned()
    }
}

/// A schedule in the shop's group, if there is one.
fn found(shop: &Shop, name: &str) -> Option<Value> {
    let group = shop.stack.output("EventBus").unwrap(); // both have the stack's name
    match try_aws(&["scheduler", "get-schedule", "--group-name", group, "--name", name]) {
        Ok(schedule) => Some(schedule),
        Err(said) if said.contains("ResourceNotFoundException") => None,
        Err(said) => panic!("{name}: {said}"),
    }
}

fn in_seconds(seconds: u64) -> Timestamp {
    Timestamp::now() + Duration::from_secs(seconds)
}

#[tokio::test]
async fn an_order_that_is_not_paid_in_time_is_cancelled_by_a_delayed_message() {
    let shop = Shop::open().await;
    let order = PickUp::new(&shop, "unpaid").await;
    let pay_by = in_seconds(8);
    order.place(Some(pay_by)).await;
    order.has("order.confirmed").await;
    order.is_cancelled_after(pay_by).await;
    assert!(shop.requests("RelayOutbox", "CreateSchedule", &order.id).is_empty(), "SQS can wait so long");
}

/// Longer than SQS can wait, which is made shorter here: EventBridge Scheduler waits. Its stand-in looks every ten
/// seconds for what is due.
#[tokio::test]
async fn an_order_that_is_not_paid_in_time_is_cancelled_by_a_schedule() {
    let shop = Shop::open().await;
    let longest_delay = LongestDelay::set(&shop, "0");
    let order = PickUp::new(&shop, "unpaid-longer").await;
    let pay_by = in_seconds(8);
    order.place(Some(pay_by)).await;
    let name = order.schedule().await;
    let schedule = until("the schedule is there", async || found(&shop, &name)).await;
    assert_eq!(schedule["ActionAfterCompletion"], "DELETE");
    order.has("order.confirmed").await;
    order.is_cancelled_after(pay_by).await;
    until("the schedule is gone", async || found(&shop, &name).is_none().then_some(())).await;
    drop(longest_delay);
}

#[tokio::test]
async fn an_order_that_is_paid_is_not_cancelled_and_its_schedule_is_deleted() {
    let shop = Shop::open().await;
    let order = PickUp::new(&shop, "paid").await;
    // The relay dies when the schedule is made: the next one finds it, and makes it once more.
    let death = shop.trap("RelayOutbox", "CreateSchedule", Trick::KillAfter, |trap| trap.about(&order.id));
    order.place(None).await;
    shop.sprung(&death, 1).await;
    let name = order.schedule().await;
    until("the schedule is made again", async || {
        (!shop.requests("RelayOutbox", "UpdateSchedule", &name).is_empty()).then_some(())
    })
    .await;
    assert!(found(&shop, &name).is_some());
    order.has("order.confirmed").await;
    shop.send_to("AwaitPayment", &pay_order(&order.id).to_string()).await;
    order.has("order.paid").await;
    until("the schedule is gone", async || found(&shop, &name).is_none().then_some(())).await;

    // A time-out that fires all the same is not wanted any more.
    let expire = expire_order(&order.id);
    let id = expire["id"].as_str().unwrap();
    shop.send_to("AwaitPayment", &expire.to_string()).await;
    shop.line_where(&order.id, "has seen its time-out", |line| {
        line.recorded.claims.iter().any(|claim| claim.message_id == id)
    })
    .await;
    shop.quiet().await;
    assert_eq!(order.status().await, "paid");
    assert_eq!(shop.stock_left(&order.sku).await, u64::from(IN_STOCK - 3));
    let line = shop.stack.line(&order.id).await.unwrap();
    assert!(!types(&line).contains(&"order.cancelled"), "{line}");
}

#[tokio::test]
async fn stock_that_was_put_back_by_hand_is_not_put_back_when_the_time_is_over() {
    let shop = Shop::open().await;
    let order = PickUp::new(&shop, "unpaid-by-hand").await;
    order.place(None).await;
    order.has("order.confirmed").await;
    shop.put_back_by_hand(&order.id, &order.sku).await;
    shop.send_to("AwaitPayment", &expire_order(&order.id).to_string()).await;
    order.has("order.cancelled").await;
    shop.quiet().await;
    assert_eq!(order.status().await, "cancelled");
    assert_eq!(shop.stock_left(&order.sku).await, u64::from(IN_STOCK - 3));
    let line = shop.stack.line(&order.id).await.unwrap();
    assert!(!types(&line).contains(&"stock.released"), "{line}");
}

/// A payment for an order that is not there yet waits; a time-out for one is refused, since it was scheduled with the
/// order.
#[tokio::test]
async fn a_payment_that_comes_early_waits_for_its_order() {
    let shop = Shop::open().await;
    let order = PickUp::new(&shop, "early").await;
    shop.send_to("AwaitPayment", &pay_order(&order.id).to_string()).await;
    until("it is put off", async || {
        let waits = shop.requests("AwaitPayment", "ChangeMessageVisibilityBatch", "");
        (!waits.is_empty()).then_some(())
    })
    .await;
    order.place(None).await;
    order.has("order.paid").await;

    let unknown = unique("unknown");
    shop.send_to("AwaitPayment", &expire_order(&unknown).to_string()).await;
    let (queue, letter) = shop.dead_letter(&unknown).await;
    assert_eq!(queue, "AwaitPaymentDeadLetterQueue");
    assert!(letter.reason().contains("there is no such order"), "{letter:?}");
}

/// The relay's setting of how long SQS waits at most, as long as this lives.
struct LongestDelay {
    function: String,
    variables: Value,
}

const SETTING: &str = "THROUGHLINE_LONGEST_DELAY_SECONDS";

impl LongestDelay {
    fn set(shop: &Shop, seconds: &str) -> Self {
        let function = shop.output("RelayOutbox", "Function").to_owned();
        let configuration = aws(&["lambda", "get-function-configuration", "--function-name", &function]);
        let variables = configuration["Environment"]["Variables"].clone();
        assert!(variables[SETTING].is_string(), "{configuration}");
        let this = Self { function, variables };
        let mut lowered = this.variables.clone();
        lowered[SETTING] = json!(seconds);
        this.configure(&lowered);
        this
    }

    fn configure(&self, variables: &Value) {
        let environment = json!({ "Variables": variables }).to_string();
        let update = ["lambda", "update-function-configuration", "--function-name", &self.function];
        aws(&[&update[..], &["--environment", &environment]].concat());
    }
}

impl Drop for LongestDelay {
    fn drop(&mut self) {
        self.configure(&self.variables);
    }
}
