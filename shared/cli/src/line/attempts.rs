//! Attempts at messages, as the functions logged them: the ledger remembers only the one that was finished.

use super::branch::Branch;
use crate::cloud::logs::LogLine;
use throughline_core::Timestamp;

/// The result of one delivery of a message to a handler.
#[derive(Debug, Clone, PartialEq)]
pub struct LoggedAttempt {
    /// The handler's name.
    pub handler: String,
    /// The message's id.
    pub message_id: String,
    /// The message's type.
    pub message_type: String,
    /// The number of the delivery, from 1.
    pub attempt: u64,
    /// The time at which it ended.
    pub ended_at: Option<Timestamp>,
    /// The verdict with which it ended.
    pub verdict: AttemptVerdict,
    /// The reason that it failed, if it did.
    pub reason: Option<String>,
    /// The time until the message is delivered again, as the function logged it.
    pub again_after: Option<String>,
}

/// The verdict with which an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptVerdict {
    /// The handler did its work.
    Done,
    /// The work had been done before.
    Duplicate,
    /// The message is delivered again.
    Retry,
    /// The message became a dead letter.
    Rejected,
}

impl LoggedAttempt {
    /// Returns the attempt that a line of a log records, or `None` if it records none.
    pub fn of(line: &LogLine) -> Option<Self> {
        let text = |name: &str| line.fields[name].as_str().map(ToOwned::to_owned);
        let verdict = match line.fields["verdict"].as_str()? {
            "done" => AttemptVerdict::Done,
            "duplicate" => AttemptVerdict::Duplicate,
            "retry" => AttemptVerdict::Retry,
            "rejected" => AttemptVerdict::Rejected,
            _ => return None,
        };
        let reason = match (text("error_type"), text("reason")) {
            (Some(error_type), Some(reason)) => Some(format!("{error_type}: {reason}")),
            (None, Some(reason)) => Some(reason),
            _ => text("cause"),
        };
        Some(Self {
            handler: text("handler")?,
            message_id: text("eventid").or_else(|| text("messageid"))?,
            message_type: text("eventtype").unwrap_or_else(|| "unreadable message".to_owned()),
            attempt: line.fields["attempt"].as_u64().unwrap_or(1),
            ended_at: Some(line.at),
            verdict,
            reason,
            again_after: text("after"),
        })
    }

    fn row(&self) -> Branch {
        let again = self.again_after.as_ref().map(|after| format!(", again in {after}")).unwrap_or_default();
        Branch {
            state: format!("failed{again}"),
            notes: self.reason.iter().cloned().collect(),
            ..Branch::new(format!("attempt {}", self.attempt), self.ended_at)
        }
    }
}

/// The attempts of one handler at one message.
pub(super) struct Attempts<'a>(pub(super) Vec<&'a LoggedAttempt>);

impl Attempts<'_> {
    /// Returns a row for each attempt that failed and was to be repeated.
    pub(super) fn failed(&self) -> Vec<Branch> {
        let failed = self.0.iter().filter(|attempt| attempt.verdict == AttemptVerdict::Retry);
        failed.map(|attempt| attempt.row()).collect()
    }

    /// Returns in words the number of deliveries that found the work already done.
    pub(super) fn duplicates(&self) -> String {
        match self.0.iter().filter(|attempt| attempt.verdict == AttemptVerdict::Duplicate).count() {
            0 => String::new(),
            1 => ", delivered once more".to_owned(),
            count => format!(", delivered {count} times more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn line(fields: serde_json::Value) -> LogLine {
        LogLine::of_json("2026-01-01T00:00:00Z".parse().unwrap(), "shop-reserve-stock", fields)
    }

    #[test]
    fn only_a_line_with_a_verdict_tells_of_an_attempt() {
        let fields = json!({
            "handler": "reserve-stock", "attempt": 2, "messageid": "m", "eventid": "e-1", "eventtype": "order.placed",
            "verdict": "retry", "after": "1.5s", "error_type": "Missing", "reason": "order not seen yet",
        });
        let attempt = LoggedAttempt::of(&line(fields)).unwrap();
        assert_eq!(
            (attempt.attempt, attempt.verdict, &*attempt.message_id),
            (2, AttemptVerdict::Retry, "e-1")
        );
        assert_eq!(attempt.reason.as_deref(), Some("Missing: order not seen yet"));
        assert_eq!(LoggedAttempt::of(&line(json!({ "handler": "reserve-stock", "message": "hello" }))), None);
    }
}
