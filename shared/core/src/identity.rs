//! Identities: claim keys, payload hashes, owner tokens and the ids of emitted messages. All but the owner token are
//! functions of the input, so that running a handler twice can only produce the same ids.

mod canonical;
mod former;
mod number;

use crate::envelope::Attributes;
use former::Former;
use number::Exact;
use serde::de::{Error as _, IgnoredAny};
use sha2::{Digest, Sha256};
use std::{
    fmt::{self, Write as _},
    hash::{Hash, Hasher},
    sync::Arc,
};
use uuid::Uuid;

/// The namespace of every id that this framework derives. It never changes.
const NAMESPACE: Uuid = Uuid::from_u128(0x8f2c_1f6e_4f3b_4b0e_9a55_7d0c_52f1_6a10);

/// The key of one run of one handler for one message: the partition key of its claim.
///
/// ```
/// use throughline_core::ledger::ClaimKey;
/// assert_eq!(ClaimKey::for_event("confirm-order", "shop", "e-1").as_str(), "claim#confirm-order#event#4:shop:e-1");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClaimKey(String);

impl ClaimKey {
    /// The longest key in bytes. DynamoDB allows a partition key of 2048 bytes; longer identities are hashed well
    /// before.
    const LONGEST: usize = 1024;

    /// Returns the key for an event. CloudEvents ids are unique within a source, so the key holds both. The source is
    /// length-prefixed: no two pairs of source and id can make the same key.
    pub fn for_event(handler: &str, source: &str, id: &str) -> Self {
        Self::fit(handler, "event", source.len() + id.len(), |key| {
            _ = write!(key, "{}:{source}:{id}", source.len());
        })
    }

    /// Returns the key for a handler that defines its own business key.
    pub fn for_business_key(handler: &str, key: &str) -> Self {
        Self::fit(handler, "key", key.len(), |text| text.push_str(key))
    }

    /// Returns the key of the same work under a replay that makes the handler reprocess the message.
    ///
    /// ```
    /// use throughline_core::ledger::ClaimKey;
    /// let key = ClaimKey::for_event("order-board", "shop", "e-1").under_replay("order-board", "again");
    /// assert_eq!(key.as_str(), "claim#order-board#replay#5:again:event#4:shop:e-1");
    /// ```
    #[must_use]
    pub fn under_replay(&self, handler: &str, replay: &str) -> Self {
        let prefix = "claim#".len() + handler.len() + "#".len();
        let work = self.0.get(prefix..).unwrap_or(&self.0);
        Self::fit(handler, "replay", replay.len() + work.len(), |key| {
            _ = write!(key, "{}:{replay}:{work}", replay.len());
        })
    }

    /// Returns the key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns a UUID derived from the key, for APIs outside that take an idempotency key.
    pub fn idempotency_key(&self) -> String {
        Uuid::new_v5(&NAMESPACE, self.0.as_bytes()).to_string()
    }

    /// Returns the key with this identity, hashed if it is too long. `about` is the estimated length in bytes of the
    /// identity.
    fn fit(handler: &str, form: &str, about: usize, identity: impl FnOnce(&mut String)) -> Self {
        let mut key = String::with_capacity("claim###00000:".len() + handler.len() + form.len() + about);
        for part in ["claim#", handler, "#", form, "#"] {
            key.push_str(part);
        }
        let identity_start = key.len();
        identity(&mut key);
        if key.len() <= Self::LONGEST {
            return Self(key);
        }
        let digest = Sha256::digest(&key[identity_start..]);
        let digits: String = digest.iter().flat_map(|byte| hex_digits(*byte)).map(char::from).collect();
        Self(format!("claim#{handler}#{form}-sha256#{digits}"))
    }
}

impl fmt::Display for ClaimKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The hash of a message's type and data: of the meaning of the data, not of its bytes. A message with the same
/// identity and another hash is another message that wrongly claims this identity.
///
/// White space, the order of members, and the notation of letters and numbers do not count. Of members with one name
/// the last one counts. Numbers count by the exact decimal value of their text, not by the value that some program
/// reads from it: `1`, `1.0` and `10e-1` are one, `-0` is `0`, 2^64 and 2^64 + 1 are two. So a number that was rounded
/// on its way is another number: a third in 28 digits and the floating-point number next to it, or 2^64 and the
/// 18446744073709552000 that JavaScript makes of it. Half a surrogate pair, a number of any size and any levels of
/// nesting have a hash, too.
///
/// Ledgers hold older hashes, from before this rule, in which some numbers counted as floating-point numbers;
/// [`PayloadHash::recognises`] knows both.
#[derive(Clone)]
pub struct PayloadHash {
    digits: [u8; 32],
    is_by_value: bool,
    /// The payload, if an older version may have hashed it differently.
    former: Option<Arc<Former>>,
}

impl PayloadHash {
    /// Hashes a type and its data, which is JSON text.
    ///
    /// ```
    /// use throughline_core::ledger::PayloadHash;
    /// let one = PayloadHash::of("t", r#"{"a":1,"b":"\u0032"}"#)?;
    /// let two = PayloadHash::of("t", r#"{ "b": "2", "a": 1.0 }"#)?;
    /// assert_eq!(one, two);
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    ///
    /// # Errors
    /// The data is not JSON.
    pub fn of(message_type: &str, data: &str) -> Result<Self, serde_json::Error> {
        let mut numbers = Exact::default();
        let Some(text) = canonical::canonical(data, &mut numbers) else {
            // This parser's error describes the problem and its position.
            let wrong = serde_json::from_str::<IgnoredAny>(data).err();
            return Err(wrong.unwrap_or_else(|| serde_json::Error::custom("the data is no JSON")));
        };
        let former = || Arc::new(Former { message_type: message_type.to_owned(), data: data.to_owned() });
        let former = numbers.differs_from_former.then(former);
        Ok(Self { digits: Self::digits(message_type, &text), is_by_value: true, former })
    }

    /// Returns a hash that was stored in a ledger; `None` if the text is not 32 lower-case hexadecimal digits.
    pub fn from_text(text: &str) -> Option<Self> {
        let digits: [u8; 32] = text.as_bytes().try_into().ok()?;
        digits.iter().all(|digit| HEX_DIGITS.contains(digit)).then_some(Self {
            digits,
            is_by_value: false,
            former: None,
        })
    }

    /// Returns the hash as text.
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.digits).unwrap_or_default()
    }

    /// Returns whether the hash is known to count numbers by their exact value. A ledger stores this with the hash; a
    /// stored hash without it may be a former one.
    pub fn is_by_value(&self) -> bool {
        self.is_by_value
    }

    /// Returns whether a ledger that holds this text, and does not say that it [is by value](Self::is_by_value), holds
    /// the same payload: it is this hash, or one of the two that the payload had before numbers counted by their exact
    /// value. There are two of the latter because functions read floating-point numbers in another way than tests did.
    /// The former hashes of two payloads may be equal although these are not.
    ///
    /// ```
    /// use throughline_core::ledger::PayloadHash;
    /// let hash = PayloadHash::of("t", "[1.0]")?;
    /// let formerly = "799fb7f7c040a13b69d7b3fb7042fb52";
    /// assert_ne!(hash.as_str(), formerly);
    /// assert!(hash.recognises(hash.as_str()) && hash.recognises(formerly));
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub fn recognises(&self, recorded: &str) -> bool {
        recorded == self.as_str() || self.former.as_ref().is_some_and(|former| former.was(recorded))
    }

    fn digits(message_type: &str, canonical: &[u8]) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(message_type.len().to_be_bytes());
        hash.update(message_type);
        hash.update(canonical);
        let mut digits = [0; 32];
        for (pair, byte) in digits.chunks_exact_mut(2).zip(hash.finalize()) {
            pair.copy_from_slice(&hex_digits(byte));
        }
        digits
    }
}

impl PartialEq for PayloadHash {
    fn eq(&self, other: &Self) -> bool {
        self.digits == other.digits
    }
}

impl Eq for PayloadHash {}

impl Hash for PayloadHash {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.digits.hash(state);
    }
}

impl fmt::Display for PayloadHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for PayloadHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PayloadHash").field(&self.as_str()).finish()
    }
}

const HEX_DIGITS: &[u8; 16] = b"0123456789abcdef";

fn hex_digits(byte: u8) -> [u8; 2] {
    [HEX_DIGITS[usize::from(byte >> 4)], HEX_DIGITS[usize::from(byte & 0xf)]]
}

/// Returns an id derived from texts. No two lists of texts give the same id.
pub(crate) fn derived<const N: usize>(texts: [&str; N]) -> String {
    let mut name = String::new();
    for text in texts {
        _ = write!(name, "{}:{text}", text.len());
    }
    Uuid::new_v5(&NAMESPACE, name.as_bytes()).to_string()
}

/// The proof that an attempt holds a claim: a token that is random for every attempt, so that a process believed dead
/// can never pass for its successor.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OwnerToken(String);

impl OwnerToken {
    /// Returns a token from a random number.
    pub fn from_random(random: u128) -> Self {
        Self(format!("{random:032x}"))
    }

    /// Returns a token that was stored in a ledger.
    pub fn from_text(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns the token as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Returns the id of the `ordinal`-th message with this type and subject that `handler` sends because of `parent`: a
/// UUID version 5 (RFC 9562, section 5.5).
///
/// ```
/// use throughline_core::{Attributes, internal::identity::emitted_id};
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
    let parts = [&parent.source, &parent.id, handler, message_type, subject.unwrap_or_default()];
    let mut name =
        String::with_capacity(parts.iter().map(|part| part.len() + "000:;".len()).sum::<usize>() + 4);
    for part in parts {
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
        let hash = |name, text: &str| PayloadHash::of(name, text).unwrap();
        assert_eq!(hash("t", r#"{"a":[1,{"c":1,"b":2}]}"#), hash("t", r#"{"a":[1,{"b":2,"c":1}]}"#));
        assert_ne!(hash("t", r#"{"a":[1,2]}"#), hash("t", r#"{"a":[2,1]}"#));
        assert_ne!(hash("t", "{}"), hash("u", "{}"));
    }

    #[test]
    fn a_payload_hash_is_read_back_from_its_text_and_from_no_other() {
        let hash = PayloadHash::of("t", "null").unwrap();
        assert_eq!(PayloadHash::from_text(hash.as_str()), Some(hash.clone()));
        assert_eq!(hash.to_string().len(), 32);
        for other in ["", "0123", &hash.as_str().to_uppercase(), &format!("{hash}0")] {
            assert_eq!(PayloadHash::from_text(other), None, "{other}");
        }
    }

    #[test]
    fn claim_keys_and_payload_hashes_are_fixed_for_ever() {
        let hash = PayloadHash::of("t", r#"{"b":[1,2.50,"ä\n"],"a":null}"#).unwrap();
        assert_eq!(hash.as_str(), "f8495ca87708a30d2c85aaaefdda29dc");
        assert_eq!(ClaimKey::for_business_key("h", "k").as_str(), "claim#h#key#k");
        assert_eq!(
            ClaimKey::for_event("h", "s", &"x".repeat(1020)).as_str(),
            "claim#h#event-sha256#e8be73f541651aedfac10679a158f024a2d2efdc3e3d211312f3206d6a71a537"
        );
    }

    #[test]
    fn derived_ids_are_fixed_for_ever() {
        let parent = Attributes::new("e-1", "shop", "order.placed");
        let id = |ordinal| emitted_id(&parent, "reserve-stock", "stock.reserved", Some("o-1"), ordinal);
        assert_eq!(id(0), "2b641e52-12fb-598d-b4f9-9cb26c3d74f1");
        assert_ne!(id(0), id(1));
    }
}
