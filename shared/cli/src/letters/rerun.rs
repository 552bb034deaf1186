//! The effect that redriving a letter would have.

use super::{
    identity::{Identity, happened_at},
    selection::handler_of,
};
use crate::{
    cloud::stack::{Stack, StackError},
    time::duration::{age_at, ago},
};
use serde::Serialize;
use std::{fmt, time::Duration};
use throughline_core::Timestamp;
use throughline_operations::{
    FoundLetter,
    line::{ClaimState, follow_line},
};

/// The effect that redriving a letter would have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub(crate) enum OnRedrive {
    /// Its handler runs.
    Runs,
    /// Its handler has already handled it: nothing happens.
    Duplicate {
        /// The time at which the handler finished.
        finished_at: Option<Timestamp>,
    },
    /// Another delivery holds the claim at the moment, or died while it held it.
    Leased {
        /// The time at which the claim's lease ends.
        until: Option<Timestamp>,
    },
    /// It is so old that the ledger may have forgotten that it was handled.
    MayRunAgain {
        /// The time at which the event happened.
        happened_at: Timestamp,
        /// The time that the ledger remembers a claim.
        #[serde(skip)]
        claim_lifetime: Duration,
    },
}

impl fmt::Display for OnRedrive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Runs => f.write_str("its handler runs it"),
            Self::Duplicate { finished_at: Some(time) } => {
                write!(f, "nothing: it was handled at {time}, and this is a duplicate")
            }
            Self::Duplicate { finished_at: None } => {
                f.write_str("nothing: it was handled, and this is a duplicate")
            }
            Self::Leased { until } => {
                f.write_str("its handler waits")?;
                let Some(until) = until else { return Ok(()) };
                write!(f, " until {until}: another delivery of it is being worked on, or died")
            }
            Self::MayRunAgain { happened_at, claim_lifetime } => write!(
                f,
                "only with --accept-rerun: it happened at {happened_at}, and the ledger forgets after {} that it was handled",
                ago(*claim_lifetime)
            ),
        }
    }
}

/// Returns a verdict if a letter is so old that the ledger may have forgotten that it was handled.
pub(crate) fn may_run_again(
    letter: &FoundLetter,
    claim_lifetime: Duration,
    now: Timestamp,
) -> Option<OnRedrive> {
    let happened_at = happened_at(letter)?;
    (age_at(now, happened_at) > claim_lifetime)
        .then_some(OnRedrive::MayRunAgain { happened_at, claim_lifetime })
}

/// Returns the state of a handler's claim on a message and the time at which it finished, or `None` if the ledger knows
/// no claim.
pub(crate) async fn claim_state(
    stack: &Stack,
    handler: &str,
    identity: &Identity,
) -> Result<Option<(ClaimState, Option<Timestamp>)>, StackError> {
    let table = stack.output("LedgerTable")?;
    let line = follow_line(stack.clients.dynamodb().await, table, &identity.correlation_id).await?;
    let claim = line.claims.into_iter().find(|claim| {
        claim.handler == handler
            && claim.message_id == identity.id
            && identity.source.as_ref().is_none_or(|source| *source == claim.source)
    });
    Ok(claim.map(|claim| (claim.state, claim.finished_at)))
}

/// The effect that redriving a letter would have.
pub(crate) async fn on_redrive(
    stack: &Stack,
    queue: &str,
    letter: &FoundLetter,
) -> Result<OnRedrive, StackError> {
    if let Some(identity) = Identity::of(letter) {
        match claim_state(stack, handler_of(queue, letter), &identity).await? {
            Some((ClaimState::Done, finished_at)) => return Ok(OnRedrive::Duplicate { finished_at }),
            Some((ClaimState::Leased { until }, _)) => return Ok(OnRedrive::Leased { until }),
            None => {}
        }
    }
    let may_run_again = may_run_again(letter, stack.claim_lifetime()?, Timestamp::now());
    Ok(may_run_again.unwrap_or(OnRedrive::Runs))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_event_older_than_its_claim_would_be_may_run_again() {
        let event = json!({ "specversion": "1.0", "id": "e", "time": "2026-01-01T00:00:00Z" });
        let letter = FoundLetter { body: event.to_string(), ..FoundLetter::default() };
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let lifetime = Duration::from_hours(24 * 50);
        assert_eq!(may_run_again(&letter, lifetime, at("2026-02-01T00:00:00Z")), None);
        let verdict = may_run_again(&letter, lifetime, at("2026-03-01T00:00:00Z")).unwrap();
        assert!(
            verdict.to_string().contains("--accept-rerun") && verdict.to_string().contains("50 d"),
            "{verdict}"
        );
    }
}
