//! Messages that are sent again: from the log, from an archive or from files.

pub mod archive;
pub mod directory;
pub mod foreign;
pub mod journal;
pub mod plan;
pub(crate) mod planned;
pub mod rules;
pub mod sending;
