//! Sends spans to a collector, and lets nobody wait for one that does not answer.

use super::{
    recorder::{Buffer, Kept},
    span::{Attribute, Request, Span},
};
use serde::Deserialize;
use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use throughline_aws::elsewhere::Elsewhere;
use throughline_core::BoxError;
use tracing::{info, warn};

/// The most spans of one request, as the specification's batch processor has it (`OTEL_BSP_MAX_EXPORT_BATCH_SIZE`).
const MOST_IN_A_REQUEST: usize = 512;

/// The time that a collector is left alone after a failure: otherwise each invocation would wait for it anew.
const REST: Duration = Duration::from_secs(10);

/// The collector of spans.
pub(super) struct Collector {
    elsewhere: Elsewhere,
    headers: Vec<(String, String)>,
    resource: Vec<Attribute>,
}

impl Collector {
    pub(super) fn new(
        elsewhere: Elsewhere,
        headers: Vec<(String, String)>,
        resource: Vec<Attribute>,
    ) -> Self {
        Self { elsewhere, headers, resource }
    }

    async fn take(&self, spans: &[Span]) -> Result<(), BoxError> {
        let headers = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let headers: Vec<_> = headers.chain([("content-type", "application/json")]).collect();
        let request = serde_json::to_vec(&Request::new(&self.resource, spans))?;
        let answer = self.elsewhere.post(&headers, request).await?;
        if !(200..300).contains(&answer.status) {
            return Err(format!("the collector answered {}", answer.status).into());
        }
        // "Partial Success": taken, but not all of it.
        let refused = serde_json::from_slice::<Response>(&answer.body).unwrap_or_default().partial_success;
        match refused.error_message.as_str() {
            "" => Ok(()),
            why => Err(format!("the collector took only part of the spans: {why}").into()),
        }
    }
}

/// `ExportTraceServiceResponse`.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Response {
    partial_success: PartialSuccess,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PartialSuccess {
    error_message: String,
}

/// The sending of spans, and its state.
pub(super) struct Sending {
    collector: Collector,
    spans: Buffer,
    /// One sends at a time. Of two invocations that end together, the one that finds its spans taken waits until they
    /// are sent.
    turn: tokio::sync::Mutex<()>,
    /// Since the collector failed: until when it is left alone.
    rests_until: Mutex<Option<Instant>>,
}

impl Sending {
    pub(super) fn new(collector: Collector, spans: Buffer) -> Self {
        Self { collector, spans, turn: tokio::sync::Mutex::default(), rests_until: Mutex::default() }
    }

    /// Sends all that has ended, for no longer than this.
    pub(super) async fn send(&self, patience: Duration) {
        let failed_before = *self.rests_until();
        if failed_before.is_some_and(|until| Instant::now() < until) {
            return;
        }
        let sent = tokio::time::timeout(patience, self.send_all()).await;
        let sent =
            sent.unwrap_or_else(|_| Err(format!("the collector did not answer within {patience:?}").into()));
        let mut rests_until = self.rests_until();
        match sent {
            Ok(()) if rests_until.take().is_some() => info!("traces are sent again"),
            Ok(()) => {}
            Err(error) => {
                // One of several that fail together tells.
                if rests_until.replace(Instant::now() + REST).is_none() {
                    warn!(%error, "traces cannot be sent: some are lost; the next warning is after they were sent again");
                }
            }
        }
    }

    async fn send_all(&self) -> Result<(), BoxError> {
        let _turn = self.turn.lock().await;
        let Kept { spans, lost } = self.spans.take();
        for spans in spans.chunks(MOST_IN_A_REQUEST) {
            self.collector.take(spans).await?;
        }
        match lost {
            0 => Ok(()),
            lost => Err(format!("there was no room for {lost} spans").into()),
        }
    }

    fn rests_until(&self) -> MutexGuard<'_, Option<Instant>> {
        self.rests_until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
