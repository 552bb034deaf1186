//! The leased handler: what the dead function had in hand waits until its lease ends, and is finished by the
//! first delivery after that.

use crate::trial::{Trial, Workload, text};
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use throughline_laboratory::{Laboratory, Trouble};

const ORDERS: usize = 10;

/// Ten confirmed orders. Counts what its trials came to, so that none of it is only said.
#[derive(Default)]
pub(crate) struct NotifyCustomer {
    /// Messages that waited for the end of a dead function's lease.
    pub(crate) waited: AtomicUsize,
    /// Notifications that were sent again, with the same key.
    pub(crate) sent_again: AtomicUsize,
}

impl Workload for NotifyCustomer {
    const FUNCTION: &'static str = "notify-customer";
    /// A lease is no longer than this.
    const REMAINING: Duration = Duration::from_secs(3);

    fn bodies(&self) -> Vec<String> {
        let body = |place: usize| {
            json!({
                "specversion": "1.0", "id": event_id(place), "source": "shop", "type": "order.confirmed",
                "subject": format!("o-{place}"), "time": "2026-01-05T09:30:01Z", "aggregatetype": "order",
                "correlationid": format!("c-{place}"), "schemaversion": 1,
                "datacontenttype": "application/json",
                "data": {
                    "order_id": format!("o-{place}"), "customer": "Ada Lovelace",
                    "total": { "cents": 2500, "currency": "EUR" }
                }
            })
        };
        (0..ORDERS).map(|place| body(place).to_string()).collect()
    }

    async fn prepare(&self, _: &Laboratory) -> Result<(), Trouble> {
        Ok(())
    }

    async fn is_finished_after(&self, trial: &Trial) -> Result<(), Trouble> {
        let told = notifications(trial);
        let held = leases(trial).await?;
        let done = finished(trial).await?;
        let failed = trial.deliver(&trial.everything(), 2, Self::REMAINING).await?;
        assert!(
            failed.iter().all(|place| held.contains_key(place)),
            "only what the dead function held waits: {failed:?} of {held:?}"
        );
        for place in &failed {
            let order = format!("o-{place}");
            assert_eq!(notifications(trial).get(&order), told.get(&order), "nobody sends under a dead lease");
        }
        self.waited.fetch_add(failed.len(), Ordering::Relaxed);
        if let Some(end) = failed.iter().map(|place| held[place]).max() {
            passed(end).await;
            let failed = trial.deliver(&failed, 3, Self::REMAINING).await?;
            assert!(
                failed.is_empty(),
                "the first delivery after the lease's end finishes everything: {failed:?}"
            );
        }
        for (order, keys) in notifications(trial) {
            // The one window: the provider had accepted it, and its claim was not finished.
            let is_told_twice = told.contains_key(&order) && !done.contains(&order);
            assert_eq!(keys.len(), if is_told_twice { 2 } else { 1 }, "{order}: {keys:?}");
            self.sent_again.fetch_add(keys.len() - 1, Ordering::Relaxed);
        }
        Ok(())
    }

    async fn has_had_its_effects(&self, trial: &Trial) -> Result<(), Trouble> {
        assert_eq!(finished(trial).await?.len(), ORDERS, "a finished claim for each order");
        let told = notifications(trial);
        assert_eq!(told.len(), ORDERS, "everybody is told");
        let mut keys = BTreeSet::new();
        for (order, sent) in &told {
            assert!(sent.iter().all(|key| !key.is_empty() && *key == sent[0]), "{order}: {sent:?}");
            keys.insert(&sent[0]);
        }
        assert_eq!(keys.len(), ORDERS, "a key of its own for each order");
        let others = trial.laboratory.recorder.counts();
        assert!(!others.contains_key("SendMessage"), "nothing is dead-lettered: {others:?}");
        Ok(())
    }
}

fn event_id(place: usize) -> String {
    format!("e-{place}")
}

/// Returns the notifications that the provider has accepted: for each order, their idempotency keys.
fn notifications(trial: &Trial) -> BTreeMap<String, Vec<String>> {
    let mut notifications = BTreeMap::<_, Vec<_>>::new();
    for call in trial.laboratory.recorder.calls() {
        if call.operation == "Publish" && call.status == Some(200) {
            let attribute = |name| call.sns_attribute(name).unwrap_or_default();
            notifications.entry(attribute("orderid")).or_default().push(attribute("deduplicationid"));
        }
    }
    notifications
}

/// The places of what is held, and until when.
async fn leases(trial: &Trial) -> Result<BTreeMap<usize, SystemTime>, Trouble> {
    let claims = trial.ledger_items("claim").await?;
    let held = claims.iter().filter(|claim| text(claim, "state") == "leased");
    held.map(|claim| {
        let place = text(claim, "eventid").trim_start_matches("e-").parse()?;
        let until = Duration::from_millis(text(claim, "leased_until_ms").parse()?);
        Ok((place, UNIX_EPOCH + until))
    })
    .collect()
}

/// The orders whose claims are finished.
async fn finished(trial: &Trial) -> Result<BTreeSet<String>, Trouble> {
    let claims = trial.ledger_items("claim").await?;
    let done = claims.iter().filter(|claim| text(claim, "state") == "done");
    Ok(done.map(|claim| text(claim, "subject").to_owned()).collect())
}

/// Waits until the clock says so: the functions compare the same clock.
async fn passed(time: SystemTime) {
    while let Ok(left) = time.duration_since(SystemTime::now()) {
        tokio::time::sleep(left + Duration::from_millis(1)).await;
    }
}
