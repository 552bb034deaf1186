//! Slow neighbours: nobody waits for another record longer than it helps.

use crate::{
    bank::{Account, Behaviour, Book, Deposited, World, body, deposit},
    silent::Silent,
};
use std::{sync::atomic::Ordering, time::Duration};
use throughline_core::{
    Record, Verdict,
    ports::{Ports, Time as _},
    prelude::*,
    process::{Delivery, RetryCause, Settings, process},
};
use throughline_testing::{CountingLedger, MemoryLedger, counting::Call};

fn record<'a>(body: &'a str, group: Option<&'a str>) -> Record<'a> {
    Record {
        message_id: "m",
        source: "queue",
        body,
        attempt: 1,
        is_last_attempt: false,
        group,
        delivery: Delivery::default(),
    }
}

/// Saves an account it has not looked at, after as many milliseconds as are deposited. One that is "stuck" it
/// looks at first.
#[derive(Debug, Clone)]
struct Opens;

impl Handler for Opens {
    const NAME: &'static str = "opens";
    type Message = Deposited;
    type Emits = Never;

    async fn handle(&self, deposit: Envelope<Deposited>, context: &Context<'_>) -> Result<Effects, Failure> {
        let Deposited { account: id, amount: balance, .. } = deposit.data;
        tokio::time::sleep(Duration::from_millis(balance)).await;
        if id == "stuck" {
            context.load::<Account>(&id).await?;
        }
        Ok(Effects::none().save(Versioned::new(Account { id, balance })))
    }
}

#[tokio::test(start_paused = true)]
async fn loads_that_are_never_answered_keep_no_other_from_its_commit() {
    let world = World::new();
    let ledger = Silent::to_loads_of("stuck");
    let ports = Ports { ledger: &ledger, ..world.ports() };
    // The second load is sent while the commit waits for what the first may lead to.
    let bodies = [("stuck", 1), ("a", 10), ("stuck", 20)]
        .map(|(account, after)| body(&format!("e-{after}"), deposit(account, after, Behaviour::Works)));
    let records: Vec<Record<'_>> = bodies.iter().map(|body| record(body, None)).collect();
    let deadline = world.time.now() + Duration::from_secs(10);
    let verdicts = process(&Opens, ports, &Settings::new("bank"), Some(deadline), &records).await;
    let late = Verdict::Retry { after: Duration::ZERO, cause: RetryCause::Deadline };
    assert_eq!(verdicts, [late.clone(), Verdict::Done, late]);
}

/// Works this long on each record.
#[derive(Debug, Clone)]
struct Takes(Duration);

impl Handler for Takes {
    const NAME: &'static str = "takes";
    type Message = Deposited;
    type Emits = Never;

    async fn handle(&self, _: Envelope<Deposited>, _: &Context<'_>) -> Result<Effects, Failure> {
        tokio::time::sleep(self.0).await;
        Ok(Effects::none())
    }
}

async fn deliver_group<H: Handler>(handler: &H, bodies: &[String], time_left: Duration) -> Vec<Verdict> {
    let world = World::new();
    let records: Vec<Record<'_>> = bodies.iter().map(|body| record(body, Some("g"))).collect();
    let deadline = world.time.now() + time_left;
    let verdicts = process(handler, world.ports(), &Settings::new("bank"), Some(deadline), &records).await;
    assert!(world.time.now() < deadline, "there must be time left to answer");
    verdicts
}

fn works(number: usize) -> String {
    body(&format!("e-{number}"), deposit("a", 1, Behaviour::Works))
}

#[tokio::test(start_paused = true)]
async fn of_a_group_too_slow_for_one_invocation_as_much_is_done_as_there_is_time_for() {
    let bodies: Vec<String> = (0..6).map(works).collect();
    let verdicts = deliver_group(&Takes(Duration::from_secs(20)), &bodies, Duration::from_secs(90)).await;
    let done = verdicts.iter().take_while(|verdict| **verdict == Verdict::Done).count();
    assert!(done >= 3, "three of 20 s fit into 90 s at least: {verdicts:?}");
    assert!(verdicts[done..].iter().all(Verdict::is_retry), "{verdicts:?}");
}

#[tokio::test(start_paused = true)]
async fn a_slow_record_of_a_group_does_not_undo_those_before_it() {
    let mut bodies: Vec<String> = (0..3).map(works).collect();
    bodies.push(body("slow", deposit("a", 1, Behaviour::TakesAnHour)));
    let verdicts = deliver_group(&Book::default(), &bodies, Duration::from_secs(30)).await;
    assert_eq!(verdicts[..3], vec![Verdict::Done; 3]);
    assert_eq!(verdicts[3], Verdict::Retry { after: Duration::ZERO, cause: RetryCause::Deadline });
}

#[tokio::test(start_paused = true)]
async fn no_record_of_a_group_is_started_when_the_deadline_is_near() {
    let bodies: Vec<String> = (0..3).map(works).collect();
    let handler = Book::default();
    let verdicts = deliver_group(&handler, &bodies, Duration::from_millis(400)).await;
    assert!(verdicts.iter().all(Verdict::is_retry), "{verdicts:?}");
    assert_eq!(handler.runs.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn commits_that_are_ready_at_about_the_same_time_go_together_though_others_still_run() {
    let world = World::new();
    let ledger = CountingLedger::new(MemoryLedger::default());
    let ports = Ports { ledger: &ledger, ..world.ports() };
    let bodies = [1, 4, 60_000]
        .map(|after| body(&format!("e-{after}"), deposit(&format!("a-{after}"), after, Behaviour::Works)));
    let records: Vec<Record<'_>> = bodies.iter().map(|body| record(body, None)).collect();
    process(&Opens, ports, &Settings::new("bank"), None, &records).await;
    assert_eq!(ledger.take_calls(), [Call::Commit(2), Call::Commit(1)]);
}
