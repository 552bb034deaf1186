//! Records on their last delivery. A record that is handed back then is moved to the dead-letter queue by its source,
//! without a reason: so it is tried if it can be, and its dead letter says what became of it.
//!
//! Every delivery counts, also one in which a record waited behind another of its FIFO group. A record that comes to
//! its last delivery untried gets its try there, in order: the records before it, which were delivered as often, are on
//! their last delivery as well, and leave it time.

use super::{LaneId, MainPath, Opened, Outcome, RetryCause, Verdict};
use crate::{Failure, Handler, failure::FailureKind};
use std::time::Duration;

/// The time by which a record ends earlier on its last delivery, so that its dead letter can be written; of short
/// invocations a quarter.
const LETTER_TIME: Duration = Duration::from_secs(1);

impl<H: Handler> MainPath<'_, H> {
    /// Returns the time for which a record may run; `None` if there is no limit. `is_waited_for` says whether this is
    /// the last delivery of a record behind it in its group: then half of the time is left to that one. Each record may
    /// take half of what those before it left, so that many records that are done soon lose nothing by it.
    pub(super) fn share(&self, opened: &Opened<'_, H::Message>, is_waited_for: bool) -> Option<Duration> {
        let left = self.time_left()?;
        if !opened.record.is_last_attempt {
            return Some(left);
        }
        let left = left.saturating_sub(LETTER_TIME.min(left / 4));
        Some(if is_waited_for { left / 2 } else { left })
    }

    /// Returns the final verdict of a record that is to be handed back, by no fault of its own, on its last delivery:
    /// it is dead-lettered with a reason, unless its work is done or another invocation is working on it.
    pub(super) async fn last_word(
        &self,
        lane: LaneId,
        opened: &Opened<'_, H::Message>,
        verdict: Verdict,
    ) -> Verdict {
        let Verdict::Retry { cause, .. } = &verdict else { return verdict };
        let failure = match cause {
            _ if !opened.record.is_last_attempt => return verdict,
            RetryCause::Behind => {
                not_tried("a record before it in its FIFO group has to be delivered again first")
            }
            RetryCause::Deadline if opened.handler_ran().is_some() => {
                Failure::retry("it was not done when its time in the invocation was over").named("TimedOut")
            }
            RetryCause::Deadline => not_tried("the time of the invocation was over"),
            _ => return verdict,
        };
        // This is rare, so it is boxed and takes no room in every record's future.
        let parting = Box::pin(self.part(lane, opened, &failure));
        self.in_time(parting).await.flatten().unwrap_or(verdict)
    }

    /// Dead-letters a record. Returns `None` if another invocation is still working on it.
    async fn part(
        &self,
        lane: LaneId,
        opened: &Opened<'_, H::Message>,
        failure: &Failure,
    ) -> Option<Verdict> {
        let inspected = match opened.identity() {
            Some(identity) => self.inspect(lane, &self.new_claim(&opened.record, identity)).await,
            None => None,
        };
        match inspected {
            // A commit whose answer was not waited for has happened.
            Some(Outcome::Duplicate) if opened.handler_ran().is_some() => Some(Verdict::Done),
            Some(Outcome::Duplicate) => Some(Verdict::Duplicate),
            // The lease of a leased handler that has run is its own, and no work goes on under it any more.
            Some(Outcome::HandedBack { .. })
                if !(self.handler.holds_claim_while_running() && opened.handler_ran().is_some()) =>
            {
                None
            }
            Some(Outcome::Failed(mismatch)) if mismatch.kind == FailureKind::Reject => {
                Some(self.dead_letter(opened, &mismatch).await)
            }
            _ => Some(self.dead_letter(opened, failure).await),
        }
    }
}

/// Returns the reason for a record's dead letter. A record whose deliveries are used up may have been tried less often
/// than delivered.
pub(super) fn reason<M>(opened: &Opened<'_, M>, failure: &Failure) -> String {
    let reason = failure.message();
    let earlier = opened.record.attempt.saturating_sub(1);
    let was_tried = failure.error_type != NOT_TRIED;
    match (failure.kind, opened.has_waited) {
        (FailureKind::Retry, true) if was_tried => format!(
            "{reason} (tried once: at each of the {earlier} deliveries before this one it waited behind another record \
             of its FIFO group)"
        ),
        (FailureKind::Retry, true) => format!(
            "{reason} (it was never tried: at each of the {earlier} deliveries before this one it waited, too, behind \
             another record of its FIFO group)"
        ),
        _ => reason,
    }
}

const NOT_TRIED: &str = "NotTried";

fn not_tried(why: &str) -> Failure {
    Failure::retry(format!("it was not tried at its last delivery: {why}")).named(NOT_TRIED)
}
