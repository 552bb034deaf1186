//! The shown form of a message: with sensitive values masked, or whole where that was asked for.

use super::{Catalogue, CatalogueError};
use crate::{progress::Progress, project::Project};
use serde_json::Value;

/// Decides what is shown of messages: this is the only place that does.
#[derive(Debug)]
pub struct Shown {
    /// The catalogue that masks; without one, everything is shown.
    catalogue: Option<Catalogue>,
}

impl Shown {
    /// Hides what the project's catalogue marks as sensitive, unless it is to be revealed, which is told.
    ///
    /// # Errors
    /// [`CatalogueError`], if the catalogue cannot be used.
    pub fn new(project: &Project, reveal: bool, progress: &dyn Progress) -> Result<Self, CatalogueError> {
        if reveal {
            progress.note("--reveal: what is marked as sensitive is shown");
            return Ok(Self::revealed());
        }
        Catalogue::of(project).map(Self::masked)
    }

    /// Hides what a catalogue marks as sensitive.
    pub fn masked(catalogue: Catalogue) -> Self {
        Self { catalogue: Some(catalogue) }
    }

    /// Hides nothing.
    pub fn revealed() -> Self {
        Self { catalogue: None }
    }

    /// Returns the data of a message of this type, as it may be shown.
    pub fn data(&self, message_type: &str, data: Value) -> Value {
        match &self.catalogue {
            Some(catalogue) => catalogue.masked(message_type, data),
            None => data,
        }
    }

    /// Returns an event, as it may be shown: a CloudEvent, alone or in what carried it.
    pub fn event(&self, event: Value) -> Value {
        match &self.catalogue {
            Some(catalogue) => catalogue.mask_envelope(event),
            None => event,
        }
    }

    /// Returns a body, as it may be shown.
    pub fn body(&self, body: &str) -> String {
        match &self.catalogue {
            Some(catalogue) => catalogue.masked_body(body),
            None => body.to_owned(),
        }
    }
}
