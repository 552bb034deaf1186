//! Ctrl-C, for commands that have to leave things in order.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// Whether somebody wants the command to end: Ctrl-C, SIGTERM, or the terminal's end. The first time it is only
/// remembered, for the command to end by itself.
#[derive(Debug, Clone, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Watches for it from now on. A process can do so once.
    ///
    /// # Errors
    /// A sentence, if the system does not allow it.
    pub fn watch() -> Result<Self, String> {
        let interrupt = Self::default();
        let flag = Arc::clone(&interrupt.0);
        ctrlc::set_handler(move || flag.store(true, Ordering::SeqCst))
            .map_err(|error| format!("Ctrl-C cannot be watched for: {error}"))?;
        Ok(interrupt)
    }

    /// Whether it came.
    pub fn came(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}
