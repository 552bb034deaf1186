//! FIFO groups: their records run in order.

use super::{LaneId, MainPath, Prepared, RetryCause, Verdict, intake::Finished, twin::Twin};
use crate::{Handler, identity::ClaimKey};
use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

/// How far a group has come.
#[derive(Default)]
struct Progress {
    verdicts: Vec<(usize, Verdict)>,
    /// What later deliveries of the same messages inherit.
    settled: HashMap<ClaimKey, Twin>,
    /// Once a record has to be delivered again, how long to wait.
    blocked: Option<Duration>,
}

impl Progress {
    fn note<M>(&mut self, prepared: Prepared<'_, M>, verdict: Verdict) {
        if let Verdict::Retry { after, .. } = &verdict {
            self.blocked.get_or_insert(*after);
        }
        if let Ok(opened) = prepared.opened {
            let earlier = self.settled.remove(&opened.key);
            let twin = Twin::after(earlier, opened.hash, &prepared.record, &verdict);
            self.settled.insert(opened.key, twin);
        }
        self.verdicts.push((prepared.position, verdict));
    }
}

impl<H: Handler> MainPath<'_, H> {
    /// Runs the records of a group, in order.
    ///
    /// The first record that must be delivered again takes all that follow it along; a rejected one lets the
    /// group go on. As many as can are decided each on what the ones before it decided, and committed
    /// together; the others run one by one.
    pub(super) async fn run_group(&self, mut group: VecDeque<Prepared<'_, H::Message>>) -> Finished {
        let lane = group.front().map_or(0, |first| first.position);
        let mut progress = Progress::default();
        while !group.is_empty() {
            let mut one_by_one = group.len();
            if progress.blocked.is_none() {
                let folding = self.fold(lane, group.make_contiguous(), &progress.settled).await;
                if folding.is_committed {
                    for prepared in group.drain(..folding.tried) {
                        self.conclude(&prepared, &Verdict::Done);
                        progress.note(prepared, Verdict::Done);
                    }
                    continue;
                }
                one_by_one = folding.tried.max(1);
            }
            for prepared in group.drain(..one_by_one) {
                self.run_next(lane, prepared, &mut progress).await;
            }
        }
        Finished { verdicts: progress.verdicts, twin: None }
    }

    async fn run_next(&self, lane: LaneId, prepared: Prepared<'_, H::Message>, progress: &mut Progress) {
        if let Some(after) = progress.blocked {
            let verdict = Verdict::Retry { after, cause: RetryCause::Behind };
            self.conclude(&prepared, &verdict);
            return progress.note(prepared, verdict);
        }
        let twin = prepared.opened.as_ref().ok().and_then(|opened| progress.settled.get(&opened.key));
        let verdict = self.answer(lane, &prepared, twin).await;
        progress.note(prepared, verdict);
    }
}
