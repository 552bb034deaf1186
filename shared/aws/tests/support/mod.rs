//! A DynamoDB in this process, spoken to over HTTP; or the one that `THROUGHLINE_TEST_DYNAMODB` names, for
//! instance a local cloud's `http://127.0.0.1:4566`.

pub(crate) mod faults;

use aws_sdk_dynamodb::{
    Client,
    config::{
        BehaviorVersion, Credentials, Region,
        retry::{RetryConfig, RetryPartition, TokenBucket},
    },
};
use faults::{Fault, FaultyWire};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};
use throughline_aws::{
    DynamoLedger,
    ledger::{layout, outgoing_from_item},
    testing::{create_ledger_table, create_table},
};
use throughline_core::ledger::{Ledger, Outgoing};
use throughline_testing::conformance::{LedgerUnderTest, fixtures::Stock};

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::future::BoxFuture;

/// A ledger in a database of its own, which ends with the test.
pub(crate) struct LocalLedger {
    pub(crate) ledger: DynamoLedger,
    pub(crate) client: Client,
    /// The ledger's table.
    pub(crate) table: String,
    /// The table of [`Stock`].
    pub(crate) stock_table: String,
}

/// A fresh database with the ledger's table, its index, and the tables of the suite's own entities.
pub(crate) async fn fresh() -> LocalLedger {
    counted(Fault::None).await.0
}

/// The same, where the first answer to every request of the ledger is lost.
pub(crate) async fn fresh_that_loses_first_answers() -> LocalLedger {
    counted(Fault::FirstAnswersLost).await.0
}

/// The same, where every request of the ledger is throttled at first.
pub(crate) async fn fresh_that_throttles() -> LocalLedger {
    counted(Fault::FirstAttemptsThrottled).await.0
}

/// The same, where no write of the ledger is ever answered.
pub(crate) async fn fresh_that_answers_no_write() -> LocalLedger {
    counted(Fault::AnswersToWritesLost).await.0
}

/// The same, where every other transaction of the ledger collides.
pub(crate) async fn fresh_where_transactions_collide() -> LocalLedger {
    counted(Fault::TransactionsCollide).await.0
}

/// A fresh database behind a wire with a fault, and the operations that are asked of it.
pub(crate) async fn counted(fault: Fault) -> (LocalLedger, Arc<Mutex<Vec<String>>>) {
    let endpoint = match std::env::var("THROUGHLINE_TEST_DYNAMODB") {
        Ok(endpoint) => endpoint,
        Err(_) => in_this_process().await,
    };
    let config = || {
        aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::for_tests())
            .retry_config(RetryConfig::standard().with_initial_backoff(Duration::from_millis(1)))
            // Where every first attempt fails, the usual budget of retries would soon be spent.
            .retry_partition(RetryPartition::custom("tests").token_bucket(TokenBucket::unlimited()).build())
            .endpoint_url(&endpoint)
    };
    let client = Client::from_conf(config().build());
    let operations = Arc::default();
    let wire = FaultyWire {
        inner: aws_smithy_http_client::Builder::new().build_http(),
        fault,
        transactions: Arc::default(),
        operations: Arc::clone(&operations),
    };
    let faulty = Client::from_conf(config().http_client(wire).build());
    // Tests share a database that is not in this process: each has tables of its own there.
    let name = |what: &str| format!("conformance-{what}-{:016x}", fastrand::u64(..));
    let (table, stock_table, shelves_table) = (name("ledger"), name("stock"), name("shelves"));
    create_ledger_table(&client, &table).await;
    create_table(&client, &stock_table, "sku", None).await;
    create_table(&client, &shelves_table, "place", Some("what")).await;
    let own_tables = [("stock".to_owned(), stock_table.clone()), ("shelves".to_owned(), shelves_table)];
    let ledger = DynamoLedger::new(faulty, table.clone(), own_tables.into());
    (LocalLedger { ledger, client, table, stock_table }, operations)
}

/// Starts a database that ends with the test; returns its endpoint.
async fn in_this_process() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let database = dynoxide::Database::memory().expect("a database in memory");
    tokio::spawn(dynoxide::server::serve_on(listener, database));
    format!("http://{address}")
}

impl LocalLedger {
    /// Every item of the ledger's table.
    pub(crate) async fn items(&self) -> Vec<HashMap<String, AttributeValue>> {
        let scanned = self.client.scan().table_name(&self.table).send().await.expect("a scan");
        scanned.items.unwrap_or_default()
    }
}

/// The text of an item's attribute.
pub(crate) fn text<'a>(item: &'a HashMap<String, AttributeValue>, name: &str) -> &'a str {
    item.get(name).and_then(|value| value.as_s().ok()).map_or("", String::as_str)
}

impl LedgerUnderTest for LocalLedger {
    fn ledger(&self) -> &dyn Ledger {
        &self.ledger
    }

    fn log(&self) -> BoxFuture<'_, Vec<Outgoing>> {
        Box::pin(async {
            let items = self.items().await.into_iter();
            items
                .filter(|item| {
                    let sort_key = text(item, layout::SORT_KEY);
                    sort_key.starts_with(layout::EVENT_PREFIX) || sort_key.starts_with(layout::COMMAND_PREFIX)
                })
                .map(|item| outgoing_from_item(&item).expect("a message"))
                .collect()
        })
    }

    fn put_as_another_program<'a>(&'a self, stock: &'a Stock) -> BoxFuture<'a, ()> {
        Box::pin(async {
            let put = self
                .client
                .put_item()
                .table_name(&self.stock_table)
                .item("sku", AttributeValue::S(stock.sku.clone()));
            put.item("amount", AttributeValue::N(stock.amount.to_string())).send().await.expect("stored");
        })
    }
}
