//! An event as it is shown.

use crate::time::duration::took;
use serde::Serialize;
use serde_json::Value;
use std::{fmt, time::Duration};
use throughline_core::Timestamp;

/// An event that passed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ShownEvent {
    /// When it happened, as it says.
    pub time: String,
    /// Its type.
    #[serde(rename = "type")]
    pub message_type: String,
    /// The subject.
    pub subject: Option<String>,
    /// Its line.
    pub correlation_id: Option<String>,
    /// The source.
    pub source: String,
    /// Its id.
    pub id: String,
    /// The age when it was seen, in milliseconds.
    pub age_milliseconds: Option<i64>,
    /// The replay that brings it, if one does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replay: Option<String>,
    /// The data, with sensitive fields masked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
}

impl ShownEvent {
    /// Of an event as EventBridge delivers it; without its data. What is no CloudEvent is shown by what EventBridge
    /// says of it.
    pub(super) fn of(event: &Value, now: Timestamp) -> Self {
        let detail = &event["detail"];
        let text = |value: &Value| value.as_str().map(ToOwned::to_owned);
        let either = |ours: &str, theirs: &str| text(&detail[ours]).or_else(|| text(&event[theirs]));
        let time = either("time", "time").unwrap_or_default();
        let at: Option<Timestamp> = time.parse().ok();
        Self {
            message_type: either("type", "detail-type").unwrap_or_default(),
            subject: text(&detail["subject"]),
            correlation_id: text(&detail["correlationid"]),
            source: either("source", "source").unwrap_or_default(),
            id: either("id", "id").unwrap_or_default(),
            age_milliseconds: at.map(|at| now.as_millisecond() - at.as_millisecond()),
            replay: text(&event["replay-name"]).or_else(|| text(&detail["replayname"])),
            data: None,
            time,
        }
    }

    /// The headings of the lines that events are shown as.
    pub(super) fn headings() -> String {
        row("time", "type", "subject", "correlation id", "source", "age")
    }
}

/// Streams have no end, so that no column's width can be waited for.
fn row(
    time: &str,
    message_type: &str,
    subject: &str,
    correlation_id: &str,
    source: &str,
    age: &str,
) -> String {
    format!("{time:<24}  {message_type:<20}  {subject:<16}  {correlation_id:<24}  {source:<10}  {age}")
}

impl fmt::Display for ShownEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subject = self.subject.as_deref().unwrap_or("-");
        let correlation_id = self.correlation_id.as_deref().unwrap_or("-");
        let age = self.age_milliseconds.map_or_else(
            || "-".to_owned(),
            |age| took(Duration::from_millis(u64::try_from(age).unwrap_or_default())),
        );
        // To the millisecond.
        let time = match self.time.split_once('.') {
            Some((seconds, fraction)) => format!("{seconds}.{:.3}Z", fraction.trim_end_matches('Z')),
            None => self.time.clone(),
        };
        f.write_str(&row(&time, &self.message_type, subject, correlation_id, &self.source, &age))?;
        if let Some(replay) = &self.replay {
            write!(f, "  replay {replay}")?;
        }
        match &self.data {
            Some(data) => write!(f, "\n{data:#}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn now() -> Timestamp {
        "2026-11-21T12:00:01Z".parse().unwrap()
    }

    #[test]
    fn a_cloud_event_is_shown_by_its_own_attributes() {
        let event = json!({
            "id": "bus-id", "source": "shop", "detail-type": "order.placed", "time": "2026-11-21T12:00:00Z",
            "detail": {
                "id": "e-1", "source": "shop", "type": "order.placed", "time": "2026-11-21T12:00:00.123456789Z",
                "subject": "o-1", "correlationid": "c-1", "data": { "customer": "Ada" },
            },
        });
        let shown = ShownEvent::of(&event, now());
        assert_eq!((shown.id.as_str(), shown.age_milliseconds, &shown.data), ("e-1", Some(877), &None));
        let line = shown.to_string();
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(words, ["2026-11-21T12:00:00.123Z", "order.placed", "o-1", "c-1", "shop", "877", "ms"]);
        assert!(!line.contains("Ada"));
        assert_eq!(ShownEvent::headings().find("subject"), line.find("o-1"), "a heading is above its column");
    }

    #[test]
    fn what_is_no_cloud_event_is_shown_by_what_the_bus_says() {
        let event = json!({
            "id": "b-1", "source": "aws.s3", "detail-type": "Object Created", "time": "2026-11-21T10:00:00Z",
            "replay-name": "yesterday", "detail": {},
        });
        let line = ShownEvent::of(&event, now()).to_string();
        assert!(line.contains("Object Created") && line.contains("120 min  replay yesterday"), "{line}");
    }
}
