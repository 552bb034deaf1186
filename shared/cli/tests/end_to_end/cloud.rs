//! The deployed shop that all tests share.

use super::{
    aws::setting,
    recorder::Recorder,
    requests::Request,
    traps::{Trap, Trick},
};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};
use throughline_cli::{cloud::stack::Stack, line::WholeLine};
use throughline_core::{Attributes, ledger::Destination};
use throughline_operations::{self as operate, FoundLetter, line::RecordedClaim};

/// The time to wait for a condition: longer than the queues' visibility timeout, after which the messages of a killed
/// process come back.
const PATIENCE: Duration = Duration::from_secs(100);
const LOOK_AGAIN: Duration = Duration::from_millis(150);

/// The functions that queues feed.
const FED_BY_QUEUES: [&str; 7] = [
    "PlaceOrder",
    "ReserveStock",
    "NotifyCustomer",
    "OrderBoard",
    "AwaitPayment",
    "ApproveOrder",
    "ReportStuckSagas",
];

/// The shop on the local cloud, as `scripts/test` deployed it.
pub(crate) struct Shop {
    pub(crate) stack: Stack,
    recorder: Recorder,
}

/// Waits until there is something.
pub(crate) async fn until<T>(what: &str, look: impl AsyncFn() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(started.elapsed() < PATIENCE, "waited in vain: {what}");
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

impl Shop {
    pub(crate) async fn open() -> Self {
        static RECORDER: OnceLock<Recorder> = OnceLock::new();
        let endpoint = setting("AWS_ENDPOINT_URL");
        let recorder = RECORDER.get_or_init(|| {
            let port = setting("THROUGHLINE_RECORDER_PORT").parse().expect("a port is a number");
            Recorder::start(port, &endpoint, Path::new(&setting("THROUGHLINE_CALLS")))
        });
        let outputs = setting("THROUGHLINE_OUTPUTS");
        let stack = Stack::open(Path::new(&outputs), Some(&endpoint)).await.expect("the shop is deployed");
        Self { stack, recorder: recorder.clone() }
    }

    /// Returns an output of the stack by the two parts of its name: for instance `PlaceOrder` and `Function`.
    pub(crate) fn output(&self, name: &str, of: &str) -> &str {
        self.stack.output(&format!("{name}{of}")).unwrap()
    }

    /// Sets a trap for the calls of one operation by one function.
    pub(crate) fn trap(
        &self,
        function: &str,
        operation: &str,
        trick: Trick,
        details: impl FnOnce(Trap) -> Trap,
    ) -> Arc<Trap> {
        self.recorder.set(details(Trap::new(trick, self.output(function, "Function"), operation)))
    }

    /// The calls of one operation by one function whose body contains `text`, in their order.
    pub(crate) fn requests(&self, function: &str, operation: &str, text: &str) -> Vec<Request> {
        self.recorder.requests(self.output(function, "Function"), operation, text)
    }

    /// Returns whether a function has made any call that contains `text` after a trap sprang.
    pub(crate) fn has_called_since(&self, trap: &Trap, function: &str, text: &str) -> bool {
        self.recorder.has_called_since(trap, self.output(function, "Function"), text)
    }

    /// Puts stock of an article that no other test sells.
    pub(crate) async fn stock(&self, pieces: u32) -> String {
        static ARTICLES: AtomicU32 = AtomicU32::new(0);
        let sku = format!("article-{}-{}", std::process::id(), ARTICLES.fetch_add(1, Ordering::SeqCst));
        self.put("StockTable", json!({ "sku": sku, "available": pieces })).await;
        sku
    }

    pub(crate) async fn stock_left(&self, sku: &str) -> u64 {
        let table = self.stack.output("StockTable").unwrap();
        let items = operate::scan(self.stack.clients.dynamodb().await, table).await.unwrap();
        items.iter().find(|item| item["sku"] == sku).and_then(|item| item["available"].as_u64()).unwrap()
    }

    /// An entity in the ledger, by its kind and id.
    pub(crate) async fn entity(&self, kind: &str, id: &str) -> Option<Value> {
        let key = format!("{kind}#{id}");
        let mut items = self.entities(|pk| pk == key).await;
        items.pop()
    }

    /// The entities in the ledger whose partition key fulfils a condition.
    pub(crate) async fn entities(&self, is_wanted: impl Fn(&str) -> bool) -> Vec<Value> {
        let table = self.stack.output("LedgerTable").unwrap();
        let items = operate::scan(self.stack.clients.dynamodb().await, table).await.unwrap();
        let items = items.into_iter().map(|item| json!(item));
        items.filter(|item| item["sk"] == "state" && item["pk"].as_str().is_some_and(&is_wanted)).collect()
    }

    /// Writes an order's reservation as one whose three pieces were put back, and leaves the stock as it is.
    pub(crate) async fn put_back_by_hand(&self, order: &str, sku: &str) {
        let reservation = json!({
            "pk": format!("reservation#{order}"), "sk": "state", "_version": 1, "order_id": order,
            "is_held": false, "lines": [{ "sku": sku, "quantity": 3, "unit_price_cents": 500 }],
        });
        self.put("LedgerTable", reservation).await;
    }

    /// Puts an item straight into a table.
    pub(crate) async fn put(&self, table: &str, item: Value) {
        let Value::Object(item) = item else { panic!("no item: {item}") };
        let table = self.stack.output(table).unwrap();
        operate::put_item(self.stack.clients.dynamodb().await, table, item).await.unwrap();
    }

    /// Sends a body to a function's queue, whatever it is.
    pub(crate) async fn send_to(&self, function: &str, body: &str) {
        let queue = self.output(function, "QueueUrl");
        operate::send_body(self.stack.clients.sqs().await, queue, body).await.unwrap();
    }

    /// Sends a command to place an order.
    pub(crate) async fn send(&self, command: &Value) {
        self.send_to("PlaceOrder", &command.to_string()).await;
    }

    /// Puts an event on the bus.
    pub(crate) async fn publish(&self, event: &Value) {
        let bus = self.stack.output("EventBus").unwrap();
        operate::put_event(self.stack.clients.eventbridge().await, bus, &event.to_string()).await.unwrap();
    }

    /// Waits until a line fulfils a condition.
    pub(crate) async fn line_where(
        &self,
        id: &str,
        what: &str,
        is_so: impl Fn(&WholeLine) -> bool,
    ) -> WholeLine {
        let started = Instant::now();
        loop {
            let line = self.stack.line(id).await.unwrap();
            if is_so(&line) {
                return line;
            }
            assert!(started.elapsed() < PATIENCE, "waited in vain until {id} {what}; it is\n{line}");
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Waits until an order's customer was told how it ended.
    pub(crate) async fn line_when_over(&self, order: &str) -> WholeLine {
        self.line_where(order, "is over", |line| line.is_done_by("notify-customer")).await
    }

    /// Waits until a trap did its work so often.
    pub(crate) async fn sprung(&self, trap: &Trap, times: usize) {
        until(&format!("{trap}, {times} times"), async || (trap.sprang() == times).then_some(())).await;
    }

    /// Waits until a dead letter with this body, or with this text in its body, lies in a queue.
    pub(crate) async fn dead_letter(&self, text: &str) -> (String, FoundLetter) {
        until(&format!("a dead letter with {text}"), async || {
            let letters = self.stack.dead_letters().await.unwrap();
            letters.into_iter().find(|(_, letter)| letter.body.contains(text))
        })
        .await
    }

    /// Waits until nothing is on its way between the functions.
    pub(crate) async fn quiet(&self) {
        let started = Instant::now();
        let mut quiet_looks = 0;
        while quiet_looks < 5 {
            let mut is_quiet = true;
            for function in FED_BY_QUEUES {
                let url = self.output(function, "QueueUrl");
                let depth = operate::depth(self.stack.clients.sqs().await, url).await.unwrap();
                // What is held back for later is not on its way.
                is_quiet &= depth.waiting == 0 && depth.in_flight == 0;
            }
            quiet_looks = if is_quiet { quiet_looks + 1 } else { 0 };
            assert!(started.elapsed() < PATIENCE, "the queues do not become empty");
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Every event the bus carried whose correlation id begins with `prefix`, by event id: what it was, and
    /// how often it came.
    pub(crate) async fn carried(&self, prefix: &str) -> BTreeMap<String, (Value, u32)> {
        let url = self.stack.output("BusCaptureQueueUrl").unwrap();
        let letters = operate::look_through(self.stack.clients.sqs().await, url).await.unwrap();
        let mut events = BTreeMap::new();
        for letter in letters {
            let event: Value = serde_json::from_str(&letter.body).expect("the bus carries JSON");
            let detail = event["detail"].clone();
            if detail["correlationid"].as_str().is_some_and(|id| id.starts_with(prefix)) {
                assert_eq!(event["detail-type"], detail["type"], "the bus and the envelope name one type");
                assert_eq!(event["source"], detail["source"], "the bus and the envelope name one source");
                let id = detail["id"].as_str().unwrap_or_default().to_owned();
                events.entry(id).or_insert((detail, 0)).1 += 1;
            }
        }
        events
    }

    /// The notifications sent about one order.
    pub(crate) async fn notifications(&self, order: &str) -> Vec<FoundLetter> {
        let url = self.stack.output("NotificationsInboxQueueUrl").unwrap();
        let mut letters = operate::look_through(self.stack.clients.sqs().await, url).await.unwrap();
        letters.retain(|letter| letter.body.contains(order));
        letters
    }
}

/// The events that were emitted in a line: what is for the bus.
pub(crate) fn events(line: &WholeLine) -> impl Iterator<Item = &Attributes> {
    let messages = line.recorded.messages.iter().map(|sent| &sent.outgoing);
    messages.filter(|sent| sent.destination == Destination::Bus).map(|sent| &sent.envelope.attributes)
}

/// Returns the handled messages of a line but for its read model, which nothing waits for.
pub(crate) fn decisions(line: &WholeLine) -> impl Iterator<Item = &RecordedClaim> {
    line.recorded.claims.iter().filter(|claim| claim.handler != "order-board")
}

/// The types of the events that were emitted in a line.
pub(crate) fn types(line: &WholeLine) -> Vec<&str> {
    events(line).map(|event| event.message_type.as_str()).collect()
}

/// The id of the event of a type in a line.
pub(crate) fn id_of<'a>(line: &'a WholeLine, message_type: &str) -> Option<&'a str> {
    events(line).find(|event| event.message_type == message_type).map(|event| event.id.as_str())
}
