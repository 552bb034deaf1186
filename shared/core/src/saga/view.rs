//! A read-only view of a definition, from which a state machine is compiled and which a test walks through.

use super::{
    Retry, Saga, Wait, Work,
    definition::{Kind, Stage, Step},
    error_type,
};
use std::time::Duration;

/// The time that Step Functions waits for the worker's answer beyond the worker function's own time-out.
pub const TASK_PATIENCE: Duration = Duration::from_secs(10);

/// A [`Saga`], without its functions.
///
/// ```
/// # use serde::{Deserialize, Serialize};
/// # use throughline_core::{prelude::*, saga::StageView};
/// # #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)] pub struct Booking { trip: String }
/// # impl SagaInput for Booking { const SAGA: &'static str = "booking"; }
/// # pub struct Railway;
/// # async fn book(_: &Railway, _: Booking, _: &StepContext<'_>) -> Result<Output<u32>, Failure> { Ok(Output::of(1)) }
/// let booking: Saga<Railway> = Saga::of::<Booking>().step("book", book).no_undo();
/// let StageView::Step(book) = &booking.view().stages[0] else { panic!("it is a step") };
/// assert_eq!((book.name, book.has_undo), ("book", false));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct SagaView {
    /// The name, as in the definition.
    pub name: &'static str,
    /// The time that the saga may take until its last step begins.
    pub deadline: Duration,
    /// The time-out of the saga's worker function.
    pub worker_time_limit: Duration,
    /// The stages, one after another.
    pub stages: Vec<StageView>,
    /// The work that is done last once everything is undone.
    pub ending: Option<EndingView>,
}

/// One stage of a saga.
#[derive(Debug, Clone, PartialEq)]
pub enum StageView {
    /// One step.
    Step(StepView),
    /// Steps that run at the same time.
    Parallel {
        /// The group's name.
        name: &'static str,
        /// The group's steps.
        steps: Vec<StepView>,
    },
    /// A wait.
    Wait {
        /// The name, as in the definition.
        name: &'static str,
        /// The length or the end of the wait.
        wait: Wait,
    },
}

impl StageView {
    /// The name, as in the definition.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Step(step) => step.name,
            Self::Parallel { name, .. } | Self::Wait { name, .. } => name,
        }
    }

    /// Returns the stage's steps: one, those of a group, or none.
    pub fn steps(&self) -> &[StepView] {
        match self {
            Self::Step(step) => std::slice::from_ref(step),
            Self::Parallel { steps, .. } => steps,
            Self::Wait { .. } => &[],
        }
    }
}

/// One step.
#[derive(Debug, Clone, PartialEq)]
pub struct StepView {
    /// The name, as in the definition.
    pub name: &'static str,
    /// The time that the step waits for an answer from outside, if it is a callback.
    pub callback: Option<Duration>,
    /// Whether the step's only changes are its effects.
    pub is_effects_only: bool,
    /// Whether the step has an undo.
    pub has_undo: bool,
    /// The field of the input that decides whether the step runs at all.
    pub only_if: Option<&'static str>,
    /// The time limit of one attempt.
    pub time_limit: Duration,
    /// The back-off after a failed attempt.
    pub retry: Retry,
    /// The back-off after the step's undo failed.
    pub undo_retry: Retry,
}

impl StepView {
    /// Returns whether the step is undone even if it was rejected: a callback's question was asked before its answer
    /// was refused.
    pub fn is_undone_if_rejected(&self) -> bool {
        self.callback.is_some() && self.has_undo
    }
}

/// The work that is done last when everything is undone.
#[derive(Debug, Clone, PartialEq)]
pub struct EndingView {
    /// The name, as in the definition.
    pub name: &'static str,
    /// The time limit of one attempt.
    pub time_limit: Duration,
    /// The back-off after a failed attempt.
    pub retry: Retry,
}

/// A rule for trying again: errors, and how often and when they are tried again. It is one member of a state's `Retry`.
/// The first rule that matches applies, and each counts its attempts by itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Retrier {
    /// The names of the errors.
    pub errors: Vec<&'static str>,
    /// The number of attempts and the waits between them.
    pub retry: Retry,
    /// Whether each wait is random, evenly spread below its length (full jitter).
    pub is_jittered: bool,
}

impl<P> Saga<P> {
    /// Returns the definition as a read-only view.
    pub fn view(&self) -> SagaView {
        SagaView {
            name: self.name,
            deadline: self.deadline,
            worker_time_limit: self.worker_time_limit,
            stages: self.stages.iter().map(stage).collect(),
            ending: self.ending.as_ref().map(|ending| EndingView {
                name: ending.name,
                time_limit: ending.time_limit,
                retry: ending.retry,
            }),
        }
    }
}

fn stage<P>(stage: &Stage<P>) -> StageView {
    match stage {
        Stage::Step(one) => StageView::Step(step(one)),
        Stage::Parallel { name, steps, .. } => {
            StageView::Parallel { name, steps: steps.iter().map(step).collect() }
        }
        Stage::Wait { name, wait } => StageView::Wait { name, wait: *wait },
    }
}

fn step<P>(step: &Step<P>) -> StepView {
    StepView {
        name: step.name,
        callback: match step.kind {
            Kind::Task => None,
            Kind::Callback { time_out } => Some(time_out),
        },
        is_effects_only: step.is_effects_only,
        has_undo: step.undo.is_some(),
        only_if: step.only_if,
        time_limit: step.time_limit,
        retry: step.retry,
        undo_retry: step.undo_retry,
    }
}

impl SagaView {
    /// Returns all steps of the saga, in their order.
    pub fn steps(&self) -> impl DoubleEndedIterator<Item = &StepView> {
        self.stages.iter().flat_map(StageView::steps)
    }

    /// Returns the time that Step Functions waits for the worker.
    pub fn task_time_limit(&self) -> Duration {
        self.worker_time_limit + TASK_PATIENCE
    }

    /// Returns the rules by which errors of a step, or of its undo, are tried again.
    pub fn retriers_of(&self, step: &StepView, work: Work) -> Vec<Retrier> {
        match work {
            Work::Run => retriers(step.retry, step.time_limit, step.callback.is_none()),
            Work::Undo | Work::End => persistent(step.undo_retry, step.time_limit),
        }
    }

    /// Returns the rules by which errors of the ending are tried again.
    pub fn retriers_of_ending(&self, ending: &EndingView) -> Vec<Retrier> {
        persistent(ending.retry, ending.time_limit)
    }

    /// Returns the steps to undo after a step of a stage failed for good, in the order of the undos. Of the failed
    /// stage these are all steps that may have happened or may yet happen: a step without an undo gets its tombstone,
    /// and these come first in a group. Of the stages before it, which are done, these are the steps that have an undo.
    pub fn unwinding(&self, failed_stage: usize, is_itself_undone: bool) -> Vec<&StepView> {
        let itself = self.stages.get(failed_stage).filter(|_| is_itself_undone);
        let itself = itself.map_or(&[][..], StageView::steps);
        let to_void = itself.iter().rev().filter(|step| !step.has_undo);
        let before = self.stages.iter().take(failed_stage).rev().flat_map(|stage| stage.steps().iter().rev());
        let to_undo = itself.iter().rev().chain(before).filter(|step| step.has_undo);
        to_void.chain(to_undo).collect()
    }
}

/// Returns the rules for a step. A time-out is tried again, except that of a callback: no answer came in time.
fn retriers(retry: Retry, lease: Duration, with_time_outs: bool) -> Vec<Retrier> {
    let mut errors = vec![error_type::TRANSIENT, error_type::TIMED_OUT];
    if with_time_outs {
        errors.push("States.Timeout");
    }
    errors.extend(NO_ANSWER);
    vec![while_busy(lease), until_understood(), Retrier { errors, retry, is_jittered: true }]
}

/// Returns the rules for work that must not be given up: it is tried again after every error, except those that the
/// worker calls final.
fn persistent(retry: Retry, lease: Duration) -> Vec<Retrier> {
    let errors = vec![error_type::UNDO_REJECTED, error_type::FAILED, error_type::DONE];
    let never = Retry { attempts: 0, ..Retry::STEP };
    vec![
        Retrier { errors, retry: never, is_jittered: false },
        while_busy(lease),
        until_understood(),
        Retrier { errors: vec![ANY_ERROR], retry, is_jittered: true },
    ]
}

/// Returns the rule for a claim that another invocation holds: it is tried again until that lease must have ended.
fn while_busy(lease: Duration) -> Retrier {
    let wait = Duration::from_secs(2);
    let waits = (lease + TASK_PATIENCE).as_secs_f64() / wait.as_secs_f64();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few minutes at most")]
    let retry = Retry { attempts: waits.ceil() as u32, first: wait, rate: 1.0, most: wait };
    Retrier { errors: vec![error_type::BUSY], retry, is_jittered: false }
}

fn until_understood() -> Retrier {
    Retrier { errors: vec![error_type::NOT_UNDERSTOOD], retry: Retry::PATIENT, is_jittered: false }
}

/// The name that matches every error, except those that nothing can match ("Error names", Amazon States Language).
const ANY_ERROR: &str = "States.ALL";

/// The errors that Step Functions reports if a worker died, was throttled, or was out of reach.
const NO_ANSWER: [&str; 11] = [
    "Lambda.AWSLambdaException",
    "Lambda.ClientExecutionTimeoutException",
    "Lambda.ResourceConflictException",
    "Lambda.ResourceNotReadyException",
    "Lambda.SdkClientException",
    "Lambda.ServiceException",
    "Lambda.TooManyRequestsException",
    "Lambda.Unknown",
    "Runtime.ExitError",
    "Runtime.Unknown",
    "Sandbox.Timedout",
];

impl Retrier {
    /// Returns whether the rule applies to an error of this name.
    pub fn matches(&self, error: &str) -> bool {
        self.errors.contains(&error) || self.errors.contains(&ANY_ERROR)
    }

    /// Returns the upper limit of the wait before retry `number`, which counts from 0.
    pub fn wait(&self, number: u32) -> Duration {
        let Retry { first, rate, most, .. } = self.retry;
        let factor = rate.powi(i32::try_from(number).unwrap_or(i32::MAX));
        Duration::try_from_secs_f64(first.as_secs_f64() * factor).map_or(most, |wait| wait.min(most))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_up_to_the_longest() {
        let retrier = Retrier { errors: vec!["Saga.Transient"], retry: Retry::STEP, is_jittered: true };
        let waits: Vec<_> = (0..7).map(|number| retrier.wait(number).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(retrier.wait(u32::MAX), Retry::STEP.most);
    }
}
