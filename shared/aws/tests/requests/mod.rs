//! The cost of a batch on the wire: the requests of the main path over DynamoDB, counted.

use crate::support::{self, LocalLedger, faults::Fault};
use serde::{Deserialize, Serialize};
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};
use throughline_core::{
    Record, Verdict,
    observer::Observer,
    ports::Ports,
    prelude::*,
    process::{Delivery, Settings, process},
};
use throughline_testing::{MemoryDeadLetters, SeededRandom, conformance::fixtures::Account};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Deposited {
    account: String,
}
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct BalanceChanged {
    account: String,
}
events! { /// Deposits.
enum DepositEvent of "deposit" { "account.deposited" v1 => Deposited(Deposited.account) } }
events! { /// Accounts.
enum AccountEvent of "account" { "account.balance-changed" v1 => BalanceChanged(BalanceChanged.account) } }

/// Loads one entity, saves it and emits one event.
#[derive(Debug, Clone)]
struct Book;

impl Handler for Book {
    const NAME: &'static str = "book";
    type Message = Deposited;
    type Emits = AccountEvent;

    async fn handle(
        &self,
        deposit: Envelope<Deposited>,
        context: &Context<'_>,
    ) -> Result<Effects<AccountEvent>, Failure> {
        let account = deposit.data.account;
        let found = context.load::<Account>(&account).await?;
        let found = found.unwrap_or_else(|| Versioned::new(Account { id: account.clone(), balance: 0 }));
        let changed = found.map(|old| Account { balance: old.balance + 1, ..old });
        Ok(Effects::none().emit(BalanceChanged { account }).save(changed))
    }
}

async fn notice(_: Envelope<Deposited>) -> Result<(), Failure> {
    Ok(())
}

/// The system's clock.
struct Clock;

impl throughline_core::ports::Time for Clock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn sleep(&self, duration: std::time::Duration) -> futures_util::future::BoxFuture<'_, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

struct Counted {
    ledger: LocalLedger,
    operations: Arc<Mutex<Vec<String>>>,
    told: Told,
}

/// The number of commit requests that the observer was told of.
#[derive(Default)]
struct Told(AtomicUsize);

impl Observer for Told {
    fn committed(&self, requests: usize) {
        self.0.fetch_add(requests, Ordering::Relaxed);
    }
}

impl Counted {
    async fn new() -> Self {
        let (ledger, operations) = support::counted(Fault::None).await;
        Self { ledger, operations, told: Told::default() }
    }

    /// Delivers the messages of these numbers, each for the so-manieth time; says what was asked of DynamoDB.
    async fn deliver<H: Handler>(
        &self,
        handler: &H,
        messages: &[(usize, u32)],
    ) -> (Vec<Verdict>, Vec<String>) {
        let body = |number: usize| {
            let deposit = Deposited { account: format!("a-{number}") };
            let envelope = Envelope::of(format!("e-{number}"), "bank", deposit).encode().unwrap();
            serde_json::to_string(&envelope).unwrap()
        };
        let bodies: Vec<(String, u32)> =
            messages.iter().map(|(number, attempt)| (body(*number), *attempt)).collect();
        let records: Vec<Record<'_>> = bodies
            .iter()
            .map(|(body, attempt)| Record {
                message_id: "m",
                source: "queue",
                body,
                attempt: *attempt,
                is_last_attempt: false,
                group: None,
                delivery: Delivery::default(),
            })
            .collect();
        let (dead_letters, random) = (MemoryDeadLetters::default(), SeededRandom::new(fastrand::u64(..)));
        let ports = Ports {
            ledger: &self.ledger.ledger,
            dead_letters: &dead_letters,
            time: &Clock,
            random: &random,
            observer: &self.told,
        };
        let verdicts = process(handler, ports, &Settings::new("bank"), None, &records).await;
        (verdicts, std::mem::take(&mut *self.operations.lock().unwrap()))
    }
}

fn first(numbers: std::ops::Range<usize>) -> Vec<(usize, u32)> {
    numbers.map(|number| (number, 1)).collect()
}

#[tokio::test]
async fn ten_events_that_load_save_and_emit_are_one_read_and_one_write() {
    let counted = Counted::new().await;
    let (verdicts, requests) = counted.deliver(&Book, &first(0..10)).await;
    assert_eq!(verdicts, vec![Verdict::Done; 10]);
    assert_eq!(requests, ["BatchGetItem", "TransactWriteItems"]);
    assert_eq!(counted.ledger.items().await.len(), 30);
}

#[tokio::test]
async fn ten_events_without_effects_are_one_request_and_no_transaction() {
    let counted = Counted::new().await;
    let (verdicts, requests) = counted.deliver(&handler_fn("notice", notice), &first(0..10)).await;
    assert_eq!(verdicts, vec![Verdict::Done; 10]);
    assert_eq!(requests, ["BatchExecuteStatement"]);
}

#[tokio::test]
async fn ten_leased_events_are_two_requests() {
    let counted = Counted::new().await;
    let (verdicts, requests) = counted.deliver(&leased(handler_fn("notice", notice)), &first(0..10)).await;
    assert_eq!(verdicts, vec![Verdict::Done; 10]);
    assert_eq!(requests, ["BatchExecuteStatement", "BatchExecuteStatement"]);
    let (_, requests) = counted.deliver(&leased(Book), &first(0..10)).await;
    assert_eq!(requests, ["BatchExecuteStatement", "BatchGetItem", "TransactWriteItems"]);
}

#[tokio::test]
async fn redelivered_records_cost_one_more_read_a_batch() {
    let counted = Counted::new().await;
    counted.deliver(&Book, &first(0..3)).await;
    let records: Vec<(usize, u32)> = (0..10).map(|number| (number, if number < 6 { 2 } else { 1 })).collect();
    let (verdicts, requests) = counted.deliver(&Book, &records).await;
    assert_eq!(requests, ["BatchGetItem", "BatchGetItem", "TransactWriteItems"]);
    assert_eq!(verdicts[..3], vec![Verdict::Duplicate; 3]);
    assert_eq!(verdicts[3..], vec![Verdict::Done; 7]);
}

#[tokio::test]
async fn duplicates_that_nobody_marked_cost_one_more_transaction_a_batch() {
    let counted = Counted::new().await;
    counted.deliver(&Book, &[(2, 1), (5, 1)]).await;
    let (verdicts, requests) = counted.deliver(&Book, &first(0..10)).await;
    assert_eq!(requests, ["BatchGetItem", "TransactWriteItems", "TransactWriteItems"]);
    assert_eq!(verdicts.iter().filter(|verdict| **verdict == Verdict::Duplicate).count(), 2);
}

#[tokio::test]
async fn duplicates_without_effects_that_nobody_marked_cost_one_read_a_batch() {
    let counted = Counted::new().await;
    let handler = handler_fn("notice", notice);
    counted.deliver(&handler, &[(2, 1), (5, 1)]).await;
    let (verdicts, requests) = counted.deliver(&handler, &first(0..10)).await;
    assert_eq!(requests, ["BatchExecuteStatement", "BatchGetItem"]);
    assert_eq!(verdicts.iter().filter(|verdict| **verdict == Verdict::Duplicate).count(), 2);
}

#[tokio::test]
async fn one_event_is_one_read_and_one_write_or_one_put() {
    let counted = Counted::new().await;
    let (_, requests) = counted.deliver(&Book, &first(0..1)).await;
    assert_eq!(requests, ["BatchGetItem", "TransactWriteItems"]);
    let (_, requests) = counted.deliver(&handler_fn("notice", notice), &first(0..1)).await;
    assert_eq!(requests, ["PutItem"]);
}

#[tokio::test]
async fn the_observer_is_told_of_every_request_that_commits_took() {
    let counted = Counted::new().await;
    counted.deliver(&Book, &[(2, 1), (5, 1)]).await;
    assert_eq!(counted.told.0.swap(0, Ordering::Relaxed), 1);
    // The duplicates cancel the first transaction; the load before it is none of the commits'.
    let (_, requests) = counted.deliver(&Book, &first(0..10)).await;
    assert_eq!((requests.len(), counted.told.0.load(Ordering::Relaxed)), (3, 2));
}
