//! The project's catalogue of messages, read from `events/catalogue.json`: what each message is, what its data may
//! look like, and which of it nobody may see.

mod check;
mod judge;
mod mask;
mod shown;

pub use check::Problem;
pub use shown::Shown;

use crate::project::Project;
use serde_json::Value;
use std::{fs, io, path::Path};
use throughline_core::catalogue::{CatalogueEntry, CatalogueFile};

/// The catalogue's file in a project.
const FILE: &str = "events/catalogue.json";

/// Why a project's catalogue cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// It, or one of its schemas, is not there.
    #[error(
        "{path}: {source}; the catalogue and its schemas are made of the event types by a test \
         (`throughline_testing::catalogue()`), run with THROUGHLINE_WRITE=1"
    )]
    Missing {
        /// The path where it should be.
        path: String,
        /// The system's error.
        source: io::Error,
    },
    /// It, or one of its schemas, cannot be read.
    #[error(
        "{path} is not what a catalogue holds: {reason}; write it anew by its test, with THROUGHLINE_WRITE=1"
    )]
    Malformed {
        /// Its path.
        path: String,
        /// The problem with it.
        reason: String,
    },
}

/// A message of one type and version, with the schema of its data.
#[derive(Debug, Clone)]
pub struct Message {
    /// The catalogue's entry.
    pub entry: CatalogueEntry,
    /// The JSON Schema of its data.
    pub schema: Value,
}

/// Every message of a project.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    messages: Vec<Message>,
}

impl Catalogue {
    /// The catalogue of a project.
    ///
    /// # Errors
    /// [`CatalogueError`], if it is not there or cannot be read.
    pub fn of(project: &Project) -> Result<Self, CatalogueError> {
        Self::read(&project.root().join(FILE))
    }

    /// The catalogue in a file; its schemas lie beside it.
    ///
    /// # Errors
    /// [`CatalogueError`], if it is not there or cannot be read.
    pub fn read(file: &Path) -> Result<Self, CatalogueError> {
        let folder = file.parent().unwrap_or(Path::new("."));
        let CatalogueFile { messages } = read(file)?;
        let with_schema =
            |entry: CatalogueEntry| Ok(Message { schema: read(&folder.join(&entry.schema))?, entry });
        Ok(Self { messages: messages.into_iter().map(with_schema).collect::<Result<_, _>>()? })
    }

    /// Its messages, in the order of their types and versions.
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// The message of a type and version.
    pub fn message(&self, message_type: &str, version: u16) -> Option<&Message> {
        let is_it = |message: &&Message| {
            message.entry.message_type == message_type && message.entry.schemaversion == version
        };
        self.messages.iter().find(is_it)
    }

    /// The versions of a type, the oldest first.
    pub fn of_type<'a>(&'a self, message_type: &'a str) -> impl Iterator<Item = &'a Message> + 'a {
        self.messages.iter().filter(move |message| message.entry.message_type == message_type)
    }
}

fn read<T: serde::de::DeserializeOwned>(file: &Path) -> Result<T, CatalogueError> {
    let path = || file.display().to_string();
    let text = fs::read_to_string(file).map_err(|source| CatalogueError::Missing { path: path(), source })?;
    serde_json::from_str(&text)
        .map_err(|error| CatalogueError::Malformed { path: path(), reason: error.to_string() })
}
