//! FIFO groups, whose records run in order.

use super::{LaneId, MainPath, Opened, RetryCause, Verdict, intake::Finished, opening::Identity, twin::Twin};
use crate::{Handler, identity::ClaimKey};
use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};
use tracing::Instrument as _;

/// The progress of a group.
#[derive(Default)]
struct Progress {
    verdicts: Vec<(usize, Verdict)>,
    /// The results that later deliveries of the same messages inherit.
    settled: HashMap<ClaimKey, Twin>,
    /// The time to wait, once a record has to be delivered again.
    blocked: Option<Duration>,
    /// The largest number of deliveries among the records so far that were not done before.
    unfinished_deliveries: u32,
}

impl Progress {
    fn note<M>(&mut self, opened: Opened<'_, M>, verdict: Verdict) {
        if let Verdict::Retry { after, .. } = &verdict {
            self.blocked.get_or_insert(*after);
        }
        if verdict != Verdict::Duplicate {
            self.unfinished_deliveries = self.unfinished_deliveries.max(opened.record.attempt);
        }
        let (position, record) = (opened.position, opened.record);
        if let Some(Identity { key, hash, .. }) = opened.into_identity() {
            let earlier = self.settled.remove(&key);
            let twin = Twin::after(earlier, hash, &record, &verdict);
            self.settled.insert(key, twin);
        }
        self.verdicts.push((position, verdict));
    }
}

impl<H: Handler> MainPath<'_, H> {
    /// Runs the records of a group, in order.
    ///
    /// A record that must be delivered again takes all records behind it along; a rejected one lets the group go on. On
    /// its last delivery a record leaves time to those behind it that are on theirs. As many records as possible are
    /// each decided on the state that the ones before them leave, and committed together; the others run one by one.
    pub(super) async fn run_group(&self, mut group: VecDeque<Opened<'_, H::Message>>) -> Finished {
        let lane = group.front().map_or(0, |first| first.position);
        let mut progress = Progress::default();
        while !group.is_empty() {
            let mut one_by_one = group.len();
            if progress.blocked.is_none() {
                let folding = self.fold(lane, group.make_contiguous(), &progress.settled).await;
                if folding.is_committed {
                    for opened in group.drain(..folding.tried) {
                        self.report(&opened, &Verdict::Done);
                        progress.note(opened, Verdict::Done);
                    }
                    continue;
                }
                one_by_one = folding.tried.max(1);
            }
            for _ in 0..one_by_one {
                let Some(opened) = group.pop_front() else { break };
                let is_waited_for = group.iter().any(|behind| behind.record.is_last_attempt);
                self.run_next(lane, opened, is_waited_for, &mut progress).await;
            }
        }
        Finished { verdicts: progress.verdicts, twin: None }
    }

    /// Runs a record, unless one before it has to be delivered again first. `is_waited_for` says whether this is the
    /// last delivery of one behind it.
    async fn run_next(
        &self,
        lane: LaneId,
        mut opened: Opened<'_, H::Message>,
        is_waited_for: bool,
        progress: &mut Progress,
    ) {
        let attempt = opened.record.attempt;
        // An unfinished record ahead of this one that was delivered as often was ahead of it at each delivery.
        opened.has_waited = attempt > 1 && progress.unfinished_deliveries >= attempt;
        let verdict = match progress.blocked {
            Some(after) => self.hold_back(lane, &opened, after).await,
            None => {
                let twin = opened.identity().and_then(|identity| progress.settled.get(&identity.key));
                let share = self.share(&opened, is_waited_for);
                self.run_record(lane, &opened, twin, share).await
            }
        };
        progress.note(opened, verdict);
    }

    async fn hold_back(&self, lane: LaneId, opened: &Opened<'_, H::Message>, after: Duration) -> Verdict {
        let verdict = Verdict::Retry { after, cause: RetryCause::Behind };
        let verdict = self.last_word(lane, opened, verdict).instrument(self.span(opened).clone()).await;
        self.report(opened, &verdict);
        verdict
    }
}
