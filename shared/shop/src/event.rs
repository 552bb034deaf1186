//! Every event of an order's line, for a handler that emits of more than one aggregate.

use crate::{OrderEvent, StockEvent};
use serde_json::value::RawValue;
use throughline_core::{DataError, EncodeError, Event, Message, MessageType};

/// An event of an order or of its reservation. The wire form of each is the same as that of the event alone.
#[derive(Debug, Clone, PartialEq)]
pub enum ShopEvent {
    /// It happened to an order.
    Order(OrderEvent),
    /// It happened to a reservation.
    Stock(StockEvent),
}

impl From<OrderEvent> for ShopEvent {
    fn from(event: OrderEvent) -> Self {
        Self::Order(event)
    }
}

impl From<StockEvent> for ShopEvent {
    fn from(event: StockEvent) -> Self {
        Self::Stock(event)
    }
}

const ORDER_EVENTS: usize = OrderEvent::CATALOGUE.len();
const ALL: [MessageType; ORDER_EVENTS + StockEvent::CATALOGUE.len()] = {
    let mut all = [OrderEvent::CATALOGUE[0]; _];
    let mut place = 0;
    while place < all.len() {
        all[place] = if place < ORDER_EVENTS {
            OrderEvent::CATALOGUE[place]
        } else {
            StockEvent::CATALOGUE[place - ORDER_EVENTS]
        };
        place += 1;
    }
    all
};

impl Message for ShopEvent {
    const CATALOGUE: &'static [MessageType] = &ALL;

    fn aggregate_type(&self) -> Option<&'static str> {
        match self {
            Self::Order(event) => event.aggregate_type(),
            Self::Stock(event) => event.aggregate_type(),
        }
    }

    fn message_type(&self) -> MessageType {
        match self {
            Self::Order(event) => event.message_type(),
            Self::Stock(event) => event.message_type(),
        }
    }

    fn subject(&self) -> Option<String> {
        match self {
            Self::Order(event) => event.subject(),
            Self::Stock(event) => event.subject(),
        }
    }

    fn encode(&self) -> Result<Box<RawValue>, EncodeError> {
        match self {
            Self::Order(event) => event.encode(),
            Self::Stock(event) => event.encode(),
        }
    }

    fn decode(name: &str, version: u16, data: &RawValue) -> Result<Self, DataError> {
        let is_of = |catalogue: &[MessageType]| catalogue.iter().any(|entry| entry.name == name);
        if is_of(OrderEvent::CATALOGUE) {
            OrderEvent::decode(name, version, data).map(Self::Order)
        } else if is_of(StockEvent::CATALOGUE) {
            StockEvent::decode(name, version, data).map(Self::Stock)
        } else {
            Err(DataError::not_in(Self::CATALOGUE, name, version))
        }
    }
}

impl Event for ShopEvent {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{OrderPaid, StockReleased};

    #[test]
    fn it_is_on_the_wire_what_each_is_alone() {
        assert_eq!(ShopEvent::CATALOGUE, [OrderEvent::CATALOGUE, StockEvent::CATALOGUE].concat());
        let order = ShopEvent::Order(OrderPaid { order_id: "o-1".into() }.into());
        let stock = ShopEvent::Stock(StockReleased { order_id: "o-1".into() }.into());
        for (event, aggregate_type) in [(order, "order"), (stock, "reservation")] {
            let MessageType { name, version } = event.message_type();
            assert_eq!(event.aggregate_type(), Some(aggregate_type));
            assert_eq!(event.subject().as_deref(), Some("o-1"));
            assert_eq!(ShopEvent::decode(name, version, &event.encode().unwrap()).unwrap(), event);
        }
        let unknown = ShopEvent::decode("order.lost", 1, RawValue::NULL).unwrap_err();
        assert!(unknown.to_string().contains("stock.released v1"), "{unknown}");
    }
}
