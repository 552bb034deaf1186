//! A deployed stack on AWS or on a local cloud: its place, its resources and the ways to query it.

pub mod aws_command_line;
pub mod logs;
pub mod place;
pub(crate) mod relay_settings;
pub mod stack;
pub mod target;
