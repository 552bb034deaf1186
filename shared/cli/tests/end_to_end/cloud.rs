//! The deployed shop that all tests share.

use super::recorder;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    env, fs,
    path::Path,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};
use throughline_aws::operate;
use throughline_cli::{line_tree::WholeLine, stack::Stack};

/// How long a condition is waited for: longer than the queues' visibility timeout, after which what a
/// killed process had in hand comes back.
const PATIENCE: Duration = Duration::from_secs(150);
const LOOK_AGAIN: Duration = Duration::from_millis(150);

/// The shop on the local cloud, as `scripts/test` deployed it.
pub(crate) struct Shop {
    pub(crate) stack: Stack,
}

fn setting(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run these tests with scripts/test"))
}

impl Shop {
    pub(crate) async fn open() -> Self {
        static RECORDER: OnceLock<()> = OnceLock::new();
        let endpoint = setting("AWS_ENDPOINT_URL");
        RECORDER.get_or_init(|| {
            let port = setting("THROUGHLINE_RECORDER_PORT").parse().expect("a port is a number");
            recorder::start(port, &endpoint, Path::new(&setting("THROUGHLINE_CALLS")));
        });
        let outputs = setting("THROUGHLINE_OUTPUTS");
        let stack = Stack::open(Path::new(&outputs), Some(&endpoint)).await.expect("the shop is deployed");
        Self { stack }
    }

    /// Puts stock of an article that no other test sells.
    pub(crate) async fn stock(&self, pieces: u32) -> String {
        static ARTICLES: AtomicU32 = AtomicU32::new(0);
        let sku = format!("article-{}-{}", std::process::id(), ARTICLES.fetch_add(1, Ordering::SeqCst));
        let Value::Object(item) = json!({ "sku": sku, "available": pieces }) else { unreachable!() };
        let table = self.stack.output("StockTable").unwrap();
        operate::put_item(self.stack.clients.dynamodb().await, table, item).await.unwrap();
        sku
    }

    pub(crate) async fn stock_left(&self, sku: &str) -> u64 {
        let table = self.stack.output("StockTable").unwrap();
        let items = operate::scan(self.stack.clients.dynamodb().await, table).await.unwrap();
        items.iter().find(|item| item["sku"] == sku).and_then(|item| item["available"].as_u64()).unwrap()
    }

    pub(crate) async fn send(&self, body: &str) {
        let queue = self.stack.output("PlaceOrderQueueUrl").unwrap();
        operate::send_body(self.stack.clients.sqs().await, queue, body).await.unwrap();
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

    /// Waits until nothing is on its way between the functions.
    pub(crate) async fn quiet(&self) {
        let started = Instant::now();
        let mut quiet_looks = 0;
        while quiet_looks < 5 {
            let mut is_quiet = true;
            for queue in ["PlaceOrderQueueUrl", "ReserveStockQueueUrl", "NotifyCustomerQueueUrl"] {
                let url = self.stack.output(queue).unwrap();
                let depth = operate::depth(self.stack.clients.sqs().await, url).await.unwrap();
                is_quiet &= depth.is_empty();
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
    pub(crate) async fn notifications(&self, order_id: &str) -> Vec<String> {
        let url = self.stack.output("NotificationsInboxQueueUrl").unwrap();
        let letters = operate::look_through(self.stack.clients.sqs().await, url).await.unwrap();
        letters
            .into_iter()
            .filter(|letter| letter.body.contains(order_id))
            .map(|letter| letter.body)
            .collect()
    }
}

/// The command that places an order, as its customer's side would send it.
pub(crate) fn place_order(order_id: &str, sku: &str, quantity: &Value) -> String {
    json!({
        "specversion": "1.0",
        "id": order_id,
        "source": "shop.web",
        "type": "order.place",
        "subject": order_id,
        "correlationid": order_id,
        "schemaversion": 1,
        "datacontenttype": "application/json",
        "data": {
            "order_id": order_id,
            "customer": "Ada Lovelace",
            "currency": "EUR",
            "lines": [{ "sku": sku, "quantity": quantity, "unit_price_cents": 500 }],
        },
    })
    .to_string()
}

/// Order ids that no other run of the tests has used.
pub(crate) fn unique(name: &str) -> String {
    let now = throughline_core::Timestamp::now().as_microsecond();
    format!("{name}-{now}")
}

/// The processes of a function on this machine.
pub(crate) fn processes_of(function: &str) -> Vec<u32> {
    let wanted = format!("AWS_LAMBDA_FUNCTION_NAME={function}");
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid: &u32| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            let is_function = environment.split(|byte| *byte == 0).any(|pair| pair == wanted.as_bytes());
            is_function
                && fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| {
                    exe.file_name().is_some_and(|name| name.to_string_lossy().starts_with("bootstrap"))
                })
        })
        .collect()
}
