//! The totals of all requests that took effect.

use crate::providers::Providers;
use serde::Serialize;
use std::collections::BTreeMap;

/// The sums of both providers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// The number of charges.
    pub charges: usize,
    /// The number of these charges that were refunded.
    pub refunds: usize,
    /// The cents that were charged, by currency.
    pub charged_cents: BTreeMap<String, i64>,
    /// The cents that were refunded, by currency.
    pub refunded_cents: BTreeMap<String, i64>,
    /// The cents that were charged and not refunded, by currency.
    pub net_cents: BTreeMap<String, i64>,
    /// The number of shipments.
    pub shipments: usize,
    /// The number of these shipments that were cancelled.
    pub cancelled_shipments: usize,
    /// The same by order.
    pub orders: BTreeMap<String, OrderTotals>,
}

/// The sums of one order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct OrderTotals {
    /// The number of charges to the order's card.
    pub charges: usize,
    /// The number of these charges that were refunded.
    pub refunds: usize,
    /// The cents that the order paid in the end, of all currencies together.
    pub net_cents: i64,
    /// The number of shipments that are on their way.
    pub live_shipments: usize,
}

impl Totals {
    pub(crate) fn of(providers: &Providers) -> Self {
        let mut totals = Self::default();
        for charge in providers.charges.happened() {
            let cents = i64::try_from(charge.request.amount.cents).unwrap_or(i64::MAX);
            totals.charge(&charge.request.order_id, &charge.request.amount.currency, cents, charge.is_undone);
        }
        for shipment in providers.shipments.happened() {
            let order = totals.orders.entry(shipment.request.order_id.clone()).or_default();
            order.live_shipments += usize::from(!shipment.is_undone);
            totals.shipments += 1;
            totals.cancelled_shipments += usize::from(shipment.is_undone);
        }
        totals
    }

    fn charge(&mut self, order_id: &str, currency: &str, cents: i64, is_refunded: bool) {
        let order = self.orders.entry(order_id.to_owned()).or_default();
        let refunded = if is_refunded { cents } else { 0 };
        order.charges += 1;
        order.refunds += usize::from(is_refunded);
        order.net_cents += cents - refunded;
        self.charges += 1;
        self.refunds += usize::from(is_refunded);
        for (sums, cents) in [
            (&mut self.charged_cents, cents),
            (&mut self.refunded_cents, refunded),
            (&mut self.net_cents, cents - refunded),
        ] {
            *sums.entry(currency.to_owned()).or_default() += cents;
        }
    }
}
