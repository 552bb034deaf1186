//! What a step may ask while it runs.

use crate::Context;
use std::{fmt, ops::Deref};

/// What a step, an undo or an ending may ask while it runs: everything a handler may ask of its [`Context`],
/// and which execution it belongs to.
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
    /// What to give an API outside as its idempotency key: the same for every attempt at this step, or this
    /// undo, of this execution.
    pub fn idempotency_key(&self) -> &str {
        self.idempotency_key
    }

    /// In an undo: the idempotency key that its step used. An API is to refuse what arrives under it from now
    /// on, and to take back what arrived.
    pub fn undone_key(&self) -> &str {
        self.undone_key
    }

    /// The execution's name.
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
