//! The optimistic handler: it takes no lock, so the first delivery after a death finishes everything.

use crate::trial::{Trial, Workload, text};
use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::json;
use std::{collections::BTreeSet, time::Duration};
use throughline_laboratory::{Laboratory, Trouble};

const ORDERS: usize = 10;

/// Ten orders, each of two pieces of an article of its own, of which there are five.
pub(crate) struct ReserveStock;

impl Workload for ReserveStock {
    const FUNCTION: &'static str = "reserve-stock";
    const REMAINING: Duration = Duration::from_secs(30);

    fn bodies(&self) -> Vec<String> {
        let body = |place: usize| {
            json!({
                "specversion": "1.0", "id": format!("e-{place}"), "source": "shop", "type": "order.placed",
                "subject": format!("o-{place}"), "time": "2026-01-05T09:30:01Z", "aggregatetype": "order",
                "correlationid": format!("c-{place}"), "schemaversion": 1,
                "datacontenttype": "application/json",
                "data": {
                    "order_id": format!("o-{place}"), "customer": "Ada Lovelace",
                    "lines": [{ "sku": format!("sku-{place}"), "quantity": 2, "unit_price_cents": 1250 }],
                    "total": { "cents": 2500, "currency": "EUR" }
                }
            })
        };
        (0..ORDERS).map(|place| body(place).to_string()).collect()
    }

    async fn prepare(&self, laboratory: &Laboratory) -> Result<(), Trouble> {
        let database = &laboratory.database;
        for place in 0..ORDERS {
            let stock = [
                ("sku".to_owned(), AttributeValue::S(format!("sku-{place}"))),
                ("available".to_owned(), AttributeValue::N("5".into())),
            ];
            database.put(database.stock_table(), stock.into()).await?;
        }
        Ok(())
    }

    async fn is_finished_after(&self, trial: &Trial) -> Result<(), Trouble> {
        let failed = trial.deliver(&trial.everything(), 2, Self::REMAINING).await?;
        assert!(failed.is_empty(), "the first delivery after the death finishes everything: {failed:?}");
        Ok(())
    }

    async fn has_had_its_effects(&self, trial: &Trial) -> Result<(), Trouble> {
        let database = &trial.laboratory.database;
        let stock = database.items(database.stock_table()).await?;
        assert_eq!(stock.len(), ORDERS);
        for item in &stock {
            assert_eq!(text(item, "available"), "3", "taken once: {item:?}");
        }
        assert_eq!(trial.ledger_items("state").await?.len(), ORDERS, "an answer for each order");
        let claims = trial.ledger_items("claim").await?;
        assert_eq!(claims.len(), ORDERS);
        assert!(claims.iter().all(|claim| text(claim, "state") == "done"), "{claims:?}");
        let events = trial.ledger_items("event#").await?;
        assert_eq!(events.len(), ORDERS, "one event for each order: {events:?}");
        assert!(events.iter().all(|event| text(event, "type") == "stock.reserved"));
        let ids: BTreeSet<_> = events.iter().map(|event| text(event, "id")).collect();
        assert_eq!(ids.len(), ORDERS);
        assert!(!trial.laboratory.recorder.counts().contains_key("SendMessage"), "nothing is dead-lettered");
        Ok(())
    }
}
