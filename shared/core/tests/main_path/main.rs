//! The main path over the in-memory ledger: duplicates, reordering, conflicts, time-outs, faults.

mod bank;
mod groups;
mod isolation;
mod last_delivery;
mod others;
mod outcomes;
mod patience;
mod silent;
mod tables;
mod together;
mod unread;
mod unwritable;
mod written_elsewhere;

use bank::{Account, AccountEvent, BalanceChanged, Behaviour, Book, Deposited, World, body, deposit};
use std::{sync::atomic::Ordering, time::Duration};
use throughline_core::{
    Record, Verdict,
    observer::Unobserved,
    ports::{Ports, Time as _},
    prelude::*,
    process::{Delivery, RetryCause, Settings, process},
};
use throughline_testing::{
    MemoryDeadLetters, MemoryLedger, SeededRandom, TestTime,
    chaos::{ChaoticSource, FlakyLedger, seed},
    scenario,
};

#[tokio::test(start_paused = true)]
async fn an_event_has_its_effects_once_however_often_it_comes() {
    scenario(Book::default())
        .given(Account { id: "a".into(), balance: 10 })
        .when(deposit("a", 5, Behaviour::Works))
        .await
        .then_emits([BalanceChanged { account: "a".into(), balance: 15 }])
        .then_saved(Account { id: "a".into(), balance: 15 })
        .redelivered()
        .await;
}

#[tokio::test(start_paused = true)]
async fn the_same_event_twice_in_one_batch_is_done_and_duplicate() {
    let world = World::new();
    let handler = Book::default();
    let same = body("e-1", deposit("a", 5, Behaviour::Works));
    let verdicts = world.deliver(&handler, None, &[same.clone(), same]).await;
    assert_eq!(verdicts, [Verdict::Done, Verdict::Duplicate]);
    assert_eq!((world.balance("a"), handler.runs.load(Ordering::SeqCst)), (5, 1));
}

#[tokio::test(start_paused = true)]
async fn the_same_event_twice_in_one_batch_inherits_a_retry() {
    let world = World::new();
    let same = body("e-1", deposit("a", 5, Behaviour::AlwaysFails));
    let verdicts = world.deliver(&Book::default(), None, &[same.clone(), same]).await;
    assert!(verdicts.iter().all(Verdict::is_retry));
}

#[tokio::test(start_paused = true)]
async fn finished_work_stays_finished_for_every_twin_that_follows() {
    let world = World::new();
    let handler = Book::default();
    let bodies = [5, 6, 5].map(|amount| body("e-1", deposit("a", amount, Behaviour::Works)));
    let verdicts = world.deliver(&handler, None, &bodies).await;
    assert_eq!((&verdicts[0], &verdicts[2]), (&Verdict::Done, &Verdict::Duplicate));
    assert!(matches!(verdicts[1], Verdict::Rejected { .. }), "{verdicts:?}");
    assert_eq!(handler.runs.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn the_same_rejected_event_twice_in_one_batch_is_dead_lettered_once() {
    let world = World::new();
    let same = body("e-1", deposit("a", 5, Behaviour::Rejects));
    let verdicts = world.deliver(&Book::default(), None, &[same.clone(), same]).await;
    assert!(verdicts.iter().all(|verdict| matches!(verdict, Verdict::Rejected { .. })), "{verdicts:?}");
    assert_eq!(world.dead_letters.letters().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_used_up_its_attempts_gives_up_for_itself_alone() {
    let world = World::new();
    let body = body("e-1", deposit("a", 5, Behaviour::AlwaysFails));
    let record = |is_last_attempt| Record {
        message_id: "m",
        source: "queue",
        body: &body,
        attempt: 1,
        is_last_attempt,
        group: None,
        delivery: Delivery::default(),
    };
    let records = [record(true), record(false)];
    let verdicts = process(&Book::default(), world.ports(), &Settings::new("bank"), None, &records).await;
    assert!(matches!(verdicts[..], [Verdict::Rejected { .. }, Verdict::Retry { .. }]), "{verdicts:?}");
}

#[tokio::test(start_paused = true)]
async fn the_same_identity_with_another_payload_is_rejected() {
    let world = World::new();
    let bodies =
        [body("e-1", deposit("a", 5, Behaviour::Works)), body("e-1", deposit("a", 6, Behaviour::Works))];
    for verdict in [
        world.deliver(&Book::default(), None, &bodies).await.remove(1),
        world.deliver(&Book::default(), None, &bodies[1..]).await.remove(0),
    ] {
        let Verdict::Rejected { error_type, .. } = verdict else { panic!("{verdict:?}") };
        assert_eq!(error_type, "PayloadMismatch");
    }
    assert_eq!(world.balance("a"), 5);
}

#[tokio::test(start_paused = true)]
async fn records_about_one_entity_decide_again_until_all_of_them_count() {
    let world = World::new();
    let handler = Book::default();
    let bodies: Vec<String> =
        (0..5).map(|number| body(&format!("e-{number}"), deposit("a", 1, Behaviour::Works))).collect();
    let verdicts = world.deliver(&handler, None, &bodies).await;
    assert_eq!(verdicts, vec![Verdict::Done; 5]);
    assert_eq!(world.balance("a"), 5);
    assert!(handler.runs.load(Ordering::SeqCst) > 5, "they were meant to run into each other");
}

#[tokio::test(start_paused = true)]
async fn events_of_a_saved_aggregate_are_numbered_without_gaps() {
    let world = World::new();
    for number in 0..3 {
        world
            .deliver(
                &Book::default(),
                None,
                &[body(&format!("e-{number}"), deposit("a", 1, Behaviour::Works))],
            )
            .await;
    }
    let sequences: Vec<_> = world.ledger.log().iter().map(|sent| sent.envelope.attributes.sequence).collect();
    assert_eq!(sequences, [Some(1), Some(2), Some(3)]);
}

#[tokio::test(start_paused = true)]
async fn an_emitted_event_continues_the_line_of_its_cause() {
    let world = World::new();
    let mut cause = Envelope::of("e-1", "bank", deposit("a", 1, Behaviour::Works));
    cause.attributes.correlation_id = "line-1".into();
    cause.attributes.trace_parent = Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".into());
    cause.attributes.replay_name = Some("again".into());
    let body = serde_json::to_string(&cause.encode().unwrap()).unwrap();
    world.deliver(&Book::default(), None, &[body]).await;
    let sent = world.ledger.log().remove(0).envelope.attributes;
    assert_eq!((sent.correlation_id.as_str(), sent.causation_id.as_deref()), ("line-1", Some("e-1")));
    assert_eq!((sent.trace_parent, sent.replay_name), (cause.attributes.trace_parent, Some("again".into())));
    assert_eq!((sent.subject.as_deref(), sent.aggregate_type.as_deref()), (Some("a"), Some("account")));
    assert_eq!(sent.time, Some(TestTime::START));
}

#[tokio::test(start_paused = true)]
async fn one_bad_record_fails_no_other() {
    let world = World::new();
    let bodies = [
        body("e-1", deposit("a", 1, Behaviour::Works)),
        "{".into(),
        body("e-2", deposit("b", 1, Behaviour::Panics)),
        body("e-3", deposit("c", 1, Behaviour::FailsOnce)),
        body("e-4", deposit("d", 1, Behaviour::Rejects)),
        body("e-5", deposit("e", 1, Behaviour::Works)),
    ];
    let verdicts = world.deliver(&Book::default(), None, &bodies).await;
    let name = |verdict: &Verdict| match verdict {
        Verdict::Rejected { error_type, .. }
        | Verdict::Retry { cause: RetryCause::Failed { error_type, .. }, .. } => error_type.clone(),
        other => format!("{other:?}"),
    };
    let names: Vec<String> = verdicts.iter().map(name).collect();
    assert_eq!(names, ["Done", "MalformedBody", "Panic", "Failure", "Failure", "Done"]);
    let reasons: Vec<String> =
        world.dead_letters.letters().into_iter().map(|letter| letter.error_message).collect();
    assert_eq!(reasons.len(), 2);
    assert!(reasons[1].contains("the account is frozen"), "{reasons:?}");
}

#[tokio::test(start_paused = true)]
async fn a_rejected_event_leaves_no_claim_so_that_a_redrive_runs_it() {
    let world = World::new();
    world.deliver(&Book::default(), None, &[body("e-1", deposit("a", 1, Behaviour::Rejects))]).await;
    assert_eq!(world.ledger.claim_count(), 0);
    world.deliver(&leased(Book::default()), None, &[body("e-1", deposit("a", 1, Behaviour::Rejects))]).await;
    assert_eq!(world.ledger.claim_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_the_dead_letter_queue_does_not_take_is_delivered_again() {
    let world = World::new();
    world.dead_letters.refuse(true);
    let verdicts = world.deliver(&Book::default(), None, &["{".into()]).await;
    assert!(matches!(verdicts[0], Verdict::Retry { cause: RetryCause::NotDeadLettered { .. }, .. }));
}

#[tokio::test(start_paused = true)]
async fn a_newer_schema_is_retried_and_an_unknown_type_rejected() {
    let newer = body("e-1", deposit("a", 1, Behaviour::Works))
        .replace(r#""schemaversion":1"#, r#""schemaversion":2"#);
    scenario(Book::default()).when_body(newer).await.then_retried("deploy the newer handler");
    let other = body("e-1", deposit("a", 1, Behaviour::Works)).replace("account.deposited", "account.closed");
    scenario(Book::default()).when_body(other).await.then_rejected("UnknownType");
}

#[tokio::test(start_paused = true)]
async fn a_handler_still_running_when_the_invocation_ends_is_handed_back() {
    let world = World::new();
    let deadline = world.time.now() + Duration::from_secs(10);
    let bodies = [
        body("e-1", deposit("a", 1, Behaviour::TakesAnHour)),
        body("e-2", deposit("b", 1, Behaviour::Works)),
    ];
    let verdicts = world.deliver(&Book::default(), Some(deadline), &bodies).await;
    assert_eq!(verdicts[0], Verdict::Retry { after: Duration::ZERO, cause: RetryCause::Deadline });
    assert_eq!(verdicts[1], Verdict::Done);
    assert!(world.time.now() < deadline, "there must be time left to answer");
}

#[tokio::test(start_paused = true)]
async fn no_record_is_started_when_the_deadline_is_near() {
    let world = World::new();
    let handler = Book::default();
    let deadline = world.time.now() + Duration::from_millis(400);
    let verdicts =
        world.deliver(&handler, Some(deadline), &[body("e-1", deposit("a", 1, Behaviour::Works))]).await;
    assert_eq!(verdicts, [Verdict::Retry { after: Duration::ZERO, cause: RetryCause::Deadline }]);
    assert_eq!(handler.runs.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn a_leased_handler_runs_alone_and_its_successor_waits_for_the_lease() {
    let world = World::new();
    let handler = leased(Book::default());
    let deadline = world.time.now() + Duration::from_secs(30);
    let slow = [body("e-1", deposit("a", 1, Behaviour::TakesAnHour))];
    let (first, second) = tokio::join!(
        world.deliver(&handler, Some(deadline), &slow),
        world.deliver(&handler, Some(deadline), &slow)
    );
    assert_eq!(first, [Verdict::Retry { after: Duration::from_millis(500), cause: RetryCause::Deadline }]);
    assert_eq!(second, [Verdict::Retry { after: Duration::from_secs(30), cause: RetryCause::Busy }]);
    assert_eq!(world.ledger.claim_count(), 1, "what was cut off may still be going on outside");
    tokio::time::sleep(Duration::from_millis(500)).await;
    let deadline = world.time.now() + Duration::from_secs(30);
    let third = world.deliver(&handler, Some(deadline), &slow).await;
    assert!(
        matches!(third[0], Verdict::Retry { cause: RetryCause::Deadline, .. }),
        "it could run: {third:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_leased_handler_has_its_effects_once() {
    scenario(leased(Book::default()))
        .when(deposit("a", 5, Behaviour::Works))
        .await
        .then_saved(Account { id: "a".into(), balance: 5 })
        .redelivered()
        .await;
}

/// Refuses what it has done already.
#[derive(Debug, Clone)]
struct OpenOnce;

impl Handler for OpenOnce {
    const NAME: &'static str = "open-once";
    type Message = Deposited;
    type Emits = Never;

    async fn handle(&self, deposit: Envelope<Deposited>, context: &Context<'_>) -> Result<Effects, Failure> {
        let found = context.load::<Account>(&deposit.data.account).await?;
        found.is_none().then_some(()).or_reject("there is such an account already")?;
        let account = Account { id: deposit.data.account, balance: deposit.data.amount };
        Ok(Effects::none().save(Versioned::new(account)))
    }
}

#[tokio::test(start_paused = true)]
async fn finished_work_is_a_duplicate_even_if_its_handler_would_refuse_to_do_it_again() {
    scenario(OpenOnce).when(deposit("a", 1, Behaviour::Works)).await.then_done().redelivered().await;
    // A source may deliver twice and call both the first delivery.
    let world = World::new();
    let same = [body("e-1", deposit("a", 1, Behaviour::Works))];
    assert_eq!(world.deliver(&OpenOnce, None, &same).await, [Verdict::Done]);
    assert_eq!(world.deliver(&OpenOnce, None, &same).await, [Verdict::Duplicate]);
    let other = [body("e-2", deposit("a", 1, Behaviour::Works))];
    assert!(matches!(world.deliver(&OpenOnce, None, &other).await[0], Verdict::Rejected { .. }));
}

#[tokio::test(start_paused = true)]
async fn another_payload_waits_while_the_first_is_not_finished() {
    let world = World::new();
    let bodies = [
        body("e-1", deposit("a", 1, Behaviour::AlwaysFails)),
        body("e-1", deposit("a", 2, Behaviour::Works)),
    ];
    let verdicts = world.deliver(&Book::default(), None, &bodies).await;
    assert!(verdicts.iter().all(Verdict::is_retry), "{verdicts:?}");
    assert!(world.dead_letters.letters().is_empty());
}

/// Decides on an account that another record of the batch changes meanwhile.
#[derive(Debug, Clone)]
struct OnlyIfEmpty {
    watches: bool,
}

impl Handler for OnlyIfEmpty {
    const NAME: &'static str = "only-if-empty";
    type Message = Deposited;
    type Emits = Never;

    async fn handle(&self, deposit: Envelope<Deposited>, context: &Context<'_>) -> Result<Effects, Failure> {
        let (own, other) = if deposit.data.account == "a" { ("a", "b") } else { ("b", "a") };
        let other = if self.watches {
            context.load::<Account>(other).await?
        } else {
            context.peek::<Account>(other).await?
        };
        tokio::task::yield_now().await;
        other.is_none().then_some(()).or_reject("the other account has money")?;
        Ok(Effects::none().save(Versioned::new(Account { id: own.into(), balance: 1 })))
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_decision_was_based_on_must_still_hold_unless_it_was_only_peeked_at() {
    let bodies =
        [body("e-1", deposit("a", 1, Behaviour::Works)), body("e-2", deposit("b", 1, Behaviour::Works))];
    let world = World::new();
    world.deliver(&OnlyIfEmpty { watches: true }, None, &bodies).await;
    assert_eq!(world.balance("a") + world.balance("b"), 1, "write skew");
    let world = World::new();
    world.deliver(&OnlyIfEmpty { watches: false }, None, &bodies).await;
    assert_eq!(world.balance("a") + world.balance("b"), 2);
}

async fn floods(deposit: Envelope<Deposited>) -> Result<Effects<AccountEvent>, Failure> {
    let event = BalanceChanged { account: deposit.data.account, balance: 0 };
    Ok((0..100).fold(Effects::none(), |effects, _| effects.emit(event.clone())))
}

async fn bloats(deposit: Envelope<Deposited>) -> Result<Effects<AccountEvent>, Failure> {
    let account = "x".repeat(300 * 1024);
    Ok(Effects::none().emit(BalanceChanged { account, balance: deposit.data.amount }))
}

#[tokio::test(start_paused = true)]
async fn effects_beyond_a_limit_are_rejected_with_the_handler_and_the_number() {
    scenario(handler_fn("floods", floods))
        .when(deposit("a", 1, Behaviour::Works))
        .await
        .then_rejected("handler `floods` wants 101 items in one transaction; DynamoDB allows 100");
    scenario(handler_fn("bloats", bloats))
        .when(deposit("a", 1, Behaviour::Works))
        .await
        .then_rejected("bloats");
}

#[derive(Debug, Clone)]
struct LooksAround;

impl Handler for LooksAround {
    const NAME: &'static str = "looks-around";
    type Message = Deposited;
    type Emits = Never;

    async fn handle(&self, _: Envelope<Deposited>, context: &Context<'_>) -> Result<Effects, Failure> {
        for number in 0..100 {
            context.load::<Account>(&number.to_string()).await?;
        }
        Ok(Effects::none())
    }
}

async fn fills_up(_: Envelope<Deposited>) -> Result<Effects<AccountEvent>, Failure> {
    let event = BalanceChanged { account: "x".repeat(100 * 1024), balance: 0 };
    Ok((0..30).fold(Effects::none(), |effects, _| effects.emit(event.clone())))
}

async fn saves_twice(_: Envelope<Deposited>) -> Result<Effects, Failure> {
    let account = || Versioned::new(Account { id: "a".into(), balance: 0 });
    Ok(Effects::none().save(account()).save(account()))
}

#[tokio::test(start_paused = true)]
async fn what_is_read_all_that_is_sent_together_and_each_entity_once_count_towards_the_limits() {
    let deposit = || deposit("a", 1, Behaviour::Works);
    let read = scenario(LooksAround).when(deposit()).await;
    read.then_rejected("101 items in one transaction");
    scenario(handler_fn("fills-up", fills_up))
        .when(deposit())
        .await
        .then_rejected("bytes in one transaction");
    scenario(handler_fn("saves-twice", saves_twice)).when(deposit()).await.then_rejected("account `a` twice");
}

#[tokio::test(start_paused = true)]
async fn whatever_goes_wrong_every_deposit_counts_once() {
    let seed = seed();
    let ledger = FlakyLedger::new(MemoryLedger::default(), seed, 30);
    let dead_letters = MemoryDeadLetters::default();
    let (time, random) = (TestTime::start(), SeededRandom::new(seed));
    let ports = Ports {
        ledger: &ledger,
        dead_letters: &dead_letters,
        time: &time,
        random: &random,
        observer: &Unobserved,
    };
    let bodies: Vec<String> = (0..30)
        .map(|number| {
            let behaviour = if number % 3 == 0 { Behaviour::FailsOnce } else { Behaviour::Works };
            body(&format!("e-{number}"), deposit(&format!("account-{}", number % 4), 1, behaviour))
        })
        .collect();
    let verdicts =
        ChaoticSource::new(seed, 3).deliver(&Book::default(), ports, &Settings::new("bank"), &bodies).await;
    assert_eq!(verdicts.values().map(Vec::len).sum::<usize>(), 90);
    let total: u64 = (0..4)
        .filter_map(|number| ledger.inner().entity::<Account>(&format!("account-{number}")))
        .map(|account| account.balance)
        .sum();
    assert_eq!(total, 30);
    let mut ids: Vec<String> =
        ledger.inner().log().into_iter().map(|sent| sent.envelope.attributes.id).collect();
    assert_eq!(ids.len(), 30, "one event for each deposit");
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 30);
    assert!(dead_letters.letters().is_empty());
}
