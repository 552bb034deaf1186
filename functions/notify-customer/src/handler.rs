//! Tells the customer after `order.confirmed` or `order.cancelled`.

use std::future::Future;
use throughline::prelude::*;
use throughline_shop::{OrderCancelled, OrderConfirmed, OrderEvent};

/// A message to a customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// The order's id.
    pub order_id: String,
    /// The text of the message.
    pub text: String,
    /// The same for every attempt at the same notification, and for no other.
    pub deduplication_id: String,
}

/// The way to the customer.
pub trait Notifier: Clone + Send + Sync + 'static {
    /// Sends a notification.
    fn notify(&self, notification: Notification) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// `order.confirmed` or `order.cancelled`: tells the customer. Run it [`leased`]: it touches the outside
/// world.
///
/// A notification is sent *at least* once. The lease keeps two deliveries of an event from sending at the
/// same time, and a finished claim keeps later ones from sending again; but if the process dies after the
/// notification has left and before its claim is finished, the next delivery sends it a second time. An
/// API that takes an idempotency key would drop the second; SNS takes none for a standard topic, so the
/// key travels with the message and the receiver can.
#[derive(Debug, Clone)]
pub struct NotifyCustomer<N> {
    /// The way to the customer.
    pub notifier: N,
}

impl<N: Notifier> Handler for NotifyCustomer<N> {
    const NAME: &'static str = "notify-customer";
    type Message = OrderEvent;
    type Emits = Never;

    async fn handle(&self, event: Envelope<OrderEvent>, context: &Context<'_>) -> Result<Effects, Failure> {
        let (order_id, text) = match event.data {
            // The customer did it, and knows.
            OrderEvent::Placed(_) | OrderEvent::Paid(_) => return Ok(Effects::none()),
            OrderEvent::Confirmed(OrderConfirmed { order_id, customer, total }) => {
                let name = customer.expose();
                let text = format!("Dear {name}, your order {order_id} over {total} is confirmed.");
                (order_id, text)
            }
            OrderEvent::Cancelled(OrderCancelled { order_id, customer, reason }) => {
                let name = customer.expose();
                let text = format!("Dear {name}, your order {order_id} is cancelled: {reason}.");
                (order_id, text)
            }
        };
        let deduplication_id = context.idempotency_key();
        self.notifier.notify(Notification { order_id, text, deduplication_id }).await?;
        Ok(Effects::none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};
    use throughline_shop::{CancelReason, Currency, Money, OrderLine, OrderPaid, OrderPlaced, Shortage};
    use throughline_testing::{assert_name_is_locked, scenario};

    const TOTAL: Money = Money { cents: 2500, currency: Currency::Eur };

    /// Keeps what it is asked to send, and answers each time with the next of `answers`, then with success.
    #[derive(Debug, Clone, Default)]
    struct Kept {
        sent: Arc<Mutex<Vec<Notification>>>,
        answers: Arc<Mutex<Vec<Failure>>>,
    }

    impl Kept {
        fn failing(failure: Failure) -> Self {
            Self { answers: Arc::new(Mutex::new(vec![failure])), ..Self::default() }
        }

        fn texts(&self) -> Vec<String> {
            self.sent.lock().unwrap().iter().map(|notification| notification.text.clone()).collect()
        }
    }

    impl Notifier for Kept {
        async fn notify(&self, notification: Notification) -> Result<(), Failure> {
            self.sent.lock().unwrap().push(notification);
            self.answers.lock().unwrap().pop().map_or(Ok(()), Err)
        }
    }

    fn handler(notifier: &Kept) -> impl Handler<Message = OrderEvent, Emits = Never> {
        leased(NotifyCustomer { notifier: notifier.clone() })
    }

    fn confirmed() -> OrderConfirmed {
        OrderConfirmed { order_id: "o-1".into(), customer: "Ada".into(), total: TOTAL }
    }

    #[tokio::test]
    async fn a_confirmed_order_is_told_once() {
        let notifier = Kept::default();
        scenario(handler(&notifier)).when(confirmed()).await.then_done().redelivered().await;
        assert_eq!(notifier.texts(), ["Dear Ada, your order o-1 over 25.00 EUR is confirmed."]);
    }

    #[tokio::test]
    async fn a_cancelled_order_is_told_with_the_reason() {
        let notifier = Kept::default();
        let shortages = vec![Shortage { sku: "teapot-copper".into(), wanted: 3, available: 1 }];
        let reason = CancelReason::OutOfStock { shortages };
        scenario(handler(&notifier))
            .when(OrderCancelled { order_id: "o-1".into(), customer: "Ada".into(), reason })
            .await
            .then_done()
            .redelivered()
            .await;
        assert_eq!(
            notifier.texts(),
            ["Dear Ada, your order o-1 is cancelled: 3 wanted of `teapot-copper`, 1 available."]
        );
    }

    #[tokio::test]
    async fn nobody_is_told_what_they_did_themselves() {
        let notifier = Kept::default();
        let line = OrderLine { sku: "mug-blue".into(), quantity: 2, unit_price_cents: 1250 };
        scenario(handler(&notifier))
            .when(OrderPlaced {
                order_id: "o-1".into(),
                customer: "Ada".into(),
                lines: vec![line],
                total: TOTAL,
                delivery: None,
            })
            .await
            .then_done()
            .and_when(OrderPaid { order_id: "o-1".into() })
            .await
            .then_done();
        assert!(notifier.texts().is_empty());
    }

    #[tokio::test]
    async fn every_attempt_at_a_notification_carries_the_same_deduplication_id() {
        let notifier = Kept::failing(Failure::retry("the topic is throttled"));
        scenario(handler(&notifier)).when(confirmed()).await.then_retried("throttled");
        scenario(handler(&notifier)).when(confirmed()).await.then_done();
        let sent = notifier.sent.lock().unwrap();
        assert_eq!(sent.len(), 2);
        assert_eq!(sent[0], sent[1]);
    }

    #[tokio::test]
    async fn a_notification_that_can_never_be_sent_is_rejected() {
        let notifier = Kept::failing(Failure::reject("the text is not valid").named("NotificationRefused"));
        scenario(handler(&notifier)).when(confirmed()).await.then_rejected("NotificationRefused");
    }

    #[test]
    fn its_name_is_locked() {
        assert_name_is_locked(NotifyCustomer::<Kept>::NAME);
    }
}
