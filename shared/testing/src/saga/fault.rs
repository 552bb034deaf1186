//! Faults, and the places where they are injected.

use serde_json::Value;
use std::fmt;
use throughline_core::saga::{SagaView, StepView, Work};

/// A fault of a step, an undo or an ending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fault {
    /// It is refused for good, and changes nothing.
    FailsForGood,
    /// It fails once, in a way that passes.
    FailsOnce,
    /// It fails each time, in a way that might pass.
    FailsAlways,
    /// It panics once.
    PanicsOnce,
    /// It panics each time.
    PanicsAlways,
    /// It takes effect outside, and then takes too long, once: trying again finds it done.
    TimesOutOnce,
    /// It takes effect outside, and then takes too long, each time.
    TimesOutAlways,
    /// Its first delivery is held up before its function, and goes on when its undo has run.
    LateBeforeFunction,
    /// Its first delivery is held up between its function and its commit, and goes on when its undo has run.
    LateBeforeCommit,
    /// Its task is delivered again once it is done.
    DeliveredAgain,
    /// Its task is delivered twice at the same time.
    DeliveredTwiceAtOnce,
    /// Its worker dies once its function has run, and before that is committed.
    DiesBeforeCommit,
    /// Its worker dies once after its first commit: of a step, the answer is lost; of a callback, nobody is
    /// asked; of an undo whose step may have been done, nothing but the tombstone is written.
    DiesAfterCommit,
    /// It is done, and the answer is lost each time.
    NeverAnswers,
    /// The saga's deadline has passed when it is to begin.
    DeadlinePassed,
    /// The saga's deadline passes while it waits for an answer of the outside world.
    DeadlinePasses,
    /// The worker dies once after the question was asked.
    DiesAfterAsking,
    /// Nobody answers the question.
    NobodyAnswers,
    /// The question is answered, and the answer does not reach the state machine.
    AnswerIsLost,
}

impl Fault {
    /// The faults of a step.
    const OF_STEP: [Self; 16] = [
        Self::FailsForGood,
        Self::FailsOnce,
        Self::FailsAlways,
        Self::PanicsOnce,
        Self::PanicsAlways,
        Self::TimesOutOnce,
        Self::TimesOutAlways,
        Self::LateBeforeFunction,
        Self::LateBeforeCommit,
        Self::DeliveredAgain,
        Self::DeliveredTwiceAtOnce,
        Self::DiesBeforeCommit,
        Self::DiesAfterCommit,
        Self::NeverAnswers,
        Self::DeadlinePassed,
        Self::DeadlinePasses,
    ];
    /// The faults of a callback, besides those of a step.
    const OF_CALLBACK: [Self; 3] = [Self::DiesAfterAsking, Self::NobodyAnswers, Self::AnswerIsLost];
    /// The faults of an undo or an ending.
    const OF_UNDO: [Self; 11] = [
        Self::FailsForGood,
        Self::FailsOnce,
        Self::FailsAlways,
        Self::PanicsOnce,
        Self::PanicsAlways,
        Self::TimesOutOnce,
        Self::TimesOutAlways,
        Self::DeliveredAgain,
        Self::DeliveredTwiceAtOnce,
        Self::DiesBeforeCommit,
        Self::DiesAfterCommit,
    ];

    /// Returns whether the fault befalls one delivery, and not those after it.
    pub(super) fn is_once(self) -> bool {
        matches!(
            self,
            Self::FailsOnce
                | Self::PanicsOnce
                | Self::TimesOutOnce
                | Self::DeliveredAgain
                | Self::DeliveredTwiceAtOnce
                | Self::DiesBeforeCommit
                | Self::DiesAfterCommit
                | Self::DiesAfterAsking
        )
    }

    fn text(self) -> &'static str {
        match self {
            Self::FailsForGood => "fails for good",
            Self::FailsOnce => "fails once",
            Self::FailsAlways => "fails always",
            Self::PanicsOnce => "panics once",
            Self::PanicsAlways => "panics always",
            Self::TimesOutOnce => "takes effect and times out once",
            Self::TimesOutAlways => "takes effect and times out always",
            Self::LateBeforeFunction => "runs after its undo",
            Self::LateBeforeCommit => "commits after its undo",
            Self::DeliveredAgain => "is delivered again",
            Self::DeliveredTwiceAtOnce => "is delivered twice at once",
            Self::DiesBeforeCommit => "dies before its commit",
            Self::DiesAfterCommit => "dies after its commit",
            Self::NeverAnswers => "is done and never answers",
            Self::DeadlinePassed => "begins after the deadline",
            Self::DeadlinePasses => "is overtaken by the deadline",
            Self::DiesAfterAsking => "dies after asking",
            Self::NobodyAnswers => "is never answered",
            Self::AnswerIsLost => "is answered and never told",
        }
    }
}

/// A place where a fault is injected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// The kind of work.
    pub work: Work,
    /// The step, or the ending.
    pub step: &'static str,
}

/// A fault at a place, with whatever it takes for the saga to get there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Injection {
    /// The place.
    pub place: Place,
    /// The fault.
    pub fault: Fault,
    /// The fault that makes the saga unwind, if the injected one is of an undo or the ending.
    pub because: Option<(Place, Fault)>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.work {
            Work::Undo => write!(f, "the undo of {}", self.step),
            Work::Run | Work::End => f.write_str(self.step),
        }
    }
}

impl fmt::Display for Injection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.place, self.fault.text())?;
        match &self.because {
            Some((place, fault)) => write!(f, ", after {place} {}", fault.text()),
            None => Ok(()),
        }
    }
}

/// Returns whether a step is done for this input.
pub(super) fn is_wanted(step: &StepView, input: &Value) -> bool {
    step.only_if.is_none_or(|field| input.get(field) == Some(&Value::Bool(true)))
}

/// Everything that can go wrong with a saga that is started with this input, computed from its definition:
/// each fault of each step, undo and ending. An undo is reached in two ways: its step is done, but nobody
/// knows; and its step may have been done. When an effects-only step may have been done nothing was, and its
/// undo does not run.
pub fn faults_of(saga: &SagaView, input: &Value) -> Vec<Injection> {
    let wanted: Vec<&StepView> = saga.steps().filter(|step| is_wanted(step, input)).collect();
    let mut all: Vec<Injection> = wanted.iter().flat_map(|step| of_step(step)).collect();
    all.extend(wanted.iter().filter(|step| step.has_undo).flat_map(|step| of_undo(step)));
    if let (Some(ending), Some(last)) = (&saga.ending, wanted.last()) {
        let place = Place { work: Work::End, step: ending.name };
        let because = Some((run(last), Fault::FailsForGood));
        all.extend(Fault::OF_UNDO.map(|fault| Injection { place, fault, because }));
    }
    all
}

fn run(step: &StepView) -> Place {
    Place { work: Work::Run, step: step.name }
}

fn of_step(step: &StepView) -> Vec<Injection> {
    let of_callback = if step.callback.is_some() { &Fault::OF_CALLBACK[..] } else { &[] };
    let faults = Fault::OF_STEP.iter().chain(of_callback);
    faults.map(|fault| Injection { place: run(step), fault: *fault, because: None }).collect()
}

fn of_undo(step: &StepView) -> Vec<Injection> {
    let place = Place { work: Work::Undo, step: step.name };
    let is_done = if step.callback.is_some() { Fault::AnswerIsLost } else { Fault::NeverAnswers };
    let mut reasons = vec![is_done];
    if step.callback.is_some() {
        reasons.push(Fault::NobodyAnswers);
    } else if !step.is_effects_only {
        reasons.push(Fault::TimesOutAlways);
    }
    let because = |reason| Some((run(step), reason));
    let each = |reason| Fault::OF_UNDO.map(|fault| Injection { place, fault, because: because(reason) });
    reasons.into_iter().flat_map(each).collect()
}
