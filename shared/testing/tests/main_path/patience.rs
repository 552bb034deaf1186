//! Slow neighbours: nobody waits for another record longer than it helps.

use crate::bank::{Account, Behaviour, Deposited, World, body, deposit};
use futures_util::future::BoxFuture;
use std::time::Duration;
use throughline_core::{
    Record, Verdict,
    entity::EntityKey,
    ledger::{Claim, ClaimOutcome, Commit, CommitOutcome, Ledger, LedgerError, Obstacle, Stored},
    ports::{Ports, Time as _},
    prelude::*,
    process::{RetryCause, Settings, process},
};
use throughline_testing::MemoryLedger;

/// A ledger that never answers who asks for the account "stuck".
struct Stuck(MemoryLedger);

impl Ledger for Stuck {
    fn claim<'a>(&'a self, claims: &'a [Claim]) -> BoxFuture<'a, Vec<ClaimOutcome>> {
        self.0.claim(claims)
    }

    fn recall<'a>(
        &'a self,
        claims: &'a [Claim],
    ) -> BoxFuture<'a, Vec<Result<Option<Obstacle>, LedgerError>>> {
        self.0.recall(claims)
    }

    fn load<'a>(&'a self, keys: &'a [EntityKey]) -> BoxFuture<'a, Vec<Result<Option<Stored>, LedgerError>>> {
        if keys.iter().any(|key| key.id == "stuck") {
            return Box::pin(std::future::pending());
        }
        self.0.load(keys)
    }

    fn commit<'a>(&'a self, commits: &'a [Commit]) -> BoxFuture<'a, Vec<CommitOutcome>> {
        self.0.commit(commits)
    }

    fn release<'a>(&'a self, claims: &'a [Claim]) -> BoxFuture<'a, Result<(), LedgerError>> {
        self.0.release(claims)
    }
}

fn record(body: &str) -> Record<'_> {
    Record { message_id: "m", source: "queue", body, attempt: 1, is_last_attempt: false, group: None }
}

/// Saves an account it has not looked at, after as many milliseconds as are deposited. One that is "stuck" it
/// looks at first.
#[derive(Debug, Clone)]
struct Opens;

impl Handler for Opens {
    const NAME: &'static str = "opens";
    type Message = Deposited;
    type Emits = Never;

    async fn handle(&self, deposit: Envelope<Deposited>, context: &Context<'_>) -> Result<Effects, Failure> {
        let Deposited { account: id, amount: balance, .. } = deposit.data;
        tokio::time::sleep(Duration::from_millis(balance)).await;
        if id == "stuck" {
            context.load::<Account>(&id).await?;
        }
        Ok(Effects::none().save(Versioned::new(Account { id, balance })))
    }
}

#[tokio::test(start_paused = true)]
async fn loads_that_are_never_answered_keep_no_other_from_its_commit() {
    let world = World::new();
    let ledger = Stuck(MemoryLedger::default());
    let ports = Ports { ledger: &ledger, ..world.ports() };
    // The second load is sent while the commit waits for what the first may lead to.
    let bodies = [("stuck", 1), ("a", 10), ("stuck", 20)]
        .map(|(account, after)| body(&format!("e-{after}"), deposit(account, after, Behaviour::Works)));
    let records: Vec<Record<'_>> = bodies.iter().map(|body| record(body)).collect();
    let deadline = world.time.now() + Duration::from_secs(10);
    let verdicts = process(&Opens, ports, &Settings::new("bank"), Some(deadline), &records).await;
    let late = Verdict::Retry { after: Duration::ZERO, cause: RetryCause::Deadline };
    assert_eq!(verdicts, [late.clone(), Verdict::Done, late]);
}
