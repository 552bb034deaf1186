//! The same from CloudWatch, through AWS's command line.

use super::samples::{Sample, Samples};
use crate::{
    cloud::stack::Stack,
    figures::{Source, Spread},
    project::Project,
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    process::Stdio,
    time::Duration,
};
use throughline_core::{
    Timestamp,
    metrics::{CATALOGUE, Metric, NAMESPACE, Unit},
};

/// CloudWatch's metrics since a time: what `get-metric-data` answers.
///
/// # Errors
/// A sentence, if the command line is not installed or says no.
pub(crate) fn figures(
    project: &Project,
    stack: &Stack,
    stack_name: &str,
    since: Duration,
    now: Timestamp,
) -> Result<Value, String> {
    ask(project, stack, &figures_arguments(stack_name, since, now))
}

/// The state of a stack's alarms: what `describe-alarms` answers.
///
/// # Errors
/// A sentence, if the command line is not installed or says no.
pub(crate) fn alarms(project: &Project, stack: &Stack, stack_name: &str) -> Result<Value, String> {
    ask(project, stack, &alarms_arguments(stack_name))
}

fn ask(project: &Project, stack: &Stack, arguments: &[String]) -> Result<Value, String> {
    let mut command = stack.place().aws_command_line(project)?;
    let output = command.args(arguments).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("AWS's command line cannot be run: {error}"))?;
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(format!("CloudWatch cannot be asked: {reason}"));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| format!("CloudWatch's answer is no JSON: {error}"))
}

fn alarms_arguments(stack: &str) -> Vec<String> {
    let prefix = format!("{stack}-");
    [
        "cloudwatch",
        "describe-alarms",
        "--output",
        "json",
        "--alarm-types",
        "MetricAlarm",
        "--alarm-name-prefix",
        &prefix,
    ]
    .map(str::to_owned)
    .into()
}

fn figures_arguments(stack: &str, since: Duration, now: Timestamp) -> Vec<String> {
    // A period is a whole number of minutes, and holds all of the time asked for.
    let minutes = since.as_secs().div_ceil(60).max(1);
    let start = now - Duration::from_secs(minutes * 60);
    let queries = queries(&format!("{NAMESPACE}/{stack}"), minutes * 60).to_string();
    let (start, end) = (start.to_string(), now.to_string());
    [
        "cloudwatch",
        "get-metric-data",
        "--output",
        "json",
        "--start-time",
        &start,
        "--end-time",
        &end,
        "--metric-data-queries",
        &queries,
    ]
    .map(str::to_owned)
    .into()
}

/// What separates the parts of a label; no name of ours holds it.
const SEPARATOR: char = '|';

/// One search for each metric, statistic and set of dimensions. What is found labels itself by its dimensions
/// ("Using dynamic labels").
fn queries(namespace: &str, period: u64) -> Value {
    let mut queries = Vec::new();
    for metric in CATALOGUE {
        // The finest set holds all there is, but for what is only there by handler.
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

/// Which statistics of a metric are shown.
fn statistics(metric: Metric) -> &'static [&'static str] {
    match metric.unit {
        Unit::Count => &["Sum", "SampleCount"],
        Unit::Milliseconds => &["p50", "p99"],
    }
}

/// What `get-metric-data` answered: by statistic, samples of what was found.
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

    /// The greatest of what the periods say: all of the time may touch two of them.
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
        let arguments = figures_arguments("shop", Duration::from_secs(3590), now);
        assert_eq!(
            arguments[..9],
            [
                "cloudwatch",
                "get-metric-data",
                "--output",
                "json",
                "--start-time",
                "2026-01-01T11:00:00Z",
                "--end-time",
                "2026-01-01T12:00:00Z",
                "--metric-data-queries",
            ]
        );
        let queries: Value = serde_json::from_str(&arguments[9]).unwrap();
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

    #[test]
    fn the_alarms_of_one_stack_are_asked_for() {
        let arguments = alarms_arguments("shop");
        assert_eq!(arguments[..2], ["cloudwatch", "describe-alarms"]);
        assert_eq!(arguments[6..], ["--alarm-name-prefix", "shop-"]);
    }
}
