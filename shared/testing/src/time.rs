//! Time and chance for tests.

use futures_util::future::BoxFuture;
use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};
use throughline_core::{
    Timestamp,
    ports::{Random, Time},
};
use tokio::time::Instant;

/// Tokio's time, counted from 2026-01-01T00:00:00Z. Under `#[tokio::test(start_paused = true)]` it stands
/// still but for sleeping, which then takes no real time at all.
#[derive(Debug, Clone, Copy)]
pub struct TestTime {
    started: Instant,
}

impl TestTime {
    /// The first instant.
    pub const START: Timestamp = Timestamp::constant(1_767_225_600, 0);

    /// Time that starts now, in an async test.
    pub fn start() -> Self {
        Self { started: Instant::now() }
    }
}

impl Time for TestTime {
    fn now(&self) -> Timestamp {
        Self::START.saturating_add(self.started.elapsed()).unwrap_or(Timestamp::MAX)
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'_, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// Chance that can be repeated.
#[derive(Debug)]
pub struct SeededRandom(Mutex<fastrand::Rng>);

impl SeededRandom {
    /// Always the same numbers for the same seed.
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(fastrand::Rng::with_seed(seed)))
    }
}

impl Random for SeededRandom {
    fn next(&self) -> u128 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).u128(..)
    }
}
