//! A DynamoDB in this process, spoken to over HTTP, with the tables of the ledger and of the shop.

use crate::Trouble;
use aws_sdk_dynamodb::{
    Client,
    config::{BehaviorVersion, Credentials, Region, timeout::TimeoutConfig},
    types::{
        AttributeDefinition, AttributeValue, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType,
        Projection, ProjectionType, ScalarAttributeType,
    },
};
use std::{collections::HashMap, net::SocketAddr, time::Duration};
use throughline_aws::ledger::layout;
use tokio::{net::TcpListener, task::JoinHandle};

/// An item of a table.
pub type Item = HashMap<String, AttributeValue>;

const LEDGER: &str = "laboratory-ledger";
const STOCK: &str = "laboratory-stock";
const ORDER_BOARD: &str = "laboratory-order-board";

/// The database. It ends with the value.
#[derive(Debug)]
pub struct Database {
    address: SocketAddr,
    client: Client,
    server: JoinHandle<()>,
}

impl Database {
    /// Starts it, with empty tables as the template makes them.
    pub async fn start() -> Result<Self, Trouble> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let database = dynoxide::Database::memory()?;
        let server = tokio::spawn(dynoxide::server::serve_on(listener, database));
        let client = Self::client(&format!("http://{address}"));
        let database = Self { address, client, server };
        database.create_ledger_table().await?;
        database.create_table(STOCK, "sku").await?;
        database.create_table(ORDER_BOARD, "order_id").await?;
        Ok(database)
    }

    /// A client of a DynamoDB at this endpoint.
    pub fn client(endpoint: &str) -> Client {
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("test", "test", None, None, "laboratory"))
            .timeout_config(TimeoutConfig::builder().operation_timeout(Duration::from_secs(30)).build())
            .endpoint_url(endpoint);
        Client::from_conf(config.build())
    }

    /// Returns the address it listens on. No recorder sees the requests that are sent here.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The name of the ledger's table.
    pub fn ledger_table(&self) -> &'static str {
        LEDGER
    }

    /// The name of the shop's stock table.
    pub fn stock_table(&self) -> &'static str {
        STOCK
    }

    /// The name of the table of the shop's board of orders.
    pub fn order_board_table(&self) -> &'static str {
        ORDER_BOARD
    }

    /// Removes every item of a table with this partition key and no other key.
    pub async fn empty(&self, table: &str, partition_key: &str) -> Result<(), Trouble> {
        for item in self.items(table).await? {
            let key = item.get(partition_key).cloned().ok_or("an item without its key")?;
            self.client.delete_item().table_name(table).key(partition_key, key).send().await?;
        }
        Ok(())
    }

    /// Every item of a table.
    pub async fn items(&self, table: &str) -> Result<Vec<Item>, Trouble> {
        let mut items = Vec::new();
        let mut pages =
            self.client.scan().table_name(table).consistent_read(true).into_paginator().items().send();
        while let Some(item) = pages.next().await {
            items.push(item?);
        }
        Ok(items)
    }

    /// Puts an item, as another program would.
    pub async fn put(&self, table: &str, item: Item) -> Result<(), Trouble> {
        self.client.put_item().table_name(table).set_item(Some(item)).send().await?;
        Ok(())
    }

    async fn create_ledger_table(&self) -> Result<(), Trouble> {
        let names = [
            layout::PARTITION_KEY,
            layout::SORT_KEY,
            layout::CORRELATION_ID,
            layout::OCCURRED_AT,
            layout::TIME_BUCKET,
        ];
        let attributes = names.into_iter().map(text_attribute).collect::<Result<_, _>>()?;
        let index = GlobalSecondaryIndex::builder()
            .index_name(layout::CORRELATION_INDEX)
            .set_key_schema(Some(keys(layout::CORRELATION_ID, Some(layout::OCCURRED_AT))?))
            .projection(Projection::builder().projection_type(ProjectionType::All).build());
        let projected = layout::TIME_INDEX_PROJECTS.map(String::from).to_vec();
        let by_time = GlobalSecondaryIndex::builder()
            .index_name(layout::TIME_INDEX)
            .set_key_schema(Some(keys(layout::TIME_BUCKET, Some(layout::OCCURRED_AT))?))
            .projection(
                Projection::builder()
                    .projection_type(ProjectionType::Include)
                    .set_non_key_attributes(Some(projected))
                    .build(),
            );
        self.client
            .create_table()
            .table_name(LEDGER)
            .billing_mode(BillingMode::PayPerRequest)
            .set_key_schema(Some(keys(layout::PARTITION_KEY, Some(layout::SORT_KEY))?))
            .set_attribute_definitions(Some(attributes))
            .global_secondary_indexes(index.build()?)
            .global_secondary_indexes(by_time.build()?)
            .send()
            .await?;
        Ok(())
    }

    async fn create_table(&self, name: &str, partition_key: &str) -> Result<(), Trouble> {
        self.client
            .create_table()
            .table_name(name)
            .billing_mode(BillingMode::PayPerRequest)
            .set_key_schema(Some(keys(partition_key, None)?))
            .attribute_definitions(text_attribute(partition_key)?)
            .send()
            .await?;
        Ok(())
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn keys(partition_key: &str, sort_key: Option<&str>) -> Result<Vec<KeySchemaElement>, Trouble> {
    let key = |name, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build();
    let mut keys = vec![key(partition_key, KeyType::Hash)?];
    if let Some(sort_key) = sort_key {
        keys.push(key(sort_key, KeyType::Range)?);
    }
    Ok(keys)
}

fn text_attribute(name: &str) -> Result<AttributeDefinition, Trouble> {
    let attribute = AttributeDefinition::builder().attribute_name(name);
    Ok(attribute.attribute_type(ScalarAttributeType::S).build()?)
}
