//! Metrics: what an invocation came to, in one write to the log, in the form that CloudWatch makes metrics of
//! ([`Lines`]). What is emitted is declared in [`CATALOGUE`].

mod handler;
mod relay;
mod saga;

pub use crate::emf::Lines;
pub use handler::HandlerFigures;
pub use relay::RelayFigures;
pub use saga::SagaFigures;
pub use throughline_core::metrics::{
    BATCH_SIZE, CATALOGUE, COLD_START, COMMIT_REQUESTS, DEAD_LETTERED, DUPLICATES, ENTRY_AGE, EVENT_AGE,
    EVENT_TYPE, Emitter, HANDLER, HANDLER_DURATION, MOST_VALUES, Metric, NAMESPACE, NOT_PUBLISHED, OTHER,
    PROCESSED, PUBLISHED, REJECTED, RELAY, RETRIES, SAGAS_COMPENSATED, STEP, STEP_DURATION, STEPS_DONE,
    STEPS_FAILED, STEPS_REJECTED, STEPS_RETRIED, STEPS_UNDONE, Unit, bounded,
};

use crate::{Environment, Invocation};
use std::{
    io::{self, Write as _},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};
use throughline_aws::settings;
use throughline_core::{
    Timestamp,
    observer::{Observer, Unobserved},
};

/// The metrics of a process: whether they are emitted, and their namespace.
#[derive(Debug)]
pub(crate) struct Metrics {
    /// Nothing if none are emitted.
    namespace: Option<String>,
    is_warm: AtomicBool,
}

impl Metrics {
    pub(crate) fn configure(environment: &mut Environment) -> Self {
        let name = settings::METRICS;
        let is_on = match environment.optional(name).as_deref() {
            None | Some("on") => true,
            Some("off") => false,
            Some(other) => {
                environment.problem(format!("{name} is `{other}`: it must be `on` or `off`"));
                true
            }
        };
        let name = settings::METRICS_NAMESPACE;
        let namespace = environment.optional(name);
        let namespace = namespace.unwrap_or_else(|| NAMESPACE.to_owned());
        if !is_namespace(&namespace) {
            environment.problem(format!(
                "{name} is `{namespace}`: it must be a CloudWatch namespace, up to 255 \
                 letters, digits and any of .-_/#:, and must not begin with `AWS/`"
            ));
        }
        Self { namespace: is_on.then_some(namespace), is_warm: AtomicBool::new(false) }
    }

    /// Returns whether this invocation is the first. Each invocation asks once.
    pub(crate) fn is_cold(&self) -> bool {
        !self.is_warm.swap(true, Ordering::Relaxed)
    }

    /// Returns the observer of an invocation: the one that makes figures, if they are wanted.
    pub(crate) fn observer<'a>(&self, figures: &'a dyn Observer) -> &'a dyn Observer {
        if self.namespace.is_some() { figures } else { &Unobserved }
    }

    /// Writes what an invocation came to, in one call: lines of concurrent writers must not mix.
    pub(crate) fn write(&self, invocation: Invocation<'_>, is_cold: bool, push: impl FnOnce(&mut Lines<'_>)) {
        let Some(namespace) = &self.namespace else { return };
        let mut lines = Lines::new(namespace, Timestamp::now(), invocation.request_id, is_cold);
        push(&mut lines);
        // Figures that cannot be written are no reason to do the work again.
        _ = io::stdout().lock().write_all(&lines.into_text());
    }
}

/// "`MetricDatum`", parameter `Namespace` of `PutMetricData`.
fn is_namespace(text: &str) -> bool {
    let is_known = |letter: char| letter.is_ascii_alphanumeric() || ".-_/#:".contains(letter);
    (1..=255).contains(&text.len()) && !text.starts_with("AWS/") && text.chars().all(is_known)
}

/// A duration as metrics have it, to the microsecond.
#[expect(clippy::cast_precision_loss, reason = "microseconds of 142 years fit")]
fn milliseconds(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_mean_nothing_are_refused() {
        let wrong = [
            ("THROUGHLINE_METRICS", "of"),
            ("THROUGHLINE_METRICS_NAMESPACE", "AWS/Lambda"),
            ("THROUGHLINE_METRICS_NAMESPACE", "a b"),
        ];
        for setting in wrong {
            let mut environment = Environment::from([setting]);
            Metrics::configure(&mut environment);
            let problems = environment.finish().unwrap_err().problems;
            assert!(problems[0].contains(setting.0), "{problems:?}");
        }
    }

    #[test]
    fn metrics_are_on_unless_switched_off() {
        let namespace = |settings: &[(&str, &str)]| {
            let mut environment = match settings {
                [setting] => Environment::from([*setting]),
                _ => Environment::default(),
            };
            Metrics::configure(&mut environment).namespace
        };
        assert_eq!(namespace(&[]).as_deref(), Some(NAMESPACE));
        assert_eq!(
            namespace(&[("THROUGHLINE_METRICS_NAMESPACE", "shop/test")]).as_deref(),
            Some("shop/test")
        );
        assert_eq!(namespace(&[("THROUGHLINE_METRICS", "off")]), None);
    }

    #[test]
    fn only_the_first_invocation_of_a_process_is_cold() {
        let metrics = Metrics::configure(&mut Environment::default());
        assert_eq!([metrics.is_cold(), metrics.is_cold()], [true, false]);
    }
}
