//! One delivery of a task to the worker, and what goes wrong with it.

use super::{
    fault::{Fault, Place},
    plan::Plan,
};
use crate::{MemoryLedger, TestTime};
use futures_util::future::BoxFuture;
use std::{
    future::pending,
    panic::resume_unwind,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};
use throughline_core::{
    EntityKey, Failure, Timestamp,
    ledger::{Claim, ClaimOutcome, Commit, CommitOutcome, Ledger, LedgerError, Obstacle, Stored},
    ports::Time,
    saga::{Interceptor, Work},
};
use tokio::sync::Notify;

tokio::task_local! {
    /// The delivery that is under way.
    pub(super) static DELIVERY: Arc<Delivery>;
}

/// One delivery of a task.
#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) place: Place,
    pub(super) fault: Option<Fault>,
    /// Whether this is the first delivery that the fault befalls.
    pub(super) is_first: bool,
    pub(super) plan: Arc<Plan>,
    commits: AtomicU32,
    /// Whether a function of the saga has run: the next commit holds its decision.
    has_run: AtomicBool,
    /// The worker is dead: nothing that it does happens any more.
    died: Notify,
}

impl Delivery {
    pub(super) fn next(plan: &Arc<Plan>, place: Place) -> Self {
        let fault = plan.next(place);
        let is_first = fault.is_some_and(|fault| plan.is_first(place, fault));
        Self { fault, is_first, ..Self::without_fault(plan, place) }
    }

    pub(super) fn without_fault(plan: &Arc<Plan>, place: Place) -> Self {
        Self {
            place,
            fault: None,
            is_first: false,
            plan: Arc::clone(plan),
            commits: AtomicU32::new(0),
            has_run: AtomicBool::new(false),
            died: Notify::new(),
        }
    }

    /// Returns whether the worker is held up for so long that it has no sense of time.
    fn is_late(&self) -> bool {
        matches!(self.fault, Some(Fault::LateBeforeFunction | Fault::LateBeforeCommit))
    }

    /// Returns whether the task never reaches the worker. While one delivery is held up there is no other, so that
    /// nothing but the tombstone stands in its way.
    pub(super) fn is_lost(&self) -> bool {
        self.is_late() && !self.is_first
    }

    pub(super) fn happened(&self) {
        if let Some(fault) = self.fault {
            self.plan.happened(self.place, fault);
        }
    }

    pub(super) async fn death(&self) {
        self.died.notified().await;
    }

    async fn die<T>(&self) -> T {
        self.happened();
        self.died.notify_one();
        pending().await
    }

    async fn until_released(&self) {
        self.happened();
        self.wait_for_release().await;
    }

    async fn wait_for_release(&self) {
        let mut released = self.plan.released(self.place.step);
        // Nobody is left to release it: it goes on.
        drop(released.wait_for(|is_released| *is_released).await);
    }

    /// Returns whether the worker dies before, or after, its next commit.
    fn fate(&self) -> Fate {
        let commit = self.commits.fetch_add(1, Ordering::SeqCst);
        match (self.fault, commit) {
            (Some(Fault::DiesBeforeCommit), _) if self.has_run.load(Ordering::SeqCst) => Fate::DiesBefore,
            (Some(Fault::DiesAfterCommit), 0) | (Some(Fault::DiesAfterAsking), 1) => Fate::DiesAfter,
            _ => Fate::Lives,
        }
    }
}

enum Fate {
    Lives,
    DiesBefore,
    DiesAfter,
}

/// Puts the faults of the delivery under way around functions.
#[derive(Debug)]
pub(super) struct Faults;

impl Interceptor for Faults {
    fn before<'a>(&'a self, _: Work, _: &'a str) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let delivery = DELIVERY.get();
            match delivery.fault {
                Some(Fault::FailsForGood) => {
                    delivery.happened();
                    Err(Failure::reject("it is refused on purpose").named("Refused"))
                }
                Some(Fault::FailsOnce | Fault::FailsAlways) => {
                    delivery.happened();
                    Err(Failure::retry("it fails on purpose"))
                }
                Some(Fault::PanicsOnce | Fault::PanicsAlways) => {
                    delivery.happened();
                    // Without the hook that prints every panic: there are many.
                    resume_unwind(Box::new("it panics on purpose"))
                }
                Some(Fault::LateBeforeFunction) => {
                    delivery.until_released().await;
                    Ok(())
                }
                _ => Ok(()),
            }
        })
    }

    fn after<'a>(&'a self, _: Work, _: &'a str) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let delivery = DELIVERY.get();
            delivery.has_run.store(true, Ordering::SeqCst);
            match delivery.fault {
                Some(Fault::TimesOutOnce | Fault::TimesOutAlways | Fault::DeadlinePasses) => {
                    delivery.happened();
                    pending().await
                }
                Some(Fault::LateBeforeCommit) => {
                    delivery.until_released().await;
                    Ok(())
                }
                _ => Ok(()),
            }
        })
    }
}

/// The time of a delivery. Who is held up does not feel it pass.
#[derive(Debug)]
pub(super) struct DeliveryTime {
    pub(super) time: TestTime,
    pub(super) delivery: Arc<Delivery>,
}

impl Time for DeliveryTime {
    fn now(&self) -> Timestamp {
        self.time.now()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            if self.delivery.is_late() {
                self.delivery.wait_for_release().await;
            }
            self.time.sleep(duration).await;
        })
    }
}

/// The ledger as a delivery sees it.
#[derive(Debug)]
pub(super) struct DeliveryLedger {
    pub(super) ledger: Arc<MemoryLedger>,
    pub(super) delivery: Arc<Delivery>,
    /// Told of every commit.
    pub(super) committed: Arc<Notify>,
}

impl Ledger for DeliveryLedger {
    fn claim<'a>(&'a self, claims: &'a [Claim]) -> BoxFuture<'a, Vec<ClaimOutcome>> {
        self.ledger.claim(claims)
    }

    fn inspect<'a>(
        &'a self,
        claims: &'a [Claim],
    ) -> BoxFuture<'a, Vec<Result<Option<Obstacle>, LedgerError>>> {
        self.ledger.inspect(claims)
    }

    fn load<'a>(&'a self, keys: &'a [EntityKey]) -> BoxFuture<'a, Vec<Result<Option<Stored>, LedgerError>>> {
        self.ledger.load(keys)
    }

    fn commit<'a>(&'a self, commits: &'a [Commit]) -> BoxFuture<'a, Vec<CommitOutcome>> {
        Box::pin(async move {
            let fate = self.delivery.fate();
            if matches!(fate, Fate::DiesBefore) {
                return self.delivery.die().await;
            }
            let outcomes = self.ledger.commit(commits).await;
            self.committed.notify_one();
            if matches!(fate, Fate::DiesAfter) {
                return self.delivery.die().await;
            }
            outcomes
        })
    }

    fn release<'a>(&'a self, claims: &'a [Claim]) -> BoxFuture<'a, Result<(), LedgerError>> {
        self.ledger.release(claims)
    }
}
