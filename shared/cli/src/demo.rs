//! `throughline demo`: the reference shop at work. Three orders go in; what becomes of each is shown as it
//! happens; then the same orders go in again, and nothing changes.

use crate::{
    line_tree::WholeLine,
    stack::{Stack, StackError},
};
use serde_json::{Map, Value};
use std::{
    collections::{BTreeMap, HashSet},
    fs,
    path::Path,
    time::{Duration, Instant},
};
use throughline_aws::operate;
use throughline_core::ledger::Destination;

/// How long the demo waits for something to happen before it says what it waited for.
const PATIENCE: Duration = Duration::from_mins(1);
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Why the demo stopped.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// A file of `events/` cannot be used.
    #[error("{path}: {reason}")]
    File {
        /// Which one.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The stack could not be used.
    #[error(transparent)]
    Stack(#[from] StackError),
    /// Something did not happen.
    #[error(
        "waited {} seconds in vain for {what}; the functions' logs are shown by `throughline logs`",
        PATIENCE.as_secs()
    )]
    InVain {
        /// What.
        what: String,
    },
    /// The same orders changed something when they came again.
    #[error("the same orders, published again, changed {what}: from {before} to {after}")]
    Changed {
        /// What.
        what: String,
        /// What it was.
        before: String,
        /// What it is.
        after: String,
    },
}

impl From<operate::OperateError> for DemoError {
    fn from(error: operate::OperateError) -> Self {
        Self::Stack(error.into())
    }
}

/// An order of the demo, and how its line ends.
struct DemoOrder {
    file: &'static str,
    title: &'static str,
    /// The last handler of its line; nothing if it is rejected.
    ends_with: Option<&'static str>,
}

const ORDERS: [DemoOrder; 3] = [
    DemoOrder { file: "order.place.v1.json", title: "an order for goods in stock", ends_with: Some(LAST) },
    DemoOrder {
        file: "order.place.v1.out-of-stock.json",
        title: "an order for too much",
        ends_with: Some(LAST),
    },
    DemoOrder { file: "order.place.v1.malformed.json", title: "a malformed order", ends_with: None },
];

const LAST: &str = "notify-customer";

/// An order as it is published.
struct Published {
    order: &'static DemoOrder,
    body: String,
    correlation_id: String,
}

/// What must not change when the same orders come again.
#[derive(PartialEq)]
struct Snapshot(BTreeMap<&'static str, String>);

/// Runs the demo on a deployed stack.
///
/// # Errors
/// [`DemoError`], if anything does not happen as it should.
pub async fn run(stack: &Stack, events: &Path) -> Result<(), DemoError> {
    let orders = read_orders(events)?;
    load_stock(stack, events).await?;
    println!("\nThree orders go into the queue `place-order`:");
    for Published { order, correlation_id, .. } in &orders {
        println!("  {correlation_id:<12} {} (events/{})", order.title, order.file);
    }
    println!("\nWhat happens, as it happens:");
    publish(stack, &orders).await?;
    let lines = watch(stack, &orders).await?;
    for (Published { order, correlation_id, .. }, line) in orders.iter().zip(&lines) {
        println!("\nThe line of {correlation_id}, {}:\n{line}", order.title);
    }
    let before = snapshot(stack, &orders).await?;
    before.show("\nSo the shop now has:");

    println!("\nThe same three orders go in again, with the same ids.");
    let letters_before = stack.dead_letters().await?.len();
    publish(stack, &orders).await?;
    settle(stack, letters_before + 1).await?;
    let after = snapshot(stack, &orders).await?;
    before.must_equal(&after)?;
    after.show("Nothing changed (but the malformed one lies in the dead-letter queue twice):");
    Ok(())
}

fn read_orders(events: &Path) -> Result<Vec<Published>, DemoError> {
    ORDERS
        .iter()
        .map(|order| {
            let (body, event) = read(&events.join(order.file))?;
            let correlation_id = event["correlationid"].as_str().or(event["id"].as_str()).unwrap_or_default();
            Ok(Published { order, body, correlation_id: correlation_id.to_owned() })
        })
        .collect()
}

fn read(path: &Path) -> Result<(String, Value), DemoError> {
    let wrong = |reason: String| DemoError::File { path: path.display().to_string(), reason };
    let text = fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let value = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    Ok((text, value))
}

async fn load_stock(stack: &Stack, events: &Path) -> Result<(), DemoError> {
    let path = events.join("stock.seed.json");
    let (text, _) = read(&path)?;
    let items: Vec<Map<String, Value>> = serde_json::from_str(&text)
        .map_err(|error| DemoError::File { path: path.display().to_string(), reason: error.to_string() })?;
    let table = stack.output("StockTable")?;
    let client = stack.clients.dynamodb().await;
    println!("Stock is loaded into the table {table}:");
    for item in items {
        println!("  {:<16} {:>3}", item["sku"].as_str().unwrap_or_default(), item["available"]);
        operate::put_item(client, table, item).await?;
    }
    Ok(())
}

async fn publish(stack: &Stack, orders: &[Published]) -> Result<(), DemoError> {
    let queue_url = stack.output("PlaceOrderQueueUrl")?;
    let sqs = stack.clients.sqs().await;
    for published in orders {
        operate::send_body(sqs, queue_url, &published.body).await?;
    }
    Ok(())
}

/// Prints what happens to the orders until each line has come to its end.
async fn watch(stack: &Stack, orders: &[Published]) -> Result<Vec<WholeLine>, DemoError> {
    let started = Instant::now();
    let mut shown = HashSet::new();
    loop {
        let mut lines = Vec::new();
        for published in orders {
            let line = stack.line(&published.correlation_id).await?;
            show_news(&published.correlation_id, &line, &mut shown);
            lines.push(line);
        }
        let waiting: Vec<&str> = orders
            .iter()
            .zip(&lines)
            .filter(|(published, line)| !has_ended(published.order, line))
            .map(|(published, _)| published.correlation_id.as_str())
            .collect();
        if waiting.is_empty() {
            return Ok(lines);
        }
        if started.elapsed() > PATIENCE {
            return Err(DemoError::InVain { what: format!("the end of {}", waiting.join(", ")) });
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

fn has_ended(order: &DemoOrder, line: &WholeLine) -> bool {
    match order.ends_with {
        Some(handler) => line.is_done_by(handler),
        None => !line.dead_letters.is_empty(),
    }
}

fn show_news(correlation_id: &str, line: &WholeLine, shown: &mut HashSet<String>) {
    let mut show = |key: String, text: String| {
        if shown.insert(key) {
            println!("  {correlation_id:<12} {text}");
        }
    };
    for message in &line.recorded.messages {
        let attributes = &message.outgoing.envelope.attributes;
        let direction = match &message.outgoing.destination {
            Destination::Bus => "emits",
            Destination::Queue(_) => "sends",
        };
        let subject = attributes.subject.as_deref().unwrap_or_default();
        show(
            attributes.id.clone(),
            format!("{:<16} {direction} {} {subject}", message.handler, attributes.message_type),
        );
    }
    for claim in line.recorded.claims.iter().filter(|claim| claim.handler == LAST && line.is_done_by(LAST)) {
        show(
            format!("{} {}", claim.handler, claim.message_id),
            format!("{:<16} has handled {}", claim.handler, claim.message_type),
        );
    }
    for (_, letter) in &line.dead_letters {
        let attribute = |name| letter.attribute(name).unwrap_or("?");
        show(
            letter.message_id.clone(),
            format!(
                "{:<16} rejects {}: {}",
                attribute("Handler"),
                attribute("EventType"),
                attribute("ErrorMessage")
            ),
        );
    }
}

/// Waits until nothing is on its way any more: every queue is empty, and so many dead letters are there.
async fn settle(stack: &Stack, dead_letters: usize) -> Result<(), DemoError> {
    let started = Instant::now();
    let sqs = stack.clients.sqs().await;
    let queues = ["PlaceOrderQueueUrl", "ReserveStockQueueUrl", "NotifyCustomerQueueUrl"];
    loop {
        let mut is_quiet = true;
        for queue in queues {
            is_quiet &= operate::depth(sqs, stack.output(queue)?).await?.is_empty();
        }
        if is_quiet && stack.dead_letters().await?.len() >= dead_letters {
            return Ok(());
        }
        if started.elapsed() > PATIENCE {
            return Err(DemoError::InVain { what: "the queues to become empty".into() });
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

async fn snapshot(stack: &Stack, orders: &[Published]) -> Result<Snapshot, DemoError> {
    let mut stock: Vec<String> = operate::scan(stack.clients.dynamodb().await, stack.output("StockTable")?)
        .await?
        .iter()
        .map(|item| format!("{} {}", item["sku"].as_str().unwrap_or_default(), item["available"]))
        .collect();
    stock.sort();
    let (mut events, mut handled) = (0, 0);
    for published in orders {
        let line = stack.line(&published.correlation_id).await?;
        events += line.recorded.messages.len();
        handled += line.recorded.claims.len();
    }
    let mut facts = BTreeMap::from([
        ("stock", stock.join(", ")),
        ("events emitted", events.to_string()),
        ("messages handled", handled.to_string()),
    ]);
    if let Ok(inbox) = stack.output("NotificationsInboxQueueUrl") {
        let depth = operate::depth(stack.clients.sqs().await, inbox).await?;
        facts.insert("notifications sent", (depth.waiting + depth.in_flight).to_string());
    }
    Ok(Snapshot(facts))
}

impl Snapshot {
    fn show(&self, title: &str) {
        println!("{title}");
        for (what, value) in &self.0 {
            println!("  {what:<20} {value}");
        }
    }

    fn must_equal(&self, after: &Self) -> Result<(), DemoError> {
        for (what, before) in &self.0 {
            let now = after.0.get(what).cloned().unwrap_or_default();
            if *before != now {
                return Err(DemoError::Changed { what: (*what).into(), before: before.clone(), after: now });
            }
        }
        Ok(())
    }
}
