//! **Throughline**: write a function from an event to its effects; they happen exactly once, in one
//! transaction, and the whole line from the first event to the last can be shown.
//!
//! A function depends on this crate alone. It re-exports the items of [`throughline_core`] by name, adds the triggers
//! that feed a [`Handler`] and [`run`](fn@run), which reads the settings, writes the logs and answers Lambda.
//! The [`guide`] says how to use it.
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
//!
//! # Contents
//!
//! - **Handlers**: [`Handler`], [`handler_fn`], [`leased`], [`raw`], [`Context`], [`Effects`], [`Failure`]; the
//!   [main path](mod@process) with its [`ports`] and its [`observer`].
//! - **Messages**: [`events!`], [`commands!`], [`Envelope`] (and [which CloudEvents are understood](envelope)), [`Message`], [`Sensitive`]; the [`Entity`] and the
//!   [`ledger`] that keeps it; the [`catalogue`] as a file.
//! - **Sagas**: [`Saga`], [`SagaInput`], [`StepContext`], [`Output`], [`CallbackId`]; the rest of [`saga`].
//! - **Projections**: [`projection`], [`Projector`], [`Reprocess`].
//! - **Triggers**: [`sqs`](fn@sqs), [`eventbridge`](fn@eventbridge), [`saga_worker`](fn@saga_worker); [`run`](fn@run),
//!   [`run_with`], [`Environment`].
//! - **Publishing**: [`outbox`](fn@outbox), the [`relay`](mod@relay) behind it, [`clients`] and [`aws`].
//!
//! Most files need [`prelude`] only.

pub mod environment;
pub mod eventbridge;
pub mod guide;
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

// Handlers: what a function is, what it returns, and how a batch of records goes through it.
#[doc(inline)]
pub use throughline_core::{
    BoxError, Context, Effects, EffectsError, Failure, FailureKind, Handler, HandlerFn, IntoEffects, Leased,
    LoadError, OptionExt, Record, ResultExt, Surroundings, Timestamp, Verdict, handler_fn, leased, prelude,
    process, raw,
};
#[doc(inline)]
pub use throughline_core::{observer, ports};

// Messages: events, commands and entities, and the ledger that keeps them.
#[doc(inline)]
pub use throughline_core::{
    Attributes, Command, CommandSend, DataError, Destination, EncodeError, EncodedEnvelope, Entity,
    EntityKey, EntitySave, EntityTable, Envelope, EnvelopeError, Event, Message, MessageType, Never, Raw,
    Sensitive, Version, Versioned, WireForm, commands, events,
};
#[doc(inline)]
pub use throughline_core::{catalogue, envelope, ledger};

// Sagas: the steps of a workflow and their compensations.
#[doc(inline)]
pub use throughline_core::{CallbackId, Output, Saga, SagaInput, StepContext, Unwound, saga};

// Projections: views that a replay may fill again.
#[doc(inline)]
pub use throughline_core::{
    Projection, Projector, ReplayPolicy, Reprocess, Reprocessable, Reprocessed, projection,
};

// Triggers: what feeds a function, and how it runs on Lambda.
pub use environment::{Environment, SettingsError};
pub use eventbridge::eventbridge;
pub use run::{Error, Invocation, InvocationError, Trigger, run, run_with};
pub use saga_worker::saga_worker;
pub use sqs::sqs;
#[doc(inline)]
pub use throughline_core::describe;

// Publishing: the relay from the ledger's log to bus, queues and state machines, and AWS's clients.
pub use backend::clients;
pub use outbox::outbox;
pub use throughline_aws as aws;
#[doc(inline)]
pub use throughline_core::relay;
