//! The wait before the next attempt: exponential, with full jitter.

use crate::ports::Random;
use std::time::Duration;

/// An exponential back-off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The most the first wait can be; it doubles with each attempt.
    pub first: Duration,
    /// The most any wait can be.
    pub most: Duration,
}

impl Backoff {
    /// Between deliveries of one message: at most 2 s, 4 s, 8 s, … 15 minutes. With full jitter the waits of a
    /// queue's `maxReceiveCount` of 10 add up to eight minutes on average; that is how long an outage may last
    /// before messages are dead-lettered.
    pub const REDELIVERY: Self = Self { first: Duration::from_secs(2), most: Duration::from_mins(15) };
    /// Between requests to the ledger that collided or were throttled: at most 20 ms, 40 ms, … 1 s.
    pub const REQUEST: Self = Self { first: Duration::from_millis(20), most: Duration::from_secs(1) };

    /// The longest the wait after this attempt can be. Attempts count from 1.
    ///
    /// ```
    /// use std::time::Duration;
    /// use throughline_core::process::Backoff;
    /// assert_eq!(Backoff::REDELIVERY.ceiling(3), Duration::from_secs(8));
    /// assert_eq!(Backoff::REDELIVERY.ceiling(1000), Duration::from_secs(900));
    /// ```
    pub fn ceiling(self, attempt: u32) -> Duration {
        let doublings = attempt.saturating_sub(1).min(31);
        self.first.saturating_mul(1 << doublings).min(self.most)
    }

    /// Returns the wait after this attempt: anything up to the ceiling, so that messages which failed together do not
    /// come back together.
    pub fn wait(self, attempt: u32, random: &dyn Random) -> Duration {
        random.up_to(self.ceiling(attempt))
    }
}
