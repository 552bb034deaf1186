//! What the payment provider and the carrier did, held against what the shop says.

use super::{DemoError, orders::Published};
use crate::line_tree::WholeLine;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// What the providers did, by order.
#[derive(Debug, Deserialize)]
pub(super) struct Totals {
    orders: BTreeMap<String, OrderTotals>,
}

/// What the providers did for an order.
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
        let did @ OrderTotals { charges, refunds, net_cents, live_shipments } = &totals.of(order_id);
        let total = confirmed_cents(line);
        let outcome = match total {
            Some(total) => format!("confirmed, over {}", euros(total)),
            None => "cancelled".to_owned(),
        };
        println!(
            "  {order_id:<18} {charges:>7}  {refunds:>7}  {:>9}  {live_shipments:>9}  {outcome}",
            euros(*net_cents)
        );
        let expected = (total.unwrap_or(0), usize::from(total.is_some()));
        if (*net_cents, *live_shipments) != expected || charges - refunds != expected.1 {
            return Err(DemoError::BooksDiffer { what: format!("{order_id} is {outcome}, but {did:?}") });
        }
        paid += net_cents;
        confirmed += total.unwrap_or(0);
    }
    println!("  {:<18} {:>26}  {:>9}  {}", "together", euros(paid), "", euros(confirmed));
    Ok(())
}

/// What an order costs that was confirmed, in cents.
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
