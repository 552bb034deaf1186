//! The heart of [Throughline](https://docs.rs/throughline): events, effects, handlers, the main path
//! and the ports it needs. Pure: no tokio, no AWS, no clock, no environment.
//!
//! Read [`process`](mod@process) first: it is the whole path of a batch, in one file. Then [`ledger`],
//! the one port behind which everything happens that must be atomic.
//!
//! A function depends on the `throughline` crate, which re-exports this one.

pub mod backoff;
pub mod catalogue;
pub mod context;
pub mod dead_letter;
pub mod decode;
pub mod delivery;
pub mod describe;
pub mod effects;
pub mod entity;
pub mod envelope;
pub mod failure;
pub mod handler;
pub mod identity;
pub mod item;
pub mod json_error;
pub mod ledger;
pub mod limits;
pub mod message;
pub mod metrics;
pub mod observer;
pub mod panics;
pub mod ports;
pub mod process;
pub mod projection;
pub mod relay;
pub mod replay;
pub mod saga;
pub mod sensitive;
pub mod sqs_batch;
pub mod surroundings;
pub mod trace_context;

mod scanner;

pub use context::Context;
pub use effects::{Effects, IntoEffects};
pub use entity::{Entity, EntityTable, Version, Versioned};
pub use envelope::{Attributes, Envelope};
pub use failure::{BoxError, Failure, OptionExt, ResultExt};
pub use handler::{Handler, handler_fn, leased, raw};
pub use jiff::Timestamp;
pub use ledger::Destination;
pub use message::{Command, Event, Message, MessageType, Never, Raw};
pub use process::{Record, Verdict, process};
pub use projection::{Projection, Projector, projection};
pub use replay::{Reprocess, Reprocessable};
pub use saga::{CallbackId, Output, Saga, SagaInput, StepContext, Unwound};
pub use sensitive::Sensitive;
pub use surroundings::Surroundings;

/// What a function's file usually needs, in one `use`.
///
/// ```
/// use throughline_core::prelude::*;
/// ```
pub mod prelude {
    pub use crate::{
        CallbackId, Command, Context, Destination, Effects, Entity, EntityTable, Envelope, Event, Failure,
        Handler, Message, Never, OptionExt as _, Output, Projector, Raw, Reprocess, ResultExt as _, Saga,
        SagaInput, Sensitive, StepContext, Timestamp, Unwound, Versioned, commands, events, handler_fn,
        leased, projection, raw,
    };
}

/// What the macros of this crate expand to. Not part of the interface.
#[doc(hidden)]
pub mod __macro {
    pub use crate::message::{check_event_type, decode_data, decode_first, encode_data, versions};
    pub use serde_json::value::RawValue;
}
