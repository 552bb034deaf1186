//! A DynamoDB in this process, spoken to over HTTP; or the one that `THROUGHLINE_TEST_DYNAMODB` names, for
//! instance a local cloud's `http://127.0.0.1:4566`.

use aws_sdk_dynamodb::{
    Client,
    config::{BehaviorVersion, Credentials, Region},
};
use futures_util::future::BoxFuture;
use throughline_aws::{DynamoLedger, testing::create_ledger_table};
use throughline_core::ledger::{Ledger, Outgoing};
use throughline_testing::conformance::{LedgerUnderTest, fixtures::Stock};

/// A ledger with a table of its own.
pub(crate) struct LocalLedger {
    pub(crate) ledger: DynamoLedger,
    pub(crate) client: Client,
    /// The ledger's table.
    pub(crate) table: String,
}

/// A ledger with a fresh table.
pub(crate) async fn fresh() -> LocalLedger {
    let endpoint = match std::env::var("THROUGHLINE_TEST_DYNAMODB") {
        Ok(endpoint) => endpoint,
        Err(_) => in_this_process().await,
    };
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::for_tests())
        .endpoint_url(endpoint);
    let client = Client::from_conf(config.build());
    // Tests share a database that is not in this process: each has a table of its own there.
    let table = format!("operations-ledger-{:016x}", fastrand::u64(..));
    create_ledger_table(&client, &table).await;
    LocalLedger { ledger: DynamoLedger::new(client.clone(), &table, [].into()), client, table }
}

/// Starts a database that ends with the test; returns its endpoint.
async fn in_this_process() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let database = dynoxide::Database::memory().expect("a database in memory");
    tokio::spawn(dynoxide::server::serve_on(listener, database));
    format!("http://{address}")
}

impl LedgerUnderTest for LocalLedger {
    fn ledger(&self) -> &dyn Ledger {
        &self.ledger
    }

    fn log(&self) -> BoxFuture<'_, Vec<Outgoing>> {
        unreachable!("these tests read the log by what they test")
    }

    fn put_as_another_program<'a>(&'a self, _: &'a Stock) -> BoxFuture<'a, ()> {
        unreachable!("no other program writes in these tests")
    }
}
