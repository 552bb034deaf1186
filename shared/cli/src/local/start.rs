//! The start of a local cloud, whichever kind it is.

use crate::project::Project;
use std::path::Path;

/// What a kind of cloud needs to know to start.
pub(super) struct Start<'a> {
    /// Its files.
    pub(super) project: &'a Project,
    /// The port on which it shall listen.
    pub(super) port: u16,
    /// The address at which functions reach it.
    pub(super) functions_endpoint: &'a str,
    /// The folder for what it unpacks and keeps.
    pub(super) temporary: &'a Path,
}
