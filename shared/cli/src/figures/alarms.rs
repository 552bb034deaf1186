//! Evaluates the template's alarms as CloudWatch does on AWS.

mod data;
mod definition;

use super::{expression::evaluate, samples::percentile};
use crate::{
    cloud::{logs::LogLine, stack::Stack},
    project::{Project, template::Template},
};
use data::{Data, Series};
use definition::{Alarm, Measure, Resolver, Statistic};
use serde::Serialize;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    fmt,
    time::Duration,
};
use throughline_core::Timestamp;

/// The longest time that an alarm looks back. CloudWatch evaluates at most a day; our alarms need less.
pub(crate) const LONGEST_LOOK_BACK: Duration = Duration::from_hours(1);

/// The states of a stack's alarms.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct AlarmReport {
    pub(crate) alarms: Vec<Judged>,
}

/// An alarm and its state.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Judged {
    pub(crate) alarm: String,
    pub(crate) state: State,
    /// The figures, or the reason that there are none.
    pub(crate) because: String,
    /// The alarm's description, which says what to do.
    pub(crate) what_to_do: String,
}

/// The state of an alarm, named as in CloudWatch except for `INSUFFICIENT_DATA`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) enum State {
    #[serde(rename = "OK")]
    Ok,
    #[serde(rename = "ALARM")]
    Alarm,
    #[serde(rename = "no data")]
    NoData,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ok => "OK",
            Self::Alarm => "ALARM",
            Self::NoData => "no data",
        })
    }
}

/// Alarms with the data that they are evaluated on.
pub(crate) struct Evaluation {
    alarms: Vec<Alarm>,
    data: Data,
    now: Timestamp,
}

impl Evaluation {
    pub(crate) async fn prepare(
        project: &Project,
        template: &Template,
        stack: &Stack,
        stack_name: &str,
        lines: &[LogLine],
        now: Timestamp,
    ) -> Result<Self, Box<dyn Error>> {
        let resolver = Resolver::of(project, template, stack, stack_name)?;
        let alarms: Vec<Alarm> = template
            .of_type("AWS::CloudWatch::Alarm")
            .map(|(name, properties)| Alarm::of(name, properties, &resolver))
            .collect::<Result<_, _>>()?;
        let data = Data::of(template, stack, &resolver, lines).await?;
        Ok(Self { alarms, data, now })
    }

    /// Returns the state of each alarm of a handler, or of all.
    pub(crate) fn report(&self, handler: Option<&str>) -> AlarmReport {
        let is_wanted = |alarm: &&Alarm| handler.is_none_or(|handler| alarm.name.contains(handler));
        AlarmReport { alarms: self.alarms.iter().filter(is_wanted).map(|alarm| self.judge(alarm)).collect() }
    }

    fn judge(&self, alarm: &Alarm) -> Judged {
        let (state, because) = match self.points(alarm) {
            Err(why) => (State::NoData, why),
            Ok(points) => {
                let breaching =
                    points.iter().flatten().filter(|point| alarm.comparison.holds(**point, alarm.threshold));
                let state =
                    if breaching.count() >= alarm.breaching_datapoints { State::Alarm } else { State::Ok };
                (state, because(alarm, &points))
            }
        };
        Judged { alarm: alarm.name.clone(), state, because, what_to_do: alarm.description.clone() }
    }

    /// Returns the value in each period that the alarm looks at, the latest first.
    fn points(&self, alarm: &Alarm) -> Result<Vec<Option<f64>>, String> {
        let periods = 0..alarm.evaluation_periods;
        match &alarm.measure {
            Measure::Metric(metric) => {
                let series = self.data.series(metric)?;
                Ok(periods
                    .map(|period| self.point(&series, metric.statistic, alarm.period, period))
                    .collect())
            }
            Measure::Math { expressions, metrics, result } => {
                let series: BTreeMap<&str, (Series, Statistic)> = metrics
                    .iter()
                    .map(|(id, metric)| Ok((id.as_str(), (self.data.series(metric)?, metric.statistic))))
                    .collect::<Result<_, String>>()?;
                periods
                    .map(|period| {
                        let metric = |id: &str| {
                            let (series, statistic) = series.get(id)?;
                            self.point(series, *statistic, alarm.period, period)
                        };
                        value_of(result, expressions, &metric)
                    })
                    .collect()
            }
        }
    }

    fn point(&self, series: &Series, statistic: Statistic, length: Duration, period: u32) -> Option<f64> {
        let values = match series {
            // The value is of this moment, and no earlier value is known.
            Series::Now(value) => return (period == 0).then_some(*value),
            Series::Over(values) => values,
        };
        let end = self.now.saturating_sub(length * period).ok()?;
        let start = end.saturating_sub(length).ok()?;
        let values: Vec<f64> =
            values.iter().filter(|(at, _)| *at > start && *at <= end).map(|(_, value)| *value).collect();
        statistic.of(&values)
    }
}

/// Returns the value of the named expression, which may refer to metrics and other expressions.
fn value_of(
    id: &str,
    expressions: &BTreeMap<String, String>,
    metric: &dyn Fn(&str) -> Option<f64>,
) -> Result<Option<f64>, String> {
    let Some(text) = expressions.get(id) else { return Ok(metric(id)) };
    evaluate(text, &|inner: &str| {
        if expressions.contains_key(inner) && inner != id {
            value_of(inner, expressions, metric).ok().flatten()
        } else {
            metric(inner)
        }
    })
}

fn because(alarm: &Alarm, points: &[Option<f64>]) -> String {
    let shown = |point: &Option<f64>| point.map_or_else(|| "-".to_owned(), |value| format!("{value:.0}"));
    let points: Vec<String> = points.iter().map(shown).collect();
    format!("{} {} {}", points.join(", "), alarm.comparison.sign(), alarm.threshold)
}

impl Statistic {
    fn of(self, values: &[f64]) -> Option<f64> {
        match self {
            _ if values.is_empty() => None,
            Self::Sum => Some(values.iter().sum()),
            Self::Maximum => values.iter().copied().reduce(f64::max),
            Self::Percentile(percent) => percentile(values, percent),
        }
    }
}

/// Returns the names of a stack's alarms.
///
/// # Errors
/// A sentence, if a file of parameters cannot be read.
pub(crate) fn names(
    project: &Project,
    template: &Template,
    stack: &Stack,
    stack_name: &str,
) -> Result<BTreeSet<String>, String> {
    let resolver = Resolver::of(project, template, stack, stack_name)?;
    let alarms = template.of_type("AWS::CloudWatch::Alarm");
    Ok(alarms.filter_map(|(_, properties)| resolver.text(&properties["AlarmName"])).collect())
}

impl AlarmReport {
    /// Returns CloudWatch's answer (`describe-alarms`) on the alarms of a stack. The request filters by a prefix, which
    /// another stack's alarms may share, so `names` filters again.
    pub(crate) fn of_cloudwatch(answer: &Value, names: &BTreeSet<String>, handler: Option<&str>) -> Self {
        let text = |alarm: &Value, name: &str| alarm[name].as_str().unwrap_or_default().to_owned();
        let judged = |alarm: &Value| Judged {
            alarm: text(alarm, "AlarmName"),
            state: match alarm["StateValue"].as_str() {
                Some("OK") => State::Ok,
                Some("ALARM") => State::Alarm,
                _ => State::NoData,
            },
            because: text(alarm, "StateReason"),
            what_to_do: text(alarm, "AlarmDescription"),
        };
        let alarms = answer["MetricAlarms"].as_array().into_iter().flatten().map(judged);
        let is_wanted = |alarm: &Judged| {
            names.contains(&alarm.alarm) && handler.is_none_or(|handler| alarm.alarm.contains(handler))
        };
        Self { alarms: alarms.filter(is_wanted).collect() }
    }
}

#[cfg(test)]
mod tests;
