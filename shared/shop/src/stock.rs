//! Stock: how much there is of each article, and what an order takes of it.

use crate::OrderLine;
use serde::{Deserialize, Serialize};
use std::fmt;
use throughline_core::{Entity, EntityTable, Versioned, events};

events! {
    /// What became of an order's wish for stock. These happen to the order's [`Reservation`], not to one
    /// article: an order of several articles gets one answer.
    pub enum StockEvent of "reservation" {
        "stock.reserved" v1 => Reserved(StockReserved.order_id),
        "stock.depleted" v1 => Depleted(StockDepleted.order_id),
    }
}

/// Everything an order asks for is set aside for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StockReserved {
    /// For which order.
    pub order_id: String,
}

/// There is too little of something: nothing is set aside for the order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StockDepleted {
    /// For which order.
    pub order_id: String,
    /// Everything there is too little of; at least one.
    pub shortages: Vec<Shortage>,
}

/// Too little of one article.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shortage {
    /// Which article.
    pub sku: String,
    /// How many pieces the order asks for.
    pub wanted: u32,
    /// How many there are.
    pub available: u32,
}

impl fmt::Display for Shortage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} wanted of `{}`, {} available", self.wanted, self.sku, self.available)
    }
}

impl StockEvent {
    /// The order that wished for the stock.
    pub fn order_id(&self) -> &str {
        match self {
            Self::Reserved(reserved) => &reserved.order_id,
            Self::Depleted(depleted) => &depleted.order_id,
        }
    }
}

/// How much there is of one article. It lives in the shop's own table, which other programs write too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stock {
    /// Which article.
    pub sku: String,
    /// How many pieces may still be sold.
    pub available: u32,
}

impl Entity for Stock {
    const KIND: &'static str = "stock";
    const TABLE: EntityTable = EntityTable::Own { name: "stock", partition_key: "sku", sort_key: None };

    fn id(&self) -> String {
        self.sku.clone()
    }
}

impl Stock {
    /// What there is of an article nobody has heard of.
    pub fn none_of(sku: impl Into<String>) -> Self {
        Self { sku: sku.into(), available: 0 }
    }

    /// What is left after the line has taken its pieces.
    ///
    /// # Errors
    /// What is missing.
    pub fn take(&self, line: &OrderLine) -> Result<Self, Shortage> {
        match self.available.checked_sub(line.quantity) {
            Some(available) => Ok(Self { available, ..self.clone() }),
            None => Err(Shortage { sku: self.sku.clone(), wanted: line.quantity, available: self.available }),
        }
    }
}

/// That an order has had its answer, and which. It outlives every claim: however late and however often
/// `order.placed` comes, under whatever event id, an order takes its stock once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    /// The order.
    pub order_id: String,
    /// Whether everything it asks for is set aside.
    pub is_held: bool,
}

impl Entity for Reservation {
    const KIND: &'static str = "reservation";

    fn id(&self) -> String {
        self.order_id.clone()
    }
}

impl From<&StockEvent> for Reservation {
    fn from(event: &StockEvent) -> Self {
        Self { order_id: event.order_id().to_owned(), is_held: matches!(event, StockEvent::Reserved(_)) }
    }
}

/// Takes everything the order asks for, or nothing: the answer, and the stock that changed.
///
/// Each line comes with the stock of its article.
pub fn reserve(
    order_id: &str,
    lines: impl IntoIterator<Item = (OrderLine, Versioned<Stock>)>,
) -> (StockEvent, Vec<Versioned<Stock>>) {
    let order_id = order_id.to_owned();
    let (mut left, mut shortages) = (Vec::new(), Vec::new());
    for (line, stock) in lines {
        match stock.value.take(&line) {
            Ok(rest) => left.push(stock.map(|_| rest)),
            Err(shortage) => shortages.push(shortage),
        }
    }
    if shortages.is_empty() {
        (StockReserved { order_id }.into(), left)
    } else {
        (StockDepleted { order_id, shortages }.into(), Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stock(sku: &str, available: u32) -> Versioned<Stock> {
        Versioned::new(Stock { sku: sku.into(), available })
    }

    fn wish(sku: &str, quantity: u32, available: u32) -> (OrderLine, Versioned<Stock>) {
        (OrderLine { sku: sku.into(), quantity, unit_price_cents: 1 }, stock(sku, available))
    }

    #[test]
    fn an_order_takes_the_last_piece() {
        let (event, left) = reserve("o-1", [wish("mug", 2, 2), wish("tea", 1, 5)]);
        assert_eq!(event, StockReserved { order_id: "o-1".into() }.into());
        assert_eq!(left, [stock("mug", 0), stock("tea", 4)]);
    }

    #[test]
    fn an_order_takes_all_or_nothing_and_is_told_of_every_shortage() {
        let (event, left) = reserve("o-1", [wish("mug", 3, 2), wish("tea", 1, 5), wish("pot", 1, 0)]);
        let shortage = |sku: &str, wanted, available| Shortage { sku: sku.into(), wanted, available };
        let shortages = vec![shortage("mug", 3, 2), shortage("pot", 1, 0)];
        assert_eq!(event, StockDepleted { order_id: "o-1".into(), shortages }.into());
        assert!(left.is_empty());
        assert!(!Reservation::from(&event).is_held);
    }
}
