//! The local clouds on this machine, and the programs that run beside them.

pub mod cloud;
mod docker;
pub mod error;
mod health;
mod kind;
mod localstack;
mod ministack;
pub(crate) mod program;
pub mod providers;
mod start;
pub mod watch;

pub(crate) use cloud::advice;
pub use kind::{Kind, Wanted};
