//! Services that answer from a script and remember what they were asked.

use aws_config::{AppName, BehaviorVersion, Region, SdkConfig, retry::RetryConfig};
use aws_sdk_dynamodb::config::{
    Credentials, SharedCredentialsProvider,
    http::{HttpRequest, HttpResponse},
};
use aws_smithy_http_client::test_util::{ReplayEvent, StaticReplayClient};
use aws_smithy_runtime_api::client::http::SharedHttpConnector;
use serde_json::Value;
use std::time::Duration;

/// A service that answers from a script.
pub(crate) struct Fake {
    http: StaticReplayClient,
}

/// One answer: its status and its JSON.
pub(crate) type Answer = (u16, Value);

/// An error of this type.
pub(crate) fn error(error_type: &str, message: &str) -> Answer {
    (400, serde_json::json!({ "__type": error_type, "message": message }))
}

impl Fake {
    pub(crate) fn new(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self::of_texts(answers.into_iter().map(|(status, body)| (status, body.to_string())))
    }

    /// A service that answers in another form than JSON.
    pub(crate) fn of_texts(answers: impl IntoIterator<Item = (u16, String)>) -> Self {
        let events = answers.into_iter().map(|(status, body)| {
            let status = status.try_into().expect("a status");
            let response = HttpResponse::new(status, body.into());
            ReplayEvent::new(HttpRequest::empty(), response)
        });
        Self { http: StaticReplayClient::new(events.collect()) }
    }

    /// A configuration whose clients all ask this service. Retries do not wait.
    pub(crate) fn config(&self) -> SdkConfig {
        let retries = RetryConfig::standard().with_initial_backoff(Duration::from_millis(1));
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-west-1"))
            .credentials_provider(SharedCredentialsProvider::new(Credentials::for_tests()))
            .sleep_impl(aws_sdk_dynamodb::config::SharedAsyncSleep::new(TokioSleep))
            .retry_config(retries)
            .app_name(AppName::new("shop-place-order").expect("a name"))
            .http_client(self.http.clone())
            .build()
    }

    /// What asks this service without a client of the SDK.
    pub(crate) fn connector(&self) -> SharedHttpConnector {
        SharedHttpConnector::new(self.http.clone())
    }

    /// What it was asked, in order; nothing for a request without a body.
    pub(crate) fn requests(&self) -> Vec<Value> {
        let bodies = self.http.actual_requests().map(|request| request.body().bytes().expect("in memory"));
        let read = |body: &[u8]| serde_json::from_slice(body).expect("JSON");
        bodies.map(|body| if body.is_empty() { Value::Null } else { read(body) }).collect()
    }

    /// What it was asked, in order, as it was sent.
    pub(crate) fn texts(&self) -> Vec<String> {
        let bodies = self.http.actual_requests().map(|request| request.body().bytes().expect("in memory"));
        bodies.map(|body| String::from_utf8(body.to_owned()).expect("a text")).collect()
    }

    /// The addresses it was asked at, in order.
    pub(crate) fn uris(&self) -> Vec<String> {
        self.http.actual_requests().map(|request| request.uri().to_owned()).collect()
    }

    /// The methods and paths it was asked by, in order, without what follows a `?`.
    pub(crate) fn paths(&self) -> Vec<String> {
        let path = |uri: &str| {
            let path = uri.split_once("://").map_or(uri, |(_, rest)| rest);
            let path = path.find('/').map_or("", |start| &path[start..]);
            path.split('?').next().unwrap_or_default().to_owned()
        };
        let asked = self.http.actual_requests();
        asked.map(|request| format!("{} {}", request.method(), path(request.uri()))).collect()
    }

    /// The operations it was asked for, in order, of a service that names them in a header.
    pub(crate) fn operations(&self) -> Vec<String> {
        let target = |request: &HttpRequest| {
            let target = request.headers().get("x-amz-target").unwrap_or_default();
            target.rsplit('.').next().unwrap_or_default().to_owned()
        };
        self.http.actual_requests().map(target).collect()
    }

    /// A header of the first request.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        self.http.actual_requests().next()?.headers().get(name).map(ToOwned::to_owned)
    }
}

#[derive(Debug)]
struct TokioSleep;

impl aws_sdk_dynamodb::config::AsyncSleep for TokioSleep {
    fn sleep(&self, duration: Duration) -> aws_sdk_dynamodb::config::Sleep {
        aws_sdk_dynamodb::config::Sleep::new(tokio::time::sleep(duration))
    }
}
