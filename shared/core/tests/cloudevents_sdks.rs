//! Bodies that CloudEvents' own SDKs write are read, or refused with a reason that names the attribute: a table of
//! every body.
//!
//! The bodies were written by sdk-go v2, the JavaScript SDK 10.0.0 and the Python SDK 2.2.0. The table is
//! `cloudevents/sdks.md`; with `THROUGHLINE_WRITE=1` it is written anew.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{env, fmt::Write as _, fs, path::Path};
use throughline_core::{
    internal::decode::{self, Origin},
    prelude::*,
};

const SDKS: [(&str, &str); 3] = [
    ("Go", include_str!("cloudevents/sdks/go.jsonl")),
    ("JavaScript", include_str!("cloudevents/sdks/javascript.jsonl")),
    ("Python", include_str!("cloudevents/sdks/python.jsonl")),
];

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Order {
    id: String,
    #[serde(default)]
    amount: Option<f64>,
}

events! {
    /// Orders.
    enum OrderEvent of "order" { "com.example.order" v1 => Order(Order.id) }
}

#[derive(Deserialize)]
struct Written {
    name: String,
    body: String,
}

fn bodies(lines: &str) -> impl Iterator<Item = Written> {
    lines.lines().map(|line| serde_json::from_str(line).unwrap())
}

fn decoded(body: &str) -> Result<Envelope<OrderEvent>, decode::Undecodable> {
    let origin = Origin { message_id: "m-1", source: "queue" };
    decode::decode(body, origin).map(|decoded| decoded.envelope)
}

/// Returns the attributes that not every event has and the data of a body, or the reason why it is refused.
fn answer(body: &str) -> String {
    let envelope = match decoded(body) {
        Ok(envelope) => envelope,
        Err(undecodable) => return format!("{}: {}", undecodable.error.error_type(), undecodable.error),
    };
    let id = envelope.attributes.id.clone();
    let Ok(Value::Object(mut written)) = serde_json::to_value(envelope.encode().unwrap()) else { panic!() };
    for name in ["specversion", "id", "source", "type", "datacontenttype"] {
        written.remove(name);
    }
    if written.get("correlationid") == Some(&Value::from(id)) {
        written.remove("correlationid");
    }
    if written.get("schemaversion") == Some(&Value::from(1)) {
        written.remove("schemaversion");
    }
    let (mut data, mut rest) = (written.remove("data").unwrap(), Value::Object(written));
    // Whether they are in order otherwise depends on who else is compiled.
    data.sort_all_objects();
    rest.sort_all_objects();
    format!("data {data}; {rest}")
}

#[test]
fn every_body_that_an_sdk_wrote_is_read_or_refused_by_name() {
    let mut table = String::from(
        "What becomes of every body in `sdks`, given to a handler of `com.example.order` v1. Written by a test.\n\n\
         | SDK | what it was given | read, or refused |\n|---|---|---|\n",
    );
    for (sdk, lines) in SDKS {
        for Written { name, body } in bodies(lines) {
            _ = writeln!(table, "| {sdk} | {name} | {} |", answer(&body).replace('|', "\\|"));
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cloudevents/sdks.md");
    if env::var_os("THROUGHLINE_WRITE").is_some() {
        fs::write(&path, &table).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    for (kept, found) in kept.lines().zip(table.lines()) {
        assert_eq!(kept, found, "to write the table anew: THROUGHLINE_WRITE=1");
    }
    assert_eq!(kept.lines().count(), table.lines().count(), "to write the table anew: THROUGHLINE_WRITE=1");
}

#[test]
fn an_event_of_ours_comes_back_whole_from_every_sdk_and_over_every_wire() {
    let mut ways = 0;
    for Written { name, body } in bodies(SDKS[1].1).filter(|written| written.name.starts_with("ours")) {
        let Envelope { attributes, data } = decoded(&body).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!((attributes.sequence, attributes.schema_version), (Some(7), 1), "{name}");
        assert_eq!((&*attributes.correlation_id, attributes.causation_id.as_deref()), ("c-1", Some("e-0")));
        assert_eq!(
            (attributes.aggregate_type.as_deref(), attributes.actor.as_deref()),
            (Some("order"), Some("ada"))
        );
        assert!(
            attributes.trace_parent.is_some() && attributes.extensions.is_empty(),
            "{name}: {attributes:?}"
        );
        assert_eq!(data, OrderEvent::Order(Order { id: "o-1".into(), amount: Some(1.0) }));
        ways += 1;
    }
    assert_eq!(ways, 4);
}

/// Kinds of data, by what they were given to the SDKs as.
#[test]
fn json_that_an_sdk_was_given_as_bytes_is_read_as_what_the_bytes_say() {
    let mut read = Vec::new();
    for (sdk, lines) in SDKS {
        for Written { name, body } in bodies(lines).filter(|written| written.body.contains("data_base64")) {
            if let Ok(envelope) = decoded(&body) {
                let OrderEvent::Order(order) = envelope.data;
                assert_eq!((&*order.id, order.amount), ("o-1", Some(1.0)));
                read.push(format!("{sdk}: {name}"));
            }
        }
    }
    assert_eq!(
        read,
        [
            "Go: json bytes with application/json",
            "JavaScript: Buffer with application/json",
            "Python: json bytes with application/json",
            "Python: json bytes no content type",
        ]
    );
}
