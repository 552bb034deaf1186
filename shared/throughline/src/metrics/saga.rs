//! The metrics of a saga's task.

use super::{
    COLD_START, COMMIT_REQUESTS, HANDLER, Lines, Metric, SAGAS_COMPENSATED, STEP, STEP_DURATION, STEPS_DONE,
    STEPS_FAILED, STEPS_REJECTED, STEPS_RETRIED, STEPS_UNDONE, milliseconds,
};
use crate::emf::Figure;
use serde_json::Value;
use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};
use throughline_core::{
    observer::Observer,
    saga::{Work, error_type},
};

/// The figures of one task: watches the main path, and makes a line of what the state machine was told.
#[derive(Debug, Default)]
pub struct SagaFigures {
    commit_requests: AtomicUsize,
}

impl Observer for SagaFigures {
    fn committed(&self, requests: usize) {
        self.commit_requests.fetch_add(requests, Ordering::Relaxed);
    }
}

impl SagaFigures {
    /// Adds the line of a task, given the answer that the state machine gets, or its error's type.
    pub fn push(
        &self,
        lines: &mut Lines<'_>,
        saga: &str,
        step: &str,
        (work, answer): (Work, Result<&Value, &str>),
        took: Duration,
    ) {
        let came_to = came_to(work, answer);
        let is = |metric: Metric| (metric, Figure::Count(usize::from(came_to == Some(metric))));
        let took = [milliseconds(took)];
        let is_cold = usize::from(lines.is_cold);
        lines.push(
            &[(HANDLER, saga), (STEP, step)],
            &[
                is(STEPS_DONE),
                is(STEPS_UNDONE),
                is(STEPS_REJECTED),
                is(STEPS_RETRIED),
                is(STEPS_FAILED),
                (STEP_DURATION, Figure::Each(&took)),
                is(SAGAS_COMPENSATED),
                (COMMIT_REQUESTS, Figure::Count(self.commit_requests.load(Ordering::Relaxed))),
                (COLD_START, Figure::Count(is_cold)),
            ],
        );
    }
}

/// Returns the metric that counts the task, or `None` for a task that had nothing to do.
fn came_to(work: Work, answer: Result<&Value, &str>) -> Option<Metric> {
    match answer {
        Ok(answer) if answer.get("skipped").is_some() => None,
        Ok(_) => Some(match work {
            Work::Run => STEPS_DONE,
            Work::Undo => STEPS_UNDONE,
            Work::End => SAGAS_COMPENSATED,
        }),
        Err(error_type) => Some(match error_type {
            // The answer to an undo: the step stays done.
            error_type::DONE => STEPS_DONE,
            error_type::UNDO_REJECTED => STEPS_FAILED,
            error_type::REJECTED | error_type::FAILED | error_type::VOIDED | error_type::DEADLINE_PASSED => {
                STEPS_REJECTED
            }
            _ => STEPS_RETRIED,
        }),
    }
}
