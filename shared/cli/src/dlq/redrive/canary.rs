//! One letter first: only once its handler has handled it do the others follow.

use crate::{
    dlq::{
        identity::{Identity, message_name},
        queues::NamedQueue,
        rerun::claim_state,
    },
    stack::{Stack, StackError},
};
use serde::Serialize;
use std::{
    fmt,
    time::{Duration, Instant},
};
use throughline_aws::{ledger::ClaimState, operate::FoundLetter};
use throughline_core::Timestamp;

/// How long after one look the next one follows, at first and at most.
const LOOK_AGAIN: (Duration, Duration) = (Duration::from_millis(300), Duration::from_secs(3));
/// A queue of up to so many letters is looked through each time; a longer one when it has grown, and at the end.
const SHORT_QUEUE: u64 = 200;

/// What became of the first letter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub(super) enum Verdict {
    /// Its handler has handled it.
    Handled,
    /// The bus has taken it. There is no handler to wait for.
    Accepted,
    /// It is a dead letter again.
    CameBack {
        /// Why.
        reason: String,
    },
    /// It is neither handled nor back.
    Unknown {
        /// How long it was waited for.
        #[serde(skip)]
        waited: Duration,
    },
}

impl Verdict {
    /// Whether the others may follow.
    pub(super) fn is_good(&self) -> bool {
        matches!(self, Self::Handled | Self::Accepted)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Handled => f.write_str("handled"),
            Self::Accepted => f.write_str("on the bus"),
            Self::CameBack { reason } => write!(f, "came back: {reason}"),
            Self::Unknown { waited } => write!(
                f,
                "neither handled nor back after {} s: does its function run? --canary-wait waits longer, --no-canary does not ask",
                waited.as_secs()
            ),
        }
    }
}

/// The first letter, once it was sent.
#[derive(Debug)]
pub(super) struct Canary<'a> {
    pub(super) stack: &'a Stack,
    pub(super) queue: &'a NamedQueue,
    /// The id it had in the dead-letter queue.
    pub(super) letter_id: String,
    /// What makes its message the same when it is back.
    pub(super) message: String,
    /// When it was sent, or a little earlier: what lay there before is a twin.
    pub(super) since: Timestamp,
    /// Who handles it.
    pub(super) handler: String,
    /// What its claim knows it by.
    pub(super) identity: Identity,
}

impl Canary<'_> {
    /// Waits until it is known what became of it.
    pub(super) async fn verdict(&self, patience: Duration) -> Result<Verdict, StackError> {
        let started = Instant::now();
        let before = self.letters().await?;
        let mut pause = LOOK_AGAIN.0;
        loop {
            if let Some((ClaimState::Done, _)) =
                claim_state(self.stack, &self.handler, &self.identity).await?
            {
                return Ok(Verdict::Handled);
            }
            let is_last_look = started.elapsed() >= patience;
            let now = self.letters().await?;
            if ((1..=SHORT_QUEUE).contains(&now) || now > before || is_last_look)
                && let Some(reason) = self.came_back().await?
            {
                return Ok(Verdict::CameBack { reason });
            }
            if is_last_look {
                return Ok(Verdict::Unknown { waited: started.elapsed() });
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LOOK_AGAIN.1);
        }
    }

    async fn letters(&self) -> Result<u64, StackError> {
        let depth = self.queue.depth(self.stack).await?;
        Ok(depth.waiting + depth.in_flight)
    }

    /// Why it is in the dead-letter queue again, if it is.
    async fn came_back(&self) -> Result<Option<String>, StackError> {
        let look = self.queue.queue.look(usize::MAX, |_| ()).await?;
        let is_it = |letter: &&FoundLetter| {
            letter.message_id != self.letter_id
                && letter.sent_at >= Some(self.since)
                && message_name(letter) == self.message
        };
        Ok(look.letters.iter().rev().find(is_it).map(FoundLetter::reason))
    }
}
