//! How long something took, over all the times it ran.

use crate::{ports::Time, time::between};
use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// Adds up how long something ran.
#[derive(Debug, Default)]
pub(super) struct Stopwatch(Mutex<Option<Duration>>);

impl Stopwatch {
    /// Runs until what it returns is dropped: a handler that is given up at the deadline, or panics, ran, too.
    pub(super) fn start<'s>(&'s self, time: &'s dyn Time) -> Running<'s> {
        Running { stopwatch: self, time, since: time.now() }
    }

    /// How long it ran; nothing if it never did.
    pub(super) fn elapsed(&self) -> Option<Duration> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stopwatch that runs.
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
