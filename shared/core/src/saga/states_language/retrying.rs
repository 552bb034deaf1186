//! Renders the rules for trying a task again. An error that no rule names is final, above all a rejection.

use super::states;
use crate::saga::{Retrier, Retry};
use std::time::Duration;

pub(super) fn rendered(retriers: &[Retrier]) -> Vec<states::Retrier> {
    retriers.iter().map(one).collect()
}

fn one(retrier: &Retrier) -> states::Retrier {
    let Retry { attempts, first, rate, most } = retrier.retry;
    // Step Functions requires the longest wait to be longer than the first.
    let grows = most > first;
    states::Retrier {
        error_equals: retrier.errors.clone(),
        interval_seconds: whole_seconds(first.min(most)),
        backoff_rate: if grows { rate } else { 1.0 },
        max_delay_seconds: grows.then_some(whole_seconds(most)),
        max_attempts: attempts.into(),
        jitter_strategy: retrier.is_jittered.then_some("FULL"),
    }
}

/// Returns the duration in seconds, rounded up, because Step Functions counts in whole seconds.
pub(super) fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}
