//! A ledger in memory, held to the same conformance suite as the one on DynamoDB.

use futures_util::future::BoxFuture;
use serde_json::Value;
use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};
use throughline_core::{
    Entity, Timestamp, Version,
    entity::EntityKey,
    identity::{ClaimKey, OwnerToken, PayloadHash},
    ledger::{Claim, ClaimOutcome, Commit, CommitOutcome, Ledger, LedgerError, Obstacle, Outgoing, Stored},
};

/// A ledger in memory.
#[derive(Debug, Default)]
pub struct MemoryLedger(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    claims: HashMap<ClaimKey, Held>,
    entities: HashMap<EntityKey, Stored>,
    log: Vec<Outgoing>,
}

#[derive(Debug, Clone)]
struct Held {
    hash: PayloadHash,
    owner: OwnerToken,
    /// While somebody is working on it; nothing once it is done.
    leased_until: Option<Timestamp>,
    expires_at: Timestamp,
}

impl MemoryLedger {
    /// Every message committed so far, in order.
    pub fn log(&self) -> Vec<Outgoing> {
        self.lock().log.clone()
    }

    /// Stores an entity as if it had been saved once, or as another program would have left it.
    pub fn seed<T: Entity>(&self, entity: &T, version: Version) {
        let data = match serde_json::to_value(entity) {
            Ok(Value::Object(data)) => data,
            other => panic!("{} `{}` is no JSON object: {other:?}", T::KIND, entity.id()),
        };
        self.lock().entities.insert(EntityKey::of::<T>(entity.id()), Stored { version, data });
    }

    /// An entity as it is now.
    pub fn entity<T: Entity>(&self, id: &str) -> Option<T> {
        let stored = self.lock().entities.get(&EntityKey::of::<T>(id)).cloned()?;
        match serde_json::from_value(Value::Object(stored.data)) {
            Ok(entity) => Some(entity),
            Err(error) => panic!("{} `{id}` is stored in another shape: {error}", T::KIND),
        }
    }

    /// How many claims are finished or held.
    pub fn claim_count(&self) -> usize {
        self.lock().claims.len()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// A claim that has expired is none, and a lease that has ended binds nobody.
    fn obstacle(&self, claim: &Claim) -> Option<Obstacle> {
        let held = self.claims.get(&claim.key).filter(|held| held.expires_at > claim.now)?;
        if held.leased_until.is_some_and(|until| until <= claim.now) {
            return None;
        }
        Some(match held.leased_until {
            Some(until) => Obstacle::Busy { until },
            None if held.hash == claim.hash => Obstacle::Duplicate,
            None => Obstacle::Mismatch,
        })
    }

    fn claim(&mut self, claim: &Claim) -> ClaimOutcome {
        match self.obstacle(claim) {
            Some(_) if self.is_held_by(claim) => ClaimOutcome::Held,
            Some(Obstacle::Duplicate) => ClaimOutcome::Duplicate,
            Some(Obstacle::Mismatch) => ClaimOutcome::Mismatch,
            Some(Obstacle::Busy { until }) => ClaimOutcome::Busy { until },
            None => {
                self.claims.insert(claim.key.clone(), Held::by(claim, claim.leased_until));
                ClaimOutcome::Held
            }
        }
    }

    fn commit(&mut self, commit: &Commit) -> CommitOutcome {
        let claim = &commit.claim;
        if let Some(outcome) = self.refuse(claim) {
            return outcome;
        }
        let expected = commit.reads.iter().map(|read| (&read.key, read.version));
        let expected = expected.chain(commit.saves.iter().map(|save| (&save.key, save.expected)));
        for (key, version) in expected {
            if self.entities.get(key).map_or(Version::Absent, |stored| stored.version) != version {
                return CommitOutcome::Conflict(key.clone());
            }
        }
        for save in &commit.saves {
            let version = Version::At { version: save.expected.next(), sequence: save.sequence };
            self.entities.insert(save.key.clone(), Stored { version, data: save.data.clone() });
        }
        self.log.extend(commit.outgoing.iter().cloned());
        self.claims.insert(claim.key.clone(), Held::by(claim, None));
        CommitOutcome::Committed
    }

    /// Why a commit's claim cannot be finished, if it cannot.
    fn refuse(&self, claim: &Claim) -> Option<CommitOutcome> {
        let held = self.claims.get(&claim.key);
        if held.is_some_and(|held| held.owner == claim.owner && held.leased_until.is_none()) {
            return Some(CommitOutcome::Committed); // the answer to this very commit was lost
        }
        let is_leased = claim.leased_until.is_some();
        if is_leased && self.is_held_by(claim) {
            return None;
        }
        match self.obstacle(claim) {
            Some(Obstacle::Duplicate) => Some(CommitOutcome::Duplicate),
            Some(Obstacle::Mismatch) => Some(CommitOutcome::Mismatch),
            Some(Obstacle::Busy { .. }) | None if is_leased => Some(CommitOutcome::LeaseLost),
            Some(Obstacle::Busy { until }) => Some(CommitOutcome::Busy { until }),
            None => None,
        }
    }

    fn is_held_by(&self, claim: &Claim) -> bool {
        self.claims
            .get(&claim.key)
            .is_some_and(|held| held.owner == claim.owner && held.leased_until.is_some())
    }
}

impl Held {
    fn by(claim: &Claim, leased_until: Option<Timestamp>) -> Self {
        Self {
            hash: claim.hash.clone(),
            owner: claim.owner.clone(),
            leased_until,
            expires_at: claim.expires_at,
        }
    }
}

impl Ledger for MemoryLedger {
    fn claim<'a>(&'a self, claims: &'a [Claim]) -> BoxFuture<'a, Vec<ClaimOutcome>> {
        Box::pin(async move { claims.iter().map(|claim| self.lock().claim(claim)).collect() })
    }

    fn recall<'a>(
        &'a self,
        claims: &'a [Claim],
    ) -> BoxFuture<'a, Result<Vec<Option<Obstacle>>, LedgerError>> {
        Box::pin(async move { Ok(claims.iter().map(|claim| self.lock().obstacle(claim)).collect()) })
    }

    fn load<'a>(&'a self, keys: &'a [EntityKey]) -> BoxFuture<'a, Result<Vec<Option<Stored>>, LedgerError>> {
        Box::pin(async move {
            let state = self.lock();
            Ok(keys.iter().map(|key| state.entities.get(key).cloned()).collect())
        })
    }

    fn commit<'a>(&'a self, commits: &'a [Commit]) -> BoxFuture<'a, Vec<CommitOutcome>> {
        Box::pin(async move { commits.iter().map(|commit| self.lock().commit(commit)).collect() })
    }

    fn release<'a>(&'a self, claims: &'a [Claim]) -> BoxFuture<'a, Result<(), LedgerError>> {
        Box::pin(async move {
            for claim in claims {
                let mut state = self.lock();
                if state.is_held_by(claim) {
                    state.claims.remove(&claim.key);
                }
            }
            Ok(())
        })
    }
}
