//! The main path's handling of each outcome of a ledger.

use crate::bank::{Account, Behaviour, Book, World, body, deposit};
use futures_util::future::BoxFuture;
use std::{
    collections::VecDeque,
    sync::{Mutex, atomic::Ordering},
    time::Duration,
};
use throughline_core::{
    EntityKey, Record, Verdict,
    ledger::{Claim, ClaimOutcome, Commit, CommitOutcome, Ledger, LedgerError, Obstacle, Stored},
    ports::{Ports, Time as _},
    prelude::*,
    process::{Delivery, RetryCause, Settings, process},
};
use throughline_testing::MemoryLedger;

/// A ledger that answers its first commits as it was told to, whether they happen or not.
struct Scripted {
    inner: MemoryLedger,
    script: Mutex<VecDeque<Scene>>,
}

#[derive(Clone)]
enum Scene {
    Instead(CommitOutcome),
    Afterwards(CommitOutcome),
}

impl Ledger for Scripted {
    fn claim<'a>(&'a self, claims: &'a [Claim]) -> BoxFuture<'a, Vec<ClaimOutcome>> {
        self.inner.claim(claims)
    }

    fn inspect<'a>(
        &'a self,
        claims: &'a [Claim],
    ) -> BoxFuture<'a, Vec<Result<Option<Obstacle>, LedgerError>>> {
        self.inner.inspect(claims)
    }

    fn load<'a>(&'a self, keys: &'a [EntityKey]) -> BoxFuture<'a, Vec<Result<Option<Stored>, LedgerError>>> {
        self.inner.load(keys)
    }

    fn commit<'a>(&'a self, commits: &'a [Commit]) -> BoxFuture<'a, Vec<CommitOutcome>> {
        Box::pin(async move {
            let mut outcomes = Vec::new();
            for commit in commits {
                let scene = self.script.lock().unwrap().pop_front();
                outcomes.extend(match scene {
                    Some(Scene::Instead(outcome)) => vec![outcome],
                    Some(Scene::Afterwards(outcome)) => {
                        self.inner.commit(std::slice::from_ref(commit)).await;
                        vec![outcome]
                    }
                    None => self.inner.commit(std::slice::from_ref(commit)).await,
                });
            }
            outcomes
        })
    }

    fn release<'a>(&'a self, claims: &'a [Claim]) -> BoxFuture<'a, Result<(), LedgerError>> {
        self.inner.release(claims)
    }
}

struct Stage {
    world: World,
    ledger: Scripted,
}

impl Stage {
    fn new(script: impl IntoIterator<Item = Scene>) -> Self {
        let script = Mutex::new(script.into_iter().collect());
        Self { world: World::new(), ledger: Scripted { inner: MemoryLedger::default(), script } }
    }

    /// Delivers one deposit of 1 to account "a".
    async fn deliver<H: Handler>(&self, handler: &H, is_last_attempt: bool) -> Verdict {
        let body = body("e-1", deposit("a", 1, Behaviour::Works));
        let record = Record {
            message_id: "m",
            source: "queue",
            body: &body,
            attempt: 1,
            is_last_attempt,
            group: None,
            delivery: Delivery::default(),
        };
        let ports = Ports { ledger: &self.ledger, ..self.world.ports() };
        process(handler, ports, &Settings::new("bank"), None, &[record]).await.remove(0)
    }

    fn balance(&self) -> u64 {
        self.ledger.inner.entity::<Account>("a").map_or(0, |account| account.balance)
    }

    fn dead_letters(&self) -> usize {
        self.world.dead_letters.letters().len()
    }
}

fn error() -> LedgerError {
    LedgerError("on purpose".into())
}

fn conflict() -> Scene {
    Scene::Instead(CommitOutcome::Conflict(EntityKey::of::<Account>("a")))
}

fn error_type(verdict: &Verdict) -> &str {
    match verdict {
        Verdict::Rejected { error_type, .. }
        | Verdict::Retry { cause: RetryCause::Failed { error_type, .. }, .. } => error_type,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn what_others_changed_is_loaded_and_decided_again_at_once_and_not_for_ever() {
    let handler = Book::default();
    let stage = Stage::new([conflict(), conflict()]);
    assert_eq!(stage.deliver(&handler, false).await, Verdict::Done);
    assert_eq!((handler.runs.load(Ordering::SeqCst), stage.balance()), (3, 1));

    let handler = Book::default();
    let stage = Stage::new(vec![conflict(); 100]);
    assert_eq!(error_type(&stage.deliver(&handler, false).await), "VersionConflict");
    assert_eq!(handler.runs.load(Ordering::SeqCst), Settings::new("bank").most_reruns + 1);
}

#[tokio::test(start_paused = true)]
async fn a_leased_handler_is_not_run_again_by_the_same_delivery_and_gives_its_claim_back() {
    let handler = Book::default();
    let stage = Stage::new([conflict()]);
    assert_eq!(error_type(&stage.deliver(&leased(handler.clone()), false).await), "VersionConflict");
    assert_eq!((handler.runs.load(Ordering::SeqCst), stage.ledger.inner.claim_count()), (1, 0));

    // Nor if it was another record of its batch that came first.
    let world = World::new();
    let bodies = ["e-1", "e-2"].map(|id| body(id, deposit("a", 1, Behaviour::Works)));
    let handler = Book::default();
    let verdicts = world.deliver(&leased(handler.clone()), None, &bodies).await;
    let (done, late): (Vec<_>, Vec<_>) = verdicts.iter().partition(|verdict| **verdict == Verdict::Done);
    assert_eq!((done.len(), error_type(late[0])), (1, "VersionConflict"));
    assert_eq!((handler.runs.load(Ordering::SeqCst), world.balance("a")), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn what_only_collides_is_sent_again_without_running_the_handler_and_not_for_ever() {
    let contended = Scene::Instead(CommitOutcome::Contended(error()));
    let handler = Book::default();
    let stage = Stage::new([contended.clone(), contended.clone()]);
    assert_eq!(stage.deliver(&handler, false).await, Verdict::Done);
    assert_eq!((handler.runs.load(Ordering::SeqCst), stage.balance()), (1, 1));
    let stage = Stage::new(vec![contended; 100]);
    assert_eq!(error_type(&stage.deliver(&handler, false).await), "Contended");
}

#[tokio::test(start_paused = true)]
async fn on_its_last_attempt_a_record_is_dead_lettered_unless_its_commit_turns_out_to_have_happened() {
    let unknown = CommitOutcome::Failed(error());
    let stage = Stage::new([Scene::Afterwards(unknown.clone())]);
    assert_eq!(stage.deliver(&Book::default(), true).await, Verdict::Done);
    assert_eq!((stage.balance(), stage.dead_letters()), (1, 0));

    let stage = Stage::new([Scene::Instead(unknown.clone())]);
    assert_eq!(error_type(&stage.deliver(&Book::default(), true).await), "CommitFailed");
    assert_eq!((stage.balance(), stage.dead_letters()), (0, 1));

    let stage = Stage::new([Scene::Instead(unknown)]);
    assert!(stage.deliver(&Book::default(), false).await.is_retry());
    assert_eq!(stage.dead_letters(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_somebody_else_may_yet_finish_is_not_dead_lettered_even_on_the_last_attempt() {
    let stage = Stage::new([Scene::Instead(CommitOutcome::LeaseLost)]);
    let verdict = stage.deliver(&leased(Book::default()), true).await;
    assert!(matches!(verdict, Verdict::Retry { cause: RetryCause::LeaseLost, .. }), "{verdict:?}");
    let until = stage.world.time.now() + Duration::from_secs(7);
    let stage = Stage { ledger: Stage::new([Scene::Instead(CommitOutcome::Busy { until })]).ledger, ..stage };
    let verdict = stage.deliver(&Book::default(), true).await;
    assert_eq!(verdict, Verdict::Retry { after: Duration::from_secs(7), cause: RetryCause::Busy });
    assert_eq!(stage.dead_letters(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_can_never_be_committed_is_rejected() {
    let stage = Stage::new([Scene::Instead(CommitOutcome::Invalid(error()))]);
    assert_eq!(error_type(&stage.deliver(&Book::default(), false).await), "InvalidCommit");
    assert_eq!((stage.dead_letters(), stage.ledger.inner.claim_count()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn what_can_never_be_committed_and_was_done_before_is_a_duplicate() {
    let stage = Stage::new([]);
    assert_eq!(stage.deliver(&Book::default(), false).await, Verdict::Done);
    stage.ledger.script.lock().unwrap().push_back(Scene::Instead(CommitOutcome::Invalid(error())));
    assert_eq!(stage.deliver(&Book::default(), false).await, Verdict::Duplicate);
    assert_eq!(stage.dead_letters(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_lease_has_an_end_even_if_the_invocations_is_not_known() {
    let world = World::new();
    let handler = leased(Book::default());
    let slow = [body("e-1", deposit("a", 1, Behaviour::TakesAnHour))];
    let (first, second) =
        tokio::join!(world.deliver(&handler, None, &slow), world.deliver(&handler, None, &slow));
    assert_eq!(first, [Verdict::Done], "nobody took over");
    let longest = Settings::new("bank").longest_lease;
    assert_eq!(second, [Verdict::Retry { after: longest, cause: RetryCause::Busy }]);
}
