//! Sagas: steps that happen one after another, and are undone when one of them fails for good.
//!
//! A [`Saga`] is defined once. It is checked ([`Saga::check`]), compiled to a state machine of Step Functions
//! ([`Saga::states_language`]), and its steps are run by a [`Worker`], through the same main path as every
//! handler. Step Functions remembers how far an execution is and how long to wait; the ledger knows what became
//! of each step.

mod callback;
mod context;
mod definition;
mod function;
mod record;
mod states_language;
mod stuck;
mod task;
mod view;
mod wiring;
mod worker;

pub use callback::{CallbackId, Waiting};
pub use context::StepContext;
pub use definition::{Retry, Saga, StepBuilder, Wait};
pub use function::{DataType, GivenFunction, Reads, StepFunction};
pub use record::{StepOutcome, StepRecord, record_id};
pub use stuck::{ExecutionEnded, ReportStuckSagas, SagaEvent, SagaStuck};
pub use task::{Document, Failed, Task, TaskError, Unwound, Work, error_type};
pub use view::{EndingView, Retrier, SagaView, StageView, StepView, TASK_PATIENCE};
pub use wiring::DefinitionError;
pub use worker::{Interceptor, Worker};

use worker::shown;

use crate::{Effects, Never};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

/// What a saga is started with.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use throughline_core::prelude::*;
///
/// #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
/// struct Checkout { order_id: String }
///
/// impl SagaInput for Checkout {
///     const SAGA: &'static str = "checkout";
///     fn subject(&self) -> Option<String> { Some(self.order_id.clone()) }
/// }
/// ```
pub trait SagaInput: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The saga's name.
    const SAGA: &'static str;
    /// The id of what the saga is about: the CloudEvents attribute `subject` of the message that starts it.
    fn subject(&self) -> Option<String> {
        None
    }
}

/// What a step did: its output, which later steps may read, and its effects.
///
/// ```
/// use throughline_core::prelude::*;
/// let silent: Outcome<u32> = Outcome::of(7);
/// let telling: Outcome<u32> = Effects::none().returning(7);
/// assert_eq!(silent, telling);
/// ```
#[must_use = "a step's output and effects are nothing until the step returns them"]
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome<O, E = Never> {
    /// What later steps may read.
    pub output: O,
    /// What happens together with the step, or not at all.
    pub effects: Effects<E>,
}

impl<O, E> Outcome<O, E> {
    /// An output without effects.
    pub fn of(output: O) -> Self {
        Self { output, effects: Effects::none() }
    }
}

impl<E> Effects<E> {
    /// These effects as those of a saga's step with this output.
    pub fn returning<O>(self, output: O) -> Outcome<O, E> {
        Outcome { output, effects: self }
    }
}

/// The type of the message that starts a saga.
pub(crate) fn start_type(saga: &str) -> String {
    format!("{saga}.start")
}

/// An answer to a task that waits for one: the data of a message to
/// [`Destination::Task`](crate::ledger::Destination::Task).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskAnswer {
    /// The task is done: `SendTaskSuccess`.
    Success {
        /// What it returns.
        output: Value,
    },
    /// The task failed: `SendTaskFailure`.
    Failure {
        /// What `Retry` and `Catch` match.
        error: String,
        /// What went wrong.
        cause: String,
    },
}
