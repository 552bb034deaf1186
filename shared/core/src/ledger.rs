//! The ledger: the one port behind which everything happens that must be atomic.
//!
//! Claims, entities and emitted messages share it because they share a transaction. Splitting it into a
//! repository, an outbox and an idempotency store would make that transaction inexpressible.
//!
//! The outcomes and destinations of the port are exhaustive on purpose: a new one must not compile until every ledger,
//! publisher and model has been asked about it.
//!
//! Every call takes a batch, and every member of a batch is settled on its own. The conformance suite of
//! `throughline-testing` says what an implementation must do.

pub(crate) mod settling;
mod standing;

pub use crate::{
    identity::{ClaimKey, OwnerToken, PayloadHash},
    item::{Attribute, Changes, Item, Number},
};
pub use standing::{Recorded, Standing};

use crate::{
    Attributes, EntityTable, Timestamp,
    entity::{EntityKey, Version},
    envelope::EncodedEnvelope,
    identity, limits,
};
use futures_util::future::BoxFuture;
use std::sync::Arc;

/// One attempt of one handler at one message.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    /// What is claimed.
    pub key: ClaimKey,
    /// What the message says: the same key with another hash is refused.
    pub hash: PayloadHash,
    /// Who claims it: random for each attempt.
    pub owner: OwnerToken,
    /// The handler.
    pub handler: &'static str,
    /// The message, for whoever follows its line later.
    pub message: Arc<Attributes>,
    /// Which delivery this is, from 1.
    pub attempt: u32,
    /// When the attempt began; every expiry is compared with it.
    pub now: Timestamp,
    /// Until when nobody else may run it. Only for a handler that holds its claim while it runs.
    pub leased_until: Option<Timestamp>,
    /// Until when finished work is remembered.
    pub expires_at: Timestamp,
}

/// What stands in the way of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Obstacle {
    /// The work was finished before.
    Duplicate,
    /// The work was finished before for a message with the same identity and another payload.
    Mismatch,
    /// Somebody else holds it.
    Busy {
        /// The end of their lease.
        until: Timestamp,
    },
}

/// What became of taking a claim before running the handler.
#[derive(Debug, Clone, PartialEq)]
pub enum ClaimOutcome {
    /// It is ours until its lease ends.
    Held,
    /// The work was finished before.
    Duplicate,
    /// The work was finished before for a message with the same identity and another payload. While it is
    /// only being done, it is [`ClaimOutcome::Busy`]: it may yet be given up.
    Mismatch,
    /// Somebody else holds it.
    Busy {
        /// The end of their lease.
        until: Timestamp,
    },
    /// The ledger could not say.
    Failed(LedgerError),
}

/// An entity to write, if it still is what it was.
#[derive(Debug, Clone, PartialEq)]
pub struct Save {
    /// Which entity.
    pub key: EntityKey,
    /// What it was when it was loaded.
    pub expected: Version,
    /// How many events will have been committed with it: its next [`Version::At`] `sequence`.
    pub sequence: u64,
    /// All of its attributes: those of its type, and those of others that are kept.
    pub data: Item,
    /// What it was when it was loaded, if another program has written some of it.
    pub others: Option<Arc<Item>>,
}

impl Save {
    /// What it changes, where a ledger is to change that and nothing else: of an item in a table of one's own that
    /// other programs write, too, and may be writing now. Nothing, where it is to replace the whole item.
    pub fn changes(&self) -> Option<Changes<'_>> {
        let loaded = self.others.as_ref().filter(|_| matches!(self.key.table, EntityTable::Own { .. }))?;
        let changes = Changes::between(loaded, &self.data);
        Some(changes).filter(|changes| changes.count() <= MOST_CHANGES)
    }
}

/// The most attributes that are changed one by one: DynamoDB's expressions have at most 4 KB ("Constraints in Amazon
/// DynamoDB").
const MOST_CHANGES: usize = 200;

/// An entity that was read and not saved, and must not have changed since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// Which entity.
    pub key: EntityKey,
    /// What it was.
    pub version: Version,
}

/// Where an emitted message is going.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// An event: to the bus.
    Bus,
    /// A command: to the queue of this logical name.
    Queue(String),
    /// A command for later: to a queue, not before this time. Another one of the same type about the same
    /// subject takes its place; see [`Outgoing::schedule_name`].
    Scheduled {
        /// The queue's logical name.
        queue: String,
        /// When.
        at: Timestamp,
    },
    /// Takes back what is scheduled for a queue under the same [`Outgoing::schedule_name`], if it is not too
    /// late.
    Unscheduled {
        /// The queue's logical name.
        queue: String,
    },
    /// Starts an execution of a saga's state machine, by its logical name. The message's id is the execution's
    /// name, and the whole envelope its input.
    StateMachine(String),
    /// Answers a task of Step Functions that waits for it. The message's data is a
    /// [`TaskAnswer`](crate::saga::TaskAnswer).
    Task {
        /// The task's token: whoever has it can answer. It never leaves the ledger.
        token: String,
    },
}

/// A message to write into the log, from which the relay sends it.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// Where it is going.
    pub destination: Destination,
    /// The message. Its `sequence` is there if the same commit saves the aggregate it is about.
    pub envelope: EncodedEnvelope,
}

impl Outgoing {
    /// The name of the schedule that a [scheduled](Destination::Scheduled) command goes by: a function of
    /// queue, type and subject, so that it can be taken back by whoever knows these.
    pub fn schedule_name(&self) -> Option<String> {
        let (Destination::Scheduled { queue, .. } | Destination::Unscheduled { queue }) = &self.destination
        else {
            return None;
        };
        let Attributes { message_type, subject, .. } = &self.envelope.attributes;
        Some(identity::derived([queue, message_type, subject.as_deref().unwrap_or_default()]))
    }
}

impl PartialEq for Outgoing {
    fn eq(&self, other: &Self) -> bool {
        self.destination == other.destination
            && self.envelope.attributes == other.envelope.attributes
            && self.envelope.data.get() == other.envelope.data.get()
    }
}

/// Everything one message did, to happen together or not at all.
#[derive(Debug, Clone, PartialEq)]
pub struct Commit {
    /// What the messages before it in its FIFO group did, if it is to happen together with this. The entities
    /// they read and saved are among [`reads`](Self::reads) and [`saves`](Self::saves), each once, as it was
    /// before the first of them and as it is after the last.
    pub folded: Vec<Folded>,
    /// The claim, now finished. If [`Claim::leased_until`] is set the claim must still be held by its
    /// owner; otherwise it must not exist, or have expired.
    pub claim: Claim,
    /// What must not have changed.
    pub reads: Vec<Read>,
    /// What to write.
    pub saves: Vec<Save>,
    /// What to send.
    pub outgoing: Vec<Outgoing>,
}

/// What an earlier message of the same FIFO group did, folded into the commit of a later one.
#[derive(Debug, Clone, PartialEq)]
pub struct Folded {
    /// Its claim, now finished.
    pub claim: Claim,
    /// What it sends.
    pub outgoing: Vec<Outgoing>,
}

impl Commit {
    /// Every claim that this finishes, with what is sent because of it.
    pub fn finished(&self) -> impl Iterator<Item = (&Claim, &[Outgoing])> {
        let folded = self.folded.iter().map(|folded| (&folded.claim, folded.outgoing.as_slice()));
        folded.chain(std::iter::once((&self.claim, self.outgoing.as_slice())))
    }

    /// Of these claims, the one at a position, with what is sent because of it. Past the end it is the last.
    pub fn finished_at(&self, position: usize) -> (&Claim, &[Outgoing]) {
        match self.folded.get(position) {
            Some(folded) => (&folded.claim, &folded.outgoing),
            None => (&self.claim, &self.outgoing),
        }
    }

    /// Every entity that must be what it was, with what it was.
    pub fn expected(&self) -> impl Iterator<Item = (&EntityKey, Version)> {
        let reads = self.reads.iter().map(|read| (&read.key, read.version));
        reads.chain(self.saves.iter().map(|save| (&save.key, save.expected)))
    }

    /// How many items it writes or checks.
    pub fn item_count(&self) -> usize {
        let finished = self.finished().map(|(_, outgoing)| 1 + outgoing.len());
        finished.sum::<usize>() + self.reads.len() + self.saves.len()
    }

    /// How many items it writes or checks, and about how many bytes they have: no fewer.
    pub fn size(&self) -> (usize, usize) {
        let items = self.item_count();
        let saved: usize = self.saves.iter().map(|save| limits::item_bytes(&save.data)).sum();
        let sent = self.finished().flat_map(|(_, outgoing)| outgoing);
        let sent: usize = sent.map(|message| limits::envelope_bytes(&message.envelope)).sum();
        (items, saved + sent + items * limits::ITEM_OVERHEAD_BYTES)
    }

    /// Whether it writes nothing but its claim.
    pub fn is_claim_only(&self) -> bool {
        self.folded.is_empty() && self.reads.is_empty() && self.saves.is_empty() && self.outgoing.is_empty()
    }
}

/// What became of a commit.
#[derive(Debug, Clone, PartialEq)]
pub enum CommitOutcome {
    /// All of it happened.
    Committed,
    /// The work was finished before; none of it happened again.
    Duplicate,
    /// The work was finished before, for a message with the same identity and another payload.
    Mismatch,
    /// Somebody else holds the claim.
    Busy {
        /// The end of their lease.
        until: Timestamp,
    },
    /// Our lease ended and somebody else took over, or it was released.
    LeaseLost,
    /// An entity is no longer what it was when it was loaded: load and decide again.
    Conflict(EntityKey),
    /// Another transaction was in the way, or the table is throttled: send the same again, later.
    Contended(LedgerError),
    /// It can never succeed: an item too large, an attribute of the wrong type.
    Invalid(LedgerError),
    /// It is not known whether it happened. The next delivery will find out.
    Failed(LedgerError),
}

/// An entity as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// What it is now; never [`Version::Absent`].
    pub version: Version,
    /// Its attributes, but for the ledger's own keys, version and sequence.
    pub data: Item,
}

/// What a ledger says went wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LedgerError(pub String);

/// The port.
pub trait Ledger: Send + Sync {
    /// Claims messages before their handlers run.
    ///
    /// A claim may be taken if there is none, or if it has expired, or if its lease has ended. Only a
    /// claim that exists and is finished is a [`ClaimOutcome::Duplicate`]; every other trouble is an error.
    fn claim<'a>(&'a self, claims: &'a [Claim]) -> BoxFuture<'a, Vec<ClaimOutcome>>;

    /// Inspects claims without taking them. Returns for each the obstacle that a claim would meet, if there is one.
    fn inspect<'a>(
        &'a self,
        claims: &'a [Claim],
    ) -> BoxFuture<'a, Vec<Result<Option<Obstacle>, LedgerError>>>;

    /// Loads entities, strongly consistent, in the order asked for.
    fn load<'a>(&'a self, keys: &'a [EntityKey]) -> BoxFuture<'a, Vec<Result<Option<Stored>, LedgerError>>>;

    /// Commits. Each commit happens whole or not at all, and no commit's failure is another's, except that of
    /// two which save the same entity at the same version one is a [`CommitOutcome::Conflict`].
    fn commit<'a>(&'a self, commits: &'a [Commit]) -> BoxFuture<'a, Vec<CommitOutcome>>;

    /// [`commit`](Self::commit), and how many requests that took: one, where the ledger does not count them.
    fn commit_counted<'a>(&'a self, commits: &'a [Commit]) -> BoxFuture<'a, (Vec<CommitOutcome>, usize)> {
        Box::pin(async move { (self.commit(commits).await, 1) })
    }

    /// Releases claims that are still held by their owners, so that the next delivery can run at once.
    /// A claim that somebody else holds by now, or that is finished, is left alone.
    fn release<'a>(&'a self, claims: &'a [Claim]) -> BoxFuture<'a, Result<(), LedgerError>>;
}
