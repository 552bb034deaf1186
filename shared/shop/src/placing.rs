//! Placing an order: the request, and every rule that it may break.

use crate::{Currency, Delivery, Money, Order, OrderLine, OrderPlaced, money::UnknownCurrency};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use throughline_core::{Sensitive, Timestamp, commands};

/// The most lines an order may have. Its stock is reserved in one transaction, which holds a hundred items:
/// the claim, the reservation, the event and one item a line.
pub const MOST_LINES: usize = 50;
/// The most pieces one line may ask for.
pub const MOST_PIECES: u32 = 1_000;
/// The most one piece may cost, in cents. With the two limits above, no total overflows.
pub const MOST_PRICE_CENTS: u32 = 100_000_000;

commands! {
    /// Commands to the shop about an order.
    pub enum OrderCommand to "place-order" {
        "order.place" v1 => Place(PlaceOrder.order_id),
    }
}

/// Asks for an order. Nothing in it is checked yet: see [`check`](Self::check).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PlaceOrder {
    /// The id the customer's side gave the order.
    pub order_id: String,
    /// The customer's name.
    pub customer: Sensitive<String>,
    /// The currency's ISO 4217 code.
    pub currency: String,
    /// The requested lines.
    pub lines: Vec<RequestedLine>,
    /// The address to deliver to and the card that pays. An order without is picked up, and paid for by then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Delivery>,
    /// When an order that is picked up is cancelled unless it is paid; without, after
    /// [`PAYMENT_TIME_LIMIT`](crate::PAYMENT_TIME_LIMIT). It means nothing for one that is delivered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pay_by: Option<Timestamp>,
}

/// A line as the customer's side sent it. Its numbers are signed, so that a negative one can be read and
/// refused with a reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RequestedLine {
    /// The article's stock-keeping unit (SKU).
    pub sku: String,
    /// The number of pieces.
    pub quantity: i64,
    /// The price of one piece, in cents.
    pub unit_price_cents: i64,
}

/// Why an order cannot be placed. No later attempt will change that.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadOrder {
    /// There is no id to know it by.
    #[error("the order has no id")]
    NoId,
    /// There is nobody to ship it to.
    #[error("the order has no customer")]
    NoCustomer,
    /// It is to be delivered, and there is nothing to pay it with.
    #[error("the order is to be delivered and names no card")]
    NoCard,
    /// It is to be delivered nowhere.
    #[error("the order is to be delivered and names no address")]
    NoAddress,
    /// It asks for nothing.
    #[error("the order has no items")]
    NoItems,
    /// It asks for more than one transaction can reserve.
    #[error("the order has {lines} lines; the most is {MOST_LINES}")]
    TooManyLines {
        /// The number of lines that the order has.
        lines: usize,
    },
    /// A line does not say what it asks for.
    #[error("a line of the order has no article")]
    NoArticle,
    /// Two lines ask for the same article.
    #[error("two lines of the order ask for `{sku}`")]
    SameArticleTwice {
        /// The article's stock-keeping unit (SKU).
        sku: String,
    },
    /// A line asks for none, for less than none, or for far too many.
    #[error("the order asks for {quantity} pieces of `{sku}`; a line takes 1 to {MOST_PIECES}")]
    QuantityOutOfRange {
        /// The article's stock-keeping unit (SKU).
        sku: String,
        /// The number of pieces that the request asks for.
        quantity: i64,
    },
    /// A price below nothing, or far too high.
    #[error("a piece of `{sku}` cannot cost {unit_price_cents} cents")]
    PriceOutOfRange {
        /// The article's stock-keeping unit (SKU).
        sku: String,
        /// The price asked for.
        unit_price_cents: i64,
    },
    /// The shop does not take the currency.
    #[error(transparent)]
    UnknownCurrency(#[from] UnknownCurrency),
    /// There is another order with this id.
    #[error("there is another order `{order_id}`, and it says something else")]
    AnotherOrderHasThisId {
        /// The id of both.
        order_id: String,
    },
}

impl PlaceOrder {
    /// Applies every rule of the shop: what is placed, or why nothing can be.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn check(self) -> Result<OrderPlaced, BadOrder> {
        if self.order_id.trim().is_empty() {
            return Err(BadOrder::NoId);
        }
        if self.customer.expose().trim().is_empty() {
            return Err(BadOrder::NoCustomer);
        }
        self.delivery.as_ref().map_or(Ok(()), Delivery::check)?;
        if self.lines.is_empty() {
            return Err(BadOrder::NoItems);
        }
        if self.lines.len() > MOST_LINES {
            return Err(BadOrder::TooManyLines { lines: self.lines.len() });
        }
        let currency: Currency = self.currency.parse()?;
        let mut lines = Vec::<OrderLine>::with_capacity(self.lines.len());
        for line in self.lines {
            let line = line.check()?;
            if lines.iter().any(|other| other.sku == line.sku) {
                return Err(BadOrder::SameArticleTwice { sku: line.sku });
            }
            lines.push(line);
        }
        let cents = lines.iter().map(OrderLine::cents).sum();
        Ok(OrderPlaced {
            order_id: self.order_id,
            customer: self.customer,
            lines,
            total: Money { cents, currency },
            delivery: self.delivery,
        })
    }
}

impl RequestedLine {
    fn check(self) -> Result<OrderLine, BadOrder> {
        let Self { sku, quantity, unit_price_cents } = self;
        if sku.trim().is_empty() {
            return Err(BadOrder::NoArticle);
        }
        let pieces = u32::try_from(quantity).ok().filter(|pieces| (1..=MOST_PIECES).contains(pieces));
        let price = u32::try_from(unit_price_cents).ok().filter(|price| *price <= MOST_PRICE_CENTS);
        match (pieces, price) {
            (Some(quantity), Some(unit_price_cents)) => Ok(OrderLine { sku, quantity, unit_price_cents }),
            (None, _) => Err(BadOrder::QuantityOutOfRange { sku, quantity }),
            (_, None) => Err(BadOrder::PriceOutOfRange { sku, unit_price_cents }),
        }
    }
}

impl OrderLine {
    fn cents(&self) -> u64 {
        u64::from(self.quantity) * u64::from(self.unit_price_cents)
    }
}

impl Delivery {
    fn check(&self) -> Result<(), BadOrder> {
        if self.card.expose().trim().is_empty() {
            return Err(BadOrder::NoCard);
        }
        if self.address.expose().trim().is_empty() {
            return Err(BadOrder::NoAddress);
        }
        Ok(())
    }
}

impl Order {
    /// An order is asked for whose id is known already: fine if it asks for the same, however far this one
    /// has come since.
    ///
    /// # Errors
    /// [`BadOrder::AnotherOrderHasThisId`].
    pub fn check_same(&self, asked: &OrderPlaced) -> Result<(), BadOrder> {
        let same = (&self.customer, &self.lines, self.total, &self.delivery)
            == (&asked.customer, &asked.lines, asked.total, &asked.delivery);
        if same { Ok(()) } else { Err(BadOrder::AnotherOrderHasThisId { order_id: self.id.clone() }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::OrderStatus;

    fn line(sku: &str, quantity: i64, unit_price_cents: i64) -> RequestedLine {
        RequestedLine { sku: sku.into(), quantity, unit_price_cents }
    }

    fn asked(lines: Vec<RequestedLine>) -> PlaceOrder {
        PlaceOrder {
            order_id: "o-1".into(),
            customer: "ada".into(),
            currency: "EUR".into(),
            lines,
            delivery: None,
            pay_by: None,
        }
    }

    fn order() -> Order {
        asked(vec![line("mug-blue", 2, 1250)]).check().unwrap().into()
    }

    fn delivery(card: &str, address: &str) -> Delivery {
        Delivery { card: card.into(), address: address.into() }
    }

    #[test]
    fn a_good_order_is_placed_with_its_total() {
        let placed = asked(vec![line("mug-blue", 2, 1250), line("tea-green", 1, 0)]).check().unwrap();
        assert_eq!(placed.total.to_string(), "25.00 EUR");
        assert_eq!(placed.lines.len(), 2);
    }

    #[test]
    fn the_largest_order_has_a_total() {
        let lines = (0..MOST_LINES)
            .map(|number| line(&format!("sku-{number}"), MOST_PIECES.into(), MOST_PRICE_CENTS.into()))
            .collect();
        assert_eq!(asked(lines).check().unwrap().total.cents, 5_000_000_000_000);
    }

    #[test]
    fn a_bad_order_says_what_is_wrong_with_it() {
        let good = || vec![line("mug-blue", 1, 1)];
        let too_many = |count: usize| (0..count).map(|number| line(&number.to_string(), 1, 1)).collect();
        for (bad, why) in [
            (PlaceOrder { order_id: " ".into(), ..asked(good()) }, "no id"),
            (PlaceOrder { customer: "".into(), ..asked(good()) }, "no customer"),
            (PlaceOrder { delivery: Some(delivery(" ", "here")), ..asked(good()) }, "names no card"),
            (PlaceOrder { delivery: Some(delivery("card-1", "")), ..asked(good()) }, "names no address"),
            (PlaceOrder { currency: "XTS".into(), ..asked(good()) }, "does not take the currency `XTS`"),
            (asked(vec![]), "no items"),
            (asked(too_many(MOST_LINES + 1)), "51 lines; the most is 50"),
            (asked(vec![line("", 1, 1)]), "no article"),
            (asked(vec![line("mug-blue", 1, 1), line("mug-blue", 2, 1)]), "two lines"),
            (asked(vec![line("mug-blue", 0, 1)]), "asks for 0 pieces"),
            (asked(vec![line("mug-blue", -1, 1)]), "asks for -1 pieces of `mug-blue`"),
            (asked(vec![line("mug-blue", i64::MAX, 1)]), "pieces of `mug-blue`"),
            (asked(vec![line("mug-blue", 1, -1)]), "cannot cost -1 cents"),
            (asked(vec![line("mug-blue", 1, i64::MAX)]), "cannot cost"),
        ] {
            let error = bad.check().unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn an_order_asked_for_again_must_say_the_same() {
        let again = |quantity| asked(vec![line("mug-blue", quantity, 1250)]).check().unwrap();
        let confirmed = Order { status: OrderStatus::Confirmed, ..order() };
        assert_eq!(confirmed.check_same(&again(2)), Ok(()));
        let error = confirmed.check_same(&again(3)).unwrap_err();
        assert_eq!(error, BadOrder::AnotherOrderHasThisId { order_id: "o-1".into() });
        let delivered = Order { delivery: Some(delivery("card-1", "12 Analytical Row")), ..order() };
        assert!(delivered.check_same(&again(2)).is_err(), "one is delivered, the other is not");
    }
}
