//! Throughline's test kit: the in-memory ledger, scenarios, faults and the conformance suite.
//!
//! A test is given / when / then over the real main path:
//!
//! ```
//! # use serde::{Deserialize, Serialize};
//! # use throughline_core::prelude::*;
//! # #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
//! # pub struct PaymentCaptured { pub order_id: String }
//! # #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
//! # pub struct OrderConfirmed { pub order_id: String }
//! # events! { /// Orders.
//! # pub enum OrderEvent of "order" { "order.confirmed" v1 => Confirmed(OrderConfirmed.order_id) } }
//! # events! { /// Payments.
//! # pub enum PaymentEvent of "payment" { "payment.captured" v1 => Captured(PaymentCaptured.order_id) } }
//! # #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
//! # struct Order { id: String, confirmed: bool }
//! # impl Entity for Order { const KIND: &'static str = "order"; fn id(&self) -> String { self.id.clone() } }
//! # #[derive(Clone)]
//! # struct ConfirmOrder;
//! # impl Handler for ConfirmOrder {
//! #     const NAME: &'static str = "confirm-order";
//! #     type Message = PaymentCaptured;
//! #     type Emits = OrderEvent;
//! #     async fn handle(&self, paid: Envelope<PaymentCaptured>, context: &Context<'_>) -> Result<Effects<OrderEvent>, Failure> {
//! #         let order = context.load::<Order>(&paid.data.order_id).await?.or_retry("order not seen yet")?;
//! #         Ok(Effects::none()
//! #             .emit(OrderConfirmed { order_id: order.value.id.clone() })
//! #             .save(order.map(|order| Order { confirmed: true, ..order })))
//! #     }
//! # }
//! use throughline_testing::scenario;
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! scenario(ConfirmOrder)
//!     .given(Order { id: "o-1".into(), confirmed: false })
//!     .when(PaymentCaptured { order_id: "o-1".into() }).await
//!     .then_emits([OrderConfirmed { order_id: "o-1".into() }])
//!     .then_saved(Order { id: "o-1".into(), confirmed: true })
//!     .redelivered().await; // the same envelope again changes nothing
//! # }
//! ```

#![expect(clippy::missing_panics_doc, reason = "a test kit panics to fail a test")]
#![expect(clippy::needless_pass_by_value, reason = "expectations read better without an ampersand")]

pub mod catalogue;
pub mod chaos;
pub mod conformance;
pub mod counting;
mod declared_tables;
pub mod fixtures;
mod golden;
pub mod memory_dead_letters;
pub mod memory_ledger;
pub mod name_lock;
pub mod saga;
pub mod saga_golden;
pub mod scenario;
pub mod time;

pub use catalogue::{CatalogueCheck, catalogue};
pub use counting::CountingLedger;
pub use memory_dead_letters::MemoryDeadLetters;
pub use memory_ledger::MemoryLedger;
pub use name_lock::{assert_handler_is_locked, assert_name_is_locked};
pub use saga::{SagaTest, saga_test};
pub use saga_golden::{assert_definitions_are_known, assert_states_language_is_current};
pub use scenario::{Ran, Scenario, scenario};
pub use time::{SeededRandom, TestTime};
