//! A deployed stack, on AWS or on a local cloud: where it is, what belongs to it, and how it is asked.

pub mod aws_command_line;
pub mod logs;
pub mod place;
pub(crate) mod relay_settings;
pub mod stack;
pub mod target;
