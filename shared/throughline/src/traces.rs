//! Traces by [OpenTelemetry](https://opentelemetry.io), with the feature `otel`: a span for each record, linked to
//! whoever emitted its message, and within it one for each claim, load, run of the handler and commit.
//!
//! ```text
//! place-order                          the invocation
//! ├─ process place-order               a record; linked to the span that its message's `traceparent` names
//! │  ├─ claim                          of a leased handler; `inspect` where a claim is only looked at
//! │  ├─ handler                        what it emits carries this span as its `traceparent`
//! │  │  └─ load
//! │  └─ commit
//! └─ process place-order …
//! ```
//!
//! Switched on in `Cargo.toml`, nothing else changes: `throughline = { features = ["otel"] }`. A handler's own `tracing`
//! spans, from level `info` on, become spans within `handler`. The relay's publishing is a span that is linked to all it
//! publishes. The records that a FIFO group commits together have one `commit`, beside them.
//!
//! Spans are sent as OTLP over HTTP, as JSON, before each invocation is answered: afterwards the function is frozen. So an
//! invocation waits for its collector, which is best an extension of the function, where the default endpoint is. A
//! collector that refuses or hangs costs at most `OTEL_EXPORTER_OTLP_TIMEOUT`, and less before the end of the invocation;
//! then it is left alone for ten seconds. What could not be sent is lost, with one warning until it works again.
//!
//! | variable | meaning |
//! |---|---|
//! | `OTEL_EXPORTER_OTLP_ENDPOINT` | the collector (default `http://localhost:4318`); spans go to `/v1/traces` there |
//! | `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` | the whole URL instead |
//! | `OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_EXPORTER_OTLP_TRACES_HEADERS` | `name=value,…`, percent-encoded |
//! | `OTEL_EXPORTER_OTLP_TIMEOUT`, `OTEL_EXPORTER_OTLP_TRACES_TIMEOUT` | the most milliseconds an answer is kept back (default 1000, and not the specification's 10000: somebody waits for the function) |
//! | `OTEL_EXPORTER_OTLP_PROTOCOL`, `OTEL_EXPORTER_OTLP_TRACES_PROTOCOL` | `http/json`, which is the only one here |
//! | `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES` | who this is (default: the function's name) |
//! | `OTEL_TRACES_SAMPLER`, `OTEL_TRACES_SAMPLER_ARG` | what share of invocations is recorded (default `parentbased_always_on`: all) |
//! | `OTEL_TRACES_EXPORTER=none`, `OTEL_SDK_DISABLED=true` | nothing is recorded |
//!
//! What is not understood, such as the protocol `grpc` or the exporter `console`, never keeps a function from starting: it
//! is ignored, as the specification demands, and a warning in the log names the variable and what is done instead.
//!
//! What the variables mean: [OTLP exporter](https://opentelemetry.io/docs/specs/otel/protocol/exporter/),
//! [general SDK configuration](https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/).
//!
//! A program of one's own, such as a test, sends its spans so:
//!
//! ```no_run
//! use throughline::{Environment, traces::{Settings, Traces}};
//! use tracing_subscriber::layer::SubscriberExt as _;
//!
//! # async fn example() {
//! let mut environment = Environment::from([("OTEL_SERVICE_NAME", "import")]);
//! let traces = Traces::start(Settings::read(&mut environment).expect("traces are not switched off"));
//! assert_eq!(environment.take_warnings(), Vec::<String>::new());
//! let _recording = tracing::subscriber::set_default(tracing_subscriber::registry().with(traces.layer()));
//! tracing::info_span!("import").in_scope(|| { /* work */ });
//! traces.flush(None).await;
//! # }
//! ```

mod conventions;
mod list;
mod recorder;
mod sampler;
mod sending;
mod settings;
mod span;
mod traced;

pub use settings::Settings;
pub use traced::Traced;
pub(crate) use traced::{fail, invocation_span};

use recorder::{Buffer, OnlySpans, Recorder};
use sampler::Sampler;
use sending::Sending;
use std::{fmt, time::Duration};
use throughline_core::Timestamp;
use tracing::Subscriber;
use tracing_subscriber::{Layer, registry::LookupSpan};

/// The time before the end of the invocation at which sending ends: the answer must still be given.
const MARGIN: Duration = Duration::from_millis(100);

/// Records spans, and sends them when it is told to.
pub struct Traces {
    sampler: Sampler,
    ended: Buffer,
    sending: Sending,
    patience: Duration,
}

/// The `traceparent` of the span that is entered, for a request to somebody else who records traces. Nothing if none is
/// recorded here.
///
/// ```
/// assert_eq!(throughline::traces::trace_parent(), None);
/// ```
pub fn trace_parent() -> Option<String> {
    recorder::context_of(&tracing::Span::current()).map(|context| context.to_string())
}

impl Traces {
    /// Begins to record.
    pub fn start(settings: Settings) -> Self {
        let Settings { sampler, timeout, collector } = settings;
        let ended = Buffer::default();
        Self { sampler, sending: Sending::new(collector, ended.clone()), ended, patience: timeout }
    }

    /// Returns the layer that records spans, for `tracing_subscriber`'s registry.
    pub fn layer<S: Subscriber + for<'a> LookupSpan<'a>>(&self) -> impl Layer<S> + use<S> {
        Recorder { sampler: self.sampler, ended: self.ended.clone() }.with_filter(OnlySpans)
    }

    /// Sends every span that has ended, if there is time before this deadline. Never fails: what cannot be sent is lost,
    /// for traces are not worth doing work twice.
    pub async fn flush(&self, deadline: Option<Timestamp>) {
        let left = deadline.map_or(Duration::MAX, |deadline| {
            Duration::try_from(deadline.duration_since(Timestamp::now())).unwrap_or_default()
        });
        self.sending.send(self.patience.min(left.saturating_sub(MARGIN))).await;
    }
}

impl fmt::Debug for Traces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Traces").field("patience", &self.patience).finish_non_exhaustive()
    }
}
