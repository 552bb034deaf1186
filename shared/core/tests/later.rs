//! Sagas and commands for later: where a handler's effects go, and under which ids and names.

#![expect(missing_docs, reason = "messages of a test")]

use serde::{Deserialize, Serialize};
use std::{collections::HashSet, time::Duration};
use throughline_core::{ledger::Outgoing, prelude::*};
use throughline_testing::{TestTime, scenario};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlaceOrder {
    pub order_id: String,
}

commands! {
    /// Orders.
    pub enum OrderCommand to "place-order" {
        "order.place" v1 => Place(PlaceOrder.order_id),
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExpireOrder {
    pub order_id: String,
    pub reason: String,
}

commands! {
    /// Payments.
    pub enum PaymentCommand to "await-payment" {
        "order.expire" v1 => Expire(ExpireOrder.order_id),
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Checkout {
    order_id: String,
}

impl SagaInput for Checkout {
    const SAGA: &'static str = "checkout";

    fn subject(&self) -> Option<String> {
        Some(self.order_id.clone())
    }
}

#[derive(Clone)]
struct Place;

impl Handler for Place {
    const NAME: &'static str = "place-order";
    type Message = OrderCommand;
    type Emits = Never;

    async fn handle(
        &self,
        command: Envelope<OrderCommand>,
        context: &Context<'_>,
    ) -> Result<Effects, Failure> {
        let OrderCommand::Place(PlaceOrder { order_id }) = command.data;
        Ok(Effects::none()
            .start(Checkout { order_id: order_id.clone() })
            .start(Checkout { order_id: order_id.clone() })
            .schedule(expire(&order_id, "not paid"), context.now() + Duration::from_hours(24))
            .cancel_scheduled(expire(&order_id, "of no interest")))
    }
}

fn expire(order_id: &str, reason: &str) -> ExpireOrder {
    ExpireOrder { order_id: order_id.into(), reason: reason.into() }
}

fn place(order_id: &str) -> PlaceOrder {
    PlaceOrder { order_id: order_id.into() }
}

async fn sent(order_id: &str) -> Vec<Outgoing> {
    scenario(Place).when(place(order_id)).await.ledger().log()
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_goes_where_it_was_sent_to_with_the_attributes_of_its_message() {
    let sent = sent("o-1").await;
    let due = TestTime::START + Duration::from_hours(24);
    let found: Vec<_> = sent.iter().map(|message| message.destination.clone()).collect();
    assert_eq!(
        found,
        [
            Destination::StateMachine("checkout".into()),
            Destination::StateMachine("checkout".into()),
            Destination::Scheduled { queue: "await-payment".into(), at: due },
            Destination::Unscheduled { queue: "await-payment".into() },
        ]
    );
    let types: Vec<_> =
        sent.iter().map(|message| message.envelope.attributes.message_type.as_str()).collect();
    assert_eq!(types, ["checkout.start", "checkout.start", "order.expire", "order.expire"]);
    for message in &sent {
        let attributes = &message.envelope.attributes;
        assert_eq!(attributes.subject.as_deref(), Some("o-1"));
        assert_eq!(attributes.causation_id.as_deref(), Some("message-1"));
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_message_sends_the_same_ids_and_no_two_of_them_are_alike() {
    let ids = |sent: Vec<Outgoing>| -> Vec<String> {
        sent.into_iter().map(|message| message.envelope.attributes.id).collect()
    };
    let once = ids(sent("o-1").await);
    assert_eq!(once, ids(sent("o-1").await));
    assert_eq!(once.iter().collect::<HashSet<_>>().len(), 4);
    assert_ne!(once, ids(sent("o-2").await));
}

#[tokio::test(start_paused = true)]
async fn what_is_taken_back_has_the_name_of_what_was_scheduled() {
    let names =
        |sent: &[Outgoing]| -> Vec<Option<String>> { sent.iter().map(Outgoing::schedule_name).collect() };
    let (one, other) = (names(&sent("o-1").await), names(&sent("o-2").await));
    assert_eq!((&one[0], &one[1]), (&None, &None), "what is started has no schedule");
    assert!(one[2].is_some() && one[2] == one[3]);
    assert_ne!(one[2], other[2], "each subject has its own");
}
