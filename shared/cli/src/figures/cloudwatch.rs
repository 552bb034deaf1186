//! Figures and alarms from CloudWatch.

use super::samples::{Sample, Samples};
use crate::{
    cloud::stack::Stack,
    figures::{Source, Spread},
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use throughline_core::{
    Timestamp,
    metrics::{CATALOGUE, Metric, NAMESPACE, Unit},
};
use throughline_operations::{CloudWatch, OperateError};

/// Returns CloudWatch's metrics since a time, as `GetMetricData` answers them.
///
/// # Errors
/// If the request to CloudWatch fails.
pub(crate) async fn figures(
    stack: &Stack,
    stack_name: &str,
    since: Duration,
    now: Timestamp,
) -> Result<Value, OperateError> {
    let (start, period) = period(since, now);
    let queries = queries(&format!("{NAMESPACE}/{stack_name}"), period);
    CloudWatch::of(&stack.clients).await?.metric_data(start, now, queries).await
}

/// Returns the state of a stack's alarms, as `DescribeAlarms` answers it.
///
/// # Errors
/// If the request to CloudWatch fails.
pub(crate) async fn alarms(stack: &Stack, stack_name: &str) -> Result<Value, OperateError> {
    CloudWatch::of(&stack.clients).await?.alarms(&format!("{stack_name}-")).await
}

/// Returns the start and the length in seconds of a period that covers the time asked for. A period is a whole number
/// of minutes.
fn period(since: Duration, now: Timestamp) -> (Timestamp, u64) {
    let seconds = since.as_secs().div_ceil(60).max(1) * 60;
    (now - Duration::from_secs(seconds), seconds)
}

/// The separator of a label's parts, which no name of ours contains.
const SEPARATOR: char = '|';

/// Returns one search for each metric, statistic and set of dimensions. Each result is labelled with its dimensions
/// ("Using dynamic labels").
fn queries(namespace: &str, period: u64) -> Value {
    let mut queries = Vec::new();
    for metric in CATALOGUE {
        // The finest set contains all values, except those that exist only by handler.
        let Some(dimensions) = metric.dimensions.iter().max_by_key(|set| set.len()) else { continue };
        for statistic in statistics(*metric) {
            let names = dimensions.join(",");
            let search = format!(
                "SEARCH('{{\"{namespace}\",{names}}} MetricName=\"{}\"', '{statistic}', {period})",
                metric.name
            );
            let values: Vec<String> =
                dimensions.iter().map(|name| format!("{name}=${{PROP('Dim.{name}')}}")).collect();
            let label = [metric.name, statistic].map(str::to_owned).into_iter().chain(values);
            queries.push(json!({
                "Id": format!("q{}", queries.len()),
                "Expression": search,
                "Label": label.collect::<Vec<_>>().join(&SEPARATOR.to_string()),
            }));
        }
    }
    Value::Array(queries)
}

/// Returns the statistics of a metric that are shown.
fn statistics(metric: Metric) -> &'static [&'static str] {
    match metric.unit {
        Unit::Count => &["Sum", "SampleCount"],
        Unit::Milliseconds => &["p50", "p99"],
    }
}

/// The answer of `get-metric-data`: the samples found, by statistic.
#[derive(Debug, Default)]
pub(crate) struct Answer(BTreeMap<String, Samples>);

impl Answer {
    pub(crate) fn of(answer: &Value) -> Self {
        let mut by_statistic: BTreeMap<String, Vec<Sample>> = BTreeMap::new();
        for result in answer["MetricDataResults"].as_array().into_iter().flatten() {
            let mut parts = result["Label"].as_str().unwrap_or_default().split(SEPARATOR);
            let (Some(metric), Some(statistic)) = (parts.next(), parts.next()) else { continue };
            let dimensions = parts.filter_map(|part| part.split_once('='));
            let values = result["Values"].as_array().into_iter().flatten().filter_map(Value::as_f64);
            by_statistic.entry(statistic.to_owned()).or_default().push(Sample {
                metric: metric.to_owned(),
                at: Timestamp::UNIX_EPOCH,
                dimensions: dimensions.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
                values: values.collect(),
                function: String::new(),
            });
        }
        Self(
            by_statistic
                .into_iter()
                .map(|(statistic, samples)| (statistic, samples.into_iter().collect()))
                .collect(),
        )
    }

    fn by(&self, statistic: &str) -> Option<&Samples> {
        self.0.get(statistic)
    }

    /// Returns the greatest of the periods' values, because the time asked for may extend over two of them.
    fn greatest(&self, statistic: &str, metric: Metric, dimensions: &[(&str, &str)]) -> Option<f64> {
        self.by(statistic)?.values(metric, dimensions).reduce(f64::max)
    }
}

impl Source for Answer {
    fn pairs(&self, first: &'static str, second: &'static str) -> BTreeSet<(String, String)> {
        self.by("Sum").map(|samples| samples.pairs(first, second)).unwrap_or_default()
    }

    fn handlers(&self, metric: Metric) -> BTreeSet<String> {
        self.by("Sum").map(|samples| samples.handlers(metric)).unwrap_or_default()
    }

    fn sum(&self, metric: Metric, dimensions: &[(&str, &str)]) -> u64 {
        self.by("Sum").map(|samples| samples.sum(metric, dimensions)).unwrap_or_default()
    }

    fn count(&self, metric: Metric, dimensions: &[(&str, &str)]) -> u64 {
        self.by("SampleCount").map(|samples| samples.sum(metric, dimensions)).unwrap_or_default()
    }

    fn spread(&self, metric: Metric, dimensions: &[(&str, &str)]) -> Spread {
        Spread {
            p50: self.greatest("p50", metric, dimensions),
            p99: self.greatest("p99", metric, dimensions),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::Figures;

    #[test]
    fn cloudwatch_is_asked_for_every_metric_over_the_whole_time() {
        let now: Timestamp = "2026-01-01T12:00:00Z".parse().unwrap();
        let (start, seconds) = period(Duration::from_secs(3590), now);
        assert_eq!((start.to_string().as_str(), seconds), ("2026-01-01T11:00:00Z", 3600));
        let queries = queries("Throughline/shop", seconds);
        let queries = queries.as_array().unwrap();
        // `GetMetricData` takes at most 500.
        assert_eq!(queries.len(), CATALOGUE.len() * 2);
        assert!(queries.len() <= 500);
        assert_eq!(
            queries[0],
            json!({
                "Id": "q0",
                "Expression": "SEARCH('{\"Throughline/shop\",handler,eventtype} MetricName=\"Processed\"', 'Sum', 3600)",
                "Label": "Processed|Sum|handler=${PROP('Dim.handler')}|eventtype=${PROP('Dim.eventtype')}",
            })
        );
    }

    #[test]
    fn what_cloudwatch_answers_becomes_the_same_figures() {
        let result = |label: &str, values: &[f64]| json!({ "Label": label, "Values": values });
        let answer = json!({ "MetricDataResults": [
            result("Processed|Sum|handler=h|eventtype=t", &[3.0, 4.0]),
            result("HandlerDuration|p50|handler=h|eventtype=t", &[5.0]),
            result("HandlerDuration|p99|handler=h|eventtype=t", &[9.0, 8.0]),
            result("BatchSize|Sum|handler=h", &[7.0]),
            result("BatchSize|SampleCount|handler=h", &[2.0]),
            result("CommitRequests|Sum|handler=h", &[14.0]),
        ]});
        let figures = Figures::of(&Answer::of(&answer), None);
        let records = &figures.records[0];
        assert_eq!((records.processed, records.duration), (7, Spread { p50: Some(5.0), p99: Some(9.0) }));
        let invocations = &figures.invocations[0];
        assert_eq!((invocations.invocations, invocations.requests_per_record), (2, Some(2.0)));
    }
}
