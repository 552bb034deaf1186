//! A service of AWS that is asked for a few answers only, without a client of the SDK's own for it.
//!
//! CloudWatch Logs, CloudWatch and CloudFormation answer five requests of an operator's in all; their three clients take
//! longer to compile than all else that an operator's tools are made of. What a request says and how an answer is read
//! stands here; credentials, signing, retries, time limits and clocks are the SDK's runtime's, as they are in its clients.

mod answer;
mod endpoint;

use crate::{OperateError, failed};
use aws_config::{BehaviorVersion, SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_runtime::{
    auth::{
        SigV4OperationSigningConfig,
        sigv4::{SCHEME_ID, SigV4AuthScheme},
    },
    invocation_id::InvocationIdInterceptor,
    request_info::RequestInfoInterceptor,
    retries::classifiers::AwsErrorCodeClassifier,
    service_clock_skew::{ServiceClockSkewClassifier, ServiceClockSkewInterceptor},
};
use aws_sdk_sqs::{
    config::http::{HttpRequest, HttpResponse},
    error::{ErrorMetadata, SdkError},
};
use aws_smithy_query::QueryWriter;
use aws_smithy_runtime::client::{
    orchestrator::operation::Operation,
    retries::classifiers::{HttpStatusCodeClassifier, TransientErrorClassifier},
};
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        auth::{
            AuthSchemeOptionResolverParams, SharedAuthScheme, SharedAuthSchemeOptionResolver,
            static_resolver::StaticAuthSchemeOptionResolver,
        },
        identity::SharedIdentityResolver,
        runtime_components::RuntimeComponentsBuilder,
        runtime_plugin::StaticRuntimePlugin,
    },
};
use aws_smithy_types::config_bag::Layer;
use aws_types::{SigningName, region::SigningRegion};
use serde_json::Value;
use std::{error::Error as _, time::Duration};
use throughline_aws::internal::describe;

/// The time that one attempt at a request may take: as long as AWS's command line waits for an answer. A search of a
/// large log takes many seconds.
const ATTEMPT: Duration = Duration::from_mins(1);

/// The attempts at a request before it is given up, unless the environment or the profile sets them: as many as AWS's
/// command line makes. CloudWatch Logs takes ten searches a second from an account.
const ATTEMPTS: u32 = 5;

/// The properties that tell a service apart from others.
#[derive(Debug)]
pub(super) struct Model {
    /// The service's id in settings of the SDK, such as `CloudWatch Logs`.
    pub(super) id: &'static str,
    /// The first part of its address, by which it is signed for, too.
    pub(super) endpoint_prefix: &'static str,
    /// The protocol.
    pub(super) protocol: Protocol,
}

/// The protocol of a service.
#[derive(Debug, Clone, Copy)]
pub(super) enum Protocol {
    /// JSON both ways (Smithy's `awsJson1_0` and `awsJson1_1`).
    Json {
        /// The prefix of the operation's name in `x-amz-target`.
        target: &'static str,
        /// The media type, which says the protocol's version.
        media_type: &'static str,
    },
    /// A form, answered in XML (Smithy's `awsQuery`).
    Query {
        /// The API's version.
        version: &'static str,
        /// The elements that are read of an answer.
        shape: &'static answer::Shape,
    },
}

pub(super) use answer::Shape;

/// One request.
#[derive(Debug, Clone)]
pub(super) struct Request {
    /// The operation, such as `FilterLogEvents`.
    pub(super) operation: &'static str,
    /// Its parameters: an object. A form takes those that are texts.
    pub(super) parameters: Value,
}

/// A service, ready to be asked.
#[derive(Debug, Clone)]
pub(super) struct Service {
    id: &'static str,
    operation: Operation<Request, Value, ErrorMetadata>,
}

impl Service {
    /// The service that this configuration reaches.
    ///
    /// # Errors
    /// If it says no region, or holds no credentials.
    pub(super) fn new(config: &SdkConfig, model: &'static Model) -> Result<Self, OperateError> {
        let missing = |what: &str| failed(format!("{} cannot be asked", model.id), what);
        let region = config.region().ok_or_else(|| {
            missing(
                "no region is configured: set AWS_REGION, or a region in the profile that AWS_PROFILE names",
            )
        })?;
        let credentials = config.credentials_provider().ok_or_else(|| missing(NO_CREDENTIALS))?;
        let endpoint = endpoint::of(config, model, region).map_err(|reason| missing(&reason))?;

        let mut signing = Layer::new("signing");
        signing.store_put(AuthSchemeOptionResolverParams::new(()));
        signing.store_put(SigV4OperationSigningConfig {
            region: Some(SigningRegion::from(region.clone())),
            name: Some(SigningName::from_static(model.endpoint_prefix)),
            ..SigV4OperationSigningConfig::default()
        });
        let mut components = RuntimeComponentsBuilder::new("signing")
            .with_auth_scheme(SharedAuthScheme::new(SigV4AuthScheme::new()))
            .with_auth_scheme_option_resolver(Some(SharedAuthSchemeOptionResolver::new(
                StaticAuthSchemeOptionResolver::new(vec![SCHEME_ID]),
            )));
        components.set_identity_resolver(SCHEME_ID, SharedIdentityResolver::new(credentials));
        if let Some(cache) = config.identity_cache() {
            components.set_identity_cache(Some(cache));
        }

        let mut builder = Operation::builder()
            .service_name(model.id)
            .operation_name("request")
            .behavior_version(config.behavior_version().unwrap_or_else(BehaviorVersion::latest))
            .endpoint_url(&endpoint)
            .standard_retry(&retries(config))
            .timeout_config(time_limits(config))
            .retry_classifier(HttpStatusCodeClassifier::default())
            .retry_classifier(TransientErrorClassifier::<ErrorMetadata>::new())
            .retry_classifier(AwsErrorCodeClassifier::<ErrorMetadata>::new())
            .retry_classifier(ServiceClockSkewClassifier::<ErrorMetadata>::new())
            .interceptor(ServiceClockSkewInterceptor::new())
            .interceptor(RequestInfoInterceptor::new())
            .interceptor(InvocationIdInterceptor::new())
            .with_connection_poisoning()
            .runtime_plugin(
                StaticRuntimePlugin::new().with_config(signing.freeze()).with_runtime_components(components),
            );
        // Without one, the SDK's own, which goes through a proxy where the environment names one.
        if let Some(client) = config.http_client() {
            builder = builder.http_client(client);
        }
        if let Some(sleep) = config.sleep_impl() {
            builder = builder.sleep_impl(sleep);
        }
        if let Some(time) = config.time_source() {
            builder = builder.time_source(time);
        }
        let protocol = model.protocol;
        let operation = builder
            .serializer(move |request: Request| http_request(&request, protocol))
            .deserializer(move |response: &HttpResponse| answer::read(response, protocol))
            .build();
        Ok(Self { id: model.id, operation })
    }

    /// The answer to one request; an error of the service's as its code and its message.
    ///
    /// # Errors
    /// If the service does not do what it is asked, or does not answer.
    pub(super) async fn ask(&self, request: Request) -> Result<Value, ServiceError> {
        let asked = self.operation.invoke(request).await;
        asked.map_err(|error| ServiceError { code: code(&error), reason: reason(&error), service: self.id })
    }

    /// The answers to a request and to those that follow it: `token` names the parameter and the member of an answer
    /// that says where the next page begins.
    ///
    /// # Errors
    /// As [`ask`](Self::ask).
    pub(super) async fn pages(&self, request: Request, token: Token) -> Result<Vec<Value>, ServiceError> {
        let (mut request, mut pages) = (request, Vec::new());
        loop {
            let page = self.ask(request.clone()).await?;
            let next = page[token.0].as_str().filter(|next| !next.is_empty()).map(ToOwned::to_owned);
            pages.push(page);
            let Some(next) = next else { return Ok(pages) };
            if request.parameters[token.0] == next.as_str() {
                let reason = format!("{} says of a page that it follows itself", request.operation);
                return Err(ServiceError { code: None, reason, service: self.id });
            }
            request.parameters[token.0] = next.into();
        }
    }
}

/// The name under which a request and its answer say where the next page begins.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token(pub(super) &'static str);

/// All items of a list in the pages of an answer.
pub(super) fn items(pages: Vec<Value>, list: &str) -> Vec<Value> {
    let of_page = |mut page: Value| match page[list].take() {
        Value::Array(items) => items,
        _ => Vec::new(),
    };
    pages.into_iter().flat_map(of_page).collect()
}

/// A service's error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ServiceError {
    service: &'static str,
    /// The service's code, such as `ResourceNotFoundException`, if it gave one.
    pub(super) code: Option<String>,
    /// Why, for people.
    pub(super) reason: String,
}

impl ServiceError {
    /// As an operator's request that was not done.
    pub(super) fn into_error(self, what: impl Into<String>) -> OperateError {
        failed(what, self.reason)
    }
}

impl From<ServiceError> for OperateError {
    fn from(error: ServiceError) -> Self {
        let what = format!("{} cannot be asked", error.service);
        error.into_error(what)
    }
}

const NO_CREDENTIALS: &str = "no credentials are configured: log in with `aws sso login` or `aws configure`, or name a \
                              profile by AWS_PROFILE";

fn code(error: &SdkError<ErrorMetadata, HttpResponse>) -> Option<String> {
    error.as_service_error().and_then(ErrorMetadata::code).map(ToOwned::to_owned)
}

fn reason(error: &SdkError<ErrorMetadata, HttpResponse>) -> String {
    if error.as_service_error().is_some() {
        return describe(error);
    }
    let mut said = vec![error.to_string()];
    let mut source = error.source();
    while let Some(error) = source {
        said.push(error.to_string());
        source = error.source();
    }
    if said.iter().any(|said| said.contains("no credentials found in chain")) {
        return NO_CREDENTIALS.to_owned();
    }
    said.join(": ")
}

fn retries(config: &SdkConfig) -> RetryConfig {
    let retries = config.retry_config().cloned().unwrap_or_else(RetryConfig::standard);
    let is_said = retries.max_attempts() != RetryConfig::standard().max_attempts();
    if is_said { retries } else { retries.with_max_attempts(ATTEMPTS) }
}

fn time_limits(config: &SdkConfig) -> TimeoutConfig {
    let mut limits = TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT).build();
    if let Some(configured) = config.timeout_config() {
        limits.take_defaults_from(configured);
    }
    limits
}

fn http_request(request: &Request, protocol: Protocol) -> Result<HttpRequest, BoxError> {
    let (media_type, body) = match protocol {
        Protocol::Json { media_type, .. } => (media_type, request.parameters.to_string()),
        Protocol::Query { version, .. } => ("application/x-www-form-urlencoded", form(request, version)),
    };
    let length = body.len().to_string();
    let mut sent = HttpRequest::new(body.into());
    sent.set_method("POST")?;
    sent.set_uri("/")?;
    let headers = sent.headers_mut();
    headers.insert("content-type", media_type);
    headers.insert("content-length", length);
    headers.insert("user-agent", concat!("throughline/", env!("CARGO_PKG_VERSION")));
    if let Protocol::Json { target, .. } = protocol {
        headers.insert("x-amz-target", format!("{target}.{}", request.operation));
    }
    Ok(sent)
}

fn form(request: &Request, version: &str) -> String {
    let mut form = String::new();
    let mut writer = QueryWriter::new(&mut form, request.operation, version);
    for (name, value) in request.parameters.as_object().into_iter().flatten() {
        if let Some(text) = value.as_str() {
            writer.prefix(name).string(text);
        }
    }
    writer.finish();
    form
}

#[cfg(test)]
mod tests;
