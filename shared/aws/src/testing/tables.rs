//! The ledger's table, as the template makes it.

use crate::ledger::layout;
use aws_sdk_dynamodb::{
    Client,
    types::{
        AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
        ProjectionType, ScalarAttributeType,
    },
};

/// Makes a ledger's table with its indexes, as the template makes it.
///
/// # Panics
/// If DynamoDB does not make it.
pub async fn create_ledger_table(client: &Client, table: &str) {
    let names = [
        layout::PARTITION_KEY,
        layout::SORT_KEY,
        layout::CORRELATION_ID,
        layout::OCCURRED_AT,
        layout::TIME_BUCKET,
    ];
    let index = GlobalSecondaryIndex::builder()
        .index_name(layout::CORRELATION_INDEX)
        .set_key_schema(Some(keys(layout::CORRELATION_ID, Some(layout::OCCURRED_AT))))
        .projection(Projection::builder().projection_type(ProjectionType::All).build());
    let by_time = GlobalSecondaryIndex::builder()
        .index_name(layout::TIME_INDEX)
        .set_key_schema(Some(keys(layout::TIME_BUCKET, Some(layout::OCCURRED_AT))))
        .projection(what_a_plan_asks_for());
    client
        .create_table()
        .table_name(table)
        .billing_mode(BillingMode::PayPerRequest)
        .set_key_schema(Some(keys(layout::PARTITION_KEY, Some(layout::SORT_KEY))))
        .set_attribute_definitions(Some(names.into_iter().map(text_attribute).collect()))
        .global_secondary_indexes(index.build().expect("an index"))
        .global_secondary_indexes(by_time.build().expect("an index"))
        .send()
        .await
        .expect("the ledger's table");
}

fn what_a_plan_asks_for() -> Projection {
    let names = layout::TIME_INDEX_PROJECTS.map(String::from).to_vec();
    Projection::builder().projection_type(ProjectionType::Include).set_non_key_attributes(Some(names)).build()
}

/// Makes a table whose keys are texts.
///
/// # Panics
/// If DynamoDB does not make it.
pub async fn create_table(client: &Client, table: &str, partition_key: &str, sort_key: Option<&str>) {
    let names = std::iter::once(partition_key).chain(sort_key);
    client
        .create_table()
        .table_name(table)
        .billing_mode(BillingMode::PayPerRequest)
        .set_key_schema(Some(keys(partition_key, sort_key)))
        .set_attribute_definitions(Some(names.map(text_attribute).collect()))
        .send()
        .await
        .expect("a table");
}

fn keys(partition_key: &str, sort_key: Option<&str>) -> Vec<KeySchemaElement> {
    let key =
        |name, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build().expect("a key");
    let partition_key = key(partition_key, KeyType::Hash);
    std::iter::once(partition_key).chain(sort_key.map(|name| key(name, KeyType::Range))).collect()
}

fn text_attribute(name: &str) -> AttributeDefinition {
    let attribute = AttributeDefinition::builder().attribute_name(name);
    attribute.attribute_type(ScalarAttributeType::S).build().expect("an attribute")
}
