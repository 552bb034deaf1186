//! Settles many commits with few requests: decides what to ask a transactional store next, and what its answers mean
//! for each commit.
//!
//! This is a state machine without I/O. Its model of the store: transactions have a limited number of items and no item
//! twice, and are cancelled with a reason for every item; statements are settled one by one. The rules:
//!
//! - Commits that share no item go together, as many as fit. Commits that do share one wait for each other: once
//!   one is committed, each other that expected its entity to be unchanged is a conflict, without a request.
//! - Of the reasons for a cancellation, only those of a commit's own items count: first its claim's, then its
//!   entities', then contention. A commit whose own items were fine is sent again at once. After two
//!   cancellations a commit goes alone.
//! - A commit of nothing but its claim needs no transaction: it is a statement, unless a transaction that is
//!   sent anyway has room for it.
//! - After an unknown outcome, and where a statement finds that a claim exists, the claims are read: they say
//!   whether it was this attempt's own.

use super::{Commit, CommitOutcome, LedgerError, Standing};
use crate::{
    Version,
    entity::EntityKey,
    identity::ClaimKey,
    limits::{MOST_BYTES, MOST_ITEMS},
};
use std::{
    collections::{HashMap, HashSet},
    mem,
};

/// The most statements one request may hold (DynamoDB's `BatchExecuteStatement`).
const MOST_STATEMENTS: usize = 25;
/// The number of times that a commit's transaction is cancelled because of others before the commit goes alone.
const MOST_CANCELLATIONS: u8 = 2;

/// The commits of one call, and the progress of each.
#[derive(Debug)]
pub struct Settling<'a> {
    commits: &'a [Commit],
    progress: Vec<Progress>,
}

#[derive(Debug)]
struct Progress {
    state: State,
    /// The number of times that the commit's transaction was cancelled.
    cancellations: u8,
}

#[derive(Debug)]
enum State {
    /// The commit is to be sent, together with others if possible.
    Waiting,
    /// The commit is to be sent by itself.
    Alone,
    /// The commit's claim is to be read. The error is the reason for which its outcome is unknown; without one, a
    /// statement found that a claim exists.
    Unsure(Option<LedgerError>),
    /// The commit was sent, and its answer is awaited.
    Sent,
    Settled(CommitOutcome),
}

/// A request to the store. Commits are named by their positions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Write and check all of these items, or none.
    Transaction(Transaction),
    /// Write these commits' claims, each for itself. [`Answer::Items`] says for each whether it was written.
    Statements(Vec<usize>),
    /// Write this commit's claim if no other is in its way; otherwise say how that one stands. The answer is one item
    /// in [`Answer::Items`].
    Claim(usize),
    /// Read these commits' claims. The answer is [`Answer::Standings`].
    Read(Vec<usize>),
}

/// Items to write or to check together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    /// The items, in the order of the reasons if the transaction is cancelled.
    pub items: Vec<Item>,
    commits: Vec<usize>,
}

/// One item of a transaction. Positions are those in the commit's own lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// One of the claims that a commit finishes ([`Commit::finished`]).
    Claim {
        /// The position of the commit.
        commit: usize,
        /// The position of the claim among those that the commit finishes.
        finished: usize,
    },
    /// An entity that must not have changed.
    Check {
        /// The commits that read the entity, all of them at the same version. The first stands for all.
        commits: Vec<usize>,
        /// The position of the read in the first commit.
        read: usize,
    },
    /// An entity to write.
    Save {
        /// The position of the commit.
        commit: usize,
        /// The position among the commit's saves.
        save: usize,
    },
    /// A message to write.
    Message {
        /// The position of the commit.
        commit: usize,
        /// The position of the claim that the message belongs to.
        finished: usize,
        /// The position among that claim's messages.
        message: usize,
    },
}

/// The store's answer to a [`Request`].
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// All of the request happened.
    Done,
    /// One answer for each item of a cancelled transaction, or for each statement.
    Items(Vec<ItemAnswer>),
    /// The standings of the claims that were read, one for each commit.
    Standings(Vec<Standing>),
    /// Nothing of the request happened, for this reason.
    Refused(CommitOutcome),
    /// The request may have happened.
    Unknown(LedgerError),
}

/// The store's answer to one item.
#[derive(Debug, Clone, PartialEq)]
pub enum ItemAnswer {
    /// The item is no obstacle. A statement happened.
    Fine,
    /// The claim is refused; its standing says why.
    Claim(Standing),
    /// A claim exists, and its standing is not known.
    ClaimExists,
    /// The entity has changed.
    Changed,
    /// The item failed for another reason.
    Failed(CommitOutcome),
}

impl<'a> Settling<'a> {
    /// Begins to settle commits.
    pub fn new(commits: &'a [Commit]) -> Self {
        let waiting = || Progress { state: State::Waiting, cancellations: 0 };
        Self { commits, progress: commits.iter().map(|_| waiting()).collect() }
    }

    /// Returns the next requests. They share no item, so they may be sent at the same time. No request means that all
    /// commits are settled.
    pub fn requests(&mut self) -> Vec<Request> {
        let mut requests = Vec::new();
        let unsure = self.positions(|state| matches!(state, State::Unsure(_)));
        if !unsure.is_empty() {
            requests.push(Request::Read(unsure));
        }
        let mut wave = Wave::default();
        let mut claims = Vec::new();
        for position in self.positions(|state| matches!(state, State::Waiting | State::Alone)) {
            let commit = &self.commits[position];
            if !wave.admits(commit) {
                continue;
            }
            wave.touch(commit);
            let goes_alone = matches!(self.progress[position].state, State::Alone);
            self.progress[position].state = State::Sent;
            match (commit.is_claim_only(), goes_alone) {
                (true, true) => requests.push(Request::Claim(position)),
                (true, false) => claims.push(position),
                (false, true) => requests.push(Request::Transaction(packed(self.commits, &[position]))),
                (false, false) => wave.pack(position, commit),
            }
        }
        // A claim costs half as much outside a transaction, and cannot cancel one; a request costs more.
        claims.retain(|&position| !wave.takes_along(position, &self.commits[position]));
        let transactions = wave.transactions.iter().map(|draft| packed(self.commits, &draft.commits));
        requests.extend(transactions.map(Request::Transaction));
        match claims[..] {
            [one] => requests.push(Request::Claim(one)),
            _ => {
                requests
                    .extend(claims.chunks(MOST_STATEMENTS).map(|chunk| Request::Statements(chunk.into())));
            }
        }
        requests
    }

    /// Processes the answer to a request.
    pub fn answer(&mut self, request: &Request, answer: Answer) {
        match request {
            Request::Transaction(transaction) => self.answer_transaction(transaction, answer),
            Request::Statements(positions) => self.answer_claims(positions, answer),
            Request::Claim(position) => self.answer_claims(&[*position], answer),
            Request::Read(positions) => self.answer_read(positions, answer),
        }
    }

    /// Returns one outcome for each commit, in their order.
    pub fn outcomes(self) -> Vec<CommitOutcome> {
        let unsettled = || CommitOutcome::Failed(LedgerError("it was not settled".into()));
        let outcome = |progress: Progress| match progress.state {
            State::Settled(outcome) => outcome,
            _ => unsettled(),
        };
        self.progress.into_iter().map(outcome).collect()
    }

    fn positions(&self, wanted: fn(&State) -> bool) -> Vec<usize> {
        (0..self.commits.len()).filter(|position| wanted(&self.progress[*position].state)).collect()
    }

    fn answer_transaction(&mut self, transaction: &Transaction, answer: Answer) {
        match answer {
            Answer::Done => {
                for &position in &transaction.commits {
                    self.settle(position, CommitOutcome::Committed);
                }
            }
            Answer::Items(answers) => self.cancelled(transaction, &answers),
            // One of the commits cannot be written as it is, or needs a table that does not exist or that is not ours
            // to write, and the store does not say which.
            Answer::Refused(CommitOutcome::Invalid(_) | CommitOutcome::Failed(_))
                if transaction.commits.len() > 1 =>
            {
                for &position in &transaction.commits {
                    self.progress[position].state = State::Alone;
                }
            }
            other => self.not_answered(&transaction.commits, &other),
        }
    }

    /// Processes a cancelled transaction. Only the reasons of a commit's own items count for it.
    fn cancelled(&mut self, transaction: &Transaction, answers: &[ItemAnswer]) {
        let mut harmed: HashMap<usize, CommitOutcome> = HashMap::new();
        for (item, answer) in transaction.items.iter().zip(answers) {
            for position in item.commits() {
                let Some(outcome) = self.harm(item, position, answer) else { continue };
                let known = harmed.entry(position).or_insert_with(|| outcome.clone());
                if weight(&outcome) > weight(known) {
                    *known = outcome;
                }
            }
        }
        if harmed.is_empty() {
            let error = LedgerError("the transaction was cancelled, and no item says why".into());
            return self.not_answered(&transaction.commits, &Answer::Refused(CommitOutcome::Failed(error)));
        }
        for &position in &transaction.commits {
            let progress = &mut self.progress[position];
            progress.cancellations += 1;
            let goes_alone = progress.cancellations >= MOST_CANCELLATIONS;
            progress.state = if goes_alone { State::Alone } else { State::Waiting };
        }
        // This comes last: a commit whose first answer was lost is found committed, and overtakes those that wait.
        for (position, outcome) in harmed {
            self.settle(position, outcome);
        }
    }

    /// Returns the outcome that an item's answer means for a commit; `None` if the item was fine.
    fn harm(&self, item: &Item, position: usize, answer: &ItemAnswer) -> Option<CommitOutcome> {
        let commit = &self.commits[position];
        match (answer, item) {
            (ItemAnswer::Fine, _) => None,
            (ItemAnswer::Claim(standing), Item::Claim { finished, .. }) => {
                Some(standing.on_refused_commit(commit.finished_at(*finished).0))
            }
            (ItemAnswer::Changed, Item::Save { save, .. }) => {
                Some(CommitOutcome::Conflict(commit.saves[*save].key.clone()))
            }
            (ItemAnswer::Changed, Item::Check { commits, read }) => {
                let key = &self.commits[*commits.first()?].reads[*read].key;
                Some(CommitOutcome::Conflict(key.clone()))
            }
            (ItemAnswer::Failed(outcome), _) => Some(outcome.clone()),
            (unexpected, _) => Some(CommitOutcome::Failed(LedgerError(format!(
                "the store gave an answer that this item cannot have: {unexpected:?}"
            )))),
        }
    }

    fn answer_claims(&mut self, positions: &[usize], answer: Answer) {
        let answers = match answer {
            Answer::Done => vec![ItemAnswer::Fine; positions.len()],
            Answer::Items(answers) => answers,
            Answer::Refused(CommitOutcome::Invalid(_)) if positions.len() > 1 => {
                for &position in positions {
                    self.progress[position].state = State::Alone;
                }
                return;
            }
            other => return self.not_answered(positions, &other),
        };
        let silent =
            || ItemAnswer::Failed(CommitOutcome::Failed(LedgerError("no answer came for it".into())));
        let answers = answers.into_iter().chain(std::iter::repeat_with(silent));
        for (&position, answer) in positions.iter().zip(answers) {
            let claim = &self.commits[position].claim;
            match answer {
                ItemAnswer::Fine => self.settle(position, CommitOutcome::Committed),
                ItemAnswer::ClaimExists => self.progress[position].state = State::Unsure(None),
                ItemAnswer::Claim(standing) => self.settle(position, standing.on_refused_commit(claim)),
                ItemAnswer::Failed(outcome) => self.settle(position, outcome),
                ItemAnswer::Changed => {
                    let error = LedgerError("the store speaks of an entity where there is none".into());
                    self.settle(position, CommitOutcome::Failed(error));
                }
            }
        }
    }

    fn answer_read(&mut self, positions: &[usize], answer: Answer) {
        let standings = match answer {
            Answer::Standings(standings) => standings,
            other => return self.not_read(positions, &other),
        };
        for (&position, standing) in positions.iter().zip(standings) {
            let claim = &self.commits[position].claim;
            let state = mem::replace(&mut self.progress[position].state, State::Sent);
            match (standing.on_commit(claim), state) {
                (Some(outcome), _) => self.settle(position, outcome),
                // The claim has expired, or its lease has ended: it may be overwritten.
                (None, State::Unsure(None)) => self.progress[position].state = State::Alone,
                // The commit did not happen yet, and still may.
                (None, State::Unsure(Some(error))) => self.settle(position, CommitOutcome::Failed(error)),
                (None, _) => self.settle(position, CommitOutcome::Failed(unread(&Answer::Done))),
            }
        }
    }

    /// Settles commits whose claims could not be read: their outcomes stay unknown.
    fn not_read(&mut self, positions: &[usize], answer: &Answer) {
        for &position in positions {
            let outcome = match (&self.progress[position].state, answer) {
                (State::Unsure(Some(error)), _) | (_, Answer::Unknown(error)) => {
                    CommitOutcome::Failed(error.clone())
                }
                (_, Answer::Refused(outcome)) => outcome.clone(),
                _ => CommitOutcome::Failed(unread(answer)),
            };
            self.settle(position, outcome);
        }
    }

    fn not_answered(&mut self, positions: &[usize], answer: &Answer) {
        for &position in positions {
            self.progress[position].state = match answer {
                Answer::Unknown(error) => State::Unsure(Some(error.clone())),
                Answer::Refused(outcome) => State::Settled(outcome.clone()),
                other => State::Settled(CommitOutcome::Failed(unread(other))),
            };
        }
    }

    fn settle(&mut self, position: usize, outcome: CommitOutcome) {
        let is_committed = outcome == CommitOutcome::Committed;
        self.progress[position].state = State::Settled(outcome);
        if is_committed {
            self.overtake(position);
        }
    }

    /// Settles as conflicts the waiting commits that expected an entity to be as it was before this commit saved it.
    fn overtake(&mut self, position: usize) {
        let commits = self.commits;
        for save in &commits[position].saves {
            for (other, progress) in commits.iter().zip(&mut self.progress) {
                let is_late = other
                    .expected()
                    .any(|(key, version)| *key == save.key && number(version) != Some(save.expected.next()));
                if is_late && matches!(progress.state, State::Waiting | State::Alone) {
                    progress.state = State::Settled(CommitOutcome::Conflict(save.key.clone()));
                }
            }
        }
    }
}

impl Item {
    /// Returns the positions of the commits to which this item belongs.
    fn commits(&self) -> Vec<usize> {
        match self {
            Self::Claim { commit, .. } | Self::Save { commit, .. } | Self::Message { commit, .. } => {
                vec![*commit]
            }
            Self::Check { commits, .. } => commits.clone(),
        }
    }
}

/// Returns the weight of a reason: a claim's decides before an entity's, and that before contention.
fn weight(outcome: &CommitOutcome) -> u8 {
    match outcome {
        CommitOutcome::Conflict(_) => 3,
        CommitOutcome::Contended(_) => 2,
        CommitOutcome::Invalid(_) => 1,
        CommitOutcome::Failed(_) => 0,
        CommitOutcome::Committed
        | CommitOutcome::Duplicate
        | CommitOutcome::Mismatch
        | CommitOutcome::Busy { .. }
        | CommitOutcome::LeaseLost => 4,
    }
}

fn number(version: Version) -> Option<u64> {
    match version {
        Version::At { version, .. } => Some(version),
        Version::Absent | Version::Unversioned => None,
    }
}

fn unread(answer: &Answer) -> LedgerError {
    LedgerError(format!("the store gave an answer to another question: {answer:?}"))
}

/// The requests that are sent at the same time.
#[derive(Default)]
struct Wave<'a> {
    claims: HashSet<&'a ClaimKey>,
    saved: HashSet<&'a EntityKey>,
    read: HashMap<&'a EntityKey, Version>,
    transactions: Vec<Draft>,
}

/// The draft of a transaction: the commits in it, by position, and its size so far.
struct Draft {
    commits: Vec<usize>,
    items: usize,
    bytes: usize,
}

impl<'a> Wave<'a> {
    /// Returns whether a commit shares no item with any that is sent already. The same read of the same version may be
    /// shared.
    fn admits(&self, commit: &Commit) -> bool {
        let is_new = |key: &EntityKey| !self.saved.contains(key);
        commit.finished().all(|(claim, _)| !self.claims.contains(&claim.key))
            && commit.saves.iter().all(|save| is_new(&save.key) && !self.read.contains_key(&save.key))
            && commit.reads.iter().all(|read| {
                is_new(&read.key) && self.read.get(&read.key).is_none_or(|version| *version == read.version)
            })
    }

    fn touch(&mut self, commit: &'a Commit) {
        self.claims.extend(commit.finished().map(|(claim, _)| &claim.key));
        self.saved.extend(commit.saves.iter().map(|save| &save.key));
        self.read.extend(commit.reads.iter().map(|read| (&read.key, read.version)));
    }

    /// Adds a commit to a transaction with room for it, or to a new one.
    fn pack(&mut self, position: usize, commit: &Commit) {
        let (items, bytes) = commit.size();
        if !self.join(position, items, bytes) {
            self.transactions.push(Draft { commits: vec![position], items, bytes });
        }
    }

    /// Adds a commit to a transaction that is sent anyway. Returns whether one had room for it.
    fn takes_along(&mut self, position: usize, commit: &Commit) -> bool {
        let (items, bytes) = commit.size();
        self.join(position, items, bytes)
    }

    fn join(&mut self, position: usize, items: usize, bytes: usize) -> bool {
        let fits =
            |draft: &&mut Draft| draft.items + items <= MOST_ITEMS && draft.bytes + bytes <= MOST_BYTES;
        let Some(draft) = self.transactions.iter_mut().find(fits) else { return false };
        draft.commits.push(position);
        draft.items += items;
        draft.bytes += bytes;
        true
    }
}

/// Returns a transaction of the claims, the checks, the saves and the messages of these commits.
fn packed(commits: &[Commit], positions: &[usize]) -> Transaction {
    let mut items = Vec::new();
    for &position in positions {
        let claims = commits[position].finished().enumerate();
        items.extend(claims.map(|(finished, _)| Item::Claim { commit: position, finished }));
    }
    let mut checks: HashMap<&EntityKey, usize> = HashMap::new();
    for &position in positions {
        for (read, entity) in commits[position].reads.iter().enumerate() {
            match checks.get(&entity.key).map(|&at| &mut items[at]) {
                Some(Item::Check { commits, .. }) => commits.push(position),
                _ => {
                    checks.insert(&entity.key, items.len());
                    items.push(Item::Check { commits: vec![position], read });
                }
            }
        }
    }
    for &position in positions {
        let saves = 0..commits[position].saves.len();
        items.extend(saves.map(|save| Item::Save { commit: position, save }));
    }
    for &position in positions {
        for (finished, (_, outgoing)) in commits[position].finished().enumerate() {
            let messages = 0..outgoing.len();
            items.extend(messages.map(|message| Item::Message { commit: position, finished, message }));
        }
    }
    Transaction { items, commits: positions.into() }
}
