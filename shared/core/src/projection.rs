//! Projections: read models that are folded from events.
//!
//! A view is one aggregate as its readers want to see it: its id is the `subject` of the aggregate's events, and
//! `sequence` is their order. Events arrive in any order and several times, most of all under a replay, so a view
//! remembers which it has seen: all up to a sequence, and those ahead of a gap. It always shows the fold, in the
//! order of `sequence`, of every event it has seen, each once. Whatever the deliveries were, what was delivered
//! alone decides what is shown.

use crate::{
    Attributes, Context, Effects, Entity, EntityTable, Envelope, Event, Failure, Handler, Never,
    OptionExt as _, Versioned,
    envelope::EncodedEnvelope,
    item::{self, Item},
    replay::Reprocessable,
};
use serde::{Deserialize, Serialize, de::Error as _};
use std::fmt::Debug;

/// The number of events that may wait for one that has not arrived.
const MOST_AHEAD: usize = 100;

/// Says what a view shows.
///
/// ```
/// # use serde::{Deserialize, Serialize};
/// use throughline_core::prelude::*;
/// # #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
/// # pub struct OrderPlaced { pub order_id: String, pub customer: String }
/// # #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
/// # pub struct OrderConfirmed { pub order_id: String }
/// # events! { /// Orders.
/// # pub enum OrderEvent of "order" {
/// #     "order.placed" v1 => Placed(OrderPlaced.order_id), "order.confirmed" v1 => Confirmed(OrderConfirmed.order_id)
/// # } }
/// #[derive(Debug, Clone, Serialize, Deserialize)]
/// struct BoardEntry { order_id: String, customer: String, is_confirmed: bool }
/// impl Entity for BoardEntry {
///     const KIND: &'static str = "board-entry";
///     fn id(&self) -> String { self.order_id.clone() }
/// }
///
/// #[derive(Debug, Clone)]
/// struct OrderBoard;
/// impl Projector for OrderBoard {
///     const NAME: &'static str = "order-board";
///     type Message = OrderEvent;
///     type View = BoardEntry;
///
///     fn project(&self, entry: Option<BoardEntry>, event: &Envelope<OrderEvent>) -> Option<BoardEntry> {
///         match &event.data {
///             OrderEvent::Placed(OrderPlaced { order_id, customer }) => {
///                 Some(BoardEntry { order_id: order_id.clone(), customer: customer.clone(), is_confirmed: false })
///             }
///             OrderEvent::Confirmed(_) => entry.map(|entry| BoardEntry { is_confirmed: true, ..entry }),
///         }
///     }
/// }
/// let handler = projection(OrderBoard).on_replay(Reprocess);
/// ```
pub trait Projector: Clone + Send + Sync + 'static {
    /// Its name: see [`Handler::NAME`].
    const NAME: &'static str;
    /// The events that it takes: best every event of an aggregate. Those after one that it is never given are kept
    /// beside the view for good, in case it comes.
    type Message: Event;
    /// The read model that it folds them into. [`Entity::id`] is the `subject` of the events.
    type View: Entity + Clone;

    /// The view after an event, which is the next after those that made `view`: a function of these two and
    /// nothing else. Nothing, if there is no view yet and this event alone makes none: it is delivered again
    /// later, when an earlier one may have arrived. The envelope says nothing of a replay.
    fn project(&self, view: Option<Self::View>, event: &Envelope<Self::Message>) -> Option<Self::View>;
}

/// Makes a handler of a [`Projector`].
pub fn projection<P: Projector>(projector: P) -> Projection<P> {
    Projection(projector)
}

/// The handler that [`projection`] returns.
#[derive(Debug, Clone)]
pub struct Projection<P>(P);

/// A view as it is stored: its own fields, and what it has seen.
#[derive(Debug, Serialize, Deserialize)]
struct Projected<V> {
    #[serde(flatten)]
    view: V,
    #[serde(rename = "_projection")]
    seen: Seen<V>,
}

/// The events that a view has seen.
#[derive(Debug, Serialize, Deserialize)]
struct Seen<V> {
    source: String,
    aggregate_type: Option<String>,
    /// All up to this sequence.
    through: u64,
    /// The view after these, while there are events ahead of a gap.
    #[serde(skip_serializing_if = "Option::is_none")]
    settled: Option<V>,
    /// Those ahead of a gap, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    ahead: Vec<Ahead>,
}

/// An event that came before one that happened before it.
#[derive(Debug, Serialize, Deserialize)]
struct Ahead {
    sequence: u64,
    /// The whole CloudEvent as JSON text.
    envelope: String,
}

impl<V: Entity> Entity for Projected<V> {
    const KIND: &'static str = V::KIND;
    const TABLE: EntityTable = V::TABLE;

    fn id(&self) -> String {
        self.view.id()
    }

    /// The view is read by itself, as an entity of its type would be: what `flatten` hands on has lost the keys that
    /// are no texts, and numbers of more than 64 bits.
    fn from_item(item: &Item) -> Result<Self, serde_json::Error> {
        let seen = item.get(SEEN).ok_or_else(|| serde_json::Error::missing_field(SEEN))?;
        Ok(Self { view: item::read_without(item, Some(SEEN))?, seen: seen.read()? })
    }
}

/// The attribute that holds what a view has seen.
const SEEN: &str = "_projection";

impl<P: Projector> Projection<P> {
    const TABLE: [&'static str; 1] = match P::View::TABLE {
        EntityTable::Own { name, .. } => [name],
        EntityTable::Ledger => [""],
    };
}

impl<P: Projector> Handler for Projection<P> {
    const NAME: &'static str = P::NAME;
    const TABLES: &'static [&'static str] = match P::View::TABLE {
        EntityTable::Own { .. } => &Self::TABLE,
        EntityTable::Ledger => &[],
    };
    type Message = P::Message;
    type Emits = Never;

    async fn handle(
        &self,
        mut event: Envelope<P::Message>,
        context: &Context<'_>,
    ) -> Result<Effects<Never>, Failure> {
        event.attributes.replay_name = None;
        let Attributes { source, subject, sequence, aggregate_type, .. } = &event.attributes;
        let subject = subject.clone().or_reject("it has no `subject`: nothing says which view it is for")?;
        let sequence = sequence.or_reject(
            "it has no `sequence`, so its place among the events of its aggregate is not known: its handler must \
             save the aggregate together with it",
        )?;
        // What is saved is checked against the version it was read at; and what was seen once stays seen.
        let found = context.peek::<Projected<P::View>>(&subject).await?;
        let found = match found {
            Some(found) => found.map(Some),
            None => Versioned::new(None),
        };
        if let Some(Projected { seen, .. }) = &found.value {
            if (&seen.source, &seen.aggregate_type) != (source, aggregate_type) {
                return Err(Failure::reject(format!(
                    "the view `{subject}` is made of another aggregate's events: those of {} from `{}`",
                    seen.aggregate_type.as_deref().unwrap_or("no type"),
                    seen.source
                )));
            }
            if seen.has(sequence) {
                return Ok(Effects::none());
            }
        }
        let projected = self.after(found.value, &event, sequence)?;
        if projected.id() != subject {
            return Err(Failure::reject(format!(
                "the view's id is `{}`, but the event's subject is `{subject}`: a view is made of one aggregate's \
                 events and has its id",
                projected.id()
            )));
        }
        Ok(Effects::none().save(Versioned { value: projected, version: found.version }))
    }
}

impl<P: Projector> Reprocessable for Projection<P> {}

impl<V> Seen<V> {
    fn has(&self, sequence: u64) -> bool {
        sequence <= self.through || self.ahead.iter().any(|ahead| ahead.sequence == sequence)
    }
}

impl<P: Projector> Projection<P> {
    /// Returns the state to store after an event that was not seen before.
    fn after(
        &self,
        found: Option<Projected<P::View>>,
        event: &Envelope<P::Message>,
        sequence: u64,
    ) -> Result<Projected<P::View>, Failure> {
        let (mut through, mut settled, mut ahead) = match found {
            None => (0, None, Vec::new()),
            Some(Projected { view, seen }) if seen.ahead.is_empty() => (seen.through, Some(view), seen.ahead),
            Some(Projected { seen, .. }) => (seen.through, seen.settled, seen.ahead),
        };
        if sequence == through + 1 {
            settled = self.0.project(settled, event);
            through = sequence;
            while let Some(next) = ahead.first().filter(|next| next.sequence == through + 1) {
                settled = self.0.project(settled, &next.open()?);
                through = next.sequence;
                ahead.remove(0);
            }
        } else {
            let place = ahead.partition_point(|other| other.sequence < sequence);
            ahead.insert(place, Ahead { sequence, envelope: serde_json::to_string(&event.encode()?)? });
        }
        if ahead.len() > MOST_AHEAD {
            return Err(Failure::retry(format!(
                "{MOST_AHEAD} events wait for the aggregate's event {}, which has not arrived: replay it",
                through + 1
            ))
            .named("EventMissing"));
        }
        let mut view = settled.clone();
        for event in &ahead {
            view = self.0.project(view, &event.open()?);
        }
        let view = view.ok_or_else(|| {
            Failure::retry("there is no view yet, and it takes an earlier event to make one")
                .named("EarlierEventMissing")
        })?;
        let Attributes { source, aggregate_type, .. } = &event.attributes;
        let seen = Seen {
            source: source.clone(),
            aggregate_type: aggregate_type.clone(),
            through,
            settled: settled.filter(|_| !ahead.is_empty()),
            ahead,
        };
        Ok(Projected { view, seen })
    }
}

impl Ahead {
    fn open<M: Event>(&self) -> Result<Envelope<M>, Failure> {
        let EncodedEnvelope { attributes, data } = serde_json::from_str(&self.envelope)?;
        let data = M::decode(&attributes.message_type, attributes.schema_version, &data)?;
        Ok(Envelope { attributes, data })
    }
}
