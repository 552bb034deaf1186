//! Points in time and the durations between them, saturating: a clock that is set back gives no negative duration, and
//! nothing is later than the end of time.

use crate::Timestamp;
use std::time::Duration;

/// Returns how long it is from one point in time to a later one; zero if the other is no later.
pub fn between(earlier: Timestamp, later: Timestamp) -> Duration {
    Duration::try_from(later.duration_since(earlier)).unwrap_or(Duration::ZERO)
}

/// Returns the point in time that is later by this duration.
pub fn later(time: Timestamp, by: Duration) -> Timestamp {
    time.saturating_add(by).unwrap_or(Timestamp::MAX)
}
