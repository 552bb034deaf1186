//! The ledger, shared by the records of a batch: requests that they make at about the same time are sent together.
//!
//! A record that needs something of the ledger parks. What the parked ones need is sent when nothing that was
//! started still runs, since whatever runs may soon need something, too; but nobody waits for others' company
//! longer than [`PATIENCE`]. There are three phases: taking and inspecting claims, loading, committing. A phase
//! also waits, up to [`MOST_PATIENCE`], for answers of the phases before it, because those lead to more of its
//! own.

use super::spans::{failed_claim, failed_commit};
use crate::{
    Timestamp,
    backoff::Backoff,
    entity::EntityKey,
    ledger::{Claim, ClaimOutcome, Commit, CommitOutcome, Ledger, LedgerError, Obstacle, Stored},
    limits::MOST_ITEMS,
    observer::Observer,
    ports::{Ports, Random, Time},
    time::{between, later},
};
use futures_channel::oneshot;
use futures_util::future::BoxFuture;
use std::{
    collections::{HashMap, HashSet},
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tracing::{Instrument as _, Span, debug_span, info};

/// The time that a request waits for others to be sent with it.
const PATIENCE: Duration = Duration::from_millis(5);
/// The time that a request waits if answers are on their way that will lead to more requests of its kind.
const MOST_PATIENCE: Duration = Duration::from_millis(50);

/// The ledger, shared by the records of a batch.
pub(crate) struct Requests<'a> {
    ledger: &'a dyn Ledger,
    time: &'a dyn Time,
    random: &'a dyn Random,
    observer: &'a dyn Observer,
    most_resends: u32,
    state: Mutex<State>,
}

/// The lane that asks: a record, or a FIFO group.
pub(crate) type LaneId = usize;

#[derive(Default)]
struct State {
    claims: Queue<Claim, ClaimOutcome>,
    inspections: Queue<Claim, Result<Option<Obstacle>, LedgerError>>,
    loads: Queue<EntityKey, Result<Option<Stored>, LedgerError>>,
    commits: Queue<Commit, Settled>,
    /// The number of requests that each lane waits for.
    parked: HashMap<LaneId, usize>,
}

/// The result of a commit.
pub(crate) struct Settled {
    pub(crate) outcome: CommitOutcome,
    /// Whether it is a conflict with a commit of this very batch, which happened.
    pub(crate) is_overtaken: bool,
}

/// The requests of one kind.
struct Queue<Question, Answer> {
    waiting: Vec<(Question, oneshot::Sender<Answer>)>,
    /// The time at which the first of the waiting requests was made.
    since: Option<Timestamp>,
    requests_on_their_way: usize,
}

impl<Question, Answer> Default for Queue<Question, Answer> {
    fn default() -> Self {
        Self { waiting: Vec::new(), since: None, requests_on_their_way: 0 }
    }
}

impl<Question, Answer> Queue<Question, Answer> {
    fn push(&mut self, question: Question, now: Timestamp) -> oneshot::Receiver<Answer> {
        let (sender, receiver) = oneshot::channel();
        self.since.get_or_insert(now);
        self.waiting.push((question, sender));
        receiver
    }

    /// Returns the requests to send now. Those whose record stopped waiting are left out: a record that was handed back
    /// must not be committed.
    fn take(&mut self) -> (Vec<Question>, Vec<oneshot::Sender<Answer>>) {
        self.since = None;
        self.requests_on_their_way += 1;
        mem::take(&mut self.waiting).into_iter().filter(|(_, sender)| !sender.is_canceled()).unzip()
    }
}

/// The kinds of requests, in the order in which a record makes them.
#[derive(Debug, Clone, Copy)]
pub(super) enum Phase {
    Claim,
    Inspect,
    Load,
    Commit,
}

/// The decision about the requests that wait.
#[derive(Debug)]
pub(super) enum Due {
    Now(Phase),
    At(Timestamp),
    /// No request waits.
    Never,
}

/// A guard: while it lives, its lane counts as parked.
struct Parked<'r, 'a> {
    requests: &'r Requests<'a>,
    lane: LaneId,
}

impl Drop for Parked<'_, '_> {
    fn drop(&mut self) {
        let mut state = self.requests.state();
        if let Some(count) = state.parked.get_mut(&self.lane) {
            *count -= 1;
            if *count == 0 {
                state.parked.remove(&self.lane);
            }
        }
    }
}

impl<'a> Requests<'a> {
    pub(super) fn new(ports: Ports<'a>, most_resends: u32) -> Self {
        let Ports { ledger, time, random, observer, .. } = ports;
        Self { ledger, time, random, observer, most_resends, state: Mutex::default() }
    }

    /// Claims a message for its handler.
    pub(super) async fn claim(&self, lane: LaneId, claim: Claim) -> ClaimOutcome {
        let span = debug_span!("claim");
        let answer = self.ask(lane, |state| &mut state.claims, claim).instrument(span.clone()).await;
        let outcome = answer.unwrap_or_else(|| ClaimOutcome::Failed(silent()));
        self.tell(&span, failed_claim(&outcome));
        outcome
    }

    /// Reads a claim without taking it. Returns the obstacle to it, or `None`.
    pub(super) async fn inspect(&self, lane: LaneId, claim: Claim) -> Result<Option<Obstacle>, LedgerError> {
        let span = debug_span!("inspect");
        let answer = self.ask(lane, |state| &mut state.inspections, claim).instrument(span.clone()).await;
        let answer = answer.unwrap_or_else(|| Err(silent()));
        self.tell(&span, answer.is_err().then_some("RecallFailed"));
        answer
    }

    /// Loads an entity. Returns `None` if it does not exist.
    pub(crate) async fn load(&self, lane: LaneId, key: EntityKey) -> Result<Option<Stored>, LedgerError> {
        let span = debug_span!("load", kind = key.kind);
        let answer = self.ask(lane, |state| &mut state.loads, key).instrument(span.clone()).await;
        let answer = answer.unwrap_or_else(|| Err(silent()));
        self.tell(&span, answer.is_err().then_some("LoadFailed"));
        answer
    }

    /// Commits, sending the same commit again while it only collides or is throttled.
    pub(super) async fn commit(&self, lane: LaneId, commit: Commit) -> Settled {
        let span = debug_span!("commit");
        let answer = self.ask(lane, |state| &mut state.commits, commit).instrument(span.clone()).await;
        let unanswered = || Settled { outcome: CommitOutcome::Failed(silent()), is_overtaken: false };
        let settled = answer.unwrap_or_else(unanswered);
        self.tell(&span, failed_commit(&settled.outcome));
        settled
    }

    fn tell(&self, span: &Span, failure: Option<&str>) {
        if let Some(error_type) = failure {
            self.observer.failed(span, error_type);
        }
    }

    /// Releases a claim. Not batched with other requests, because the next delivery may already be waiting.
    pub(super) async fn release(&self, claim: &Claim) -> Result<(), LedgerError> {
        self.ledger.release(std::slice::from_ref(claim)).await
    }

    async fn ask<Question, Answer>(
        &self,
        lane: LaneId,
        queue: fn(&mut State) -> &mut Queue<Question, Answer>,
        question: Question,
    ) -> Option<Answer> {
        let now = self.time.now();
        let receiver = {
            let mut state = self.state();
            *state.parked.entry(lane).or_default() += 1;
            queue(&mut state).push(question, now)
        };
        let _parked = Parked { requests: self, lane };
        receiver.await.ok()
    }

    /// Returns the number of lanes that wait for the ledger.
    pub(super) fn parked(&self) -> usize {
        self.state().parked.len()
    }

    /// Returns the phase to send next, or the time at which to ask again. While records are still to be started,
    /// answers on their way make room for them, so the waiting requests wait for those of these records.
    pub(super) fn due(&self, is_anybody_running: bool, are_more_to_start: bool) -> Due {
        let state = self.state();
        let commit_items = state.commits.waiting.iter().map(|(commit, _)| commit.item_count()).sum();
        let phases = [
            (
                Phase::Claim,
                state.claims.since,
                state.claims.waiting.len(),
                state.claims.requests_on_their_way,
            ),
            (
                Phase::Inspect,
                state.inspections.since,
                state.inspections.waiting.len(),
                state.inspections.requests_on_their_way,
            ),
            (Phase::Load, state.loads.since, state.loads.waiting.len(), state.loads.requests_on_their_way),
            (Phase::Commit, state.commits.since, commit_items, state.commits.requests_on_their_way),
        ];
        let now = self.time.now();
        let mut soonest = None;
        let mut leads_to_more = false;
        for (phase, since, size, on_their_way) in phases {
            if let Some(since) = since {
                let will_be_joined = leads_to_more || (are_more_to_start && on_their_way > 0);
                let patience = if will_be_joined { MOST_PATIENCE } else { PATIENCE };
                let is_alone = !is_anybody_running && !will_be_joined;
                let waited = between(since, now);
                if is_alone || size >= MOST_ITEMS || waited >= patience {
                    return Due::Now(phase);
                }
                let then = later(since, patience);
                soonest = Some(soonest.map_or(then, |soonest: Timestamp| soonest.min(then)));
            }
            leads_to_more |= since.is_some() || on_their_way > 0;
        }
        soonest.map_or(Due::Never, Due::At)
    }

    /// Sends all requests that wait in a phase and hands out the answers.
    pub(super) fn send(&self, phase: Phase) -> BoxFuture<'_, ()> {
        match phase {
            Phase::Claim => {
                let (claims, senders) = self.state().claims.take();
                Box::pin(async move {
                    answer(senders, self.ledger.claim(&claims).await);
                    self.state().claims.requests_on_their_way -= 1;
                })
            }
            Phase::Inspect => {
                let (claims, senders) = self.state().inspections.take();
                Box::pin(async move {
                    answer(senders, self.ledger.inspect(&claims).await);
                    self.state().inspections.requests_on_their_way -= 1;
                })
            }
            Phase::Load => {
                let (keys, senders) = self.state().loads.take();
                Box::pin(async move {
                    answer(senders, self.ledger.load(&keys).await);
                    self.state().loads.requests_on_their_way -= 1;
                })
            }
            Phase::Commit => {
                let (commits, senders) = self.state().commits.take();
                Box::pin(async move {
                    self.send_commits(commits, senders).await;
                    self.state().commits.requests_on_their_way -= 1;
                })
            }
        }
    }

    /// Sends commits. Those that collide or are throttled are sent again together: sending them one by one would be
    /// more load.
    async fn send_commits(&self, mut commits: Vec<Commit>, mut senders: Vec<oneshot::Sender<Settled>>) {
        let mut resends = 0;
        while !commits.is_empty() {
            let (outcomes, requests) = self.ledger.commit_counted(&commits).await;
            self.observer.committed(requests);
            let happened =
                commits.iter().zip(&outcomes).filter(|(_, outcome)| **outcome == CommitOutcome::Committed);
            let saved = happened.flat_map(|(commit, _)| &commit.saves).map(|save| save.key.clone());
            let saved: HashSet<EntityKey> = saved.collect();
            let mut contended = Vec::new();
            for ((commit, sender), outcome) in commits.into_iter().zip(senders).zip(outcomes) {
                match outcome {
                    CommitOutcome::Contended(reason) if resends < self.most_resends => {
                        contended.push((commit, sender, reason));
                    }
                    outcome => {
                        let is_overtaken =
                            matches!(&outcome, CommitOutcome::Conflict(key) if saved.contains(key));
                        _ = sender.send(Settled { outcome, is_overtaken });
                    }
                }
            }
            let Some((_, _, reason)) = contended.first() else { return };
            resends += 1;
            info!(%reason, resends, commits = contended.len(), "commits collided: sending them again");
            self.time.sleep(Backoff::REQUEST.wait(resends, self.random)).await;
            let still_wanted = contended.into_iter().filter(|(_, sender, _)| !sender.is_canceled());
            (commits, senders) = still_wanted.map(|(commit, sender, _)| (commit, sender)).unzip();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hands out answers in the order of the requests. A lane that gets no answer notices that its sender was dropped.
fn answer<Answer>(senders: Vec<oneshot::Sender<Answer>>, answers: Vec<Answer>) {
    for (sender, answer) in senders.into_iter().zip(answers) {
        _ = sender.send(answer);
    }
}

fn silent() -> LedgerError {
    LedgerError("the ledger gave no answer for this record".into())
}
