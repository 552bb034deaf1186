//! Invoking a function as a rule does: asynchronously, with Lambda's own retries and on-failure destination.
//!
//! One signed request, made of what the SDK is made of: its client for Lambda, of which this would be the only use,
//! takes longer to compile than all of this workspace.

use super::{OperateError, failed};
use aws_config::SdkConfig;
use aws_sdk_sqs::config::{
    ProvideCredentials as _,
    http::{HttpRequest, HttpResponse},
};
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use aws_smithy_http_client::{
    Connector,
    tls::{Provider, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::http::{HttpConnector as _, SharedHttpConnector};
use std::time::SystemTime;

/// Makes Lambda queue the event and answer at once (API reference, `Invoke`).
const LATER: (&str, &str) = ("x-amz-invocation-type", "Event");

/// The functions of a region.
#[derive(Debug, Clone)]
pub struct Functions {
    config: SdkConfig,
    connector: SharedHttpConnector,
}

impl Functions {
    /// Those that this configuration reaches.
    pub fn new(config: &SdkConfig) -> Self {
        let connector = Connector::builder().tls_provider(Provider::Rustls(CryptoMode::AwsLc)).build();
        Self { config: config.clone(), connector: SharedHttpConnector::new(connector) }
    }

    /// Hands an event to Lambda for a function of this name. The answer is the request's id, or why Lambda certainly
    /// did not take the event.
    ///
    /// # Errors
    /// If it is not known whether Lambda took it.
    pub async fn invoke_later(
        &self,
        function: &str,
        event: &str,
    ) -> Result<Result<String, String>, OperateError> {
        let unknown = |reason: String| {
            failed(format!("it is not known whether function {function} took the event"), reason)
        };
        let request = match self.request(function, event).await {
            Ok(request) => request,
            Err(reason) => return Ok(Err(reason)),
        };
        let answer = self.connector.call(request).await.map_err(|error| unknown(error.to_string()))?;
        let status = answer.status();
        if status.is_success() {
            let id = answer.headers().get("x-amzn-requestid").unwrap_or(function);
            return Ok(Ok(id.to_owned()));
        }
        let reason = format!("Lambda answered {}{}", status.as_u16(), error_type(&answer));
        if status.is_client_error() { Ok(Err(reason)) } else { Err(unknown(reason)) }
    }

    async fn request(&self, function: &str, event: &str) -> Result<HttpRequest, String> {
        let region = self.config.region().ok_or("no region is configured")?.to_string();
        let endpoint = match self.config.endpoint_url() {
            Some(endpoint) => endpoint.trim_end_matches('/').to_owned(),
            None if region.starts_with("cn-") => format!("https://lambda.{region}.amazonaws.com.cn"),
            None => format!("https://lambda.{region}.amazonaws.com"),
        };
        let uri = format!("{endpoint}/2015-03-31/functions/{function}/invocations");
        let mut request = HttpRequest::new(event.to_owned().into());
        request.set_method("POST").map_err(|error| error.to_string())?;
        request.set_uri(uri.as_str()).map_err(|error| error.to_string())?;
        request.headers_mut().insert(LATER.0, LATER.1);
        request.headers_mut().insert("content-type", "application/json");
        for (name, value) in self.signature(&uri, event, region).await? {
            request.headers_mut().insert(name, value);
        }
        Ok(request)
    }

    async fn signature(
        &self,
        uri: &str,
        event: &str,
        region: String,
    ) -> Result<Vec<(String, String)>, String> {
        let provider = self.config.credentials_provider().ok_or("no credentials are configured")?;
        let credentials = provider.provide_credentials().await.map_err(|error| error.to_string())?;
        let identity = credentials.into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&region)
            .name("lambda")
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| error.to_string())?;
        let headers = [LATER, ("content-type", "application/json")];
        let body = SignableBody::Bytes(event.as_bytes());
        let signable = SignableRequest::new("POST", uri, headers.into_iter(), body)
            .map_err(|error| error.to_string())?;
        let (signed, _) = sign(signable, &parameters.into()).map_err(|error| error.to_string())?.into_parts();
        Ok(signed.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }
}

fn error_type(answer: &HttpResponse) -> String {
    let named = answer.headers().get("x-amzn-errortype").map(|name| format!(" {name}"));
    let body = answer.body().bytes().map(|body| String::from_utf8_lossy(body).into_owned());
    named.unwrap_or_default() + &body.map(|body| format!(": {body}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use throughline_aws::testing::Fake;

    fn functions(fake: &Fake) -> Functions {
        Functions { config: fake.config(), connector: fake.connector() }
    }

    #[tokio::test]
    async fn an_event_is_handed_over_signed_and_for_later() {
        let fake = Fake::new([(202, json!({}))]);
        let event = json!({ "detail": 1 }).to_string();
        functions(&fake).invoke_later("shop-confirm-order", &event).await.unwrap().unwrap();
        assert_eq!(fake.paths(), ["POST /2015-03-31/functions/shop-confirm-order/invocations"]);
        assert_eq!(fake.requests()[0], json!({ "detail": 1 }));
        assert_eq!(fake.header("x-amz-invocation-type").as_deref(), Some("Event"));
        let authorization = fake.header("authorization").unwrap();
        assert!(
            authorization.starts_with("AWS4-HMAC-SHA256") && authorization.contains("/eu-west-1/lambda/"),
            "{authorization}"
        );
    }

    #[tokio::test]
    async fn a_function_that_is_not_there_certainly_took_nothing() {
        let fake = Fake::new([(404, json!({ "Message": "Function not found" })), (500, json!({}))]);
        let refused = functions(&fake).invoke_later("nobody", "{}").await.unwrap().unwrap_err();
        assert!(refused.contains("404") && refused.contains("Function not found"), "{refused}");
        assert!(functions(&fake).invoke_later("nobody", "{}").await.is_err(), "after a 500 nobody knows");
    }
}
