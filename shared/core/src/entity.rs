//! Entities: what a function owns and stores, each one DynamoDB item of native attributes.

use crate::{
    item::{self, Attribute, Item},
    limits::MOST_KEY_BYTES,
};
use serde::{Serialize, de::DeserializeOwned};

/// Something a function owns and stores: one item, saved at the version it was loaded at.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use throughline_core::prelude::*;
///
/// #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
/// struct Order { id: String, status: String }
///
/// impl Entity for Order {
///     const KIND: &'static str = "order";
///     fn id(&self) -> String { self.id.clone() }
/// }
/// ```
///
/// What is saved can be loaded again, or the save is refused: serde reads no integers of 128 bits, and no maps whose keys
/// are no texts, within [`flatten`](https://serde.rs/attr-flatten.html) and enums with `tag` or `untagged`.
///
/// # Items that others write, too
///
/// A save changes what the type reads and leaves the rest: attributes and members of maps that it does not know, sets as
/// sets, bytes as bytes, and all digits of a number that it did not change. Four things are the type's alone:
///
/// - A list whose length changes is written as the type has it, but for the members that are as they were.
/// - A field that was read under an old name ([`alias`](https://serde.rs/field-attrs.html#alias)) is written under its
///   new one, and the old one goes.
/// - A set that would become empty is refused, since DynamoDB has none: leave the field out with
///   `skip_serializing_if`, and read it with `default`.
/// - An entity that this attempt did not load replaces what is there at its version.
///
/// In [a table of one's own](EntityTable::Own) an item that holds anything of others is changed attribute by attribute,
/// so that what they write between the load and the save stays, too. For that the function needs `dynamodb:UpdateItem`.
/// What they write to an attribute that the type changes is overwritten, unless they count up [`VERSION_ATTRIBUTE`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an entity",
    label = "this does not implement `Entity`",
    note = "implement `Entity` for it: a `KIND`, and an `id()` that never changes"
)]
pub trait Entity: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The kind of the entity. Part of its key: never change it once items exist.
    const KIND: &'static str;
    /// The table that stores it: the ledger's own, unless set otherwise.
    const TABLE: EntityTable = EntityTable::Ledger;
    /// Which one of its kind it is. Must not change. Keys, logs, traces and dead letters show it, so that it must be
    /// nothing [sensitive](crate::Sensitive): such an entity is refused. It has 1 to 2,048 bytes, in the ledger's table
    /// together with its kind and one more.
    fn id(&self) -> String;
    /// Reads it from its attributes.
    #[doc(hidden)]
    fn from_item(item: &Item) -> Result<Self, serde_json::Error> {
        item::read_item(item)
    }
}

/// The table that stores an entity.
///
/// An entity in a table of your own still joins the same transaction as the claim and the events.
///
/// ```
/// use throughline_core::EntityTable;
/// // The setting THROUGHLINE_TABLE_STOCK holds the table's real name.
/// let table = EntityTable::Own { name: "stock", partition_key: "sku", sort_key: None };
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EntityTable {
    /// The ledger's table, at partition key `<kind>#<id>` and sort key `state`.
    Ledger,
    /// A table of your own. Its keys are of DynamoDB's type string. The function needs `dynamodb:BatchGetItem`,
    /// `ConditionCheckItem`, `PutItem` and `UpdateItem` on it.
    Own {
        /// Its logical name: the setting `THROUGHLINE_TABLE_<NAME>` holds the real one.
        name: &'static str,
        /// The attribute that is its partition key; the entity's data must hold its id there.
        partition_key: &'static str,
        /// Its sort key, if it has one: the attribute, and the value all entities of this kind have there.
        sort_key: Option<(&'static str, &'static str)>,
    },
}

/// The key of an entity.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EntityKey {
    /// [`Entity::KIND`].
    pub kind: &'static str,
    /// [`Entity::id`].
    pub id: String,
    /// [`Entity::TABLE`].
    pub table: EntityTable,
}

impl EntityKey {
    /// The key of the `T` with this id.
    pub fn of<T: Entity>(id: impl Into<String>) -> Self {
        Self { kind: T::KIND, id: id.into(), table: T::TABLE }
    }
}

impl EntityKey {
    /// Checks that an item can be stored under this key.
    pub(crate) fn check_id(&self) -> Result<(), String> {
        if self.id.is_empty() {
            return Err("its id is empty, which no key can be".into());
        }
        let bytes = match self.table {
            EntityTable::Ledger => self.kind.len() + 1 + self.id.len(),
            EntityTable::Own { .. } => self.id.len(),
        };
        if bytes > MOST_KEY_BYTES {
            return Err(format!(
                "its key has {bytes} bytes; DynamoDB's partition keys have at most {MOST_KEY_BYTES}"
            ));
        }
        Ok(())
    }

    /// Checks that data can be stored under this key: the names of the attributes that a ledger adds are taken, and a
    /// table of one's own must find its partition key in the data.
    pub(crate) fn check(&self, data: &Item) -> Result<(), String> {
        let taken: &[&str] = match self.table {
            // The last three are the keys of the indexes over a line and over time: DynamoDB refuses an item
            // that has anything but a text there.
            EntityTable::Ledger => &[
                "pk",
                "sk",
                "expires_at",
                VERSION_ATTRIBUTE,
                SEQUENCE_ATTRIBUTE,
                "correlationid",
                "occurred_at",
                "time_bucket",
            ],
            EntityTable::Own { .. } => &[VERSION_ATTRIBUTE, SEQUENCE_ATTRIBUTE],
        };
        if let Some(name) = taken.iter().find(|name| data.contains_key(**name)) {
            return Err(format!("its field `{name}` has the name of an attribute the ledger uses"));
        }
        if let EntityTable::Own { name, partition_key, .. } = self.table
            && data.get(partition_key).and_then(Attribute::as_text) != Some(&self.id)
        {
            return Err(format!(
                "table `{name}` has the partition key `{partition_key}`: a field of that name must hold the id"
            ));
        }
        Ok(())
    }
}

/// The attribute of a stored entity that counts its saves.
pub const VERSION_ATTRIBUTE: &str = "_version";
/// The attribute of a stored entity that counts the events committed with it.
pub const SEQUENCE_ATTRIBUTE: &str = "_sequence";

/// The start of an id is enough to recognise it by, where it is longer than any key.
const MOST_SHOWN_BYTES: usize = 256;

impl std::fmt::Display for EntityKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.id.len() > MOST_KEY_BYTES {
            let start = &self.id[..self.id.floor_char_boundary(MOST_SHOWN_BYTES)];
            return write!(f, "{} `{start}…` ({} bytes)", self.kind, self.id.len());
        }
        write!(f, "{} `{}`", self.kind, self.id)
    }
}

/// The state of an entity when it was read, which must still hold when it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Version {
    /// There was none.
    Absent,
    /// There was one that another program wrote: it has no version of ours yet. A save checks that it still has
    /// none; what that program changed meanwhile is not noticed. A program that goes on writing an item which
    /// handlers save must count up [`VERSION_ATTRIBUTE`].
    Unversioned,
    /// There was one at this version.
    At {
        /// Counts the saves.
        version: u64,
        /// Counts the events that were committed together with its saves: the CloudEvents `sequence`.
        sequence: u64,
    },
}

impl Version {
    /// Returns the number of events that have been committed with this entity.
    pub fn sequence(self) -> u64 {
        match self {
            Self::Absent | Self::Unversioned => 0,
            Self::At { sequence, .. } => sequence,
        }
    }

    /// The number of the next save.
    pub fn next(self) -> u64 {
        match self {
            Self::Absent | Self::Unversioned => 1,
            Self::At { version, .. } => version + 1,
        }
    }
}

/// An entity and the version it was read at.
///
/// ```
/// use throughline_core::{Version, Versioned};
/// let counter = Versioned::new(1); // not stored yet
/// assert_eq!(counter.map(|n| n + 1), Versioned { value: 2, version: Version::Absent });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Versioned<T> {
    /// The entity.
    pub value: T,
    /// The version that was read.
    pub version: Version,
}

impl<T> Versioned<T> {
    /// An entity that must not exist yet.
    pub fn new(value: T) -> Self {
        Self { value, version: Version::Absent }
    }

    /// The entity after a change.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Versioned<U> {
        Versioned { value: change(self.value), version: self.version }
    }
}
