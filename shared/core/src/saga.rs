//! Sagas: steps that run one after another, and are undone (compensated) when one of them fails for good.
//!
//! A [`Saga`] is defined once. It is checked ([`Saga::check`]), compiled to a state machine of Step Functions
//! ([`Saga::states_language`]), and its steps are run by a [`Worker`], through the same main path as every handler.
//! Step Functions stores how far an execution is and how long it waits; the ledger stores the outcome of each step.

mod callback;
mod context;
mod definition;
mod fields;
mod function;
mod output;
mod record;
pub(crate) mod start;
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
pub use output::Output;
pub use record::{StepOutcome, StepRecord, record_id};
pub use start::SagaInput;
pub use stuck::{ExecutionEnded, ReportStuckSagas, SagaEvent, SagaStuck};
pub use task::{Document, Failed, Task, TaskAnswer, TaskError, Unwound, Work, error_type};
pub use view::{EndingView, Retrier, SagaView, StageView, StepView, TASK_PATIENCE};
pub use wiring::DefinitionError;
pub use worker::{Interceptor, Worker};
