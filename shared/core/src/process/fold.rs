//! Commits several records of a FIFO group as one: each is decided on the entities as the records before it left them,
//! and all of them are committed together or not at all.

use super::{LaneId, MainPath, Opened, ReadMessage, Settled, Twin};
use crate::{
    Handler, Version,
    entity::EntityKey,
    identity::ClaimKey,
    ledger::{Commit, CommitOutcome, Folded, Stored},
    limits::{MOST_BYTES, MOST_ITEMS},
    time::{between, later},
};
use futures_util::future::join_all;
use std::{collections::HashMap, time::Duration};
use tracing::Instrument as _;

/// The time that a decided record waits for the decisions of the records that follow.
const PATIENCE: Duration = Duration::from_secs(1);

/// Entities as the records before left them, not committed yet.
#[derive(Debug, Default)]
pub(crate) struct Staged(HashMap<EntityKey, Stored>);

impl Staged {
    pub(crate) fn get(&self, key: &EntityKey) -> Option<&Stored> {
        self.0.get(key)
    }

    /// Adds the entities that a commit saves. One put writes all changes of the fold to an entity: its version counts
    /// up once, however many records changed it.
    fn stage(&mut self, commit: &Commit) {
        for save in &commit.saves {
            let written = match self.0.get(&save.key) {
                Some(Stored { version: Version::At { version, .. }, .. }) => *version,
                _ => save.expected.next(),
            };
            let version = Version::At { version: written, sequence: save.sequence };
            self.0.insert(save.key.clone(), Stored { version, data: save.data.clone() });
        }
    }
}

/// The result of an attempt to fold.
#[derive(Clone, Copy)]
pub(super) struct Folding {
    /// The number of records that were folded.
    pub(super) tried: usize,
    /// Whether all of them were committed. If not, none was, as far as is known.
    pub(super) is_committed: bool,
}

impl<H: Handler> MainPath<'_, H> {
    /// Decides as many records as can be decided on each other, and commits them together.
    ///
    /// The fold ends before a record that fails, that was handled before, that takes long, or that does not fit: that
    /// record is decided by itself, on what is stored. A leased handler's work cannot be folded, and on a last delivery
    /// each record gets its own share of the time.
    pub(super) async fn fold(
        &self,
        lane: LaneId,
        group: &[Opened<'_, H::Message>],
        settled: &HashMap<ClaimKey, Twin>,
    ) -> Folding {
        let nothing = Folding { tried: 0, is_committed: false };
        let is_last = group.iter().any(|opened| opened.record.is_last_attempt);
        if group.len() < 2 || is_last || self.handler.holds_claim_while_running() {
            return nothing;
        }
        let folding = async {
            let fresh = self.fresh(lane, group, settled).await;
            let (tried, commit) = self.decide_all(lane, &group[..fresh]).await;
            let Some(commit) = commit else { return nothing };
            let Settled { outcome, .. } = self.requests.commit(lane, commit).await;
            Folding { tried, is_committed: outcome == CommitOutcome::Committed }
        };
        self.in_time(folding).await.unwrap_or(nothing)
    }

    /// Returns the number of records, from the first on, that could be read, were not handled before and are in the
    /// group only once.
    async fn fresh(
        &self,
        lane: LaneId,
        group: &[Opened<'_, H::Message>],
        settled: &HashMap<ClaimKey, Twin>,
    ) -> usize {
        let is_free = group.iter().enumerate().map(|(at, opened)| async move {
            let Ok(ReadMessage { identity, .. }) = &opened.message else { return false };
            let mut before = group[..at].iter().filter_map(Opened::identity);
            if settled.contains_key(&identity.key) || before.any(|other| other.key == identity.key) {
                return false;
            }
            if opened.record.attempt == 1 {
                return true;
            }
            let claim = self.new_claim(&opened.record, identity);
            self.inspect(lane, &claim).await.is_none()
        });
        let is_free = join_all(is_free).await;
        is_free.iter().take_while(|is_free| **is_free).count()
    }

    async fn decide_all(&self, lane: LaneId, group: &[Opened<'_, H::Message>]) -> (usize, Option<Commit>) {
        let mut staged = Staged::default();
        let mut folded: Option<Commit> = None;
        // The first record may use all the time that is left; once it is decided, there is work to lose.
        let mut until = None;
        for (at, opened) in group.iter().enumerate() {
            let Ok(message) = &opened.message else { return (at, folded) };
            if self.is_ending() {
                return (at, folded);
            }
            let claim = self.new_claim(&opened.record, &message.identity);
            let span = self.span(opened).clone();
            let deciding = self.run_handler(lane, message, &claim, &staged).instrument(span);
            let left = until.map(|until| between(self.ports.time.now(), until));
            let Some(Ok(commit)) = self.within(left, deciding).await else { return (at, folded) };
            until.get_or_insert_with(|| later(self.ports.time.now(), self.patience()));
            staged.stage(&commit);
            folded = match folded {
                None => Some(commit),
                Some(before) if fits(&before, &commit) => Some(together(before, commit)),
                Some(before) => return (at, Some(before)),
            };
        }
        (group.len(), folded)
    }

    /// Returns the time to wait for further decisions, which leaves time to commit.
    fn patience(&self) -> Duration {
        self.time_left().map_or(PATIENCE, |left| PATIENCE.min(left / 2))
    }
}

/// Returns whether two commits, the second decided on the state that the first leaves, can be one.
fn fits(before: &Commit, after: &Commit) -> bool {
    let ((items, bytes), (more_items, more_bytes)) = (before.size(), after.size());
    let saved_before = |key: &EntityKey| before.saves.iter().find(|save| save.key == *key);
    // An entity that both read in the ledger must have had the same version. An entity that the first saved must have
    // been seen by the second as the first left it: the second may have saved it without loading it.
    let is_as_seen_before = |(key, version): (&EntityKey, Version)| match saved_before(key) {
        Some(save) => version == Version::At { version: save.expected.next(), sequence: save.sequence },
        None => before.reads.iter().all(|read| read.key != *key || read.version == version),
    };
    after.expected().all(is_as_seen_before)
        && items + more_items <= MOST_ITEMS
        && bytes + more_bytes <= MOST_BYTES
}

/// Returns two commits as one, the second decided on the state that the first leaves.
fn together(before: Commit, after: Commit) -> Commit {
    let Commit { mut folded, claim, mut reads, mut saves, outgoing } = before;
    folded.push(Folded { claim, outgoing });
    for read in after.reads {
        let is_known = reads.iter().any(|known| known.key == read.key);
        if !is_known && !saves.iter().any(|save| save.key == read.key) {
            reads.push(read);
        }
    }
    for save in after.saves {
        reads.retain(|read| read.key != save.key);
        match saves.iter_mut().find(|known| known.key == save.key) {
            Some(known) => {
                known.sequence = save.sequence;
                known.data = save.data;
            }
            None => saves.push(save),
        }
    }
    Commit { folded, claim: after.claim, reads, saves, outgoing: after.outgoing }
}
