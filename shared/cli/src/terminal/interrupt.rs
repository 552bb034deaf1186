//! Ctrl-C, for commands that have to leave things in order.

use crate::progress::Interruptions;
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// The request to end the command: Ctrl-C, SIGTERM, or the terminal's end. The first one is only remembered, for the
/// command to end by itself.
#[derive(Debug, Clone, Default)]
pub struct Interrupt(Arc<State>);

#[derive(Debug, Default)]
struct State {
    came: AtomicBool,
    is_released: AtomicBool,
}

/// The exit status of a program that Ctrl-C has ended, as shells have it.
const ENDED_BY_CTRL_C: i32 = 130;

impl Interrupt {
    /// Watches for it from now on. A process can do so once.
    ///
    /// # Errors
    /// A sentence, if the system does not allow it.
    pub fn watch() -> Result<Self, String> {
        let interrupt = Self::default();
        let seen = interrupt.clone();
        ctrlc::set_handler(move || {
            if seen.0.is_released.load(Ordering::SeqCst) {
                std::process::exit(ENDED_BY_CTRL_C);
            }
            seen.come();
        })
        .map_err(|error| format!("Ctrl-C cannot be watched for: {error}"))?;
        Ok(interrupt)
    }

    /// Returns whether the request came.
    pub fn came(&self) -> bool {
        self.0.came.load(Ordering::SeqCst)
    }

    /// From now on it ends the program at once: nothing is left that would have to be put in order.
    pub fn release(&self) {
        self.0.is_released.store(true, Ordering::SeqCst);
    }

    pub(crate) fn come(&self) {
        self.0.came.store(true, Ordering::SeqCst);
    }
}

impl Interruptions for Interrupt {
    fn came(&self) -> bool {
        Self::came(self)
    }

    fn release(&self) {
        Self::release(self);
    }
}
