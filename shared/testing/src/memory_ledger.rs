//! A ledger in memory, held to the same conformance suite as the one on DynamoDB.

use futures_util::future::BoxFuture;
use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
};
use throughline_core::{
    Entity, EntityKey, Timestamp, Version,
    internal::item::{item_of, read_item},
    ledger::{
        Changes, Claim, ClaimKey, ClaimOutcome, Commit, CommitOutcome, Item, Ledger, LedgerError, Obstacle,
        Outgoing, OwnerToken, PayloadHash, Recorded, Standing, Stored,
    },
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
        match item_of(entity) {
            Ok(item) => self.seed_item(EntityKey::of::<T>(entity.id()), item, version),
            Err(why) => panic!("{} `{}` cannot be stored: {why}", T::KIND, entity.id()),
        }
    }

    /// Stores an item as it is, whatever another program put into it.
    pub fn seed_item(&self, key: EntityKey, data: Item, version: Version) {
        self.lock().entities.insert(key, Stored { version, data });
    }

    /// An entity's attributes as they are now, those of other programs among them.
    pub fn item(&self, key: &EntityKey) -> Option<Item> {
        self.lock().entities.get(key).map(|stored| stored.data.clone())
    }

    /// An entity as it is now.
    pub fn entity<T: Entity>(&self, id: &str) -> Option<T> {
        let stored = self.lock().entities.get(&EntityKey::of::<T>(id)).cloned()?;
        match read_item(&stored.data) {
            Ok(entity) => Some(entity),
            Err(error) => panic!("{} `{id}` is stored in another shape: {error}", T::KIND),
        }
    }

    /// Removes every entity of a kind, as somebody does who empties a table.
    pub fn remove_all<T: Entity>(&self) {
        self.lock().entities.retain(|key, _| key.kind != T::KIND);
    }

    /// Returns the number of claims that are finished or held.
    pub fn claim_count(&self) -> usize {
        self.lock().claims.len()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn standing(&self, claim: &Claim) -> Standing {
        Standing::of(claim, self.claims.get(&claim.key).map(Held::recorded))
    }

    fn claim(&mut self, claim: &Claim) -> ClaimOutcome {
        self.standing(claim).on_claim().unwrap_or_else(|| {
            self.claims.insert(claim.key.clone(), Held::by(claim, claim.leased_until));
            ClaimOutcome::Held
        })
    }

    fn commit(&mut self, commit: &Commit) -> CommitOutcome {
        if let Some(what) = named_twice(commit) {
            let why = format!("{what} is named twice: a transaction may hold an item once");
            return CommitOutcome::Invalid(LedgerError(why));
        }
        let refused = commit.finished().find_map(|(claim, _)| self.standing(claim).on_commit(claim));
        if let Some(outcome) = refused {
            return outcome;
        }
        for (key, version) in commit.expected() {
            if self.entities.get(key).map_or(Version::Absent, |stored| stored.version) != version {
                return CommitOutcome::Conflict(key.clone());
            }
        }
        for save in &commit.saves {
            let version = Version::At { version: save.expected.next(), sequence: save.sequence };
            let data = match save.changes() {
                Some(changes) => {
                    let found = self.entities.remove(&save.key).map(|stored| stored.data).unwrap_or_default();
                    changed(found, &changes)
                }
                None => save.data.clone(),
            };
            self.entities.insert(save.key.clone(), Stored { version, data });
        }
        for (claim, outgoing) in commit.finished() {
            self.log.extend(outgoing.iter().cloned());
            self.claims.insert(claim.key.clone(), Held::by(claim, None));
        }
        CommitOutcome::Committed
    }
}

/// Changes what is to change, and leaves the rest.
fn changed(mut item: Item, changes: &Changes<'_>) -> Item {
    for name in &changes.removed {
        item.remove(*name);
    }
    item.extend(changes.set.iter().map(|(name, attribute)| ((*name).to_owned(), (*attribute).clone())));
    item
}

/// Returns the reason for which DynamoDB would refuse the commit.
fn named_twice(commit: &Commit) -> Option<String> {
    let claims = commit.finished().map(|(claim, _)| claim.key.to_string());
    let entities = commit.expected().map(|(key, _)| format!("{key:?}"));
    let mut names = HashSet::new();
    claims.chain(entities).find(|name| !names.insert(name.clone()))
}

impl Held {
    fn recorded(&self) -> Recorded<'_> {
        Recorded {
            owner: self.owner.as_str(),
            hash: self.hash.as_str(),
            is_hash_by_value: self.hash.is_by_value(),
            leased_until: self.leased_until,
            expires_at: self.expires_at,
        }
    }

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

    fn inspect<'a>(
        &'a self,
        claims: &'a [Claim],
    ) -> BoxFuture<'a, Vec<Result<Option<Obstacle>, LedgerError>>> {
        let inspect = |claim| Ok(self.lock().standing(claim).obstacle());
        Box::pin(async move { claims.iter().map(inspect).collect() })
    }

    fn load<'a>(&'a self, keys: &'a [EntityKey]) -> BoxFuture<'a, Vec<Result<Option<Stored>, LedgerError>>> {
        Box::pin(async move {
            let state = self.lock();
            keys.iter().map(|key| Ok(state.entities.get(key).cloned())).collect()
        })
    }

    fn commit<'a>(&'a self, commits: &'a [Commit]) -> BoxFuture<'a, Vec<CommitOutcome>> {
        Box::pin(async move { commits.iter().map(|commit| self.lock().commit(commit)).collect() })
    }

    fn release<'a>(&'a self, claims: &'a [Claim]) -> BoxFuture<'a, Result<(), LedgerError>> {
        Box::pin(async move {
            for claim in claims {
                let mut state = self.lock();
                if matches!(state.standing(claim), Standing::Ours { .. }) {
                    state.claims.remove(&claim.key);
                }
            }
            Ok(())
        })
    }
}
