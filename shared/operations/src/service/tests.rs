use super::*;
use aws_config::{Region, ecs::EcsCredentialsProvider, meta::credentials::CredentialsProviderChain};
use aws_sdk_sqs::config::SharedCredentialsProvider;
use serde_json::json;
use throughline_aws::testing::{Fake, error};

static MODEL: Model = Model {
    id: "CloudWatch Logs",
    endpoint_prefix: "logs",
    protocol: Protocol::Json { target: "Logs_20140328", media_type: "application/x-amz-json-1.1" },
};

fn request() -> Request {
    Request { operation: "FilterLogEvents", parameters: json!({ "logGroupName": "g" }) }
}

async fn asked(config: &SdkConfig) -> Result<Value, ServiceError> {
    Service::new(config, &MODEL).unwrap().ask(request()).await
}

#[tokio::test]
async fn a_request_is_signed_for_the_service_and_its_region() {
    let fake = Fake::new([(200, json!({ "events": [] }))]);
    assert_eq!(asked(&fake.config()).await, Ok(json!({ "events": [] })));
    let authorization = fake.header("authorization").unwrap();
    assert!(authorization.starts_with("AWS4-HMAC-SHA256"), "{authorization}");
    assert!(authorization.contains("/eu-west-1/logs/aws4_request"), "{authorization}");
    assert_eq!(fake.uris(), ["https://logs.eu-west-1.amazonaws.com/"]);
    assert_eq!(fake.header("x-amz-target").as_deref(), Some("Logs_20140328.FilterLogEvents"));
    assert_eq!(fake.header("content-type").as_deref(), Some("application/x-amz-json-1.1"));
}

#[tokio::test]
async fn a_configured_address_is_asked_in_place_of_aws() {
    let fake = Fake::new([(200, json!({}))]);
    let config = fake.config().into_builder().endpoint_url("http://127.0.0.1:4566").build();
    asked(&config).await.unwrap();
    assert_eq!(fake.uris(), ["http://127.0.0.1:4566/"]);
}

#[tokio::test]
async fn a_throttled_request_is_sent_again() {
    let throttled = || error("ThrottlingException", "Rate exceeded");
    let fake = Fake::new([throttled(), (503, json!({})), throttled(), (200, json!({ "events": [] }))]);
    assert_eq!(asked(&fake.config()).await, Ok(json!({ "events": [] })));
    assert_eq!(fake.requests().len(), 4);
}

#[tokio::test]
async fn a_request_that_stays_throttled_is_given_up_and_says_so() {
    let fake = Fake::new(std::iter::repeat_with(|| error("ThrottlingException", "Rate exceeded")).take(9));
    let said = asked(&fake.config()).await.unwrap_err();
    assert_eq!(said.reason, "ThrottlingException: Rate exceeded");
    assert_eq!(fake.requests().len(), 5);
}

#[tokio::test]
async fn a_refusal_is_not_sent_again_and_is_told_by_its_code_and_its_message() {
    let fake = Fake::new([error("com.amazonaws.logs#AccessDeniedException", "no")]);
    let said = asked(&fake.config()).await.unwrap_err();
    assert_eq!(said.code.as_deref(), Some("AccessDeniedException"));
    assert_eq!(said.reason, "AccessDeniedException: no");
}

#[tokio::test]
async fn an_answer_that_is_no_json_is_an_error_that_shows_its_beginning() {
    let fake = Fake::of_texts([(200, "<html>a proxy's page</html>".to_owned())]);
    let said = asked(&fake.config()).await.unwrap_err().reason;
    assert!(said.contains("the answer cannot be read") && said.contains("a proxy's page"), "{said}");
    let fake = Fake::of_texts([(404, "<html>nobody</html>".to_owned())]);
    let said = asked(&fake.config()).await.unwrap_err().reason;
    assert_eq!(said, "status 404: <html>nobody</html>");
}

#[tokio::test]
async fn without_credentials_it_says_how_to_get_them() {
    let fake = Fake::new([]);
    // No container gives this process any.
    let nobody = CredentialsProviderChain::first_try("Container", EcsCredentialsProvider::builder().build());
    let nobody = SharedCredentialsProvider::new(nobody);
    let config = fake.config().into_builder().credentials_provider(nobody).build();
    let said = asked(&config).await.unwrap_err().reason;
    assert_eq!(said, NO_CREDENTIALS);
    assert!(fake.requests().is_empty());
}

#[test]
fn without_a_region_it_says_how_to_name_one() {
    let said = Service::new(&SdkConfig::builder().build(), &MODEL).unwrap_err().to_string();
    assert!(said.contains("CloudWatch Logs") && said.contains("AWS_REGION"), "{said}");
    let config = SdkConfig::builder().region(Region::new("eu-west-1")).build();
    let said = Service::new(&config, &MODEL).unwrap_err().to_string();
    assert!(said.contains("aws sso login"), "{said}");
}

#[tokio::test]
async fn a_page_that_follows_itself_is_an_error_and_no_endless_loop() {
    let page = || (200, json!({ "events": [], "nextToken": "same" }));
    let fake = Fake::new([page(), page()]);
    let service = Service::new(&fake.config(), &MODEL).unwrap();
    let said = service.pages(request(), Token("nextToken")).await.unwrap_err().reason;
    assert!(said.contains("follows itself"), "{said}");
}

#[test]
fn what_somebody_set_for_all_services_is_heeded() {
    let config = |retries| SdkConfig::builder().retry_config(retries).build();
    assert_eq!(retries(&config(RetryConfig::standard())).max_attempts(), ATTEMPTS);
    assert_eq!(retries(&config(RetryConfig::standard().with_max_attempts(2))).max_attempts(), 2);
    assert_eq!(retries(&SdkConfig::builder().build()).max_attempts(), ATTEMPTS);
}
