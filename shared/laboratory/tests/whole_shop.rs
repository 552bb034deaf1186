//! An order goes through every function of the shop, with the test in place of queues, rules and stream: every
//! service that a function speaks to has a stand here.

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};
use std::{path::PathBuf, time::Duration};
use throughline_laboratory::{Function, Laboratory, Trouble, database::Item, sqs_event};

const MINUTE: Duration = Duration::from_mins(1);

#[tokio::test]
async fn an_order_goes_through_every_function() -> Result<(), Trouble> {
    let shop = Shop(Laboratory::open().await?);
    shop.stock("mug-blue", 10).await?;
    shop.stock("tea-green", 10).await?;

    shop.by_queue("place-order", include_str!("../../../events/order.place.v1.json")).await?;
    shop.by_queue("reserve-stock", &shop.emitted("order.placed").await?).await?;
    shop.by_rule("confirm-order", &shop.emitted("stock.reserved").await?).await?;
    shop.by_queue("notify-customer", &shop.emitted("order.confirmed").await?).await?;
    shop.by_queue("notify-customer", "no envelope").await?;
    shop.by_stream("relay-outbox").await?;

    let counts = shop.0.recorder.counts();
    assert_eq!(counts.get("Publish"), Some(&1), "the customer is told: {counts:?}");
    assert_eq!(counts.get("SendMessage"), Some(&1), "what is no message is dead-lettered: {counts:?}");
    assert_eq!(counts.get("PutEvents"), Some(&1), "the log is published: {counts:?}");
    let calls = shop.0.recorder.calls();
    assert!(calls.iter().all(|call| call.status == Some(200)), "every service answers: {calls:?}");
    Ok(())
}

#[tokio::test]
async fn the_relay_carries_out_whatever_a_handler_can_ask_for() -> Result<(), Trouble> {
    let shop = Shop(Laboratory::open().await?);
    let destinations = [
        ("event#0000#x", "bus", json!({})),
        ("command#0001#x", "queue:place-order", json!({})),
        ("command#0002#x", "scheduled:2999-01-02T03:04:05.5Z|await-payment", json!({})),
        ("command#0003#x", "scheduled:2026-01-02T03:04:05Z|await-payment", json!({})),
        ("command#0004#x", "unscheduled:await-payment", json!({})),
        ("command#0005#x", "state-machine:checkout", json!({ "order_id": "o-1" })),
        ("command#0006#x", "task:the token", json!({ "success": { "output": { "paid": true } } })),
        ("command#0007#x", "task:the token", json!({ "failure": { "error": "Declined", "cause": "" } })),
    ];
    let record = |(number, (sort_key, destination, data)): (usize, (&str, &str, Value))| {
        let envelope = json!({
            "specversion": "1.0", "id": format!("m-{number}"), "source": "shop", "type": "t",
            "subject": format!("o-{number}"), "data": data,
        });
        let image = json!({
            "pk": { "S": "claim#x" }, "sk": { "S": sort_key }, "destination": { "S": destination },
            "envelope": { "S": envelope.to_string() },
        });
        inserted(number, &image)
    };
    shop.relay("relay-outbox", destinations.into_iter().enumerate().map(record).collect()).await?;

    let expected = [
        ("CreateSchedule", 1),
        // What is taken back, and what is due already: an earlier schedule of it ends.
        ("DeleteSchedule", 2),
        ("PutEvents", 1),
        ("SendMessageBatch", 2),
        ("SendTaskFailure", 1),
        ("SendTaskSuccess", 1),
        ("StartExecution", 1),
    ];
    let expected = expected.map(|(operation, count)| (operation.to_owned(), count));
    assert_eq!(shop.0.recorder.counts(), expected.into());
    let calls = shop.0.recorder.calls();
    let body = |operation: &str| -> Value {
        let call = calls.iter().find(|call| call.operation == operation).expect("it was asked for");
        serde_json::from_slice(&call.body).expect("JSON")
    };
    assert_eq!(body("CreateSchedule")["ScheduleExpression"], "at(2999-01-02T03:04:06)");
    assert_eq!(body("StartExecution")["name"], "m-5");
    assert_eq!(body("SendTaskSuccess")["output"], r#"{"paid":true}"#);
    Ok(())
}

struct Shop(Laboratory);

impl Shop {
    async fn stock(&self, sku: &str, available: u32) -> Result<(), Trouble> {
        let item = [
            ("sku".to_owned(), AttributeValue::S(sku.into())),
            ("available".to_owned(), AttributeValue::N(available.to_string())),
        ];
        self.0.database.put(self.0.database.stock_table(), item.into()).await
    }

    /// The items of the event log.
    async fn log(&self) -> Result<Vec<Item>, Trouble> {
        let mut items = self.0.database.items(self.0.database.ledger_table()).await?;
        items.retain(|item| text(item, "sk").starts_with("event#"));
        Ok(items)
    }

    /// The event of this type, as it is published.
    async fn emitted(&self, message_type: &str) -> Result<String, Trouble> {
        let log = self.log().await?;
        let event = log.iter().find(|item| text(item, "type") == message_type);
        Ok(text(event.ok_or_else(|| format!("no {message_type} in {log:?}"))?, "envelope").to_owned())
    }

    async fn by_queue(&self, name: &str, body: &str) -> Result<(), Trouble> {
        let answer = self.invoke(name, sqs_event([body], 1)).await?;
        assert_eq!(answer, json!({ "batchItemFailures": [] }), "{name}");
        Ok(())
    }

    async fn by_rule(&self, name: &str, envelope: &str) -> Result<(), Trouble> {
        let detail: Value = serde_json::from_str(envelope)?;
        let event = json!({
            "version": "0", "id": "17793124-05d4-b198-2fde-7ededc63b103", "detail-type": detail["type"],
            "source": detail["source"], "account": "000000000000", "time": "2026-01-05T09:30:02Z",
            "region": "us-east-1", "resources": [], "detail": detail
        });
        self.invoke(name, event.to_string().into_bytes()).await?;
        Ok(())
    }

    async fn by_stream(&self, name: &str) -> Result<(), Trouble> {
        let record = |(number, item): (usize, Item)| {
            let image: serde_json::Map<String, Value> =
                item.keys().map(|key| (key.clone(), json!({ "S": text(&item, key) }))).collect();
            inserted(number, &image.into())
        };
        let records: Vec<Value> = self.log().await?.into_iter().enumerate().map(record).collect();
        assert_eq!(records.len(), 3);
        self.relay(name, records).await
    }

    async fn relay(&self, name: &str, records: Vec<Value>) -> Result<(), Trouble> {
        let answer = self.invoke(name, json!({ "Records": records }).to_string().into_bytes()).await?;
        assert_eq!(answer, json!({ "batchItemFailures": [] }), "{name}");
        Ok(())
    }

    async fn invoke(&self, name: &str, payload: Vec<u8>) -> Result<Value, Trouble> {
        let folder = std::env::var_os("THROUGHLINE_FUNCTIONS")
            .ok_or("THROUGHLINE_FUNCTIONS must name the folder of the functions' binaries")?;
        let function = Function::start(&self.0.function(name, PathBuf::from(folder).join(name))).await?;
        Ok(function.invoke(payload, MINUTE).await?.payload)
    }
}

/// A new item, as the stream brings it.
fn inserted(number: usize, image: &Value) -> Value {
    json!({
        "eventID": number.to_string(), "eventName": "INSERT", "eventSource": "aws:dynamodb",
        "dynamodb": { "SequenceNumber": number.to_string(), "NewImage": image, "StreamViewType": "NEW_IMAGE" },
    })
}

/// The text of an attribute.
fn text<'a>(item: &'a Item, name: &str) -> &'a str {
    item.get(name).and_then(|value| value.as_s().ok()).map_or("", String::as_str)
}
