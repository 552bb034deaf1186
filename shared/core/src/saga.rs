//! Sagas.

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

/// The type of the message that starts a saga.
pub(crate) fn start_type(saga: &str) -> String {
    format!("{saga}.start")
}

/// An answer to a task that waits for one: the data of a message to [`Destination::Task`](crate::ledger::Destination::Task).
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
