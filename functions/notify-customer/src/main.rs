//! The function `notify-customer`: takes `order.confirmed` and `order.cancelled` from its queue and publishes
//! to the SNS topic of the setting `SHOP_NOTIFICATIONS_TOPIC_ARN`.

use aws_sdk_sns::{
    Client,
    error::{BuildError, SdkError},
    operation::publish::PublishError,
    types::MessageAttributeValue,
};
use notify_customer::{Notification, Notifier, NotifyCustomer};
use std::sync::{Arc, OnceLock};
use throughline::{Error, Failure, leased};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    throughline::run_with(|environment| {
        let topic =
            environment.required("SHOP_NOTIFICATIONS_TOPIC_ARN", "the ARN of the SNS topic for customers");
        throughline::sqs(leased(NotifyCustomer { notifier: SnsNotifier { topic: topic.into() } }))
    })
    .await
}

/// Publishes notifications to an SNS topic.
#[derive(Debug, Clone)]
struct SnsNotifier {
    topic: Arc<str>,
}

impl Notifier for SnsNotifier {
    async fn notify(&self, notification: Notification) -> Result<(), Failure> {
        let Notification { order_id, text, deduplication_id } = notification;
        client()
            .await
            .publish()
            .topic_arn(&*self.topic)
            .message(text)
            .message_attributes("orderid", attribute(order_id)?)
            .message_attributes("deduplicationid", attribute(deduplication_id)?)
            .send()
            .await
            .map_err(refused)?;
        Ok(())
    }
}

/// The process's one client, built when the first notification is sent.
async fn client() -> &'static Client {
    static CLIENT: OnceLock<Client> = OnceLock::new();
    let config = throughline::clients().config().await;
    CLIENT.get_or_init(|| Client::new(config))
}

fn attribute(text: String) -> Result<MessageAttributeValue, BuildError> {
    MessageAttributeValue::builder().data_type("String").string_value(text).build()
}

/// A request that SNS refuses as wrong stays wrong, so its failure is permanent.
fn refused(error: SdkError<PublishError>) -> Failure {
    match error.as_service_error() {
        Some(
            PublishError::InvalidParameterException(_) | PublishError::InvalidParameterValueException(_),
        ) => Failure::reject(error).named("NotificationRefused"),
        _ => Failure::retry(error).named("NotificationNotSent"),
    }
}
