//! What is asked of a replay.

use std::path::PathBuf;
use throughline_core::Timestamp;

/// Which events are replayed, to whom, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReplayRequest {
    /// The stack's name: its queues and functions are called after it.
    pub stack: String,
    /// The first moment. Events in files need none.
    pub from: Option<Timestamp>,
    /// The moment after the last; `None` is now.
    pub until: Option<Timestamp>,
    /// Only events of these types; of all, if there are none.
    pub types: Vec<String>,
    /// Only events of these lines, by their correlation ids; of all, if there are none.
    pub correlation_ids: Vec<String>,
    /// Only to these rules of the bus, by their names.
    pub rules: Vec<String>,
    /// Only to the rules that lead to these handlers.
    pub handlers: Vec<String>,
    /// The archive's name; `None` is the one that the bus has.
    pub archive: Option<String>,
    /// A folder of files, each with a CloudEvent in JSON, which are sent instead of what was logged.
    pub directory: Option<PathBuf>,
    /// Whether events of other sources are looked for in the archive, too.
    pub foreign: bool,
    /// Whether events may be older than what handlers remember: they do such work again.
    pub accept_rerun: bool,
    /// Where events are sent one by one: the most a second.
    pub rate: u32,
}

impl ReplayRequest {
    /// Returns whether an event of this type and line was asked for.
    pub(crate) fn has(&self, message_type: &str, correlation_id: Option<&str>) -> bool {
        let is_of_type = self.types.is_empty() || self.types.iter().any(|wanted| wanted == message_type);
        let is_of_line = self.correlation_ids.is_empty()
            || self.correlation_ids.iter().any(|wanted| Some(wanted.as_str()) == correlation_id);
        is_of_type && is_of_line
    }

    /// Returns whether events are chosen by their type or line: an archive cannot do that.
    pub(crate) fn is_filtered(&self) -> bool {
        !self.types.is_empty() || !self.correlation_ids.is_empty()
    }

    /// Returns whether only some rules of the bus get the events.
    pub(crate) fn is_scoped(&self) -> bool {
        !self.rules.is_empty() || !self.handlers.is_empty()
    }
}
