//! The surroundings of a message that is taken as it comes.

use crate::{Envelope, Raw, Timestamp, delivery::MessageAttribute};
use std::collections::BTreeMap;

/// The surroundings of a [`Raw`] message: the attributes that the queue, the topic and the bus gave it.
///
/// What is not on the way is left empty: a message of a queue has no `region`, and an event that a rule brings
/// no `topic`. A message's id, source, type and time are in its [`Attributes`](crate::Attributes).
///
/// ```
/// # use serde::Deserialize;
/// use throughline_core::prelude::*;
/// # #[derive(Debug, Clone, Deserialize)] struct Upload { key: String }
///
/// async fn archive(upload: Envelope<Raw<Upload>>) -> Result<(), Failure> {
///     let tenant = upload.surroundings().attribute("tenant").or_reject("the attribute `tenant` is missing")?;
///     println!("{} of tenant {tenant}", upload.data.0.key);
///     Ok(())
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Surroundings {
    /// The ARN of the queue or the function that it was delivered to.
    pub delivered_to: String,
    /// The id that this delivery has: SQS's message id, or Lambda's request id. Redriven, a message has another;
    /// the one in its attributes stays the same.
    pub delivery_id: String,
    /// When it was sent, as the innermost says: EventBridge's `time`, SNS's `Timestamp`, or SQS's `SentTimestamp`.
    pub sent_at: Option<Timestamp>,
    /// The message attributes: SQS's, or those of the SNS notification in it.
    pub message_attributes: BTreeMap<String, MessageAttribute>,
    /// The ARN of the SNS topic that it was published to.
    pub topic: Option<String>,
    /// The subject that an SNS notification was given.
    pub notification_subject: Option<String>,
    /// EventBridge's `source`.
    pub event_source: Option<String>,
    /// EventBridge's `detail-type`.
    pub detail_type: Option<String>,
    /// EventBridge's `account`.
    pub account: Option<String>,
    /// EventBridge's `region`.
    pub region: Option<String>,
    /// EventBridge's `resources`: the ARNs of what the event is about.
    pub resources: Vec<String>,
}

impl Surroundings {
    /// The text of a message attribute; of binary data in base64.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.message_attributes.get(name).map(|attribute| attribute.value.as_str())
    }
}

static NOTHING: Surroundings = Surroundings {
    delivered_to: String::new(),
    delivery_id: String::new(),
    sent_at: None,
    message_attributes: BTreeMap::new(),
    topic: None,
    notification_subject: None,
    event_source: None,
    detail_type: None,
    account: None,
    region: None,
    resources: Vec::new(),
};

impl<T> Envelope<Raw<T>> {
    /// Returns the message's surroundings: resources, account and region of an EventBridge event, topic and subject of
    /// an SNS notification, message attributes, the time it was sent.
    pub fn surroundings(&self) -> &Surroundings {
        self.attributes.surroundings.as_deref().unwrap_or(&NOTHING)
    }
}
