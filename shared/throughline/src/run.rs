//! [`run`]: reads the settings, starts the logs, answers Lambda.

use crate::{
    Environment, SettingsError, backend, logs,
    metrics::{Lines, Metrics},
    payloads::Payloads,
    telemetry,
};
use bytes::Bytes;
use lambda_runtime::{
    Diagnostic, LambdaEvent, Runtime, layers::TracingLayer, service_fn, tower::util::MapRequestLayer,
};
use serde::de::IgnoredAny;
use std::{
    fmt,
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};
use throughline_core::{
    Timestamp,
    describe::{DESCRIBE, FunctionDescription},
    internal::panics,
    observer::Observer,
};
use tracing::{error, warn};

/// The longest a Lambda invocation may take ("Lambda quotas": function timeout).
const LONGEST_INVOCATION: Duration = Duration::from_mins(15);

/// One invocation of the function.
#[derive(Debug, Clone, Copy)]
pub struct Invocation<'a> {
    /// The payload, as JSON.
    pub payload: &'a str,
    /// When Lambda ends it, if that is known.
    pub deadline: Option<Timestamp>,
    /// The id Lambda gave it.
    pub request_id: &'a str,
    /// The function that was invoked.
    pub function_arn: &'a str,
}

/// The error of an invocation that failed as a whole: Lambda reports it, and tries again where its source allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvocationError {
    /// The type of the error, which Lambda counts and Step Functions matches on.
    pub error_type: String,
    /// The text that says what went wrong and what to do.
    pub message: String,
}

impl InvocationError {
    /// Returns the error of this type with this text.
    pub fn new(error_type: impl Into<String>, message: impl Into<String>) -> Self {
        Self { error_type: error_type.into(), message: message.into() }
    }
}

impl From<InvocationError> for Diagnostic {
    fn from(error: InvocationError) -> Self {
        Self { error_type: error.error_type, error_message: error.message }
    }
}

/// A source of a handler's messages: [`sqs`](fn@crate::sqs), [`eventbridge`](fn@crate::eventbridge),
/// [`outbox`](fn@crate::outbox).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a trigger",
    note = "say where the messages come from: throughline::run(throughline::sqs(MyHandler))"
)]
///
/// [`run`] puts one frame around every invocation, whatever the trigger: it reads the payload, asks whether the process
/// is cold, has the batch handled in a span with an observer, and writes the figures. An invocation whose payload
/// cannot be read writes no figures, so the cold start is counted by the first invocation after it.
pub trait Trigger: Send + Sync + 'static {
    /// The trigger with its settings.
    type Ready: Send + Sync + 'static;

    /// The records of one invocation.
    type Batch<'a>: Send + Sync;

    /// Collects the figures of one invocation while it runs.
    type Figures: Observer + Default;

    /// Returns the function's description of itself, for `throughline describe`.
    fn describe(&self) -> FunctionDescription {
        FunctionDescription::default()
    }

    /// Reads the settings. What is missing or malformed is kept by the environment, so that all of it is
    /// told at once.
    fn configure(self, environment: &mut Environment) -> Self::Ready;

    /// Reads the payload of an invocation.
    ///
    /// # Errors
    /// If the payload is not of the kind that this trigger takes: the function is wired to something else.
    fn read(invocation: Invocation<'_>) -> Result<Self::Batch<'_>, InvocationError>;

    /// Handles one batch. Returns the answer that Lambda is given.
    ///
    /// # Errors
    /// If the invocation failed as a whole.
    fn handle<'a>(
        ready: &Self::Ready,
        invocation: Invocation<'a>,
        batch: &Self::Batch<'a>,
        observer: &dyn Observer,
    ) -> impl Future<Output = Result<serde_json::Value, InvocationError>> + Send;

    /// Adds the lines of [metrics](crate::metrics) of one invocation.
    fn write_figures(ready: &Self::Ready, handled: Handled<'_, '_, Self>, lines: &mut Lines<'_>);
}

/// One invocation after it was handled, to make [metrics](crate::metrics) of.
#[derive(Debug)]
#[non_exhaustive]
pub struct Handled<'a, 'b, T: Trigger + ?Sized> {
    /// The records of the invocation.
    pub batch: &'a T::Batch<'b>,
    /// The figures that were collected meanwhile.
    pub figures: &'a T::Figures,
    /// The answer that Lambda is given.
    pub answer: &'a Result<serde_json::Value, InvocationError>,
    /// The time from the payload's reading to the answer.
    pub took: Duration,
}

/// Why a function stopped.
pub enum Error {
    /// Its settings are wrong.
    Settings(SettingsError),
    /// Lambda's runtime interface failed.
    Runtime(lambda_runtime::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Settings(error) => fmt::Display::fmt(error, f),
            Self::Runtime(error) => write!(f, "Lambda's runtime interface failed: {error}"),
        }
    }
}

/// The same as its display: this is what `main` prints.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {}

/// Runs the function: reads its settings from the environment, then answers invocation after invocation; several at a
/// time where Lambda gives a process several, as managed instances do (`AWS_LAMBDA_MAX_CONCURRENCY`). Nothing is shared
/// between them but the trigger, its clients and the standard output.
///
/// | setting | meaning |
/// |---|---|
/// | `THROUGHLINE_TABLE` | the ledger's table |
/// | `THROUGHLINE_TABLE_<NAME>` | an entity's own table, by its logical name |
/// | `THROUGHLINE_SOURCE` | the CloudEvents `source` of what it emits |
/// | `THROUGHLINE_DEAD_LETTER_QUEUE_URL` | where rejected messages go |
/// | `THROUGHLINE_QUEUE_URL`, `THROUGHLINE_MAX_RECEIVE_COUNT` | `sqs`: the queue, and its redrive policy's `maxReceiveCount` |
/// | `THROUGHLINE_EVENT_BUS`, `THROUGHLINE_COMMAND_QUEUE_<NAME>` | `outbox`: where to send events and commands |
/// | `THROUGHLINE_STATE_MACHINE_<NAME>` | `outbox`: the ARN of a saga's state machine |
/// | `THROUGHLINE_SCHEDULE_GROUP`, `THROUGHLINE_SCHEDULE_ROLE_ARN`, `THROUGHLINE_SCHEDULE_DEAD_LETTER_ARN` | `outbox`: where schedules are kept, who they send as, and where to what they cannot |
/// | `THROUGHLINE_SCHEDULE_TARGET_<NAME>` | `outbox`: the ARN of a queue that commands are scheduled to; its URL is in `THROUGHLINE_COMMAND_QUEUE_<NAME>` |
/// | `THROUGHLINE_LONGEST_DELAY_SECONDS` | `outbox`: what is due later is kept by EventBridge Scheduler (default and most: 900) |
/// | `THROUGHLINE_STREAM_FAILURES` | `outbox`: `report` (default) or `fail-invocation` |
/// | `THROUGHLINE_CLAIM_LIFETIME_DAYS` | how long finished work is remembered (default 60) |
/// | `THROUGHLINE_CONCURRENCY` | how many records run at a time (default 10) |
/// | `THROUGHLINE_LOG` | what is logged, such as `debug` or `info,throughline_core=debug` (default `info`) |
/// | `THROUGHLINE_METRICS` | `on` (default) or `off`: whether figures are written to the log, for CloudWatch to make [metrics](crate::metrics) of |
/// | `THROUGHLINE_METRICS_NAMESPACE` | the namespace of these metrics (default `Throughline`): two stacks of one account are told apart by it |
/// | `OTEL_…` | with the feature `otel`: where traces go; see `throughline::traces` |
/// | `THROUGHLINE_DESCRIBE` | if set, the function prints what it takes and emits, and stops: see `throughline describe` |
///
/// # Errors
/// [`Error::Settings`] names every setting that is missing or malformed.
pub async fn run<T: Trigger>(trigger: T) -> Result<(), Error> {
    run_with(|_| trigger).await
}

/// Runs a function whose handler has settings of its own. They are read from the same environment, so that
/// one error tells everything that is wrong.
///
/// ```no_run
/// # use throughline::prelude::*;
/// # #[derive(Clone)] struct Charge { url: String }
/// # impl Handler for Charge {
/// #     const NAME: &'static str = "charge";
/// #     type Message = Raw<String>;
/// #     type Emits = Never;
/// #     async fn handle(&self, _: Envelope<Raw<String>>, _: &Context<'_>) -> Result<Effects, Failure> { Ok(Effects::none()) }
/// # }
/// # async fn main_() -> Result<(), throughline::Error> {
/// throughline::run_with(|environment| {
///     let url = environment.required("PAYMENT_URL", "the URL of the payment provider");
///     throughline::sqs(leased(Charge { url }))
/// })
/// .await
/// # }
/// ```
///
/// # Errors
/// [`Error::Settings`] names every setting that is missing or malformed.
pub async fn run_with<T: Trigger>(build: impl FnOnce(&mut Environment) -> T) -> Result<(), Error> {
    let mut environment = Environment::of_process();
    if environment.optional(DESCRIBE).is_some() {
        // No setting need be there: what is missing is not told.
        println!("{}", serde_json::json!(build(&mut environment).describe()));
        return Ok(());
    }
    panics::tell_places();
    logs::start(&mut environment);
    let frame = Frame::<T> {
        ready: build(&mut environment).configure(&mut environment),
        metrics: Metrics::configure(&mut environment),
    };
    for warning in environment.take_warnings() {
        warn!("{warning}");
    }
    if let Err(error) = environment.finish() {
        error!(%error, "the function cannot start");
        return Err(Error::Settings(error));
    }
    // Here, and not at the first invocation: Lambda starts a function with more of a processor than it has
    // memory for later.
    backend::clients().config().await;
    let (frame, payloads) = (Arc::new(frame), Payloads::default());
    let incoming = payloads.clone();
    let function = service_fn(move |event: LambdaEvent<IgnoredAny>| {
        let payload = payloads.take(&event.context.request_id);
        answer(Arc::clone(&frame), payload, event.context)
    });
    Runtime::new(function)
        .layer(MapRequestLayer::new(move |invocation| incoming.keep(invocation)))
        .layer(TracingLayer::new())
        .run_concurrent()
        .await
        .map_err(Error::Runtime)
}

/// A configured trigger, and the frame around each of its invocations.
struct Frame<T: Trigger> {
    ready: T::Ready,
    metrics: Metrics,
}

impl<T: Trigger> Frame<T> {
    async fn respond(&self, invocation: Invocation<'_>) -> Result<serde_json::Value, InvocationError> {
        let since = Instant::now();
        let batch = T::read(invocation)?;
        let (is_cold, figures) = (self.metrics.is_cold(), T::Figures::default());
        let watched = telemetry::watched(self.metrics.observer(&figures));
        let answer = T::handle(&self.ready, invocation, &batch, watched.observer()).await;
        self.metrics.write(invocation, is_cold, |lines| {
            let handled =
                Handled { batch: &batch, figures: &figures, answer: &answer, took: since.elapsed() };
            T::write_figures(&self.ready, handled, lines);
        });
        answer
    }
}

async fn answer<T: Trigger>(
    frame: Arc<Frame<T>>,
    payload: Bytes,
    context: lambda_runtime::Context,
) -> Result<serde_json::Value, InvocationError> {
    let deadline = believable(context.deadline, Timestamp::now());
    let answer = match str::from_utf8(&payload) {
        Ok(payload) => {
            let invocation = Invocation {
                payload,
                deadline,
                request_id: &context.request_id,
                function_arn: &context.invoked_function_arn,
            };
            telemetry::in_span(invocation, frame.respond(invocation)).await
        }
        Err(error) => Err(InvocationError::new("NotText", format!("the payload is no text: {error}"))),
    };
    if let Err(InvocationError { error_type, message }) = &answer {
        error!(error_type, message, "the invocation failed");
    }
    telemetry::flush(deadline).await;
    answer
}

/// A deadline that an invocation can have. Some local runtimes always say an instant in 1970: then the
/// end is not known, rather than long past.
fn believable(milliseconds: u64, now: Timestamp) -> Option<Timestamp> {
    let deadline = Timestamp::from_millisecond(i64::try_from(milliseconds).ok()?).ok()?;
    let longest = now.saturating_add(LONGEST_INVOCATION + Duration::from_mins(1)).ok()?;
    (deadline > now && deadline <= longest).then_some(deadline)
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;
    use throughline_core::observer::Unobserved;

    #[test]
    fn only_a_deadline_that_an_invocation_can_have_is_believed() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let after = |seconds: u64| u64::try_from(now.as_millisecond()).unwrap() + seconds * 1000;
        assert!(believable(after(10), now).is_some());
        assert_eq!(believable(600_000, now), None);
        assert_eq!(believable(after(24 * 3600), now), None);
        assert_eq!(believable(u64::MAX, now), None);
    }

    /// Takes payloads that are numbers.
    struct Numbers;

    impl Trigger for Numbers {
        type Ready = ();
        type Batch<'a> = u64;
        type Figures = Unobserved;

        fn configure(self, _: &mut Environment) {}

        fn read(invocation: Invocation<'_>) -> Result<u64, InvocationError> {
            invocation.payload.parse().map_err(|_| InvocationError::new("NotANumber", "no number"))
        }

        async fn handle(
            (): &(),
            _: Invocation<'_>,
            number: &u64,
            _: &dyn Observer,
        ) -> Result<serde_json::Value, InvocationError> {
            Ok((*number).into())
        }

        fn write_figures((): &(), _: Handled<'_, '_, Self>, _: &mut Lines<'_>) {}
    }

    #[test]
    fn an_unreadable_payload_leaves_the_cold_start_to_the_next_invocation() {
        let frame = Frame::<Numbers> { ready: (), metrics: Metrics::configure(&mut Environment::default()) };
        let respond = |payload| {
            let invocation = Invocation { payload, deadline: None, request_id: "r", function_arn: "arn" };
            frame.respond(invocation).now_or_never().unwrap()
        };
        let error = respond("seven").unwrap_err();
        assert_eq!(error.error_type, "NotANumber");
        assert!(frame.metrics.is_cold(), "the cold start is still to be counted");

        let frame = Frame::<Numbers> { ready: (), metrics: Metrics::configure(&mut Environment::default()) };
        let answer = frame
            .respond(Invocation { payload: "7", deadline: None, request_id: "r", function_arn: "arn" })
            .now_or_never();
        assert_eq!(answer, Some(Ok(7.into())));
        assert!(!frame.metrics.is_cold(), "the cold start was counted");
    }
}
