//! Tables of their own that handlers use, held against those they declare.
//!
//! A function knows the tables that its handler declares: the setting of each is looked for when it starts. One
//! that is only used is missing once it is deployed, and then every message fails. So it fails a test.

use futures_util::future::BoxFuture;
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};
use throughline_core::{
    EntityKey, EntityTable, Handler, Saga,
    ledger::{Claim, ClaimOutcome, Commit, CommitOutcome, Ledger, LedgerError, Obstacle, Stored},
    saga::Worker,
};

/// The declared tables, and the undeclared ones that were used all the same.
#[derive(Debug, Clone)]
pub(crate) struct DeclaredTables {
    /// The handler or saga that declares them.
    user: String,
    /// The code that declares a table, before and after the table's name.
    declaration: (&'static str, &'static str),
    declared: Vec<&'static str>,
    /// Names and entities' kinds.
    undeclared: Arc<Mutex<BTreeSet<(&'static str, &'static str)>>>,
}

impl DeclaredTables {
    pub(crate) fn of_handler<H: Handler>(handler: &H) -> Self {
        Self {
            user: format!("handler `{}`", handler.name()),
            declaration: ("in its `impl Handler`: const TABLES: &'static [&'static str] = &[", "];"),
            declared: H::TABLES.to_vec(),
            undeclared: Arc::default(),
        }
    }

    pub(crate) fn of_worker<P: Send + Sync + 'static>(worker: &Worker<P>) -> Self {
        Self {
            user: format!("saga `{}`", worker.saga().name()),
            declaration: ("in the saga's definition: .tables(&[", "])"),
            declared: worker.definitions().flat_map(Saga::own_tables).copied().collect(),
            undeclared: Arc::default(),
        }
    }

    /// The same ledger; what is asked of it is looked at.
    pub(crate) fn watch<'a>(&'a self, ledger: &'a dyn Ledger) -> Watched<'a> {
        Watched { ledger, tables: self }
    }

    fn note<'k>(&self, keys: impl Iterator<Item = &'k EntityKey>) {
        for key in keys {
            if let EntityTable::Own { name, .. } = key.table
                && !self.declared.contains(&name)
            {
                self.undeclared.lock().unwrap_or_else(PoisonError::into_inner).insert((name, key.kind));
            }
        }
    }

    /// # Panics
    /// If a table was used that is not declared.
    pub(crate) fn check(&self) {
        let undeclared = self.undeclared.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some((name, kind)) = undeclared.first() else { return };
        let (before, after) = self.declaration;
        let all: BTreeSet<&str> =
            self.declared.iter().copied().chain(undeclared.iter().map(|(name, _)| *name)).collect();
        let all: Vec<String> = all.iter().map(|name| format!("{name:?}")).collect();
        panic!(
            "{} uses the table `{name}`, where its entity `{kind}` is stored, and does not declare it: once it is \
             deployed nothing tells it that table's real name, and every message fails. Declare it {before}{}{after}",
            self.user,
            all.join(", "),
        );
    }
}

/// A ledger that is watched.
pub(crate) struct Watched<'a> {
    ledger: &'a dyn Ledger,
    tables: &'a DeclaredTables,
}

impl Ledger for Watched<'_> {
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
        self.tables.note(keys.iter());
        self.ledger.load(keys)
    }

    fn commit<'a>(&'a self, commits: &'a [Commit]) -> BoxFuture<'a, Vec<CommitOutcome>> {
        self.note_commits(commits);
        self.ledger.commit(commits)
    }

    fn commit_counted<'a>(&'a self, commits: &'a [Commit]) -> BoxFuture<'a, (Vec<CommitOutcome>, usize)> {
        self.note_commits(commits);
        self.ledger.commit_counted(commits)
    }

    fn release<'a>(&'a self, claims: &'a [Claim]) -> BoxFuture<'a, Result<(), LedgerError>> {
        self.ledger.release(claims)
    }
}

impl Watched<'_> {
    fn note_commits(&self, commits: &[Commit]) {
        self.tables.note(commits.iter().flat_map(Commit::expected).map(|(key, _)| key));
    }
}
