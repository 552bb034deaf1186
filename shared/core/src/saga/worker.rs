//! The worker: does the tasks of a state machine, through the main path.
//!
//! A task becomes a message, and the step's function its handler. Therefore a task that is delivered twice has its
//! effects once, and an undo and its step cannot both take effect: both decide on the step's [record](StepRecord), and
//! the ledger lets only one of them commit.

mod job;

use super::{
    Saga, Task, TaskError, Work,
    definition::{Kind, Step},
    error_type,
    function::Function,
    record::{StepOutcome, StepRecord, record_id, shown},
};
use crate::{
    BoxError, Failure, Timestamp,
    dead_letter::{DeadLetter, DeadLetters},
    delivery::Delivery,
    entity::EntityKey,
    item::read_item,
    json_error::without_values,
    ports::Ports,
    process::{Record, RetryCause, Settings, Verdict, process},
    time::later,
};
use futures_util::future::BoxFuture;
use job::{Job, Role};
use serde_json::{Value, json};
use std::{fmt, sync::Arc, time::Duration};

/// Runs the steps of a saga, over the services that they need.
pub struct Worker<P> {
    current: Arc<Saga<P>>,
    earlier: Vec<Arc<Saga<P>>>,
    /// The fingerprints of the current definition and of the earlier ones.
    fingerprints: Vec<String>,
    services: Arc<P>,
    interceptor: Option<Arc<dyn Interceptor>>,
}

/// Hooks that a test kit puts around functions: before one runs, and after it ran but before anything is committed.
pub trait Interceptor: Send + Sync {
    /// Runs before the function. If it fails, the function does not run, and this failure is its result.
    fn before<'a>(&'a self, work: Work, step: &'a str) -> BoxFuture<'a, Result<(), Failure>>;
    /// Runs after the function returned. If it fails, this failure replaces the function's result.
    fn after<'a>(&'a self, work: Work, step: &'a str) -> BoxFuture<'a, Result<(), Failure>>;
}

impl<P: Send + Sync + 'static> Worker<P> {
    /// Returns a worker for a saga.
    pub fn new(saga: Saga<P>, services: P) -> Self {
        Self {
            fingerprints: vec![saga.fingerprint()],
            current: Arc::new(saga),
            earlier: Vec::new(),
            services: Arc::new(services),
            interceptor: None,
        }
    }

    /// Makes the worker also run executions that were started with an earlier definition: keep that definition until
    /// they have ended.
    #[must_use]
    pub fn still(mut self, earlier: Saga<P>) -> Self {
        self.fingerprints.push(earlier.fingerprint());
        self.earlier.push(Arc::new(earlier));
        self
    }

    /// Puts an interceptor around every function, with which a test injects faults.
    #[must_use]
    pub fn intercepted(self, interceptor: Arc<dyn Interceptor>) -> Self {
        Self { interceptor: Some(interceptor), ..self }
    }

    /// Returns the definition that new executions are started with.
    pub fn saga(&self) -> &Saga<P> {
        &self.current
    }

    /// Returns the services over which the worker runs steps.
    pub fn services(&self) -> &P {
        &self.services
    }

    /// Returns every definition that the worker knows, the current one first.
    pub fn definitions(&self) -> impl Iterator<Item = &Saga<P>> {
        std::iter::once(&*self.current).chain(self.earlier.iter().map(|saga| &**saga))
    }

    /// Does the work of a task and returns its answer. The same task again has the same answer.
    ///
    /// # Errors
    /// A [`TaskError`] that the state machine matches on.
    pub async fn work(
        &self,
        ports: Ports<'_>,
        settings: &Settings,
        invocation_ends: Option<Timestamp>,
        task: &Task,
    ) -> Result<Value, TaskError> {
        let saga = self.definition(task)?;
        let (task, input) = (Arc::new(task.clone()), Arc::new(input(task)?));
        let running = Running { worker: self, saga, ports, settings, invocation_ends, task, input };
        let task = &running.task;
        match task.work {
            Work::End => running.end().await,
            Work::Run | Work::Undo => {
                let step = saga.find(&task.step).ok_or_else(|| unknown_step(saga, task))?;
                if !running.is_wanted(step) {
                    return Ok(json!({ "skipped": "it is not wanted" }));
                }
                match (task.work, step.kind) {
                    (Work::Undo, _) => running.undo(step).await,
                    (_, Kind::Task) => running.run(step).await,
                    (_, Kind::Callback { .. }) => running.ask(step).await,
                }
            }
        }
    }

    fn definition(&self, task: &Task) -> Result<&Arc<Saga<P>>, TaskError> {
        let all = std::iter::once(&self.current).chain(&self.earlier);
        let mut found = self.fingerprints.iter().zip(all);
        let found = found.find(|(fingerprint, _)| **fingerprint == task.definition);
        found.map(|(_, saga)| saga).ok_or_else(|| {
            let cause = format!(
                "this worker of `{}` does not know the definition {}: deploy one that still does",
                self.current.name, task.definition
            );
            TaskError::new(error_type::NOT_UNDERSTOOD, cause)
        })
    }
}

/// Returns the answer to undoing a step that has no undo. The step does not run any more; if it is done by now, it
/// stays done.
fn without_undo<P>(step: &Step<P>, outcome: Option<&StepOutcome>) -> Result<Value, TaskError> {
    match outcome {
        Some(StepOutcome::Done { .. }) => {
            let cause = format!("`{}` is done after all, and has no undo", step.name);
            Err(TaskError::new(error_type::DONE, cause))
        }
        _ => Ok(json!({ "skipped": "it was not done, and will not be" })),
    }
}

fn unknown_step<P>(saga: &Saga<P>, task: &Task) -> TaskError {
    let cause = format!("saga `{}` has no step `{}`", saga.name, task.step);
    TaskError::new(error_type::NOT_UNDERSTOOD, cause)
}

fn input(task: &Task) -> Result<Value, TaskError> {
    serde_json::from_str(task.document.start.data.get()).map_err(|error| {
        TaskError::new(error_type::NOT_UNDERSTOOD, format!("its input: {}", without_values(&error)))
    })
}

/// A task that is being worked on.
struct Running<'a, P> {
    worker: &'a Worker<P>,
    saga: &'a Arc<Saga<P>>,
    ports: Ports<'a>,
    settings: &'a Settings,
    invocation_ends: Option<Timestamp>,
    task: Arc<Task>,
    input: Arc<Value>,
}

impl<P: Send + Sync + 'static> Running<'_, P> {
    fn is_wanted(&self, step: &Step<P>) -> bool {
        step.only_if.is_none_or(|field| self.input.get(field) == Some(&Value::Bool(true)))
    }

    async fn run(&self, step: &Step<P>) -> Result<Value, TaskError> {
        let deadline = self.deadline()?;
        let outcome = self.process(Role::Run, &step.function, step, Some(deadline)).await?;
        self.answer(outcome)
    }

    /// Runs a callback. The waiting task is recorded before the question is asked, because an answer can come at once.
    async fn ask(&self, step: &Step<P>) -> Result<Value, TaskError> {
        let deadline = self.deadline()?;
        let token = self.task.task_token.clone().ok_or_else(|| {
            TaskError::new(error_type::NOT_UNDERSTOOD, format!("the task `{}` has no token", step.name))
        })?;
        let registered = Role::Register { token };
        match self.process(registered, &step.function, step, Some(deadline)).await? {
            StepOutcome::Waiting { .. } => {}
            settled => return self.answer(settled),
        }
        let asked = self.process(Role::Ask, &step.function, step, Some(deadline)).await?;
        self.answer(asked)
    }

    async fn undo(&self, step: &Step<P>) -> Result<Value, TaskError> {
        let mut outcome = self.recorded(step.name).await?;
        if matches!(outcome, None | Some(StepOutcome::Waiting { .. })) {
            outcome = Some(self.process(Role::Void, &step.function, step, None).await?);
        }
        let Some(undo) = &step.undo else { return without_undo(step, outcome.as_ref()) };
        let output = match outcome {
            Some(StepOutcome::Done { output }) => Some(output),
            Some(StepOutcome::Rejected { .. }) if step.kind == Kind::Task => {
                return Ok(json!({ "skipped": "it was rejected" }));
            }
            // A callback's question may have been asked, which is an effect of its own.
            _ if step.is_effects_only && step.kind == Kind::Task => {
                return Ok(json!({ "skipped": "it changed nothing" }));
            }
            _ => None,
        };
        let is_known = output.is_some();
        self.process(Role::Undo { output }, undo, step, None).await?;
        Ok(json!({ "undone": step.name, "outcome_was_known": is_known }))
    }

    async fn end(&self) -> Result<Value, TaskError> {
        let ending = self.saga.ending.as_ref().filter(|ending| ending.name == self.task.step);
        let ending = ending.ok_or_else(|| unknown_step(self.saga, &self.task))?;
        let job = self.job(Role::End, &ending.function, None);
        self.process_job(job, ending.time_limit, None).await?;
        Ok(json!({ "ended": ending.name }))
    }

    /// Returns the saga's deadline, or an error if it has passed.
    fn deadline(&self) -> Result<Timestamp, TaskError> {
        let deadline = later(self.task.started_at, self.saga.deadline);
        if self.ports.time.now() >= deadline {
            return Err(self.deadline_passed());
        }
        Ok(deadline)
    }

    fn deadline_passed(&self) -> TaskError {
        let deadline = self.saga.deadline.as_secs();
        let cause = format!("the saga is not done {deadline} s after its start");
        TaskError::new(error_type::DEADLINE_PASSED, cause)
    }

    fn job(&self, role: Role, function: &Function<P>, step: Option<&Step<P>>) -> Job<P> {
        let sources = match step {
            Some(step) => self.saga.sources(step.name, &function.reads),
            None => self.saga.sources_of_ending(&function.reads),
        };
        Job {
            saga: Arc::clone(self.saga),
            services: Arc::clone(&self.worker.services),
            interceptor: self.worker.interceptor.clone(),
            task: Arc::clone(&self.task),
            input: Arc::clone(&self.input),
            is_leased: role.runs_function() && !step.is_some_and(|step| step.is_effects_only),
            role,
            function: function.clone(),
            sources,
            settled: Arc::default(),
        }
    }

    async fn process(
        &self,
        role: Role,
        function: &Function<P>,
        step: &Step<P>,
        deadline: Option<Timestamp>,
    ) -> Result<StepOutcome, TaskError> {
        let job = self.job(role, function, Some(step));
        self.process_job(job, step.time_limit, deadline).await
    }

    /// Runs the task through the main path as a batch of one.
    async fn process_job(
        &self,
        job: Job<P>,
        time_limit: Duration,
        deadline: Option<Timestamp>,
    ) -> Result<StepOutcome, TaskError> {
        let body = job.message(self.ports.time.now())?;
        let record = Record {
            message_id: &self.task.execution,
            source: self.saga.name,
            body: &body,
            attempt: self.task.retries.saturating_add(1),
            is_last_attempt: false,
            group: None,
            delivery: Delivery::default(),
        };
        let ends = self.must_end(time_limit, deadline);
        let ports = Ports { dead_letters: &ToldToTheStateMachine, ..self.ports };
        let verdict = process(&job, ports, self.settings, Some(ends), &[record]).await.pop();
        match verdict {
            Some(Verdict::Done) => Ok(job.settled().unwrap_or(StepOutcome::Done { output: Value::Null })),
            Some(Verdict::Duplicate) => self.first_outcome(&job).await,
            Some(Verdict::Retry { cause, .. }) => Err(self.not_yet(cause, deadline, time_limit)),
            Some(Verdict::Rejected { error_type, reason }) => Err(job.refused(&error_type, &reason)),
            None => Err(TaskError::new(error_type::TRANSIENT, "the main path gave no verdict")),
        }
    }

    /// Returns the time at which the main path has to hand the task back: it stops waiting a margin before that.
    fn must_end(&self, time_limit: Duration, deadline: Option<Timestamp>) -> Timestamp {
        let margin = self.settings.deadline_margin;
        let limit = later(self.ports.time.now(), time_limit.saturating_add(margin));
        let deadline = deadline.map_or(Timestamp::MAX, |deadline| later(deadline, margin));
        limit.min(deadline).min(self.invocation_ends.unwrap_or(Timestamp::MAX))
    }

    fn not_yet(&self, cause: RetryCause, deadline: Option<Timestamp>, time_limit: Duration) -> TaskError {
        match cause {
            RetryCause::Failed { error_type, reason } if error_type == error_type::NOT_UNDERSTOOD => {
                TaskError::new(error_type::NOT_UNDERSTOOD, reason)
            }
            RetryCause::Failed { error_type, reason } => {
                TaskError::new(error_type::TRANSIENT, format!("{error_type}: {reason}"))
            }
            RetryCause::Deadline if deadline.is_some_and(|deadline| self.ports.time.now() >= deadline) => {
                self.deadline_passed()
            }
            RetryCause::Deadline => {
                let limit = time_limit.as_secs_f64();
                TaskError::new(error_type::TIMED_OUT, format!("it was not done within {limit} s"))
            }
            RetryCause::Busy | RetryCause::LeaseLost | RetryCause::Behind => {
                TaskError::new(error_type::BUSY, "another invocation is working on it, or died working on it")
            }
            RetryCause::NotDeadLettered { reason } => TaskError::new(error_type::TRANSIENT, reason),
        }
    }

    /// Returns the answer to a task that was done before.
    async fn first_outcome(&self, job: &Job<P>) -> Result<StepOutcome, TaskError> {
        if !job.role.is_recorded() {
            return Ok(StepOutcome::Done { output: Value::Null });
        }
        let recorded = self.recorded(&self.task.step).await?;
        recorded.ok_or_else(|| TaskError::new(error_type::NOT_UNDERSTOOD, "it was done, but not recorded"))
    }

    async fn recorded(&self, step: &str) -> Result<Option<StepOutcome>, TaskError> {
        let key = EntityKey::of::<StepRecord>(record_id(self.saga.name, &self.task.execution, step));
        let loaded = self.ports.ledger.load(std::slice::from_ref(&key)).await.pop();
        let transient = |error: String| TaskError::new(error_type::TRANSIENT, error);
        let stored = match loaded {
            Some(Ok(stored)) => stored,
            Some(Err(error)) => return Err(transient(error.to_string())),
            None => return Err(transient("the ledger gave no answer".to_owned())),
        };
        let record = stored.map(|stored| read_item::<StepRecord>(&stored.data)).transpose();
        let record =
            record.map_err(|error| TaskError::new(error_type::NOT_UNDERSTOOD, without_values(&error)))?;
        Ok(record.map(|record| record.outcome))
    }

    fn answer(&self, outcome: StepOutcome) -> Result<Value, TaskError> {
        match outcome {
            StepOutcome::Done { output } => Ok(json!({ "output": shown(&output) })),
            StepOutcome::Waiting { .. } => Ok(json!({ "waiting": self.task.step })),
            StepOutcome::Rejected { reason, .. } => Err(TaskError::new(error_type::REJECTED, reason)),
            StepOutcome::Doubtful { reason, .. } => Err(TaskError::new(error_type::FAILED, reason)),
            StepOutcome::Voided => Err(TaskError::new(error_type::VOIDED, "its undo came first")),
        }
    }
}

/// A dead-letter queue that drops its letters: a saga's task is not dead-lettered, because the state machine gets the
/// error and undoes the steps.
struct ToldToTheStateMachine;

impl DeadLetters for ToldToTheStateMachine {
    fn send<'a>(&'a self, _: &'a DeadLetter) -> BoxFuture<'a, Result<(), BoxError>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

impl<P> fmt::Debug for Worker<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("saga", &self.current).finish_non_exhaustive()
    }
}
