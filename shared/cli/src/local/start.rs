//! The settings for the start of a local cloud, which are the same for every kind.

use crate::project::Project;
use std::path::Path;

/// The settings that every kind of cloud needs to start.
pub(super) struct Start<'a> {
    /// The project with the cloud's files.
    pub(super) project: &'a Project,
    /// The port on which it listens.
    pub(super) port: u16,
    /// The address at which functions reach it.
    pub(super) functions_endpoint: &'a str,
    /// The folder for files that it unpacks and keeps.
    pub(super) temporary: &'a Path,
}
