//! Stock: how much there is of each article, and what an order takes of it.

use crate::OrderLine;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use throughline_core::{Context, Entity, EntityTable, LoadError, Versioned, events};

events! {
    /// The stock's answers to an order. These events belong to the order's [`Reservation`], not to one
    /// article: an order of several articles gets one answer.
    pub enum StockEvent of "reservation" {
        "stock.reserved" v1 => Reserved(StockReserved.order_id),
        "stock.depleted" v1 => Depleted(StockDepleted.order_id),
        "stock.released" v1 => Released(StockReleased.order_id),
    }
}

/// Everything an order asks for is set aside for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StockReserved {
    /// The order's id.
    pub order_id: String,
}

/// There is too little of something: nothing is set aside for the order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StockDepleted {
    /// The order's id.
    pub order_id: String,
    /// Everything there is too little of; at least one.
    pub shortages: Vec<Shortage>,
}

/// The pieces that were set aside for an order are for sale again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StockReleased {
    /// The id of the order it had been set aside for.
    pub order_id: String,
}

/// Too little of one article.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Shortage {
    /// The article's stock-keeping unit (SKU).
    pub sku: String,
    /// The number of pieces that the order asks for.
    pub wanted: u32,
    /// The number of pieces that are available.
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
            Self::Released(released) => &released.order_id,
        }
    }
}

/// The stock of one article. It lives in the shop's own table, which other programs write, too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stock {
    /// The article's stock-keeping unit (SKU).
    pub sku: String,
    /// The number of pieces that may still be sold.
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
    /// Returns the stock of an article that the table does not hold: no piece.
    pub fn none_of(sku: impl Into<String>) -> Self {
        Self { sku: sku.into(), available: 0 }
    }

    /// Loads the stock of each line's article, in the order of the lines.
    ///
    /// # Errors
    /// [`LoadError`]: one of them could not be loaded.
    pub async fn of_each(
        lines: &[OrderLine],
        context: &Context<'_>,
    ) -> Result<Vec<Versioned<Self>>, LoadError> {
        let mut stocks = Vec::with_capacity(lines.len());
        for OrderLine { sku, .. } in lines {
            let stock = context.load::<Self>(sku).await?;
            stocks.push(stock.unwrap_or_else(|| Versioned::new(Self::none_of(sku))));
        }
        Ok(stocks)
    }

    /// Returns the stock that is left after the line has taken its pieces.
    ///
    /// # Errors
    /// Returns the shortage if there are too few pieces.
    pub fn take(&self, line: &OrderLine) -> Result<Self, Shortage> {
        match self.available.checked_sub(line.quantity) {
            Some(available) => Ok(Self { available, ..self.clone() }),
            None => Err(Shortage { sku: self.sku.clone(), wanted: line.quantity, available: self.available }),
        }
    }

    /// Returns the stock after the line has given its pieces back.
    pub fn put_back(&self, line: &OrderLine) -> Self {
        Self { available: self.available.saturating_add(line.quantity), ..self.clone() }
    }
}

/// That an order has had its answer, and which. It outlives every claim: however late and however often
/// `order.placed` comes, under whatever event id, an order takes its stock once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    /// The order.
    pub order_id: String,
    /// Whether all that the order asks for is set aside.
    pub is_held: bool,
    /// The lines that were set aside. Empty in reservations that were stored before they could be released.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<OrderLine>,
}

impl Entity for Reservation {
    const KIND: &'static str = "reservation";

    fn id(&self) -> String {
        self.order_id.clone()
    }
}

impl Reservation {
    /// Returns the reservation that an answer from the stock makes of these lines.
    pub fn of(answer: &StockEvent, lines: Vec<OrderLine>) -> Self {
        let order_id = answer.order_id().to_owned();
        if matches!(answer, StockEvent::Reserved(_)) {
            Self { order_id, is_held: true, lines }
        } else {
            Self::refused(order_id)
        }
    }

    /// The order gets nothing, now or later: whoever would reserve for it finds that it has had its answer.
    pub fn refused(order_id: impl Into<String>) -> Self {
        Self { order_id: order_id.into(), is_held: false, lines: Vec::new() }
    }

    /// Puts everything back that is set aside: the event, and the stock that changed. Nothing, if nothing is
    /// set aside any more.
    ///
    /// It is given the stock of each of its lines; [`released`](Self::released) is what is left of it.
    pub fn release(&self, stocks: &[Versioned<Stock>]) -> Option<(StockEvent, Vec<Versioned<Stock>>)> {
        if !self.is_held {
            return None;
        }
        let put_back = |line: &OrderLine| {
            let stock = stocks.iter().find(|stock| stock.value.sku == line.sku).cloned();
            let stock = stock.unwrap_or_else(|| Versioned::new(Stock::none_of(&line.sku)));
            stock.map(|stock| stock.put_back(line))
        };
        let event = StockReleased { order_id: self.order_id.clone() }.into();
        Some((event, self.lines.iter().map(put_back).collect()))
    }

    /// The reservation after its release, which can happen once.
    pub fn released(self) -> Self {
        Self { is_held: false, ..self }
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
        assert!(!Reservation::of(&event, Vec::new()).is_held);
    }

    #[test]
    fn a_reservation_is_released_once_and_puts_everything_back() {
        let wishes = [wish("mug", 2, 2), wish("tea", 1, 5)];
        let lines = wishes.iter().map(|(line, _)| line.clone()).collect();
        let (event, left) = reserve("o-1", wishes);
        let reservation = Reservation::of(&event, lines);

        let (event, back) = reservation.release(&left).unwrap();
        assert_eq!(event, StockReleased { order_id: "o-1".into() }.into());
        assert_eq!(back, [stock("mug", 2), stock("tea", 5)]);
        assert_eq!(reservation.released().release(&back), None);
        assert_eq!(Reservation::refused("o-1").release(&back), None);
    }

    /// As it was stored before reservations could be released.
    #[test]
    fn a_reservation_stored_long_ago_is_read() {
        let stored = r#"{"order_id":"o-1","is_held":true}"#;
        let read: Reservation = serde_json::from_str(stored).unwrap();
        assert_eq!(read, Reservation { order_id: "o-1".into(), is_held: true, lines: Vec::new() });
        assert_eq!(serde_json::to_string(&read).unwrap(), stored);
    }
}
