//! `events/catalogue.json` and the schemas beside it are made of the shop's types: written anew with
//! `THROUGHLINE_WRITE=1 cargo test -p throughline-shop`.

use serde_json::{Value, json};
use std::{fs, path::Path};
use throughline_core::{
    catalogue::{CatalogueEntry, CatalogueFile, MessageKind},
    saga::SagaEvent,
};
use throughline_shop::{
    ApprovalCommand, ApprovalEvent, OrderCommand, OrderEvent, PaymentCommand, StockEvent,
};
use throughline_testing::CatalogueCheck;

const EVENTS: &str = "../../events";

fn catalogue() -> CatalogueCheck {
    throughline_testing::catalogue()
        .events::<OrderEvent>()
        .events::<StockEvent>()
        .events::<ApprovalEvent>()
        .events::<SagaEvent>()
        .commands::<OrderCommand>()
        .commands::<PaymentCommand>()
        .commands::<ApprovalCommand>()
}

fn read(file: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(EVENTS).join(file);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn entry(message_type: &str) -> CatalogueEntry {
    let CatalogueFile { messages } = catalogue().file();
    messages.into_iter().find(|entry| entry.message_type == message_type).unwrap()
}

#[test]
fn the_catalogue_and_its_schemas_are_what_the_types_say() {
    catalogue().assert_is_current(EVENTS);
}

#[test]
fn it_tells_facts_from_requests_and_who_takes_them() {
    assert_eq!(entry("order.placed").kind, MessageKind::Event { aggregate: Some("order".into()) });
    assert_eq!(entry("order.pay").kind, MessageKind::Command { queue: "await-payment".into() });
    assert_eq!(entry("saga.stuck").subject, "execution");
}

#[test]
fn who_ordered_where_to_and_which_card_are_marked_as_sensitive() {
    let catalogue = catalogue();
    let schema = catalogue.schema("order.placed", 1).unwrap();
    assert_eq!(schema.pointer("/properties/customer/x-sensitive"), Some(&json!(true)));
    for field in ["card", "address"] {
        let mark = schema.pointer(&format!("/$defs/Delivery/properties/{field}/x-sensitive"));
        assert_eq!(mark, Some(&json!(true)), "{field}");
    }
    assert_eq!(schema.pointer("/properties/order_id/x-sensitive"), None);
}

/// The schemas allow exactly the values that the types read.
#[test]
fn samples_are_valid_by_their_schemas_unless_they_are_malformed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(EVENTS);
    let catalogue = catalogue();
    let mut judged = 0;
    for file in fs::read_dir(folder).unwrap().flatten() {
        let name = file.file_name().into_string().unwrap();
        if file.path().is_dir() || name == "catalogue.json" || name == "stock.seed.json" {
            continue;
        }
        let sample = read(&name);
        let schema = catalogue.schema(sample["type"].as_str().unwrap(), 1).unwrap();
        let is_valid = jsonschema::is_valid(schema, &sample["data"]);
        assert_eq!(is_valid, !name.contains("malformed"), "{name}");
        judged += 1;
    }
    assert!(judged > 20, "only {judged} samples were judged");
}
