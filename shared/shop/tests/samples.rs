//! The folder `events/` holds a sample of every message of the shop: what is there can be read, and what
//! can be sent is there.

use serde_json::Value;
use std::{collections::BTreeMap, fs, path::Path};
use throughline_core::saga::SagaEvent;
use throughline_core::{
    EncodedEnvelope, Envelope, Message, MessageType, WireForm,
    internal::{
        decode::{self, DecodeError, Origin},
        identity::emitted_id,
    },
};
use throughline_shop::{
    ApprovalCommand, ApprovalEvent, Checkout, Order, OrderCommand, OrderEvent, PaymentCommand, Stock,
    StockEvent,
};

/// The kind of a file in `events/`, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// `order.placed.v1.json`, `order.place.v1.out-of-stock.json`: a message that can be read.
    Good,
    /// `order.place.v1.malformed.json`: a message that cannot.
    Malformed,
    /// `stock.seed.json`: what the demo puts into a table.
    Seed,
    /// `catalogue.json`: what the messages are.
    Catalogue,
}

struct Sample {
    text: String,
    kind: Kind,
}

fn samples() -> BTreeMap<String, Sample> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../events");
    let mut samples = BTreeMap::new();
    for file in fs::read_dir(folder).expect("the folder events/ is there") {
        let path = file.expect("events/ can be listed").path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let kind = match name.rsplit('.').next() {
            Some("malformed") => Kind::Malformed,
            Some("seed") => Kind::Seed,
            Some("catalogue") => Kind::Catalogue,
            _ => Kind::Good,
        };
        samples.insert(name, Sample { text: fs::read_to_string(path).unwrap(), kind });
    }
    assert!(!samples.is_empty(), "events/ is empty");
    samples
}

fn catalogue() -> Vec<MessageType> {
    [
        OrderCommand::CATALOGUE,
        PaymentCommand::CATALOGUE,
        ApprovalCommand::CATALOGUE,
        OrderEvent::CATALOGUE,
        StockEvent::CATALOGUE,
        ApprovalEvent::CATALOGUE,
        SagaEvent::CATALOGUE,
    ]
    .concat()
}

fn open(text: &str) -> Result<EncodedEnvelope, DecodeError> {
    decode::open(text, WireForm::CloudEvent, Origin { message_id: "none", source: "none" })
}

/// Reads a message by whichever catalogue has its type, and writes it again.
fn read_and_write(text: &str) -> Result<Value, DecodeError> {
    fn through<M: Message>(opened: EncodedEnvelope) -> Result<Value, DecodeError> {
        let read: Envelope<M> = decode::read(opened)?;
        assert_eq!(read.attributes.subject, read.data.subject(), "subject");
        if M::AGGREGATE_TYPE.is_some() {
            assert_eq!(read.attributes.aggregate_type.as_deref(), M::AGGREGATE_TYPE, "aggregatetype");
        }
        Ok(serde_json::to_value(read.encode().unwrap()).unwrap())
    }
    let opened = open(text)?;
    let has = |catalogue: &[MessageType]| {
        catalogue.iter().any(|entry| entry.name == opened.attributes.message_type)
    };
    if has(OrderCommand::CATALOGUE) {
        through::<OrderCommand>(opened)
    } else if has(PaymentCommand::CATALOGUE) {
        through::<PaymentCommand>(opened)
    } else if has(ApprovalCommand::CATALOGUE) {
        through::<ApprovalCommand>(opened)
    } else if has(OrderEvent::CATALOGUE) {
        through::<OrderEvent>(opened)
    } else if has(ApprovalEvent::CATALOGUE) {
        through::<ApprovalEvent>(opened)
    } else if has(SagaEvent::CATALOGUE) {
        through::<SagaEvent>(opened)
    } else {
        through::<StockEvent>(opened)
    }
}

#[test]
fn every_sample_is_read_and_written_back_the_same() {
    for (name, sample) in samples() {
        let json: Value =
            serde_json::from_str(&sample.text).unwrap_or_else(|error| panic!("{name}: {error}"));
        match sample.kind {
            Kind::Good => {
                let written = read_and_write(&sample.text).unwrap_or_else(|error| panic!("{name}: {error}"));
                assert_eq!(written, json, "{name}");
            }
            Kind::Seed => {
                let stock: Vec<Stock> =
                    serde_json::from_value(json.clone()).unwrap_or_else(|error| panic!("{name}: {error}"));
                assert_eq!(serde_json::to_value(stock).unwrap(), json, "{name}");
            }
            Kind::Malformed | Kind::Catalogue => {}
        }
    }
}

#[test]
fn a_sample_is_named_after_its_type_and_version() {
    let samples = samples();
    let is_message = |kind| matches!(kind, Kind::Good | Kind::Malformed);
    for (name, sample) in samples.iter().filter(|(_, sample)| is_message(sample.kind)) {
        let attributes = open(&sample.text).unwrap_or_else(|error| panic!("{name}: {error}")).attributes;
        let expected = format!("{}.v{}", attributes.message_type, attributes.schema_version);
        let variant = name.strip_prefix(&expected).unwrap_or_else(|| panic!("{name} holds a {expected}"));
        assert!(variant.is_empty() || variant.starts_with('.'), "{name} holds a {expected}");
    }
}

#[test]
fn every_message_of_the_catalogue_has_a_sample() {
    let samples = samples();
    for MessageType { name, version } in catalogue() {
        assert!(
            samples.contains_key(&format!("{name}.v{version}")),
            "events/{name}.v{version}.json is missing"
        );
    }
}

#[test]
fn a_malformed_sample_says_where_it_is_wrong() {
    let samples = samples();
    let malformed: Vec<_> = samples.iter().filter(|(_, sample)| sample.kind == Kind::Malformed).collect();
    assert_eq!(malformed.len(), 1, "a malformed sample is new here: say below why it cannot be read");
    let (name, sample) = malformed[0];
    assert_eq!(name, "order.place.v1.malformed");
    let error = read_and_write(&sample.text).unwrap_err();
    assert_eq!(error.error_type(), "MalformedData");
    let reason = error.to_string();
    // Where and what, and not the value: it may be nobody's business.
    assert!(reason.contains("invalid type: string, expected i64 at line 8"), "{reason}");
}

#[test]
fn the_orders_for_the_demo_end_as_their_names_say() {
    let samples = samples();
    let stock: Vec<Stock> = serde_json::from_str(&samples["stock.seed"].text).unwrap();
    let check = |name: &str| {
        let opened = open(&samples[name].text).unwrap();
        let OrderCommand::Place(command) = decode::read::<OrderCommand>(opened).unwrap().data;
        command.check()
    };
    let is_in_stock = |name: &str| {
        check(name)
            .unwrap()
            .lines
            .iter()
            .all(|line| stock.iter().any(|item| item.sku == line.sku && item.available >= line.quantity))
    };
    for name in ["unpaid", "delivery", "declined", "undeliverable", "answer-lost", "high-value"] {
        let name = format!("order.place.v1.{name}");
        assert!(is_in_stock(&name), "{name}");
        let checkout = Checkout::of(&Order::from(check(&name).unwrap()));
        assert_eq!(checkout.is_none(), name.ends_with("unpaid"), "{name}");
        let needs_approval = checkout.is_some_and(|checkout| checkout.needs_approval);
        assert_eq!(needs_approval, name.ends_with("high-value"), "{name}");
    }
    assert!(is_in_stock("order.place.v1"));
    assert!(!is_in_stock("order.place.v1.out-of-stock"));
    let reason = check("order.place.v1.negative-quantity").unwrap_err().to_string();
    assert!(reason.contains("-1 pieces"), "{reason}");
}

/// Someone who looks at the samples sees one order's line, with the very ids it has when it runs.
#[test]
fn the_samples_of_an_order_are_one_line() {
    let samples = samples();
    let attributes = |name: &str| open(&samples[name].text).unwrap().attributes;
    for (parent, handler, child) in [
        ("order.place.v1", "place-order", "order.placed.v1"),
        ("order.placed.v1", "reserve-stock", "stock.reserved.v1"),
        ("stock.reserved.v1", "confirm-order", "order.confirmed.v1"),
        ("stock.depleted.v1", "confirm-order", "order.cancelled.v1"),
        ("order.pay.v1", "await-payment", "order.paid.v1"),
        ("order.place.v1.unpaid", "place-order", "order.expire.v1"),
        ("order.expire.v1", "await-payment", "order.cancelled.v1.unpaid"),
        ("order.expire.v1", "await-payment", "stock.released.v1"),
    ] {
        let (parent, child) = (attributes(parent), attributes(child));
        let id = emitted_id(&parent, handler, &child.message_type, child.subject.as_deref(), 0);
        assert_eq!(child.id, id, "the id of {}", child.message_type);
        assert_eq!(child.causation_id.as_ref(), Some(&parent.id));
        assert_eq!(child.correlation_id, parent.correlation_id);
        assert!(child.time > parent.time);
    }
}
