//! Measures the total time that something ran, over all its runs.

use crate::{ports::Time, time::between};
use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// The total time for which something ran; `None` if it never did.
#[derive(Debug, Default)]
pub(super) struct Stopwatch(Mutex<Option<Duration>>);

impl Stopwatch {
    /// Starts measuring, until the returned value is dropped: this also counts a handler that panics or is dropped at
    /// the deadline.
    pub(super) fn start<'s>(&'s self, time: &'s dyn Time) -> Running<'s> {
        Running { stopwatch: self, time, since: time.now() }
    }

    /// Returns the total time of all runs; `None` if there was none.
    pub(super) fn elapsed(&self) -> Option<Duration> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A running stopwatch.
pub(super) struct Running<'s> {
    stopwatch: &'s Stopwatch,
    time: &'s dyn Time,
    since: crate::Timestamp,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let ran = between(self.since, self.time.now());
        let mut total = self.stopwatch.0.lock().unwrap_or_else(PoisonError::into_inner);
        *total = Some(total.unwrap_or_default().saturating_add(ran));
    }
}
