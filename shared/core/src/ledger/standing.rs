//! The standing of a claim against the claim that the ledger has recorded under the same key.
//!
//! This is the one place that decides what a duplicate is. A ledger reads the recorded claim and asks here.

use super::{Claim, ClaimOutcome, CommitOutcome, LedgerError, Obstacle};
use crate::Timestamp;

/// A claim as the ledger has recorded it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recorded<'a> {
    /// The text of the claim's owner token.
    pub owner: &'a str,
    /// The text of the claim's payload hash.
    pub hash: &'a str,
    /// Whether that hash [is known](crate::identity::PayloadHash::is_by_value) to be no former one.
    pub is_hash_by_value: bool,
    /// The end of the lease, while an attempt works under it; `None` once the work is finished.
    pub leased_until: Option<Timestamp>,
    /// The time from which the claim may be forgotten.
    pub expires_at: Timestamp,
}

impl Recorded<'_> {
    fn is_payload_of(&self, claim: &Claim) -> bool {
        let is_same = self.hash == claim.hash.as_str();
        is_same || (!self.is_hash_by_value && claim.hash.recognises(self.hash))
    }
}

/// The standing of a claim against what is recorded under its key.
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
    /// Nothing is recorded, or it has expired (swept or not), or it is another attempt's lease that has ended.
    Free,
    /// This attempt holds the claim.
    Ours {
        /// The end of this attempt's lease.
        until: Timestamp,
    },
    /// This attempt finished the work: the answer to its request was lost.
    OursFinished,
    /// Another attempt holds the claim.
    Held {
        /// The end of that attempt's lease.
        until: Timestamp,
    },
    /// Another attempt finished the work.
    Finished {
        /// Whether it had the same payload.
        is_same_payload: bool,
    },
}

impl Standing {
    /// Compares a claim with the recorded one and returns its standing. The owner token alone decides which claim is
    /// this attempt's own, never an attempt's number, so that a process believed dead cannot pass for its successor.
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

    /// Returns the obstacle to running the handler, or `None`.
    pub fn obstacle(self) -> Option<Obstacle> {
        match self {
            Self::Free => None,
            Self::OursFinished | Self::Finished { is_same_payload: true } => Some(Obstacle::Duplicate),
            Self::Finished { is_same_payload: false } => Some(Obstacle::Mismatch),
            Self::Ours { until } | Self::Held { until } => Some(Obstacle::Busy { until }),
        }
    }

    /// Returns a ledger's answer to a request for the claim; `None` if the message may be claimed.
    pub fn on_claim(self) -> Option<ClaimOutcome> {
        match self {
            Self::Free => None,
            // The answer to this attempt's own request was lost, and it asked again.
            Self::Ours { .. } => Some(ClaimOutcome::Held),
            Self::OursFinished | Self::Finished { is_same_payload: true } => Some(ClaimOutcome::Duplicate),
            Self::Finished { is_same_payload: false } => Some(ClaimOutcome::Mismatch),
            Self::Held { until } => Some(ClaimOutcome::Busy { until }),
        }
    }

    /// Returns a ledger's answer to a commit of the claim; `None` if the claim is no obstacle to it.
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

    /// Returns a ledger's answer to a commit that was refused because of its claim; if the standing does not explain
    /// the refusal, [`CommitOutcome::Failed`].
    pub fn on_refused_commit(self, claim: &Claim) -> CommitOutcome {
        self.on_commit(claim).unwrap_or_else(|| CommitOutcome::Failed(unexplained()))
    }

    /// Returns a ledger's answer to a request for the claim that was refused; if the standing does not explain the
    /// refusal, [`ClaimOutcome::Failed`].
    pub fn on_refused_claim(self) -> ClaimOutcome {
        self.on_claim().unwrap_or_else(|| ClaimOutcome::Failed(unexplained()))
    }
}

fn unexplained() -> LedgerError {
    LedgerError("the claim was refused, and nothing that is recorded explains why".into())
}
