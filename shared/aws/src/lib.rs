//! Throughline's adapters to AWS: the DynamoDB ledger, EventBridge, SQS and Step Functions. What only
//! operators' tools ask of AWS is in `throughline-operations`; no other crate of the framework names `aws_sdk_*`.
//!
//! - [`DynamoLedger`]: claims, entities and the log of emitted messages, one transaction a commit.
//! - [`AwsPublisher`]: from the log to the bus, to the queues of commands, now or later, and to Step Functions.
//! - [`SqsDeadLetters`]: the dead-letter queue.
//! - [`Visibility`]: when SQS delivers a message again.
//! - [`Outside`]: events and commands from programs that are no function.
//! - [`settings`]: the names of what a function is told by its environment.
//! - [`Clients`]: one configuration, and each client built from it when it is first needed.

pub mod clients;
pub mod dead_letter_queue;
pub mod elsewhere;
#[doc(hidden)]
pub mod internal;
pub mod ledger;
pub mod outside;
pub mod publisher;
pub mod settings;
mod sqs_text;
#[cfg(feature = "testing")]
#[doc(hidden)]
pub mod testing;
pub mod visibility;

pub use clients::Clients;
pub use dead_letter_queue::SqsDeadLetters;
pub use ledger::DynamoLedger;
pub use outside::{Outside, PublishError};
pub use publisher::{AwsPublisher, Schedules};
pub use visibility::Visibility;

/// Describes the failure of an SDK call: its code, if the service gave one, and its message.
#[doc(hidden)]
pub fn describe<E, R>(error: &aws_sdk_dynamodb::error::SdkError<E, R>) -> String
where
    E: aws_sdk_dynamodb::error::ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug,
{
    let Some(service) = error.as_service_error() else {
        return aws_sdk_dynamodb::error::DisplayErrorContext(error).to_string();
    };
    match (service.code(), service.message()) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(code), None) => code.to_owned(),
        (None, message) => message.map_or_else(|| service.to_string(), ToOwned::to_owned),
    }
}
