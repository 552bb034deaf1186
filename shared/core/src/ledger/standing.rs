//! How a claim stands where somebody else's, or our own, is recorded already.
//!
//! The one place where it is decided what makes a duplicate. A ledger reads what it has recorded and asks here.

use super::{Claim, ClaimOutcome, CommitOutcome, LedgerError, Obstacle};
use crate::Timestamp;

/// A claim as a ledger has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recorded<'a> {
    /// The text of its owner token.
    pub owner: &'a str,
    /// The text of its payload hash.
    pub hash: &'a str,
    /// Whether that [is known](crate::identity::PayloadHash::is_by_value) to be no former one.
    pub is_hash_by_value: bool,
    /// The end of its lease, while somebody works under it; nothing once the work is finished.
    pub leased_until: Option<Timestamp>,
    /// When it may be forgotten.
    pub expires_at: Timestamp,
}

impl Recorded<'_> {
    fn is_payload_of(&self, claim: &Claim) -> bool {
        let is_same = self.hash == claim.hash.as_str();
        is_same || (!self.is_hash_by_value && claim.hash.recognises(self.hash))
    }
}

/// How a claim stands against what is recorded under its key.
///
/// ```
/// use throughline_core::{Attributes, Timestamp, ledger::{Claim, Obstacle, Recorded, Standing}};
/// use throughline_core::ledger::{ClaimKey, OwnerToken, PayloadHash};
/// # fn example(claim: &Claim) {
/// let finished = Recorded { owner: "another", hash: claim.hash.as_str(), is_hash_by_value: true, leased_until: None, expires_at: Timestamp::MAX };
/// assert_eq!(Standing::of(claim, Some(finished)).obstacle(), Some(Obstacle::Duplicate));
/// assert_eq!(Standing::of(claim, None), Standing::Free);
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nothing is recorded; or it has expired, swept or not; or it is a lease of somebody else that has ended.
    Free,
    /// We hold it.
    Ours {
        /// The end of our lease.
        until: Timestamp,
    },
    /// We finished it: the answer to our request was lost.
    OursFinished,
    /// Somebody else holds it.
    Held {
        /// The end of their lease.
        until: Timestamp,
    },
    /// Somebody else finished it.
    Finished {
        /// Whether it was the same payload.
        is_same_payload: bool,
    },
}

impl Standing {
    /// Holds a claim against what is recorded. The owner token alone says what is ours: never an attempt's
    /// number, so that a process believed dead cannot pass for its successor.
    pub fn of(claim: &Claim, recorded: Option<Recorded<'_>>) -> Self {
        let Some(recorded) = recorded else { return Self::Free };
        match (recorded.leased_until, recorded.owner == claim.owner.as_str()) {
            (None, true) => Self::OursFinished,
            (Some(until), true) => Self::Ours { until },
            _ if recorded.expires_at <= claim.now => Self::Free,
            (None, false) => Self::Finished { is_same_payload: recorded.is_payload_of(claim) },
            (Some(until), false) if until <= claim.now => Self::Free,
            (Some(until), false) => Self::Held { until },
        }
    }

    /// What stands in the way of running the handler, if anything does.
    pub fn obstacle(self) -> Option<Obstacle> {
        match self {
            Self::Free => None,
            Self::OursFinished | Self::Finished { is_same_payload: true } => Some(Obstacle::Duplicate),
            Self::Finished { is_same_payload: false } => Some(Obstacle::Mismatch),
            Self::Ours { until } | Self::Held { until } => Some(Obstacle::Busy { until }),
        }
    }

    /// What a ledger answers to taking the claim; nothing if it may be taken.
    pub fn on_claim(self) -> Option<ClaimOutcome> {
        match self {
            Self::Free => None,
            // The answer to our own request was lost, and we asked again.
            Self::Ours { .. } => Some(ClaimOutcome::Held),
            Self::OursFinished | Self::Finished { is_same_payload: true } => Some(ClaimOutcome::Duplicate),
            Self::Finished { is_same_payload: false } => Some(ClaimOutcome::Mismatch),
            Self::Held { until } => Some(ClaimOutcome::Busy { until }),
        }
    }

    /// What a ledger answers to a commit of the claim; nothing if the claim does not stand in its way.
    pub fn on_commit(self, claim: &Claim) -> Option<CommitOutcome> {
        let must_hold = claim.leased_until.is_some();
        match self {
            Self::OursFinished => Some(CommitOutcome::Committed),
            Self::Finished { is_same_payload: true } => Some(CommitOutcome::Duplicate),
            Self::Finished { is_same_payload: false } => Some(CommitOutcome::Mismatch),
            Self::Ours { .. } if must_hold => None,
            Self::Held { .. } | Self::Free if must_hold => Some(CommitOutcome::LeaseLost),
            Self::Ours { until } | Self::Held { until } => Some(CommitOutcome::Busy { until }),
            Self::Free => None,
        }
    }

    /// What a ledger answers to a commit that was refused because of its claim, if that explains it.
    pub fn on_refused_commit(self, claim: &Claim) -> CommitOutcome {
        self.on_commit(claim).unwrap_or_else(|| CommitOutcome::Failed(unexplained()))
    }

    /// What a ledger answers to taking a claim that was refused, if how it stands explains it.
    pub fn on_refused_claim(self) -> ClaimOutcome {
        self.on_claim().unwrap_or_else(|| ClaimOutcome::Failed(unexplained()))
    }
}

fn unexplained() -> LedgerError {
    LedgerError("the claim was refused, and nothing that is recorded explains why".into())
}
