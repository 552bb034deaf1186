//! Traces, as the rest of this crate knows them: nothing at all without the feature `otel`.

#[cfg(not(feature = "otel"))]
pub(crate) use off::{begin, flush, in_span, watched};
#[cfg(feature = "otel")]
pub(crate) use on::{begin, flush, in_span, watched};

#[cfg(not(feature = "otel"))]
mod off {
    use crate::{Environment, Invocation, InvocationError};
    use throughline_core::{Timestamp, observer::Observer};
    use tracing_subscriber::layer::Identity;

    pub(crate) fn begin(_: &mut Environment) -> Identity {
        Identity::new()
    }

    /// Returns the observer of an invocation, given the one that makes figures.
    pub(crate) fn watched(figures: &dyn Observer) -> Unwatched<'_> {
        Unwatched(figures)
    }

    pub(crate) struct Unwatched<'a>(&'a dyn Observer);

    impl Unwatched<'_> {
        pub(crate) fn observer(&self) -> &dyn Observer {
            self.0
        }
    }

    pub(crate) async fn in_span<T>(
        _: Invocation<'_>,
        answer: impl Future<Output = Result<T, InvocationError>>,
    ) -> Result<T, InvocationError> {
        answer.await
    }

    pub(crate) fn flush(_: Option<Timestamp>) -> std::future::Ready<()> {
        std::future::ready(())
    }
}

#[cfg(feature = "otel")]
mod on {
    use crate::{
        Environment, Invocation, InvocationError,
        traces::{Settings, Traced, Traces, invocation_span},
    };
    use std::sync::OnceLock;
    use throughline_core::{Timestamp, observer::Observer};
    use tracing::{Instrument as _, Subscriber};
    use tracing_subscriber::{Layer, registry::LookupSpan};

    static TRACES: OnceLock<Traces> = OnceLock::new();

    /// Begins to record spans, unless the settings say that none are wanted.
    pub(crate) fn begin<S: Subscriber + for<'a> LookupSpan<'a>>(
        environment: &mut Environment,
    ) -> Option<impl Layer<S> + use<S>> {
        let settings = Settings::read(environment)?;
        Some(TRACES.get_or_init(|| Traces::start(settings)).layer())
    }

    /// Returns the observer of an invocation, given the one that makes figures.
    pub(crate) fn watched(figures: &dyn Observer) -> Watched<'_> {
        Watched { figures, traced: TRACES.get().is_some().then_some(Traced(figures)) }
    }

    pub(crate) struct Watched<'a> {
        figures: &'a dyn Observer,
        traced: Option<Traced<'a>>,
    }

    impl Watched<'_> {
        pub(crate) fn observer(&self) -> &dyn Observer {
            self.traced.as_ref().map_or(self.figures, |traced| traced as &dyn Observer)
        }
    }

    /// Answers in the invocation's span, which ends before the answer is given: it is to be sent with the others.
    pub(crate) async fn in_span<T>(
        invocation: Invocation<'_>,
        answer: impl Future<Output = Result<T, InvocationError>>,
    ) -> Result<T, InvocationError> {
        if TRACES.get().is_none() {
            return answer.await;
        }
        let span = invocation_span(invocation);
        let answer = answer.instrument(span.clone()).await;
        if let Err(InvocationError { error_type, .. }) = &answer {
            crate::traces::fail(&span, error_type);
        }
        answer
    }

    /// Sends what was recorded: once the answer is given, the process is frozen.
    pub(crate) async fn flush(deadline: Option<Timestamp>) {
        if let Some(traces) = TRACES.get() {
            traces.flush(deadline).await;
        }
    }
}
