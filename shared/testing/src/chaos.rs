//! Faults on purpose: a source that duplicates and reorders, and a ledger that fails at random. All of it
//! from a seed that is printed, so that what failed can be run again.

use crate::declared_tables::DeclaredTables;
use futures_util::future::BoxFuture;
use std::{
    collections::BTreeMap,
    env,
    sync::{Mutex, PoisonError},
};
use throughline_core::{
    EntityKey, Handler, Record, Verdict,
    internal::panics,
    ledger::{Claim, ClaimOutcome, Commit, CommitOutcome, Ledger, LedgerError, Obstacle, Stored},
    ports::Ports,
    process::{Delivery, Settings, process},
};

/// The seed of a test: from the environment variable `THROUGHLINE_SEED`, or random. It is printed, and so
/// shown when the test fails.
pub fn seed() -> u64 {
    let seed = match env::var("THROUGHLINE_SEED") {
        Ok(text) => {
            text.parse().unwrap_or_else(|_| panic!("THROUGHLINE_SEED is `{text}`, which is no whole number"))
        }
        Err(_) => fastrand::u64(..),
    };
    println!("to run this again: THROUGHLINE_SEED={seed}");
    seed
}

/// A ledger that fails at random: before anything happened, or after all of it did.
#[derive(Debug)]
pub struct FlakyLedger<L> {
    inner: L,
    random: Mutex<fastrand::Rng>,
    failures_in_hundred: u8,
}

/// A fault of a call.
enum Fault {
    None,
    /// Nothing happened, and the caller is told so.
    Refused,
    /// Nothing happened, but the caller cannot know.
    LostRequest,
    /// It happened, but the caller cannot know.
    LostAnswer,
}

impl<L: Ledger> FlakyLedger<L> {
    /// Makes this many calls in a hundred fail.
    pub fn new(inner: L, seed: u64, failures_in_hundred: u8) -> Self {
        Self { inner, random: Mutex::new(fastrand::Rng::with_seed(seed)), failures_in_hundred }
    }

    /// The ledger that does not fail.
    pub fn inner(&self) -> &L {
        &self.inner
    }

    fn fault(&self) -> Fault {
        let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        if random.u8(0..100) >= self.failures_in_hundred {
            return Fault::None;
        }
        match random.u8(0..3) {
            0 => Fault::Refused,
            1 => Fault::LostRequest,
            _ => Fault::LostAnswer,
        }
    }
}

fn fault(text: &str) -> LedgerError {
    LedgerError(format!("a fault on purpose: {text}"))
}

impl<L: Ledger> Ledger for FlakyLedger<L> {
    fn claim<'a>(&'a self, claims: &'a [Claim]) -> BoxFuture<'a, Vec<ClaimOutcome>> {
        Box::pin(async move {
            let mut outcomes = Vec::with_capacity(claims.len());
            for claim in claims {
                let one = std::slice::from_ref(claim);
                outcomes.extend(match self.fault() {
                    Fault::None => self.inner.claim(one).await,
                    Fault::Refused => vec![ClaimOutcome::Failed(fault("refused"))],
                    Fault::LostRequest => vec![ClaimOutcome::Failed(fault("the request was lost"))],
                    Fault::LostAnswer => {
                        self.inner.claim(one).await;
                        vec![ClaimOutcome::Failed(fault("the answer was lost"))]
                    }
                });
            }
            outcomes
        })
    }

    fn inspect<'a>(
        &'a self,
        claims: &'a [Claim],
    ) -> BoxFuture<'a, Vec<Result<Option<Obstacle>, LedgerError>>> {
        Box::pin(async move {
            match self.fault() {
                Fault::None => self.inner.inspect(claims).await,
                _ => vec![Err(fault("nothing was inspected")); claims.len()],
            }
        })
    }

    fn load<'a>(&'a self, keys: &'a [EntityKey]) -> BoxFuture<'a, Vec<Result<Option<Stored>, LedgerError>>> {
        Box::pin(async move {
            match self.fault() {
                Fault::None => self.inner.load(keys).await,
                _ => vec![Err(fault("nothing was loaded")); keys.len()],
            }
        })
    }

    fn commit<'a>(&'a self, commits: &'a [Commit]) -> BoxFuture<'a, Vec<CommitOutcome>> {
        Box::pin(async move {
            let mut outcomes = Vec::with_capacity(commits.len());
            for commit in commits {
                let one = std::slice::from_ref(commit);
                outcomes.extend(match self.fault() {
                    Fault::None => self.inner.commit(one).await,
                    Fault::Refused => vec![CommitOutcome::Contended(fault("throttled"))],
                    Fault::LostRequest => vec![CommitOutcome::Failed(fault("the request was lost"))],
                    Fault::LostAnswer => {
                        self.inner.commit(one).await;
                        vec![CommitOutcome::Failed(fault("the answer was lost"))]
                    }
                });
            }
            outcomes
        })
    }

    fn release<'a>(&'a self, claims: &'a [Claim]) -> BoxFuture<'a, Result<(), LedgerError>> {
        Box::pin(async move {
            match self.fault() {
                Fault::None => self.inner.release(claims).await,
                Fault::LostAnswer => {
                    self.inner.release(claims).await?;
                    Err(fault("the answer was lost"))
                }
                _ => Err(fault("nothing was released")),
            }
        })
    }
}

/// A source that delivers every body at least `copies` times, in any order, in batches of any size, and
/// again after each failure: what a standard queue may do, only more often.
#[derive(Debug)]
pub struct ChaoticSource {
    random: fastrand::Rng,
    copies: usize,
}

impl ChaoticSource {
    /// A source that delivers everything this many times.
    pub fn new(seed: u64, copies: usize) -> Self {
        Self { random: fastrand::Rng::with_seed(seed), copies: copies.max(1) }
    }

    /// Delivers until nothing is left to deliver. Returns every copy's last verdict, by the position of its
    /// body.
    ///
    /// # Panics
    /// If something has been delivered a thousand times and is still not settled; if the handler uses a table that it
    /// does not declare.
    pub async fn deliver<H: Handler>(
        &mut self,
        handler: &H,
        ports: Ports<'_>,
        settings: &Settings,
        bodies: &[String],
    ) -> BTreeMap<usize, Vec<Verdict>> {
        panics::tell_places();
        let tables = DeclaredTables::of_handler(handler);
        let ledger = tables.watch(ports.ledger);
        let ports = Ports { ledger: &ledger, ..ports };
        let mut waiting: Vec<(usize, u32)> =
            (0..bodies.len()).flat_map(|position| vec![(position, 1); self.copies]).collect();
        let mut verdicts: BTreeMap<usize, Vec<Verdict>> = BTreeMap::new();
        while !waiting.is_empty() {
            self.random.shuffle(&mut waiting);
            let size = self.random.usize(1..=waiting.len().min(10));
            let batch = waiting.split_off(waiting.len() - size);
            let ids: Vec<String> = batch.iter().map(|(position, _)| format!("record-{position}")).collect();
            let records: Vec<Record<'_>> = batch
                .iter()
                .zip(&ids)
                .map(|((position, attempt), message_id)| Record {
                    message_id,
                    source: "chaos",
                    body: &bodies[*position],
                    attempt: *attempt,
                    is_last_attempt: false,
                    group: None,
                    delivery: Delivery::default(),
                })
                .collect();
            let answers = process(handler, ports, settings, None, &records).await;
            tables.check();
            for ((position, attempt), verdict) in batch.into_iter().zip(answers) {
                if verdict.is_retry() {
                    assert!(attempt < 1000, "delivered a thousand times and not settled: {verdict:?}");
                    waiting.push((position, attempt + 1));
                } else {
                    verdicts.entry(position).or_default().push(verdict);
                }
            }
        }
        verdicts
    }
}
