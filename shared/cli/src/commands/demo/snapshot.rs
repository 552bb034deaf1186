//! The state that must not change when the same orders come again.

use super::{
    DemoError,
    books::{OrderTotals, Totals},
    orders::{Published, READ_MODEL},
    stock::Stock,
};
use crate::{cloud::stack::Stack, line::execution::Execution};
use std::collections::BTreeMap;
use throughline_operations as operate;

/// The state of the shop and its providers, in words.
#[derive(PartialEq)]
pub(super) struct Snapshot(BTreeMap<&'static str, String>);

impl Snapshot {
    pub(super) async fn take(
        stack: &Stack,
        providers: &str,
        orders: &[Published],
    ) -> Result<Self, DemoError> {
        let mut facts = BTreeMap::from([("stock", Stock::read(stack).await?.to_string())]);
        let letters = stack.dead_letters().await?;
        let (mut events, mut handled, mut transitions) = (0, 0, 0);
        for published in orders {
            let line = stack.line_among(&published.correlation_id, &letters).await?;
            events += line.recorded.messages.len();
            // Nobody waits for the read model: it may not be done yet.
            handled += line.recorded.claims.iter().filter(|claim| claim.handler != READ_MODEL).count();
            transitions += line.executions.values().flatten().map(Execution::transitions).sum::<usize>();
        }
        facts.insert("messages sent", events.to_string());
        facts.insert("messages handled", handled.to_string());
        facts.insert("state transitions", transitions.to_string());
        facts.extend(did(&Totals::ask(providers).await?, orders));
        if let Ok(inbox) = stack.output("NotificationsInboxQueueUrl") {
            let depth = operate::depth(stack.clients.sqs().await, inbox).await?;
            facts.insert("notifications sent", (depth.waiting + depth.in_flight).to_string());
        }
        Ok(Self(facts))
    }

    pub(super) fn show(&self, title: &str) {
        println!("{title}");
        for (what, value) in &self.0 {
            println!("  {what:<20} {value}");
        }
    }

    pub(super) fn must_equal(&self, after: &Self) -> Result<(), DemoError> {
        for (what, before) in &self.0 {
            let now = after.0.get(what).cloned().unwrap_or_default();
            if *before != now {
                return Err(DemoError::Changed { what: (*what).into(), before: before.clone(), after: now });
            }
        }
        Ok(())
    }
}

/// Returns the providers' work for the orders.
fn did(totals: &Totals, orders: &[Published]) -> [(&'static str, String); 3] {
    let of_each: Vec<OrderTotals> = orders.iter().map(|order| totals.of(&order.order_id)).collect();
    let sum = |count: fn(&OrderTotals) -> usize| of_each.iter().map(count).sum::<usize>().to_string();
    [
        ("charges", sum(|order| order.charges)),
        ("refunds", sum(|order| order.refunds)),
        ("shipments", sum(|order| order.live_shipments)),
    ]
}
