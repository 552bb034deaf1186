//! The reference shop: its commands, events, entities and rules. Pure: it depends on the core alone.
//!
//! An order's line: [`PlaceOrder`] → [`OrderPlaced`] → [`StockReserved`] or [`StockDepleted`] →
//! [`OrderConfirmed`] or [`OrderCancelled`]. Every decision is a method here; the handlers in `functions/`
//! load, ask and save.

pub mod money;
pub mod order;
pub mod stock;

pub use money::{Currency, Money};
pub use order::{
    BadOrder, CancelReason, Order, OrderCancelled, OrderCommand, OrderConfirmed, OrderEvent, OrderLine,
    OrderPlaced, OrderStatus, PlaceOrder, RequestedLine,
};
pub use stock::{Reservation, Shortage, Stock, StockDepleted, StockEvent, StockReserved, reserve};
