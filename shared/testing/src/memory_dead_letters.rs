//! A dead-letter queue in memory.

use futures_util::future::BoxFuture;
use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};
use throughline_core::{
    BoxError,
    ports::{DeadLetter, DeadLetters},
};

/// A dead-letter queue in memory, which can be made to refuse.
#[derive(Debug, Default)]
pub struct MemoryDeadLetters {
    letters: Mutex<Vec<DeadLetter>>,
    refuses: AtomicBool,
}

impl MemoryDeadLetters {
    /// Returns the dead letters in the queue.
    pub fn letters(&self) -> Vec<DeadLetter> {
        self.lock().clone()
    }

    /// Makes every later send fail, or succeed again.
    pub fn refuse(&self, refuses: bool) {
        self.refuses.store(refuses, Ordering::SeqCst);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<DeadLetter>> {
        self.letters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DeadLetters for MemoryDeadLetters {
    fn send<'a>(&'a self, letter: &'a DeadLetter) -> BoxFuture<'a, Result<(), BoxError>> {
        Box::pin(async move {
            if self.refuses.load(Ordering::SeqCst) {
                return Err("the dead-letter queue is away".into());
            }
            self.lock().push(letter.clone());
            Ok(())
        })
    }
}
