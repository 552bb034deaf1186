//! The throughline command: the local cloud, deployment, publishing and following events.

pub mod aws_command_line;
mod background;
pub mod catalogue;
pub mod check;
pub mod cloud_error;
pub mod demo;
pub mod deploy;
pub mod dlq;
pub mod down;
pub mod execution;
pub mod gateway;
mod http;
pub mod invoke;
pub mod line_tree;
pub mod local_cloud;
pub mod logs;
pub mod place;
pub mod project;
pub mod publish;
pub mod stack;
pub mod status;
pub mod target;
pub mod template;
pub mod terminal;
pub mod trace;
pub mod up;
