//! The settings that a function is told by its environment: their names, and how they are read.
//!
//! The template sets them; functions read them when they start; the command looks whether the template sets what the code
//! asks for, and reads what a deployed relay was told. `throughline::run` says what each means.

use std::collections::{BTreeMap, BTreeSet};

/// The ledger's table.
pub const TABLE: &str = "THROUGHLINE_TABLE";
/// Before a logical name: a table of the function's own.
pub const OWN_TABLE: &str = "THROUGHLINE_TABLE_";
/// The CloudEvents `source` of what the function emits.
pub const SOURCE: &str = "THROUGHLINE_SOURCE";
/// The URL of the queue that rejected messages go to.
pub const DEAD_LETTER_QUEUE_URL: &str = "THROUGHLINE_DEAD_LETTER_QUEUE_URL";
/// The URL of the queue that feeds the function.
pub const QUEUE_URL: &str = "THROUGHLINE_QUEUE_URL";
/// The `maxReceiveCount` of that queue's redrive policy.
pub const MAX_RECEIVE_COUNT: &str = "THROUGHLINE_MAX_RECEIVE_COUNT";
/// The bus that events are published on: its name or its ARN.
pub const EVENT_BUS: &str = "THROUGHLINE_EVENT_BUS";
/// Before a logical name: the URL of a queue that takes commands.
pub const COMMAND_QUEUE: &str = "THROUGHLINE_COMMAND_QUEUE_";
/// Before a logical name: the ARN of a saga's state machine.
pub const STATE_MACHINE: &str = "THROUGHLINE_STATE_MACHINE_";
/// The schedule group that EventBridge Scheduler keeps commands in.
pub const SCHEDULE_GROUP: &str = "THROUGHLINE_SCHEDULE_GROUP";
/// The ARN of the role that EventBridge Scheduler sends commands with.
pub const SCHEDULE_ROLE_ARN: &str = "THROUGHLINE_SCHEDULE_ROLE_ARN";
/// The ARN of the queue for commands that EventBridge Scheduler cannot send.
pub const SCHEDULE_DEAD_LETTER_ARN: &str = "THROUGHLINE_SCHEDULE_DEAD_LETTER_ARN";
/// Before a logical name: the ARN of a queue that commands are scheduled to.
pub const SCHEDULE_TARGET: &str = "THROUGHLINE_SCHEDULE_TARGET_";
/// The delay in seconds beyond which EventBridge Scheduler keeps a command.
pub const LONGEST_DELAY_SECONDS: &str = "THROUGHLINE_LONGEST_DELAY_SECONDS";
/// The way in which the relay reports messages that it could not publish.
pub const STREAM_FAILURES: &str = "THROUGHLINE_STREAM_FAILURES";
/// The days for which finished work is remembered.
pub const CLAIM_LIFETIME_DAYS: &str = "THROUGHLINE_CLAIM_LIFETIME_DAYS";
/// The number of records that run at a time.
pub const CONCURRENCY: &str = "THROUGHLINE_CONCURRENCY";
/// The targets that are logged.
pub const LOG: &str = "THROUGHLINE_LOG";
/// `on` or `off`: whether figures are written to the log.
pub const METRICS: &str = "THROUGHLINE_METRICS";
/// The namespace of the metrics that CloudWatch makes of them.
pub const METRICS_NAMESPACE: &str = "THROUGHLINE_METRICS_NAMESPACE";

/// The setting that says what a logical name stands for: `place-order` is set by `<prefix>PLACE_ORDER`.
///
/// ```
/// use throughline_aws::settings::{COMMAND_QUEUE, setting_name};
/// assert_eq!(setting_name(COMMAND_QUEUE, "place-order"), "THROUGHLINE_COMMAND_QUEUE_PLACE_ORDER");
/// ```
pub fn setting_name(prefix: &str, logical_name: &str) -> String {
    let name = logical_name.chars().map(|letter| match letter.to_ascii_uppercase() {
        letter if letter.is_ascii_alphanumeric() => letter,
        _ => '_',
    });
    prefix.chars().chain(name).collect()
}

/// The logical name of a setting of the family `prefix`; nothing, if it is of another.
///
/// ```
/// use throughline_aws::settings::{OWN_TABLE, logical_name};
/// assert_eq!(logical_name(OWN_TABLE, "THROUGHLINE_TABLE_ORDER_LINES").as_deref(), Some("order-lines"));
/// ```
pub fn logical_name(prefix: &str, setting_name: &str) -> Option<String> {
    setting_name.strip_prefix(prefix).map(|name| name.to_ascii_lowercase().replace('_', "-"))
}

/// The source of settings: a function's environment, or Lambda's description of a deployed function. It gathers the
/// problems of them.
pub trait Lookup {
    /// Returns a setting that must be there; `meaning` says what it is. Empty, and a problem, if it is missing.
    fn required(&mut self, name: &str, meaning: &str) -> String;

    /// Returns a setting that may be missing or empty.
    fn optional(&self, name: &str) -> Option<String>;

    /// Returns the names of all settings that begin so.
    fn names(&self, prefix: &str) -> BTreeSet<String>;

    /// Adds something that is wrong.
    fn problem(&mut self, problem: String);

    /// Returns every setting of the family `prefix` by its logical name. Those of the logical names `needed` must be there;
    /// `meaning` says what each is.
    fn family(&mut self, prefix: &str, needed: &[&str], meaning: &str) -> BTreeMap<String, String> {
        let mut names = self.names(prefix);
        names.extend(needed.iter().map(|name| setting_name(prefix, name)));
        let read = |name: String| Some((logical_name(prefix, &name)?, self.required(&name, meaning)));
        names.into_iter().filter_map(read).collect()
    }
}
