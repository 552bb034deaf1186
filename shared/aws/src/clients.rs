//! The SDK's clients: one configuration a process, each client built when it is first needed.

use aws_config::{AppName, BehaviorVersion, Region, SdkConfig, timeout::TimeoutConfig};
use aws_sdk_dynamodb::config::Credentials;
use std::{sync::OnceLock, time::Duration};
use tokio::sync::OnceCell;

/// How long one attempt at a request may take before the SDK tries again. A connection that died
/// while the function was frozen would otherwise be waited for until the invocation ends.
const ATTEMPT: Duration = Duration::from_secs(5);

/// The SDK's clients, from one configuration.
///
/// Nothing is read and nothing is built until it is asked for. In Lambda the region and the credentials
/// come from the environment, so building a client makes no network call. `AWS_ENDPOINT_URL` is honoured.
/// Every request's user agent names the function (`app/<name>`). One attempt at a request takes at most five
/// seconds.
///
/// ```no_run
/// # async fn example() {
/// let clients = throughline_aws::Clients::new();
/// let tables = clients.dynamodb().await.list_tables().send().await;
/// # }
/// ```
#[derive(Debug, Default)]
pub struct Clients {
    config: OnceCell<SdkConfig>,
    dynamodb: OnceLock<aws_sdk_dynamodb::Client>,
    eventbridge: OnceLock<aws_sdk_eventbridge::Client>,
    sqs: OnceLock<aws_sdk_sqs::Client>,
}

impl Clients {
    /// From the environment, when it is first needed.
    pub fn new() -> Self {
        Self::default()
    }

    /// From a configuration that exists already.
    pub fn from_config(config: SdkConfig) -> Self {
        Self { config: OnceCell::new_with(Some(config)), ..Self::default() }
    }

    /// For a cloud on this machine: every service at one endpoint, with credentials that mean nothing.
    pub async fn local(endpoint: &str) -> Self {
        let credentials = Credentials::new("test", "test", None, None, "local cloud");
        let config = aws_config::defaults(BehaviorVersion::latest())
            .endpoint_url(endpoint)
            .region(Region::new("us-east-1"))
            .credentials_provider(credentials)
            .load()
            .await;
        Self::from_config(config)
    }

    /// The configuration, for clients of other services.
    pub async fn config(&self) -> &SdkConfig {
        self.config.get_or_init(load).await
    }

    /// DynamoDB.
    pub async fn dynamodb(&self) -> &aws_sdk_dynamodb::Client {
        let config = self.config().await;
        self.dynamodb.get_or_init(|| {
            let builder = aws_sdk_dynamodb::config::Builder::from(config).timeout_config(attempt_timeout());
            aws_sdk_dynamodb::Client::from_conf(builder.build())
        })
    }

    /// EventBridge.
    pub async fn eventbridge(&self) -> &aws_sdk_eventbridge::Client {
        let config = self.config().await;
        self.eventbridge.get_or_init(|| {
            let builder =
                aws_sdk_eventbridge::config::Builder::from(config).timeout_config(attempt_timeout());
            aws_sdk_eventbridge::Client::from_conf(builder.build())
        })
    }

    /// SQS.
    pub async fn sqs(&self) -> &aws_sdk_sqs::Client {
        let config = self.config().await;
        self.sqs.get_or_init(|| {
            let builder = aws_sdk_sqs::config::Builder::from(config).timeout_config(attempt_timeout());
            aws_sdk_sqs::Client::from_conf(builder.build())
        })
    }
}

fn attempt_timeout() -> TimeoutConfig {
    TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT).build()
}

async fn load() -> SdkConfig {
    let loader = aws_config::defaults(BehaviorVersion::latest());
    let function = std::env::var("AWS_LAMBDA_FUNCTION_NAME").ok();
    match function.and_then(|name| AppName::new(name).ok()) {
        Some(name) => loader.app_name(name).load().await,
        None => loader.load().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::Fake;

    #[tokio::test]
    async fn every_request_names_the_function() {
        let fake = Fake::new([(200, serde_json::json!({ "TableNames": [] }))]);
        let clients = Clients::from_config(fake.config());
        clients.dynamodb().await.list_tables().send().await.unwrap();
        let user_agent = fake.header("x-amz-user-agent").unwrap();
        assert!(user_agent.contains("app/shop-place-order"), "{user_agent}");
    }
}
