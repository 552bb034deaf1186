//! What a step may ask while it runs.

use crate::{
    Attributes, Entity, Timestamp, Versioned,
    context::{LoadError, Loads},
    entity::EntityKey,
};

use std::fmt;

/// What a step, an undo or an ending may ask while it runs: entities, the time, idempotency keys.
pub struct StepContext<'a> {
    pub(super) loads: &'a (dyn Loads + 'a),
    pub(super) attributes: &'a Attributes,
    pub(super) now: Timestamp,
    pub(super) attempt: u32,
    pub(super) execution: &'a str,
    pub(super) idempotency_key: &'a str,
    pub(super) undone_key: &'a str,
}

impl StepContext<'_> {
    /// Loads an entity, strongly consistent; what is decided on it must still be true when the step commits,
    /// as with [`Context::load`](crate::Context::load).
    ///
    /// # Errors
    /// [`LoadError`]; with `?` it means *retry*.
    pub async fn load<T: Entity>(&self, id: &str) -> Result<Option<Versioned<T>>, LoadError> {
        self.fetch(id, true).await
    }

    /// Loads an entity whose later changes do not matter to the decision.
    ///
    /// # Errors
    /// [`LoadError`]; with `?` it means *retry*.
    pub async fn peek<T: Entity>(&self, id: &str) -> Result<Option<Versioned<T>>, LoadError> {
        self.fetch(id, false).await
    }

    async fn fetch<T: Entity>(&self, id: &str, must_stay: bool) -> Result<Option<Versioned<T>>, LoadError> {
        let key = EntityKey::of::<T>(id);
        let stored = self.loads.fetch(key.clone(), must_stay).await?;
        stored.map(|stored| stored.read(&key)).transpose()
    }

    /// What to give an API outside as its idempotency key: the same for every attempt at this step, or this
    /// undo, of this execution.
    pub fn idempotency_key(&self) -> &str {
        self.idempotency_key
    }

    /// In an undo: the idempotency key that its step used. An API is to refuse what arrives under it from now
    /// on, and to take back what arrived.
    pub fn undone_key(&self) -> &str {
        self.undone_key
    }

    /// The time of this attempt.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Which attempt this is, from 1.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// The execution's name.
    pub fn execution(&self) -> &str {
        self.execution
    }

    /// The CloudEvents attributes of the task: its correlation, causation and trace context.
    pub fn attributes(&self) -> &Attributes {
        self.attributes
    }
}

impl fmt::Debug for StepContext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StepContext")
            .field("attributes", self.attributes)
            .field("now", &self.now)
            .field("attempt", &self.attempt)
            .field("execution", &self.execution)
            .finish_non_exhaustive()
    }
}
