//! The canary: one letter is sent first, and the others follow only after its handler has handled it.

use crate::{
    cloud::stack::{Stack, StackError},
    letters::{
        identity::{Identity, message_name},
        queues::NamedQueue,
        rerun::claim_state,
    },
};
use serde::Serialize;
use std::{
    fmt,
    time::{Duration, Instant},
};
use throughline_core::Timestamp;
use throughline_operations::{FoundLetter, line::ClaimState};

/// The shortest and the longest pause between two looks. In between, the pause is a part of the time that has passed,
/// so that the operator waits little longer than the handler takes.
const LOOK_AGAIN: (Duration, Duration) = (Duration::from_millis(100), Duration::from_millis(1500));
/// The divisor: a pause is the elapsed time divided by this.
const PART_OF_THE_TIME: u32 = 5;
/// The largest number of letters at which each look reads the whole queue. A longer queue is read when it has grown,
/// and at the end.
const SHORT_QUEUE: u64 = 200;

/// The outcome of the first letter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub(crate) enum Verdict {
    /// Its handler has handled it.
    Handled,
    /// The bus has accepted it. There is no handler to wait for.
    Accepted,
    /// It is a dead letter again.
    CameBack {
        /// The reason that the letter gives.
        reason: String,
    },
    /// It was neither handled nor dead-lettered again in time.
    Unknown {
        /// The time that it was waited for.
        #[serde(skip)]
        waited: Duration,
    },
}

impl Verdict {
    /// Returns whether the other letters may follow.
    pub(crate) fn is_good(&self) -> bool {
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

/// The first letter, after it was sent.
#[derive(Debug)]
pub(crate) struct Canary<'a> {
    pub(crate) stack: &'a Stack,
    pub(crate) queue: &'a NamedQueue,
    /// The letter's id in the dead-letter queue.
    pub(crate) letter_id: String,
    /// The name of its message, by which it is recognised if it comes back.
    pub(crate) message: String,
    /// The time at which it was sent, or a little earlier. A letter with the same message that is older than this is
    /// not the canary.
    pub(crate) since: Timestamp,
    /// The handler that receives it.
    pub(crate) handler: String,
    /// The identity by which its claim is found.
    pub(crate) identity: Identity,
}

/// The places where the first letter may turn up, and the clock for the wait.
trait Whereabouts {
    /// Returns whether its handler has handled it.
    async fn is_handled(&self) -> Result<bool, StackError>;
    /// Returns the number of letters in its dead-letter queue.
    async fn letters(&self) -> Result<u64, StackError>;
    /// Returns the reason that it is in the dead-letter queue again, or `None` if it is not.
    async fn came_back(&self) -> Result<Option<String>, StackError>;
    /// Returns the current time.
    fn now(&self) -> Instant;
    /// Waits for a time.
    async fn pause(&self, time: Duration);
}

/// Waits until the outcome of the first letter is known, and returns it.
async fn verdict(of: &impl Whereabouts, patience: Duration) -> Result<Verdict, StackError> {
    let started = of.now();
    let before = of.letters().await?;
    loop {
        if of.is_handled().await? {
            return Ok(Verdict::Handled);
        }
        let elapsed = of.now().duration_since(started);
        let is_last_look = elapsed >= patience;
        let now = of.letters().await?;
        if ((1..=SHORT_QUEUE).contains(&now) || now > before || is_last_look)
            && let Some(reason) = of.came_back().await?
        {
            return Ok(Verdict::CameBack { reason });
        }
        if is_last_look {
            return Ok(Verdict::Unknown { waited: elapsed });
        }
        let (at_first, at_most) = LOOK_AGAIN;
        of.pause((elapsed / PART_OF_THE_TIME).clamp(at_first, at_most)).await;
    }
}

impl Canary<'_> {
    /// Waits until the outcome of the first letter is known, and returns it.
    pub(crate) async fn verdict(&self, patience: Duration) -> Result<Verdict, StackError> {
        verdict(self, patience).await
    }
}

impl Whereabouts for Canary<'_> {
    async fn is_handled(&self) -> Result<bool, StackError> {
        let state = claim_state(self.stack, &self.handler, &self.identity).await?;
        Ok(matches!(state, Some((ClaimState::Done, _))))
    }

    async fn letters(&self) -> Result<u64, StackError> {
        let depth = self.queue.depth(self.stack).await?;
        Ok(depth.waiting + depth.in_flight)
    }

    async fn came_back(&self) -> Result<Option<String>, StackError> {
        let look = self.queue.queue.look(usize::MAX, |_| ()).await?;
        let is_it = |letter: &&FoundLetter| {
            letter.message_id != self.letter_id
                && letter.sent_at >= Some(self.since)
                && message_name(letter) == self.message
        };
        Ok(look.letters.iter().rev().find(is_it).map(FoundLetter::reason))
    }

    fn now(&self) -> Instant {
        Instant::now()
    }

    async fn pause(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;
    use std::cell::Cell;

    /// A letter with a clock that advances only during pauses.
    struct Sent {
        started: Instant,
        elapsed: Cell<Duration>,
        looks: Cell<u32>,
        handled_after: Option<Duration>,
        back_after: Option<Duration>,
    }

    impl Sent {
        fn is_past(&self, time: Option<Duration>) -> bool {
            time.is_some_and(|time| self.elapsed.get() >= time)
        }
    }

    impl Whereabouts for Sent {
        async fn is_handled(&self) -> Result<bool, StackError> {
            self.looks.set(self.looks.get() + 1);
            Ok(self.is_past(self.handled_after))
        }

        async fn letters(&self) -> Result<u64, StackError> {
            Ok(u64::from(self.is_past(self.back_after)))
        }

        async fn came_back(&self) -> Result<Option<String>, StackError> {
            Ok(self.is_past(self.back_after).then(|| "BadOrder: -1".to_owned()))
        }

        fn now(&self) -> Instant {
            self.started + self.elapsed.get()
        }

        async fn pause(&self, time: Duration) {
            self.elapsed.set(self.elapsed.get() + time);
        }
    }

    fn waited(handled_after: Option<Duration>, back_after: Option<Duration>) -> (Verdict, Duration, u32) {
        let (elapsed, looks) = (Cell::default(), Cell::default());
        let sent = Sent { started: Instant::now(), elapsed, looks, handled_after, back_after };
        let verdict = verdict(&sent, Duration::from_mins(2)).now_or_never().expect("it waits for nobody");
        (verdict.unwrap(), sent.elapsed.get(), sent.looks.get())
    }

    #[test]
    fn nobody_waits_much_longer_than_the_handler_takes() {
        for milliseconds in [0, 50, 400, 1_000, 2_500, 7_000, 30_000, 100_000] {
            let takes = Duration::from_millis(milliseconds);
            let (handled, until_handled, looks) = waited(Some(takes), None);
            assert_eq!(handled, Verdict::Handled);
            assert!(until_handled <= takes + Duration::from_millis(1_500), "{takes:?}: {until_handled:?}");
            assert!(looks < 120, "{takes:?}: {looks} looks");
            let (back, until_back, _) = waited(None, Some(takes));
            assert_eq!(back, Verdict::CameBack { reason: "BadOrder: -1".into() });
            assert!(until_back <= takes + Duration::from_millis(1_500), "{takes:?}: {until_back:?}");
        }
    }

    #[test]
    fn what_neither_comes_back_nor_is_handled_is_waited_for_as_long_as_was_said() {
        let (verdict, waited, _) = waited(None, None);
        assert!(matches!(verdict, Verdict::Unknown { .. }), "{verdict}");
        assert!((Duration::from_mins(2)..Duration::from_secs(122)).contains(&waited), "{waited:?}");
    }
}
