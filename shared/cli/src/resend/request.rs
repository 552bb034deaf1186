//! The request of a replay.

use std::path::PathBuf;
use throughline_core::Timestamp;

/// The request of a replay: its events, their receivers and the options.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReplayRequest {
    /// The stack's name, with which the names of its queues and functions begin.
    pub stack: String,
    /// The start of the time range. Events in files need none.
    pub from: Option<Timestamp>,
    /// The end of the time range, exclusive; `None` is now.
    pub until: Option<Timestamp>,
    /// Only events of these types; of all, if there are none.
    pub types: Vec<String>,
    /// Only events of these lines, by their correlation ids; of all, if there are none.
    pub correlation_ids: Vec<String>,
    /// Only to these rules of the bus, by name; to all if neither rules nor handlers are named.
    pub rules: Vec<String>,
    /// Only to the rules that lead to these handlers.
    pub handlers: Vec<String>,
    /// The archive's name; `None` is the bus's only one.
    pub archive: Option<String>,
    /// A folder of files, each with a CloudEvent in JSON, which are sent instead of logged events.
    pub directory: Option<PathBuf>,
    /// Whether events of other sources in the archive are counted, too.
    pub foreign: bool,
    /// Whether events may be older than the handlers' claims: the handlers then do such work again.
    pub accept_rerun: bool,
    /// The highest number of messages a second, if they are sent one by one.
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

    /// Returns whether events are filtered by type or line, which an archive cannot do.
    pub(crate) fn is_filtered(&self) -> bool {
        !self.types.is_empty() || !self.correlation_ids.is_empty()
    }

    /// Returns whether only some rules of the bus get the events.
    pub(crate) fn is_scoped(&self) -> bool {
        !self.rules.is_empty() || !self.handlers.is_empty()
    }
}
