//! The last delivery: whoever came to it untried gets a try, and what is not done says why.

use crate::{
    bank::{Account, Behaviour, Book, Deposited, World, body, deposit},
    silent::Silent,
};
use std::{sync::atomic::Ordering, time::Duration};
use throughline_core::{
    Record, Verdict,
    ports::{DeadLetter, Ports, Time as _},
    prelude::*,
    process::{RetryCause, Settings, process},
};

/// The number of times that a message may be received here.
const MOST: u32 = 5;

fn received<'a>(body: &'a str, attempt: u32, group: Option<&'a str>) -> Record<'a> {
    Record {
        message_id: "m",
        source: "queue.fifo",
        body,
        attempt,
        is_last_attempt: attempt >= MOST,
        group,
        delivery: throughline_core::process::Delivery::default(),
    }
}

fn bodies(behaviours: &[Behaviour]) -> Vec<String> {
    let numbered = behaviours.iter().enumerate();
    numbered.map(|(number, behaviour)| body(&format!("e-{number}"), deposit("a", 1, *behaviour))).collect()
}

/// Delivers one group, for the so-manieth time.
async fn deliver<H: Handler>(
    world: &World,
    handler: &H,
    time_left: Option<Duration>,
    attempt: u32,
    bodies: &[String],
) -> Vec<Verdict> {
    let records: Vec<Record<'_>> = bodies.iter().map(|body| received(body, attempt, Some("g"))).collect();
    let deadline = time_left.map(|left| world.time.now() + left);
    let verdicts = process(handler, world.ports(), &Settings::new("bank"), deadline, &records).await;
    assert!(deadline.is_none_or(|deadline| world.time.now() < deadline), "there must be time left to answer");
    verdicts
}

fn rejected<'v>(verdicts: &'v [Verdict], letters: &'v [DeadLetter], at: usize) -> (&'v str, &'v str) {
    let Verdict::Rejected { error_type, reason } = &verdicts[at] else { panic!("{at}: {verdicts:?}") };
    assert!(letters.iter().any(|letter| letter.error_message == *reason && letter.attempts == MOST));
    (error_type, reason)
}

#[tokio::test(start_paused = true)]
async fn a_record_that_waited_behind_a_failing_one_is_tried_and_its_letter_says_how_often() {
    let world = World::new();
    let handler = Book::default();
    let bodies = bodies(&[Behaviour::AlwaysFails, Behaviour::AlwaysFails, Behaviour::Works]);
    for attempt in 1..MOST {
        let verdicts = deliver(&world, &handler, None, attempt, &bodies).await;
        assert!(verdicts[0].is_retry(), "{verdicts:?}");
        let is_behind = |verdict| matches!(verdict, &Verdict::Retry { cause: RetryCause::Behind, .. });
        assert!(verdicts[1..].iter().all(is_behind), "{verdicts:?}");
    }
    let verdicts = deliver(&world, &handler, None, MOST, &bodies).await;
    let letters = world.dead_letters.letters();
    assert_eq!(rejected(&verdicts, &letters, 0), ("Failure", "the line is down"));
    let (error_type, reason) = rejected(&verdicts, &letters, 1);
    assert_eq!(error_type, "Failure");
    assert_eq!(
        reason,
        "the line is down (tried once: at each of the 4 deliveries before this one it waited behind another record \
         of its FIFO group)"
    );
    assert_eq!((&verdicts[2], world.balance("a")), (&Verdict::Done, 1));
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_for_good_says_nothing_of_tries() {
    let world = World::new();
    let bodies = bodies(&[Behaviour::AlwaysFails, Behaviour::Rejects]);
    let verdicts = deliver(&world, &Book::default(), None, MOST, &bodies).await;
    assert_eq!(rejected(&verdicts, &world.dead_letters.letters(), 1), ("Failure", "the account is frozen"));
}

#[tokio::test(start_paused = true)]
async fn what_came_before_a_record_and_was_done_long_ago_did_not_keep_it_waiting() {
    let world = World::new();
    let bodies = bodies(&[Behaviour::Works, Behaviour::AlwaysFails]);
    deliver(&world, &Book::default(), None, 1, &bodies).await;
    // The whole batch comes again, as after a crash.
    let verdicts = deliver(&world, &Book::default(), None, MOST, &bodies).await;
    assert_eq!(verdicts[0], Verdict::Duplicate);
    assert_eq!(rejected(&verdicts, &world.dead_letters.letters(), 1).1, "the line is down");
}

#[tokio::test(start_paused = true)]
async fn a_record_that_never_ends_leaves_time_to_those_behind_it() {
    for hanging in 1..=3 {
        let world = World::new();
        let mut behaviours = vec![Behaviour::TakesAnHour; hanging];
        behaviours.push(Behaviour::Works);
        let time_left = Some(Duration::from_secs(30));
        let verdicts = deliver(&world, &Book::default(), time_left, MOST, &bodies(&behaviours)).await;
        for at in 0..hanging {
            assert_eq!(rejected(&verdicts, &world.dead_letters.letters(), at).0, "TimedOut");
        }
        assert_eq!((&verdicts[hanging], world.balance("a")), (&Verdict::Done, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_leased_record_that_never_ends_leaves_time_to_those_behind_it() {
    let world = World::new();
    let bodies = bodies(&[Behaviour::TakesAnHour, Behaviour::Works]);
    let time_left = Some(Duration::from_secs(30));
    let verdicts = deliver(&world, &leased(Book::default()), time_left, MOST, &bodies).await;
    assert_eq!(rejected(&verdicts, &world.dead_letters.letters(), 0).0, "TimedOut");
    assert_eq!(verdicts[1], Verdict::Done);
    assert_eq!(world.ledger.claim_count(), 2, "what was cut off may still be going on outside");
}

#[tokio::test(start_paused = true)]
async fn before_its_last_delivery_a_record_has_all_the_time_there_is() {
    let world = World::new();
    let bodies = bodies(&[Behaviour::TakesAnHour, Behaviour::Works]);
    let verdicts = deliver(&world, &Book::default(), Some(Duration::from_secs(30)), MOST - 1, &bodies).await;
    assert_eq!(verdicts[0], Verdict::Retry { after: Duration::ZERO, cause: RetryCause::Deadline });
    assert_eq!(verdicts[1], Verdict::Retry { after: Duration::ZERO, cause: RetryCause::Behind });
    assert!(world.dead_letters.letters().is_empty());
}

/// Works two seconds on each record.
#[derive(Debug, Clone)]
struct Slow;

impl Handler for Slow {
    const NAME: &'static str = "slow";
    type Message = Deposited;
    type Emits = Never;

    async fn handle(&self, _: Envelope<Deposited>, _: &Context<'_>) -> Result<Effects, Failure> {
        tokio::time::sleep(Duration::from_secs(2)).await;
        Ok(Effects::none())
    }
}

#[tokio::test(start_paused = true)]
async fn records_that_are_done_in_time_lose_nothing_by_sharing_it() {
    let world = World::new();
    let verdicts =
        deliver(&world, &Slow, Some(Duration::from_secs(30)), MOST, &bodies(&[Behaviour::Works; 10])).await;
    assert_eq!(verdicts, vec![Verdict::Done; 10]);
}

#[tokio::test(start_paused = true)]
async fn a_record_whose_last_delivery_finds_another_in_its_way_is_given_up_with_a_reason() {
    let world = World::new();
    let bodies = bodies(&[Behaviour::FailsOnce, Behaviour::Works]);
    let records = [received(&bodies[0], 1, Some("g")), received(&bodies[1], MOST, Some("g"))];
    let handler = Book::default();
    let verdicts = process(&handler, world.ports(), &Settings::new("bank"), None, &records).await;
    assert!(verdicts[0].is_retry(), "{verdicts:?}");
    let letters = world.dead_letters.letters();
    let (error_type, reason) = rejected(&verdicts, &letters, 1);
    assert_eq!(error_type, "NotTried");
    assert!(
        reason.contains("a record before it in its FIFO group has to be delivered again first"),
        "{reason}"
    );
    assert_eq!(handler.runs.load(Ordering::SeqCst), 1, "out of order nothing runs");
}

#[tokio::test(start_paused = true)]
async fn a_record_that_was_never_tried_behind_one_that_somebody_else_holds_says_so() {
    let world = World::new();
    let bodies = bodies(&[Behaviour::TakesAnHour, Behaviour::Works]);
    let handler = leased(Book::default());
    let deadline = world.time.now() + Duration::from_mins(1);
    let working = world.deliver(&handler, Some(deadline), &bodies[..1]);
    let meanwhile = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        deliver(&world, &handler, Some(Duration::from_secs(30)), MOST, &bodies).await
    };
    let (_, verdicts) = tokio::join!(working, meanwhile);
    assert!(matches!(verdicts[0], Verdict::Retry { cause: RetryCause::Busy, .. }), "{verdicts:?}");
    let letters = world.dead_letters.letters();
    let (error_type, reason) = rejected(&verdicts, &letters, 1);
    assert_eq!(
        (error_type, reason.contains("it was never tried: at each of the 4 deliveries")),
        ("NotTried", true)
    );
    assert_eq!(letters.len(), 1, "what somebody else may yet finish is not given up");
}

#[tokio::test(start_paused = true)]
async fn finished_work_that_is_in_nobodys_way_is_not_given_up_because_of_who_is_in_its_own() {
    let world = World::new();
    let bodies = bodies(&[Behaviour::FailsOnce, Behaviour::Works]);
    world.deliver(&Book::default(), None, &bodies[1..]).await;
    let records = [received(&bodies[0], 1, Some("g")), received(&bodies[1], MOST, Some("g"))];
    let verdicts = process(&Book::default(), world.ports(), &Settings::new("bank"), None, &records).await;
    assert_eq!(verdicts[1], Verdict::Duplicate);
    assert!(world.dead_letters.letters().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_record_that_runs_out_of_time_on_its_last_delivery_is_given_up_in_time() {
    let world = World::new();
    for time_left in [3, 30].map(Duration::from_secs) {
        let bodies = bodies(&[Behaviour::TakesAnHour]);
        let deadline = world.time.now() + time_left;
        let record = received(&bodies[0], MOST, None);
        let verdicts =
            process(&Book::default(), world.ports(), &Settings::new("bank"), Some(deadline), &[record]).await;
        assert_eq!(rejected(&verdicts, &world.dead_letters.letters(), 0).0, "TimedOut");
        assert!(world.time.now() < deadline);
    }
}

#[tokio::test(start_paused = true)]
async fn where_no_time_is_left_to_write_a_letter_a_record_is_handed_back() {
    let world = World::new();
    let bodies = bodies(&[Behaviour::Works]);
    let handler = Book::default();
    let verdicts = deliver(&world, &handler, Some(Duration::from_millis(400)), MOST, &bodies).await;
    assert_eq!(handler.runs.load(Ordering::SeqCst), 0);
    assert_eq!(verdicts, [Verdict::Retry { after: Duration::ZERO, cause: RetryCause::Deadline }]);
}

#[tokio::test(start_paused = true)]
async fn a_commit_whose_answer_does_not_come_in_time_is_looked_up_before_its_record_is_given_up() {
    let world = World::new();
    let ledger = Silent::to_commits_that_happen();
    let ports = Ports { ledger: &ledger, ..world.ports() };
    let body = body("e-1", deposit("a", 1, Behaviour::Works));
    let deadline = world.time.now() + Duration::from_secs(10);
    let record = received(&body, MOST, None);
    let verdicts = process(&Book::default(), ports, &Settings::new("bank"), Some(deadline), &[record]).await;
    assert_eq!(verdicts, [Verdict::Done]);
    assert_eq!(ledger.inner.entity::<Account>("a").map(|account| account.balance), Some(1));
    assert!(world.dead_letters.letters().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_the_dead_letter_queue_does_not_take_on_its_last_delivery_is_delivered_again() {
    let world = World::new();
    world.dead_letters.refuse(true);
    let bodies = bodies(&[Behaviour::FailsOnce, Behaviour::Works]);
    let verdicts = deliver(&world, &Book::default(), None, MOST, &bodies).await;
    assert_eq!(verdicts.len(), 2);
    let refused = |verdict: &Verdict| {
        matches!(verdict, Verdict::Done | Verdict::Retry { cause: RetryCause::NotDeadLettered { .. }, .. })
    };
    assert!(verdicts.iter().all(refused), "{verdicts:?}");
}
