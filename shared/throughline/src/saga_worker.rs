//! The worker of a saga: what Step Functions invokes for every step.

use crate::{
    Environment, Invocation, InvocationError, Trigger,
    backend::LazyLedger,
    metrics::{Lines, SagaFigures, bounded},
    run::Handled,
    system::System,
};
use futures_util::future::BoxFuture;
use serde_json::Value;
use std::fmt;
use throughline_core::{
    BoxError, Timestamp,
    describe::{FedBy, FunctionDescription, SagaDescription},
    internal::json_error::without_known_values,
    observer::Observer,
    ports::{DeadLetter, DeadLetters, Ports},
    process,
    saga::{Saga, Task, TaskError, Worker, error_type},
};
use tracing::{Instrument as _, info, info_span, warn};

/// Runs the steps of a saga, over the services they need.
///
/// The function is invoked by the state machine that the saga was compiled to. What it answers is kept in the
/// ledger; an error carries the name that the machine's `Retry` and `Catch` match.
///
/// ```no_run
/// # use serde::{Deserialize, Serialize};
/// # use throughline::prelude::*;
/// # #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)] pub struct Booking { trip: String }
/// # impl SagaInput for Booking { const SAGA: &'static str = "booking"; }
/// # pub struct Railway { url: String }
/// # fn booking() -> Saga<Railway> { Saga::of::<Booking>() }
/// #[tokio::main(flavor = "current_thread")]
/// async fn main() -> Result<(), throughline::Error> {
///     throughline::run_with(|environment| {
///         let url = environment.required("RAILWAY_URL", "the URL of the railway's API");
///         throughline::saga_worker(booking(), Railway { url })
///     })
///     .await
/// }
/// ```
pub fn saga_worker<P: Send + Sync + 'static>(saga: Saga<P>, services: P) -> SagaWorker<P> {
    SagaWorker { worker: Worker::new(saga, services) }
}

/// The trigger that [`saga_worker`] returns.
#[derive(Debug)]
pub struct SagaWorker<P> {
    worker: Worker<P>,
}

impl<P: Send + Sync + 'static> SagaWorker<P> {
    /// Also runs executions that were started with an earlier definition: keep it until they have ended.
    #[must_use]
    pub fn still(self, earlier: Saga<P>) -> Self {
        Self { worker: self.worker.still(earlier) }
    }

    /// Returns the worker that runs the steps, for a test that asks which definitions it knows.
    pub fn worker(&self) -> &Worker<P> {
        &self.worker
    }
}

/// A worker with its settings.
pub struct ReadySagaWorker<P> {
    worker: Worker<P>,
    settings: process::Settings,
    ledger: LazyLedger,
}

impl<P: Send + Sync + 'static> Trigger for SagaWorker<P> {
    type Ready = ReadySagaWorker<P>;
    type Batch<'a> = Task;
    type Figures = SagaFigures;

    fn describe(&self) -> FunctionDescription {
        let sagas = vec![SagaDescription::of(self.worker.saga())];
        FunctionDescription { trigger: FedBy::StateMachine, sagas, ..FunctionDescription::default() }
    }

    fn configure(self, environment: &mut Environment) -> ReadySagaWorker<P> {
        for saga in self.worker.definitions() {
            if let Err(error) = saga.check() {
                environment.problem(error.to_string());
            }
        }
        let tables: Vec<_> = self.worker.definitions().flat_map(Saga::own_tables).copied().collect();
        ReadySagaWorker {
            settings: environment.process_settings(),
            ledger: LazyLedger::configure(environment, &tables),
            worker: self.worker,
        }
    }

    fn read(invocation: Invocation<'_>) -> Result<Task, InvocationError> {
        read(invocation.payload)
    }

    async fn handle(
        ready: &ReadySagaWorker<P>,
        invocation: Invocation<'_>,
        task: &Task,
        observer: &dyn Observer,
    ) -> Result<Value, InvocationError> {
        let ports = Ports {
            ledger: ready.ledger.get().await,
            dead_letters: &NoDeadLetters,
            time: &System,
            random: &System,
            observer,
        };
        answer(&ready.worker, ports, &ready.settings, invocation.deadline, task)
            .await
            .map_err(|TaskError { error_type, cause }| InvocationError::new(error_type, cause))
    }

    fn write_figures(ready: &ReadySagaWorker<P>, handled: Handled<'_, '_, Self>, lines: &mut Lines<'_>) {
        let Handled { batch: task, figures, answer, took } = handled;
        let step = bounded(&task.step, ready.worker.definitions().flat_map(Saga::task_names));
        let answer = answer.as_ref().map_err(|error| error.error_type.as_str());
        figures.push(lines, ready.worker.saga().name(), step, (task.work, answer), took);
    }
}

/// Reads what a state machine asks.
///
/// # Errors
/// If it is no task.
pub fn read(payload: &str) -> Result<Task, InvocationError> {
    serde_json::from_str(payload).map_err(|error| {
        let error = without_known_values(&error);
        let message =
            format!("a saga's worker is invoked by its state machine, but this is no task: {error}");
        InvocationError::new(error_type::NOT_UNDERSTOOD, message)
    })
}

/// Does what a state machine asks.
///
/// # Errors
/// With an error type that the machine's `Retry` and `Catch` match.
pub async fn answer<P: Send + Sync + 'static>(
    worker: &Worker<P>,
    ports: Ports<'_>,
    settings: &process::Settings,
    deadline: Option<Timestamp>,
    task: &Task,
) -> Result<Value, TaskError> {
    let span = info_span!(
        "task",
        saga = worker.saga().name(),
        execution = task.execution,
        step = task.step,
        work = ?task.work,
        retries = task.retries,
        correlationid = task.document.start.attributes.correlation_id,
    );
    async {
        let answer = worker.work(ports, settings, deadline, task).await;
        match &answer {
            Ok(answer) => info!(answer = kind(answer), "told the state machine"),
            Err(TaskError { error_type, cause }) => warn!(error_type, cause, "told the state machine"),
        }
        answer
    }
    .instrument(span)
    .await
}

/// Returns the kind of an answer. The rest may be a step's output, which does not belong in a log.
fn kind(answer: &Value) -> Option<&'static str> {
    ["output", "waiting", "skipped", "undone", "ended"].into_iter().find(|kind| answer.get(kind).is_some())
}

/// A dead-letter queue that takes nothing: the state machine is told of failures.
struct NoDeadLetters;

impl DeadLetters for NoDeadLetters {
    fn send<'a>(&'a self, _: &'a DeadLetter) -> BoxFuture<'a, Result<(), BoxError>> {
        Box::pin(std::future::ready(Err("a saga's worker has no dead-letter queue".into())))
    }
}

impl<P> fmt::Debug for ReadySagaWorker<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadySagaWorker").field("worker", &self.worker).finish_non_exhaustive()
    }
}
