//! A ledger that does not answer.

use futures_util::future::BoxFuture;
use throughline_core::{
    EntityKey,
    ledger::{Claim, ClaimOutcome, Commit, CommitOutcome, Ledger, LedgerError, Obstacle, Stored},
};
use throughline_testing::MemoryLedger;

/// A ledger that never answers some of what it is asked.
pub(crate) struct Silent {
    pub(crate) inner: MemoryLedger,
    to: To,
}

enum To {
    Commits,
    CommitsThatHappen,
    LoadsOf(&'static str),
}

impl Silent {
    /// Commits are never answered.
    pub(crate) fn to_commits() -> Self {
        Self { inner: MemoryLedger::default(), to: To::Commits }
    }

    /// Commits happen, and are never answered.
    pub(crate) fn to_commits_that_happen() -> Self {
        Self { inner: MemoryLedger::default(), to: To::CommitsThatHappen }
    }

    /// Whoever asks for the entity with this id is never answered.
    pub(crate) fn to_loads_of(id: &'static str) -> Self {
        Self { inner: MemoryLedger::default(), to: To::LoadsOf(id) }
    }
}

impl Ledger for Silent {
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
        match self.to {
            To::LoadsOf(id) if keys.iter().any(|key| key.id == id) => Box::pin(std::future::pending()),
            _ => self.inner.load(keys),
        }
    }

    fn commit<'a>(&'a self, commits: &'a [Commit]) -> BoxFuture<'a, Vec<CommitOutcome>> {
        match self.to {
            To::Commits => Box::pin(std::future::pending()),
            To::CommitsThatHappen => Box::pin(async {
                self.inner.commit(commits).await;
                std::future::pending().await
            }),
            To::LoadsOf(_) => self.inner.commit(commits),
        }
    }

    fn release<'a>(&'a self, claims: &'a [Claim]) -> BoxFuture<'a, Result<(), LedgerError>> {
        self.inner.release(claims)
    }
}
