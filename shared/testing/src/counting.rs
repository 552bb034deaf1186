//! A ledger that counts what it is asked.

use futures_util::future::BoxFuture;
use std::{
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use throughline_core::{
    EntityKey,
    ledger::{Claim, ClaimOutcome, Commit, CommitOutcome, Ledger, LedgerError, Obstacle, Stored},
};

/// A call of the [`Ledger`] port, and how many it was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// Claims that were taken.
    Claim(usize),
    /// Claims that were looked at.
    Inspect(usize),
    /// Entities that were loaded.
    Load(usize),
    /// Commits.
    Commit(usize),
    /// Claims that were given back.
    Release(usize),
}

/// A ledger that counts what it is asked, and takes its time to answer.
///
/// ```
/// # use throughline_core::ledger::Ledger;
/// use throughline_testing::{CountingLedger, MemoryLedger, counting::Call};
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let ledger = CountingLedger::new(MemoryLedger::default());
/// ledger.commit(&[]).await;
/// assert_eq!(ledger.take_calls(), [Call::Commit(0)]);
/// # }
/// ```
#[derive(Debug)]
pub struct CountingLedger<L> {
    inner: L,
    latency: Duration,
    calls: Mutex<Vec<Call>>,
}

impl<L: Ledger> CountingLedger<L> {
    /// Counts the calls of a ledger.
    pub fn new(inner: L) -> Self {
        Self { inner, latency: Duration::ZERO, calls: Mutex::default() }
    }

    /// Makes every call take this long.
    pub fn with_latency(self, latency: Duration) -> Self {
        Self { latency, ..self }
    }

    /// The ledger itself.
    pub fn inner(&self) -> &L {
        &self.inner
    }

    /// The calls since the last time this was asked, in order.
    pub fn take_calls(&self) -> Vec<Call> {
        mem::take(&mut *self.calls())
    }

    fn calls(&self) -> MutexGuard<'_, Vec<Call>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn counted<'a, T: Send + 'a>(&'a self, call: Call, answer: BoxFuture<'a, T>) -> BoxFuture<'a, T> {
        self.calls().push(call);
        Box::pin(async move {
            if !self.latency.is_zero() {
                tokio::time::sleep(self.latency).await;
            }
            answer.await
        })
    }
}

impl<L: Ledger> Ledger for CountingLedger<L> {
    fn claim<'a>(&'a self, claims: &'a [Claim]) -> BoxFuture<'a, Vec<ClaimOutcome>> {
        self.counted(Call::Claim(claims.len()), self.inner.claim(claims))
    }

    fn inspect<'a>(
        &'a self,
        claims: &'a [Claim],
    ) -> BoxFuture<'a, Vec<Result<Option<Obstacle>, LedgerError>>> {
        self.counted(Call::Inspect(claims.len()), self.inner.inspect(claims))
    }

    fn load<'a>(&'a self, keys: &'a [EntityKey]) -> BoxFuture<'a, Vec<Result<Option<Stored>, LedgerError>>> {
        self.counted(Call::Load(keys.len()), self.inner.load(keys))
    }

    fn commit<'a>(&'a self, commits: &'a [Commit]) -> BoxFuture<'a, Vec<CommitOutcome>> {
        self.counted(Call::Commit(commits.len()), self.inner.commit(commits))
    }

    fn release<'a>(&'a self, claims: &'a [Claim]) -> BoxFuture<'a, Result<(), LedgerError>> {
        self.counted(Call::Release(claims.len()), self.inner.release(claims))
    }
}
