//! The words of the command: for each its arguments, what it does and what it prints.

pub mod check;
pub mod demo;
pub mod deploy;
pub mod describe;
pub mod dlq;
pub mod down;
pub mod invoke;
pub mod logs;
pub mod metrics;
pub mod new;
pub mod outbox;
pub mod publish;
pub mod replay;
pub mod status;
pub mod tail;
pub mod trace;
pub mod up;
