//! `throughline demo`: the reference shop at work. Three orders go in; what becomes of each is shown as it
//! happens; then the same orders go in again, and nothing changes.

use crate::{
    line_tree::{WholeLine, sentence_of},
    stack::{Stack, StackError},
};
use serde_json::{Map, Value};
use std::{
    collections::{BTreeMap, HashSet},
    fs,
    path::Path,
    time::{Duration, Instant},
};
use throughline_aws::operate::{self, FoundLetter};
use throughline_core::Timestamp;

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

impl Published {
    /// Makes another order of it.
    fn rename(&mut self, run: i64) {
        let number =
            self.correlation_id.trim_start_matches(|letter: char| !letter.is_ascii_digit()).to_owned();
        // The order's id ends with the same number as the command's.
        self.body = self.body.replace(&format!("{number}\""), &format!("{number}-{run}\""));
        self.correlation_id = format!("{}-{run}", self.correlation_id);
    }
}

/// What must not change when the same orders come again.
#[derive(PartialEq)]
struct Snapshot(BTreeMap<&'static str, String>);

/// Runs the demo on a deployed stack.
///
/// # Errors
/// [`DemoError`], if anything does not happen as it should.
pub async fn run(stack: &Stack, events: &Path) -> Result<(), DemoError> {
    let mut orders = read_orders(events)?;
    load_stock(stack, events).await?;
    if !stack.line(&orders[0].correlation_id).await?.is_empty() {
        let run = Timestamp::now().as_second();
        println!("\nThese orders went into this cloud before: this time their ids end with {run}.");
        for order in &mut orders {
            order.rename(run);
        }
    }
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
    publish(stack, &orders).await?;
    let letters = settle(stack, &orders).await?;
    let after = snapshot(stack, &orders).await?;
    before.must_equal(&after)?;
    after.show(&format!(
        "Nothing changed (but the malformed one lies in the dead-letter queue {letters} times):"
    ));
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
    let stored = operate::scan(client, table).await?;
    println!("Stock is loaded into the table {table}, unless it is there:");
    for item in items {
        // What was sold stays sold.
        let found = stored.iter().find(|stored| stored["sku"] == item["sku"]);
        let available = &found.unwrap_or(&item)["available"];
        println!("  {:<16} {available:>3}", item["sku"].as_str().unwrap_or_default());
        if found.is_none() {
            operate::put_item(client, table, item).await?;
        }
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
        show(
            message.outgoing.envelope.attributes.id.clone(),
            format!("{:<16} {}", message.handler, sentence_of(&message.outgoing, message.occurred_at)),
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

/// Waits until nothing is on its way any more: every queue is empty, and what was rejected is rejected
/// again. Returns how many dead letters the orders have.
async fn settle(stack: &Stack, orders: &[Published]) -> Result<usize, DemoError> {
    let started = Instant::now();
    let sqs = stack.clients.sqs().await;
    let queues = ["PlaceOrderQueueUrl", "ReserveStockQueueUrl", "NotifyCustomerQueueUrl"];
    loop {
        let mut is_quiet = true;
        for queue in queues {
            is_quiet &= operate::depth(sqs, stack.output(queue)?).await?.is_empty();
        }
        let is_ours = |letter: &FoundLetter| {
            orders.iter().any(|order| letter.attribute("CorrelationId") == Some(&order.correlation_id))
        };
        let letters = stack.dead_letters().await?.iter().filter(|(_, letter)| is_ours(letter)).count();
        if is_quiet && letters >= 2 {
            return Ok(letters);
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
