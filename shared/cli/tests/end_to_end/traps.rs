//! Traps: what a test arranges to happen to a function at a call of its choice.

use super::requests::Request;
use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The effect of a trap on the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trick {
    /// The process is killed, and the cloud never hears of the call.
    KillBefore,
    /// The cloud does as asked, and the process is killed before it hears of it.
    KillAfter,
    /// The cloud never hears of the call, and the answer is "500 Internal Server Error".
    Refuse,
}

/// Lies in wait for the calls of one operation by one function.
pub(crate) struct Trap {
    function: String,
    operation: String,
    text: String,
    trick: Trick,
    state: Mutex<State>,
}

#[derive(Debug, Clone, Copy)]
struct State {
    /// The number of calls that may pass first.
    lets_pass: usize,
    /// For how many calls it is armed.
    armed: usize,
    /// The number of times that the trap sprang.
    sprang: usize,
    /// The number of requests that the recorder had seen when the trap last sprang.
    seen: usize,
}

impl Trap {
    /// For the next call of this operation by this function.
    pub(crate) fn new(trick: Trick, function: &str, operation: &str) -> Self {
        Self {
            function: function.into(),
            operation: operation.into(),
            text: String::new(),
            trick,
            state: Mutex::new(State { lets_pass: 0, armed: 1, sprang: 0, seen: 0 }),
        }
    }

    /// Only for a call whose body contains this, such as an order's id.
    pub(crate) fn about(self, text: &str) -> Self {
        Self { text: text.into(), ..self }
    }

    /// Lets so many calls pass first.
    pub(crate) fn letting_pass(self, calls: usize) -> Self {
        self.state().lets_pass = calls;
        self
    }

    /// For so many calls instead of one.
    pub(crate) fn times(self, calls: usize) -> Self {
        self.state().armed = calls;
        self
    }

    /// The number of times that the trap sprang.
    pub(crate) fn sprang(&self) -> usize {
        self.state().sprang
    }

    /// Returns the effect of the trap.
    pub(super) fn trick(&self) -> Trick {
        self.trick
    }

    /// Returns the number of requests that the recorder had seen when the trap last sprang.
    pub(super) fn seen(&self) -> usize {
        self.state().seen
    }

    /// Notes that it was done, after so many requests.
    pub(super) fn is_done(&self, seen: usize) {
        let mut state = self.state();
        state.sprang += 1;
        state.seen = seen;
    }

    fn takes(&self, request: &Request) -> bool {
        if !request.is(&self.function, &self.operation, &self.text) {
            return false;
        }
        let mut state = self.state();
        match *state {
            State { armed: 0, .. } => false,
            State { lets_pass: 1.., .. } => {
                state.lets_pass -= 1;
                false
            }
            State { .. } => {
                state.armed -= 1;
                true
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Display for Trap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { function, operation, text, trick, .. } = self;
        write!(f, "{trick:?} at {operation} of {function} about `{text}`")
    }
}

/// Every trap that was set.
#[derive(Default)]
pub(crate) struct Traps(Mutex<Vec<Arc<Trap>>>);

impl Traps {
    pub(crate) fn set(&self, trap: Trap) -> Arc<Trap> {
        let trap = Arc::new(trap);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&trap));
        trap
    }

    /// The trap that this request runs into.
    pub(crate) fn catch(&self, request: &Request) -> Option<Arc<Trap>> {
        let traps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        traps.iter().find(|trap| trap.takes(request)).cloned()
    }
}
