//! Messages that this code cannot read: what is done stays done, whatever became of the message's type since.

use crate::bank::{AccountEvent, Behaviour, Book, Deposited, World, body, deposit};
use serde::{Deserialize, Deserializer, Serialize};
use std::time::Duration;
use throughline_core::{
    Record, Reprocessable, Verdict,
    ports::{Ports, Time as _},
    prelude::*,
    process::{RetryCause, Settings, process},
};
use throughline_testing::{
    CountingLedger, MemoryLedger,
    chaos::FlakyLedger,
    counting::Call::{Commit, Inspect, Load},
};

/// The catalogue as it became later: to every deposit belongs a currency, which was not there before.
mod later {
    use super::{Deserialize, Serialize, events};

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub(super) struct Deposited {
        pub(super) account: String,
        pub(super) currency: String,
    }

    events! { pub(super) enum DepositEvent of "deposit" { "account.deposited" v1 => Deposited(Deposited.account) } }
}

/// The catalogue when its type had another name.
mod renamed {
    use super::{Deserialize, Serialize, events};

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub(super) struct MoneyCame {
        pub(super) account: String,
    }

    events! { pub(super) enum DepositEvent of "deposit" { "account.money-came" v1 => MoneyCame(MoneyCame.account) } }
}

/// A type whose reading goes wrong in its own code.
mod explosive {
    use super::{Deserialize, Deserializer, Serialize, events};

    #[derive(Debug, Clone, PartialEq, Serialize)]
    pub(super) struct Deposited {
        pub(super) account: String,
    }

    impl<'de> Deserialize<'de> for Deposited {
        fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
            panic!("never seen such a deposit")
        }
    }

    events! { pub(super) enum DepositEvent of "deposit" { "account.deposited" v1 => Deposited(Deposited.account) } }
}

/// The same handler, by its name, of another version of the code.
macro_rules! book_of_another_version {
    ($name:ident takes $message:ty) => {
        #[derive(Debug, Clone)]
        struct $name;

        impl Handler for $name {
            const NAME: &'static str = Book::NAME;
            type Message = $message;
            type Emits = Never;

            async fn handle(&self, _: Envelope<$message>, _: &Context<'_>) -> Result<Effects, Failure> {
                Ok(Effects::none())
            }
        }
    };
}

book_of_another_version!(WithCurrency takes later::Deposited);
book_of_another_version!(Renamed takes renamed::MoneyCame);
book_of_another_version!(Explosive takes explosive::Deposited);

/// Looks at deposits, as a projection does.
#[derive(Debug, Clone)]
struct Looks;

impl Handler for Looks {
    const NAME: &'static str = Book::NAME;
    type Message = Deposited;
    type Emits = Never;

    async fn handle(&self, _: Envelope<Deposited>, _: &Context<'_>) -> Result<Effects, Failure> {
        Ok(Effects::none())
    }
}

impl Reprocessable for Looks {}
impl Reprocessable for WithCurrency {}

/// Makes the business key of what it cannot make one of.
#[derive(Debug, Clone)]
struct Keyed;

impl Handler for Keyed {
    const NAME: &'static str = Book::NAME;
    type Message = Deposited;
    type Emits = Never;

    async fn handle(&self, _: Envelope<Deposited>, _: &Context<'_>) -> Result<Effects, Failure> {
        Ok(Effects::none())
    }

    fn key(&self, deposit: &Deposited) -> Option<String> {
        panic!("no key for {}", deposit.account)
    }
}

fn record<'a>(body: &'a str, attempt: u32, is_last_attempt: bool, group: Option<&'a str>) -> Record<'a> {
    Record {
        message_id: "m",
        source: "queue",
        body,
        attempt,
        is_last_attempt,
        group,
        delivery: throughline_core::process::Delivery::default(),
    }
}

fn work() -> String {
    body("e-1", deposit("a", 5, Behaviour::Works))
}

/// Has the work done by the code as it was.
async fn done(world: &World, bodies: &[String]) {
    let verdicts = world.deliver(&Book::default(), None, bodies).await;
    assert_eq!(verdicts, vec![Verdict::Done; bodies.len()]);
}

async fn come_again<H: Handler>(world: &World, handler: &H, record: Record<'_>) -> Verdict {
    process(handler, world.ports(), &Settings::new("bank"), None, &[record]).await.remove(0)
}

fn error_type(verdict: &Verdict) -> &str {
    match verdict {
        Verdict::Rejected { error_type, .. }
        | Verdict::Retry { cause: RetryCause::Failed { error_type, .. }, .. } => error_type,
        other => panic!("{other:?}"),
    }
}

/// Delivers what was done, and what was not, to a version of the handler that cannot read it.
async fn stays_done<H: Handler>(handler: &H, why_unread: &str) {
    let world = World::new();
    let body = work();
    done(&world, std::slice::from_ref(&body)).await;
    for (attempt, is_last, group) in
        [(1, false, None), (2, false, None), (5, true, None), (1, false, Some("g")), (5, true, Some("g"))]
    {
        let verdict = come_again(&world, handler, record(&body, attempt, is_last, group)).await;
        assert_eq!(verdict, Verdict::Duplicate, "{why_unread}: delivery {attempt}, group {group:?}");
    }
    assert!(world.dead_letters.letters().is_empty(), "{why_unread}");

    let world = World::new();
    let verdict = come_again(&world, handler, record(&body, 5, true, None)).await;
    assert_eq!(error_type(&verdict), why_unread, "what was never done is judged as ever");
    assert_eq!(world.dead_letters.letters().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn finished_work_stays_finished_when_a_required_field_was_added_to_its_type() {
    stays_done(&WithCurrency, "MalformedData").await;
    stays_done(&leased(WithCurrency), "MalformedData").await;
}

#[tokio::test(start_paused = true)]
async fn finished_work_stays_finished_when_its_type_is_not_taken_any_more() {
    stays_done(&Renamed, "UnknownType").await;
}

#[tokio::test(start_paused = true)]
async fn finished_work_stays_finished_when_reading_it_or_making_its_key_panics() {
    stays_done(&Explosive, "Panic").await;
    stays_done(&Keyed, "Panic").await;
}

#[tokio::test(start_paused = true)]
async fn finished_work_stays_finished_when_an_earlier_version_of_the_code_meets_it() {
    let world = World::new();
    let body = work().replace(r#""schemaversion":1"#, r#""schemaversion":2"#);
    let other = come_again(&world, &Book::default(), record(&body, 1, false, None)).await;
    assert_eq!(error_type(&other), "NewerVersion");
    done(&world, &[work()]).await;
    // The version is no part of who a message is.
    let again = come_again(&world, &Book::default(), record(&body, 1, false, None)).await;
    assert_eq!(again, Verdict::Duplicate);
}

#[tokio::test(start_paused = true)]
async fn what_another_payload_was_finished_as_is_rejected_for_that() {
    let world = World::new();
    done(&world, &[work()]).await;
    let other = body("e-1", deposit("a", 6, Behaviour::Works));
    let verdict = come_again(&world, &WithCurrency, record(&other, 1, false, None)).await;
    assert_eq!(error_type(&verdict), "PayloadMismatch");
}

#[tokio::test(start_paused = true)]
async fn what_somebody_works_on_is_not_given_up_by_who_cannot_read_it() {
    let world = World::new();
    let slow = [body("e-1", deposit("a", 1, Behaviour::TakesAnHour))];
    let deadline = world.time.now() + Duration::from_hours(2);
    let (book, unread) = (leased(Book::default()), leased(WithCurrency));
    let working = world.deliver(&book, Some(deadline), &slow);
    let meanwhile = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        come_again(&world, &unread, record(&slow[0], 1, false, None)).await
    };
    let (first, second) = tokio::join!(working, meanwhile);
    assert!(matches!(second, Verdict::Retry { cause: RetryCause::Busy, .. }), "{second:?}");
    assert!(matches!(first[0], Verdict::Retry { .. } | Verdict::Done), "{first:?}");
    assert!(world.dead_letters.letters().is_empty());
}

#[tokio::test(start_paused = true)]
async fn while_the_ledger_does_not_say_nothing_is_given_up_but_on_the_last_delivery() {
    let world = World::new();
    let silent = FlakyLedger::new(MemoryLedger::default(), 1, 100);
    let ports = Ports { ledger: &silent, ..world.ports() };
    let body = work();
    for (is_last, expected) in [(false, "LedgerError"), (true, "MalformedData")] {
        let record = record(&body, 1, is_last, None);
        let verdict = process(&WithCurrency, ports, &Settings::new("bank"), None, &[record]).await.remove(0);
        assert_eq!((error_type(&verdict), verdict.is_retry()), (expected, !is_last));
    }
}

#[tokio::test(start_paused = true)]
async fn work_that_was_claimed_under_a_business_key_cannot_be_asked_for_without_it() {
    #[derive(Debug, Clone)]
    struct ByAccount;

    impl Handler for ByAccount {
        const NAME: &'static str = Book::NAME;
        type Message = Deposited;
        type Emits = AccountEvent;

        async fn handle(
            &self,
            _: Envelope<Deposited>,
            _: &Context<'_>,
        ) -> Result<Effects<AccountEvent>, Failure> {
            Ok(Effects::none())
        }

        fn key(&self, deposit: &Deposited) -> Option<String> {
            Some(deposit.account.clone())
        }
    }

    let world = World::new();
    assert_eq!(world.deliver(&ByAccount, None, &[work()]).await, [Verdict::Done]);
    let verdict = come_again(&world, &WithCurrency, record(&work(), 1, false, None)).await;
    assert_eq!(error_type(&verdict), "MalformedData");
}

#[tokio::test(start_paused = true)]
async fn a_replay_has_a_projection_look_once_and_its_second_delivery_is_a_duplicate_though_unread() {
    let world = World::new();
    let replayed = |name: &str| {
        let mut envelope = Envelope::of("e-1", "bank", deposit("a", 5, Behaviour::Works));
        envelope.attributes.replay_name = Some(name.into());
        serde_json::to_string(&envelope.encode().unwrap()).unwrap()
    };
    let (looks, unread) = (Looks.on_replay(Reprocess), WithCurrency.on_replay(Reprocess));
    for body in [work(), replayed("first")] {
        assert_eq!(world.deliver(&looks, None, std::slice::from_ref(&body)).await, [Verdict::Done]);
        assert_eq!(world.deliver(&unread, None, &[body]).await, [Verdict::Duplicate]);
    }
    let verdicts = world.deliver(&unread, None, &[replayed("second")]).await;
    assert_eq!(error_type(&verdicts[0]), "MalformedData", "under this replay it was not looked at");
}

#[tokio::test(start_paused = true)]
async fn in_a_group_finished_work_that_is_unread_holds_nothing_back() {
    let world = World::new();
    let old = work();
    done(&world, std::slice::from_ref(&old)).await;
    let fresh = |number: usize| {
        let data = later::Deposited { account: "a".into(), currency: "EUR".into() };
        let envelope = Envelope::of(format!("later-{number}"), "bank", data).encode().unwrap();
        serde_json::to_string(&envelope).unwrap()
    };
    let bodies = [fresh(0), fresh(1), old, fresh(2), fresh(3)];
    let records: Vec<Record<'_>> = bodies.iter().map(|body| record(body, 1, false, Some("g"))).collect();
    let verdicts = process(&WithCurrency, world.ports(), &Settings::new("bank"), None, &records).await;
    assert_eq!(verdicts, [Verdict::Done, Verdict::Done, Verdict::Duplicate, Verdict::Done, Verdict::Done]);
}

#[tokio::test(start_paused = true)]
async fn of_two_deliveries_of_an_unread_message_one_is_dead_lettered() {
    let world = World::new();
    let verdicts = world.deliver(&WithCurrency, None, &[work(), work()]).await;
    assert!(verdicts.iter().all(|verdict| error_type(verdict) == "MalformedData"), "{verdicts:?}");
    assert_eq!(world.dead_letters.letters().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn looking_up_unread_messages_costs_one_request_and_the_others_nothing() {
    let world = World::new();
    let ledger = CountingLedger::new(MemoryLedger::default());
    let ports = Ports { ledger: &ledger, ..world.ports() };
    let unread =
        |id: usize| work().replace("e-1", &format!("u-{id}")).replace(r#""amount":5"#, r#""amount":"5""#);
    let read = |id: usize| body(&format!("r-{id}"), deposit(&format!("a-{id}"), 1, Behaviour::Works));
    let bodies: Vec<String> = (0..5).flat_map(|id| [unread(id), read(id)]).collect();
    let records: Vec<Record<'_>> = bodies.iter().map(|body| record(body, 1, false, None)).collect();
    let verdicts = process(&Book::default(), ports, &Settings::new("bank"), None, &records).await;
    assert_eq!(verdicts.iter().filter(|verdict| **verdict == Verdict::Done).count(), 5, "{verdicts:?}");
    assert_eq!(ledger.take_calls(), [Inspect(5), Load(5), Commit(5)]);
}
