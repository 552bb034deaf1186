//! What of a message may be shown.

use crate::{
    project::{Project, catalogue::Catalogue},
    terminal::Terminal,
};
use serde_json::Value;
use std::error::Error;

/// Decides what is shown: this is the only place that does.
#[derive(Debug)]
pub(crate) struct Shown {
    /// What may be shown; everything if there is nothing.
    catalogue: Option<Catalogue>,
}

impl Shown {
    /// What the project's catalogue marks as sensitive is hidden, unless it is to be revealed, which is said.
    pub(crate) fn new(project: &Project, reveal: bool, terminal: Terminal) -> Result<Self, Box<dyn Error>> {
        if reveal {
            terminal.note("--reveal: what is marked as sensitive is shown");
            return Ok(Self { catalogue: None });
        }
        Ok(Self { catalogue: Some(Catalogue::of(project)?) })
    }

    /// An event, as it may be shown.
    pub(crate) fn event(&self, event: Value) -> Value {
        match &self.catalogue {
            Some(catalogue) => catalogue.mask_envelope(event),
            None => event,
        }
    }

    /// A body, as it may be shown.
    pub(crate) fn body(&self, body: &str) -> String {
        match &self.catalogue {
            Some(catalogue) => catalogue.masked_body(body),
            None => body.to_owned(),
        }
    }
}
