//! The data of alarms, as far as a local cloud has it.

use super::{
    super::samples::Samples,
    definition::{MetricStatistic, Resolver},
};
use crate::{
    cloud::{logs::LogLine, stack::Stack},
    project::template::Template,
};
use std::{collections::BTreeMap, error::Error};
use throughline_core::{
    Timestamp,
    metrics::{ENTRY_AGE, NAMESPACE},
};
use throughline_operations as operate;
use throughline_operations::executions::{self, Ending};

/// The values of a metric.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Series {
    /// The value at present.
    Now(f64),
    /// The values over time, each with its time.
    Over(Vec<(Timestamp, f64)>),
}

/// The data that all alarms of a stack need.
#[derive(Debug, Clone, Default)]
pub(super) struct Data {
    pub(super) samples: Samples,
    /// The failed invocations, by function.
    pub(super) errors: BTreeMap<String, Vec<(Timestamp, f64)>>,
    /// The values that metric filters extract from the logs, by namespace and metric.
    pub(super) filtered: BTreeMap<(String, String), Vec<(Timestamp, f64)>>,
    /// The number of messages in each queue, by the queue's name.
    pub(super) queues: BTreeMap<String, f64>,
    /// The ends of executions, by the state machine's ARN and the metric's name.
    pub(super) executions: BTreeMap<(String, &'static str), Vec<(Timestamp, f64)>>,
}

/// Step Functions' metrics of ended executions, each with the kind of end that it counts.
const ENDINGS: [(&str, Ending); 3] = [
    ("ExecutionsFailed", Ending::Failed),
    ("ExecutionsTimedOut", Ending::TimedOut),
    ("ExecutionsAborted", Ending::Aborted),
];

impl Data {
    pub(super) async fn of(
        template: &Template,
        stack: &Stack,
        resolver: &Resolver,
        lines: &[LogLine],
    ) -> Result<Self, Box<dyn Error>> {
        let mut data = Self { samples: Samples::of(lines), ..Self::default() };
        data.errors = errors(stack, lines);
        data.filtered = filtered(template, resolver, lines);
        let sqs = stack.clients.sqs().await;
        for url in stack.dead_letter_queues().map(|(_, url)| url).chain(stack.work_queues()) {
            let name = url.rsplit('/').next().unwrap_or(url).to_owned();
            #[expect(clippy::cast_precision_loss, reason = "no queue holds that many")]
            data.queues.insert(name, operate::depth(sqs, url).await?.waiting as f64);
        }
        for (name, _) in template.of_type("AWS::StepFunctions::StateMachine") {
            if let Ok(arn) = stack.output(name) {
                for (metric, ending) in ENDINGS {
                    let ended = executions::ended(stack.clients.sfn().await, arn, ending).await?;
                    let ended = ended.into_iter().map(|at| (at, 1.0)).collect();
                    data.executions.insert((arn.to_owned(), metric), ended);
                }
            }
        }
        Ok(data)
    }

    /// The values of a metric.
    ///
    /// # Errors
    /// The reason that it is not known on a local cloud.
    pub(super) fn series(&self, metric: &MetricStatistic) -> Result<Series, String> {
        let MetricStatistic { namespace, name, dimensions, .. } = metric;
        let dimension = |wanted: &str| {
            let found = dimensions.iter().find(|(name, _)| name == wanted);
            found.map(|(_, value)| value.as_str()).unwrap_or_default()
        };
        match (namespace.as_str(), name.as_str()) {
            ("AWS/SQS", "ApproximateNumberOfMessagesVisible") => {
                let queue = dimension("QueueName");
                let depth = self.queues.get(queue).copied();
                depth.map(Series::Now).ok_or_else(|| format!("the stack has no output for the queue {queue}"))
            }
            ("AWS/Lambda", "Errors") => {
                Ok(Series::Over(self.errors.get(dimension("FunctionName")).cloned().unwrap_or_default()))
            }
            // Lambda reports the age for the stream; locally, the relay reports it for its entries.
            ("AWS/Lambda", "IteratorAge") => {
                Ok(Series::Over(self.values(ENTRY_AGE.name, &[], Some(dimension("FunctionName")))))
            }
            ("AWS/States", ending) => {
                let of_machine = |((arn, name), _): &(&(String, &str), &Vec<_>)| {
                    arn == dimension("StateMachineArn") && *name == ending
                };
                let found = self.executions.iter().find(of_machine).map(|(_, values)| values.clone());
                found.map(Series::Over).ok_or_else(|| format!("a local cloud does not tell {name}"))
            }
            (namespace, name) if namespace.starts_with(NAMESPACE) => {
                let by: Vec<(&str, &str)> =
                    dimensions.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
                Ok(Series::Over(self.values(name, &by, None)))
            }
            _ => {
                let filtered = self.filtered.get(&(namespace.clone(), name.clone())).cloned();
                filtered
                    .map(Series::Over)
                    .ok_or_else(|| format!("a local cloud does not tell {namespace} {name}"))
            }
        }
    }

    fn values(&self, metric: &str, by: &[(&str, &str)], function: Option<&str>) -> Vec<(Timestamp, f64)> {
        let of_it = self.samples.all().filter(|sample| {
            sample.metric == metric
                && sample.is_by(by)
                && function.is_none_or(|function| function == sample.function)
        });
        of_it.flat_map(|sample| sample.values.iter().map(|value| (sample.at, *value))).collect()
    }
}

/// Returns the failed invocations, which functions record in their logs.
fn errors(stack: &Stack, lines: &[LogLine]) -> BTreeMap<String, Vec<(Timestamp, f64)>> {
    let mut errors: BTreeMap<String, Vec<_>> =
        stack.functions().map(|name| (name.to_owned(), Vec::new())).collect();
    for line in lines.iter().filter(|line| line.fields["message"] == "the invocation failed") {
        errors.entry(line.function.clone()).or_default().push((line.at, 1.0));
    }
    errors
}

/// Returns the values that the template's metric filters extract from the logs.
fn filtered(
    template: &Template,
    resolver: &Resolver,
    lines: &[LogLine],
) -> BTreeMap<(String, String), Vec<(Timestamp, f64)>> {
    let mut filtered = BTreeMap::new();
    for (_, properties) in template.of_type("AWS::Logs::MetricFilter") {
        let Some((field, value)) = properties["FilterPattern"].as_str().and_then(pattern) else { continue };
        let found = lines.iter().filter(|line| line.fields[field] == value);
        let found: Vec<(Timestamp, f64)> = found.map(|line| (line.at, 1.0)).collect();
        for transformation in properties["MetricTransformations"].as_array().into_iter().flatten() {
            let name = |name: &str| resolver.text(&transformation[name]).unwrap_or_default();
            filtered.insert((name("MetricNamespace"), name("MetricName")), found.clone());
        }
    }
    filtered
}

/// Returns the field and the text of a filter pattern such as `{ $.error_type = "Saga.NotUnderstood" }`.
pub(super) fn pattern(text: &str) -> Option<(&str, &str)> {
    let (field, value) = text.trim().strip_prefix('{')?.strip_suffix('}')?.split_once('=')?;
    Some((field.trim().strip_prefix("$.")?, value.trim().strip_prefix('"')?.strip_suffix('"')?))
}
