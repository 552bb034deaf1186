//! What a stack's functions came to, in figures, and which alarms they raise.

pub(crate) mod alarms;
pub(crate) mod cloudwatch;
mod expression;
pub(crate) mod samples;

use crate::{
    figures::samples::{Samples, percentile},
    terminal::Table,
};
use serde::Serialize;
use serde_json::Value;
use std::{collections::BTreeSet, fmt};
use throughline_core::metrics::{
    BATCH_SIZE, COLD_START, COMMIT_REQUESTS, DEAD_LETTERED, DUPLICATES, ENTRY_AGE, EVENT_AGE, EVENT_TYPE,
    HANDLER, HANDLER_DURATION, Metric, NOT_PUBLISHED, PROCESSED, PUBLISHED, REJECTED, RELAY, RETRIES,
    SAGAS_COMPENSATED, STEP, STEP_DURATION, STEPS_DONE, STEPS_FAILED, STEPS_REJECTED, STEPS_RETRIED,
    STEPS_UNDONE,
};

/// What a stack came to. Times are in milliseconds.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Figures {
    /// By handler and event type.
    pub(crate) records: Vec<OfRecords>,
    /// By handler.
    pub(crate) invocations: Vec<OfInvocations>,
    pub(crate) relay: Option<OfRelay>,
    /// By saga and step.
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

/// Half of all that was measured is no more than `p50`, all but a hundredth no more than `p99`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub(crate) struct Spread {
    pub(crate) p50: Option<f64>,
    pub(crate) p99: Option<f64>,
}

/// Where figures come from: samples of our own, or what CloudWatch made of them.
pub(crate) trait Source {
    /// Every combination of values that two dimensions have together.
    fn pairs(&self, first: &'static str, second: &'static str) -> BTreeSet<(String, String)>;
    /// Every value of the handler's dimension for which a metric is there.
    fn handlers(&self, metric: Metric) -> BTreeSet<String>;
    /// What a metric adds up to.
    fn sum(&self, metric: Metric, dimensions: &[(&str, &str)]) -> u64;
    /// How often it was measured.
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
    /// The figures of samples, of one handler or all.
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

    /// The figures in CloudWatch's answer to the questions of [`super::cloudwatch`].
    pub(crate) fn of_cloudwatch(answer: &Value, handler: Option<&str>) -> Self {
        Self::of(&cloudwatch::Answer::of(answer), handler)
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

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tables = [
            self.table_of_records(),
            self.table_of_invocations(),
            self.table_of_relay(),
            self.table_of_steps(),
        ];
        let mut tables = tables.iter().filter(|table| !table.is_empty()).peekable();
        if tables.peek().is_none() {
            return f.write_str(
                "no figures: nothing was invoked in this time, or metrics are off (THROUGHLINE_METRICS); \
                 --since 1d looks further back",
            );
        }
        while let Some(table) = tables.next() {
            write!(f, "{table}")?;
            if tables.peek().is_some() {
                f.write_str("\n\n")?;
            }
        }
        Ok(())
    }
}

impl Figures {
    fn table_of_records(&self) -> Table {
        let mut table = Table::new([
            "handler",
            "event type",
            "processed",
            "duplicates",
            "retries",
            "rejected",
            "handler p50",
            "p99",
            "age p50",
            "p99",
        ]);
        for row in &self.records {
            let counts =
                [row.processed, row.duplicates, row.retries, row.rejected].map(|count| count.to_string());
            let times = [row.duration.p50, row.duration.p99, row.age.p50, row.age.p99].map(milliseconds);
            let names = [row.handler.clone(), row.event_type.clone()];
            table.row(names.into_iter().chain(counts).chain(times));
        }
        table
    }

    fn table_of_invocations(&self) -> Table {
        let mut table =
            Table::new(["handler", "invocations", "records", "commit requests a record", "cold starts"]);
        for row in &self.invocations {
            let requests =
                row.requests_per_record.map_or_else(|| "-".to_owned(), |number| format!("{number:.2}"));
            table.row([
                row.handler.clone(),
                row.invocations.to_string(),
                row.records.to_string(),
                requests,
                row.cold_starts.to_string(),
            ]);
        }
        table
    }

    fn table_of_relay(&self) -> Table {
        let mut table = Table::new(["relay: published", "not published", "dead-lettered", "age p50", "p99"]);
        if let Some(row) = &self.relay {
            let counts = [row.published, row.not_published, row.dead_lettered].map(|count| count.to_string());
            table.row(counts.into_iter().chain([row.age.p50, row.age.p99].map(milliseconds)));
        }
        table
    }

    fn table_of_steps(&self) -> Table {
        let mut table = Table::new([
            "saga",
            "step",
            "done",
            "undone",
            "rejected",
            "retried",
            "failed",
            "compensated",
            "task p50",
            "p99",
        ]);
        for row in &self.steps {
            let counts = [row.done, row.undone, row.rejected, row.retried, row.failed, row.compensated];
            let names = [row.saga.clone(), row.step.clone()];
            let times = [row.duration.p50, row.duration.p99].map(milliseconds);
            table.row(names.into_iter().chain(counts.map(|count| count.to_string())).chain(times));
        }
        table
    }
}

/// A time as people read it.
fn milliseconds(number: Option<f64>) -> String {
    match number {
        None => "-".to_owned(),
        Some(number) if number >= 172_800_000.0 => format!("{:.0} days", number / 86_400_000.0),
        Some(number) if number >= 7_200_000.0 => format!("{:.1} h", number / 3_600_000.0),
        Some(number) if number >= 60_000.0 => format!("{:.1} min", number / 60_000.0),
        Some(number) if number >= 1_000.0 => format!("{:.1} s", number / 1_000.0),
        Some(number) => format!("{number:.1} ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::samples::tests::line;
    use serde_json::json;
    use throughline_core::Timestamp;

    #[test]
    fn times_are_read_in_the_unit_that_fits_them() {
        let said =
            [4.26, 1_500.0, 90_000.0, 9_000_000.0, 27_676_350_000.0].map(|time| milliseconds(Some(time)));
        assert_eq!(said, ["4.3 ms", "1.5 s", "1.5 min", "2.5 h", "320 days"]);
    }

    fn samples() -> Samples {
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
    fn figures_are_shown_by_handler_and_event_type() {
        assert_eq!(
            Figures::of(&samples(), None).to_string(),
            "\
handler      event type   processed  duplicates  retries  rejected  handler p50  p99     age p50  p99
place-order  order.place  2          1           0        0         1.0 ms       3.0 ms  30.0 ms  1.5 min
place-order  other        0          0           0        1         -            -       -        -

handler      invocations  records  commit requests a record  cold starts
place-order  1            4        0.25                      1

relay: published  not published  dead-lettered  age p50  p99
3                 1              0              5.0 ms   5.0 ms

saga      step    done  undone  rejected  retried  failed  compensated  task p50  p99
checkout  charge  0     0       0         1        0       0            1.5 s     1.5 s"
        );
    }

    #[test]
    fn one_handler_is_shown_alone() {
        let figures = Figures::of(&samples(), Some("relay"));
        assert!(figures.records.is_empty() && figures.invocations.is_empty() && figures.steps.is_empty());
        assert_eq!(figures.relay.unwrap().published, 3);
    }

    #[test]
    fn where_nothing_happened_what_to_do_is_said() {
        assert!(Figures::default().to_string().contains("--since"));
    }
}
