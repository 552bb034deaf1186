//! What makes a message the same message: claim keys, payload hashes, owner tokens and the ids of
//! emitted messages. All but the owner token are functions of the input, so that running a handler
//! twice can only produce the same ids.

use crate::envelope::Attributes;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::fmt::{self, Write as _};
use uuid::Uuid;

/// The namespace of every id this framework derives. Fixed for ever.
const NAMESPACE: Uuid = Uuid::from_u128(0x8f2c_1f6e_4f3b_4b0e_9a55_7d0c_52f1_6a10);

/// Names one run of one handler for one message: the partition key of its claim.
///
/// ```
/// use throughline_core::identity::ClaimKey;
/// assert_eq!(ClaimKey::for_event("confirm-order", "shop", "e-1").as_str(), "claim#confirm-order#event#4:shop:e-1");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClaimKey(String);

impl ClaimKey {
    /// DynamoDB allows a partition key of 2048 bytes; longer identities are hashed well before.
    const LONGEST: usize = 1024;

    /// CloudEvents ids are unique within a source, so the key holds both. The source is length-prefixed:
    /// no two pairs of source and id can make the same key.
    pub fn for_event(handler: &str, source: &str, id: &str) -> Self {
        Self::fit(handler, "event", &format!("{}:{source}:{id}", source.len()))
    }

    /// For a handler that names its own business key.
    pub fn for_business_key(handler: &str, key: &str) -> Self {
        Self::fit(handler, "key", key)
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A UUID derived from the key, for APIs outside that take an idempotency key.
    pub fn idempotency_key(&self) -> String {
        Uuid::new_v5(&NAMESPACE, self.0.as_bytes()).to_string()
    }

    fn fit(handler: &str, form: &str, identity: &str) -> Self {
        let key = format!("claim#{handler}#{form}#{identity}");
        if key.len() <= Self::LONGEST {
            return Self(key);
        }
        Self(format!("claim#{handler}#{form}-sha256#{}", hex(&Sha256::digest(identity))))
    }
}

impl fmt::Display for ClaimKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The hash of a message's type and data, not of its bytes: white space and the order of members do not
/// count. The same identity with another hash is another message pretending to be this one. Numbers count as
/// JSON libraries read them: integers of up to 64 bits exactly, all others as floating-point numbers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PayloadHash(String);

impl PayloadHash {
    /// Hashes a type and its data.
    ///
    /// ```
    /// use throughline_core::identity::PayloadHash;
    /// let one = PayloadHash::of("t", &serde_json::from_str(r#"{"a":1,"b":2}"#).unwrap());
    /// let two = PayloadHash::of("t", &serde_json::from_str(r#"{ "b": 2, "a": 1 }"#).unwrap());
    /// assert_eq!(one, two);
    /// ```
    pub fn of(message_type: &str, data: &Value) -> Self {
        let mut text = String::new();
        canonical(data, &mut text);
        let mut hash = Sha256::new();
        hash.update(message_type.len().to_be_bytes());
        hash.update(message_type);
        hash.update(text);
        Self(hex(&hash.finalize()[..16]))
    }

    /// A hash read back from a ledger.
    pub fn from_text(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The hash as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// JSON with members sorted by name and no white space. Sorts by itself: whether `Value`'s own map
/// sorts depends on a feature that any crate in a build can switch.
fn canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by_key(|(name, _)| *name);
            out.push('{');
            for (at, (name, value)) in members.into_iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                _ = write!(out, "{}:", Value::from(name.as_str()));
                canonical(value, out);
            }
            out.push('}');
        }
        Value::Array(values) => {
            out.push('[');
            for (at, value) in values.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                canonical(value, out);
            }
            out.push(']');
        }
        scalar => _ = write!(out, "{scalar}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        _ = write!(text, "{byte:02x}");
        text
    })
}

/// Proof of who holds a claim: random for every attempt, so that a process which was believed dead can
/// never pass for its successor.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OwnerToken(String);

impl OwnerToken {
    /// A token from a random number.
    pub fn from_random(random: u128) -> Self {
        Self(format!("{random:032x}"))
    }

    /// A token read back from a ledger.
    pub fn from_text(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The token as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The id of the `ordinal`-th message with this type and subject that `handler` sends because of
/// `parent`: a UUID version 5 (RFC 9562, section 5.5).
///
/// ```
/// use throughline_core::{Attributes, identity::emitted_id};
/// let parent = Attributes::new("e-1", "shop", "order.placed");
/// let once = emitted_id(&parent, "reserve-stock", "stock.reserved", Some("o-1"), 0);
/// assert_eq!(once, emitted_id(&parent, "reserve-stock", "stock.reserved", Some("o-1"), 0));
/// ```
pub fn emitted_id(
    parent: &Attributes,
    handler: &str,
    message_type: &str,
    subject: Option<&str>,
    ordinal: usize,
) -> String {
    let mut name = String::new();
    for part in [&parent.source, &parent.id, handler, message_type, subject.unwrap_or_default()] {
        _ = write!(name, "{}:{part};", part.len());
    }
    _ = write!(name, "{ordinal}");
    Uuid::new_v5(&NAMESPACE, name.as_bytes()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_identities_share_a_claim_key() {
        assert_ne!(ClaimKey::for_event("h", "a:b", "c"), ClaimKey::for_event("h", "a", "b:c"));
        assert_ne!(ClaimKey::for_event("h", "", "x"), ClaimKey::for_business_key("h", "0::x"));
    }

    #[test]
    fn a_long_identity_still_fits_a_partition_key() {
        let long = "x".repeat(5000);
        let key = ClaimKey::for_event("h", "s", &long);
        assert!(key.as_str().len() < 2048);
        assert_ne!(key, ClaimKey::for_event("h", "s", &format!("{long}y")));
    }

    #[test]
    fn the_payload_hash_sees_type_and_value_but_not_layout() {
        let hash = |name, text: &str| PayloadHash::of(name, &serde_json::from_str(text).unwrap());
        assert_eq!(hash("t", r#"{"a":[1,{"c":1,"b":2}]}"#), hash("t", r#"{"a":[1,{"b":2,"c":1}]}"#));
        assert_ne!(hash("t", r#"{"a":[1,2]}"#), hash("t", r#"{"a":[2,1]}"#));
        assert_ne!(hash("t", "{}"), hash("u", "{}"));
    }

    #[test]
    fn derived_ids_are_fixed_for_ever() {
        let parent = Attributes::new("e-1", "shop", "order.placed");
        let id = |ordinal| emitted_id(&parent, "reserve-stock", "stock.reserved", Some("o-1"), ordinal);
        assert_eq!(id(0), "2b641e52-12fb-598d-b4f9-9cb26c3d74f1");
        assert_ne!(id(0), id(1));
    }
}
