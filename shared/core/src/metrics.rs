//! Metrics: what is measured, under which names, in which units and by which dimensions.
//!
//! Everything that has a name in CloudWatch is declared here and nowhere else: the functions emit what
//! [`CATALOGUE`] declares, and `infra/metrics.json`, which is written from it, is what dashboards and alarms are
//! checked against.

use serde::Serialize;

/// The namespace of all metrics, unless a function is told another.
pub const NAMESPACE: &str = "Throughline";

/// The dimension that says which handler: [`Handler::name`](crate::Handler::name), [`RELAY`], or a saga's name.
pub const HANDLER: &str = "handler";
/// The dimension that says which type of message: one of the handler's catalogue, or [`OTHER`].
pub const EVENT_TYPE: &str = "eventtype";
/// The dimension that says which step of a saga: one of its definition, or [`OTHER`].
pub const STEP: &str = "step";

/// The value that stands for every event type or step without a metric of its own. Each value of a dimension is a
/// metric that has to be paid for, and messages from outside must not be able to make new ones.
pub const OTHER: &str = "other";
/// The number of event types of one handler, or of steps of one saga, that have metrics of their own.
pub const MOST_VALUES: usize = 20;

/// The relay's value of [`HANDLER`].
pub const RELAY: &str = "relay";

/// In what a metric is counted, by CloudWatch's name for it (`MetricDatum`, field `Unit`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Unit {
    /// Things.
    Count,
    /// Time.
    Milliseconds,
}

impl Unit {
    /// CloudWatch's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Count => "Count",
            Self::Milliseconds => "Milliseconds",
        }
    }
}

/// The emitter of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Emitter {
    /// A function around a handler.
    #[serde(rename = "handler")]
    HandlerFunction,
    /// The relay.
    #[serde(rename = "relay")]
    Relay,
    /// A saga's worker.
    #[serde(rename = "saga")]
    SagaWorker,
}

/// One metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// Its unit.
    pub unit: Unit,
    /// The sets of dimensions that it is there by.
    pub dimensions: &'static [&'static [&'static str]],
    /// Its emitters.
    pub emitted_by: &'static [Emitter],
    /// Its meaning, for people.
    pub meaning: &'static str,
}

const BY_HANDLER: &[&[&str]] = &[&[HANDLER]];
const BY_EVENT_TYPE: &[&[&str]] = &[&[HANDLER], &[HANDLER, EVENT_TYPE]];
const BY_STEP: &[&[&str]] = &[&[HANDLER], &[HANDLER, STEP]];

const fn of_records(name: &'static str, unit: Unit, meaning: &'static str) -> Metric {
    Metric { name, unit, dimensions: BY_EVENT_TYPE, emitted_by: &[Emitter::HandlerFunction], meaning }
}

const fn of_entries(name: &'static str, unit: Unit, meaning: &'static str) -> Metric {
    Metric { name, unit, dimensions: BY_HANDLER, emitted_by: &[Emitter::Relay], meaning }
}

const fn of_steps(name: &'static str, unit: Unit, meaning: &'static str) -> Metric {
    Metric { name, unit, dimensions: BY_STEP, emitted_by: &[Emitter::SagaWorker], meaning }
}

/// Records whose effects happened.
pub const PROCESSED: Metric = of_records("Processed", Unit::Count, "records whose effects happened");
/// Records whose effects had happened before.
pub const DUPLICATES: Metric =
    of_records("Duplicates", Unit::Count, "records whose effects had happened before");
/// Records to be delivered again.
pub const RETRIES: Metric = of_records("Retries", Unit::Count, "records to be delivered again");
/// Records in the dead-letter queue.
pub const REJECTED: Metric =
    of_records("Rejected", Unit::Count, "records that were sent to the dead-letter queue");
/// The time that the handler ran for a record.
pub const HANDLER_DURATION: Metric = of_records(
    "HandlerDuration",
    Unit::Milliseconds,
    "how long the handler ran for a record, its loads and reruns included; none where it did not run",
);
/// The age of a record's event when the record was settled.
pub const EVENT_AGE: Metric = of_records(
    "EventAge",
    Unit::Milliseconds,
    "the time from when an event happened, by its envelope, to its record's verdict",
);

/// The number of records in an invocation.
pub const BATCH_SIZE: Metric = Metric {
    name: "BatchSize",
    unit: Unit::Count,
    dimensions: BY_HANDLER,
    emitted_by: &[Emitter::HandlerFunction, Emitter::Relay],
    meaning: "how many records the invocation was given",
};
/// The number of requests of an invocation's commits.
pub const COMMIT_REQUESTS: Metric = Metric {
    name: "CommitRequests",
    unit: Unit::Count,
    dimensions: BY_HANDLER,
    emitted_by: &[Emitter::HandlerFunction, Emitter::SagaWorker],
    meaning: "how many requests the ledger's commits took, repetitions and looks at claims included",
};
/// 1 for the first invocation of a process, 0 for the others.
pub const COLD_START: Metric = Metric {
    name: "ColdStart",
    unit: Unit::Count,
    dimensions: BY_HANDLER,
    emitted_by: &[Emitter::HandlerFunction, Emitter::Relay, Emitter::SagaWorker],
    meaning: "1 if the invocation was the first of its process, 0 if not",
};

/// Entries of the log that are dealt with.
pub const PUBLISHED: Metric = of_entries(
    "Published",
    Unit::Count,
    "entries of the log that were published, started, scheduled or answered, or that no step waits for any more",
);
/// Entries of the log to be delivered again.
pub const NOT_PUBLISHED: Metric = of_entries(
    "NotPublished",
    Unit::Count,
    "entries of the log that could not be published yet: the stream delivers them and what follows again",
);
/// Entries of the log in the dead-letter queue.
pub const DEAD_LETTERED: Metric = of_entries(
    "DeadLettered",
    Unit::Count,
    "entries of the log that no destination will ever accept, in the relay's dead-letter queue",
);
/// The age of an entry of the log when it was settled.
pub const ENTRY_AGE: Metric = of_entries(
    "EntryAge",
    Unit::Milliseconds,
    "the time from when a message was decided on to when the relay dealt with it: how far the relay is behind",
);

/// Steps that were done.
pub const STEPS_DONE: Metric =
    of_steps("StepsDone", Unit::Count, "steps that were done, and callbacks that were asked");
/// Steps that were undone.
pub const STEPS_UNDONE: Metric = of_steps("StepsUndone", Unit::Count, "steps that were undone");
/// Steps that were refused.
pub const STEPS_REJECTED: Metric = of_steps(
    "StepsRejected",
    Unit::Count,
    "steps that were refused for good, or came too late: the saga is undone",
);
/// Tasks that Step Functions tries again.
pub const STEPS_RETRIED: Metric = of_steps(
    "StepsRetried",
    Unit::Count,
    "tasks that failed, took too long, were busy or were not understood, and that Step Functions tries again",
);
/// Tasks that fail the saga.
pub const STEPS_FAILED: Metric =
    of_steps("StepsFailed", Unit::Count, "undos and endings that were refused: their saga is stuck");
/// The time that a task took.
pub const STEP_DURATION: Metric =
    of_steps("StepDuration", Unit::Milliseconds, "how long the worker took for a task");
/// Sagas that were undone to the end.
pub const SAGAS_COMPENSATED: Metric = Metric {
    name: "SagasCompensated",
    unit: Unit::Count,
    dimensions: BY_HANDLER,
    emitted_by: &[Emitter::SagaWorker],
    meaning: "sagas that ended compensated, of those that have an ending for it (`when_compensated`)",
};

/// Every metric there is.
pub const CATALOGUE: &[Metric] = &[
    PROCESSED,
    DUPLICATES,
    RETRIES,
    REJECTED,
    HANDLER_DURATION,
    EVENT_AGE,
    BATCH_SIZE,
    COMMIT_REQUESTS,
    COLD_START,
    PUBLISHED,
    NOT_PUBLISHED,
    DEAD_LETTERED,
    ENTRY_AGE,
    STEPS_DONE,
    STEPS_UNDONE,
    STEPS_REJECTED,
    STEPS_RETRIED,
    STEPS_FAILED,
    STEP_DURATION,
    SAGAS_COMPENSATED,
];

/// The one of `known` that a name is, if it is among those that have metrics of their own; else [`OTHER`].
///
/// ```
/// use throughline_core::metrics::{OTHER, bounded};
/// assert_eq!(bounded("order.placed", ["order.placed", "order.paid"]), "order.placed");
/// assert_eq!(bounded("<script>", ["order.placed", "order.paid"]), OTHER);
/// ```
pub fn bounded(name: &str, known: impl IntoIterator<Item = &'static str>) -> &'static str {
    known.into_iter().take(MOST_VALUES).find(|known| *known == name).unwrap_or(OTHER)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_name_is_declared_once() {
        let names: HashSet<_> = CATALOGUE.iter().map(|metric| metric.name).collect();
        assert_eq!(names.len(), CATALOGUE.len());
    }

    #[test]
    fn what_is_beyond_the_most_values_is_other() {
        const MANY: [&str; 22] = [
            "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q", "r", "s",
            "t", "u", "v",
        ];
        assert_eq!(bounded(MANY[MOST_VALUES - 1], MANY), MANY[MOST_VALUES - 1]);
        assert_eq!(bounded(MANY[MOST_VALUES], MANY), OTHER);
    }
}
