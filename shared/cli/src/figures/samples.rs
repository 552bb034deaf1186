//! Lines in the embedded metric format, read as CloudWatch reads them.

use crate::cloud::logs::LogLine;
use serde_json::Value;
use std::collections::BTreeMap;
use throughline_core::{Timestamp, metrics::Metric};

/// The samples of all metrics that were read.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Samples(Vec<Sample>);

/// The values of one metric in one line.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sample {
    pub(crate) metric: String,
    pub(crate) at: Timestamp,
    /// The values of all dimensions in any of the line's sets.
    pub(crate) dimensions: BTreeMap<String, String>,
    pub(crate) values: Vec<f64>,
    /// The name of the function that logged it.
    pub(crate) function: String,
}

impl Samples {
    /// Reads the samples in lines of logs. Lines without metrics are skipped.
    pub(crate) fn of(lines: &[LogLine]) -> Self {
        Self(lines.iter().flat_map(read).collect())
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Sample> {
        self.0.iter()
    }

    /// Returns every value of a metric whose sample has these dimensions, among others.
    pub(crate) fn values<'a>(
        &'a self,
        metric: Metric,
        dimensions: &'a [(&'a str, &'a str)],
    ) -> impl Iterator<Item = f64> + 'a {
        self.0
            .iter()
            .filter(move |sample| sample.metric == metric.name && sample.is_by(dimensions))
            .flat_map(|sample| sample.values.iter().copied())
    }
}

impl FromIterator<Sample> for Samples {
    fn from_iter<I: IntoIterator<Item = Sample>>(samples: I) -> Self {
        Self(samples.into_iter().collect())
    }
}

impl Sample {
    pub(crate) fn is_by(&self, dimensions: &[(&str, &str)]) -> bool {
        dimensions.iter().all(|(name, value)| self.dimensions.get(*name).is_some_and(|found| found == value))
    }
}

fn read(line: &LogLine) -> Vec<Sample> {
    let fields = &line.fields;
    let metadata = &fields["_aws"];
    let Some(at) = metadata["Timestamp"].as_i64().and_then(|at| Timestamp::from_millisecond(at).ok()) else {
        return Vec::new();
    };
    let mut samples = Vec::new();
    for directive in metadata["CloudWatchMetrics"].as_array().into_iter().flatten() {
        let sets = directive["Dimensions"].as_array().into_iter().flatten();
        let names = sets.flat_map(|set| set.as_array().into_iter().flatten()).filter_map(Value::as_str);
        let dimensions: BTreeMap<String, String> =
            names.filter_map(|name| Some((name.to_owned(), fields[name].as_str()?.to_owned()))).collect();
        let metrics = directive["Metrics"].as_array().into_iter().flatten();
        for metric in metrics.filter_map(|metric| metric["Name"].as_str()) {
            samples.push(Sample {
                metric: metric.to_owned(),
                at,
                dimensions: dimensions.clone(),
                values: numbers(&fields[metric]),
                function: line.function.clone(),
            });
        }
    }
    samples
}

fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(numbers) => numbers.iter().filter_map(Value::as_f64).collect(),
        number => number.as_f64().into_iter().collect(),
    }
}

/// Returns the value at a percentile (nearest rank), or `None` if there are no values.
pub(crate) fn percentile(values: &[f64], percent: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the rank is between nothing and a number of values"
    )]
    let rank = (percent / 100.0 * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use serde_json::json;

    /// Returns a log line with these metrics at a time.
    pub(crate) fn line(at: Timestamp, fields: Value) -> LogLine {
        let dimensions: Vec<&str> =
            ["handler", "eventtype", "step"].into_iter().filter(|name| fields.get(name).is_some()).collect();
        let metrics: Vec<Value> = fields
            .as_object()
            .unwrap()
            .iter()
            .filter(|(_, value)| !value.is_string())
            .map(|(name, _)| json!({ "Name": name, "Unit": "Count" }))
            .collect();
        let mut fields = fields;
        fields["_aws"] = json!({
            "Timestamp": at.as_millisecond(),
            "CloudWatchMetrics": [{ "Namespace": "Throughline", "Dimensions": [dimensions], "Metrics": metrics }],
        });
        LogLine::of_json(at, "shop-f", fields)
    }

    #[test]
    fn what_is_no_metric_is_passed_over() {
        let fields = json!({ "message": "done", "Processed": 1 });
        let text = LogLine::of_json(Timestamp::UNIX_EPOCH, "f", fields);
        assert_eq!(Samples::of(&[text]), Samples::default());
    }

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let values = [5.0, 1.0, 4.0, 2.0, 3.0];
        assert_eq!(percentile(&values, 50.0), Some(3.0));
        assert_eq!(percentile(&values, 99.0), Some(5.0));
        assert_eq!(percentile(&values, 1.0), Some(1.0));
        assert_eq!(percentile(&[], 50.0), None);
    }
}
