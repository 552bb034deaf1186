//! For the tests of this crate and of those beside it: services that answer from a script and remember what they were
//! asked, and the ledger's table.

mod tables;

pub use tables::{create_ledger_table, create_table};

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
///
/// ```
/// # async fn example() {
/// let fake = throughline_aws::testing::Fake::new([(200, serde_json::json!({ "TableNames": [] }))]);
/// aws_sdk_dynamodb::Client::new(&fake.config()).list_tables().send().await.unwrap();
/// assert_eq!(fake.operations(), ["ListTables"]);
/// # }
/// ```
#[derive(Debug)]
pub struct Fake {
    http: StaticReplayClient,
}

/// One answer: its status and its JSON.
pub type Answer = (u16, Value);

/// An error of this type.
pub fn error(error_type: &str, message: &str) -> Answer {
    (400, serde_json::json!({ "__type": error_type, "message": message }))
}

impl Fake {
    /// A service that gives these answers, one after another.
    ///
    /// # Panics
    /// If the status of one of them is none.
    pub fn new(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self::of_texts(answers.into_iter().map(|(status, body)| (status, body.to_string())))
    }

    /// A service that gives these answers, one after another, in another form than JSON.
    ///
    /// # Panics
    /// If the status of one of them is none.
    pub fn of_texts(answers: impl IntoIterator<Item = (u16, String)>) -> Self {
        let events = answers.into_iter().map(|(status, body)| {
            let status = status.try_into().expect("a status");
            let response = HttpResponse::new(status, body.into());
            ReplayEvent::new(HttpRequest::empty(), response)
        });
        Self { http: StaticReplayClient::new(events.collect()) }
    }

    /// A configuration whose clients all ask this service. Retries do not wait.
    ///
    /// # Panics
    /// Never: what it is made of is fixed.
    pub fn config(&self) -> SdkConfig {
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

    /// Returns a connector that reaches this service without a client of the SDK.
    pub fn connector(&self) -> SharedHttpConnector {
        SharedHttpConnector::new(self.http.clone())
    }

    /// Returns the bodies of the requests, in order; null for a request without a body.
    ///
    /// # Panics
    /// If a body is no JSON.
    pub fn requests(&self) -> Vec<Value> {
        let bodies = self.http.actual_requests().map(|request| request.body().bytes().expect("in memory"));
        let read = |body: &[u8]| serde_json::from_slice(body).expect("JSON");
        bodies.map(|body| if body.is_empty() { Value::Null } else { read(body) }).collect()
    }

    /// Returns the bodies of the requests, in order, as they were sent.
    ///
    /// # Panics
    /// If a body is not a text in memory.
    pub fn texts(&self) -> Vec<String> {
        let bodies = self.http.actual_requests().map(|request| request.body().bytes().expect("in memory"));
        bodies.map(|body| String::from_utf8(body.to_owned()).expect("a text")).collect()
    }

    /// Returns the addresses of the requests, in order.
    pub fn uris(&self) -> Vec<String> {
        self.http.actual_requests().map(|request| request.uri().to_owned()).collect()
    }

    /// The methods and paths it was asked by, in order, without what follows a `?`.
    pub fn paths(&self) -> Vec<String> {
        let path = |uri: &str| {
            let path = uri.split_once("://").map_or(uri, |(_, rest)| rest);
            let path = path.find('/').map_or("", |start| &path[start..]);
            path.split('?').next().unwrap_or_default().to_owned()
        };
        let asked = self.http.actual_requests();
        asked.map(|request| format!("{} {}", request.method(), path(request.uri()))).collect()
    }

    /// The operations it was asked for, in order, of a service that names them in a header.
    pub fn operations(&self) -> Vec<String> {
        let target = |request: &HttpRequest| {
            let target = request.headers().get("x-amz-target").unwrap_or_default();
            target.rsplit('.').next().unwrap_or_default().to_owned()
        };
        self.http.actual_requests().map(target).collect()
    }

    /// A header of the first request.
    pub fn header(&self, name: &str) -> Option<String> {
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
