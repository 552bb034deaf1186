//! Orders, and what happens to them once they are placed.

use crate::{BadPayment, Money, Shortage, StockEvent};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use throughline_core::{Entity, Sensitive, events};

events! {
    /// Everything that happens to an order.
    pub enum OrderEvent of "order" {
        "order.placed" v1 => Placed(OrderPlaced.order_id),
        "order.confirmed" v1 => Confirmed(OrderConfirmed.order_id),
        "order.cancelled" v1 => Cancelled(OrderCancelled.order_id),
        "order.paid" v1 => Paid(OrderPaid.order_id),
    }
}

/// The address and the card of an order that is delivered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Delivery {
    /// The payment provider's token for the card. Never a card's number: events are kept for ever.
    pub card: Sensitive<String>,
    /// The address to deliver to.
    pub address: Sensitive<String>,
}

/// A line that has been checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OrderLine {
    /// The article's stock-keeping unit (SKU); no two lines of an order have the same.
    pub sku: String,
    /// The number of pieces; at least one.
    pub quantity: u32,
    /// The price of one piece, in cents.
    pub unit_price_cents: u32,
}

/// An order was accepted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OrderPlaced {
    /// The order's id.
    pub order_id: String,
    /// The customer's name.
    pub customer: Sensitive<String>,
    /// The ordered lines; at least one.
    pub lines: Vec<OrderLine>,
    /// The total price.
    pub total: Money,
    /// The delivery; `None` if the customer picks the order up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Delivery>,
}

/// An order can be had: its stock is reserved for who picks it up, or it is paid for and on its way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OrderConfirmed {
    /// The order's id.
    pub order_id: String,
    /// The customer's name.
    pub customer: Sensitive<String>,
    /// The total price.
    pub total: Money,
}

/// An order that is picked up was paid for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OrderPaid {
    /// The order's id.
    pub order_id: String,
}

/// The customer will not get the order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OrderCancelled {
    /// The order's id.
    pub order_id: String,
    /// The customer's name.
    pub customer: Sensitive<String>,
    /// Why.
    pub reason: CancelReason,
}

/// Why an order was cancelled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum CancelReason {
    /// There was too little of something.
    OutOfStock {
        /// The articles that are short, and by how much.
        shortages: Vec<Shortage>,
    },
    /// Nobody paid for it in time.
    Unpaid,
    /// Nothing could be set aside for it.
    NotReserved {
        /// Why not.
        reason: String,
    },
    /// The card was not charged.
    Declined {
        /// Why, in the payment provider's words.
        reason: String,
    },
    /// It cannot be brought to its address.
    NotShipped {
        /// Why, in the carrier's words.
        reason: String,
    },
    /// It is worth so much that somebody has to approve of it, and nobody did.
    NotApproved {
        /// Why not.
        reason: String,
    },
    /// Something broke, or took too long.
    Failed {
        /// The reason.
        reason: String,
    },
}

impl fmt::Display for CancelReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfStock { shortages } => {
                let shortages: Vec<_> = shortages.iter().map(ToString::to_string).collect();
                f.write_str(&shortages.join("; "))
            }
            Self::Unpaid => f.write_str("it was not paid in time"),
            Self::NotReserved { reason } => f.write_str(reason),
            Self::Declined { reason } => write!(f, "the card was declined: {reason}"),
            Self::NotShipped { reason } => write!(f, "it cannot be shipped: {reason}"),
            Self::NotApproved { reason } => write!(f, "it was not approved: {reason}"),
            Self::Failed { reason } => write!(f, "something went wrong: {reason}"),
        }
    }
}

/// An order, in the ledger's own table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// Its id.
    pub id: String,
    /// The customer's name.
    pub customer: Sensitive<String>,
    /// The ordered lines.
    pub lines: Vec<OrderLine>,
    /// The total price.
    pub total: Money,
    /// The delivery; `None` if the customer picks the order up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Delivery>,
    /// The order's status.
    pub status: OrderStatus,
}

/// The status of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderStatus {
    /// Accepted; whether the customer can have it is not known yet.
    Placed,
    /// Its stock is reserved; if it is delivered, it is paid for and on its way, too.
    Confirmed,
    /// It was to be picked up and is paid for.
    Paid,
    /// The customer will not get it.
    Cancelled,
}

impl Entity for Order {
    const KIND: &'static str = "order";

    fn id(&self) -> String {
        self.id.clone()
    }
}

impl From<OrderPlaced> for Order {
    fn from(placed: OrderPlaced) -> Self {
        let OrderPlaced { order_id, customer, lines, total, delivery } = placed;
        Self { id: order_id, customer, lines, total, delivery, status: OrderStatus::Placed }
    }
}

impl Order {
    /// Returns the event that the answer from the stock causes: none if the order is settled already, or if it is
    /// delivered, which its saga settles. The first answer stands.
    pub fn settle(&self, answer: &StockEvent) -> Option<OrderEvent> {
        if self.delivery.is_some() || self.status != OrderStatus::Placed {
            return None;
        }
        match answer {
            StockEvent::Reserved(_) => Some(self.confirmed()),
            StockEvent::Depleted(depleted) => {
                self.cancel(CancelReason::OutOfStock { shortages: depleted.shortages.clone() })
            }
            StockEvent::Released(_) => None,
        }
    }

    /// An order that is delivered is paid for and on its way: it is confirmed, unless it is settled already.
    pub fn confirm_delivery(&self) -> Option<OrderEvent> {
        let is_open = self.delivery.is_some() && self.status == OrderStatus::Placed;
        is_open.then(|| self.confirmed())
    }

    /// Cancels the order, unless it is cancelled already or somebody has paid for it at the counter. What it
    /// has reserved, charged or shipped is for the caller to undo.
    pub fn cancel(&self, reason: CancelReason) -> Option<OrderEvent> {
        let is_open = matches!(self.status, OrderStatus::Placed | OrderStatus::Confirmed);
        let (order_id, customer) = (self.id.clone(), self.customer.clone());
        is_open.then(|| OrderCancelled { order_id, customer, reason }.into())
    }

    /// Takes the payment for an order that is picked up: nothing, if it is paid already.
    ///
    /// # Errors
    /// [`BadPayment`]: it cannot be paid, or not yet.
    pub fn pay(&self) -> Result<Option<OrderEvent>, BadPayment> {
        let order_id = self.id.clone();
        if self.delivery.is_some() {
            return Err(BadPayment::IsDelivered { order_id });
        }
        match self.status {
            OrderStatus::Placed => Err(BadPayment::TooEarly { order_id }),
            OrderStatus::Confirmed => Ok(Some(OrderPaid { order_id }.into())),
            OrderStatus::Paid => Ok(None),
            OrderStatus::Cancelled => Err(BadPayment::IsCancelled { order_id }),
        }
    }

    /// The time to pay is over: an order that is picked up is cancelled, unless it is paid.
    pub fn expire(&self) -> Option<OrderEvent> {
        if self.delivery.is_some() { None } else { self.cancel(CancelReason::Unpaid) }
    }

    fn confirmed(&self) -> OrderEvent {
        let (order_id, customer) = (self.id.clone(), self.customer.clone());
        OrderConfirmed { order_id, customer, total: self.total }.into()
    }

    /// The order after an event that happened to it.
    pub fn after(self, event: &OrderEvent) -> Self {
        let status = match event {
            OrderEvent::Placed(_) => OrderStatus::Placed,
            OrderEvent::Confirmed(_) => OrderStatus::Confirmed,
            OrderEvent::Cancelled(_) => OrderStatus::Cancelled,
            OrderEvent::Paid(_) => OrderStatus::Paid,
        };
        Self { status, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Currency, StockDepleted, StockReserved};

    fn order() -> Order {
        Order {
            id: "o-1".into(),
            customer: "ada".into(),
            lines: vec![OrderLine { sku: "mug-blue".into(), quantity: 2, unit_price_cents: 1250 }],
            total: Money { cents: 2500, currency: Currency::Eur },
            delivery: None,
            status: OrderStatus::Placed,
        }
    }

    fn delivery(card: &str, address: &str) -> Delivery {
        Delivery { card: card.into(), address: address.into() }
    }

    fn delivered() -> Order {
        Order { delivery: Some(delivery("card-1", "12 Analytical Row")), ..order() }
    }

    const STATUSES: [OrderStatus; 4] =
        [OrderStatus::Placed, OrderStatus::Confirmed, OrderStatus::Paid, OrderStatus::Cancelled];

    /// In which states something makes an event of this order.
    fn states_in_which(order: &Order, something: impl Fn(&Order) -> Option<OrderEvent>) -> Vec<OrderStatus> {
        let in_state = |status: &OrderStatus| Order { status: *status, ..order.clone() };
        STATUSES.into_iter().filter(|status| something(&in_state(status)).is_some()).collect()
    }

    #[test]
    fn only_the_first_answer_settles_an_order() {
        let reserved = StockReserved { order_id: "o-1".into() }.into();
        let shortages = vec![Shortage { sku: "mug-blue".into(), wanted: 2, available: 1 }];
        let depleted = StockDepleted { order_id: "o-1".into(), shortages }.into();
        for (first, status) in [(&reserved, OrderStatus::Confirmed), (&depleted, OrderStatus::Cancelled)] {
            let event = order().settle(first).unwrap();
            let settled = order().after(&event);
            assert_eq!(settled.status, status);
            assert_eq!(settled.settle(&reserved), None);
            assert_eq!(settled.settle(&depleted), None);
        }
    }

    #[test]
    fn the_stock_does_not_settle_an_order_that_is_delivered() {
        let reserved = StockReserved { order_id: "o-1".into() }.into();
        assert_eq!(delivered().settle(&reserved), None);
        let confirmed = delivered().confirm_delivery().unwrap();
        assert!(matches!(confirmed, OrderEvent::Confirmed(_)));
        assert_eq!(states_in_which(&delivered(), Order::confirm_delivery), [OrderStatus::Placed]);
        assert_eq!(states_in_which(&order(), Order::confirm_delivery), []);
    }

    #[test]
    fn an_order_is_cancelled_once_and_never_after_it_was_paid() {
        let reason = || CancelReason::Declined { reason: "no funds".into() };
        let open = [OrderStatus::Placed, OrderStatus::Confirmed];
        for order in [order(), delivered()] {
            assert_eq!(states_in_which(&order, |order| order.cancel(reason())), open);
            let cancelled = order.clone().after(&order.cancel(reason()).unwrap());
            assert_eq!(cancelled.status, OrderStatus::Cancelled);
        }
    }

    #[test]
    fn only_an_unpaid_order_that_is_picked_up_expires() {
        assert_eq!(states_in_which(&order(), Order::expire), [OrderStatus::Placed, OrderStatus::Confirmed]);
        assert_eq!(states_in_which(&delivered(), Order::expire), []);
        let Some(OrderEvent::Cancelled(cancelled)) = order().expire() else { panic!("it did not expire") };
        assert_eq!(cancelled.reason.to_string(), "it was not paid in time");
    }

    #[test]
    fn an_order_is_paid_once_its_stock_is_reserved_and_before_it_is_cancelled() {
        let in_state = |status| Order { status, ..order() };
        let order_id = || "o-1".to_owned();
        let paid = in_state(OrderStatus::Confirmed).pay().unwrap().unwrap();
        assert_eq!(paid, OrderPaid { order_id: order_id() }.into());
        assert_eq!(order().after(&paid).status, OrderStatus::Paid);
        assert_eq!(in_state(OrderStatus::Paid).pay(), Ok(None));
        assert_eq!(order().pay(), Err(BadPayment::TooEarly { order_id: order_id() }));
        let cancelled = in_state(OrderStatus::Cancelled).pay();
        assert_eq!(cancelled, Err(BadPayment::IsCancelled { order_id: order_id() }));
        assert_eq!(delivered().pay(), Err(BadPayment::IsDelivered { order_id: order_id() }));
    }

    #[test]
    fn every_reason_to_cancel_reads_as_the_rest_of_a_sentence() {
        let reason = || "no".to_owned();
        for (why, text) in [
            (CancelReason::Unpaid, "it was not paid in time"),
            (CancelReason::Declined { reason: reason() }, "the card was declined: no"),
            (CancelReason::NotShipped { reason: reason() }, "it cannot be shipped: no"),
            (CancelReason::NotApproved { reason: reason() }, "it was not approved: no"),
            (CancelReason::Failed { reason: reason() }, "something went wrong: no"),
        ] {
            assert_eq!(why.to_string(), text);
        }
    }

    /// As it was stored before orders could be delivered.
    #[test]
    fn an_order_stored_long_ago_is_one_that_is_picked_up() {
        let stored = r#"{"id":"o-1","customer":"ada","lines":[{"sku":"mug-blue","quantity":2,
            "unit_price_cents":1250}],"total":{"cents":2500,"currency":"EUR"},"status":"placed"}"#;
        assert_eq!(serde_json::from_str::<Order>(stored).unwrap(), order());
        let written = serde_json::to_value(order()).unwrap();
        assert_eq!(written, serde_json::from_str::<serde_json::Value>(stored).unwrap());
    }
}
