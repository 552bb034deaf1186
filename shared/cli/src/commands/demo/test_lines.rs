//! Lines for the tests of this folder.

use crate::line::WholeLine;
use serde_json::Value;
use throughline_core::{
    Attributes, Envelope,
    ledger::{Destination, Outgoing},
};
use throughline_operations::line::LoggedMessage;

/// An event that was sent.
pub(super) fn event(message_type: &str, data: &Value) -> LoggedMessage {
    let attributes = Attributes::new(format!("{message_type}-1"), "shop", message_type);
    let data = serde_json::value::to_raw_value(data).unwrap();
    let outgoing = Outgoing { destination: Destination::Bus, envelope: Envelope { attributes, data } };
    LoggedMessage { handler: "a-handler".into(), occurred_at: None, outgoing }
}

/// A line in which these were sent.
pub(super) fn line_of(messages: impl IntoIterator<Item = LoggedMessage>) -> WholeLine {
    let mut line = WholeLine::default();
    line.recorded.messages.extend(messages);
    line
}
