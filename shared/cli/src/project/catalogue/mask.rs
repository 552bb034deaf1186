//! Payloads as they may be shown: without what is sensitive, and without what nobody has said is not.

use super::Catalogue;
use serde_json::Value;
use throughline_core::internal::sensitive::{MASK, SCHEMA_MARK};

impl Catalogue {
    /// The data of a message as it may be shown. `***` stands for
    ///
    /// - every value whose type is `Sensitive`, in any version of the message, whatever it holds;
    /// - every text and number that no schema describes: of a type the catalogue does not know, or in a field that
    ///   the type does not have. What is not known may be anything.
    ///
    /// Fields, true, false and null stay, and so does a value of the wrong form in a field that is not sensitive:
    /// that is what somebody looks for.
    pub fn masked(&self, message_type: &str, data: Value) -> Value {
        let schemas: Vec<Place<'_>> = self
            .of_type(message_type)
            .map(|message| Place { root: &message.schema, schema: &message.schema })
            .collect();
        masked(data, &schemas)
    }

    /// A message as it may be shown, with its data [masked](Self::masked): a CloudEvent, alone or inside an
    /// EventBridge event, an SNS notification or what Lambda sends to an on-failure destination. The attributes of a
    /// CloudEvent are shown: "Context attributes SHOULD NOT carry or represent sensitive information" (CloudEvents
    /// 1.0, "Privacy and Security"). Of any other JSON every text and number is masked.
    pub fn mask_envelope(&self, message: Value) -> Value {
        let Value::Object(mut fields) = message else { return unknown(message) };
        if fields.get("specversion").is_some_and(Value::is_string) {
            let message_type = fields.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
            for (name, mask) in [("data", true), ("data_base64", false)] {
                if let Some(data) = fields.get_mut(name) {
                    let whole = data.take();
                    *data = if mask { self.masked(&message_type, whole) } else { unknown(whole) };
                }
            }
            return Value::Object(fields);
        }
        // What carries a message: its own fields say whence it came, not what is in it.
        if let Some(carrier) = CARRIERS.iter().find(|carrier| fields.contains_key(carrier.message)) {
            return Value::Object(fields.into_iter().map(|field| self.carried(carrier, field)).collect());
        }
        unknown(Value::Object(fields))
    }

    fn carried(&self, carrier: &Carrier, (name, value): (String, Value)) -> (String, Value) {
        let shown = match value {
            Value::String(text) if name == carrier.message => self.masked_body(&text).into(),
            value if name == carrier.message => self.mask_envelope(value),
            value if carrier.shown.contains(&&*name) => value,
            value => unknown(value),
        };
        (name, shown)
    }

    /// The body of a message as it may be shown: [masked](Self::mask_envelope) if it is JSON, else only its length.
    pub fn masked_body(&self, body: &str) -> String {
        match serde_json::from_str(body) {
            Ok(message) => self.mask_envelope(message).to_string(),
            Err(_) => format!("{MASK} ({} bytes that are no JSON)", body.len()),
        }
    }
}

/// Something that a message travels in.
struct Carrier {
    /// The field that holds the message.
    message: &'static str,
    /// The fields that are shown as they are.
    shown: &'static [&'static str],
}

const CARRIERS: [Carrier; 3] = [
    // "Events", in the EventBridge user guide.
    Carrier {
        message: "detail",
        shown: &[
            "version",
            "id",
            "detail-type",
            "source",
            "account",
            "time",
            "region",
            "resources",
            "replay-name",
        ],
    },
    // "Parsing message formats" of Amazon SNS.
    Carrier { message: "Message", shown: &["Type", "MessageId", "TopicArn", "Timestamp"] },
    // "Capturing records of Lambda asynchronous invocations".
    Carrier {
        message: "requestPayload",
        shown: &["version", "timestamp", "requestContext", "responseContext"],
    },
];

/// A place in a schema, and the whole schema, which its references go through.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) root: &'a Value,
    pub(super) schema: &'a Value,
}

/// A value that may be at any of these places.
fn masked(value: Value, places: &[Place<'_>]) -> Value {
    let places = all_of(places);
    if places.iter().any(|place| place.schema[SCHEMA_MARK] == Value::Bool(true)) {
        return if value.is_null() { value } else { MASK.into() };
    }
    if places.is_empty() {
        return unknown(value);
    }
    match value {
        Value::Object(fields) => {
            let shown = |(name, value): (String, Value)| {
                let value = masked(value, &field(&places, &name));
                (name, value)
            };
            Value::Object(fields.into_iter().map(shown).collect())
        }
        Value::Array(items) => {
            let shown = |(index, value): (usize, Value)| masked(value, &item(&places, index));
            Value::Array(items.into_iter().enumerate().map(shown).collect())
        }
        value => value,
    }
}

/// Masks a value that no schema describes.
fn unknown(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            Value::Object(fields.into_iter().map(|(name, value)| (name, unknown(value))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(unknown).collect()),
        Value::String(_) | Value::Number(_) => MASK.into(),
        value => value,
    }
}

/// The places themselves, and all that they refer to or are made of. A schema that refers to itself is gone through
/// once.
pub(super) fn all_of<'a>(places: &[Place<'a>]) -> Vec<Place<'a>> {
    let mut all: Vec<Place<'a>> = Vec::new();
    let mut ahead = places.to_vec();
    while let Some(place) = ahead.pop() {
        if !place.schema.is_object() || all.iter().any(|known| std::ptr::eq(known.schema, place.schema)) {
            continue;
        }
        all.push(place);
        let reference = place.schema["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
        let referred = reference.and_then(|pointer| place.root.pointer(pointer));
        let made_of =
            ["allOf", "anyOf", "oneOf"].iter().filter_map(|name| place.schema[name].as_array()).flatten();
        let conditional = ["if", "then", "else"].iter().filter_map(|name| place.schema.get(name));
        ahead.extend(
            referred.into_iter().chain(made_of).chain(conditional).map(|schema| Place { schema, ..place }),
        );
    }
    all
}

/// Returns the places that describe a field. Keys that are integers are described by a pattern.
pub(super) fn field<'a>(places: &[Place<'a>], name: &str) -> Vec<Place<'a>> {
    let digits = name.strip_prefix('-').unwrap_or(name);
    let is_integer = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let of = |place: &Place<'a>| {
        let schema = place.schema;
        let by_pattern = || schema["patternProperties"].as_object().filter(|_| is_integer)?.values().next();
        let by_name = schema["properties"].get(name).or_else(by_pattern);
        Some(Place { schema: by_name.or_else(|| schema.get("additionalProperties"))?, ..*place })
    };
    places.iter().filter_map(of).collect()
}

/// Returns the places that describe an item of a list.
pub(super) fn item<'a>(places: &[Place<'a>], index: usize) -> Vec<Place<'a>> {
    let of = |place: &Place<'a>| {
        let schema = place.schema["prefixItems"].get(index).or_else(|| place.schema.get("items"))?;
        Some(Place { schema, ..*place })
    };
    places.iter().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::super::Message;
    use super::*;
    use serde_json::json;
    use throughline_core::catalogue::{CatalogueEntry, MessageKind};

    fn message(version: u16, schema: Value) -> Message {
        let entry = CatalogueEntry {
            message_type: "order.placed".into(),
            schemaversion: version,
            kind: MessageKind::Event { aggregate: None },
            subject: "order_id".into(),
            schema: String::new(),
        };
        Message { entry, schema }
    }

    fn catalogue() -> Catalogue {
        let schema = json!({
            "$defs": {
                "Delivery": { "properties": { "card": { "x-sensitive": true }, "express": { "type": "boolean" } } },
                "Part": { "properties": { "name": {}, "parts": { "items": { "$ref": "#/$defs/Part" } } } },
            },
            "properties": {
                "order_id": { "type": "string" },
                "customer": { "type": "string", "x-sensitive": true },
                "delivery": { "anyOf": [{ "$ref": "#/$defs/Delivery" }, { "type": "null" }] },
                "notes": { "items": { "type": "string", "x-sensitive": true } },
                "parts": { "items": { "$ref": "#/$defs/Part" } },
                "prices": { "additionalProperties": { "type": "integer" } },
            },
        });
        Catalogue { messages: vec![message(1, schema)] }
    }

    fn shown(data: Value) -> Value {
        catalogue().masked("order.placed", data)
    }

    #[test]
    fn what_is_marked_is_masked_wherever_it_is() {
        let data = json!({
            "order_id": "o-1", "customer": "Ada", "notes": ["a", "b"],
            "delivery": { "card": { "number": 4111 }, "express": true },
        });
        assert_eq!(
            shown(data),
            json!({
                "order_id": "o-1", "customer": "***", "notes": ["***", "***"],
                "delivery": { "card": "***", "express": true },
            })
        );
        assert_eq!(shown(json!({ "customer": null })), json!({ "customer": null }));
    }

    #[test]
    fn what_the_type_does_not_have_is_masked() {
        assert_eq!(
            shown(json!({ "custommer": "Ada", "order_id": { "x": [1, true, null] } })),
            json!({ "custommer": "***", "order_id": { "x": ["***", true, null] } })
        );
        let data = json!({ "prices": { "eur": 1 }, "order_id": "o-1" });
        assert_eq!(
            catalogue().masked("order.lost", data.clone()),
            json!({ "prices": { "eur": "***" }, "order_id": "***" })
        );
        assert_eq!(shown(data.clone()), data);
    }

    #[test]
    fn a_wrong_form_of_what_is_not_sensitive_is_shown() {
        assert_eq!(shown(json!({ "prices": { "eur": "two" } })), json!({ "prices": { "eur": "two" } }));
    }

    #[test]
    fn a_schema_that_refers_to_itself_is_followed_as_deep_as_the_data_goes() {
        let data = json!({ "parts": [{ "name": "a", "parts": [{ "name": "b", "secret": "c" }] }] });
        let masked = json!({ "parts": [{ "name": "a", "parts": [{ "name": "b", "secret": "***" }] }] });
        assert_eq!(shown(data), masked);
    }

    #[test]
    fn what_any_version_marks_is_masked() {
        let mut catalogue = catalogue();
        catalogue.messages.push(message(2, json!({ "properties": { "order_id": { "x-sensitive": true } } })));
        assert_eq!(
            catalogue.masked("order.placed", json!({ "order_id": "o-1" })),
            json!({ "order_id": "***" })
        );
    }

    #[test]
    fn a_message_is_masked_in_whatever_carries_it() {
        let event = json!({
            "specversion": "1.0", "id": "e-1", "type": "order.placed", "correlationid": "c-1",
            "data": { "order_id": "o-1", "customer": "Ada" },
        });
        let on_bus = json!({ "id": "b-1", "detail-type": "order.placed", "detail": event });
        let notified = json!({ "Type": "Notification", "Subject": "Ada", "Message": on_bus.to_string() });
        let given_up = json!({ "requestContext": { "approximateInvokeCount": 3 }, "requestPayload": on_bus,
            "responsePayload": { "errorMessage": "Ada is unknown" } });
        for body in [&event, &on_bus, &notified, &given_up] {
            let shown = catalogue().masked_body(&body.to_string());
            assert!(!shown.contains("Ada"), "{shown}");
            for kept in ["e-1", "c-1", "o-1"] {
                assert!(shown.contains(kept), "{kept} in {shown}");
            }
        }
    }

    #[test]
    fn what_is_no_message_shows_its_fields_and_nothing_in_them() {
        let change = json!({ "detail-type": "Step Functions", "detail": { "input": "{\"card\":1}", "status": "FAILED" } });
        let shown = catalogue().mask_envelope(change);
        assert_eq!(
            shown,
            json!({ "detail-type": "Step Functions", "detail": { "input": "***", "status": "***" } })
        );
        assert_eq!(catalogue().masked_body("Ada, 12 Analytical Row"), "*** (22 bytes that are no JSON)");
    }
}
