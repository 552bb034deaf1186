//! The decision of a handler as inert data: events to emit, entities to save, commands to send.

mod integers;

use crate::{
    Command, Entity, Event, MessageType, Never, Timestamp, Versioned,
    context::{Loaded, Reads},
    entity::{EntityKey, Version},
    envelope::{Attributes, EncodedEnvelope, Envelope},
    identity::emitted_id,
    item::{self, Item, Reread},
    ledger::{Claim, Commit, Destination, Outgoing, Save},
    limits::{
        ITEM_OVERHEAD_BYTES, MOST_BYTES, MOST_ITEM_BYTES, MOST_ITEMS, envelope_bytes, envelope_json_bytes,
        item_bytes, most_message_bytes,
    },
    message::{EncodeError, EncodedEvent, encode_data},
    saga::start::{SagaInput, start_type},
    sensitive::MASK,
};
use serde_json::value::RawValue;
use std::sync::Arc;

/// The decision of a handler. Nothing happens until the main path commits it, all of it or nothing.
///
/// ```
/// # use serde::{Deserialize, Serialize};
/// # use throughline_core::prelude::*;
/// # #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
/// # pub struct OrderConfirmed { pub order_id: String }
/// # events! { /// Orders.
/// # pub enum OrderEvent of "order" { "order.confirmed" v1 => Confirmed(OrderConfirmed.order_id) } }
/// # #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
/// # struct Order { id: String, confirmed: bool }
/// # impl Entity for Order { const KIND: &'static str = "order"; fn id(&self) -> String { self.id.clone() } }
/// let order = Versioned::new(Order { id: "o-1".into(), confirmed: false });
/// let effects: Effects<OrderEvent> = Effects::none()
///     .emit(OrderConfirmed { order_id: order.value.id.clone() })
///     .save(order.map(|order| Order { confirmed: true, ..order }));
/// assert_eq!((effects.events.len(), effects.saves.len()), (1, 1));
/// ```
#[must_use = "effects do nothing until the handler returns them"]
#[derive(Debug, Clone, PartialEq)]
pub struct Effects<E = Never> {
    /// The events to emit: facts that happened.
    pub events: Vec<E>,
    /// The entities to write, each on condition that it still has the version at which it was loaded.
    pub saves: Vec<EntitySave>,
    /// The commands to send, now or later, the sagas to start and the tasks to answer.
    pub commands: Vec<CommandSend>,
}

/// An entity to write.
#[derive(Debug, Clone, PartialEq)]
pub struct EntitySave {
    /// The entity's key.
    pub key: EntityKey,
    /// The entity's version when it was loaded.
    pub expected: Version,
    /// The entity's attributes, or the reason why it cannot be stored.
    pub data: Result<Item, String>,
    /// The function that reads a stored item as the entity's type and writes it again.
    pub(crate) reread: Reread,
}

/// A request to one receiver: a command, the start of a saga, or the answer to a task.
#[derive(Debug, Clone, PartialEq)]
pub struct CommandSend {
    /// The destination of the request.
    pub destination: Destination,
    /// The command's type, version and subject.
    pub attributes: Attributes,
    /// The command's data, or the reason why it has no JSON form.
    pub data: Result<String, String>,
}

impl<E> Effects<E> {
    /// Returns effects that do nothing yet.
    pub fn none() -> Self {
        Self { events: Vec::new(), saves: Vec::new(), commands: Vec::new() }
    }

    /// Emits an event. Its id is derived from the message being handled: running the handler again gives the same id.
    pub fn emit(mut self, event: impl Into<E>) -> Self {
        self.events.push(event.into());
        self
    }

    /// Saves an entity, on condition that it has not changed since it was loaded. If it has, the handler runs again.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "what was saved at a version must not be saved at it again"
    )]
    pub fn save<T: Entity>(mut self, entity: Versioned<T>) -> Self {
        let mut key = EntityKey::of::<T>(entity.value.id());
        let data = item::item_of_entity(&entity.value, &key.id).map_err(|why| {
            if why.is_of_the_id() {
                MASK.clone_into(&mut key.id);
            }
            why.to_string()
        });
        self.saves.push(EntitySave { key, expected: entity.version, data, reread: Reread::of::<T>() });
        self
    }

    /// Sends a command to its receiver's queue.
    ///
    /// ```
    /// # use serde::{Deserialize, Serialize};
    /// # use throughline_core::prelude::*;
    /// # #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    /// # pub struct ShipOrder { pub order_id: String }
    /// # commands! { /// Shipping.
    /// # pub enum ShippingCommand to "shipping" { "order.ship" v1 => Ship(ShipOrder.order_id) } }
    /// let effects: Effects = Effects::none().send(ShipOrder { order_id: "o-1".into() });
    /// assert_eq!(effects.commands[0].destination, Destination::Queue("shipping".into()));
    /// ```
    pub fn send<C: Command>(self, command: C) -> Self {
        self.request(Destination::Queue(C::QUEUE.to_owned()), command)
    }

    /// Sends a command to its receiver's queue, not before a time. A time in the past means now.
    ///
    /// There is at most one such command of a type about a subject: scheduling another moves it. Delays up to 15
    /// minutes are SQS's, which is never early; longer ones are EventBridge Scheduler's, which is precise to the
    /// minute. A FIFO queue has no delay of single messages, so that every later time is EventBridge Scheduler's. The
    /// receiver must check that the command is still wanted: a command that SQS already delays can be neither moved nor
    /// [cancelled](Self::cancel_scheduled), and messages of different handlers may reach the relay in any order.
    ///
    /// ```
    /// # use serde::{Deserialize, Serialize};
    /// # use std::time::Duration;
    /// # use throughline_core::prelude::*;
    /// # #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    /// # pub struct ExpireOrder { pub order_id: String }
    /// # commands! { /// Payments.
    /// # pub enum PaymentCommand to "await-payment" { "order.expire" v1 => Expire(ExpireOrder.order_id) } }
    /// # fn example(context: &Context<'_>) -> Effects {
    /// Effects::none().schedule(ExpireOrder { order_id: "o-1".into() }, context.now() + Duration::from_hours(24))
    /// # }
    /// ```
    pub fn schedule<C: Command>(self, command: C, at: Timestamp) -> Self {
        self.request(Destination::Scheduled { queue: C::QUEUE.to_owned(), at }, command)
    }

    /// Cancels a [scheduled](Self::schedule) command of the same type about the same subject. The rest of its data does
    /// not matter. Nothing happens if there is none, or if it is due within minutes and therefore already in its queue.
    pub fn cancel_scheduled<C: Command>(self, command: C) -> Self {
        self.request(Destination::Unscheduled { queue: C::QUEUE.to_owned() }, command)
    }

    /// Starts a saga. The execution's name is the id of the message that starts it: once committed, it is started once,
    /// however often the relay sends the request.
    ///
    /// ```
    /// # use serde::{Deserialize, Serialize};
    /// # use throughline_core::prelude::*;
    /// #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    /// struct Checkout { order_id: String }
    /// impl SagaInput for Checkout {
    ///     const SAGA: &'static str = "checkout";
    ///     fn subject(&self) -> Option<String> { Some(self.order_id.clone()) }
    /// }
    /// let effects: Effects = Effects::none().start(Checkout { order_id: "o-1".into() });
    /// assert_eq!(effects.commands[0].destination, Destination::StateMachine("checkout".into()));
    /// ```
    #[expect(clippy::needless_pass_by_value, reason = "like every other effect: it is given away")]
    pub fn start<I: SagaInput>(mut self, input: I) -> Self {
        let mut attributes = Attributes::new("", "", start_type(I::SAGA));
        attributes.subject = input.subject();
        self.commands.push(CommandSend {
            destination: Destination::StateMachine(I::SAGA.to_owned()),
            attributes,
            data: encode_data(&input)
                .map(|data| String::from(Box::<str>::from(data)))
                .map_err(|error| error.to_string()),
        });
        self
    }

    /// Returns the same effects with encoded events, whose types are no longer known.
    pub(crate) fn encoded(self) -> Effects<EncodedEvent>
    where
        E: Event,
    {
        let Self { events, saves, commands } = self;
        Effects { events: events.iter().map(EncodedEvent::of).collect(), saves, commands }
    }

    fn request<C: Command>(mut self, destination: Destination, command: C) -> Self {
        let data = command.encode().map(|data| String::from(Box::<str>::from(data)));
        let attributes = Envelope::of("", "", command).attributes;
        let data = data.map_err(|error| error.to_string());
        self.commands.push(CommandSend { destination, attributes, data });
        self
    }
}

/// The reason why effects can never be committed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EffectsError {
    /// The effects need more items than one transaction may hold.
    #[error("handler `{handler}` wants {found} items in one transaction; DynamoDB allows {MOST_ITEMS}")]
    TooManyItems {
        /// The handler's name.
        handler: String,
        /// The number of items: the claim, the entities read and saved, the events and the commands, together.
        found: usize,
    },
    /// The effects have more bytes than one transaction may hold.
    #[error("handler `{handler}` wants about {found} bytes in one transaction; DynamoDB allows {MOST_BYTES}")]
    TooManyBytes {
        /// The handler's name.
        handler: String,
        /// The estimated number of bytes.
        found: usize,
    },
    /// One entity or message is too large.
    #[error("handler `{handler}`: {what} has about {found} bytes; the most is {most}, the limit of {whose}")]
    TooLarge {
        /// The handler's name.
        handler: String,
        /// The entity or message.
        what: String,
        /// The estimated number of bytes.
        found: usize,
        /// The most bytes allowed.
        most: usize,
        /// The service or resource whose limit it is.
        whose: &'static str,
    },
    /// The same entity is saved twice.
    #[error("handler `{handler}` saves {entity} twice; a transaction may write an item once")]
    SavedTwice {
        /// The handler's name.
        handler: String,
        /// The entity's key.
        entity: String,
    },
    /// An entity or a message cannot be stored or sent.
    #[error("handler `{handler}`: {what} cannot be written: {why}")]
    Unwritable {
        /// The handler's name.
        handler: String,
        /// The entity or message.
        what: String,
        /// The reason why it cannot be written.
        why: String,
    },
}

/// Turns effects into one commit, after checking them against the limits.
pub(crate) fn seal<E: Event>(
    effects: Effects<E>,
    claim: Claim,
    reads: Reads,
    emitter: Emitter<'_>,
) -> Result<Commit, EffectsError> {
    let mut sealing = Sealing { claim: &claim, emitter, saves: Vec::new(), outgoing: Vec::new(), bytes: 0 };
    for save in effects.saves {
        sealing.save(save, &reads.loaded)?;
    }
    for event in effects.events {
        sealing.event(&event)?;
    }
    for command in effects.commands {
        sealing.command(command)?;
    }
    let Sealing { saves, outgoing, bytes, .. } = sealing;
    let reads: Vec<_> =
        reads.unchanging.into_iter().filter(|read| saves.iter().all(|save| save.key != read.key)).collect();
    let items = 1 + reads.len() + saves.len() + outgoing.len();
    if items > MOST_ITEMS {
        return Err(EffectsError::TooManyItems { handler: claim.handler.to_owned(), found: items });
    }
    if bytes > MOST_BYTES {
        return Err(EffectsError::TooManyBytes { handler: claim.handler.to_owned(), found: bytes });
    }
    Ok(Commit { folded: Vec::new(), claim, reads, saves, outgoing })
}

/// The attributes that all messages of one emitter share.
pub(crate) struct Emitter<'a> {
    /// The messages' CloudEvents `source`.
    pub(crate) source: &'a str,
    /// The messages' time.
    pub(crate) now: Timestamp,
    /// The messages' `traceparent`, if it differs from that of the message that caused them. Within one trace, the
    /// `tracestate` is kept.
    pub(crate) trace_parent: Option<String>,
}

struct Sealing<'a> {
    claim: &'a Claim,
    emitter: Emitter<'a>,
    saves: Vec<Save>,
    outgoing: Vec<Outgoing>,
    bytes: usize,
}

impl Sealing<'_> {
    fn save(&mut self, save: EntitySave, loaded: &[Loaded]) -> Result<(), EffectsError> {
        let EntitySave { key, expected, data, reread } = save;
        let what = || key.to_string();
        if self.saves.iter().any(|other| other.key == key) {
            return Err(EffectsError::SavedTwice { handler: self.claim.handler.to_owned(), entity: what() });
        }
        key.check_id().map_err(|why| self.unwritable(what(), why))?;
        let mut data = data.map_err(|why| self.unwritable(what(), why))?;
        key.check(&data).map_err(|why| self.unwritable(what(), why))?;
        let loaded = loaded.iter().find(|loaded| loaded.version == expected && loaded.key == key);
        let mut others = None;
        if let Some(Loaded { item, .. }) = loaded {
            let merged = item::merged(item, data, reread).map_err(|why| self.unwritable(what(), why))?;
            others = merged.keeps_others.then(|| Arc::clone(item));
            data = merged.item;
        }
        self.weigh(what, item_bytes(&data) + ITEM_OVERHEAD_BYTES, (MOST_ITEM_BYTES, "DynamoDB's item"))?;
        self.saves.push(Save { key, sequence: expected.sequence(), expected, data, others });
        Ok(())
    }

    fn event<E: Event>(&mut self, event: &E) -> Result<(), EffectsError> {
        let data = event.encode().map_err(|error: EncodeError| {
            self.unwritable(event.message_type().to_string(), error.to_string())
        })?;
        let MessageType { name, version } = event.message_type();
        let mut attributes = self.attributes(name, version, event.subject());
        let aggregate_type = event.aggregate_type();
        attributes.aggregate_type = aggregate_type.map(Into::into);
        let about = |save: &&mut Save| {
            Some(save.key.kind) == aggregate_type && Some(&save.key.id) == attributes.subject.as_ref()
        };
        if let Some(save) = self.saves.iter_mut().find(about) {
            save.sequence += 1;
            attributes.sequence = Some(save.sequence);
        }
        if let Some(why) = integers::beyond_what_events_hold(&data) {
            return Err(self.unwritable(event.message_type().to_string(), why));
        }
        self.push(Destination::Bus, Envelope { attributes, data })
    }

    fn command(&mut self, command: CommandSend) -> Result<(), EffectsError> {
        let CommandSend { destination, attributes, data } = command;
        let Attributes { message_type, schema_version, subject, .. } = attributes;
        let attributes = self.attributes(&message_type, schema_version, subject);
        let data = data
            .and_then(|text| RawValue::from_string(text).map_err(|error| error.to_string()))
            .map_err(|why| self.unwritable(message_type, why))?;
        self.push(destination, Envelope { attributes, data })
    }

    fn attributes(&self, name: &str, version: u16, subject: Option<String>) -> Attributes {
        let parent = &self.claim.message;
        let ordinal = self
            .outgoing
            .iter()
            .map(|other| &other.envelope.attributes)
            .filter(|other| other.message_type == name && other.subject == subject)
            .count();
        let id = emitted_id(parent, self.claim.handler, name, subject.as_deref(), ordinal);
        let Emitter { source, now, trace_parent } = &self.emitter;
        let mut attributes = Attributes { subject, ..parent.caused(id, *source, name, version, *now) };
        if let Some(trace_parent) = trace_parent {
            attributes.enter_trace(trace_parent);
        }
        attributes
    }

    fn push(&mut self, destination: Destination, envelope: EncodedEnvelope) -> Result<(), EffectsError> {
        let what = || format!("{} {}", envelope.attributes.message_type, envelope.attributes.id);
        if envelope.attributes.subject.as_deref() == Some("") {
            return Err(
                self.unwritable(what(), "its subject is empty, which CloudEvents does not allow".into())
            );
        }
        let bytes = envelope_bytes(&envelope) + ITEM_OVERHEAD_BYTES;
        self.weigh(what, bytes, (MOST_ITEM_BYTES, "DynamoDB's item, as which the log keeps it"))?;
        if let Some((most, whose)) = most_message_bytes(&destination)
            && let found = envelope_json_bytes(&envelope)
            && found > most
        {
            let handler = self.claim.handler.to_owned();
            return Err(EffectsError::TooLarge { handler, what: what(), found, most, whose });
        }
        self.outgoing.push(Outgoing { destination, envelope });
        Ok(())
    }

    fn weigh(
        &mut self,
        what: impl FnOnce() -> String,
        found: usize,
        (most, whose): (usize, &'static str),
    ) -> Result<(), EffectsError> {
        if found > most {
            let handler = self.claim.handler.to_owned();
            return Err(EffectsError::TooLarge { handler, what: what(), found, most, whose });
        }
        self.bytes += found;
        Ok(())
    }

    fn unwritable(&self, what: String, why: String) -> EffectsError {
        EffectsError::Unwritable { handler: self.claim.handler.to_owned(), what, why }
    }
}

/// The types that an `async fn` given to [`handler_fn`](crate::handler_fn) may return: `()` or [`Effects`].
#[diagnostic::on_unimplemented(
    message = "a handler cannot return `{Self}`",
    label = "neither `()` nor `Effects`",
    note = "return `Result<(), Failure>` or `Result<Effects<OrderEvent>, Failure>`"
)]
pub trait IntoEffects: Send {
    /// The events that the handler may emit.
    type Emits: Event;
    /// Returns the effects.
    fn into_effects(self) -> Effects<Self::Emits>;
}

impl IntoEffects for () {
    type Emits = Never;
    fn into_effects(self) -> Effects<Never> {
        Effects::none()
    }
}

impl<E: Event> IntoEffects for Effects<E> {
    type Emits = E;
    fn into_effects(self) -> Self {
        self
    }
}
