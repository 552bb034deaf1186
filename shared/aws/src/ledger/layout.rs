//! The layout of the table: keys, attribute names and the forms of times.
//!
//! | item | `pk` | `sk` |
//! |---|---|---|
//! | claim | the claim key's text | `claim` |
//! | entity | `<kind>#<id>` | `state` |
//! | event of an aggregate saved with it | `<kind>#<id>` of the aggregate | `event#<sequence>`, 20 digits |
//! | other event | the claim's | `event#<ordinal>#<owner token>` |
//! | command, now or later; start of a saga; answer to a task | the claim's | `command#<ordinal>#<owner token>` |
//!
//! Messages are also in the index by time, each in the partition of its hour and a shard of its id.
//!
//! The owner token makes a message that is emitted again, after its claim expired, an item of its own: the
//! table's stream reports an insertion, and the relay publishes it.

use throughline_core::{
    EntityKey, Timestamp,
    ledger::{Destination, Outgoing, OwnerToken},
};

/// The partition key's attribute.
pub const PARTITION_KEY: &str = "pk";
/// The sort key's attribute.
pub const SORT_KEY: &str = "sk";
/// The attribute after which DynamoDB removes an item: seconds since 1970.
pub const EXPIRES_AT: &str = "expires_at";
/// The index over claims and messages by correlation id and time. It must project all attributes.
pub const CORRELATION_INDEX: &str = "by-correlation";
/// The index's partition key.
pub const CORRELATION_ID: &str = "correlationid";
/// The index's sort key: RFC 3339 with nine decimals, so that text sorts as time. Of a claim, when the attempt
/// began.
pub const OCCURRED_AT: &str = "occurred_at";

/// The index over messages by time, sparse: only they have its keys. It need project no more than
/// [`TIME_INDEX_PROJECTS`], so that it costs one write unit a message however large that is.
pub const TIME_INDEX: &str = "by-time";
/// The index's partition key: an hour and a shard, such as `2026-11-21T13#2`. Its sort key is [`OCCURRED_AT`].
pub const TIME_BUCKET: &str = "time_bucket";
/// The number of partitions that share the messages of an hour. DynamoDB takes 1,000 write units a second in one ("Best
/// practices for designing and using partition keys effectively"), and an index that cannot keep up holds back its
/// table.
pub const TIME_SHARDS: u8 = 4;
/// The attributes that the index by time projects besides the keys: a plan reads these of a message that it does not
/// open.
pub const TIME_INDEX_PROJECTS: [&str; 6] = [ID, SOURCE, TYPE, HANDLER, DESTINATION, CORRELATION_ID];

/// The sort key of a claim.
pub const CLAIM: &str = "claim";
/// The sort key of an entity.
pub const STATE: &str = "state";
/// The prefix of an emitted event's sort key, which the relay's stream filter lets through.
pub const EVENT_PREFIX: &str = "event#";
/// The prefix of a command's sort key, which the relay's stream filter lets through.
pub const COMMAND_PREFIX: &str = "command#";

/// `leased` or `done`.
pub const CLAIM_STATE: &str = "state";
/// A claim that its owner still works under.
pub const LEASED: &str = "leased";
/// A claim whose work is finished.
pub const DONE: &str = "done";
/// The owner token of the claim.
pub const OWNER: &str = "owner";
/// The end of a lease: milliseconds since 1970.
pub const LEASED_UNTIL: &str = "leased_until_ms";
/// The hash of the message's payload.
pub const PAYLOAD_HASH: &str = "payload_hash";
/// There if the hash is known to be of exact values, and none from before that was so.
pub const HASH_BY_VALUE: &str = "hash_by_value";
/// The handler that took the claim, or that emitted the message.
pub const HANDLER: &str = "handler";
/// The claimed message's id.
pub const EVENT_ID: &str = "eventid";
/// The claimed message's source.
pub const EVENT_SOURCE: &str = "eventsource";
/// The claimed message's type.
pub const EVENT_TYPE: &str = "eventtype";
/// The subject of the claimed message.
pub const SUBJECT: &str = "subject";
/// The id of the message's cause.
pub const CAUSATION_ID: &str = "causationid";
/// The number of the delivery.
pub const ATTEMPT: &str = "attempt";
/// When the work was committed: RFC 3339.
pub const FINISHED_AT: &str = "finished_at";

/// A message in the log: the whole CloudEvent as JSON text.
pub const ENVELOPE: &str = "envelope";
/// The destination: `bus`, `queue:<name>`, `scheduled:<RFC 3339>|<name>`, `unscheduled:<name>`, `state-machine:<name>`
/// or `task:<token>`.
pub const DESTINATION: &str = "destination";
/// Its id.
pub const ID: &str = "id";
/// Its source.
pub const SOURCE: &str = "source";
/// Its type.
pub const TYPE: &str = "type";

/// The address of one item.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    /// The table's real name.
    pub table: String,
    /// The partition key's attribute and value.
    pub partition: (String, String),
    /// The sort key's attribute and value, if the table has one.
    pub sort: Option<(String, String)>,
}

impl Address {
    /// An item of the ledger's own table.
    pub fn in_ledger(table: &str, partition: String, sort: impl Into<String>) -> Self {
        Self {
            table: table.to_owned(),
            partition: (PARTITION_KEY.to_owned(), partition),
            sort: Some((SORT_KEY.to_owned(), sort.into())),
        }
    }
}

/// The partition key of an entity, and of the events committed with it.
pub fn aggregate_partition(kind: &str, id: &str) -> String {
    format!("{kind}#{id}")
}

/// The partition key of an entity in the ledger's table.
pub(crate) fn entity_partition(key: &EntityKey) -> String {
    aggregate_partition(key.kind, &key.id)
}

/// The partition and sort key of a message.
pub(crate) fn message_keys(
    claim_partition: &str,
    owner: &OwnerToken,
    ordinal: usize,
    outgoing: &Outgoing,
) -> (String, String) {
    let prefix = if outgoing.destination == Destination::Bus { EVENT_PREFIX } else { COMMAND_PREFIX };
    match aggregate_of(outgoing) {
        Some((kind, id, sequence)) => {
            (aggregate_partition(kind, id), format!("{EVENT_PREFIX}{sequence:020}"))
        }
        None => (claim_partition.to_owned(), format!("{prefix}{ordinal:04}#{}", owner.as_str())),
    }
}

/// Kind, id and sequence of the aggregate whose event store the message belongs to, if there is one.
pub(crate) fn aggregate_of(outgoing: &Outgoing) -> Option<(&str, &str, u64)> {
    let attributes = &outgoing.envelope.attributes;
    if outgoing.destination != Destination::Bus {
        return None;
    }
    Some((attributes.aggregate_type.as_deref()?, attributes.subject.as_deref()?, attributes.sequence?))
}

/// A destination as text.
pub(crate) fn destination_text(destination: &Destination) -> String {
    match destination {
        Destination::Bus => "bus".to_owned(),
        Destination::Queue(name) => format!("queue:{name}"),
        Destination::Scheduled { queue, at } => format!("scheduled:{at}|{queue}"),
        Destination::Unscheduled { queue } => format!("unscheduled:{queue}"),
        Destination::StateMachine(name) => format!("state-machine:{name}"),
        Destination::Task { token } => format!("task:{token}"),
    }
}

/// A destination from its text.
pub fn destination_from(text: &str) -> Option<Destination> {
    if text == "bus" {
        return Some(Destination::Bus);
    }
    let (kind, rest) = text.split_once(':')?;
    let name = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    Some(match kind {
        "queue" => Destination::Queue(name(rest)?),
        "scheduled" => {
            let (at, queue) = rest.split_once('|')?; // a time has no such sign
            Destination::Scheduled { queue: name(queue)?, at: at.parse().ok()? }
        }
        "unscheduled" => Destination::Unscheduled { queue: name(rest)? },
        "state-machine" => Destination::StateMachine(name(rest)?),
        "task" => Destination::Task { token: name(rest)? },
        _ => return None,
    })
}

/// The partition of the index by time that a message is in.
pub(crate) fn time_bucket(time: Timestamp, id: &str) -> String {
    format!("{}#{}", hour(time), shard(id))
}

/// The partitions of the index by time that the hour around a time is in.
pub fn time_buckets(time: Timestamp) -> impl Iterator<Item = String> {
    let hour = hour(time);
    (0..TIME_SHARDS).map(move |shard| format!("{hour}#{shard}"))
}

fn hour(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H").to_string()
}

/// The shard of an id. Written items stay where they are, so it must never change: FNV-1a.
fn shard(id: &str) -> u8 {
    let hash =
        id.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    u8::try_from(hash % u32::from(TIME_SHARDS)).unwrap_or_default()
}

/// RFC 3339 with nine decimals: a text that sorts as time.
pub fn sortable_text(time: Timestamp) -> String {
    format!("{time:.9}")
}

/// Seconds since 1970, rounded up: nothing expires early.
pub(crate) fn expiry_seconds(time: Timestamp) -> i64 {
    time.as_second() + i64::from(time.subsec_nanosecond() > 0)
}

/// Milliseconds since 1970, rounded up: no lease ends early.
pub(crate) fn lease_millis(time: Timestamp) -> i64 {
    time.as_millisecond() + i64::from(time.subsec_nanosecond() % 1_000_000 > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expiries_and_leases_are_never_rounded_to_an_earlier_time() {
        let time: Timestamp = "2026-01-02T03:04:05.000000001Z".parse().unwrap();
        assert_eq!(expiry_seconds(time), time.as_second() + 1);
        assert_eq!(lease_millis(time), time.as_millisecond() + 1);
        let whole: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        assert_eq!((expiry_seconds(whole), lease_millis(whole)), (whole.as_second(), whole.as_millisecond()));
    }

    #[test]
    fn times_as_text_sort_as_times() {
        let earlier = sortable_text("2026-01-02T03:04:05Z".parse().unwrap());
        let later = sortable_text("2026-01-02T03:04:05.5Z".parse().unwrap());
        assert!(earlier < later, "{earlier} {later}");
    }

    #[test]
    fn a_message_is_in_the_bucket_of_its_hour_and_its_id_for_ever() {
        let time: Timestamp = "2026-11-21T13:59:59.999999999Z".parse().unwrap();
        assert_eq!(time_bucket(time, "e-1"), "2026-11-21T13#2");
        assert_eq!(time_bucket(time, ""), "2026-11-21T13#1");
        let buckets: Vec<_> = time_buckets(time).collect();
        assert_eq!(buckets, ["2026-11-21T13#0", "2026-11-21T13#1", "2026-11-21T13#2", "2026-11-21T13#3"]);
    }

    #[test]
    fn ids_spread_evenly_over_the_shards() {
        let mut counts = [0_u32; TIME_SHARDS as usize];
        for number in 0..10_000 {
            counts[usize::from(shard(&format!("0b7ff1a2-9a4e-5c51-8d1e-{number:012}")))] += 1;
        }
        assert!(counts.iter().all(|count| (2_200..2_800).contains(count)), "{counts:?}");
    }

    fn destinations(name: &str) -> Vec<Destination> {
        let at = |text: &str| text.parse().expect("a time");
        vec![
            Destination::Bus,
            Destination::Queue(name.into()),
            Destination::Scheduled { queue: name.into(), at: at("2026-01-02T03:04:05Z") },
            Destination::Scheduled { queue: name.into(), at: at("2026-01-02T03:04:05.123456789Z") },
            Destination::Scheduled { queue: name.into(), at: at("-000044-03-15T12:00:00Z") },
            Destination::Unscheduled { queue: name.into() },
            Destination::StateMachine(name.into()),
            Destination::Task { token: name.into() },
        ]
    }

    #[test]
    fn destinations_are_read_back_from_their_text() {
        for name in ["place-order", "a:b", "a|b", "|", ":", " ", "bus", "queue:x", "größe", "AAAA+/=:\n"] {
            for destination in destinations(name) {
                assert_eq!(destination_from(&destination_text(&destination)), Some(destination));
            }
        }
    }

    #[test]
    fn what_is_no_destination_is_none() {
        for destination in destinations("").into_iter().skip(1) {
            assert_eq!(destination_from(&destination_text(&destination)), None, "{destination:?}");
        }
        let times = ["scheduled:orders", "scheduled:tomorrow|orders", "scheduled:2026-01-02|orders"];
        for text in ["", "bus:x", "queue", "topic:x", "Bus"].into_iter().chain(times) {
            assert_eq!(destination_from(text), None, "{text}");
        }
    }

    #[test]
    fn everything_but_an_event_has_the_sort_key_of_a_command() {
        let owner = OwnerToken::from_random(1);
        for destination in destinations("x") {
            let attributes = throughline_core::Attributes::new("e-1", "shop", "t");
            let data = serde_json::value::to_raw_value(&()).expect("JSON");
            let envelope = throughline_core::Envelope { attributes, data };
            let is_event = destination == Destination::Bus;
            let (_, sort) = message_keys("claim#x", &owner, 7, &Outgoing { destination, envelope });
            assert!(sort.starts_with(if is_event { "event#0007#" } else { "command#0007#" }), "{sort}");
        }
    }
}
