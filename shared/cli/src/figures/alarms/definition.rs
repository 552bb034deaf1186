//! An alarm as the template declares it, with everything in it resolved.

use crate::{
    cloud::{place::Place, stack::Stack},
    project::{Project, template::Template},
};
use serde_json::Value;
use std::{collections::BTreeMap, fs, time::Duration};

/// An alarm with its measure, periods and threshold.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Alarm {
    pub(super) name: String,
    pub(super) description: String,
    pub(super) measure: Measure,
    pub(super) period: Duration,
    pub(super) evaluation_periods: u32,
    pub(super) breaching_datapoints: usize,
    pub(super) comparison: Comparison,
    pub(super) threshold: f64,
}

/// The value that an alarm watches.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Measure {
    Metric(MetricStatistic),
    /// A value computed from several metrics: expressions and metrics by id, and the id of the result.
    Math {
        expressions: BTreeMap<String, String>,
        metrics: BTreeMap<String, MetricStatistic>,
        result: String,
    },
}

/// A metric with the statistic of its values.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct MetricStatistic {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) dimensions: Vec<(String, String)>,
    pub(super) statistic: Statistic,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Statistic {
    Sum,
    Maximum,
    Percentile(f64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Greater,
    GreaterOrEqual,
}

impl Comparison {
    pub(super) fn holds(self, value: f64, threshold: f64) -> bool {
        match self {
            Self::Greater => value > threshold,
            Self::GreaterOrEqual => value >= threshold,
        }
    }

    pub(super) fn sign(self) -> &'static str {
        match self {
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }
}

impl Alarm {
    /// # Errors
    /// A sentence that names the alarm and the part of it that is not understood.
    pub(super) fn of(logical_id: &str, properties: &Value, resolver: &Resolver) -> Result<Self, String> {
        let wrong = |what: &str| format!("infra/template.yaml: alarm {logical_id}: {what} is not understood");
        let number = |name: &str| resolver.number(&properties[name]);
        let (measure, period) = match properties["Metrics"].as_array() {
            None => {
                let period = number("Period").ok_or_else(|| wrong("Period"))?;
                let statistic = [&properties["Statistic"], &properties["ExtendedStatistic"]];
                let metric = metric(properties, statistic, resolver).ok_or_else(|| wrong("its metric"))?;
                (Measure::Metric(metric), period)
            }
            Some(queries) => math(queries, resolver).ok_or_else(|| wrong("Metrics"))?,
        };
        let evaluation_periods = number("EvaluationPeriods").ok_or_else(|| wrong("EvaluationPeriods"))?;
        let datapoints = number("DatapointsToAlarm").unwrap_or(evaluation_periods);
        Ok(Self {
            name: resolver.text(&properties["AlarmName"]).unwrap_or_else(|| logical_id.to_owned()),
            description: resolver.text(&properties["AlarmDescription"]).unwrap_or_default(),
            measure,
            period: Duration::from_secs_f64(period),
            evaluation_periods: whole(evaluation_periods),
            breaching_datapoints: usize::try_from(whole(datapoints)).unwrap_or(usize::MAX),
            comparison: match properties["ComparisonOperator"].as_str() {
                Some("GreaterThanThreshold") => Comparison::Greater,
                Some("GreaterThanOrEqualToThreshold") => Comparison::GreaterOrEqual,
                _ => return Err(wrong("ComparisonOperator")),
            },
            threshold: number("Threshold").ok_or_else(|| wrong("Threshold"))?,
        })
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a number of periods, which is small"
)]
fn whole(number: f64) -> u32 {
    number as u32
}

fn metric(metric: &Value, statistics: [&Value; 2], resolver: &Resolver) -> Option<MetricStatistic> {
    let dimension =
        |dimension: &Value| Some((resolver.text(&dimension["Name"])?, resolver.text(&dimension["Value"])?));
    let dimensions = metric["Dimensions"].as_array().into_iter().flatten().map(dimension);
    Some(MetricStatistic {
        namespace: resolver.text(&metric["Namespace"])?,
        name: resolver.text(&metric["MetricName"])?,
        dimensions: dimensions.collect::<Option<_>>()?,
        statistic: statistics.into_iter().find_map(|statistic| self::statistic(statistic.as_str()?))?,
    })
}

fn statistic(name: &str) -> Option<Statistic> {
    match name {
        "Sum" => Some(Statistic::Sum),
        "Maximum" => Some(Statistic::Maximum),
        other => other.strip_prefix('p')?.parse().ok().map(Statistic::Percentile),
    }
}

fn math(queries: &[Value], resolver: &Resolver) -> Option<(Measure, f64)> {
    let (mut expressions, mut metrics) = (BTreeMap::new(), BTreeMap::new());
    let (mut result, mut period) = (None, None);
    for query in queries {
        let id = query["Id"].as_str()?.to_owned();
        if query["ReturnData"] != false {
            result = Some(id.clone());
        }
        let of_metric = &query["MetricStat"];
        if let Some(expression) = resolver.text(&query["Expression"]) {
            expressions.insert(id, expression);
        } else {
            period = period.or(resolver.number(&of_metric["Period"]));
            let statistic = &of_metric["Stat"];
            metrics.insert(id, metric(&of_metric["Metric"], [statistic, &Value::Null], resolver)?);
        }
    }
    Some((Measure::Math { expressions, metrics, result: result? }, period?))
}

/// Resolves a template's references: parameters to their deployed values, and resources to the stack's outputs.
#[derive(Debug, Clone, Default)]
pub(super) struct Resolver {
    pub(super) known: BTreeMap<String, String>,
}

impl Resolver {
    pub(super) fn of(
        project: &Project,
        template: &Template,
        stack: &Stack,
        stack_name: &str,
    ) -> Result<Self, String> {
        let mut known = BTreeMap::from([("AWS::StackName".to_owned(), stack_name.to_owned())]);
        let defaults = template.parameters().map(|(name, parameter)| (name, &parameter["Default"]));
        known.extend(defaults.filter_map(|(name, value)| Some((name.to_owned(), plain(value)?))));
        if matches!(stack.place(), Place::Local { .. }) {
            let path = project.root().join("infra/local.parameters.json");
            let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
            let parameters: BTreeMap<String, String> =
                serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
            known.extend(parameters);
        }
        for (name, _) in template.resources() {
            if let Ok(value) = stack.output(name) {
                known.insert(name.to_owned(), value.to_owned());
            }
            if let Ok(url) = stack.output(&format!("{name}Url")) {
                known.insert(format!("{name}.QueueName"), url.rsplit('/').next().unwrap_or(url).to_owned());
            }
        }
        Ok(Self { known })
    }

    pub(super) fn number(&self, value: &Value) -> Option<f64> {
        self.text(value)?.parse().ok()
    }

    /// Returns a value as text after its intrinsic function is resolved, or `None` if that needs an unknown value.
    pub(super) fn text(&self, value: &Value) -> Option<String> {
        if let Some(plain) = plain(value) {
            return Some(plain);
        }
        let (function, argument) = value.as_object()?.iter().next()?;
        match (function.as_str(), argument) {
            ("Ref", Value::String(name)) => self.known.get(name).cloned(),
            ("Fn::GetAtt", Value::Array(path)) => {
                let path: Vec<&str> = path.iter().filter_map(Value::as_str).collect();
                self.known.get(&path.join(".")).cloned()
            }
            ("Fn::Sub", Value::String(text)) => self.substituted(text),
            _ => None,
        }
    }

    fn substituted(&self, text: &str) -> Option<String> {
        let mut parts = text.split("${");
        let mut out = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (name, rest) = part.split_once('}')?;
            out += self.known.get(name)?;
            out += rest;
        }
        Some(out)
    }
}

fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}
