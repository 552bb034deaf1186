//! The capacity that requests to DynamoDB consume.
//!
//! The figures are those that DynamoDB returns when it is asked (`ReturnConsumedCapacity: INDEXES`). A test
//! holds the local one to AWS's rules ("DynamoDB read and write operations"): a write costs a unit for each
//! KiB begun, two in a transaction, and each index it changes one more for each KiB, transaction or not; a
//! consistent read costs a unit for each 4 KiB begun. What is refused is billed, too, but not returned: a
//! cancelled transaction is counted here as what it would have cost without its indexes, and statements that
//! all fail as a unit each.

use hyper::body::Bytes;
use serde_json::{Map, Value};
use std::ops::AddAssign;

/// Capacity units, as on-demand tables bill them.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Capacity {
    /// Read units.
    pub reads: f64,
    /// Write units, indexes included.
    pub writes: f64,
    /// The part of these write units that refused requests consumed.
    pub refused_writes: f64,
}

impl AddAssign for Capacity {
    fn add_assign(&mut self, other: Self) {
        self.reads += other.reads;
        self.writes += other.writes;
        self.refused_writes += other.refused_writes;
    }
}

/// The same request, asking what it consumes.
pub(crate) fn asking(body: &Bytes) -> Bytes {
    let Ok(mut request) = serde_json::from_slice::<Map<String, Value>>(body) else { return body.clone() };
    request.insert("ReturnConsumedCapacity".into(), "INDEXES".into());
    Value::Object(request).to_string().into()
}

/// Returns the capacity that a request consumed.
pub(crate) fn consumed(operation: &str, request: &Bytes, answer: &Bytes) -> Capacity {
    let request: Value = serde_json::from_slice(request).unwrap_or_default();
    let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
    let units = match &answer["ConsumedCapacity"] {
        Value::Array(tables) => tables.iter().map(units).sum(),
        table => units(table),
    };
    if is_read(operation, &request) {
        return Capacity { reads: units, ..Capacity::default() };
    }
    let refused = if answer["ConsumedCapacity"].is_null() { refused(operation, &request) } else { 0.0 };
    Capacity { reads: 0.0, writes: units + refused, refused_writes: refused }
}

fn units(table: &Value) -> f64 {
    table["CapacityUnits"].as_f64().unwrap_or_default()
}

fn is_read(operation: &str, request: &Value) -> bool {
    let statement = request["Statement"].as_str().or_else(|| request["Statements"][0]["Statement"].as_str());
    let selects = statement.is_some_and(|text| text.trim_start().to_ascii_uppercase().starts_with("SELECT"));
    selects || matches!(operation, "GetItem" | "BatchGetItem" | "Query" | "Scan" | "TransactGetItems")
}

/// Returns the units that DynamoDB bills for a refused request without saying so.
fn refused(operation: &str, request: &Value) -> f64 {
    let statements = || request["Statements"].as_array().map_or(1, Vec::len);
    match operation {
        "TransactWriteItems" => {
            let writes = request["TransactItems"].as_array().into_iter().flatten();
            2.0 * writes.filter_map(|write| write.as_object()?.values().next()).map(write_units).sum::<f64>()
        }
        "BatchExecuteStatement" => (0..statements()).map(|_| 1.0).sum(),
        _ => write_units(request),
    }
}

/// A unit for each KiB begun of what would have been written; what is not known counts as one.
fn write_units(write: &Value) -> f64 {
    let size = write["Item"].as_object().map_or(1, item_size);
    (0..size.div_ceil(1024).max(1)).map(|_| 1.0).sum()
}

/// The size of an item: its names and its values ("DynamoDB item sizes and formats").
fn item_size(item: &Map<String, Value>) -> usize {
    item.iter().map(|(name, value)| name.len() + value_size(value)).sum()
}

fn value_size(value: &Value) -> usize {
    let Some((kind, value)) = value.as_object().and_then(|value| value.iter().next()) else { return 0 };
    match (kind.as_str(), value) {
        // About a byte for two digits, and one for the sign and the point.
        ("N", Value::String(digits)) => digits.len().div_ceil(2) + 1,
        ("B", Value::String(text)) => text.len() / 4 * 3,
        ("M", Value::Object(fields)) => 3 + fields.len() + item_size(fields),
        ("L", Value::Array(values)) => 3 + values.len() + values.iter().map(value_size).sum::<usize>(),
        (_, Value::String(text)) => text.len(),
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Database, Laboratory};
    use aws_sdk_dynamodb::{
        Client,
        types::{AttributeValue, ConditionCheck, KeysAndAttributes, Put, TransactWriteItem},
    };
    use std::collections::HashMap;

    /// A client whose requests the recorder sees.
    fn client(laboratory: &Laboratory) -> Client {
        Database::client(&laboratory.recorder.endpoint())
    }

    /// An item of the ledger's table that is a little over 3 KiB, and in the index if it says so.
    fn item(id: &str, is_indexed: bool) -> HashMap<String, AttributeValue> {
        let text = |text: &str| AttributeValue::S(text.into());
        let mut item = HashMap::from([
            ("pk".to_owned(), text(id)),
            ("sk".to_owned(), text("state")),
            ("text".to_owned(), text(&"x".repeat(3 * 1024))),
        ]);
        if is_indexed {
            item.insert("correlationid".into(), text("c"));
            item.insert("occurred_at".into(), text("2026"));
        }
        item
    }

    fn put(table: &str, item: HashMap<String, AttributeValue>) -> TransactWriteItem {
        let put = Put::builder()
            .table_name(table)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk)");
        TransactWriteItem::builder().put(put.build().unwrap()).build()
    }

    #[tokio::test]
    async fn the_local_database_bills_as_aws_says() {
        let laboratory = Laboratory::open().await.unwrap();
        laboratory.recorder.ask_for_capacity();
        let (client, table) = (client(&laboratory), laboratory.database.ledger_table());
        let writes = |writes| Capacity { writes, ..Capacity::default() };
        let billed = || {
            let capacity = laboratory.recorder.capacity();
            laboratory.recorder.forget();
            capacity
        };

        client.put_item().table_name(table).set_item(Some(item("a", false))).send().await.unwrap();
        assert_eq!(billed(), writes(4.0), "a unit for each KiB begun");

        client.put_item().table_name(table).set_item(Some(item("b", true))).send().await.unwrap();
        assert_eq!(billed(), writes(8.0), "as much again for the index");

        let transaction = || client.transact_write_items().transact_items(put(table, item("c", true)));
        transaction().send().await.unwrap();
        let once = billed();
        assert_eq!(once, writes(12.0), "a transaction writes the table twice and the index once");

        transaction().send().await.unwrap_err();
        assert_eq!(
            billed(),
            Capacity { writes: 8.0, refused_writes: 8.0, reads: 0.0 },
            "refused, without its index"
        );

        let insert = |id: &str| {
            let text = format!("INSERT INTO \"{table}\" VALUE {{'pk': '{id}', 'sk': 'claim'}}");
            aws_sdk_dynamodb::types::BatchStatementRequest::builder().statement(text).build().unwrap()
        };
        client
            .batch_execute_statement()
            .statements(insert("d"))
            .statements(insert("e"))
            .send()
            .await
            .unwrap();
        assert_eq!(billed(), writes(2.0), "statements settle one by one");
        client
            .batch_execute_statement()
            .statements(insert("d"))
            .statements(insert("f"))
            .send()
            .await
            .unwrap();
        assert_eq!(billed(), writes(2.0), "a failed one is billed");
        client.batch_execute_statement().statements(insert("d")).send().await.unwrap();
        assert_eq!(billed(), Capacity { writes: 1.0, refused_writes: 1.0, reads: 0.0 }, "also if all fail");

        let keys = |id: &str| {
            HashMap::from([
                ("pk".to_owned(), AttributeValue::S(id.into())),
                ("sk".to_owned(), AttributeValue::S("state".into())),
            ])
        };
        let both = KeysAndAttributes::builder()
            .consistent_read(true)
            .keys(keys("a"))
            .keys(keys("nothing"))
            .build()
            .unwrap();
        client.batch_get_item().request_items(table, both).send().await.unwrap();
        assert_eq!(
            billed(),
            Capacity { reads: 2.0, ..Capacity::default() },
            "a unit for 4 KiB, and for nothing"
        );

        let check = ConditionCheck::builder()
            .table_name(table)
            .set_key(Some(keys("a")))
            .condition_expression("attribute_exists(pk)");
        let check = TransactWriteItem::builder().condition_check(check.build().unwrap()).build();
        client
            .transact_write_items()
            .transact_items(check)
            .transact_items(put(table, item("g", false)))
            .send()
            .await
            .unwrap();
        assert_eq!(billed(), writes(16.0), "a check is billed as the item it looks at");
    }
}
