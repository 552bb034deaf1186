//! The two ways to decode a batch.

use crate::{
    by_hand::{self, CloudEvent},
    payloads::Form,
};
use aws_lambda_events::sqs::SqsEvent;
use throughline_core::{
    Envelope,
    internal::{
        decode::{self, Origin, Undecodable},
        sqs_batch::SqsBatch,
    },
};
use throughline_shop::OrderPlaced;

/// With Throughline, which finds out by itself how the event is wrapped.
pub(crate) fn ours(payload: &str) -> Vec<Result<Envelope<OrderPlaced>, Undecodable>> {
    let batch = SqsBatch::read(payload).expect("an SQS event");
    let read = |body, origin| decode::decode(body, origin).map(|decoded| decoded.envelope);
    batch
        .records
        .iter()
        .map(|message| {
            let origin = Origin { message_id: &message.message_id, source: &message.event_source_arn };
            read(&message.body, origin)
        })
        .collect()
}

/// With `aws_lambda_events` and derived structs, told how the event is wrapped.
pub(crate) fn theirs(payload: &str, form: Form) -> Vec<Result<CloudEvent<OrderPlaced>, by_hand::Error>> {
    let batch: SqsEvent = serde_json::from_str(payload).expect("an SQS event");
    let read = match form {
        Form::Bare => by_hand::bare,
        Form::EventBridge => by_hand::event_bridge,
    };
    batch.records.iter().map(|message| read(message.body.as_deref().unwrap_or_default())).collect()
}
