//! The cost of a batch: the calls of the ledger, counted.

use crate::bank::{Behaviour, Book, World, body, deposit};
use futures_util::future::join_all;
use std::time::Duration;
use throughline_core::{
    Record, Verdict,
    ports::Ports,
    prelude::*,
    process::{Delivery, Settings, process},
};
use throughline_testing::{
    CountingLedger, MemoryLedger,
    counting::Call::{self, Claim, Commit, Inspect, Load},
};

/// Deliveries of deposits, and the calls they lead to. Every call takes three milliseconds, as DynamoDB does.
struct Counted {
    world: World,
    ledger: CountingLedger<MemoryLedger>,
    settings: Settings,
}

impl Counted {
    fn new() -> Self {
        let ledger = CountingLedger::new(MemoryLedger::default()).with_latency(Duration::from_millis(3));
        Self { world: World::new(), ledger, settings: Settings::new("bank") }
    }

    /// Delivers bodies, each for the so-manieth time.
    async fn deliver<H: Handler>(&self, handler: &H, records: &[(String, u32)]) -> (Vec<Verdict>, Vec<Call>) {
        let records: Vec<Record<'_>> = records
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
        let ports = Ports { ledger: &self.ledger, ..self.world.ports() };
        let verdicts = process(handler, ports, &self.settings, None, &records).await;
        (verdicts, self.ledger.take_calls())
    }
}

fn to_accounts(numbers: std::ops::Range<usize>) -> Vec<(String, u32)> {
    let to = |number| deposit(&format!("account-{number}"), 1, Behaviour::Works);
    numbers.map(|number| (body(&format!("e-{number}"), to(number)), 1)).collect()
}

#[derive(Debug, Clone)]
struct Ignore;

impl Handler for Ignore {
    const NAME: &'static str = "ignore";
    type Message = crate::bank::Deposited;
    type Emits = Never;

    async fn handle(&self, _: Envelope<Self::Message>, _: &Context<'_>) -> Result<Effects, Failure> {
        Ok(Effects::none())
    }
}

#[tokio::test(start_paused = true)]
async fn ten_records_that_load_save_and_emit_are_one_load_and_one_commit() {
    let (verdicts, calls) = Counted::new().deliver(&Book::default(), &to_accounts(0..10)).await;
    assert_eq!(verdicts, vec![Verdict::Done; 10]);
    assert_eq!(calls, [Load(10), Commit(10)]);
}

#[tokio::test(start_paused = true)]
async fn ten_records_without_effects_are_one_commit() {
    let (_, calls) = Counted::new().deliver(&Ignore, &to_accounts(0..10)).await;
    assert_eq!(calls, [Commit(10)]);
}

#[tokio::test(start_paused = true)]
async fn ten_leased_records_are_one_claim_and_one_commit() {
    let (verdicts, calls) = Counted::new().deliver(&leased(Ignore), &to_accounts(0..10)).await;
    assert_eq!(verdicts, vec![Verdict::Done; 10]);
    assert_eq!(calls, [Claim(10), Commit(10)]);
}

#[tokio::test(start_paused = true)]
async fn redelivered_records_are_looked_up_once_and_join_the_others() {
    let counted = Counted::new();
    counted.deliver(&Book::default(), &to_accounts(0..3)).await;
    let mut records = to_accounts(0..10);
    for (_, attempt) in &mut records[..6] {
        *attempt = 2;
    }
    let (verdicts, calls) = counted.deliver(&Book::default(), &records).await;
    assert_eq!(&verdicts[..4], [Verdict::Duplicate, Verdict::Duplicate, Verdict::Duplicate, Verdict::Done]);
    assert_eq!(calls, [Inspect(6), Load(7), Commit(7)], "those that were done before need nothing else");
}

#[tokio::test(start_paused = true)]
async fn a_slow_handler_does_not_keep_the_others_waiting() {
    let counted = Counted::new();
    let mut records = to_accounts(0..3);
    records.push((body("slow", deposit("slow", 1, Behaviour::TakesAnHour)), 1));
    let mut calls = Vec::new();
    let delivering = async { calls = counted.deliver(&Book::default(), &records).await.1 };
    let watching = async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        counted.ledger.inner().log().len()
    };
    let ((), committed) = tokio::join!(delivering, watching);
    assert_eq!((committed, calls), (3, vec![Load(4), Commit(3), Commit(1)]));
}

#[tokio::test(start_paused = true)]
async fn of_records_about_one_entity_one_commits_a_round_and_nobody_gives_up() {
    let counted = Counted::new();
    let to_one = |number: usize| (body(&format!("e-{number}"), deposit("a", 1, Behaviour::Works)), 1);
    let records: Vec<_> = (0..10).map(to_one).collect();
    let (verdicts, calls) = counted.deliver(&Book::default(), &records).await;
    assert_eq!(verdicts, vec![Verdict::Done; 10]);
    assert_eq!(counted.ledger.inner().log().len(), 10);
    let rounds: Vec<Call> = (1..=10).rev().flat_map(|left| [Load(left), Commit(left)]).collect();
    assert_eq!(calls, rounds);
}

#[tokio::test(start_paused = true)]
async fn a_batch_of_a_thousand_goes_in_commits_as_large_as_fit() {
    let counted = Counted::new();
    let (verdicts, calls) = counted.deliver(&Book::default(), &to_accounts(0..1000)).await;
    assert_eq!(verdicts, vec![Verdict::Done; 1000]);
    let commits: Vec<usize> =
        calls.iter().filter_map(|call| if let Commit(size) = call { Some(*size) } else { None }).collect();
    assert_eq!(commits.iter().sum::<usize>(), 1000);
    assert!(commits.len() <= 31, "three items a commit, a hundred a transaction: {commits:?}");
}

/// Its first ten records come one after another, so slowly that none waits for the next.
#[derive(Debug, Clone)]
struct SlowAtFirst;

impl Handler for SlowAtFirst {
    const NAME: &'static str = "slow-at-first";
    type Message = crate::bank::Deposited;
    type Emits = Never;

    async fn handle(&self, message: Envelope<Self::Message>, _: &Context<'_>) -> Result<Effects, Failure> {
        if message.data.account.len() == "account-0".len() {
            tokio::time::sleep(Duration::from_millis(6)).await;
        }
        Ok(Effects::none())
    }
}

fn concurrency(concurrency: usize) -> Settings {
    let mut settings = Settings::new("bank");
    settings.concurrency = concurrency;
    settings
}

#[tokio::test(start_paused = true)]
async fn a_slow_start_does_not_leave_a_large_batch_in_small_requests() {
    let ledger = CountingLedger::new(MemoryLedger::default()).with_latency(Duration::from_millis(60));
    let counted = Counted { ledger, settings: concurrency(1), ..Counted::new() };
    let (verdicts, calls) = counted.deliver(&SlowAtFirst, &to_accounts(0..1000)).await;
    assert_eq!(verdicts, vec![Verdict::Done; 1000]);
    assert!(calls.len() <= 30, "ten at first, and then as many as fit: {calls:?}");
}

#[tokio::test(start_paused = true)]
async fn no_more_handlers_run_at_a_time_than_the_settings_say() {
    let counted = Counted { settings: concurrency(2), ..Counted::new() };
    let gauge = Gauge::default();
    let (verdicts, calls) = counted.deliver(&gauge, &to_accounts(0..10)).await;
    assert_eq!(verdicts, vec![Verdict::Done; 10]);
    assert_eq!(*gauge.most.lock().unwrap(), 2);
    assert!(calls.len() <= 5, "what is finished waits for the others of its time: {calls:?}");
}

#[tokio::test(start_paused = true)]
async fn no_more_leased_handlers_run_at_a_time_than_the_settings_say() {
    let counted = Counted { settings: concurrency(2), ..Counted::new() };
    let gauge = Gauge::default();
    let (verdicts, calls) = counted.deliver(&leased(gauge.clone()), &to_accounts(0..10)).await;
    assert_eq!(verdicts, vec![Verdict::Done; 10]);
    assert_eq!(*gauge.most.lock().unwrap(), 2);
    assert_eq!(calls[..2], [Claim(2), Commit(2)], "no lease is taken before its record can run");
}

/// Works for a second, and watches how many do at the same time.
#[derive(Debug, Clone, Default)]
struct Gauge {
    now: std::sync::Arc<std::sync::Mutex<usize>>,
    most: std::sync::Arc<std::sync::Mutex<usize>>,
}

impl Handler for Gauge {
    const NAME: &'static str = "gauge";
    type Message = crate::bank::Deposited;
    type Emits = Never;

    async fn handle(&self, _: Envelope<Self::Message>, _: &Context<'_>) -> Result<Effects, Failure> {
        {
            let mut now = self.now.lock().unwrap();
            *now += 1;
            let mut most = self.most.lock().unwrap();
            *most = (*most).max(*now);
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        *self.now.lock().unwrap() -= 1;
        Ok(Effects::none())
    }
}

/// Loads three entities, two of them at the same time.
#[derive(Debug, Clone)]
struct LoadsThree;

impl Handler for LoadsThree {
    const NAME: &'static str = "loads-three";
    type Message = crate::bank::Deposited;
    type Emits = Never;

    async fn handle(
        &self,
        message: Envelope<Self::Message>,
        context: &Context<'_>,
    ) -> Result<Effects, Failure> {
        let own = message.data.account;
        context.load::<crate::bank::Account>(&own).await?;
        let others = ["x", "y"].map(|id| context.peek::<crate::bank::Account>(id));
        for other in join_all(others).await {
            other?;
        }
        Ok(Effects::none())
    }
}

#[tokio::test(start_paused = true)]
async fn loads_one_after_the_other_are_two_and_loads_at_the_same_time_are_one() {
    let (_, calls) = Counted::new().deliver(&LoadsThree, &to_accounts(0..10)).await;
    assert_eq!(calls, [Load(10), Load(20), Commit(10)]);
}
