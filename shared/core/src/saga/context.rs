//! The context that is passed to a step while it runs.

use crate::Context;
use std::{fmt, ops::Deref};

/// The context of a step, an undo or an ending while it runs: it offers everything that a handler's [`Context`] does,
/// and names the execution.
pub struct StepContext<'a> {
    pub(super) context: &'a Context<'a>,
    pub(super) execution: &'a str,
    pub(super) idempotency_key: &'a str,
    pub(super) undone_key: &'a str,
}

impl<'a> Deref for StepContext<'a> {
    type Target = Context<'a>;

    fn deref(&self) -> &Context<'a> {
        self.context
    }
}

impl StepContext<'_> {
    /// Returns the idempotency key for calls to APIs outside: the same for every attempt at this step, or this undo, of
    /// this execution.
    pub fn idempotency_key(&self) -> &str {
        self.idempotency_key
    }

    /// Returns, in an undo, the idempotency key that its step used. An API is to refuse requests under that key from
    /// now on, and to take back those that arrived.
    pub fn undone_key(&self) -> &str {
        self.undone_key
    }

    /// Returns the execution's name.
    pub fn execution(&self) -> &str {
        self.execution
    }
}

impl fmt::Debug for StepContext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StepContext")
            .field("context", self.context)
            .field("execution", &self.execution)
            .finish_non_exhaustive()
    }
}
