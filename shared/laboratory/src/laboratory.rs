//! The laboratory: a database, stands for the other services, and a recorder before all of them.

use crate::{Database, FunctionSettings, Recorder, Trouble};
use std::path::PathBuf;

/// A small cloud of its own. It ends with the value; functions that were started in it end with theirs.
#[derive(Debug)]
pub struct Laboratory {
    /// The database: what tests put and look at there, the recorder does not see.
    pub database: Database,
    /// The recorder, which functions take for AWS.
    pub recorder: Recorder,
}

impl Laboratory {
    /// A fresh one.
    pub async fn open() -> Result<Self, Trouble> {
        let database = Database::start().await?;
        let recorder = Recorder::start(database.address()).await?;
        Ok(Self { database, recorder })
    }

    /// A function of the shop, or one like them: with every setting that the template gives to any of them.
    pub fn function(&self, name: &str, binary: impl Into<PathBuf>) -> FunctionSettings {
        let queue = |name: &str| format!("http://127.0.0.1/000000000000/{name}");
        let arn = |service: &str, name: &str| format!("arn:aws:{service}:us-east-1:000000000000:{name}");
        FunctionSettings::new(name, binary, &self.recorder.endpoint())
            .with("THROUGHLINE_SOURCE", "shop")
            .with("THROUGHLINE_LOG", "info")
            .with("THROUGHLINE_TABLE", self.database.ledger_table())
            .with("THROUGHLINE_TABLE_STOCK", self.database.stock_table())
            .with("THROUGHLINE_CLAIM_LIFETIME_DAYS", "50")
            .with("THROUGHLINE_QUEUE_URL", queue("source"))
            .with("THROUGHLINE_MAX_RECEIVE_COUNT", "10")
            .with("THROUGHLINE_DEAD_LETTER_QUEUE_URL", queue("dead-letters"))
            .with("THROUGHLINE_EVENT_BUS", "shop")
            .with("THROUGHLINE_COMMAND_QUEUE_PLACE_ORDER", queue("place-order"))
            .with("THROUGHLINE_COMMAND_QUEUE_AWAIT_PAYMENT", queue("await-payment"))
            .with("THROUGHLINE_SCHEDULE_TARGET_AWAIT_PAYMENT", arn("sqs", "await-payment"))
            .with("THROUGHLINE_STATE_MACHINE_CHECKOUT", arn("states", "stateMachine:checkout"))
            .with("THROUGHLINE_SCHEDULE_GROUP", "shop")
            .with("THROUGHLINE_SCHEDULE_ROLE_ARN", "arn:aws:iam::000000000000:role/schedules")
            .with("THROUGHLINE_SCHEDULE_DEAD_LETTER_ARN", arn("sqs", "dead-letters"))
            .with("SHOP_NOTIFICATIONS_TOPIC_ARN", "arn:aws:sns:us-east-1:000000000000:notifications")
    }
}
