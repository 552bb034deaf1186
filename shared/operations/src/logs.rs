//! The functions' logs in CloudWatch Logs.

use super::{
    OperateError,
    service::{Model, Protocol, Request, Service, Token, items},
};
use serde_json::{Value, json};
use throughline_aws::Clients;
use throughline_core::Timestamp;

static CLOUDWATCH_LOGS: Model = Model {
    id: "CloudWatch Logs",
    endpoint_prefix: "logs",
    protocol: Protocol::Json { target: "Logs_20140328", media_type: "application/x-amz-json-1.1" },
};

/// CloudWatch Logs.
///
/// ```no_run
/// # async fn example() -> Result<(), throughline_operations::OperateError> {
/// use throughline_aws::Clients;
/// use throughline_operations::{LogFilter, Logs};
/// let logs = Logs::of(&Clients::new()).await?;
/// let group = "/aws/lambda/shop-place-order";
/// for event in logs.events(group, LogFilter { since: None, pattern: Some("\"web-1001\"") }).await? {
///     println!("{}", event["message"]);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Logs {
    service: Service,
}

/// A filter of a log group's events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LogFilter<'a> {
    /// Only what was logged at this time or later.
    pub since: Option<Timestamp>,
    /// Only what this pattern matches ("Filter pattern syntax" of CloudWatch Logs).
    pub pattern: Option<&'a str>,
}

impl Logs {
    /// Those that these clients' configuration reaches.
    ///
    /// # Errors
    /// If it says no region, or holds no credentials.
    pub async fn of(clients: &Clients) -> Result<Self, OperateError> {
        Ok(Self { service: Service::new(clients.config().await, &CLOUDWATCH_LOGS)? })
    }

    /// Returns the events of a log group, all pages of them, as `FilterLogEvents` does: objects with `timestamp` in
    /// milliseconds since 1970, `message`, `eventId` and `logStreamName`. A group that is not there has none: Lambda makes
    /// a function's when it first runs.
    ///
    /// # Errors
    /// If CloudWatch Logs cannot be asked.
    pub async fn events(&self, group: &str, filter: LogFilter<'_>) -> Result<Vec<Value>, OperateError> {
        let mut parameters = json!({ "logGroupName": group });
        if let Some(since) = filter.since {
            parameters["startTime"] = since.as_millisecond().into();
        }
        if let Some(pattern) = filter.pattern {
            parameters["filterPattern"] = pattern.into();
        }
        let request = Request { operation: "FilterLogEvents", parameters };
        match self.service.pages(request, Token("nextToken")).await {
            Ok(pages) => Ok(items(pages, "events")),
            Err(error) if error.code.as_deref() == Some("ResourceNotFoundException") => Ok(Vec::new()),
            Err(error) => Err(error.into_error(format!("the logs {group} cannot be read"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use throughline_aws::testing::{Fake, error};

    async fn events(fake: &Fake, filter: LogFilter<'_>) -> Result<Vec<Value>, OperateError> {
        let logs = Logs::of(&Clients::from_config(fake.config())).await.unwrap();
        logs.events("/aws/lambda/shop-place-order", filter).await
    }

    #[tokio::test]
    async fn all_pages_of_a_group_are_read_even_after_one_that_is_empty() {
        let fake = Fake::new([
            (200, json!({ "events": [{ "message": "a" }], "nextToken": "2" })),
            (200, json!({ "events": [], "nextToken": "3" })),
            (200, json!({ "events": [{ "message": "b" }] })),
        ]);
        let since = Timestamp::from_millisecond(1_500).unwrap();
        let found = events(&fake, LogFilter { since: Some(since), pattern: Some("\"web-1001\"") }).await;
        assert_eq!(found.unwrap(), [json!({ "message": "a" }), json!({ "message": "b" })]);
        let asked = |token: Value| {
            let mut asked = json!({
                "logGroupName": "/aws/lambda/shop-place-order", "startTime": 1500, "filterPattern": "\"web-1001\"",
            });
            if token.is_string() {
                asked["nextToken"] = token;
            }
            asked
        };
        assert_eq!(fake.requests(), [asked(Value::Null), asked(json!("2")), asked(json!("3"))]);
        assert_eq!(fake.operations(), ["FilterLogEvents"; 3]);
    }

    #[tokio::test]
    async fn a_function_that_never_ran_has_no_logs() {
        let fake = Fake::new([error("ResourceNotFoundException", "The specified log group does not exist.")]);
        assert_eq!(events(&fake, LogFilter::default()).await, Ok(Vec::new()));
    }

    #[tokio::test]
    async fn what_may_not_be_read_is_an_error_that_names_the_group() {
        let fake =
            Fake::new([error("AccessDeniedException", "not authorized to perform: logs:FilterLogEvents")]);
        let said = events(&fake, LogFilter::default()).await.unwrap_err().to_string();
        assert_eq!(
            said,
            "the logs /aws/lambda/shop-place-order cannot be read: AccessDeniedException: not authorized to perform: \
             logs:FilterLogEvents"
        );
    }
}
