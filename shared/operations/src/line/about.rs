//! The events of an aggregate, by its name: those of a saved aggregate lie in its own partition.

use super::{LineError, LoggedMessage};
use aws_sdk_dynamodb::{Client, types::AttributeValue};
use throughline_aws::{
    internal::{Item, describe, text_of},
    ledger::{layout, outgoing_from_item},
};

/// Reads the events that were committed with an aggregate, such as the `order` with the id `o-13`, the oldest first. Only
/// its own partition is read.
///
/// # Errors
/// [`LineError`].
pub async fn events_of(
    client: &Client,
    table: &str,
    kind: &str,
    id: &str,
) -> Result<Vec<LoggedMessage>, LineError> {
    let failed = |reason| LineError::Partition {
        table: table.to_owned(),
        partition: layout::aggregate_partition(kind, id),
        reason,
    };
    let mut pages = client
        .query()
        .table_name(table)
        .key_condition_expression("#pk = :pk AND begins_with(#sk, :event)")
        .expression_attribute_names("#pk", layout::PARTITION_KEY)
        .expression_attribute_names("#sk", layout::SORT_KEY)
        .expression_attribute_values(":pk", AttributeValue::S(layout::aggregate_partition(kind, id)))
        .expression_attribute_values(":event", AttributeValue::S(layout::EVENT_PREFIX.to_owned()))
        .consistent_read(true)
        .into_paginator()
        .send();
    let mut events = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| failed(describe(&error)))?;
        for item in page.items.unwrap_or_default() {
            events.push(event(&item)?);
        }
    }
    Ok(events)
}

fn event(item: &Item) -> Result<LoggedMessage, LineError> {
    let text = |name: &str| text_of(item, name).unwrap_or_default();
    let outgoing = outgoing_from_item(item).map_err(|reason| LineError::Malformed {
        key: format!("{} {}", text(layout::PARTITION_KEY), text(layout::SORT_KEY)),
        reason,
    })?;
    let occurred_at = text(layout::OCCURRED_AT).parse().ok();
    Ok(LoggedMessage { handler: text(layout::HANDLER).to_owned(), occurred_at, outgoing })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use throughline_aws::testing::{Fake, error};

    fn stored(sequence: u32, envelope: &serde_json::Value) -> serde_json::Value {
        json!({
            "pk": { "S": "order#o-13" }, "sk": { "S": format!("event#{sequence:020}") }, "handler": { "S": "place-order" },
            "destination": { "S": "bus" }, "occurred_at": { "S": "2026-01-02T03:04:05.000000000Z" },
            "envelope": { "S": envelope.to_string() },
        })
    }

    #[tokio::test]
    async fn only_the_partition_of_what_was_asked_for_is_read_and_whole() {
        let envelope = |id: &str| {
            json!({
                "specversion": "1.0", "id": id, "source": "shop", "type": "order.placed", "subject": "o-13",
                "correlationid": "web-13", "data": {},
            })
        };
        let first = json!({ "Items": [stored(1, &envelope("e-1"))], "LastEvaluatedKey": { "pk": { "S": "order#o-13" } } });
        let second = json!({ "Items": [stored(2, &envelope("e-2"))] });
        let fake = Fake::new([(200, first), (200, second)]);
        let client = Client::new(&fake.config());
        let events = events_of(&client, "ledger", "order", "o-13").await.unwrap();
        let ids: Vec<_> = events.iter().map(|it| it.outgoing.envelope.attributes.id.as_str()).collect();
        assert_eq!(ids, ["e-1", "e-2"]);
        assert_eq!(events[0].outgoing.envelope.attributes.correlation_id, "web-13");
        assert_eq!(fake.operations(), ["Query", "Query"], "nothing is scanned");
        assert_eq!(fake.requests()[0]["ExpressionAttributeValues"][":pk"]["S"], "order#o-13");
    }

    #[tokio::test]
    async fn a_table_that_cannot_be_asked_is_named() {
        let fake = Fake::new([error("AccessDeniedException", "no right")]);
        let client = Client::new(&fake.config());
        let error = events_of(&client, "ledger", "order", "o-13").await.unwrap_err().to_string();
        assert!(error.contains("ledger") && error.contains("order#o-13"), "{error}");
    }
}
