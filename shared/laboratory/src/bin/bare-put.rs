//! A function with nothing above the SDK, to compare with: one unconditional put an invocation.

use aws_config::BehaviorVersion;
use aws_sdk_dynamodb::{Client, types::AttributeValue};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let client = Client::new(&aws_config::load_defaults(BehaviorVersion::latest()).await);
    let table = std::env::var("THROUGHLINE_TABLE")?;
    lambda_runtime::run(service_fn(async |event: LambdaEvent<Value>| {
        let id = event.payload["Records"][0]["messageId"].as_str().unwrap_or_default();
        client
            .put_item()
            .table_name(&table)
            .item("pk", AttributeValue::S(id.to_owned()))
            .item("sk", AttributeValue::S("bare".into()))
            .send()
            .await?;
        Ok::<_, Error>(json!({ "batchItemFailures": [] }))
    }))
    .await
}
