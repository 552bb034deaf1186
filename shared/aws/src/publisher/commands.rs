//! Commands, to their receivers' queues.

use super::{
    AwsPublisher, CallError, Schedules, call_error, failed_entry, group_of,
    plan::Encoded,
    schedules::{Kept, Schedule},
};
use crate::{describe, sqs_text};
use aws_sdk_sqs::{error::ProvideErrorMetadata as _, types::SendMessageBatchRequestEntry};
use throughline_core::relay::Delivery;

impl AwsPublisher {
    /// One `SendMessageBatch` call. It succeeds as a call even where entries failed.
    pub(super) async fn send_commands(
        &self,
        queue_url: &str,
        batch: &[Encoded<'_>],
    ) -> Result<Vec<Delivery>, CallError> {
        let entries = batch.iter().enumerate().map(|(at, command)| entry(queue_url, at, command));
        let entries =
            entries.collect::<Result<_, _>>().map_err(|error| call_error(None, error.to_string(), &[]))?;
        let call = self.sqs.send_message_batch().queue_url(queue_url).set_entries(Some(entries));
        let answer = call.send().await.map_err(|error| {
            let code = error.as_service_error().and_then(|error| error.code());
            call_error(code, describe(&error), &["queueurl", "queue url"])
        })?;
        let mut deliveries = vec![Delivery::Retry("SQS gave no answer for this command".into()); batch.len()];
        let mut answer_for = |id: &str, delivery: Delivery| {
            if let Some(place) = id.parse().ok().and_then(|at: usize| deliveries.get_mut(at)) {
                *place = delivery;
            }
        };
        for accepted in answer.successful() {
            answer_for(accepted.id(), Delivery::Accepted);
        }
        for failed in answer.failed() {
            let message = failed.message().unwrap_or("no message");
            let reason = format!("{}: {message}", failed.code());
            answer_for(failed.id(), failed_entry(failed.code(), reason));
        }
        Ok(deliveries)
    }

    /// Has a command kept, or sends it, if its time has come by the service's clock. An earlier schedule of the same
    /// name ends either way, and first: it must not fire after this.
    pub(super) async fn schedule(&self, schedules: &Schedules, schedule: Schedule<'_>) -> Delivery {
        let delay = match schedules.keep(&schedule).await {
            Kept::Settled(delivery) => return delivery,
            Kept::Due { delay } => delay,
        };
        let ended = schedules.take_back(&schedule.name).await;
        if ended != Delivery::Accepted {
            return ended;
        }
        let Schedule { queue_url, outgoing, text, .. } = schedule;
        let command = Encoded { position: 0, outgoing, text, delay };
        let sent = self.send_commands(queue_url, &[command]).await;
        sent.map_or_else(CallError::delivery, |mut deliveries| deliveries.remove(0))
    }
}

fn entry(
    queue_url: &str,
    at: usize,
    command: &Encoded<'_>,
) -> Result<SendMessageBatchRequestEntry, aws_sdk_sqs::error::BuildError> {
    let entry = SendMessageBatchRequestEntry::builder()
        .id(at.to_string())
        .message_body(sqs_text::body(&command.text));
    if !sqs_text::is_fifo(queue_url) {
        let delay = i32::try_from(command.delay.as_secs()).unwrap_or(i32::MAX);
        return entry.set_delay_seconds((delay > 0).then_some(delay)).build();
    }
    let id = &command.outgoing.envelope.attributes.id;
    entry.message_group_id(group_of(command.outgoing)).message_deduplication_id(sqs_text::fifo_id(id)).build()
}
