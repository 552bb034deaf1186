//! Messages that are sent again, from the log, an archive or files.

pub mod archive;
pub(crate) mod carrying;
pub mod directory;
pub mod foreign;
pub mod journal;
pub mod plan;
pub(crate) mod planned;
pub mod republish;
pub mod request;
pub mod rules;
pub mod sending;
pub mod work;

use crate::cloud::{relay_settings::Clock, stack::StackError};
use serde::Serialize;
use std::{fmt, time::Duration};
use throughline_core::{Timestamp, ports::Time as _};
use work::{Checkpoint, Manifest};

/// The result of a replay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The replay's name. Every message that it sent carries it as `replayname`.
    pub name: String,
    /// The number of messages sent, or `None` if EventBridge replayed its archive.
    pub sent: Option<u64>,
    /// The number of messages that were refused for good.
    pub refused: u64,
    /// The number of messages that were not sent because their receiver no longer waits for them.
    pub too_late: u64,
    /// The number of messages that were not sent because no rule that leads to their queue takes them.
    pub untaken: u64,
}

impl Report {
    /// Returns the report of messages that were sent one by one.
    pub(crate) fn of(name: String, sent: &Checkpoint) -> Self {
        let Checkpoint { accepted, refused, too_late, untaken, .. } = *sent;
        Self { name, sent: Some(accepted), refused, too_late, untaken }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.sent {
            None => write!(f, "{}: everything was replayed", self.name)?,
            Some(sent) => write!(f, "{}: {sent} messages sent", self.name)?,
        }
        if self.too_late > 0 {
            write!(f, ", {} too late for anybody", self.too_late)?;
        }
        if self.untaken > 0 {
            write!(f, ", {} that the rules do not take", self.untaken)?;
        }
        if self.refused > 0 {
            write!(f, ", {} refused for good", self.refused)?;
        }
        Ok(())
    }
}

/// Returns an error unless the replay was begun for this stack and place.
///
/// # Errors
/// A sentence that names both stacks.
pub(crate) fn must_be_here(begun: &Manifest, here: &str) -> Result<(), String> {
    if begun.stack == here {
        return Ok(());
    }
    Err(format!("{} was begun for stack {}, and this is stack {here}", begun.name, begun.stack))
}

/// Returns an error unless handlers still remember how they handled an event of that time.
///
/// # Errors
/// A sentence that says what to do, if they have forgotten it, or if the stack does not tell how long they remember.
pub(crate) fn must_be_remembered(
    happened: Timestamp,
    lifetime: Result<Duration, StackError>,
    now: Timestamp,
    what_to_do: impl FnOnce(Timestamp) -> String,
) -> Result<(), String> {
    let lifetime = lifetime.map_err(|error| {
        format!("how long handlers remember their work is not known: {error}; or say --accept-rerun")
    })?;
    let remembered_from = now - lifetime;
    if happened >= remembered_from {
        return Ok(());
    }
    Err(format!(
        "handlers remember their work for {} days, and this goes back to {happened}: of what is older they would do all \
         again. {}, or say --accept-rerun",
        lifetime.as_secs() / 86_400,
        what_to_do(remembered_from)
    ))
}

/// Returns a name for a replay that begins now.
pub(crate) fn new_name() -> String {
    Clock.now().strftime("throughline-%Y%m%dT%H%M%S%3fZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remembered(happened: &str, lifetime: Result<Duration, StackError>) -> Result<(), String> {
        let at = |text: &str| text.parse().unwrap();
        let since = |from| format!("Since {from}");
        must_be_remembered(at(happened), lifetime, at("2026-11-21T12:00:00Z"), since)
    }

    #[test]
    fn what_is_older_than_handlers_remember_is_said_to_be_done_again() {
        let a_day = || Ok(Duration::from_hours(24));
        assert_eq!(remembered("2026-11-20T12:00:00Z", a_day()), Ok(()));
        let error = remembered("2026-11-20T11:59:59Z", a_day()).unwrap_err();
        assert!(error.contains("for 1 days") && error.contains("Since 2026-11-20T12:00:00Z"), "{error}");
    }

    #[test]
    fn a_stack_that_does_not_tell_how_long_handlers_remember_is_no_leave_to_run_all_again() {
        let untold = Err(StackError::NoOutput { name: "ClaimLifetimeDays".into() });
        let error = remembered("2026-11-21T12:00:00Z", untold).unwrap_err();
        assert!(error.contains("`ClaimLifetimeDays`") && error.contains("--accept-rerun"), "{error}");
    }
}
