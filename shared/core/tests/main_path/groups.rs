//! FIFO groups: in order, and together where that is possible.

use crate::bank::{Account, Behaviour, Book, Deposited, World, body, deposit};
use std::sync::atomic::Ordering;
use throughline_core::{
    Record, Verdict,
    ports::Ports,
    prelude::*,
    process::{Delivery, RetryCause, Settings, process},
};
use throughline_testing::{
    CountingLedger, MemoryLedger,
    counting::Call::{self, Commit, Inspect, Load},
};

struct Queue {
    world: World,
    ledger: CountingLedger<MemoryLedger>,
}

impl Queue {
    fn new() -> Self {
        Self { world: World::new(), ledger: CountingLedger::new(MemoryLedger::default()) }
    }

    /// Delivers the records of one group, all for the so-manieth time.
    async fn deliver<H: Handler>(
        &self,
        handler: &H,
        attempt: u32,
        bodies: &[String],
    ) -> (Vec<Verdict>, Vec<Call>) {
        let records: Vec<Record<'_>> = bodies
            .iter()
            .map(|body| Record {
                message_id: "m",
                source: "queue.fifo",
                body,
                attempt,
                is_last_attempt: false,
                group: Some("g"),
                delivery: Delivery::default(),
            })
            .collect();
        let ports = Ports { ledger: &self.ledger, ..self.world.ports() };
        let verdicts = process(handler, ports, &Settings::new("bank"), None, &records).await;
        (verdicts, self.ledger.take_calls())
    }

    fn balance(&self, account: &str) -> u64 {
        self.ledger.inner().entity::<Account>(account).map_or(0, |account| account.balance)
    }

    fn sequences(&self) -> Vec<Option<u64>> {
        self.ledger.inner().log().iter().map(|sent| sent.envelope.attributes.sequence).collect()
    }
}

fn deposits(behaviours: &[Behaviour]) -> Vec<String> {
    let numbered = behaviours.iter().enumerate();
    numbered.map(|(number, behaviour)| body(&format!("e-{number}"), deposit("a", 1, *behaviour))).collect()
}

#[tokio::test(start_paused = true)]
async fn a_group_about_one_entity_is_one_load_and_one_commit() {
    let queue = Queue::new();
    let (verdicts, calls) = queue.deliver(&Book::default(), 1, &deposits(&[Behaviour::Works; 10])).await;
    assert_eq!(verdicts, vec![Verdict::Done; 10]);
    assert_eq!(calls, [Load(1), Commit(1)], "each is decided on what the one before it decided");
    assert_eq!(queue.balance("a"), 10);
    assert_eq!(queue.sequences(), (1..=10).map(Some).collect::<Vec<_>>());
    let (verdicts, calls) = queue.deliver(&Book::default(), 2, &deposits(&[Behaviour::Works; 10])).await;
    assert_eq!(verdicts, vec![Verdict::Duplicate; 10]);
    assert_eq!(calls[0], Inspect(10));
    assert_eq!(queue.balance("a"), 10);
}

#[tokio::test(start_paused = true)]
async fn a_folded_entity_is_saved_again_afterwards() {
    let queue = Queue::new();
    queue.deliver(&Book::default(), 1, &deposits(&[Behaviour::Works; 3])).await;
    let next: Vec<String> =
        (0..2).map(|number| body(&format!("later-{number}"), deposit("a", 1, Behaviour::Works))).collect();
    let (verdicts, _) = queue.deliver(&Book::default(), 1, &next).await;
    assert_eq!((verdicts, queue.balance("a")), (vec![Verdict::Done; 2], 5));
    assert_eq!(queue.sequences(), (1..=5).map(Some).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_record_that_fails_ends_what_is_committed_together_and_blocks_what_follows() {
    let queue = Queue::new();
    let behaviours = [Behaviour::Works, Behaviour::Works, Behaviour::FailsOnce, Behaviour::Works];
    let (verdicts, _) = queue.deliver(&Book::default(), 1, &deposits(&behaviours)).await;
    assert_eq!(verdicts[..2], [Verdict::Done, Verdict::Done]);
    assert!(matches!(verdicts[2], Verdict::Retry { cause: RetryCause::Failed { .. }, .. }), "{verdicts:?}");
    assert!(matches!(verdicts[3], Verdict::Retry { cause: RetryCause::Behind, .. }), "{verdicts:?}");
    assert_eq!(queue.balance("a"), 2);
    let (verdicts, _) = queue.deliver(&Book::default(), 2, &deposits(&behaviours)[2..]).await;
    assert_eq!((verdicts, queue.balance("a")), (vec![Verdict::Done; 2], 4));
}

#[tokio::test(start_paused = true)]
async fn a_rejected_record_lets_its_group_go_on_together() {
    let queue = Queue::new();
    let mut behaviours = [Behaviour::Works; 7];
    behaviours[3] = Behaviour::Rejects;
    let (verdicts, calls) = queue.deliver(&Book::default(), 1, &deposits(&behaviours)).await;
    assert!(matches!(verdicts[3], Verdict::Rejected { .. }));
    assert_eq!(verdicts.iter().filter(|verdict| **verdict == Verdict::Done).count(), 6);
    assert_eq!(queue.balance("a"), 6);
    assert_eq!(calls.iter().filter(|call| matches!(call, Commit(_))).count(), 2, "{calls:?}");
}

#[tokio::test(start_paused = true)]
async fn a_duplicate_nobody_marked_is_found_and_the_others_happen() {
    let queue = Queue::new();
    let bodies = deposits(&[Behaviour::Works; 4]);
    queue.deliver(&Book::default(), 1, &bodies[1..2]).await;
    let (verdicts, _) = queue.deliver(&Book::default(), 1, &bodies).await;
    assert_eq!(verdicts, [Verdict::Done, Verdict::Duplicate, Verdict::Done, Verdict::Done]);
    assert_eq!(queue.balance("a"), 4);
}

#[tokio::test(start_paused = true)]
async fn the_same_message_twice_in_a_group_is_done_and_duplicate() {
    let queue = Queue::new();
    let mut bodies = deposits(&[Behaviour::Works; 3]);
    bodies.insert(1, bodies[0].clone());
    bodies.push(body("e-0", deposit("a", 100, Behaviour::Works)));
    let (verdicts, _) = queue.deliver(&Book::default(), 1, &bodies).await;
    assert_eq!(verdicts[..4], [Verdict::Done, Verdict::Duplicate, Verdict::Done, Verdict::Done]);
    assert!(matches!(&verdicts[4], Verdict::Rejected { error_type, .. } if error_type == "PayloadMismatch"));
    assert_eq!(queue.balance("a"), 3);
}

/// Moves money from one account to another, which it only looks at first.
#[derive(Debug, Clone)]
struct Sweep;

impl Handler for Sweep {
    const NAME: &'static str = "sweep";
    type Message = Deposited;
    type Emits = Never;

    async fn handle(&self, deposit: Envelope<Deposited>, context: &Context<'_>) -> Result<Effects, Failure> {
        let total = context.load::<Account>("total").await?;
        let own = context.load::<Account>(&deposit.data.account).await?;
        let seen = own.as_ref().map_or(0, |own| own.value.balance);
        let total = total.unwrap_or_else(|| Versioned::new(Account { id: "total".into(), balance: 0 }));
        let total = total.map(|old| Account { balance: old.balance + seen + deposit.data.amount, ..old });
        Ok(Effects::none().save(total))
    }
}

#[tokio::test(start_paused = true)]
async fn what_one_record_saved_and_another_only_read_is_checked_once() {
    let queue = Queue::new();
    queue.ledger.inner().seed(
        &Account { id: "b".into(), balance: 5 },
        throughline_core::Version::At { version: 1, sequence: 0 },
    );
    let bodies: Vec<String> = ["b", "total", "b", "c"]
        .iter()
        .enumerate()
        .map(|(number, account)| body(&format!("e-{number}"), deposit(account, 1, Behaviour::Works)))
        .collect();
    let (verdicts, _) = queue.deliver(&Sweep, 1, &bodies).await;
    assert_eq!(verdicts, vec![Verdict::Done; 4]);
    // 0+5+1 = 6; 6+6+1 = 13; 13+5+1 = 19; 19+0+1 = 20.
    assert_eq!(queue.balance("total"), 20);
}

#[tokio::test(start_paused = true)]
async fn a_group_that_does_not_fit_one_transaction_is_committed_in_several() {
    let queue = Queue::new();
    let bodies: Vec<String> = (0..60)
        .map(|number| body(&format!("e-{number}"), deposit(&format!("a-{number}"), 1, Behaviour::Works)))
        .collect();
    let (verdicts, calls) = queue.deliver(&Book::default(), 1, &bodies).await;
    assert_eq!(verdicts, vec![Verdict::Done; 60]);
    assert_eq!(calls.iter().filter(|call| matches!(call, Commit(_))).count(), 2, "{calls:?}");
}

#[tokio::test(start_paused = true)]
async fn leased_records_of_a_group_run_one_by_one() {
    let queue = Queue::new();
    let handler = Book::default();
    let handler_runs = std::sync::Arc::clone(&handler.runs);
    let (verdicts, calls) = queue.deliver(&leased(handler), 1, &deposits(&[Behaviour::Works; 3])).await;
    assert_eq!(verdicts, vec![Verdict::Done; 3]);
    assert_eq!(calls.iter().filter(|call| matches!(call, Call::Claim(1))).count(), 3, "{calls:?}");
    assert_eq!(queue.balance("a"), 3);
    let runs = handler_runs.load(Ordering::SeqCst);
    assert_eq!(runs, 3, "none may touch the outside world without its claim");
}

#[tokio::test(start_paused = true)]
async fn a_group_runs_each_handler_once_when_nothing_is_in_its_way() {
    let queue = Queue::new();
    let handler = Book::default();
    queue.deliver(&handler, 1, &deposits(&[Behaviour::Works; 10])).await;
    assert_eq!(handler.runs.load(Ordering::SeqCst), 10);
}

/// Creates an account without looking whether there is one.
#[derive(Debug, Clone)]
struct Create;

impl Handler for Create {
    const NAME: &'static str = "create";
    type Message = Deposited;
    type Emits = Never;

    async fn handle(&self, deposit: Envelope<Deposited>, _: &Context<'_>) -> Result<Effects, Failure> {
        let Deposited { account: id, amount: balance, .. } = deposit.data;
        Ok(Effects::none().save(Versioned::new(Account { id, balance })))
    }
}

#[tokio::test(start_paused = true)]
async fn what_one_record_created_the_next_does_not_overwrite_unseen() {
    let queue = Queue::new();
    let bodies = [1, 2].map(|amount| body(&format!("e-{amount}"), deposit("a", amount, Behaviour::Works)));
    let (verdicts, _) = queue.deliver(&Create, 1, &bodies).await;
    assert_eq!((&verdicts[0], queue.balance("a")), (&Verdict::Done, 1));
    let Verdict::Retry { cause: RetryCause::Failed { error_type, .. }, .. } = &verdicts[1] else {
        panic!("{verdicts:?}");
    };
    assert_eq!(error_type, "VersionConflict");
}

/// Adds to "x"; to every other account it adds what is in "x". Its `meddler` changes "x" once, when it has been
/// loaded for the first time.
#[derive(Debug, Clone)]
struct Follow<'a> {
    meddler: &'a std::sync::Mutex<Option<&'a MemoryLedger>>,
}

impl Handler for Follow<'static> {
    const NAME: &'static str = "follow";
    type Message = Deposited;
    type Emits = Never;

    async fn handle(&self, deposit: Envelope<Deposited>, context: &Context<'_>) -> Result<Effects, Failure> {
        let Deposited { account: id, amount, .. } = deposit.data;
        let x = context.load::<Account>("x").await?;
        if let Some(ledger) = self.meddler.lock().unwrap().take() {
            let version = throughline_core::Version::At { version: 5, sequence: 0 };
            ledger.seed(&Account { id: "x".into(), balance: 100 }, version);
        }
        let in_x = x.as_ref().map_or(0, |x| x.value.balance);
        let own = if id == "x" { x } else { context.load::<Account>(&id).await? };
        let own = own.unwrap_or_else(|| Versioned::new(Account { id: id.clone(), balance: 0 }));
        let add = if id == "x" { amount } else { in_x };
        Ok(Effects::none().save(own.map(|old| Account { balance: old.balance + add, ..old })))
    }
}

fn to_accounts(accounts: &[&str]) -> Vec<String> {
    let numbered = accounts.iter().enumerate();
    numbered.map(|(number, to)| body(&format!("e-{number}"), deposit(to, 1, Behaviour::Works))).collect()
}

fn meddling(with: Option<&'static MemoryLedger>) -> Follow<'static> {
    Follow { meddler: Box::leak(Box::new(std::sync::Mutex::new(with))) }
}

#[tokio::test(start_paused = true)]
async fn what_one_record_read_and_the_next_saves_is_in_the_commit_once() {
    let queue = Queue::new();
    let (verdicts, calls) = queue.deliver(&meddling(None), 1, &to_accounts(&["y", "x", "z"])).await;
    assert_eq!(verdicts, vec![Verdict::Done; 3]);
    assert_eq!(calls.iter().filter(|call| matches!(call, Commit(_))).count(), 1, "{calls:?}");
    assert_eq!(["x", "y", "z"].map(|account| queue.balance(account)), [1, 0, 1]);
}

#[tokio::test(start_paused = true)]
async fn records_that_saw_an_entity_differently_are_not_committed_on_what_the_last_one_saw() {
    let queue: &'static Queue = Box::leak(Box::new(Queue::new()));
    let handler = meddling(Some(queue.ledger.inner()));
    let (verdicts, _) = queue.deliver(&handler, 1, &to_accounts(&["y", "x"])).await;
    assert_eq!(verdicts, vec![Verdict::Done; 2]);
    assert_eq!(["x", "y"].map(|account| queue.balance(account)), [101, 100], "write skew");
}
