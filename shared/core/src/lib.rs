//! The heart of [Throughline](https://docs.rs/throughline): events, effects, handlers, the main path
//! and the ports it needs. Pure: no tokio, no AWS, no clock, no environment.
//!
//! Read [`process`](mod@process) first: it is the way of a record through its numbered stages. Then [`ledger`],
//! the one port behind which everything happens that must be atomic.
//!
//! A function depends on the `throughline` crate, which re-exports the items of this one by name.
//!
//! # Modules
//!
//! Types that handlers use stand at the root. A module is public where its names have a meaning of their own that the
//! root would lose:
//!
//! - [`process`](mod@process): the main path, its settings and its verdicts.
//! - [`ledger`]: the port for claims, entities and emitted messages. An adapter to another store implements it.
//! - [`ports`]: the ports for time, randomness and the dead-letter queue.
//! - [`observer`]: the port that metrics and traces listen on.
//! - [`relay`](mod@relay): the way from the ledger's log to bus, queues and state machines.
//! - [`saga`]: steps, compensations and the state machine that is made of them.
//! - [`envelope`]: the CloudEvents that are understood, and the ways in which one is refused.
//! - [`catalogue`], [`describe`] and [`metrics`]: the formats that other programs read.
//!
//! Everything else is private. `internal` serves the other crates of this workspace; it is not part of the interface.

pub mod catalogue;
pub mod describe;
pub mod envelope;
pub mod ledger;
pub mod metrics;
pub mod observer;
pub mod ports;
pub mod process;
pub mod relay;
pub mod saga;

mod backoff;
mod context;
mod dead_letter;
mod decode;
mod delivery;
mod effects;
mod entity;
mod failure;
mod handler;
mod identity;
mod item;
mod json_error;
mod limits;
mod message;
mod panics;
mod projection;
mod replay;
mod scanner;
mod sensitive;
mod sqs_batch;
mod surroundings;
mod time;
mod trace_context;

// Handlers and what they return.
pub use context::{Context, LoadError};
pub use effects::{CommandSend, Effects, EffectsError, EntitySave, IntoEffects};
pub use failure::{BoxError, Failure, FailureKind, OptionExt, ResultExt};
pub use handler::{Handler, HandlerFn, Leased, handler_fn, leased, raw};
pub use jiff::Timestamp;
pub use process::{Record, Verdict, process};
pub use surroundings::Surroundings;

// Messages and entities. The macros `events!` and `commands!` stand here, too.
pub use entity::{Entity, EntityKey, EntityTable, Version, Versioned};
pub use envelope::{Attributes, EncodedEnvelope, Envelope, EnvelopeError};
pub use ledger::Destination;
pub use message::{Command, DataError, EncodeError, Event, Message, MessageType, Never, Raw, WireForm};
pub use sensitive::Sensitive;

// Sagas.
pub use saga::{CallbackId, Output, Saga, SagaInput, StepContext, Unwound};

// Projections and replays.
pub use projection::{Projection, Projector, projection};
pub use replay::{ReplayPolicy, Reprocess, Reprocessable, Reprocessed};

/// The names that a function's file usually needs, in one `use`.
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

/// The items that the macros of this crate expand to. Not part of the interface.
#[doc(hidden)]
pub mod __macro {
    pub use crate::message::{check_event_type, decode_data, decode_first, encode_data, versions};
    pub use serde_json::value::RawValue;
}

/// The items that the crates of this workspace share beside the interface. Not part of it: they may change in any
/// version.
#[doc(hidden)]
pub mod internal {
    pub mod decode {
        pub use crate::decode::*;
    }
    pub mod delivery {
        pub use crate::delivery::*;
    }
    pub mod entity {
        pub use crate::entity::*;
    }
    pub mod identity {
        pub use crate::identity::*;
    }
    pub mod item {
        pub use crate::item::*;
    }
    pub mod json_error {
        pub use crate::json_error::*;
    }
    pub mod limits {
        pub use crate::limits::*;
    }
    pub mod panics {
        pub use crate::panics::*;
    }
    pub mod sensitive {
        pub use crate::sensitive::*;
    }
    pub mod sqs_batch {
        pub use crate::sqs_batch::*;
    }
    pub mod time {
        pub use crate::time::*;
    }
    pub mod trace_context {
        pub use crate::trace_context::*;
    }
    pub mod settling {
        pub use crate::ledger::settling::*;
    }
}
