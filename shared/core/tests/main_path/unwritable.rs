//! A value that no reader could read again is refused before it is committed, with its place.

use serde::{Deserialize, Serialize};
use std::time::Duration;
use throughline_core::{Timestamp, prelude::*};
use throughline_testing::{scenario, scenario::Ran};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Weighed {
    id: String,
    #[serde(default)]
    as_what: Form,
}

/// The entity that the handler saves, with a weight that is not a number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
enum Form {
    #[default]
    Nothing,
    Entity,
    TinyEntity,
    Event,
    LargeEvent,
    Command,
    LargeCommand,
    Scheduled,
    Start,
    Load,
    Peek,
    Save,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Measured {
    id: String,
    weights: Vec<Weight>,
    note: Option<String>,
    count: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Weight {
    grams: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Ship {
    id: String,
    weights: Vec<Weight>,
    count: u64,
}

events! { enum ScaleEvent of "scale" { "scale.weighed" v1 => Weighed(Weighed.id), "scale.measured" v1 => Measured(Measured.id) } }
commands! { enum ShippingCommand to "shipping" { "parcel.ship" v1 => Ship(Ship.id) } }

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Parcel {
    id: String,
    weights: Vec<Weight>,
}

impl Entity for Parcel {
    const KIND: &'static str = "parcel";
    fn id(&self) -> String {
        self.id.clone()
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Bin {
    place: String,
}

impl Entity for Bin {
    const KIND: &'static str = "bin";
    const TABLE: EntityTable = EntityTable::Own { name: "bins", partition_key: "place", sort_key: None };
    fn id(&self) -> String {
        self.place.clone()
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Delivery {
    id: String,
    weights: Vec<Weight>,
}

impl SagaInput for Delivery {
    const SAGA: &'static str = "delivery";
    fn subject(&self) -> Option<String> {
        Some(self.id.clone())
    }
}

#[derive(Debug, Clone)]
struct Weigh;

impl Handler for Weigh {
    const NAME: &'static str = "weigh";
    const TABLES: &'static [&'static str] = &["bins"];
    type Message = Weighed;
    type Emits = ScaleEvent;

    async fn handle(
        &self,
        message: Envelope<Weighed>,
        context: &Context<'_>,
    ) -> Result<Effects<ScaleEvent>, Failure> {
        let Weighed { id, as_what } = message.data;
        let weights = |grams| vec![Weight { grams: None }, Weight { grams: Some(grams) }];
        let measured = |grams, count| Measured { id: id.clone(), weights: weights(grams), note: None, count };
        let ship = |grams, count| Ship { id: id.clone(), weights: weights(grams), count };
        let parcel = |grams| Versioned::new(Parcel { id: id.clone(), weights: weights(grams) });
        let tomorrow: Timestamp = context.now() + Duration::from_hours(24);
        let effects = Effects::none();
        Ok(match as_what {
            Form::Nothing => effects.emit(measured(1.0, i64::MAX.unsigned_abs())),
            Form::Entity => effects.save(parcel(f64::NAN)),
            Form::TinyEntity => effects.save(parcel(5e-324)),
            Form::Event => effects.emit(measured(f64::NAN, 1)),
            Form::LargeEvent => effects.emit(measured(1.0, u64::MAX)),
            Form::Command => effects.send(ship(f64::INFINITY, 1)),
            Form::LargeCommand => effects.send(ship(1.0, u64::MAX)),
            Form::Scheduled => effects.schedule(ship(f64::NAN, 1), tomorrow),
            Form::Start => effects.start(Delivery { id: id.clone(), weights: weights(f64::NAN) }),
            Form::Load => {
                context.load::<Parcel>(&id).await?;
                effects
            }
            Form::Peek => {
                context.peek::<Bin>(&id).await?;
                effects
            }
            Form::Save => effects.save(Versioned::new(Bin { place: id.clone() })),
        })
    }
}

async fn rejected(id: &str, as_what: Form, reason: &str) {
    scenario(Weigh).when(Weighed { id: id.into(), as_what }).await.then_rejected(reason);
}

#[tokio::test]
async fn a_weight_that_is_no_number_is_refused_at_the_commit_with_its_place() {
    let is_nan = "field `weights.1.grams` is NaN; a JSON number can be neither NaN nor infinite";
    rejected("p-1", Form::Entity, &format!("parcel `p-1` cannot be written: {is_nan}")).await;
    rejected("p-1", Form::Event, &format!("scale.measured v1 cannot be written: {is_nan}")).await;
    rejected("p-1", Form::Scheduled, &format!("parcel.ship cannot be written: {is_nan}")).await;
    rejected("p-1", Form::Start, is_nan).await;
    rejected("p-1", Form::Command, "field `weights.1.grams` is inf; a JSON number").await;
}

#[tokio::test]
async fn a_weight_that_dynamodb_cannot_hold_is_refused_at_the_commit_with_its_place() {
    let reason = "parcel `p-1` cannot be written: field `weights.1.grams` is about 1E-324";
    rejected("p-1", Form::TinyEntity, reason).await;
}

#[tokio::test]
async fn an_event_with_an_integer_that_eventbridge_does_not_take_is_refused_and_a_command_is_not() {
    let reason = "scale.measured v1 cannot be written: field `count` is an integer that EventBridge \
                  does not take: those of an event are from -2^63 to 2^63-1";
    rejected("p-1", Form::LargeEvent, reason).await;
    let message = |as_what| Weighed { id: "p-1".into(), as_what };
    scenario(Weigh).when(message(Form::LargeCommand)).await.then_done();
    // What is not there stays `null`.
    let weights = vec![Weight { grams: None }, Weight { grams: Some(1.0) }];
    let largest = Measured { id: "p-1".into(), weights, note: None, count: i64::MAX.unsigned_abs() };
    scenario(Weigh).when(message(Form::Nothing)).await.then_emits([largest]);
}

#[tokio::test]
async fn an_id_that_no_key_can_hold_is_rejected_at_once_on_load_as_on_save() {
    let longest_in_ledger = 2048 - "parcel#".len();
    for form in [Form::Load, Form::Entity, Form::Peek, Form::Save] {
        rejected(&"x".repeat(2049), form, "DynamoDB's partition keys have at most 2048").await;
    }
    rejected(&"x".repeat(longest_in_ledger + 1), Form::Load, "its key has 2049 bytes").await;
    let message = |length, as_what| Weighed { id: "x".repeat(length), as_what };
    scenario(Weigh).when(message(longest_in_ledger, Form::Load)).await.then_done();
    for form in [Form::Peek, Form::Save] {
        scenario(Weigh).when(message(2048, form)).await.then_done();
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Customer {
    email: Sensitive<String>,
    name: Sensitive<String>,
}

impl Entity for Customer {
    const KIND: &'static str = "customer";
    fn id(&self) -> String {
        self.email.expose().clone()
    }
}

#[tokio::test]
async fn an_entity_whose_id_is_sensitive_is_refused_with_the_cure() {
    async fn join(weighed: Envelope<Weighed>) -> Result<Effects, Failure> {
        let (email, name) = (weighed.data.id.into(), "Ada".into());
        Ok(Effects::none().save(Versioned::new(Customer { email, name })))
    }
    let message = Weighed { id: "ada@example.com".into(), as_what: Form::Nothing };
    let ran = scenario(handler_fn("join", join)).when(message).await;
    assert!(!format!("{:?}", ran.verdict()).contains("ada@"), "{:?}", ran.verdict());
    ran.then_rejected("field `email` is sensitive, and is the entity's id")
        .then_rejected("give the entity an id of its own");
}

#[derive(Debug, Clone)]
struct Look;
impl Handler for Look {
    const NAME: &'static str = "look";
    type Message = Weighed;
    type Emits = Never;
    async fn handle(&self, _: Envelope<Weighed>, context: &Context<'_>) -> Result<Effects, Failure> {
        context.load::<Parcel>("").await?;
        Ok(Effects::none())
    }
}

#[tokio::test]
async fn an_empty_id_is_rejected_at_once_on_load_as_on_save() {
    let saved = Versioned::new(Bin { place: String::new() });
    let effects: Effects = Effects::none().save(saved);
    let save = handler_fn("save", move |_: Envelope<Weighed>| {
        let effects = effects.clone();
        async move { Ok::<_, Failure>(effects) }
    });
    let message = || Weighed { id: "p-1".into(), as_what: Form::Nothing };
    scenario(save).when(message()).await.then_rejected("bin `` cannot be written: its id is empty");
    scenario(Look).when(message()).await.then_rejected("parcel `` cannot be loaded: its id is empty");
}

/// A handler that emits an event with a note of so many bytes, or schedules a command.
async fn told(note: String, is_scheduled: bool) -> Ran<impl Handler<Message = Weighed, Emits = ScaleEvent>> {
    #[derive(Debug, Clone)]
    struct Tell {
        note: String,
        is_scheduled: bool,
    }
    impl Handler for Tell {
        const NAME: &'static str = "tell";
        type Message = Weighed;
        type Emits = ScaleEvent;
        async fn handle(
            &self,
            _: Envelope<Weighed>,
            context: &Context<'_>,
        ) -> Result<Effects<ScaleEvent>, Failure> {
            let Self { note, is_scheduled } = self.clone();
            if is_scheduled {
                let ship = Ship { id: note, weights: Vec::new(), count: 1 };
                return Ok(Effects::none().schedule(ship, context.now() + Duration::from_hours(24)));
            }
            let measured = Measured { id: "p-1".into(), weights: Vec::new(), note: Some(note), count: 1 };
            Ok(Effects::none().emit(measured))
        }
    }
    let message = Weighed { id: "p-1".into(), as_what: Form::Nothing };
    scenario(Tell { note, is_scheduled }).when(message).await
}

#[tokio::test]
async fn a_message_may_be_as_large_as_what_carries_it_and_the_error_says_whose_limit_it_is() {
    told("x".repeat(390 * 1024), false).await.then_done();
    let ran = told("x".repeat(401 * 1024), false).await;
    ran.then_rejected("the most is 409600, the limit of DynamoDB's item, as which the log keeps it");
    let ran = told("x".repeat(130 * 1024), true).await;
    ran.then_rejected("the most is 262144, the limit of what EventBridge Scheduler sends");
    told("x".repeat(120 * 1024), true).await.then_done();
}

#[tokio::test]
async fn sizes_are_counted_with_their_escapes() {
    told("\u{1}".repeat(60 * 1024), false).await.then_done();
    told("\u{1}".repeat(70 * 1024), false).await.then_rejected("the limit of DynamoDB's item");
    // A subject is in the envelope, in the data and once more in the item.
    told("\"".repeat(60 * 1024), true).await.then_done();
    told("\"".repeat(70 * 1024), true).await.then_rejected("what EventBridge Scheduler sends");
}
