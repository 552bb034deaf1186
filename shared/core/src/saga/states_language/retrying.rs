//! When a task is tried again. An error that is named here nowhere is final: a rejection above all.

use super::states::Retrier;
use crate::saga::{definition::Retry, error_type};
use std::time::Duration;

/// What Lambda and Step Functions call it when an invocation failed, or died, without the worker's own answer
/// ("Handle Lambda service exceptions" and "Troubleshoot invocation issues" in their guides).
const NO_ANSWER: [&str; 10] = [
    "Lambda.AWSLambdaException",
    "Lambda.ClientExecutionTimeoutException",
    "Lambda.ResourceConflictException",
    "Lambda.ResourceNotReadyException",
    "Lambda.SdkClientException",
    "Lambda.ServiceException",
    "Lambda.TooManyRequestsException",
    "Lambda.Unknown",
    "Runtime.ExitError",
    "Sandbox.Timedout",
];
/// How long a worker that does not understand is given to be replaced.
const UNTIL_A_WORKER_UNDERSTANDS: Duration = Duration::from_hours(3 * 24);
/// How long after its lease's end somebody else's claim is waited for.
const RESERVE: Duration = Duration::from_secs(10);

/// How patient a task is.
pub(super) struct Patience {
    pub(super) retry: Retry,
    /// How long another invocation can hold the task's claim.
    pub(super) lease: Duration,
}

impl Patience {
    pub(super) fn with_a_task(&self) -> Vec<Retrier> {
        self.retriers(&[error_type::TRANSIENT, error_type::TIMED_OUT, "States.Timeout"])
    }

    /// `States.Timeout` is no answer in time: nothing to ask again.
    pub(super) fn with_a_callback(&self) -> Vec<Retrier> {
        self.retriers(&[error_type::TRANSIENT, error_type::TIMED_OUT])
    }

    fn retriers(&self, passing: &[&'static str]) -> Vec<Retrier> {
        vec![self.while_busy(), until_a_worker_understands(), self.while_it_may_pass(passing)]
    }

    /// Until the lease of whoever holds the claim has ended.
    fn while_busy(&self) -> Retrier {
        let interval_seconds = 2;
        Retrier {
            error_equals: vec![error_type::BUSY],
            interval_seconds,
            backoff_rate: 1.0,
            max_delay_seconds: None,
            max_attempts: whole_seconds(self.lease + RESERVE).div_ceil(interval_seconds),
            jitter_strategy: None,
        }
    }

    fn while_it_may_pass(&self, passing: &[&'static str]) -> Retrier {
        let Retry { attempts, first, rate, most } = self.retry;
        // Step Functions wants the longest wait to be longer than the first.
        let grows = most > first;
        Retrier {
            error_equals: passing.iter().chain(&NO_ANSWER).copied().collect(),
            interval_seconds: first.min(most).as_secs(),
            backoff_rate: if grows { rate } else { 1.0 },
            max_delay_seconds: grows.then_some(most.as_secs()),
            max_attempts: attempts.into(),
            jitter_strategy: Some("FULL"),
        }
    }
}

fn until_a_worker_understands() -> Retrier {
    let (first, most) = (30, 600);
    let mut wait = first;
    let (mut waited, mut attempts) = (0, 0);
    while waited < UNTIL_A_WORKER_UNDERSTANDS.as_secs() {
        (waited, attempts, wait) = (waited + wait, attempts + 1, most.min(wait * 2));
    }
    Retrier {
        error_equals: vec![error_type::NOT_UNDERSTOOD],
        interval_seconds: first,
        backoff_rate: 2.0,
        max_delay_seconds: Some(most),
        max_attempts: attempts,
        jitter_strategy: None,
    }
}

/// Rounded up: Step Functions counts in whole seconds.
pub(super) fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}
