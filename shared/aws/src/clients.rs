//! The SDK's clients: one configuration a process, each client built when it is first needed.

mod connections;
mod function;

use aws_config::{BehaviorVersion, Region, SdkConfig, timeout::TimeoutConfig};
use aws_sdk_dynamodb::config::Credentials;
use futures_util::future::BoxFuture;
use std::{sync::OnceLock, time::Duration};
use tokio::sync::OnceCell;

/// The time after which the SDK gives up one attempt at a request and tries again. Without it a connection that died
/// while the function was frozen would be waited for until the invocation ends.
const ATTEMPT: Duration = Duration::from_secs(5);

/// The same on a cloud on this machine, which shares its processors with all that asks it: there nothing is frozen, and an
/// attempt that is given up leaves the cloud its work.
const LOCAL_ATTEMPT: Duration = Duration::from_secs(30);

/// The time within which a connection must stand: the SDK's own default.
const CONNECT: Duration = Duration::from_millis(3100);

/// The SDK's clients, from one configuration.
///
/// Nothing is read and nothing is built until it is asked for. `AWS_ENDPOINT_URL` is honoured. One attempt at a
/// request takes at most five seconds; at one to a local cloud, thirty.
///
/// ```no_run
/// # async fn example() {
/// let clients = throughline_aws::Clients::new();
/// let tables = clients.dynamodb().await.list_tables().send().await;
/// # }
/// ```
#[derive(Debug)]
pub struct Clients {
    /// A pointer, so that a function carries nothing of a loader that it does not use.
    load: fn() -> BoxFuture<'static, SdkConfig>,
    config: OnceCell<SdkConfig>,
    attempt: Duration,
    dynamodb: OnceLock<aws_sdk_dynamodb::Client>,
    eventbridge: OnceLock<aws_sdk_eventbridge::Client>,
    scheduler: OnceLock<aws_sdk_scheduler::Client>,
    sfn: OnceLock<aws_sdk_sfn::Client>,
    sqs: OnceLock<aws_sdk_sqs::Client>,
}

impl Clients {
    /// As AWS's own tools are configured: from the environment, profile files, and the host's role.
    pub fn new() -> Self {
        Self::loaded_by(|| Box::pin(aws_config::load_defaults(BehaviorVersion::latest())))
    }

    /// As Lambda configures a function: from the environment alone, so that building a client makes no network
    /// call. Every request's user agent names the function (`app/<name>`). All clients share their connections
    /// and the trusted certificates, which are read with the configuration.
    ///
    /// Read are the region, the role's credentials, `AWS_ENDPOINT_URL` (and a service's own),
    /// `AWS_IGNORE_CONFIGURED_ENDPOINT_URLS`, `AWS_MAX_ATTEMPTS`, `AWS_RETRY_MODE`, `AWS_USE_FIPS_ENDPOINT`,
    /// `AWS_USE_DUALSTACK_ENDPOINT` and `AWS_ACCOUNT_ID_ENDPOINT_MODE`. To run a function elsewhere with a
    /// profile's credentials: `eval "$(aws configure export-credentials --format env)"`.
    pub fn of_function() -> Self {
        Self::loaded_by(|| Box::pin(std::future::ready(function::configuration())))
    }

    fn loaded_by(load: fn() -> BoxFuture<'static, SdkConfig>) -> Self {
        Self {
            load,
            config: OnceCell::new(),
            attempt: ATTEMPT,
            dynamodb: OnceLock::new(),
            eventbridge: OnceLock::new(),
            scheduler: OnceLock::new(),
            sfn: OnceLock::new(),
            sqs: OnceLock::new(),
        }
    }

    /// From a configuration that exists already.
    pub fn from_config(config: SdkConfig) -> Self {
        Self { config: OnceCell::new_with(Some(config)), ..Self::new() }
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
        Self { attempt: LOCAL_ATTEMPT, ..Self::from_config(config) }
    }

    /// The configuration, for clients of other services.
    pub async fn config(&self) -> &SdkConfig {
        self.config.get_or_init(self.load).await
    }

    /// DynamoDB.
    pub async fn dynamodb(&self) -> &aws_sdk_dynamodb::Client {
        let config = self.config().await;
        self.dynamodb.get_or_init(|| {
            let builder =
                aws_sdk_dynamodb::config::Builder::from(config).timeout_config(self.attempt_timeout());
            aws_sdk_dynamodb::Client::from_conf(builder.build())
        })
    }

    /// EventBridge.
    pub async fn eventbridge(&self) -> &aws_sdk_eventbridge::Client {
        let config = self.config().await;
        self.eventbridge.get_or_init(|| {
            let builder =
                aws_sdk_eventbridge::config::Builder::from(config).timeout_config(self.attempt_timeout());
            aws_sdk_eventbridge::Client::from_conf(builder.build())
        })
    }

    /// EventBridge Scheduler.
    pub async fn scheduler(&self) -> &aws_sdk_scheduler::Client {
        let config = self.config().await;
        self.scheduler.get_or_init(|| {
            let builder =
                aws_sdk_scheduler::config::Builder::from(config).timeout_config(self.attempt_timeout());
            aws_sdk_scheduler::Client::from_conf(builder.build())
        })
    }

    /// Step Functions.
    pub async fn sfn(&self) -> &aws_sdk_sfn::Client {
        let config = self.config().await;
        self.sfn.get_or_init(|| {
            let builder = aws_sdk_sfn::config::Builder::from(config).timeout_config(self.attempt_timeout());
            aws_sdk_sfn::Client::from_conf(builder.build())
        })
    }

    /// SQS.
    pub async fn sqs(&self) -> &aws_sdk_sqs::Client {
        let config = self.config().await;
        self.sqs.get_or_init(|| {
            let builder = aws_sdk_sqs::config::Builder::from(config).timeout_config(self.attempt_timeout());
            aws_sdk_sqs::Client::from_conf(builder.build())
        })
    }

    fn attempt_timeout(&self) -> TimeoutConfig {
        TimeoutConfig::builder().connect_timeout(CONNECT).operation_attempt_timeout(self.attempt).build()
    }
}

impl Default for Clients {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Fake;

    #[tokio::test]
    async fn every_request_names_the_function() {
        let fake = Fake::new([(200, serde_json::json!({ "TableNames": [] }))]);
        let clients = Clients::from_config(fake.config());
        clients.dynamodb().await.list_tables().send().await.unwrap();
        let user_agent = fake.header("x-amz-user-agent").unwrap();
        assert!(user_agent.contains("app/shop-place-order"), "{user_agent}");
    }
}
