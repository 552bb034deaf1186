//! A function's configuration: from its environment alone.
//!
//! The SDK's own loader also looks for profile files, and knows how to assume roles and to ask other kinds of
//! hosts for credentials. Lambda has nothing of that, and a function would carry and start it all.

use super::{CONNECT, connections::Connections};
use aws_config::{
    AppName, BehaviorVersion, Region, SdkConfig, ecs::EcsCredentialsProvider,
    environment::EnvironmentVariableCredentialsProvider, identity::IdentityCache,
    meta::credentials::CredentialsProviderChain, provider_config::ProviderConfig, retry::RetryConfig,
    timeout::TimeoutConfig,
};
use aws_sdk_dynamodb::config::{SharedCredentialsProvider, SharedHttpClient};
use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};
use std::{env, fmt, num::NonZeroU32, str::FromStr, sync::Arc};
use tracing::warn;

pub(super) fn configuration() -> SdkConfig {
    configured_by(&Variables(Arc::new(|name| env::var(name).ok())))
}

fn configured_by(variables: &Variables) -> SdkConfig {
    let http_client = SharedHttpClient::new(Connections::new(CONNECT));
    let mut config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(
            variables.text("AWS_REGION").or_else(|| variables.text("AWS_DEFAULT_REGION")).map(Region::new),
        )
        .credentials_provider(SharedCredentialsProvider::new(credentials(http_client.clone())))
        .identity_cache(IdentityCache::lazy().build())
        .http_client(http_client)
        .retry_config(retries(variables))
        .timeout_config(TimeoutConfig::builder().connect_timeout(CONNECT).build());
    let name = variables.text("AWS_LAMBDA_FUNCTION_NAME");
    config.set_app_name(name.and_then(|name| AppName::new(name).ok()));
    config.set_use_fips(variables.parsed("AWS_USE_FIPS_ENDPOINT"));
    config.set_use_dual_stack(variables.parsed("AWS_USE_DUALSTACK_ENDPOINT"));
    config.set_account_id_endpoint_mode(variables.parsed("AWS_ACCOUNT_ID_ENDPOINT_MODE"));
    if variables.parsed("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS") != Some(true) {
        config.set_endpoint_url(variables.text("AWS_ENDPOINT_URL"));
        config = config.service_config(variables.clone());
    }
    config.build()
}

/// Those of the function's role: in its variables, or, for a function that was restored from a snapshot, at an
/// address that its variables name.
fn credentials(http_client: SharedHttpClient) -> CredentialsProviderChain {
    let provider = ProviderConfig::without_region().with_http_client(http_client);
    CredentialsProviderChain::first_try("Environment", EnvironmentVariableCredentialsProvider::new())
        .or_else("Container", EcsCredentialsProvider::builder().configure(&provider).build())
}

fn retries(variables: &Variables) -> RetryConfig {
    let mut retries = RetryConfig::standard();
    if let Some(mode) = variables.parsed("AWS_RETRY_MODE") {
        retries = retries.with_retry_mode(mode);
    }
    if let Some(attempts) = variables.parsed::<NonZeroU32>("AWS_MAX_ATTEMPTS") {
        retries = retries.with_max_attempts(attempts.get());
    }
    retries
}

/// A process's environment variables, by their names.
#[derive(Clone)]
struct Variables(Arc<Lookup>);

type Lookup = dyn Fn(&str) -> Option<String> + Send + Sync;

impl Variables {
    fn text(&self, name: &str) -> Option<String> {
        (self.0)(name).filter(|value| !value.trim().is_empty())
    }

    /// Nothing, and a warning, if it is malformed: as the SDK's own loader does.
    fn parsed<T: FromStr>(&self, name: &str) -> Option<T> {
        let value = self.text(name)?;
        let parsed = value.trim().to_ascii_lowercase().parse().ok();
        if parsed.is_none() {
            warn!(name, value, "a setting of the AWS SDK is malformed and ignored");
        }
        parsed
    }
}

/// A service's own settings, such as `AWS_ENDPOINT_URL_DYNAMODB`.
impl LoadServiceConfig for Variables {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        let service = key.service_id().to_ascii_uppercase().replace(' ', "_");
        self.text(&format!("{}_{service}", key.env())).or_else(|| self.text(key.env()))
    }
}

/// Without their values: some are secret.
impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Variables")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_config::retry::RetryMode;
    use aws_sdk_dynamodb::config::Credentials;
    use std::collections::BTreeMap;

    fn configured<const N: usize>(variables: [(&'static str, &str); N]) -> SdkConfig {
        let variables = BTreeMap::from(variables.map(|(name, value)| (name, value.to_owned())));
        configured_by(&Variables(Arc::new(move |name| variables.get(name).cloned())))
    }

    fn endpoint(config: &SdkConfig, service: &str) -> Option<String> {
        let key = ServiceConfigKey::builder().service_id(service).env("AWS_ENDPOINT_URL").profile("unread");
        config.service_config().and_then(|services| services.load_config(key.build().unwrap()))
    }

    #[test]
    fn a_function_is_configured_by_its_variables() {
        let config = configured([
            ("AWS_REGION", "eu-west-1"),
            ("AWS_DEFAULT_REGION", "us-east-1"),
            ("AWS_LAMBDA_FUNCTION_NAME", "shop-place-order"),
            ("AWS_MAX_ATTEMPTS", "5"),
            ("AWS_RETRY_MODE", "Adaptive"),
            ("AWS_USE_FIPS_ENDPOINT", "true"),
        ]);
        assert_eq!(config.region(), Some(&Region::new("eu-west-1")));
        assert_eq!(config.app_name().unwrap().to_string(), "shop-place-order");
        let retries = config.retry_config().unwrap();
        assert_eq!((retries.max_attempts(), retries.mode()), (5, RetryMode::Adaptive));
        assert_eq!((config.use_fips(), config.use_dual_stack()), (Some(true), None));
        assert_eq!(config.endpoint_url(), None);
    }

    #[test]
    fn a_service_can_have_an_endpoint_of_its_own() {
        let here = ("AWS_ENDPOINT_URL", "http://127.0.0.1:1");
        let there = ("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:2");
        let config = configured([here, there]);
        assert_eq!(config.endpoint_url(), Some(here.1));
        assert_eq!(endpoint(&config, "DynamoDB").as_deref(), Some(there.1));
        assert_eq!(endpoint(&config, "EventBridge").as_deref(), Some(here.1));

        let config = configured([here, there, ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")]);
        assert_eq!((config.endpoint_url(), endpoint(&config, "DynamoDB")), (None, None));
    }

    #[test]
    fn what_is_empty_or_malformed_is_as_if_it_were_not_there() {
        let config = configured([
            ("AWS_REGION", " "),
            ("AWS_DEFAULT_REGION", "us-east-1"),
            ("AWS_MAX_ATTEMPTS", "0"),
            ("AWS_RETRY_MODE", "never"),
            ("AWS_USE_FIPS_ENDPOINT", "perhaps"),
        ]);
        assert_eq!(config.region(), Some(&Region::new("us-east-1")));
        assert_eq!(config.retry_config(), Some(&RetryConfig::standard()));
        assert_eq!(config.use_fips(), None);
    }

    #[tokio::test]
    async fn its_clients_reach_the_endpoint_that_its_variables_name() {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let database = dynoxide::Database::memory().unwrap();
        let server = tokio::spawn(dynoxide::server::serve_on(listener, database));
        let config = configured([("AWS_REGION", "eu-west-1"), ("AWS_ENDPOINT_URL", &endpoint)]);
        let credentials = Credentials::new("test", "test", None, None, "test");
        let config =
            config.into_builder().credentials_provider(SharedCredentialsProvider::new(credentials)).build();
        let tables = aws_sdk_dynamodb::Client::new(&config).list_tables().send().await.unwrap();
        assert_eq!(tables.table_names(), &[] as &[String]);
        server.abort();
    }
}
