//! Emitted messages are CloudEvents, by the standard's own JSON schema.

use jsonschema::Validator;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use throughline_core::{Attributes, EncodedEnvelope, prelude::*};
use throughline_testing::scenario;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct OrderPlaced {
    order_id: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct OrderConfirmed {
    order_id: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct ShipOrder {
    order_id: String,
}

events! {
    /// Orders.
    enum OrderEvent of "order" {
        "order.placed" v1 => Placed(OrderPlaced.order_id),
        "order.confirmed" v2 => Confirmed(OrderConfirmed.order_id),
    }
}

commands! {
    /// Shipping.
    enum ShippingCommand to "shipping" {
        "order.ship" v1 => Ship(ShipOrder.order_id),
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Order {
    id: String,
}

impl Entity for Order {
    const KIND: &'static str = "order";

    fn id(&self) -> String {
        self.id.clone()
    }
}

/// Emits one event about the entity it saves, one about another order, and a command.
#[derive(Debug, Clone)]
struct Confirm;

impl Handler for Confirm {
    const NAME: &'static str = "confirm";
    type Message = OrderPlaced;
    type Emits = OrderEvent;

    async fn handle(
        &self,
        placed: Envelope<OrderPlaced>,
        _: &Context<'_>,
    ) -> Result<Effects<OrderEvent>, Failure> {
        let id = placed.data.order_id;
        Ok(Effects::none()
            .save(Versioned::new(Order { id: id.clone() }))
            .emit(OrderConfirmed { order_id: id.clone() })
            .emit(OrderConfirmed { order_id: format!("{id}-and-more") })
            .send(ShipOrder { order_id: id }))
    }
}

/// An envelope in which nothing is left out.
fn full() -> Envelope<OrderPlaced> {
    let mut envelope =
        Envelope::of("e-1", "https://shop.example/orders", OrderPlaced { order_id: "o-1".into() });
    envelope.attributes = Attributes {
        sequence: Some(7),
        time: Some("2026-01-05T09:30:00.123456789Z".parse().unwrap()),
        data_schema: Some("https://shop.example/schemas/order.placed.v1.json".into()),
        correlation_id: "c-1".into(),
        causation_id: Some("e-0".into()),
        trace_parent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into()),
        trace_state: Some("vendor=1".into()),
        actor: Some("ada".into()),
        replay_name: Some("after-the-incident".into()),
        ..envelope.attributes
    };
    envelope
}

/// Returns the messages that a handler emits when it is given the full envelope.
async fn emitted() -> Vec<EncodedEnvelope> {
    let ran = scenario(Confirm).when_envelope(full()).await.then_done();
    let envelopes: Vec<_> = ran.ledger().log().into_iter().map(|outgoing| outgoing.envelope).collect();
    assert_eq!(envelopes.len(), 3);
    envelopes
}

fn standard() -> Validator {
    let schema: Value =
        serde_json::from_str(include_str!("cloudevents/cloudevents-1.0.schema.json")).unwrap();
    jsonschema::options().should_validate_formats(true).build(&schema).unwrap()
}

fn json_of<T: Serialize>(envelope: &T) -> Value {
    serde_json::to_value(envelope).unwrap()
}

fn problems(event: &Value) -> Vec<String> {
    standard().iter_errors(event).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

#[tokio::test]
async fn what_a_handler_emits_is_valid_by_the_standards_schema() {
    for envelope in emitted().await {
        let event = json_of(&envelope);
        assert_eq!(problems(&event), Vec::<String>::new(), "{event:#}");
    }
}

#[test]
fn an_envelope_is_valid_with_everything_in_it_and_with_the_least() {
    for envelope in [full(), Envelope::of("e-1", "shop", OrderPlaced { order_id: "o-1".into() })] {
        let event = json_of(&envelope.encode().unwrap());
        assert_eq!(problems(&event), Vec::<String>::new(), "{event:#}");
    }
}

/// CloudEvents, "Naming Conventions": lower-case letters and digits, and at most 20 of them.
#[tokio::test]
async fn extensions_are_named_as_the_standard_asks() {
    let standard = ["specversion", "id", "source", "type", "subject", "time", "dataschema"];
    let mut extensions = BTreeSet::new();
    let full = full().encode().unwrap();
    for envelope in emitted().await.iter().chain([&full]) {
        let event = json_of(envelope);
        let names = event.as_object().unwrap().keys().cloned();
        extensions.extend(
            names.filter(|name| !standard.contains(&&**name) && name != "datacontenttype" && name != "data"),
        );
    }
    for name in &extensions {
        let is_plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        assert!(is_plain && name.len() <= 20, "`{name}` is no name for an extension");
    }
    let expected = [
        "actor",
        "aggregatetype",
        "causationid",
        "correlationid",
        "replayname",
        "schemaversion",
        "sequence",
        "traceparent",
        "tracestate",
    ];
    assert_eq!(extensions.iter().map(String::as_str).collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn an_emitted_message_continues_the_line_of_what_caused_it() {
    let parent = full().attributes;
    let envelopes = emitted().await;
    for envelope in &envelopes {
        let attributes = &envelope.attributes;
        assert_eq!(attributes.correlation_id, parent.correlation_id);
        assert_eq!(attributes.causation_id.as_ref(), Some(&parent.id));
        assert_eq!(attributes.trace_parent, parent.trace_parent);
        assert_eq!(attributes.trace_state, parent.trace_state);
        assert_eq!(attributes.actor, parent.actor);
        assert_eq!(attributes.replay_name, parent.replay_name);
    }
    let sequences: Vec<_> = envelopes.iter().map(|envelope| envelope.attributes.sequence).collect();
    assert_eq!(sequences, [Some(1), None, None], "only what the same commit saves has a sequence");
}

#[test]
fn the_schema_refuses_what_is_no_cloud_event() {
    let good = json_of(&full().encode().unwrap());
    for (name, value, why) in [
        ("id", json!(null), "null is not of type"),
        ("id", json!(""), "shorter than 1"),
        ("source", json!("not a reference"), "uri-reference"),
        ("subject", json!(""), "shorter than 1"),
        ("time", json!("yesterday"), "date-time"),
        ("dataschema", json!("relative"), "uri"),
        ("type", json!(7), "not of type"),
    ] {
        let mut broken = good.clone();
        broken[name] = value;
        let problems = problems(&broken);
        assert!(problems.iter().any(|problem| problem.contains(why)), "{name}: {problems:?}");
    }
    for name in ["id", "source", "specversion", "type"] {
        let mut broken = good.clone();
        broken.as_object_mut().unwrap().remove(name);
        assert_eq!(problems(&broken), [format!(": \"{name}\" is a required property")]);
    }
}

#[tokio::test]
async fn a_message_without_a_subject_is_not_emitted() {
    async fn announce(placed: Envelope<OrderPlaced>) -> Result<Effects<OrderEvent>, Failure> {
        Ok(Effects::none().emit(OrderConfirmed { order_id: placed.data.order_id }))
    }
    let message = OrderPlaced { order_id: String::new() };
    scenario(handler_fn("announce", announce)).when(message).await.then_rejected("its subject is empty");
}
