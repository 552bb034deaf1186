//! Projections: what they show is the fold of what they were given, whatever the deliveries were.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{collections::BTreeMap, time::Duration};
use throughline_core::{
    EntityKey, Record, Verdict,
    observer::Unobserved,
    ports::Ports,
    prelude::*,
    process::{Delivery, RetryCause, Settings, process},
};
use throughline_testing::{MemoryDeadLetters, MemoryLedger, SeededRandom, TestTime, chaos::seed};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Opened {
    account: String,
}
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Moved {
    account: String,
    by: i64,
}
events! {
    /// Accounts.
    enum AccountEvent of "account" {
        "account.opened" v1 => Opened(Opened.account),
        "account.moved" v1 => Moved(Moved.account),
    }
}

/// Every movement of an account, which no two orders of events fold to the same but the right one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Statement {
    account: String,
    movements: Vec<i64>,
}

impl Entity for Statement {
    const KIND: &'static str = "statement";
    const TABLE: EntityTable =
        EntityTable::Own { name: "statements", partition_key: "account", sort_key: None };
    fn id(&self) -> String {
        self.account.clone()
    }
}

/// The same item, as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct StoredStatement {
    #[serde(flatten)]
    statement: Statement,
    #[serde(rename = "_projection")]
    seen: Value,
}

impl Entity for StoredStatement {
    const KIND: &'static str = Statement::KIND;
    const TABLE: EntityTable = Statement::TABLE;
    fn id(&self) -> String {
        self.statement.id()
    }
}

#[derive(Debug, Clone)]
struct Statements;

impl Projector for Statements {
    const NAME: &'static str = "statements";
    type Message = AccountEvent;
    type View = Statement;

    fn project(&self, statement: Option<Statement>, event: &Envelope<AccountEvent>) -> Option<Statement> {
        assert_eq!(event.attributes.replay_name, None, "what a view shows must not depend on a replay");
        match &event.data {
            AccountEvent::Opened(Opened { account }) => {
                Some(Statement { account: account.clone(), movements: Vec::new() })
            }
            AccountEvent::Moved(Moved { by, .. }) => statement.map(|mut statement| {
                statement.movements.push(*by);
                statement
            }),
        }
    }
}

/// An account's events in their order: it is opened, and then money moves.
fn events(account: &str, count: u64) -> Vec<Envelope<AccountEvent>> {
    let event = |sequence: u64| {
        let account = account.to_owned();
        let data: AccountEvent = match sequence {
            1 => Opened { account }.into(),
            _ => Moved { account, by: sequence.cast_signed() }.into(),
        };
        let mut envelope = Envelope::of(format!("{}-{sequence}", data.subject().unwrap()), "bank", data);
        envelope.attributes.sequence = Some(sequence);
        envelope
    };
    (1..=count).map(event).collect()
}

fn replayed(event: &Envelope<AccountEvent>, replay: &str) -> Envelope<AccountEvent> {
    let mut event = event.clone();
    event.attributes.replay_name = Some(replay.to_owned());
    event
}

struct Bank {
    ledger: MemoryLedger,
    dead_letters: MemoryDeadLetters,
    time: TestTime,
    random: SeededRandom,
}

impl Bank {
    fn open() -> Self {
        Self {
            ledger: MemoryLedger::default(),
            dead_letters: MemoryDeadLetters::default(),
            time: TestTime::start(),
            random: SeededRandom::new(1),
        }
    }

    /// Delivers events as one batch; one verdict each.
    async fn deliver<H: Handler>(&self, handler: &H, events: &[Envelope<AccountEvent>]) -> Vec<Verdict> {
        let bodies: Vec<String> =
            events.iter().map(|event| serde_json::to_string(&event.encode().unwrap()).unwrap()).collect();
        let record = |body| Record {
            message_id: "m",
            source: "queue",
            body,
            attempt: 1,
            is_last_attempt: false,
            group: None,
            delivery: Delivery::default(),
        };
        let records: Vec<_> = bodies.iter().map(|body| record(body)).collect();
        let ports = Ports {
            ledger: &self.ledger,
            dead_letters: &self.dead_letters,
            time: &self.time,
            random: &self.random,
            observer: &Unobserved,
        };
        process(handler, ports, &Settings::new("bank"), None, &records).await
    }

    /// The same, and again what has to be delivered again, until nothing has.
    async fn deliver_all<H: Handler>(&self, handler: &H, mut events: Vec<Envelope<AccountEvent>>) {
        for _ in 0..100 {
            let verdicts = self.deliver(handler, &events).await;
            let mut verdicts = verdicts.iter();
            events.retain(|_| verdicts.next().is_some_and(Verdict::is_retry));
            if events.is_empty() {
                return;
            }
        }
        panic!("{} events are delivered for ever", events.len());
    }

    fn stored(&self, account: &str) -> StoredStatement {
        self.ledger.entity(account).unwrap_or_else(|| panic!("no view of {account}"))
    }

    fn movements(&self, account: &str) -> Vec<i64> {
        self.stored(account).statement.movements
    }
}

fn handler() -> impl Handler<Message = AccountEvent> {
    projection(Statements).on_replay(Reprocess)
}

#[tokio::test(start_paused = true)]
async fn every_order_of_deliveries_shows_the_same() {
    let mut random = fastrand::Rng::with_seed(seed());
    for _ in 0..60 {
        let bank = Bank::open();
        let accounts = ["a-1", "a-2", "a-3"];
        let all: Vec<_> = accounts.iter().flat_map(|account| events(account, 7)).collect();
        let mut deliveries: Vec<_> = all
            .iter()
            .flat_map(|event| [event.clone(), event.clone(), replayed(event, "one"), replayed(event, "two")])
            .collect();
        random.shuffle(&mut deliveries);
        while !deliveries.is_empty() {
            let batch = deliveries.split_off(deliveries.len().saturating_sub(random.usize(1..12)));
            bank.deliver_all_later(&handler(), batch, &mut deliveries).await;
        }
        for account in accounts {
            let stored = bank.stored(account);
            assert_eq!(stored.statement.movements, [2, 3, 4, 5, 6, 7]);
            let seen = serde_json::json!({ "source": "bank", "aggregate_type": "account", "through": 7 });
            assert_eq!(stored.seen, seen, "nothing of the way here is left");
        }
    }
}

impl Bank {
    /// Delivers a batch; what has to be delivered again comes after what is left.
    async fn deliver_all_later<H: Handler>(
        &self,
        handler: &H,
        batch: Vec<Envelope<AccountEvent>>,
        left: &mut Vec<Envelope<AccountEvent>>,
    ) {
        let verdicts = self.deliver(handler, &batch).await;
        let again = batch.into_iter().zip(verdicts).filter(|(_, verdict)| verdict.is_retry());
        for (event, _) in again {
            left.insert(0, event);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_view_shows_every_event_it_was_given_though_one_before_them_is_missing() {
    let bank = Bank::open();
    let mut given = events("a-1", 5);
    let missing = given.remove(2);
    bank.deliver_all(&handler(), given).await;
    assert_eq!(bank.movements("a-1"), [2, 4, 5]);
    bank.deliver_all(&handler(), vec![missing]).await;
    assert_eq!(bank.movements("a-1"), [2, 3, 4, 5]);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_shown_without_an_earlier_event_waits_for_it() {
    let bank = Bank::open();
    let [opened, moved] = events("a-1", 2).try_into().unwrap();
    let verdicts = bank.deliver(&handler(), std::slice::from_ref(&moved)).await;
    let Verdict::Retry { cause: RetryCause::Failed { error_type, .. }, .. } = &verdicts[0] else {
        panic!("{verdicts:?}")
    };
    assert_eq!(error_type, "EarlierEventMissing");
    bank.deliver_all(&handler(), vec![opened, moved]).await;
    assert_eq!(bank.movements("a-1"), [2]);
}

#[tokio::test(start_paused = true)]
async fn a_replay_changes_nothing_of_what_is_there() {
    let bank = Bank::open();
    bank.deliver_all(&handler(), events("a-1", 5)).await;
    let before = bank.stored("a-1");
    let replay: Vec<_> = events("a-1", 5).iter().map(|event| replayed(event, "again")).collect();
    assert_eq!(bank.deliver(&handler(), &replay).await, vec![Verdict::Done; 5], "it looks at each");
    assert_eq!(bank.stored("a-1"), before);
    assert_eq!(bank.deliver(&handler(), &replay).await, vec![Verdict::Duplicate; 5], "once a replay");
}

#[tokio::test(start_paused = true)]
async fn a_replay_fills_a_view_that_was_emptied_and_nothing_else_does() {
    let bank = Bank::open();
    bank.deliver_all(&handler(), events("a-1", 5)).await;
    let before = bank.stored("a-1");
    bank.ledger.remove_all::<Statement>();
    assert_eq!(bank.deliver(&handler(), &events("a-1", 5)).await, vec![Verdict::Duplicate; 5]);
    assert_eq!(bank.ledger.entity::<Statement>("a-1"), None);
    let replay = events("a-1", 5).iter().rev().map(|event| replayed(event, "again")).collect();
    bank.deliver_all(&handler(), replay).await;
    assert_eq!(bank.stored("a-1"), before);
}

#[tokio::test(start_paused = true)]
async fn without_a_policy_a_replay_is_a_duplicate_like_any_other() {
    let bank = Bank::open();
    let handler = projection(Statements);
    bank.deliver_all(&handler, events("a-1", 2)).await;
    bank.ledger.remove_all::<Statement>();
    let replay: Vec<_> = events("a-1", 2).iter().map(|event| replayed(event, "again")).collect();
    assert_eq!(bank.deliver(&handler, &replay).await, vec![Verdict::Duplicate; 2]);
}

/// The claims of a replay are gone long before others: its messages cannot be delivered for longer.
#[tokio::test(start_paused = true)]
async fn the_claims_of_a_replay_end_with_it_and_others_do_not() {
    let bank = Bank::open();
    bank.deliver_all(&handler(), events("a-1", 1)).await;
    let replay: Vec<_> = events("a-1", 1).iter().map(|event| replayed(event, "again")).collect();
    bank.deliver_all(&handler(), replay.clone()).await;
    tokio::time::sleep(Settings::new("bank").replay_claim_lifetime + Duration::from_secs(1)).await;
    assert_eq!(bank.deliver(&handler(), &replay).await, [Verdict::Done]);
    assert_eq!(bank.deliver(&handler(), &events("a-1", 1)).await, [Verdict::Duplicate]);
}

#[tokio::test(start_paused = true)]
async fn what_has_no_place_among_its_aggregates_events_is_rejected_with_its_reason() {
    let bank = Bank::open();
    bank.deliver_all(&handler(), events("a-1", 1)).await;
    let mut unordered = events("a-1", 2).remove(1);
    unordered.attributes.sequence = None;
    let mut about_nothing = events("a-1", 2).remove(1);
    about_nothing.attributes.subject = None;
    let mut of_another = events("a-1", 2).remove(1);
    of_another.attributes.source = "another-bank".into();
    let mut about_another = events("a-2", 1).remove(0);
    about_another.attributes.subject = Some("a-3".into());
    let wanted: BTreeMap<&str, _> = [
        ("no `sequence`", unordered),
        ("no `subject`", about_nothing),
        ("another aggregate's events", of_another),
        ("the view's id is `a-2`", about_another),
    ]
    .into();
    for (why, event) in wanted {
        let verdicts = bank.deliver(&handler(), &[event]).await;
        let Verdict::Rejected { reason, .. } = &verdicts[0] else { panic!("{why}: {verdicts:?}") };
        assert!(reason.contains(why), "{why}: {reason}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_view_does_not_grow_without_end_while_an_event_is_missing() {
    let bank = Bank::open();
    let mut given = events("a-1", 110);
    let missing = given.remove(1);
    bank.deliver_all(&handler(), vec![given.remove(0)]).await;
    let verdicts = bank.deliver(&handler(), &given).await;
    let waiting: Vec<_> = verdicts.iter().filter(|verdict| verdict.is_retry()).collect();
    assert_eq!(waiting.len(), 8);
    let Verdict::Retry { cause: RetryCause::Failed { reason, .. }, .. } = waiting[0] else {
        panic!("{waiting:?}")
    };
    assert!(reason.contains("wait for the aggregate's event 2"), "{reason}");
    given.push(missing);
    bank.deliver_all(&handler(), given).await;
    assert_eq!(bank.movements("a-1"), (2..=110).collect::<Vec<i64>>());
}

/// The number of events by hour: keys and numbers that JSON has no types for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Hours {
    account: String,
    by_hour: BTreeMap<u32, Vec<i64>>,
    by_place: BTreeMap<Place, u128>,
    is_in: BTreeMap<bool, i128>,
    by_kind: BTreeMap<Kind, char>,
    total: u128,
    mean: f32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Place(u16);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Kind {
    In,
}

impl Entity for Hours {
    const KIND: &'static str = "hours";
    fn id(&self) -> String {
        self.account.clone()
    }
}

#[derive(Debug, Clone)]
struct CountHours;

impl Projector for CountHours {
    const NAME: &'static str = "count-hours";
    type Message = AccountEvent;
    type View = Hours;

    fn project(&self, hours: Option<Hours>, event: &Envelope<AccountEvent>) -> Option<Hours> {
        match &event.data {
            AccountEvent::Opened(Opened { account }) => Some(Hours {
                account: account.clone(),
                by_hour: BTreeMap::new(),
                by_place: BTreeMap::from([(Place(1), 10_u128.pow(37))]),
                is_in: BTreeMap::from([(true, -1)]),
                by_kind: BTreeMap::from([(Kind::In, 'x')]),
                total: u128::from(u64::MAX),
                mean: 0.1,
            }),
            AccountEvent::Moved(Moved { by, .. }) => hours.map(|mut hours| {
                hours.by_hour.entry(u32::try_from(by % 3).unwrap()).or_default().push(*by);
                hours.by_place.entry(Place(1)).and_modify(|count| *count += 1).or_default();
                hours.total += 1;
                hours
            }),
        }
    }
}

#[tokio::test]
async fn a_view_of_keys_and_numbers_that_json_has_no_types_for_reads_itself_again() {
    let bank = Bank::open();
    let mut events = events("a", 9);
    events.swap(4, 6);
    for event in &events {
        let verdicts = bank.deliver(&projection(CountHours), std::slice::from_ref(event)).await;
        assert_eq!(verdicts, [Verdict::Done]);
    }
    let stored = bank.ledger.item(&EntityKey::of::<Hours>("a")).unwrap();
    assert_eq!(stored["total"].read::<u128>().unwrap(), u128::from(u64::MAX) + 8);
    let by_hour: BTreeMap<u32, Vec<i64>> = stored["by_hour"].read().unwrap();
    assert_eq!(by_hour, BTreeMap::from([(0, vec![3, 6, 9]), (1, vec![4, 7]), (2, vec![2, 5, 8])]));
    let by_place: BTreeMap<Place, u128> = stored["by_place"].read().unwrap();
    assert_eq!(by_place, BTreeMap::from([(Place(1), 10_u128.pow(37) + 8)]));
}
