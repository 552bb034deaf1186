//! A definition, to look at: what a state machine is made of, and what a test walks.

use super::{
    Retry, Saga, Wait, Work,
    definition::{Kind, Stage, Step},
    error_type,
};
use std::time::Duration;

/// How much longer than the worker function may run Step Functions waits for its answer.
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
    /// Its name.
    pub name: &'static str,
    /// How long it may take until its last step begins.
    pub deadline: Duration,
    /// The time-out of its worker function.
    pub worker_time_limit: Duration,
    /// Its parts, one after another.
    pub stages: Vec<StageView>,
    /// What is done when everything is undone.
    pub ending: Option<EndingView>,
}

/// One part of a saga.
#[derive(Debug, Clone, PartialEq)]
pub enum StageView {
    /// A step.
    Step(StepView),
    /// Steps that are done at the same time.
    Parallel {
        /// The group's name.
        name: &'static str,
        /// Its steps.
        steps: Vec<StepView>,
    },
    /// A wait.
    Wait {
        /// Its name.
        name: &'static str,
        /// How long.
        wait: Wait,
    },
}

impl StageView {
    /// Its name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Step(step) => step.name,
            Self::Parallel { name, .. } | Self::Wait { name, .. } => name,
        }
    }

    /// Its steps: one, those of a group, or none.
    pub fn steps(&self) -> &[StepView] {
        match self {
            Self::Step(step) => std::slice::from_ref(step),
            Self::Parallel { steps, .. } => steps,
            Self::Wait { .. } => &[],
        }
    }
}

/// A step.
#[derive(Debug, Clone, PartialEq)]
pub struct StepView {
    /// Its name.
    pub name: &'static str,
    /// How long it waits for an answer from outside, if it is a callback.
    pub callback: Option<Duration>,
    /// Whether all it does is in its effects.
    pub is_effects_only: bool,
    /// Whether there is something to undo.
    pub has_undo: bool,
    /// The field of the input that says whether it is done at all.
    pub only_if: Option<&'static str>,
    /// How long an attempt may take.
    pub time_limit: Duration,
    /// How often and when it is tried again.
    pub retry: Retry,
    /// How often and when its undo is tried again.
    pub undo_retry: Retry,
}

impl StepView {
    /// Whether it is undone even if it was rejected: a callback's question was asked before it was refused.
    pub fn is_undone_if_rejected(&self) -> bool {
        self.callback.is_some() && self.has_undo
    }
}

/// What is done last when everything is undone.
#[derive(Debug, Clone, PartialEq)]
pub struct EndingView {
    /// Its name.
    pub name: &'static str,
    /// How long an attempt may take.
    pub time_limit: Duration,
    /// How often and when it is tried again.
    pub retry: Retry,
}

/// Which errors are tried again, how often and when: one member of a state's `Retry`. The first that matches
/// counts, and each counts for itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Retrier {
    /// The names of the errors.
    pub errors: Vec<&'static str>,
    /// How often and when.
    pub retry: Retry,
    /// Whether each wait is spread evenly below its length (full jitter).
    pub is_jittered: bool,
}

impl<P> Saga<P> {
    /// The definition, to look at.
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
    /// All its steps, in their order.
    pub fn steps(&self) -> impl DoubleEndedIterator<Item = &StepView> {
        self.stages.iter().flat_map(StageView::steps)
    }

    /// How long Step Functions waits for the worker.
    pub fn task_time_limit(&self) -> Duration {
        self.worker_time_limit + TASK_PATIENCE
    }

    /// Which errors of a step, or of its undo, are tried again.
    pub fn retriers_of(&self, step: &StepView, work: Work) -> Vec<Retrier> {
        match work {
            Work::Run => retriers(step.retry, step.time_limit, step.callback.is_none()),
            Work::Undo | Work::End => persistent(step.undo_retry, step.time_limit),
        }
    }

    /// Which errors of the ending are tried again.
    pub fn retriers_of_ending(&self, ending: &EndingView) -> Vec<Retrier> {
        persistent(ending.retry, ending.time_limit)
    }

    /// What is undone, in its order, after a step of a stage failed for good. Of the stage itself everything
    /// that may have happened, or may yet happen: also what has no undo gets its tombstone. What a group
    /// only has to be told comes first. Of the stages before it, which are done, whatever has an undo.
    pub fn unwinding(&self, failed_stage: usize, is_itself_undone: bool) -> Vec<&StepView> {
        let itself = self.stages.get(failed_stage).filter(|_| is_itself_undone);
        let itself = itself.map_or(&[][..], StageView::steps);
        let to_void = itself.iter().rev().filter(|step| !step.has_undo);
        let before = self.stages.iter().take(failed_stage).rev().flat_map(|stage| stage.steps().iter().rev());
        let to_undo = itself.iter().rev().chain(before).filter(|step| step.has_undo);
        to_void.chain(to_undo).collect()
    }
}

/// A time-out is tried again, except that of a callback: nobody has answered in time.
fn retriers(retry: Retry, lease: Duration, with_time_outs: bool) -> Vec<Retrier> {
    let mut errors = vec![error_type::TRANSIENT, error_type::TIMED_OUT];
    if with_time_outs {
        errors.push("States.Timeout");
    }
    errors.extend(NO_ANSWER);
    vec![while_busy(lease), until_understood(), Retrier { errors, retry, is_jittered: true }]
}

/// What must not be given up is tried again whatever goes wrong, except where the worker says that it is final.
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

/// Until the lease of whoever holds the claim must have ended.
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

/// Every error there is, but for those that nothing can match ("Error names", Amazon States Language).
const ANY_ERROR: &str = "States.ALL";

/// What Step Functions says of a worker that died, was throttled, or was out of reach.
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
    /// Whether it is about an error of this name.
    pub fn matches(&self, error: &str) -> bool {
        self.errors.contains(&error) || self.errors.contains(&ANY_ERROR)
    }

    /// The longest that the wait before retry `number`, from 0, can be.
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
