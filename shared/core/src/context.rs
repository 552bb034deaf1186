//! The context of a handler while it decides.

use crate::{
    Attributes, Entity, Timestamp, Versioned,
    entity::{EntityKey, Version},
    identity::ClaimKey,
    item::Item,
    json_error::without_values,
    ledger::{LedgerError, Read, Stored},
    process::{LaneId, Requests, Staged},
};
use std::sync::{Arc, Mutex, PoisonError};

/// The context of a handler while it decides: entities, the time, the message's attributes.
///
/// The time is fixed for an attempt: a handler sees one `now`.
pub struct Context<'a> {
    pub(crate) requests: &'a Requests<'a>,
    pub(crate) lane: LaneId,
    pub(crate) staged: &'a Staged,
    pub(crate) attributes: &'a Attributes,
    pub(crate) claim_key: &'a ClaimKey,
    pub(crate) now: Timestamp,
    pub(crate) deadline: Option<Timestamp>,
    pub(crate) attempt: u32,
    pub(crate) reads: Mutex<Reads>,
}

/// The entities that a handler has looked at.
#[derive(Debug, Default)]
pub(crate) struct Reads {
    /// The reads that must still hold when the handler's effects are committed.
    pub(crate) unchanging: Vec<Read>,
    /// The entities that were found, for a later save: one for each version.
    pub(crate) loaded: Vec<Loaded>,
}

/// An entity as it was found.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) key: EntityKey,
    pub(crate) version: Version,
    pub(crate) item: Arc<Item>,
}

/// Why an entity could not be loaded. Handled with `?`, it means *retry*, but for [`LoadError::NoKey`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The ledger did not answer.
    #[error("{key} could not be loaded: {source}")]
    Ledger {
        /// The entity's key.
        key: EntityKey,
        /// The ledger's error.
        source: LedgerError,
    },
    /// It was loaded twice, and somebody saved it in between: what was decided on the first is stale.
    #[error("{key} was changed while it was handled")]
    Changed {
        /// The entity's key.
        key: EntityKey,
    },
    /// No key can hold its id. Nothing mends that: with `?` it means *permanent*.
    #[error("{key} cannot be loaded: {why}")]
    NoKey {
        /// The entity's key.
        key: EntityKey,
        /// The problem with its id.
        why: String,
    },
    /// The stored item does not have the shape of the Rust type.
    #[error("{key} is stored in another shape than the code reads: {}", without_values(.error))]
    Malformed {
        /// The entity's key.
        key: EntityKey,
        /// The JSON reader's error.
        error: serde_json::Error,
    },
}

impl Context<'_> {
    /// Loads an entity, strongly consistent.
    ///
    /// The commit happens only if the entity is still what it was (or still is not there), whether the
    /// handler saves it or not: what it decided on must still be true. See [`peek`](Self::peek).
    ///
    /// # Errors
    /// [`LoadError`]; with `?` it means *retry*, unless no key can hold the id.
    pub async fn load<T: Entity>(&self, id: &str) -> Result<Option<Versioned<T>>, LoadError> {
        let key = EntityKey::of::<T>(id);
        let stored = self.fetch_unchanging(&key).await?;
        self.read(&key, stored).map_err(|error| LoadError::Malformed { key, error })
    }

    /// Loads an entity whose later changes do not matter to the decision.
    ///
    /// # Errors
    /// [`LoadError`]; with `?` it means *retry*, unless no key can hold the id.
    pub async fn peek<T: Entity>(&self, id: &str) -> Result<Option<Versioned<T>>, LoadError> {
        let key = EntityKey::of::<T>(id);
        let stored = self.fetch(&key).await?;
        self.read(&key, stored).map_err(|error| LoadError::Malformed { key, error })
    }

    /// The time of this attempt.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// When the invocation is ended, if that is known.
    pub fn deadline(&self) -> Option<Timestamp> {
        self.deadline
    }

    /// Returns the number of this delivery of the message, from 1.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// The attributes of the message being handled.
    pub fn attributes(&self) -> &Attributes {
        self.attributes
    }

    /// Returns the idempotency key to give to an API outside: the same for every attempt at this message by this
    /// handler, and for no other.
    pub fn idempotency_key(&self) -> String {
        self.claim_key.idempotency_key()
    }

    async fn fetch(&self, key: &EntityKey) -> Result<Option<Stored>, LoadError> {
        if let Err(why) = key.check_id() {
            return Err(LoadError::NoKey { key: key.clone(), why });
        }
        match self.staged.get(key) {
            Some(staged) => Ok(Some(staged.clone())),
            None => self
                .requests
                .load(self.lane, key.clone())
                .await
                .map_err(|source| LoadError::Ledger { key: key.clone(), source }),
        }
    }

    /// Fetches an entity that must be unchanged when the handler's effects are committed.
    async fn fetch_unchanging(&self, key: &EntityKey) -> Result<Option<Stored>, LoadError> {
        let stored = self.fetch(key).await?;
        let version = stored.as_ref().map_or(Version::Absent, |stored| stored.version);
        let mut reads = self.reads.lock().unwrap_or_else(PoisonError::into_inner);
        match reads.unchanging.iter().find(|read| read.key == *key) {
            Some(read) if read.version == version => {}
            Some(_) => return Err(LoadError::Changed { key: key.clone() }),
            None => reads.unchanging.push(Read { key: key.clone(), version }),
        }
        drop(reads);
        Ok(stored)
    }

    /// The entity that is stored. It is kept in mind as it is: a save leaves alone what its type does not read.
    fn read<T: Entity>(
        &self,
        key: &EntityKey,
        stored: Option<Stored>,
    ) -> Result<Option<Versioned<T>>, serde_json::Error> {
        let Some(Stored { version, data }) = stored else { return Ok(None) };
        let value = T::from_item(&data)?;
        let mut reads = self.reads.lock().unwrap_or_else(PoisonError::into_inner);
        if !reads.loaded.iter().any(|loaded| loaded.key == *key && loaded.version == version) {
            reads.loaded.push(Loaded { key: key.clone(), version, item: Arc::new(data) });
        }
        drop(reads);
        Ok(Some(Versioned { value, version }))
    }
}

impl std::fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context")
            .field("attributes", self.attributes)
            .field("now", &self.now)
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}
