//! The figures of a stack's functions, and the alarms that they raise.

pub(crate) mod alarms;
pub(crate) mod cloudwatch;
mod expression;
pub(crate) mod samples;

use samples::{Samples, percentile};
use serde::Serialize;
use std::collections::BTreeSet;
use throughline_core::metrics::{
    BATCH_SIZE, COLD_START, COMMIT_REQUESTS, DEAD_LETTERED, DUPLICATES, ENTRY_AGE, EVENT_AGE, EVENT_TYPE,
    HANDLER, HANDLER_DURATION, Metric, NOT_PUBLISHED, PROCESSED, PUBLISHED, REJECTED, RELAY, RETRIES,
    SAGAS_COMPENSATED, STEP, STEP_DURATION, STEPS_DONE, STEPS_FAILED, STEPS_REJECTED, STEPS_RETRIED,
    STEPS_UNDONE,
};

/// The figures of a stack. Times are in milliseconds.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Figures {
    /// The figures of records, by handler and event type.
    pub(crate) records: Vec<OfRecords>,
    /// The figures of invocations, by handler.
    pub(crate) invocations: Vec<OfInvocations>,
    pub(crate) relay: Option<OfRelay>,
    /// The figures of steps, by saga and step.
    pub(crate) steps: Vec<OfSteps>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct OfRecords {
    pub(crate) handler: String,
    pub(crate) event_type: String,
    pub(crate) processed: u64,
    pub(crate) duplicates: u64,
    pub(crate) retries: u64,
    pub(crate) rejected: u64,
    pub(crate) duration: Spread,
    pub(crate) age: Spread,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct OfInvocations {
    pub(crate) handler: String,
    pub(crate) invocations: u64,
    pub(crate) records: u64,
    pub(crate) commit_requests: u64,
    pub(crate) requests_per_record: Option<f64>,
    pub(crate) cold_starts: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct OfRelay {
    pub(crate) published: u64,
    pub(crate) not_published: u64,
    pub(crate) dead_lettered: u64,
    pub(crate) age: Spread,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct OfSteps {
    pub(crate) saga: String,
    pub(crate) step: String,
    pub(crate) done: u64,
    pub(crate) undone: u64,
    pub(crate) rejected: u64,
    pub(crate) retried: u64,
    pub(crate) failed: u64,
    pub(crate) compensated: u64,
    pub(crate) duration: Spread,
}

/// The median and the 99th percentile of the measured values.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub(crate) struct Spread {
    pub(crate) p50: Option<f64>,
    pub(crate) p99: Option<f64>,
}

/// The source of figures: samples of our own, or CloudWatch's statistics of them.
pub(crate) trait Source {
    /// Returns every combination of values that two dimensions have together.
    fn pairs(&self, first: &'static str, second: &'static str) -> BTreeSet<(String, String)>;
    /// Returns every value of the handler dimension for which a metric exists.
    fn handlers(&self, metric: Metric) -> BTreeSet<String>;
    /// Returns the sum of a metric's values.
    fn sum(&self, metric: Metric, dimensions: &[(&str, &str)]) -> u64;
    /// Returns the number of a metric's values.
    fn count(&self, metric: Metric, dimensions: &[(&str, &str)]) -> u64;
    fn spread(&self, metric: Metric, dimensions: &[(&str, &str)]) -> Spread;
}

impl Source for Samples {
    fn pairs(&self, first: &'static str, second: &'static str) -> BTreeSet<(String, String)> {
        let pair = |sample: &samples::Sample| {
            Some((sample.dimensions.get(first)?.clone(), sample.dimensions.get(second)?.clone()))
        };
        self.all().filter_map(pair).collect()
    }

    fn handlers(&self, metric: Metric) -> BTreeSet<String> {
        let of_it = self.all().filter(|sample| sample.metric == metric.name);
        of_it.filter_map(|sample| sample.dimensions.get(HANDLER).cloned()).collect()
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "counts are whole and not negative"
    )]
    fn sum(&self, metric: Metric, dimensions: &[(&str, &str)]) -> u64 {
        self.values(metric, dimensions).sum::<f64>() as u64
    }

    fn count(&self, metric: Metric, dimensions: &[(&str, &str)]) -> u64 {
        self.values(metric, dimensions).count() as u64
    }

    fn spread(&self, metric: Metric, dimensions: &[(&str, &str)]) -> Spread {
        let values: Vec<f64> = self.values(metric, dimensions).collect();
        Spread { p50: percentile(&values, 50.0), p99: percentile(&values, 99.0) }
    }
}

impl Figures {
    /// Returns the figures from a source, of one handler or of all.
    pub(crate) fn of(source: &impl Source, handler: Option<&str>) -> Self {
        let is_wanted = |name: &str| handler.is_none_or(|handler| handler == name);
        let records = source.pairs(HANDLER, EVENT_TYPE).into_iter().filter(|(name, _)| is_wanted(name));
        let steps = source.pairs(HANDLER, STEP).into_iter().filter(|(name, _)| is_wanted(name));
        let handlers = source.handlers(BATCH_SIZE).into_iter();
        let handlers = handlers.filter(|name| name != RELAY && is_wanted(name));
        let relay = source.handlers(PUBLISHED).contains(RELAY) && is_wanted(RELAY);
        Self {
            records: records.map(|(handler, event_type)| of_records(source, handler, event_type)).collect(),
            invocations: handlers.map(|handler| of_invocations(source, handler)).collect(),
            relay: relay.then(|| of_relay(source)),
            steps: steps.map(|(saga, step)| of_steps(source, saga, step)).collect(),
        }
    }
}

fn of_records(source: &impl Source, handler: String, event_type: String) -> OfRecords {
    let by = [(HANDLER, handler.as_str()), (EVENT_TYPE, event_type.as_str())];
    OfRecords {
        processed: source.sum(PROCESSED, &by),
        duplicates: source.sum(DUPLICATES, &by),
        retries: source.sum(RETRIES, &by),
        rejected: source.sum(REJECTED, &by),
        duration: source.spread(HANDLER_DURATION, &by),
        age: source.spread(EVENT_AGE, &by),
        handler,
        event_type,
    }
}

#[expect(clippy::cast_precision_loss, reason = "nobody counts that far")]
fn of_invocations(source: &impl Source, handler: String) -> OfInvocations {
    let by = [(HANDLER, handler.as_str())];
    let records = source.sum(BATCH_SIZE, &by);
    let commit_requests = source.sum(COMMIT_REQUESTS, &by);
    OfInvocations {
        invocations: source.count(BATCH_SIZE, &by),
        records,
        commit_requests,
        requests_per_record: (records > 0).then(|| commit_requests as f64 / records as f64),
        cold_starts: source.sum(COLD_START, &by),
        handler,
    }
}

fn of_relay(source: &impl Source) -> OfRelay {
    let by = [(HANDLER, RELAY)];
    OfRelay {
        published: source.sum(PUBLISHED, &by),
        not_published: source.sum(NOT_PUBLISHED, &by),
        dead_lettered: source.sum(DEAD_LETTERED, &by),
        age: source.spread(ENTRY_AGE, &by),
    }
}

fn of_steps(source: &impl Source, saga: String, step: String) -> OfSteps {
    let by = [(HANDLER, saga.as_str()), (STEP, step.as_str())];
    OfSteps {
        done: source.sum(STEPS_DONE, &by),
        undone: source.sum(STEPS_UNDONE, &by),
        rejected: source.sum(STEPS_REJECTED, &by),
        retried: source.sum(STEPS_RETRIED, &by),
        failed: source.sum(STEPS_FAILED, &by),
        compensated: source.sum(SAGAS_COMPENSATED, &by),
        duration: source.spread(STEP_DURATION, &by),
        saga,
        step,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::figures::samples::tests::line;
    use serde_json::json;
    use throughline_core::Timestamp;

    pub(crate) fn samples() -> Samples {
        let at = Timestamp::UNIX_EPOCH;
        Samples::of(&[
            line(
                at,
                json!({ "handler": "place-order", "eventtype": "order.place", "Processed": 2, "Duplicates": 1, "Retries": 0, "Rejected": 0, "HandlerDuration": [1.0, 3.0], "EventAge": [20.0, 30.0, 90_000.0] }),
            ),
            line(at, json!({ "handler": "place-order", "eventtype": "other", "Rejected": 1 })),
            line(
                at,
                json!({ "handler": "place-order", "BatchSize": 4, "CommitRequests": 1, "ColdStart": 1 }),
            ),
            line(
                at,
                json!({ "handler": "relay", "Published": 3, "NotPublished": 1, "DeadLettered": 0, "EntryAge": [5.0], "BatchSize": 4, "ColdStart": 0 }),
            ),
            line(
                at,
                json!({ "handler": "checkout", "step": "charge", "StepsDone": 0, "StepsRetried": 1, "StepDuration": [1500.0] }),
            ),
        ])
    }

    #[test]
    fn one_handler_is_shown_alone() {
        let figures = Figures::of(&samples(), Some("relay"));
        assert!(figures.records.is_empty() && figures.invocations.is_empty() && figures.steps.is_empty());
        assert_eq!(figures.relay.unwrap().published, 3);
    }
}
