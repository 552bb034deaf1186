//! CloudWatch's metrics and alarms.

use super::{
    OperateError,
    service::{Model, Protocol, Request, Service, Token, items},
};
use serde_json::{Value, json};
use throughline_aws::Clients;
use throughline_core::Timestamp;

static CLOUDWATCH: Model = Model {
    id: "CloudWatch",
    endpoint_prefix: "monitoring",
    protocol: Protocol::Json {
        target: "GraniteServiceVersion20100801",
        media_type: "application/x-amz-json-1.0",
    },
};

/// CloudWatch.
#[derive(Debug, Clone)]
pub struct CloudWatch {
    service: Service,
}

impl CloudWatch {
    /// The one that these clients' configuration reaches.
    ///
    /// # Errors
    /// If it says no region, or holds no credentials.
    pub async fn of(clients: &Clients) -> Result<Self, OperateError> {
        Ok(Self { service: Service::new(clients.config().await, &CLOUDWATCH)? })
    }

    /// Returns the values of metrics from `start` to `end`, as `GetMetricData` does, all pages in one: an object with
    /// `MetricDataResults`, in which a query may have several. `queries` is its list `MetricDataQueries`, of at most 500.
    ///
    /// # Errors
    /// If CloudWatch cannot be asked.
    pub async fn metric_data(
        &self,
        start: Timestamp,
        end: Timestamp,
        queries: Value,
    ) -> Result<Value, OperateError> {
        // Times are seconds since 1970 in this protocol.
        let (start, end) = (start.as_second(), end.as_second());
        let parameters = json!({ "StartTime": start, "EndTime": end, "MetricDataQueries": queries });
        let request = Request { operation: "GetMetricData", parameters };
        let pages = self.service.pages(request, Token("NextToken")).await?;
        Ok(json!({ "MetricDataResults": items(pages, "MetricDataResults") }))
    }

    /// Returns the alarms on single metrics and on expressions whose names begin with a prefix, as `DescribeAlarms` does,
    /// all pages in one: an object with `MetricAlarms`.
    ///
    /// # Errors
    /// If CloudWatch cannot be asked.
    pub async fn alarms(&self, prefix: &str) -> Result<Value, OperateError> {
        let parameters = json!({ "AlarmTypes": ["MetricAlarm"], "AlarmNamePrefix": prefix });
        let request = Request { operation: "DescribeAlarms", parameters };
        let pages = self.service.pages(request, Token("NextToken")).await?;
        Ok(json!({ "MetricAlarms": items(pages, "MetricAlarms") }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use throughline_aws::testing::{Fake, error};

    async fn cloudwatch(fake: &Fake) -> CloudWatch {
        CloudWatch::of(&Clients::from_config(fake.config())).await.unwrap()
    }

    #[tokio::test]
    async fn values_are_asked_for_by_seconds_and_pages_are_put_together() {
        let page = |label: &str, next: Value| {
            (200, json!({ "MetricDataResults": [{ "Label": label, "Values": [1.5] }], "NextToken": next }))
        };
        let fake = Fake::new([page("a", json!("more")), page("b", Value::Null)]);
        let [start, end] =
            ["2026-01-01T11:00:00Z", "2026-01-01T12:00:00.9Z"].map(|time| time.parse::<Timestamp>().unwrap());
        let data = cloudwatch(&fake).await.metric_data(start, end, json!([{ "Id": "q0" }])).await.unwrap();
        let labels = data["MetricDataResults"].as_array().unwrap().iter().map(|result| &result["Label"]);
        assert_eq!(labels.collect::<Vec<_>>(), ["a", "b"]);
        let asked = &fake.requests()[0];
        assert_eq!(
            asked,
            &json!({
                "StartTime": 1_767_265_200, "EndTime": 1_767_268_800, "MetricDataQueries": [{ "Id": "q0" }],
            })
        );
        assert_eq!(fake.requests()[1]["NextToken"], "more");
        assert_eq!(
            fake.header("x-amz-target").as_deref(),
            Some("GraniteServiceVersion20100801.GetMetricData")
        );
    }

    #[tokio::test]
    async fn alarms_are_asked_for_by_their_prefix() {
        let fake = Fake::new([(200, json!({ "MetricAlarms": [{ "AlarmName": "shop-a" }] }))]);
        let alarms = cloudwatch(&fake).await.alarms("shop-").await.unwrap();
        assert_eq!(alarms["MetricAlarms"][0]["AlarmName"], "shop-a");
        assert_eq!(fake.requests(), [json!({ "AlarmTypes": ["MetricAlarm"], "AlarmNamePrefix": "shop-" })]);
    }

    #[tokio::test]
    async fn what_cloudwatch_refuses_is_an_error_with_its_reason() {
        let fake = Fake::new([error("AccessDenied", "no")]);
        let said = cloudwatch(&fake).await.alarms("shop-").await.unwrap_err().to_string();
        assert_eq!(said, "CloudWatch cannot be asked: AccessDenied: no");
    }
}
