//! The reference shop: its commands, events, entities and rules. Pure: it depends on the core alone.
//!
//! An order that is picked up: [`PlaceOrder`] → [`OrderPlaced`] → [`StockReserved`] or [`StockDepleted`] →
//! [`OrderConfirmed`] or [`OrderCancelled`], then [`PayOrder`] → [`OrderPaid`], or [`ExpireOrder`] →
//! [`OrderCancelled`] and [`StockReleased`]. One that is delivered: [`PlaceOrder`] → [`OrderPlaced`] and the saga
//! [`Checkout`]. Every decision is a method here; the handlers in `functions/` load, ask and save.

pub mod approval;
pub mod checkout;
pub mod event;
pub mod money;
pub mod order;
pub mod payment;
pub mod placing;
pub mod stock;
#[cfg(feature = "testing")]
pub mod testing;

pub use approval::{ApprovalCommand, ApprovalEvent, ApprovalRequested, Approved, DecideOrder};
pub use checkout::{
    APPROVAL_TIME_LIMIT, Charge, Charged, Checkout, Confirmed, HIGH_VALUE_CENTS, PaymentError, Payments,
    Reserved, Shipment, ShipmentRequest, Shipping, ShippingError, Shop, checkout,
};
pub use event::ShopEvent;
pub use money::{Currency, Money};
pub use order::{
    CancelReason, Delivery, Order, OrderCancelled, OrderConfirmed, OrderEvent, OrderLine, OrderPaid,
    OrderPlaced, OrderStatus,
};
pub use payment::{BadPayment, ExpireOrder, PAYMENT_TIME_LIMIT, PayOrder, PaymentCommand};
pub use placing::{BadOrder, OrderCommand, PlaceOrder, RequestedLine};
pub use stock::{
    Reservation, Shortage, Stock, StockDepleted, StockEvent, StockReleased, StockReserved, reserve,
};
