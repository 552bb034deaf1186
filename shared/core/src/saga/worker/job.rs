//! A task of a saga as a handler of the main path.

use super::{Interceptor, error_type};
use crate::{
    Attributes, Context, Effects, Envelope, Failure, Handler, Message, MessageType, Timestamp, Versioned,
    failure::FailureKind,
    identity::{self, ClaimKey},
    json_error::without_values,
    message::{DataError, EncodedEvent},
    saga::{
        Saga, Task, TaskError,
        callback::answer_task,
        context::StepContext,
        function::{Arguments, Function, Ran, Unreadable},
        record::{StepOutcome, StepRecord, record_id},
        wiring::Source,
    },
};
use futures_util::future::{join, try_join_all};
use serde_json::{Value, value::RawValue};
use std::sync::{Arc, Mutex, PoisonError};

/// The part of a task that a job does.
#[derive(Debug, Clone)]
pub(super) enum Role {
    /// The step itself.
    Run,
    /// Record the token of the task that waits for a callback's answer.
    Register { token: String },
    /// Ask a callback's question.
    Ask,
    /// Write a tombstone, unless the step has an outcome.
    Void,
    /// Undo the step. `output` is the step's output, if the step is known to be done.
    Undo { output: Option<Value> },
    /// End a compensated saga.
    End,
}

impl Role {
    /// Returns whether the job runs a function of the application, which may call the outside world.
    pub(super) fn runs_function(&self) -> bool {
        matches!(self, Self::Run | Self::Ask | Self::Undo { .. } | Self::End)
    }

    /// Returns whether the job's outcome is recorded as the step's record.
    pub(super) fn is_recorded(&self) -> bool {
        matches!(self, Self::Run | Self::Register { .. } | Self::Ask | Self::Void)
    }

    /// Returns the end of the message's id, which makes it differ from the ids of the step's other messages.
    fn suffix(&self) -> String {
        match self {
            Self::Run | Self::Ask | Self::End => String::new(),
            Self::Register { token } => format!("/waits/{}", identity::derived([token])),
            Self::Void => "/void".to_owned(),
            Self::Undo { .. } => "/undo".to_owned(),
        }
    }

    /// Returns the end of the message's type.
    fn type_suffix(&self) -> &'static str {
        match self {
            Self::Run | Self::Ask | Self::End => "",
            Self::Register { .. } => ".waits",
            Self::Void => ".void",
            Self::Undo { .. } => ".undo",
        }
    }
}

/// A handler that does one part of a task.
pub(super) struct Job<P> {
    pub(super) saga: Arc<Saga<P>>,
    pub(super) services: Arc<P>,
    pub(super) interceptor: Option<Arc<dyn Interceptor>>,
    pub(super) task: Arc<Task>,
    pub(super) input: Arc<Value>,
    pub(super) is_leased: bool,
    pub(super) role: Role,
    pub(super) function: Function<P>,
    /// The sources of the values that the function reads.
    pub(super) sources: Vec<Option<Source>>,
    /// The outcome of the job.
    pub(super) settled: Arc<Mutex<Option<StepOutcome>>>,
}

impl<P> Clone for Job<P> {
    fn clone(&self) -> Self {
        Self {
            saga: Arc::clone(&self.saga),
            services: Arc::clone(&self.services),
            interceptor: self.interceptor.clone(),
            task: Arc::clone(&self.task),
            input: Arc::clone(&self.input),
            is_leased: self.is_leased,
            role: self.role.clone(),
            function: self.function.clone(),
            sources: self.sources.clone(),
            settled: Arc::clone(&self.settled),
        }
    }
}

/// The message of a task. Its content does not matter to its handler, which has the task itself.
#[derive(Debug, Clone)]
pub(super) struct TaskMessage;

impl Message for TaskMessage {
    const CATALOGUE: &'static [MessageType] = &[];
    fn message_type(&self) -> MessageType {
        MessageType { name: "saga.task", version: 1 }
    }
    fn subject(&self) -> Option<String> {
        None
    }
    fn encode(&self) -> Result<Box<RawValue>, serde_json::Error> {
        serde_json::value::to_raw_value(&())
    }
    fn decode(_: &str, _: u16, _: &RawValue) -> Result<Self, DataError> {
        Ok(Self)
    }
}

impl<P: Send + Sync + 'static> Handler for Job<P> {
    /// The handlers of all sagas share this constant; [`Handler::name`] returns the saga's own name.
    const NAME: &'static str = "saga";
    type Message = TaskMessage;
    type Emits = EncodedEvent;

    fn name(&self) -> &'static str {
        self.saga.name
    }

    fn holds_claim_while_running(&self) -> bool {
        self.is_leased
    }

    async fn handle(
        &self,
        _: Envelope<TaskMessage>,
        context: &Context<'_>,
    ) -> Result<Effects<EncodedEvent>, Failure> {
        match &self.role {
            Role::Run => self.run(context).await,
            Role::Register { token } => self.register(token, context).await,
            Role::Ask => self.ask(context).await,
            Role::Void => self.void(context).await,
            Role::Undo { output } => self.follow_up(output.clone(), context).await,
            Role::End => {
                let unwound = serde_json::to_value(self.task.document.unwound())?;
                self.follow_up(Some(unwound), context).await
            }
        }
    }
}

impl<P: Send + Sync + 'static> Job<P> {
    /// Returns the message that stands for the task. Its id is made of the execution's name and the step's, so that it
    /// is the same message however often the task is delivered.
    pub(super) fn message(&self, now: Timestamp) -> Result<String, TaskError> {
        let start = &self.task.document.start;
        let id = self.message_id(&self.task.step, &self.role.suffix());
        let message_type = format!("{}.{}{}", self.saga.name, self.task.step, self.role.type_suffix());
        let caused = start.attributes.caused(id, self.saga.name, &message_type, 1, now);
        let attributes = Attributes { subject: start.attributes.subject.clone(), ..caused };
        let envelope = Envelope { attributes, data: start.data.clone() };
        serde_json::to_string(&envelope)
            .map_err(|error| TaskError::new(error_type::NOT_UNDERSTOOD, error.to_string()))
    }

    /// Returns the outcome that the committed attempt recorded.
    pub(super) fn settled(&self) -> Option<StepOutcome> {
        self.settled.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns the answer to a task that the main path rejected. The step's function has run by then; a rejection of an
    /// undo or an ending is the function's own.
    pub(super) fn refused(&self, error_type: &str, reason: &str) -> TaskError {
        let name = match self.role {
            Role::Undo { .. } | Role::End => error_type::UNDO_REJECTED,
            _ => error_type::FAILED,
        };
        TaskError::new(name, format!("{error_type}: {reason}"))
    }

    async fn run(&self, context: &Context<'_>) -> Result<Effects<EncodedEvent>, Failure> {
        let (record, reads) = join(self.record(context), self.reads(context)).await;
        let Some(record) = self.unsettled(record?) else { return Ok(Effects::none()) };
        let (outcome, effects) = match self.call(None, reads?, context).await {
            Ok(Ran { output, effects }) => (StepOutcome::Done { output }, effects),
            Err(failure) => (self.refusal(failure)?, Effects::none()),
        };
        Ok(self.settle(record, outcome, effects))
    }

    /// Records the token of the waiting task. The latest token replaces an earlier one, which belongs to a task that
    /// was given up. If the answer is there already, the new task gets it.
    async fn register(&self, token: &str, context: &Context<'_>) -> Result<Effects<EncodedEvent>, Failure> {
        let record = self.record(context).await?;
        match &record.value {
            None | Some(StepOutcome::Waiting { .. }) => {
                let outcome = StepOutcome::Waiting { token: token.to_owned() };
                Ok(self.settle(record, outcome, Effects::none()))
            }
            Some(outcome) => {
                let effects = answer_task(token.to_owned(), outcome);
                self.note(outcome.clone());
                Ok(effects)
            }
        }
    }

    async fn ask(&self, context: &Context<'_>) -> Result<Effects<EncodedEvent>, Failure> {
        // A question that is asked outside can be answered before this is committed, which is no conflict. A question
        // that is only emitted cannot, and must not be emitted once no task waits any more.
        let (record, reads) = if self.is_leased {
            join(self.peeked(context), self.reads(context)).await
        } else {
            join(self.record(context), self.reads(context)).await
        };
        let record = record?;
        match &record.value {
            None | Some(StepOutcome::Waiting { .. }) => {}
            Some(outcome) => {
                self.note(outcome.clone());
                return Ok(Effects::none());
            }
        }
        let callback = Value::String(self.record_id());
        match self.call(Some(callback), reads?, context).await {
            Ok(Ran { effects, .. }) => {
                self.note(StepOutcome::Waiting { token: String::new() });
                Ok(effects)
            }
            Err(failure) => Ok(self.settle(record, self.refusal(failure)?, Effects::none())),
        }
    }

    async fn void(&self, context: &Context<'_>) -> Result<Effects<EncodedEvent>, Failure> {
        let record = self.record(context).await?;
        match &record.value {
            None | Some(StepOutcome::Waiting { .. }) => {
                Ok(self.settle(record, StepOutcome::Voided, Effects::none()))
            }
            Some(outcome) => {
                self.note(outcome.clone());
                Ok(Effects::none())
            }
        }
    }

    /// Runs an undo or an ending, which need no record but their claims.
    async fn follow_up(
        &self,
        given: Option<Value>,
        context: &Context<'_>,
    ) -> Result<Effects<EncodedEvent>, Failure> {
        let reads = self.reads(context).await?;
        Ok(self.call(given, reads, context).await?.effects)
    }

    async fn call(
        &self,
        given: Option<Value>,
        reads: Vec<Value>,
        context: &Context<'_>,
    ) -> Result<Ran, Failure> {
        let work = self.task.work;
        if let Some(interceptor) = &self.interceptor {
            interceptor.before(work, &self.task.step).await?;
        }
        let idempotency_key = context.idempotency_key();
        let undone_key = self.claim_key(&self.task.step, "").idempotency_key();
        let step = StepContext {
            context,
            execution: &self.task.execution,
            idempotency_key: &idempotency_key,
            undone_key: &undone_key,
        };
        let running = self.function.call(&self.services, Arguments { given, reads }, &step);
        let ran = running.map_err(|unreadable| self.unreadable(&unreadable))?.await?;
        if let Some(interceptor) = &self.interceptor {
            interceptor.after(work, &self.task.step).await?;
        }
        Ok(ran)
    }

    /// Returns the outcome of a refused attempt: a rejection is an outcome; every other failure is returned as an
    /// error. The fact that this attempt changed nothing says nothing about the attempts before it, which may have
    /// called the outside world.
    fn refusal(&self, failure: Failure) -> Result<StepOutcome, Failure> {
        if failure.kind == FailureKind::Retry {
            return Err(failure);
        }
        let (error_type, reason) = (failure.error_type.to_string(), failure.message());
        let may_have_happened = self.is_leased && self.task.retries > 0;
        Ok(if may_have_happened {
            StepOutcome::Doubtful { error_type, reason }
        } else {
            StepOutcome::Rejected { error_type, reason }
        })
    }

    /// Loads the values that the function reads, in the order of its arguments.
    async fn reads(&self, context: &Context<'_>) -> Result<Vec<Value>, Failure> {
        let values = self.sources.iter().map(|source| async move {
            match source {
                Some(Source::Input) => Ok(Value::clone(&self.input)),
                Some(Source::Step(step)) => self.output_of(step, context).await,
                None => Err(not_understood("what it reads is given by nothing")),
            }
        });
        try_join_all(values).await
    }

    /// Returns another step's output; `null` if that step was not done.
    async fn output_of(&self, step: &str, context: &Context<'_>) -> Result<Value, Failure> {
        let id = record_id(self.saga.name, &self.task.execution, step);
        let record = context.peek::<StepRecord>(&id).await?;
        Ok(match record.map(|record| record.value.outcome) {
            Some(StepOutcome::Done { output }) => output,
            _ => Value::Null,
        })
    }

    async fn record(&self, context: &Context<'_>) -> Result<Versioned<Recorded>, Failure> {
        Ok(recorded(context.load::<StepRecord>(&self.record_id()).await?))
    }

    async fn peeked(&self, context: &Context<'_>) -> Result<Versioned<Recorded>, Failure> {
        Ok(recorded(context.peek::<StepRecord>(&self.record_id()).await?))
    }

    /// Returns the step's record if nothing is recorded yet. A recorded outcome becomes the outcome of the task.
    fn unsettled(&self, record: Versioned<Recorded>) -> Option<Versioned<Recorded>> {
        match &record.value {
            None => Some(record),
            Some(outcome) => {
                self.note(outcome.clone());
                None
            }
        }
    }

    fn settle(
        &self,
        record: Versioned<Recorded>,
        outcome: StepOutcome,
        effects: Effects<EncodedEvent>,
    ) -> Effects<EncodedEvent> {
        self.note(outcome.clone());
        effects.save(record.map(|_| StepRecord { step: self.record_id(), outcome }))
    }

    fn note(&self, outcome: StepOutcome) {
        *self.settled.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
    }

    fn record_id(&self) -> String {
        record_id(self.saga.name, &self.task.execution, &self.task.step)
    }

    fn message_id(&self, step: &str, suffix: &str) -> String {
        format!("{}/{step}{suffix}", self.task.execution)
    }

    fn claim_key(&self, step: &str, suffix: &str) -> ClaimKey {
        ClaimKey::for_event(self.saga.name, self.saga.name, &self.message_id(step, suffix))
    }

    fn unreadable(&self, unreadable: &Unreadable) -> Failure {
        let Unreadable { position, error } = unreadable;
        let what = match position.and_then(|at| self.function.reads.get(at)) {
            Some(data) => format!("the `{}` that `{}` reads", data.name, self.task.step),
            None => format!("what `{}` is given", self.task.step),
        };
        not_understood(format!("{what} is stored in another shape: {}", without_values(error)))
    }
}

/// The outcome that is recorded for a step, if there is one.
type Recorded = Option<StepOutcome>;

fn recorded(record: Option<Versioned<StepRecord>>) -> Versioned<Recorded> {
    match record {
        Some(record) => record.map(|record| Some(record.outcome)),
        None => Versioned::new(None),
    }
}

fn not_understood(why: impl Into<String>) -> Failure {
    Failure::retry(why.into()).named(error_type::NOT_UNDERSTOOD)
}
