//! Decides which record to start next. Records are opened only then: a batch of ten thousand takes the memory of those
//! that are under way.
//!
//! Records run at the same time, with two exceptions: the records of a FIFO group are one lane, in order; and a second
//! delivery of a message waits for the first and inherits its verdict.

use super::{MainPath, Opened, Record, Verdict, twin::Twin};
use crate::{Handler, identity::ClaimKey};
use futures_util::{FutureExt, future::BoxFuture};
use std::collections::{HashMap, VecDeque};

/// A unit of work that runs in order by itself.
#[expect(clippy::large_enum_variant, reason = "it is moved once, into its future")]
pub(super) enum Lane<'r, M> {
    /// A record, and the result of an earlier delivery of the same message.
    One(Opened<'r, M>, Option<Twin>),
    /// The records of a FIFO group.
    Group(VecDeque<Opened<'r, M>>),
}

/// The result of a lane.
pub(super) struct Finished {
    pub(super) verdicts: Vec<(usize, Verdict)>,
    /// The result that waiting deliveries of the same message inherit.
    pub(super) twin: Option<(ClaimKey, Twin)>,
}

/// The state of a message that may be delivered more than once in the batch.
enum SameMessage<'r, M> {
    UnderWay { waiting: VecDeque<Opened<'r, M>> },
    Settled(Twin),
}

pub(super) struct Intake<'r, 'a, H: Handler> {
    path: &'r MainPath<'a, H>,
    records: &'r [Record<'r>],
    next: usize,
    groups: HashMap<&'r str, Vec<usize>>,
    deliveries: HashMap<ClaimKey, SameMessage<'r, H::Message>>,
    /// Repeated deliveries whose first delivery is settled by now.
    ready: VecDeque<(Opened<'r, H::Message>, Twin)>,
    verdicts: Vec<Option<Verdict>>,
}

impl<'r, 'a, H: Handler> Intake<'r, 'a, H> {
    pub(super) fn new(path: &'r MainPath<'a, H>, records: &'r [Record<'r>]) -> Self {
        let mut groups: HashMap<&str, Vec<usize>> = HashMap::new();
        for (position, record) in records.iter().enumerate() {
            if let Some(group) = record.group {
                groups.entry(group).or_default().push(position);
            }
        }
        Self {
            path,
            records,
            next: 0,
            groups,
            deliveries: HashMap::new(),
            ready: VecDeque::new(),
            verdicts: vec![None; records.len()],
        }
    }

    /// Returns one verdict for each record, in their order; `None` for a record that no lane answered for.
    pub(super) fn verdicts(self) -> Vec<Option<Verdict>> {
        self.verdicts
    }

    /// Returns the next lane to run. After `None` there may be one again once another has finished.
    pub(super) fn next(&mut self) -> Option<BoxFuture<'r, Finished>> {
        let path = self.path;
        self.next_lane().map(|lane| path.run(lane).boxed())
    }

    /// Returns whether there are records left that were not started.
    pub(super) fn has_more(&self) -> bool {
        self.next < self.records.len()
    }

    pub(super) fn finished(&mut self, finished: Finished) {
        for (position, verdict) in finished.verdicts {
            self.verdicts[position] = Some(verdict);
        }
        let Some((key, twin)) = finished.twin else { return };
        let Some(delivery) = self.deliveries.get_mut(&key) else { return };
        let next = match delivery {
            SameMessage::UnderWay { waiting } => waiting.pop_front(),
            SameMessage::Settled(_) => None,
        };
        match next {
            Some(next) => self.ready.push_back((next, twin)),
            None => *delivery = SameMessage::Settled(twin),
        }
    }

    fn next_lane(&mut self) -> Option<Lane<'r, H::Message>> {
        if let Some((opened, twin)) = self.ready.pop_front() {
            return Some(Lane::One(opened, Some(twin)));
        }
        while let Some(record) = self.records.get(self.next) {
            let position = self.next;
            self.next += 1;
            if let Some(group) = record.group {
                // The first record of a group brings all the others of the group along.
                let Some(positions) = self.groups.remove(group) else { continue };
                return Some(Lane::Group(positions.into_iter().map(|at| self.open(at)).collect()));
            }
            let opened = self.open(position);
            let Some(identity) = opened.identity() else { return Some(Lane::One(opened, None)) };
            let key = identity.key.clone();
            let twin = match self.deliveries.get_mut(&key) {
                Some(SameMessage::UnderWay { waiting }) => {
                    waiting.push_back(opened);
                    continue;
                }
                Some(SameMessage::Settled(twin)) => Some(twin.clone()),
                None => None,
            };
            self.deliveries.insert(key, SameMessage::UnderWay { waiting: VecDeque::new() });
            return Some(Lane::One(opened, twin));
        }
        None
    }

    fn open(&self, position: usize) -> Opened<'r, H::Message> {
        self.path.open(position, self.records[position])
    }
}
