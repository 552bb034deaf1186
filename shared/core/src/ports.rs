//! The ports of the main path: a ledger, a dead-letter queue, time, randomness, and an observer.

pub use crate::dead_letter::{DeadLetter, DeadLetters};

use crate::{Timestamp, ledger::Ledger, observer::Observer};
use futures_util::future::BoxFuture;
use std::time::Duration;

/// Time, as a port: core has no clock of its own, so that tests can stop it.
pub trait Time: Send + Sync {
    /// The present.
    fn now(&self) -> Timestamp;
    /// Waits.
    fn sleep(&self, duration: Duration) -> BoxFuture<'_, ()>;
}

/// Chance, as a port: for owner tokens and jitter.
pub trait Random: Send + Sync {
    /// A number every bit of which is random.
    fn next(&self) -> u128;

    /// A duration between nothing and `most`, evenly spread: full jitter.
    fn up_to(&self, most: Duration) -> Duration {
        let nanos = most.as_nanos();
        let drawn = self.next() % (nanos + 1);
        Duration::from_nanos(u64::try_from(drawn).unwrap_or(u64::MAX))
    }
}

/// Everything the main path needs from outside.
#[derive(Clone, Copy)]
pub struct Ports<'a> {
    /// The ledger, which holds claims, entities and emitted messages.
    pub ledger: &'a dyn Ledger,
    /// The dead-letter queue for rejected messages.
    pub dead_letters: &'a dyn DeadLetters,
    /// Time.
    pub time: &'a dyn Time,
    /// Chance.
    pub random: &'a dyn Random,
    /// The observer; [`Unobserved`](crate::observer::Unobserved) if there is none.
    pub observer: &'a dyn Observer,
}

impl std::fmt::Debug for Ports<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ports").finish_non_exhaustive()
    }
}
