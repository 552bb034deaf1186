//! The ledger: the one port behind which everything happens that must be atomic.
//!
//! Claims, entities and emitted messages share it because they share a transaction. Splitting it into a
//! repository, an outbox and an idempotency store would make that transaction inexpressible.
//!
//! The outcomes and destinations of the port are exhaustive on purpose: a new one must not compile until every ledger,
//! publisher and model has been asked about it.
//!
//! Every call takes a batch, and every member of a batch is settled on its own. The conformance suite of
//! `throughline-testing` checks the rules for an implementation.

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
    /// The key that is claimed.
    pub key: ClaimKey,
    /// The hash of the message's payload: a claim of the same key with another hash is refused.
    pub hash: PayloadHash,
    /// The owner of the claim: a random token for each attempt.
    pub owner: OwnerToken,
    /// The handler's name.
    pub handler: &'static str,
    /// The message's attributes, for an operator who traces the message later.
    pub message: Arc<Attributes>,
    /// The number of this delivery, from 1.
    pub attempt: u32,
    /// The time at which the attempt began; every expiry is compared with it.
    pub now: Timestamp,
    /// The end of the lease, until which no other invocation may run the handler. It is set only for a handler that
    /// holds its claim while it runs.
    pub leased_until: Option<Timestamp>,
    /// The time until which finished work is remembered.
    pub expires_at: Timestamp,
}

/// The obstacle to a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Obstacle {
    /// The work was finished before.
    Duplicate,
    /// The work was finished before for a message with the same identity and another payload.
    Mismatch,
    /// Another attempt holds the claim.
    Busy {
        /// The end of that attempt's lease.
        until: Timestamp,
    },
}

/// The result of claiming a message before its handler runs.
#[derive(Debug, Clone, PartialEq)]
pub enum ClaimOutcome {
    /// This attempt holds the claim until its lease ends.
    Held,
    /// The work was finished before.
    Duplicate,
    /// The work was finished before for a message with the same identity and another payload. While that work is still
    /// under way, the result is [`ClaimOutcome::Busy`]: it may yet be given up.
    Mismatch,
    /// Another attempt holds the claim.
    Busy {
        /// The end of that attempt's lease.
        until: Timestamp,
    },
    /// The ledger failed to answer.
    Failed(LedgerError),
}

/// An entity to write, on condition that it has not changed (a conditional write).
#[derive(Debug, Clone, PartialEq)]
pub struct Save {
    /// The entity's key.
    pub key: EntityKey,
    /// The entity's version when it was loaded.
    pub expected: Version,
    /// The number of events committed for the entity, those of this commit included: its next [`Version::At`]
    /// `sequence`.
    pub sequence: u64,
    /// All attributes of the entity: those of its type, and those of other programs, which are kept.
    pub data: Item,
    /// The entity as it was when it was loaded, if another program has written some of it.
    pub others: Option<Arc<Item>>,
}

impl Save {
    /// Returns the attributes to change, if a ledger is to change those and nothing else: for an item in a table of
    /// one's own that other programs write, too, and may be writing now. Returns `None` if the ledger is to replace the
    /// whole item.
    pub fn changes(&self) -> Option<Changes<'_>> {
        let loaded = self.others.as_ref().filter(|_| matches!(self.key.table, EntityTable::Own { .. }))?;
        let changes = Changes::between(loaded, &self.data);
        Some(changes).filter(|changes| changes.count() <= MOST_CHANGES)
    }
}

/// The most attributes that are changed one by one: DynamoDB's expressions have at most 4 KB ("Constraints in Amazon
/// DynamoDB").
const MOST_CHANGES: usize = 200;

/// An entity that was read and not saved, and that must not have changed since (read validation).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// The entity's key.
    pub key: EntityKey,
    /// The entity's version when it was read.
    pub version: Version,
}

/// The destination of an emitted message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// The bus, for an event.
    Bus,
    /// The queue of this logical name, for a command.
    Queue(String),
    /// A queue, not before this time, for a command for later. It replaces a scheduled command of the same type about
    /// the same subject; see [`Outgoing::schedule_name`].
    Scheduled {
        /// The queue's logical name.
        queue: String,
        /// The time at which the command is sent to the queue.
        at: Timestamp,
    },
    /// Cancels the command that is scheduled for a queue under the same [`Outgoing::schedule_name`], if it was not sent
    /// yet.
    Unscheduled {
        /// The queue's logical name.
        queue: String,
    },
    /// A saga's state machine, by its logical name: the relay starts an execution of it. The message's id is the
    /// execution's name, and the whole envelope its input.
    StateMachine(String),
    /// A task of Step Functions that waits for an answer. The message's data is a
    /// [`TaskAnswer`](crate::saga::TaskAnswer).
    Task {
        /// The task's token: every program that has it can answer the task. It never leaves the ledger.
        token: String,
    },
}

/// A message to write into the log (the outbox), from which the relay sends it.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// The destination of the message.
    pub destination: Destination,
    /// The message. Its `sequence` is set if the same commit saves the aggregate that it is about.
    pub envelope: EncodedEnvelope,
}

impl Outgoing {
    /// Returns the name of the schedule of a [scheduled](Destination::Scheduled) command; `None` for other
    /// destinations. It is a function of queue, type and subject, so that a handler that knows these can cancel the
    /// command.
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

/// All effects of one message, committed together or not at all.
#[derive(Debug, Clone, PartialEq)]
pub struct Commit {
    /// The effects of the messages before it in its FIFO group, if they are to be committed together with this. The
    /// entities that they read and saved are among [`reads`](Self::reads) and [`saves`](Self::saves), each once, as it
    /// was before the first of them and as it is after the last.
    pub folded: Vec<Folded>,
    /// The claim, now finished. If [`Claim::leased_until`] is set the claim must still be held by its
    /// owner; otherwise it must not exist, or have expired.
    pub claim: Claim,
    /// The entities that must not have changed.
    pub reads: Vec<Read>,
    /// The entities to write.
    pub saves: Vec<Save>,
    /// The messages to send.
    pub outgoing: Vec<Outgoing>,
}

/// The effects of an earlier message of the same FIFO group, folded into the commit of a later one.
#[derive(Debug, Clone, PartialEq)]
pub struct Folded {
    /// The message's claim, now finished.
    pub claim: Claim,
    /// The messages that it sends.
    pub outgoing: Vec<Outgoing>,
}

impl Commit {
    /// Returns every claim that this commit finishes, with the messages that are sent because of it.
    pub fn finished(&self) -> impl Iterator<Item = (&Claim, &[Outgoing])> {
        let folded = self.folded.iter().map(|folded| (&folded.claim, folded.outgoing.as_slice()));
        folded.chain(std::iter::once((&self.claim, self.outgoing.as_slice())))
    }

    /// Returns the claim at a position of these, with the messages that are sent because of it; past the end, the last
    /// one.
    pub fn finished_at(&self, position: usize) -> (&Claim, &[Outgoing]) {
        match self.folded.get(position) {
            Some(folded) => (&folded.claim, &folded.outgoing),
            None => (&self.claim, &self.outgoing),
        }
    }

    /// Returns every entity that must not have changed, with its expected version.
    pub fn expected(&self) -> impl Iterator<Item = (&EntityKey, Version)> {
        let reads = self.reads.iter().map(|read| (&read.key, read.version));
        reads.chain(self.saves.iter().map(|save| (&save.key, save.expected)))
    }

    /// Returns the number of items that the commit writes or checks.
    pub fn item_count(&self) -> usize {
        let finished = self.finished().map(|(_, outgoing)| 1 + outgoing.len());
        finished.sum::<usize>() + self.reads.len() + self.saves.len()
    }

    /// Returns the number of items that the commit writes or checks, and an estimate of their bytes that is never too
    /// low.
    pub fn size(&self) -> (usize, usize) {
        let items = self.item_count();
        let saved: usize = self.saves.iter().map(|save| limits::item_bytes(&save.data)).sum();
        let sent = self.finished().flat_map(|(_, outgoing)| outgoing);
        let sent: usize = sent.map(|message| limits::envelope_bytes(&message.envelope)).sum();
        (items, saved + sent + items * limits::ITEM_OVERHEAD_BYTES)
    }

    /// Returns whether the commit writes nothing but its claim.
    pub fn is_claim_only(&self) -> bool {
        self.folded.is_empty() && self.reads.is_empty() && self.saves.is_empty() && self.outgoing.is_empty()
    }
}

/// The result of a commit.
#[derive(Debug, Clone, PartialEq)]
pub enum CommitOutcome {
    /// All of the commit happened.
    Committed,
    /// The work was finished before; none of it happened again.
    Duplicate,
    /// The work was finished before, for a message with the same identity and another payload.
    Mismatch,
    /// Another attempt holds the claim.
    Busy {
        /// The end of that attempt's lease.
        until: Timestamp,
    },
    /// The attempt's lease ended and another attempt took over, or the claim was released.
    LeaseLost,
    /// An entity has changed since it was loaded: load and decide again.
    Conflict(EntityKey),
    /// Another transaction was in the way, or the table is throttled: send the same commit again, later.
    Contended(LedgerError),
    /// The commit can never succeed: for example, an item is too large or an attribute has the wrong type.
    Invalid(LedgerError),
    /// It is not known whether the commit happened. The next delivery will find out.
    Failed(LedgerError),
}

/// An entity as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// The entity's version; never [`Version::Absent`].
    pub version: Version,
    /// The entity's attributes, without the ledger's own keys, version and sequence.
    pub data: Item,
}

/// The error of a ledger.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LedgerError(pub String);

/// The port to the store of claims, entities and emitted messages.
pub trait Ledger: Send + Sync {
    /// Claims messages before their handlers run.
    ///
    /// A message may be claimed if there is no claim, or if it has expired, or if its lease has ended. Only a claim
    /// that exists and is finished is a [`ClaimOutcome::Duplicate`]; every other trouble is an error.
    fn claim<'a>(&'a self, claims: &'a [Claim]) -> BoxFuture<'a, Vec<ClaimOutcome>>;

    /// Inspects claims without taking them. Returns for each the obstacle that a claim would meet, if there is one.
    fn inspect<'a>(
        &'a self,
        claims: &'a [Claim],
    ) -> BoxFuture<'a, Vec<Result<Option<Obstacle>, LedgerError>>>;

    /// Loads entities, strongly consistent. Returns them in the order of the keys, with `None` for each that does not
    /// exist.
    fn load<'a>(&'a self, keys: &'a [EntityKey]) -> BoxFuture<'a, Vec<Result<Option<Stored>, LedgerError>>>;

    /// Commits. Each commit happens whole or not at all, and no commit's failure is another's, with one exception: of
    /// two commits that save the same entity at the same version, one is a [`CommitOutcome::Conflict`].
    fn commit<'a>(&'a self, commits: &'a [Commit]) -> BoxFuture<'a, Vec<CommitOutcome>>;

    /// Commits like [`commit`](Self::commit). Also returns the number of requests that it took: one, if the ledger does
    /// not count them.
    fn commit_counted<'a>(&'a self, commits: &'a [Commit]) -> BoxFuture<'a, (Vec<CommitOutcome>, usize)> {
        Box::pin(async move { (self.commit(commits).await, 1) })
    }

    /// Releases claims that are still held by their owners, so that the next delivery can run at once.
    /// A claim that somebody else holds by now, or that is finished, is left alone.
    fn release<'a>(&'a self, claims: &'a [Claim]) -> BoxFuture<'a, Result<(), LedgerError>>;
}
