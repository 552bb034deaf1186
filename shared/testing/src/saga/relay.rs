//! Carries out what is committed to the log, as far as a saga needs it: answers reach their tasks, and
//! handlers react to messages.

use super::{
    fault::{Fault, Place},
    plan::Plan,
};
use crate::{MemoryDeadLetters, MemoryLedger, SeededRandom, TestTime, declared_tables::DeclaredTables};
use futures_util::future::BoxFuture;
use std::{
    collections::HashMap,
    panic::resume_unwind,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use throughline_core::{
    EntityKey, Envelope, Handler, Record, Verdict,
    ledger::{
        Claim, ClaimOutcome, Commit, CommitOutcome, Destination, Ledger, LedgerError, Obstacle, Outgoing,
        Stored,
    },
    observer::Unobserved,
    ports::{Ports, Time as _},
    process::{Delivery, Settings, process},
    saga::{TaskAnswer, Work},
};
use tokio::{
    sync::{Notify, oneshot},
    task::JoinHandle,
};

/// The number of times that a handler is given a message that it cannot handle.
const MOST_DELIVERIES: u32 = 20;

/// A handler's reaction to a message, if the message is for it.
pub(super) type Reaction =
    Arc<dyn Fn(&Outgoing, &Arc<Relay>) -> Option<BoxFuture<'static, ()>> + Send + Sync>;

/// A handler that reacts to some messages after some time.
pub(super) fn reaction<H: Handler>(
    handler: H,
    after: Duration,
    message: impl Fn(&Outgoing) -> Option<H::Message> + Send + Sync + 'static,
) -> Reaction {
    let handler = Arc::new(handler);
    Arc::new(move |outgoing, relay| {
        let data = message(outgoing)?;
        let cause = &outgoing.envelope.attributes;
        let mut envelope = Envelope::of(format!("reaction to {}", cause.id), "test", data);
        envelope.attributes.correlation_id.clone_from(&cause.correlation_id);
        envelope.attributes.causation_id = Some(cause.id.clone());
        let body = envelope.encode().and_then(|encoded| serde_json::to_string(&encoded));
        let body = body.expect("a message has a JSON form");
        let (handler, relay) = (Arc::clone(&handler), Arc::clone(relay));
        Some(Box::pin(async move {
            relay.time.sleep(after).await;
            relay.deliver(&*handler, &body).await;
        }))
    })
}

/// The relay of a run.
pub(super) struct Relay {
    pub(super) ledger: Arc<MemoryLedger>,
    pub(super) plan: Arc<Plan>,
    pub(super) time: TestTime,
    pub(super) random: Arc<SeededRandom>,
    pub(super) settings: Settings,
    pub(super) reactions: Vec<Reaction>,
    /// Told of every commit.
    pub(super) committed: Arc<Notify>,
    pub(super) dead_letters: MemoryDeadLetters,
    waiting: Mutex<HashMap<String, (&'static str, oneshot::Sender<TaskAnswer>)>>,
    tokens: AtomicUsize,
    carried_out: AtomicUsize,
    reacting: Mutex<Vec<JoinHandle<()>>>,
}

impl Relay {
    pub(super) fn new(
        ledger: Arc<MemoryLedger>,
        plan: Arc<Plan>,
        random: Arc<SeededRandom>,
        settings: Settings,
        reactions: Vec<Reaction>,
    ) -> Self {
        Self {
            ledger,
            plan,
            time: TestTime::start(),
            random,
            settings,
            reactions,
            committed: Arc::default(),
            dead_letters: MemoryDeadLetters::default(),
            waiting: Mutex::default(),
            tokens: AtomicUsize::new(0),
            carried_out: AtomicUsize::new(0),
            reacting: Mutex::default(),
        }
    }

    /// A task that waits for an answer: its token, and where the answer comes.
    pub(super) fn wait(&self, step: &'static str) -> (String, oneshot::Receiver<TaskAnswer>) {
        let number = self.tokens.fetch_add(1, Ordering::SeqCst);
        let token = format!("{step}-token-{number}");
        let (sender, receiver) = oneshot::channel();
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.insert(token.clone(), (step, sender));
        (token, receiver)
    }

    /// Carries out whatever is committed, until it is dropped.
    pub(super) async fn run(self: Arc<Self>) {
        loop {
            self.carry_out();
            self.committed.notified().await;
        }
    }

    /// Waits until no handler reacts any more.
    pub(super) async fn settle(self: &Arc<Self>) {
        loop {
            self.carry_out();
            let next = self.reacting.lock().unwrap_or_else(PoisonError::into_inner).pop();
            match next {
                // A handler's own panic is caught by the main path: this one is the test kit's.
                Some(reacting) => match reacting.await {
                    Err(failed) if failed.is_panic() => resume_unwind(failed.into_panic()),
                    _ => {}
                },
                None => return,
            }
        }
    }

    fn carry_out(self: &Arc<Self>) {
        let log = self.ledger.log();
        let from = self.carried_out.swap(log.len(), Ordering::SeqCst);
        for outgoing in &log[from..] {
            match &outgoing.destination {
                Destination::Task { token } => self.answer(token, outgoing),
                _ => self.react(outgoing),
            }
        }
    }

    /// An answer to a task that nobody waits for any more is lost, as in the cloud.
    fn answer(&self, token: &str, outgoing: &Outgoing) {
        let answer = serde_json::from_str(outgoing.envelope.data.get());
        let answer = answer.expect("an answer to a task is a `TaskAnswer`");
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((step, sender)) = waiting.remove(token) else { return };
        drop(waiting);
        if !self.plan.has(Place { work: Work::Run, step }, Fault::AnswerIsLost) {
            // The task may have been given up.
            drop(sender.send(answer));
        }
    }

    fn react(self: &Arc<Self>, outgoing: &Outgoing) {
        let reacting = self.reactions.iter().filter_map(|reaction| reaction(outgoing, self));
        let reacting = reacting.map(tokio::spawn);
        self.reacting.lock().unwrap_or_else(PoisonError::into_inner).extend(reacting);
    }

    async fn deliver<H: Handler>(self: &Arc<Self>, handler: &H, body: &str) {
        let tables = DeclaredTables::of_handler(handler);
        let answers = Answers(Arc::clone(self));
        let ledger = tables.watch(&answers);
        for attempt in 1..=MOST_DELIVERIES {
            let record = Record {
                message_id: "reaction",
                source: "test",
                body,
                attempt,
                is_last_attempt: attempt == MOST_DELIVERIES,
                group: None,
                delivery: Delivery::default(),
            };
            let ports = Ports {
                ledger: &ledger,
                dead_letters: &self.dead_letters,
                time: &self.time,
                random: &*self.random,
                observer: &Unobserved,
            };
            let verdict = process(handler, ports, &self.settings, None, &[record]).await.pop();
            tables.check();
            match verdict {
                Some(Verdict::Retry { after, .. }) => self.time.sleep(after).await,
                _ => return,
            }
        }
    }

    /// Returns whether a commit answers a step that must stay without an answer.
    fn is_unwanted(&self, commit: &Commit) -> bool {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let answered = commit.outgoing.iter().filter_map(|outgoing| match &outgoing.destination {
            Destination::Task { token } => waiting.get(token).map(|(step, _)| *step),
            _ => None,
        });
        let steps: Vec<_> = answered.collect();
        drop(waiting);
        steps.into_iter().any(|step| self.plan.has(Place { work: Work::Run, step }, Fault::NobodyAnswers))
    }
}

/// The ledger as a handler sees it that may answer.
struct Answers(Arc<Relay>);

impl Ledger for Answers {
    fn claim<'a>(&'a self, claims: &'a [Claim]) -> BoxFuture<'a, Vec<ClaimOutcome>> {
        self.0.ledger.claim(claims)
    }

    fn inspect<'a>(
        &'a self,
        claims: &'a [Claim],
    ) -> BoxFuture<'a, Vec<Result<Option<Obstacle>, LedgerError>>> {
        self.0.ledger.inspect(claims)
    }

    fn load<'a>(&'a self, keys: &'a [EntityKey]) -> BoxFuture<'a, Vec<Result<Option<Stored>, LedgerError>>> {
        self.0.ledger.load(keys)
    }

    fn commit<'a>(&'a self, commits: &'a [Commit]) -> BoxFuture<'a, Vec<CommitOutcome>> {
        Box::pin(async move {
            if commits.iter().any(|commit| self.0.is_unwanted(commit)) {
                let invalid = || CommitOutcome::Invalid(LedgerError("nobody answers, on purpose".into()));
                return commits.iter().map(|_| invalid()).collect();
            }
            let outcomes = self.0.ledger.commit(commits).await;
            self.0.committed.notify_one();
            outcomes
        })
    }

    fn release<'a>(&'a self, claims: &'a [Claim]) -> BoxFuture<'a, Result<(), LedgerError>> {
        self.0.ledger.release(claims)
    }
}
