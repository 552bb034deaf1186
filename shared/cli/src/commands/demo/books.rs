//! The books of the payment provider and the carrier, checked against the shop's.

use super::{DemoError, orders::Published};
use crate::line::WholeLine;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// The providers' books, by order.
#[derive(Debug, Deserialize)]
pub(super) struct Totals {
    orders: BTreeMap<String, OrderTotals>,
}

/// The providers' books for one order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(super) struct OrderTotals {
    pub(super) charges: usize,
    pub(super) refunds: usize,
    pub(super) net_cents: i64,
    pub(super) live_shipments: usize,
}

impl Totals {
    /// Asks the providers.
    pub(super) async fn ask(providers: &str) -> Result<Self, DemoError> {
        let ask =
            async || reqwest::get(format!("{providers}/totals")).await?.error_for_status()?.json().await;
        ask().await.map_err(|error: reqwest::Error| DemoError::Providers {
            address: providers.to_owned(),
            reason: error.to_string(),
        })
    }

    pub(super) fn of(&self, order_id: &str) -> OrderTotals {
        self.orders.get(order_id).cloned().unwrap_or_default()
    }
}

/// Shows what the providers did for each order that is delivered, and that it is what the shop says: what is
/// confirmed is paid and on its way, once; for everything else nothing is left.
pub(super) async fn check(
    providers: &str,
    orders: &[Published],
    lines: &[WholeLine],
) -> Result<(), DemoError> {
    let totals = Totals::ask(providers).await?;
    println!("\nWhat the payment provider and the carrier did, and what the shop says:");
    println!("  {:<18} charges  refunds       paid  shipments  the order is", "order");
    let (mut paid, mut confirmed) = (0, 0);
    for (published, line) in orders.iter().zip(lines).filter(|(_, line)| line.sagas().next().is_some()) {
        let order_id = &published.order_id;
        let did = totals.of(order_id);
        let total = confirmed_cents(line);
        println!(
            "  {order_id:<18} {:>7}  {:>7}  {:>9}  {:>9}  {}",
            did.charges,
            did.refunds,
            euros(did.net_cents),
            did.live_shipments,
            said(total)
        );
        did.must_be(order_id, total)?;
        paid += did.net_cents;
        confirmed += total.unwrap_or(0);
    }
    println!("  {:<18} {:>27}  {:>9}  {} confirmed", "together", euros(paid), "", euros(confirmed));
    Ok(())
}

impl OrderTotals {
    /// That it is what an order gets that was confirmed over so many cents, or that was not.
    fn must_be(&self, order_id: &str, confirmed: Option<i64>) -> Result<(), DemoError> {
        let times = usize::from(confirmed.is_some());
        let is_paid = self.net_cents == confirmed.unwrap_or(0) && self.charges == self.refunds + times;
        if is_paid && self.live_shipments == times {
            return Ok(());
        }
        Err(DemoError::BooksDiffer { what: format!("{order_id} is {}, but {self:?}", said(confirmed)) })
    }
}

/// Returns the shop's word on an order.
fn said(confirmed: Option<i64>) -> String {
    confirmed.map_or_else(|| "cancelled".to_owned(), |cents| format!("confirmed, over {}", euros(cents)))
}

/// Returns whether an order was confirmed.
pub(super) fn is_confirmed(line: &WholeLine) -> bool {
    confirmed_cents(line).is_some()
}

/// Returns the total of a confirmed order, in cents.
fn confirmed_cents(line: &WholeLine) -> Option<i64> {
    let sent = line.recorded.messages.iter().map(|message| &message.outgoing.envelope);
    let confirmed = sent.filter(|sent| sent.attributes.message_type == "order.confirmed");
    let mut totals = confirmed.filter_map(|event| {
        let data: Value = serde_json::from_str(event.data.get()).ok()?;
        data["total"]["cents"].as_i64()
    });
    totals.next()
}

fn euros(cents: i64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

#[cfg(test)]
mod tests {
    use super::super::test_lines::{event, line_of};
    use super::*;
    use serde_json::json;

    fn totals(charges: usize, refunds: usize, net_cents: i64, live_shipments: usize) -> OrderTotals {
        OrderTotals { charges, refunds, net_cents, live_shipments }
    }

    #[test]
    fn what_is_confirmed_is_paid_and_shipped_once_and_nothing_is_left_of_anything_else() {
        totals(1, 0, 500, 1).must_be("o-1", Some(500)).unwrap();
        totals(1, 1, 0, 0).must_be("o-1", None).unwrap();
        totals(0, 0, 0, 0).must_be("o-1", None).unwrap();
        for wrong in [totals(2, 0, 1000, 1), totals(1, 1, 0, 1), totals(1, 0, 500, 0), totals(1, 0, 500, 2)] {
            wrong.must_be("o-1", Some(500)).unwrap_err();
        }
        for wrong in [totals(1, 0, 500, 0), totals(1, 2, 0, 0), totals(1, 1, 0, 1)] {
            wrong.must_be("o-1", None).unwrap_err();
        }
    }

    #[test]
    fn an_order_costs_what_its_confirmation_says() {
        let confirmed = line_of([event("order.confirmed", &json!({ "total": { "cents": 3390 } }))]);
        assert_eq!(confirmed_cents(&confirmed), Some(3390));
        assert_eq!(confirmed_cents(&line_of([event("order.cancelled", &json!({}))])), None);
        assert_eq!([0, 5, 3390].map(euros), ["0.00", "0.05", "33.90"]);
    }
}
