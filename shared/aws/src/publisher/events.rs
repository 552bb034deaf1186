//! Events, to the bus.

use super::{AwsPublisher, CallError, call_error, failed_entry, plan::Encoded};
use crate::describe;
use aws_sdk_eventbridge::{
    error::ProvideErrorMetadata as _,
    primitives::DateTime,
    types::{PutEventsRequestEntry, PutEventsResultEntry},
};
use throughline_core::relay::Delivery;

impl AwsPublisher {
    /// One `PutEvents` call. It succeeds as a call even where entries failed: each entry's answer is read.
    pub(super) async fn put_events(&self, batch: &[Encoded<'_>]) -> Result<Vec<Delivery>, CallError> {
        let entries = batch.iter().map(|event| self.entry(event)).collect();
        let answer =
            self.eventbridge.put_events().set_entries(Some(entries)).send().await.map_err(|error| {
                let code = error.as_service_error().and_then(|error| error.code());
                call_error(code, describe(&error), &["eventbusname", "event bus"])
            })?;
        let mut answers = answer.entries.unwrap_or_default().into_iter();
        Ok(batch
            .iter()
            .map(|_| match answers.next() {
                Some(answer) => delivery(&answer),
                None => Delivery::Retry("EventBridge gave no answer for this event".into()),
            })
            .collect())
    }

    fn entry(&self, event: &Encoded<'_>) -> PutEventsRequestEntry {
        let attributes = &event.outgoing.envelope.attributes;
        PutEventsRequestEntry::builder()
            .event_bus_name(&self.bus)
            .source(&attributes.source)
            .detail_type(&attributes.message_type)
            .detail(&event.text)
            .set_time(attributes.time.map(|time| DateTime::from_millis(time.as_millisecond())))
            .build()
    }
}

fn delivery(answer: &PutEventsResultEntry) -> Delivery {
    match (answer.error_code(), answer.event_id()) {
        (Some(code), _) => {
            let message = answer.error_message().unwrap_or("no message");
            failed_entry(code, format!("{code}: {message}"))
        }
        (None, Some(_)) => Delivery::Accepted,
        (None, None) => Delivery::Retry("EventBridge gave neither an event id nor an error".into()),
    }
}
