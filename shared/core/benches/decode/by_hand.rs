//! The code that a careful author writes for these events without Throughline: structs and `derive`. The extensions
//! that are used are fields, because `#[serde(flatten)]` would cost this side far more.

use serde::{Deserialize, de::DeserializeOwned};
use throughline_core::Timestamp;
use throughline_shop::OrderPlaced;

/// A CloudEvent and what the authors of this line add to it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct CloudEvent<T> {
    pub(crate) specversion: String,
    pub(crate) id: String,
    pub(crate) source: String,
    #[serde(rename = "type")]
    pub(crate) message_type: String,
    pub(crate) subject: Option<String>,
    pub(crate) time: Option<Timestamp>,
    pub(crate) datacontenttype: Option<String>,
    pub(crate) dataschema: Option<String>,
    pub(crate) aggregatetype: Option<String>,
    pub(crate) sequence: Option<String>,
    pub(crate) correlationid: Option<String>,
    pub(crate) causationid: Option<String>,
    pub(crate) traceparent: Option<String>,
    pub(crate) actor: Option<String>,
    pub(crate) replayname: Option<String>,
    pub(crate) schemaversion: Option<u16>,
    pub(crate) data: T,
}

#[derive(Debug, Deserialize)]
struct EventBridgeEvent<T> {
    #[serde(rename = "replay-name")]
    replay_name: Option<String>,
    detail: CloudEvent<T>,
}

#[derive(Debug)]
#[expect(dead_code, reason = "only shown")]
pub(crate) enum Error {
    Json(serde_json::Error),
    Rule(&'static str),
}

/// Reads a body that is the event.
pub(crate) fn bare(body: &str) -> Result<CloudEvent<OrderPlaced>, Error> {
    check(read(body)?)
}

/// Reads a body that is an EventBridge event around it.
pub(crate) fn event_bridge(body: &str) -> Result<CloudEvent<OrderPlaced>, Error> {
    let EventBridgeEvent { replay_name, detail } = read(body)?;
    check(CloudEvent { replayname: replay_name.or(detail.replayname), ..detail })
}

fn read<T: DeserializeOwned>(body: &str) -> Result<T, Error> {
    serde_json::from_str(body).map_err(Error::Json)
}

fn check(event: CloudEvent<OrderPlaced>) -> Result<CloudEvent<OrderPlaced>, Error> {
    if event.specversion != "1.0" {
        return Err(Error::Rule("another version of the standard"));
    }
    if event.id.is_empty() || event.source.is_empty() {
        return Err(Error::Rule("no identity"));
    }
    if event.message_type != "order.placed" || event.schemaversion.unwrap_or(1) != 1 {
        return Err(Error::Rule("another message"));
    }
    if event.datacontenttype.as_ref().is_some_and(|kind| kind != "application/json") {
        return Err(Error::Rule("not JSON"));
    }
    Ok(event)
}
