//! The handlers, entities and messages of the cases.

use super::LedgerUnderTest;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json, value::RawValue};
use std::time::Duration;
use throughline_core::{
    Attributes, Entity, EntityKey, EntityTable, Envelope, Timestamp, Version,
    internal::item::item_of,
    ledger::{
        Claim, ClaimKey, ClaimOutcome, Commit, CommitOutcome, Destination, Item, Outgoing, OwnerToken,
        PayloadHash, Read, Save, Stored,
    },
};

/// An entity in the ledger's own table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Account {
    /// Its id.
    pub id: String,
    /// Its balance.
    pub balance: i64,
}

impl Entity for Account {
    const KIND: &'static str = "account";
    fn id(&self) -> String {
        self.id.clone()
    }
}

/// An entity in a table of one's own: partition key `sku`, no sort key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stock {
    /// Its id, and the table's partition key.
    pub sku: String,
    /// The amount in stock.
    pub amount: u32,
}

impl Entity for Stock {
    const KIND: &'static str = "stock";
    const TABLE: EntityTable = EntityTable::Own { name: "stock", partition_key: "sku", sort_key: None };
    fn id(&self) -> String {
        self.sku.clone()
    }
}

/// An entity in a table of one's own with a sort key: partition key `place`, sort key `what`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Shelf {
    /// Its id, and the table's partition key.
    pub place: String,
    /// The table's sort key: always `shelf`.
    pub what: String,
    /// The articles on the shelf.
    pub skus: Vec<String>,
}

impl Entity for Shelf {
    const KIND: &'static str = "shelf";
    const TABLE: EntityTable =
        EntityTable::Own { name: "shelves", partition_key: "place", sort_key: Some(("what", "shelf")) };
    fn id(&self) -> String {
        self.place.clone()
    }
}

/// The present, in the suite.
pub fn now() -> Timestamp {
    Timestamp::constant(4_102_444_800, 0) // 2100-01-01
}

/// So many seconds after [`now`].
pub fn after(seconds: u64) -> Timestamp {
    now() + Duration::from_secs(seconds)
}

/// An attempt of the handler `conformance` at a message: not leased, by an owner of its own, remembered for
/// a day.
pub fn claim(message_id: &str) -> Claim {
    let message = Attributes {
        correlation_id: "line-1".into(),
        time: Some(now()),
        ..Attributes::new(message_id, "tests", "thing.happened").about("thing", "t-1")
    };
    Claim {
        key: ClaimKey::for_event("conformance", "tests", message_id),
        hash: hash("payload"),
        owner: owner(),
        handler: "conformance",
        message: message.into(),
        attempt: 1,
        now: now(),
        leased_until: None,
        expires_at: after(24 * 3600),
    }
}

/// The same, to be held for a minute while the handler runs.
pub fn leased(message_id: &str) -> Claim {
    Claim { leased_until: Some(after(60)), ..claim(message_id) }
}

/// The same attempt, made so many seconds later by somebody else; its lease lasts a minute from then.
pub fn later(claim: &Claim, seconds: u64) -> Claim {
    Claim {
        owner: owner(),
        now: after(seconds),
        leased_until: claim.leased_until.map(|_| after(seconds + 60)),
        expires_at: after(seconds + 24 * 3600),
        ..claim.clone()
    }
}

/// An owner that nobody else is.
pub fn owner() -> OwnerToken {
    OwnerToken::from_random(fastrand::u128(..))
}

/// The hash of a payload.
pub fn hash(payload: &str) -> PayloadHash {
    PayloadHash::of("thing.happened", &Value::from(payload).to_string()).expect("text has a hash")
}

/// A commit of the claim and nothing else.
pub fn bare(claim: Claim) -> Commit {
    Commit { folded: Vec::new(), claim, reads: Vec::new(), saves: Vec::new(), outgoing: Vec::new() }
}

/// A commit that saves [`account`] `a-1` for the first time and emits one event about it.
pub fn opening(claim: Claim) -> Commit {
    let opened = event(&claim, "account.opened", "a-1", Some(1));
    Commit {
        saves: vec![Save { sequence: 1, ..save(account("a-1"), Version::Absent, &json!({"balance": 0})) }],
        outgoing: vec![opened],
        ..bare(claim)
    }
}

/// The key of an account.
pub fn account(id: &str) -> EntityKey {
    EntityKey::of::<Account>(id)
}

/// A save of an entity with these fields. The fields that are its keys need not be among them.
///
/// # Panics
/// When the fields are no JSON object, or cannot be stored.
pub fn save(key: EntityKey, expected: Version, fields: &Value) -> Save {
    let mut data = item_of(fields).expect("an object that can be stored");
    match key.table {
        EntityTable::Ledger => _ = data.insert("id".into(), key.id.as_str().into()),
        EntityTable::Own { partition_key, sort_key, .. } => {
            data.insert(partition_key.into(), key.id.as_str().into());
            data.extend(sort_key.map(|(name, value)| (name.to_owned(), value.into())));
        }
    }
    Save { key, expected, sequence: expected.sequence(), data, others: None }
}

/// A read of an entity.
pub fn read(key: EntityKey, version: Version) -> Read {
    Read { key, version }
}

/// The version of an entity that was saved so many times, and with which no event was committed.
pub fn at(version: u64) -> Version {
    Version::At { version, sequence: 0 }
}

/// An event about an account.
pub fn event(claim: &Claim, message_type: &str, subject: &str, sequence: Option<u64>) -> Outgoing {
    let id = format!("{}/{message_type}/{subject}/{}", claim.message.id, sequence.unwrap_or_default());
    let mut attributes = claim.message.caused(id, "tests", message_type, 1, claim.now);
    attributes.aggregate_type = Some(Account::KIND.into());
    attributes.subject = Some(subject.into());
    attributes.sequence = sequence;
    Outgoing { destination: Destination::Bus, envelope: Envelope { attributes, data: data() } }
}

/// A command to a queue.
pub fn command(claim: &Claim, message_type: &str, queue: &str) -> Outgoing {
    let id = format!("{}/{message_type}/{queue}", claim.message.id);
    let attributes = claim.message.caused(id, "tests", message_type, 1, claim.now);
    Outgoing {
        destination: Destination::Queue(queue.into()),
        envelope: Envelope { attributes, data: data() },
    }
}

fn data() -> Box<RawValue> {
    serde_json::value::to_raw_value(&json!({"text": "a \"quoted\" ünïcode\n"})).expect("JSON")
}

/// Commits one, sending it again while it only collides, as the main path does.
///
/// # Panics
/// When the ledger answers with more or fewer than one outcome.
pub async fn commit(ledger: &dyn LedgerUnderTest, commit: &Commit) -> CommitOutcome {
    for _ in 0..200 {
        let outcomes = ledger.ledger().commit(std::slice::from_ref(commit)).await;
        let [outcome] = <[_; 1]>::try_from(outcomes).expect("one outcome for one commit");
        if !matches!(outcome, CommitOutcome::Contended(_)) {
            return outcome;
        }
        tokio::time::sleep(Duration::from_millis(fastrand::u64(1..20))).await;
    }
    panic!("the commit of {} still collides", commit.claim.key)
}

/// Takes one claim.
///
/// # Panics
/// When the ledger answers with more or fewer than one outcome.
pub async fn take(ledger: &dyn LedgerUnderTest, claim: &Claim) -> ClaimOutcome {
    let outcomes = ledger.ledger().claim(std::slice::from_ref(claim)).await;
    let [outcome] = <[_; 1]>::try_from(outcomes).expect("one outcome for one claim");
    outcome
}

/// Gives one claim back.
///
/// # Panics
/// When the ledger fails.
pub async fn release(ledger: &dyn LedgerUnderTest, claim: &Claim) {
    ledger.ledger().release(std::slice::from_ref(claim)).await.expect("released");
}

/// Loads one entity.
///
/// # Panics
/// When the ledger fails.
pub async fn load(ledger: &dyn LedgerUnderTest, key: &EntityKey) -> Option<Stored> {
    let found = ledger.ledger().load(std::slice::from_ref(key)).await;
    let [found] = <[_; 1]>::try_from(found).expect("one answer for one key");
    found.expect("loaded")
}

/// Loads entities.
///
/// # Panics
/// When the ledger fails for any of them.
pub async fn load_all(ledger: &dyn LedgerUnderTest, keys: &[EntityKey]) -> Vec<Option<Stored>> {
    ledger.ledger().load(keys).await.into_iter().map(|found| found.expect("loaded")).collect()
}

/// The fields of an entity that is there.
///
/// # Panics
/// When it is not.
pub async fn fields(ledger: &dyn LedgerUnderTest, key: &EntityKey) -> Item {
    load(ledger, key).await.expect("it is stored").data
}

/// The ids of all messages in the log, sorted.
pub async fn logged_ids(ledger: &dyn LedgerUnderTest) -> Vec<String> {
    let mut ids: Vec<String> =
        ledger.log().await.into_iter().map(|outgoing| outgoing.envelope.attributes.id).collect();
    ids.sort();
    ids
}
