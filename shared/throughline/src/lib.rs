//! **Throughline**: write a function from an event to its effects; they happen exactly once, in one
//! transaction, and the whole line from the first event to the last can be shown.
//!
//! A function depends on this crate alone. It re-exports [`throughline_core`], adds the triggers that feed
//! a [`Handler`] ([`sqs`](fn@sqs), [`eventbridge`](fn@eventbridge), [`outbox`](fn@outbox)) and [`run`](fn@run),
//! which reads its settings, writes its logs and answers Lambda.
//!
//! ```no_run
//! use throughline::prelude::*;
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), throughline::Error> {
//!     throughline::run(throughline::sqs(raw("archive-upload", archive))).await
//! }
//!
//! #[derive(Debug, Clone, serde::Deserialize)]
//! struct Upload { key: String }
//!
//! async fn archive(upload: Envelope<Raw<Upload>>) -> Result<(), Failure> {
//!     println!("{}", upload.data.0.key);
//!     Ok(())
//! }
//! ```

pub mod environment;
pub mod eventbridge;
pub mod logs;
pub mod metrics;
pub mod outbox;
pub mod run;
pub mod saga_worker;
pub mod sqs;
#[cfg(feature = "otel")]
pub mod traces;

mod backend;
mod emf;
mod payload;
mod payloads;
mod system;
mod telemetry;

pub use backend::clients;
pub use environment::{Environment, SettingsError};
pub use eventbridge::eventbridge;
pub use outbox::outbox;
pub use run::{Error, Invocation, InvocationError, Trigger, run, run_with};
pub use saga_worker::saga_worker;
pub use sqs::sqs;
pub use throughline_aws as aws;
pub use throughline_core::*;
