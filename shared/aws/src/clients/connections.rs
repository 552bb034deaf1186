//! The connections of all the SDK's clients of a process.

use aws_smithy_http_client::{
    Connector, ConnectorBuilder,
    tls::{Provider, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::{
    connector_metadata::ConnectorMetadata,
    http::{HttpClient, HttpConnectorSettings, SharedHttpConnector},
    runtime_components::RuntimeComponents,
};
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// An HTTP client that reads the trusted certificates once a process.
///
/// The SDK's own does so twice a client: once to see whether it can, when the client is built, and again
/// at its first request.
#[derive(Debug)]
pub(super) struct Connections {
    connectors: Mutex<HashMap<TimeLimits, SharedHttpConnector>>,
}

impl Connections {
    /// Ready for clients that give up connecting after this time, and reading never: the others' connectors are
    /// made when they are needed.
    pub(super) fn new(connect_timeout: Duration) -> Self {
        let settings = HttpConnectorSettings::builder().connect_timeout(connect_timeout).build();
        let connector = connector(Connector::builder().connector_settings(settings));
        Self { connectors: Mutex::new(HashMap::from([((Some(connect_timeout), None), connector)])) }
    }
}

/// The time limits by which connectors differ: of connecting, and of reading.
type TimeLimits = (Option<Duration>, Option<Duration>);

impl HttpClient for Connections {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let limits = (settings.connect_timeout(), settings.read_timeout());
        let mut connectors = self.connectors.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || {
            let mut builder = Connector::builder().connector_settings(settings.clone());
            builder.set_sleep_impl(components.sleep_impl());
            connector(builder)
        };
        connectors.entry(limits).or_insert_with(new).clone()
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        Some(ConnectorMetadata::new("hyper", Some("1.x".into())))
    }
}

fn connector(builder: ConnectorBuilder) -> SharedHttpConnector {
    SharedHttpConnector::new(builder.tls_provider(Provider::Rustls(CryptoMode::AwsLc)).build())
}
