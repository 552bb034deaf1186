//! The definition of a saga: its steps, in their order, and what each of them reads.

use super::{
    callback::CallbackId,
    fields::fields_of,
    function::{DataType, Function, GivenFunction, Reads, StepFunction},
    start::SagaInput,
    task::Unwound,
};
use crate::{Event, MessageType, identity::PayloadHash};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;
use std::{fmt, marker::PhantomData, time::Duration};

/// A saga: steps that run one after another, each with its undo (its compensation), over services `P`.
///
/// When a step fails for good, the steps before it are undone, the last one first. The definition is checked by
/// [`check`](Self::check), compiled to Step Functions by [`states_language`](Self::states_language), and its steps are
/// run by a worker function.
///
/// ```
/// # use serde::{Deserialize, Serialize};
/// use throughline_core::prelude::*;
/// # #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)] pub struct Booking { trip: String }
/// # impl SagaInput for Booking { const SAGA: &'static str = "booking"; }
/// # #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)] pub struct Seat { number: u32 }
/// # #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)] pub struct Ticket { code: String }
/// # pub struct Railway;
/// # async fn book(_: &Railway, _: Booking, _: &StepContext<'_>) -> Result<Output<Seat>, Failure> { Ok(Output::of(Seat { number: 1 })) }
/// # async fn free(_: &Railway, _: Option<Seat>, _: &StepContext<'_>) -> Result<(), Failure> { Ok(()) }
/// # async fn print(_: &Railway, _: Booking, _: Seat, _: &StepContext<'_>) -> Result<Output<Ticket>, Failure> { Ok(Output::of(Ticket { code: "x".into() })) }
///
/// pub fn booking() -> Saga<Railway> {
///     Saga::of::<Booking>()
///         .step("book", book).undo(free)   // fn book(&Railway, Booking, ..) -> Seat; fn free(.., Option<Seat>, ..)
///         .step("print", print).no_undo()  // fn print(&Railway, Booking, Seat, ..) -> Ticket
/// }
/// booking().check().unwrap();
/// ```
pub struct Saga<P> {
    pub(crate) name: &'static str,
    pub(crate) input: DataType,
    pub(crate) input_fields: &'static [&'static str],
    pub(crate) tables: &'static [&'static str],
    pub(crate) deadline: Duration,
    pub(crate) worker_time_limit: Duration,
    pub(crate) stages: Vec<Stage<P>>,
    pub(crate) ending: Option<Ending<P>>,
}

/// One stage of a saga. Stages follow one another.
#[expect(clippy::large_enum_variant, reason = "a process has a handful of them")]
pub(crate) enum Stage<P> {
    Step(Step<P>),
    /// Steps that run at the same time. `misplaced` is a stage that cannot be in a group.
    Parallel {
        name: &'static str,
        steps: Vec<Step<P>>,
        misplaced: Option<&'static str>,
    },
    Wait {
        name: &'static str,
        wait: Wait,
    },
}

/// A saga's wait: for a time, or until a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// The saga waits for this time.
    For(Duration),
    /// The saga waits until the time in this field of the input.
    Until(&'static str),
}

/// A step of a saga.
pub(crate) struct Step<P> {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) function: Function<P>,
    pub(crate) undo: Option<Function<P>>,
    pub(crate) output: DataType,
    pub(crate) optional_output: DataType,
    /// The field of the input that decides whether the step runs at all.
    pub(crate) only_if: Option<&'static str>,
    /// Whether the step's only changes are its effects.
    pub(crate) is_effects_only: bool,
    pub(crate) time_limit: Duration,
    pub(crate) retry: Retry,
    pub(crate) undo_retry: Retry,
}

/// The kind of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The step returns its output.
    Task,
    /// The step asks a question, and its output is the answer, for which it waits at most `time_out`.
    Callback { time_out: Duration },
}

/// The time limit of one attempt unless a step sets another.
const TIME_LIMIT: Duration = Duration::from_secs(20);

/// The work that is done once everything is undone.
pub(crate) struct Ending<P> {
    pub(crate) name: &'static str,
    pub(crate) function: Function<P>,
    pub(crate) time_limit: Duration,
    pub(crate) retry: Retry,
}

/// The back-off: how often and when a step is tried again that failed in a way that may pass, or took too long.
///
/// The waits grow and are random, evenly spread below their length (full jitter), as in Step Functions' `Retry`.
///
/// ```
/// use std::time::Duration;
/// use throughline_core::saga::Retry;
/// let patient = Retry { attempts: 10, ..Retry::STEP };
/// assert_eq!(patient.first, Duration::from_secs(1));
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Retry {
    /// The number of attempts after the first.
    pub attempts: u32,
    /// The upper limit of the first wait, in whole seconds.
    pub first: Duration,
    /// The factor by which each wait is longer than the one before it.
    pub rate: f64,
    /// The upper limit of every wait, in whole seconds.
    pub most: Duration,
}

impl Retry {
    /// The back-off of a step: five more attempts, within about half a minute.
    pub const STEP: Self =
        Self { attempts: 5, first: Duration::from_secs(1), rate: 2.0, most: Duration::from_secs(30) };
    /// The back-off of an undo, which should not be given up: thirty more attempts, within about two hours.
    pub const UNDO: Self =
        Self { attempts: 30, first: Duration::from_secs(1), rate: 2.0, most: Duration::from_mins(5) };
    /// The back-off for an error that only a deployment mends: it lasts about three days.
    pub const PATIENT: Self =
        Self { attempts: 436, first: Duration::from_secs(30), rate: 2.0, most: Duration::from_mins(10) };
}

impl<P: Send + Sync + 'static> Saga<P> {
    /// Returns a saga that is started with an `I`, with a deadline of one hour.
    pub fn of<I: SagaInput>() -> Self {
        Self {
            name: I::SAGA,
            input: DataType::of::<I>(),
            input_fields: fields_of::<I>(),
            tables: &[],
            deadline: Duration::from_hours(1),
            worker_time_limit: Duration::from_mins(1),
            stages: Vec::new(),
            ending: None,
        }
    }

    /// Sets the time that the saga may take from its start to its last step. After that no step begins, no running step
    /// is waited for, and everything is undone. Undoing has no deadline.
    pub fn deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// Sets the time-out of the saga's worker function, which must be longer than any step's [time
    /// limit](StepBuilder::time_limit). It is 60 seconds unless set; Step Functions waits ten seconds longer for a task
    /// than the function may take.
    pub fn worker_time_limit(self, worker_time_limit: Duration) -> Self {
        Self { worker_time_limit, ..self }
    }

    /// Sets the tables of their own that the steps' entities are in, by logical name, as in
    /// [`Handler::TABLES`](crate::Handler::TABLES).
    pub fn tables(self, tables: &'static [&'static str]) -> Self {
        Self { tables, ..self }
    }

    /// Adds a step. Its name is part of the key of everything that it does: never change it while executions run.
    ///
    /// The step's arguments declare what it reads; see [`StepFunction`].
    pub fn step<F, R, O, E>(self, name: &'static str, function: F) -> StepBuilder<P, O>
    where
        F: for<'a> StepFunction<'a, P, R, O, E>,
        R: Reads,
        O: Serialize + DeserializeOwned + Send + 'static,
        E: Event,
    {
        let step = Step::new::<O>(name, Kind::Task, Function::of_step(function));
        StepBuilder { saga: self, step, output: PhantomData }
    }

    /// Adds a step whose output comes from outside: a person's approval, a webhook. `ask` is run once and tells the
    /// outside world under which [`CallbackId`] the answer is awaited, for at most `time_out`.
    pub fn callback<F, R, O, E>(self, name: &'static str, ask: F, time_out: Duration) -> StepBuilder<P, O>
    where
        F: for<'a> GivenFunction<'a, P, CallbackId<O>, R, E>,
        R: Reads,
        O: Serialize + DeserializeOwned + Send + 'static,
        E: Event,
    {
        let step = Step::new::<O>(name, Kind::Callback { time_out }, Function::of_given(ask));
        StepBuilder { saga: self, step, output: PhantomData }
    }

    /// Adds steps that run at the same time. If one fails, the others are not waited for, and all are undone.
    ///
    /// ```
    /// # use serde::{Deserialize, Serialize};
    /// # use throughline_core::prelude::*;
    /// # #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)] pub struct Trip { to: String }
    /// # impl SagaInput for Trip { const SAGA: &'static str = "trip"; }
    /// # #[derive(Serialize, Deserialize)] pub struct Seat;
    /// # #[derive(Serialize, Deserialize)] pub struct Room;
    /// # pub struct Travel;
    /// # async fn seat(_: &Travel, _: Trip, _: &StepContext<'_>) -> Result<Output<Seat>, Failure> { Ok(Output::of(Seat)) }
    /// # async fn room(_: &Travel, _: Trip, _: &StepContext<'_>) -> Result<Output<Room>, Failure> { Ok(Output::of(Room)) }
    /// # async fn free_seat(_: &Travel, _: Option<Seat>, _: &StepContext<'_>) -> Result<(), Failure> { Ok(()) }
    /// # async fn free_room(_: &Travel, _: Option<Room>, _: &StepContext<'_>) -> Result<(), Failure> { Ok(()) }
    /// let trip: Saga<Travel> = Saga::of::<Trip>()
    ///     .parallel("book", |book| book.step("seat", seat).undo(free_seat).step("room", room).undo(free_room));
    /// trip.check().unwrap();
    /// ```
    pub fn parallel(mut self, name: &'static str, steps: impl FnOnce(Self) -> Self) -> Self {
        let group = steps(self.without_stages());
        let mut misplaced = group.ending.map(|ending| ending.name);
        let mut grouped = Vec::new();
        for stage in group.stages {
            match stage {
                Stage::Step(step) => grouped.push(step),
                Stage::Parallel { name, .. } | Stage::Wait { name, .. } => misplaced = Some(name),
            }
        }
        self.stages.push(Stage::Parallel { name, steps: grouped, misplaced });
        self
    }

    /// Adds a wait of this length, in whole seconds.
    pub fn wait(mut self, name: &'static str, duration: Duration) -> Self {
        self.stages.push(Stage::Wait { name, wait: Wait::For(duration) });
        self
    }

    /// Adds a wait until the time in a field of the input, a [`Timestamp`](crate::Timestamp). If there is none, or it
    /// has passed, the saga does not wait. If it is beyond the deadline, the saga waits for it and then undoes
    /// everything.
    pub fn wait_until(mut self, name: &'static str, input_field: &'static str) -> Self {
        self.stages.push(Stage::Wait { name, wait: Wait::Until(input_field) });
        self
    }

    /// Sets the work that is done last when everything is undone. The function is given the [reason](Unwound), and may
    /// read the input and, as `Option`s, the outputs of steps.
    pub fn when_compensated<F, R, E>(self, name: &'static str, ending: F) -> Self
    where
        F: for<'a> GivenFunction<'a, P, Unwound, R, E>,
        R: Reads,
        E: Event,
    {
        let function = Function::of_given(ending);
        let time_limit = TIME_LIMIT.min(self.worker_time_limit);
        Self { ending: Some(Ending { name, function, time_limit, retry: Retry::UNDO }), ..self }
    }

    /// Returns the saga's name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the names of all work that a state machine may ask the worker for: of the steps, and of the ending.
    pub fn task_names(&self) -> impl Iterator<Item = &'static str> {
        self.steps().map(|step| step.name).chain(self.ending.as_ref().map(|ending| ending.name))
    }

    /// Returns the tables of their own that the steps' entities are in.
    pub fn own_tables(&self) -> &'static [&'static str] {
        self.tables
    }

    /// Returns the events that the steps, their undos and the ending may emit, each once.
    pub fn emits(&self) -> Vec<MessageType> {
        let steps = self.steps().flat_map(|step| std::iter::once(&step.function).chain(&step.undo));
        let functions = steps.chain(self.ending.as_ref().map(|ending| &ending.function));
        let mut emitted = Vec::new();
        for event in functions.flat_map(|function| function.emits) {
            if !emitted.contains(event) {
                emitted.push(*event);
            }
        }
        emitted
    }

    /// Returns the same saga, with the undo of this step doing nothing: a test that proves the compensation must fail
    /// for it.
    ///
    /// # Panics
    /// If the saga has no such step, or the step has no undo.
    #[must_use]
    pub fn with_idle_undo(&self, step: &str) -> Self {
        let mut idle = self.clone();
        let undo = idle.steps_mut().find(|other| other.name == step).and_then(|step| step.undo.as_mut());
        let undo = undo.unwrap_or_else(|| panic!("saga `{}` has no step `{step}` with an undo", self.name));
        *undo = Function::idle(undo.reads.clone());
        idle
    }

    fn without_stages(&self) -> Self {
        Self { stages: Vec::new(), ending: None, ..self.clone() }
    }
}

impl<P> Saga<P> {
    /// Returns all steps of the saga, in their order.
    pub(crate) fn steps(&self) -> impl DoubleEndedIterator<Item = &Step<P>> {
        self.stages.iter().flat_map(|stage| match stage {
            Stage::Step(step) => std::slice::from_ref(step),
            Stage::Parallel { steps, .. } => steps,
            Stage::Wait { .. } => &[],
        })
    }

    fn steps_mut(&mut self) -> impl Iterator<Item = &mut Step<P>> {
        self.stages.iter_mut().flat_map(|stage| match stage {
            Stage::Step(step) => std::slice::from_mut(step),
            Stage::Parallel { steps, .. } => steps,
            Stage::Wait { .. } => &mut [],
        })
    }

    pub(crate) fn find(&self, name: &str) -> Option<&Step<P>> {
        self.steps().find(|step| step.name == name)
    }

    /// Returns the fingerprint by which a task names the definition that it belongs to. Names, order, what is read and
    /// what is undone are part of it; back-offs and time limits are not.
    ///
    /// # Panics
    /// Never, because it is made of strings only.
    pub fn fingerprint(&self) -> String {
        let step = |step: &Step<P>| {
            json!({
                "step": step.name,
                "callback": matches!(step.kind, Kind::Callback { .. }),
                "reads": names(&step.function.reads),
                "gives": step.output.name,
                "undo": step.undo.as_ref().map(|undo| names(&undo.reads)),
                "only_if": step.only_if,
                "effects_only": step.is_effects_only,
            })
        };
        let stages = self.stages.iter().map(|stage| match stage {
            Stage::Step(one) => step(one),
            Stage::Parallel { name, steps, .. } => {
                json!({ "parallel": name, "steps": steps.iter().map(step).collect::<Vec<_>>() })
            }
            Stage::Wait { name, .. } => json!({ "wait": name }),
        });
        let definition = json!({
            "input": self.input.name,
            "stages": stages.collect::<Vec<_>>(),
            "ending": self.ending.as_ref().map(|ending| (ending.name, names(&ending.function.reads))),
        });
        let hash = PayloadHash::of(self.name, &definition.to_string());
        let mut text = hash.map(|hash| hash.to_string()).unwrap_or_default();
        text.truncate(16);
        text
    }
}

fn names(types: &[DataType]) -> Vec<&'static str> {
    types.iter().map(|data| data.name).collect()
}

impl<P> Clone for Saga<P> {
    fn clone(&self) -> Self {
        Self {
            name: self.name,
            input: self.input,
            input_fields: self.input_fields,
            tables: self.tables,
            deadline: self.deadline,
            worker_time_limit: self.worker_time_limit,
            stages: self.stages.clone(),
            ending: self.ending.clone(),
        }
    }
}

impl<P> Clone for Stage<P> {
    fn clone(&self) -> Self {
        match self {
            Self::Step(step) => Self::Step(step.clone()),
            Self::Parallel { name, steps, misplaced } => {
                Self::Parallel { name, steps: steps.clone(), misplaced: *misplaced }
            }
            Self::Wait { name, wait } => Self::Wait { name, wait: *wait },
        }
    }
}

impl<P> Clone for Step<P> {
    fn clone(&self) -> Self {
        Self { function: self.function.clone(), undo: self.undo.clone(), ..*self }
    }
}

impl<P> Clone for Ending<P> {
    fn clone(&self) -> Self {
        Self { function: self.function.clone(), ..*self }
    }
}

impl<P> fmt::Debug for Saga<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let steps: Vec<_> = self.steps().map(|step| step.name).collect();
        f.debug_struct("Saga").field("name", &self.name).field("steps", &steps).finish_non_exhaustive()
    }
}

/// A step that is not finished yet: it must still declare how it is undone, or that it need not be.
#[must_use = "say how the step is undone: .undo(..) or .no_undo()"]
pub struct StepBuilder<P, O> {
    saga: Saga<P>,
    step: Step<P>,
    output: PhantomData<fn() -> O>,
}

impl<P: Send + Sync + 'static, O: DeserializeOwned + Send + 'static> StepBuilder<P, O> {
    /// Sets the step's undo (its compensation) and adds the step to the saga. The undo is given the step's output, or
    /// `None` if the step may have taken effect without a recorded outcome, or may yet do so. A step that was rejected
    /// is not undone, unless an earlier attempt at it may have taken effect.
    pub fn undo<F, R, E>(mut self, undo: F) -> Saga<P>
    where
        F: for<'a> GivenFunction<'a, P, Option<O>, R, E>,
        R: Reads,
        E: Event,
    {
        self.step.undo = Some(Function::of_undo(undo));
        self.no_undo()
    }

    /// Declares that there is nothing to undo, and adds the step to the saga: the step changes nothing, or no step
    /// after it can fail. If the step's answer is lost, the saga goes on if the step was done, and unwinds if it was
    /// not; the step is not done later.
    pub fn no_undo(mut self) -> Saga<P> {
        self.saga.stages.push(Stage::Step(self.step));
        self.saga
    }

    /// Declares that the step's only changes are its effects: it calls nothing in the outside world. Then it needs no
    /// lease, and if it was not committed there is nothing to undo.
    pub fn effects_only(mut self) -> Self {
        self.step.is_effects_only = true;
        self
    }

    /// Makes the step conditional: it runs only if this field of the input, a `bool`, is true. A function that reads
    /// its output then reads an `Option`.
    pub fn only_if(mut self, input_field: &'static str) -> Self {
        self.step.only_if = Some(input_field);
        self
    }

    /// Sets the time limit of one attempt: 20 seconds unless set. Requests that the attempt has sent to the outside
    /// world by then may still take effect.
    pub fn time_limit(mut self, time_limit: Duration) -> Self {
        self.step.time_limit = time_limit;
        self
    }

    /// Sets the step's back-off: [`Retry::STEP`] unless set.
    pub fn retry(mut self, retry: Retry) -> Self {
        self.step.retry = retry;
        self
    }

    /// Sets the back-off of the step's undo: [`Retry::UNDO`] unless set.
    pub fn undo_retry(mut self, retry: Retry) -> Self {
        self.step.undo_retry = retry;
        self
    }
}

impl<P, O> fmt::Debug for StepBuilder<P, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StepBuilder").field("step", &self.step.name).finish_non_exhaustive()
    }
}

impl<P: Send + Sync + 'static> Step<P> {
    fn new<O: 'static>(name: &'static str, kind: Kind, function: Function<P>) -> Self {
        Self {
            name,
            kind,
            function,
            undo: None,
            output: DataType::of::<O>(),
            optional_output: DataType::of::<Option<O>>(),
            only_if: None,
            is_effects_only: false,
            time_limit: TIME_LIMIT,
            retry: Retry::STEP,
            undo_retry: Retry::UNDO,
        }
    }
}
