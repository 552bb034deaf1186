//! The benchmark's functions without the framework. `BENCHMARK_REQUEST` picks one: `statement` or
//! `transaction`, which write what the framework writes and do nothing else, or `by-hand`.

use aws_config::BehaviorVersion;
use aws_lambda_events::sqs::SqsEvent;
use aws_sdk_dynamodb::{
    Client,
    types::{
        AttributeValue, BatchStatementRequest, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
    },
};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::HashMap;

type Item = HashMap<String, AttributeValue>;

/// The fields that the function reads of a message.
#[derive(Debug, Deserialize)]
struct Message {
    id: String,
    source: String,
    subject: String,
    #[serde(rename = "type")]
    kind: String,
    correlationid: String,
    data: Reading,
}

#[derive(Debug, Deserialize)]
struct Reading {
    meter_id: String,
    amount: u64,
}

#[derive(Debug, Clone)]
struct Function {
    client: Client,
    table: String,
    request: Request,
}

#[derive(Debug, Clone, Copy)]
enum Request {
    Statement,
    Transaction,
    ByHand,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let request = match std::env::var("BENCHMARK_REQUEST").as_deref() {
        Ok("statement") => Request::Statement,
        Ok("transaction") => Request::Transaction,
        _ => Request::ByHand,
    };
    let config = aws_config::load_defaults(BehaviorVersion::latest()).await;
    let function =
        Function { client: Client::new(&config), table: std::env::var("THROUGHLINE_TABLE")?, request };
    lambda_runtime::run(service_fn(move |event: LambdaEvent<SqsEvent>| {
        let function = function.clone();
        async move { function.answer(event.payload).await }
    }))
    .await
}

impl Function {
    async fn answer(&self, batch: SqsEvent) -> Result<Value, Error> {
        let bodies = batch.records.iter().filter_map(|record| record.body.as_deref());
        let messages = bodies.map(serde_json::from_str).collect::<Result<Vec<Message>, _>>()?;
        match self.request {
            Request::Statement => self.one_statement_each(&messages).await?,
            Request::Transaction => self.one_transaction(&messages).await?,
            Request::ByHand => {
                futures_util::future::try_join_all(messages.iter().map(|message| self.by_hand(message)))
                    .await?;
            }
        }
        Ok(json!({ "batchItemFailures": [] }))
    }

    /// Ten inserts of claims in one `BatchExecuteStatement`.
    async fn one_statement_each(&self, messages: &[Message]) -> Result<(), Error> {
        let mut statements = Vec::with_capacity(messages.len());
        for message in messages {
            let (fields, values): (Vec<_>, Vec<_>) = claim(message).into_iter().unzip();
            let fields: Vec<String> = fields.into_iter().map(|name| format!("'{name}': ?")).collect();
            let text = format!("INSERT INTO \"{}\" VALUE {{{}}}", self.table, fields.join(", "));
            statements
                .push(BatchStatementRequest::builder().statement(text).set_parameters(Some(values)).build()?);
        }
        let answer = self.client.batch_execute_statement().set_statements(Some(statements)).send().await?;
        match answer.responses().iter().find_map(|response| response.error()) {
            Some(error) => Err(format!("{error:?}").into()),
            None => Ok(()),
        }
    }

    /// Ten claims, entities and events in one `TransactWriteItems`, under the framework's conditions.
    async fn one_transaction(&self, messages: &[Message]) -> Result<(), Error> {
        let mut writes = Vec::with_capacity(3 * messages.len());
        for message in messages {
            let put = Put::builder().table_name(&self.table).set_item(Some(claim(message)));
            let put = put
                .condition_expression(
                    "attribute_not_exists(pk) OR expires_at <= :seconds OR leased_until_ms <= :millis",
                )
                .expression_attribute_values(":seconds", number(EXPIRES_AT))
                .expression_attribute_values(":millis", number(EXPIRES_AT * 1000))
                .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
            writes.push(TransactWriteItem::builder().put(put.build()?).build());
            for item in [entity(message), event(message)?] {
                let put = Put::builder().table_name(&self.table).set_item(Some(item));
                let put = put.condition_expression("attribute_not_exists(pk)").build()?;
                writes.push(TransactWriteItem::builder().put(put).build());
            }
        }
        self.client.transact_write_items().set_transact_items(Some(writes)).send().await?;
        Ok(())
    }

    /// Does by hand what people write: a conditional put, the work, an update. Two requests a record, all records at
    /// once.
    async fn by_hand(&self, message: &Message) -> Result<(), Error> {
        let id = text(&message.id);
        let put =
            self.client.put_item().table_name(&self.table).item("pk", id.clone()).item("sk", text("claim"));
        put.item("state", text("running"))
            .item("expires_at", number(EXPIRES_AT))
            .condition_expression("attribute_not_exists(pk) OR expires_at < :now")
            .expression_attribute_values(":now", number(EXPIRES_AT - 1))
            .send()
            .await?;
        let update = self.client.update_item().table_name(&self.table).key("pk", id).key("sk", text("claim"));
        update
            .update_expression("SET #state = :done, #result = :result, expires_at = :expires_at")
            .expression_attribute_names("#state", "state")
            .expression_attribute_names("#result", "result")
            .expression_attribute_values(":done", text("done"))
            .expression_attribute_values(":result", text("null"))
            .expression_attribute_values(":expires_at", number(EXPIRES_AT))
            .send()
            .await?;
        Ok(())
    }
}

// Times, hashes and tokens are as long as real ones, and cost nothing to make.
const EXPIRES_AT: u64 = 1_893_456_000;
const TIME: &str = "2026-01-05T09:30:01.123456789Z";
const HASH: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
const TOKEN: &str = "5fea77560ea4451aa703a558b933e274";

fn text(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

fn number(number: u64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

fn item<const N: usize>(attributes: [(&str, AttributeValue); N]) -> Item {
    attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The attributes of the framework's claims.
fn claim(message: &Message) -> Item {
    let Message { id, source, .. } = message;
    item([
        ("pk", text(format!("claim#benchmark#event#{}:{source}:{id}", source.len()))),
        ("sk", text("claim")),
        ("owner", text(TOKEN)),
        ("payload_hash", text(HASH)),
        ("handler", text("benchmark")),
        ("eventid", text(id)),
        ("eventsource", text(source)),
        ("eventtype", text(&message.kind)),
        ("subject", text(&message.subject)),
        ("correlationid", text(&message.correlationid)),
        ("attempt", number(1)),
        ("occurred_at", text(TIME)),
        ("finished_at", text(TIME)),
        ("expires_at", number(EXPIRES_AT)),
        ("state", text("done")),
    ])
}

fn entity(message: &Message) -> Item {
    let Reading { meter_id, amount } = &message.data;
    item([
        ("pk", text(format!("meter#{meter_id}"))),
        ("sk", text("state")),
        ("id", text(meter_id)),
        ("total", number(*amount)),
        ("_version", number(1)),
        ("_sequence", number(1)),
    ])
}

#[derive(Debug, Serialize)]
struct TotalChanged<'a> {
    meter_id: &'a str,
    total: u64,
}

#[derive(Debug, Serialize)]
struct Envelope<'a> {
    specversion: &'a str,
    id: &'a str,
    source: &'a str,
    r#type: &'a str,
    subject: &'a str,
    time: &'a str,
    aggregatetype: &'a str,
    sequence: &'a str,
    correlationid: &'a str,
    causationid: &'a str,
    schemaversion: u32,
    datacontenttype: &'a str,
    data: TotalChanged<'a>,
}

fn event(message: &Message) -> Result<Item, Error> {
    let Message { id, correlationid, data: Reading { meter_id, amount }, .. } = message;
    let event_id = format!("{id}-total");
    let envelope = serde_json::to_string(&Envelope {
        specversion: "1.0",
        id: &event_id,
        source: "benchmark",
        r#type: "total.changed",
        subject: meter_id,
        time: TIME,
        aggregatetype: "meter",
        sequence: "00000000000000000001",
        correlationid,
        causationid: id,
        schemaversion: 1,
        datacontenttype: "application/json",
        data: TotalChanged { meter_id, total: *amount },
    })?;
    Ok(item([
        ("pk", text(format!("meter#{meter_id}"))),
        ("sk", text("event#00000000000000000001")),
        ("envelope", text(envelope)),
        ("destination", text("bus")),
        ("id", text(event_id)),
        ("type", text("total.changed")),
        ("handler", text("benchmark")),
        ("occurred_at", text(TIME)),
        ("causationid", text(id)),
        ("correlationid", text(correlationid)),
    ]))
}
