//! A function's description of itself: its source, and the messages that its handlers take and emit.

use crate::{Handler, Message, MessageType, Saga, message::WireForm};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Set to anything, it has a function print its [`FunctionDescription`] as JSON and stop, before it reads any
/// setting.
pub const DESCRIBE: &str = "THROUGHLINE_DESCRIBE";

/// A function, as its code is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionDescription {
    /// The source that feeds it.
    pub trigger: FedBy,
    /// Its handlers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub handlers: Vec<HandlerDescription>,
    /// The sagas whose steps it does; earlier definitions of one are left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sagas: Vec<SagaDescription>,
    /// The queues that it sends commands to, by their logical names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sends_to: Vec<String>,
    /// Those of them that it schedules commands to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub schedules_to: Vec<String>,
    /// The sagas that it starts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub starts: Vec<String>,
}

/// The source that feeds a function.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FedBy {
    /// A queue.
    Queue,
    /// Rules that invoke it.
    Rule,
    /// The stream of the ledger's table.
    Outbox,
    /// A state machine.
    StateMachine,
    /// Something of its own.
    #[default]
    Other,
}

/// A handler, as its types are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandlerDescription {
    /// Its name.
    pub name: String,
    /// The messages it takes; none if it takes JSON of any form.
    pub takes: Vec<TypeDescription>,
    /// Whether the handler takes JSON that is no CloudEvent.
    #[serde(default)]
    pub takes_other_json: bool,
    /// The events it may emit.
    pub emits: Vec<TypeDescription>,
    /// Whether the handler claims its message before it runs.
    pub is_leased: bool,
    /// The tables of its own, by logical name.
    pub tables: Vec<String>,
    /// The name of its [`ReplayPolicy`](crate::replay::ReplayPolicy).
    pub on_replay: String,
}

/// A saga, as its definition is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SagaDescription {
    /// Its name.
    pub name: String,
    /// Its steps, in their order.
    pub steps: Vec<String>,
    /// The events that its steps may emit.
    pub emits: Vec<TypeDescription>,
    /// The tables of its own, by logical name.
    pub tables: Vec<String>,
}

/// The type and version of a message.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TypeDescription {
    /// The CloudEvents `type`.
    #[serde(rename = "type")]
    pub name: Cow<'static, str>,
    /// The version of its data's shape.
    pub version: u16,
}

impl From<MessageType> for TypeDescription {
    fn from(MessageType { name, version }: MessageType) -> Self {
        Self { name: name.into(), version }
    }
}

impl std::fmt::Display for TypeDescription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} v{}", self.name, self.version)
    }
}

fn types(catalogue: &[MessageType]) -> Vec<TypeDescription> {
    catalogue.iter().copied().map(TypeDescription::from).collect()
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

impl HandlerDescription {
    /// A handler.
    pub fn of<H: Handler>(handler: &H) -> Self {
        Self {
            name: handler.name().to_owned(),
            takes: types(H::Message::CATALOGUE),
            takes_other_json: H::Message::WIRE_FORM == WireForm::Plain,
            emits: types(H::Emits::CATALOGUE),
            is_leased: handler.holds_claim_while_running(),
            tables: owned(H::TABLES),
            on_replay: handler.replay_policy().name().to_owned(),
        }
    }
}

impl SagaDescription {
    /// A saga.
    pub fn of<P: Send + Sync + 'static>(saga: &Saga<P>) -> Self {
        Self {
            name: saga.name().to_owned(),
            steps: saga.steps().map(|step| step.name.to_owned()).collect(),
            emits: types(&saga.emits()),
            tables: owned(saga.own_tables()),
        }
    }
}

impl FunctionDescription {
    /// A function that runs one handler.
    pub fn of<H: Handler>(trigger: FedBy, handler: &H) -> Self {
        Self { trigger, handlers: vec![HandlerDescription::of(handler)], ..Self::default() }
    }
}
