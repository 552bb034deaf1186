//! Sagas and commands for later, as a scenario tells of them.

#![expect(missing_docs, reason = "messages of a test")]

use serde::{Deserialize, Serialize};
use std::time::Duration;
use throughline_core::prelude::*;
use throughline_testing::{Ran, TestTime, scenario};

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
}

/// When the order expires that is placed at the beginning of a scenario.
const DUE: Duration = Duration::from_hours(24);

async fn place_order(command: Envelope<PlaceOrder>) -> Result<Effects, Failure> {
    let PlaceOrder { order_id } = command.data;
    Ok(Effects::none()
        .start(checkout(&order_id))
        .start(checkout(&order_id))
        .schedule(expire(&order_id, "not paid"), TestTime::START + DUE)
        .cancel_scheduled(expire(&order_id, "of no interest")))
}

fn expire(order_id: &str, reason: &str) -> ExpireOrder {
    ExpireOrder { order_id: order_id.into(), reason: reason.into() }
}

fn checkout(order_id: &str) -> Checkout {
    Checkout { order_id: order_id.into() }
}

async fn placed() -> Ran<impl Handler> {
    scenario(handler_fn("place-order", place_order)).when(PlaceOrder { order_id: "o-1".into() }).await
}

#[tokio::test(start_paused = true)]
async fn a_scenario_tells_what_was_started_scheduled_and_taken_back() {
    placed()
        .await
        .then_starts([checkout("o-1"), checkout("o-1")])
        .then_schedules([(expire("o-1", "not paid"), TestTime::START + DUE)])
        .then_cancels_scheduled([expire("o-1", "whatever")])
        .then_sends(Vec::<ExpireOrder>::new())
        .redelivered()
        .await;
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "the saga `checkout` was started otherwise")]
async fn a_saga_that_was_started_with_another_input_is_told() {
    placed().await.then_starts([checkout("o-2"), checkout("o-1")]);
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "other commands were scheduled for `await-payment`")]
async fn a_command_that_was_scheduled_for_another_time_is_told() {
    let sooner = TestTime::START + DUE - Duration::from_hours(1);
    placed().await.then_schedules([(expire("o-1", "not paid"), sooner)]);
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "other commands were taken back from `await-payment`")]
async fn a_command_about_another_subject_that_was_taken_back_is_told() {
    placed().await.then_cancels_scheduled([expire("o-2", "")]);
}
