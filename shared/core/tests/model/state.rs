//! All there is at one moment: the source, the workers, the ledger, and the world outside.

use crate::{
    ledger::{Attempt, Commit, Effects, Entity, Index, Ledger, Seen, Time},
    properties::Property,
    scenarios::Scenario,
};

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) now: Time,
    /// The number of attempts so far; each gets its number as its serial.
    pub(crate) attempts: u8,
    pub(crate) records: Vec<Record>,
    pub(crate) workers: Vec<Worker>,
    pub(crate) ledger: Ledger,
    /// The dead-letter queue: which events are in it and why, sorted. Sending one twice changes nothing.
    pub(crate) letters: Vec<(Index, Cause)>,
    /// Outside calls that outlived who made them.
    pub(crate) orphans: Vec<Orphan>,
    /// Whether the fix is deployed after which handlers take the poisoned events.
    pub(crate) is_fixed: bool,
    /// Whether the code is of the version that cannot read outgrown events.
    pub(crate) is_type_changed: bool,
    /// A property that a step broke without leaving a trace in the rest of the state.
    pub(crate) breach: Option<Property>,
}

/// A message in the source. Its visibility may end at any time: until it is acknowledged it may be
/// delivered again, even while somebody is at work on it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Record {
    pub(crate) event: Index,
    pub(crate) deliveries: u8,
    pub(crate) is_acknowledged: bool,
}

/// One invocation with its batch. When the batch is settled, it is gone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Worker {
    pub(crate) tasks: Vec<Task>,
}

/// One record in the hands of one worker.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Task {
    pub(crate) record: Index,
    pub(crate) event: Index,
    pub(crate) attempt: Attempt,
    /// Whether the work was finished already when the record was delivered again.
    pub(crate) was_finished: bool,
    pub(crate) stage: Stage,
}

/// The next action of a task.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// Waits for the verdict of its twin, which is before it in the batch.
    Behind,
    /// Looks its claim up before it runs.
    Inspecting,
    /// Takes its claim before it runs.
    Taking,
    /// Runs its handler.
    Running,
    /// Has loaded what it reads and will not save.
    Reading(Seen),
    /// Waits for the world outside.
    Calling,
    /// Commits what it decided on seeing this; so many transactions of the plan are written.
    Committing { save: Seen, reads: Vec<Seen>, written: usize },
    /// Judges whether it is the message's fault that its handler refuses or cannot read it.
    Judging(Cause),
    /// Sends the message to the dead-letter queue.
    Rejecting(Cause),
    /// Acknowledges the message.
    Settled,
    /// Gives its claim back.
    Releasing,
}

/// Why a message is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Cause {
    /// Its handler refuses it until somebody fixes something.
    Poisoned,
    /// Its handler refuses it because of what others did.
    Forbidden,
    /// Its identity is finished with another payload.
    Mismatch,
    /// Its identity is only being worked on with another payload.
    PrematureMismatch,
    /// Its handler refuses it because the very same work is done.
    AlreadyDone,
    /// It cannot be read.
    Unread,
    /// The ledger refused the transaction it was in as malformed.
    Malformed,
}

impl Cause {
    pub(crate) fn is_the_messages_fault(self) -> bool {
        matches!(self, Self::Poisoned | Self::Forbidden | Self::Mismatch | Self::Unread)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Orphan {
    pub(crate) event: Index,
    pub(crate) until: Time,
}

/// A task's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct At {
    pub(crate) worker: Index,
    pub(crate) task: Index,
}

impl State {
    pub(crate) fn initial(scenario: &Scenario) -> Self {
        let identities = 1 + scenario.events.iter().map(|event| event.identity).max().unwrap_or(0);
        let entities = 1 + scenario.events.iter().map(|event| event.entity).max().unwrap_or(0);
        let record = |&event| Record { event, deliveries: 0, is_acknowledged: false };
        Self {
            now: 0,
            attempts: 0,
            records: scenario.records.iter().map(record).collect(),
            workers: Vec::new(),
            ledger: Ledger {
                claims: vec![None; identities],
                entities: vec![Entity::default(); entities],
                effects: vec![Effects::default(); scenario.events.len()],
            },
            letters: Vec::new(),
            orphans: Vec::new(),
            is_fixed: false,
            is_type_changed: false,
            breach: None,
        }
    }

    /// The same state for every state that behaves the same. Owner tokens only matter by whose the claim is,
    /// workers have no order, and nobody asks how often an acknowledged record was delivered.
    pub(crate) fn canonical(&self) -> Self {
        const THE_OWNER: u8 = 0;
        const NOT_THE_OWNER: u8 = 1;
        let mut same = Self { attempts: 0, ..self.clone() };
        for task in same.workers.iter_mut().flat_map(|worker| &mut worker.tasks) {
            let claim = self.ledger.claims[task.attempt.identity].as_ref();
            let is_owner = claim.is_some_and(|claim| claim.serial == task.attempt.serial);
            task.attempt.serial = if is_owner { THE_OWNER } else { NOT_THE_OWNER };
        }
        same.ledger.claims.iter_mut().flatten().for_each(|claim| claim.serial = THE_OWNER);
        same.workers.sort_unstable();
        for record in same.records.iter_mut().filter(|record| record.is_acknowledged) {
            record.deliveries = 0;
        }
        same
    }

    pub(crate) fn tasks(&self) -> impl Iterator<Item = (At, &Task)> {
        self.workers.iter().enumerate().flat_map(|(worker, it)| {
            it.tasks.iter().enumerate().map(move |(task, it)| (At { worker, task }, it))
        })
    }

    pub(crate) fn task(&self, at: At) -> &Task {
        &self.workers[at.worker].tasks[at.task]
    }

    /// Returns the place of an attempt, or `None` if it is over.
    pub(crate) fn find(&self, attempt: &Attempt) -> Option<At> {
        self.tasks().find(|(_, task)| task.attempt.serial == attempt.serial).map(|(at, _)| at)
    }

    pub(crate) fn enter(&mut self, at: At, stage: Stage) {
        self.workers[at.worker].tasks[at.task].stage = stage;
    }

    /// Keeps the tasks of a worker that satisfy a condition; a worker without tasks is gone.
    pub(crate) fn keep(&mut self, worker: Index, mut condition: impl FnMut(&Task) -> bool) {
        self.workers[worker].tasks.retain(|task| condition(task));
        if self.workers[worker].tasks.is_empty() {
            self.workers.remove(worker);
        }
    }

    pub(crate) fn file_letter(&mut self, event: Index, cause: Cause) {
        if let Err(place) = self.letters.binary_search(&(event, cause)) {
            self.letters.insert(place, (event, cause));
        }
    }

    pub(crate) fn has_effects(&self, event: Index) -> bool {
        let effects = self.ledger.effects[event];
        effects.saved > 0 && effects.emitted > 0
    }

    /// Returns the number of outside calls about an event that are under way.
    pub(crate) fn calls(&self, event: Index) -> usize {
        let is_calling = |(_, task): &(At, &Task)| task.event == event && task.stage == Stage::Calling;
        let orphans = self.orphans.iter().filter(|orphan| orphan.event == event).count();
        self.tasks().filter(is_calling).count() + orphans
    }
}

impl Worker {
    /// When its invocation ends.
    pub(crate) fn deadline(&self) -> Time {
        self.tasks.first().map_or(0, |task| task.attempt.now + 1)
    }
}

impl Task {
    /// Returns the commit and the next transaction of its plan, or `None` unless the task is committing.
    pub(crate) fn commit(&self) -> Option<(Commit, usize)> {
        let Stage::Committing { save, reads, written } = &self.stage else { return None };
        let commit =
            Commit { attempt: self.attempt.clone(), event: self.event, save: *save, reads: reads.clone() };
        Some((commit, *written))
    }
}
