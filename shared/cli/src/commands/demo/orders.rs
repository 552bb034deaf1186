//! The orders of the demo.

use super::{DemoError, read};
use crate::line::WholeLine;
use std::path::Path;

/// The saga that an order goes through that is delivered.
pub(super) const SAGA: &str = "checkout";
/// The handler that every order's line ends with.
pub(super) const LAST: &str = "notify-customer";
/// The read model, which only shows the status of orders.
pub(super) const READ_MODEL: &str = "order-board";

/// An order of the demo, and how its line ends.
pub(super) struct DemoOrder {
    pub(super) file: &'static str,
    pub(super) title: &'static str,
    ends: Ends,
}

/// The end of an order's line.
enum Ends {
    /// The customer is told.
    Told,
    /// The customer is told, and the saga is over.
    CheckedOut,
    /// It is rejected.
    Rejected,
}

const ORDERS: [DemoOrder; 8] = [
    order("order.place.v1.json", "picked up: goods in stock", Ends::Told),
    order("order.place.v1.out-of-stock.json", "picked up: too much of something", Ends::Told),
    order("order.place.v1.malformed.json", "malformed", Ends::Rejected),
    order("order.place.v1.delivery.json", "delivered", Ends::CheckedOut),
    order("order.place.v1.declined.json", "delivered: its card is declined", Ends::CheckedOut),
    order("order.place.v1.undeliverable.json", "delivered: its address does not exist", Ends::CheckedOut),
    order("order.place.v1.slow.json", "delivered: its charge happens, and never says so", Ends::CheckedOut),
    order("order.place.v1.high-value.json", "delivered: it needs approval", Ends::CheckedOut),
];

const fn order(file: &'static str, title: &'static str, ends: Ends) -> DemoOrder {
    DemoOrder { file, title, ends }
}

impl DemoOrder {
    /// Returns whether the order's line is complete.
    pub(super) fn has_ended(&self, line: &WholeLine) -> bool {
        match self.ends {
            Ends::Told => line.is_done_by(LAST),
            Ends::CheckedOut => {
                line.is_done_by(LAST) && line.execution(SAGA).is_some_and(|execution| execution.end.is_some())
            }
            Ends::Rejected => !line.dead_letters.is_empty(),
        }
    }
}

/// An order as it is published.
pub(super) struct Published {
    pub(super) order: &'static DemoOrder,
    pub(super) body: String,
    pub(super) correlation_id: String,
    pub(super) order_id: String,
}

impl Published {
    /// Makes another order of it.
    pub(super) fn rename(&mut self, run: i64) {
        let number =
            self.correlation_id.trim_start_matches(|letter: char| !letter.is_ascii_digit()).to_owned();
        // The order's id ends with the same number as the command's.
        self.body = self.body.replace(&format!("{number}\""), &format!("{number}-{run}\""));
        self.correlation_id = format!("{}-{run}", self.correlation_id);
        self.order_id = format!("{}-{run}", self.order_id);
    }
}

pub(super) fn read_all(events: &Path) -> Result<Vec<Published>, DemoError> {
    let published = |order: &'static DemoOrder| {
        let (body, event) = read(&events.join(order.file))?;
        let correlation_id = event["correlationid"].as_str().or(event["id"].as_str()).unwrap_or_default();
        let order_id = event["data"]["order_id"].as_str().unwrap_or_default();
        Ok(Published {
            order,
            correlation_id: correlation_id.to_owned(),
            order_id: order_id.to_owned(),
            body,
        })
    };
    ORDERS.iter().map(published).collect()
}
