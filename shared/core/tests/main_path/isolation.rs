//! A failure of one record stays there, and nothing outlasts the invocation.

use crate::{
    bank::{Behaviour, Book, Deposited, World, body, deposit},
    silent::Silent,
};
use serde::{Deserialize, Serialize};
use std::{future::Future, time::Duration};
use throughline_core::{
    Record, Verdict,
    ports::{Ports, Time as _},
    prelude::*,
    process::{Delivery, RetryCause, Settings, process},
};
use throughline_testing::scenario;

/// Panics wherever a handler or a message can, but not for the account "fine".
#[derive(Debug, Clone, Copy, PartialEq)]
enum PanicIn {
    Key,
    Handle,
    Encode,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Unspeakable;

impl Serialize for Unspeakable {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        panic!("not to be written down")
    }
}

impl Entity for Unspeakable {
    const KIND: &'static str = "unspeakable";
    fn id(&self) -> String {
        "u".into()
    }
}

#[derive(Debug, Clone)]
struct Panics(PanicIn);

impl Handler for Panics {
    const NAME: &'static str = "panics";
    type Message = Deposited;
    type Emits = Never;

    // Not an async fn: what it does before its future exists can panic, too.
    fn handle(
        &self,
        deposit: Envelope<Deposited>,
        _: &Context<'_>,
    ) -> impl Future<Output = Result<Effects, Failure>> + Send {
        let is_fine = deposit.data.account == "fine";
        assert!(is_fine || self.0 != PanicIn::Handle, "handle");
        let effects = if !is_fine && self.0 == PanicIn::Encode {
            Effects::none().save(Versioned::new(Unspeakable))
        } else {
            Effects::none()
        };
        async move { Ok(effects) }
    }

    fn key(&self, deposit: &Deposited) -> Option<String> {
        assert!(deposit.account == "fine" || self.0 != PanicIn::Key, "key");
        None
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_anywhere_in_a_record_is_that_records_alone() {
    for place in [PanicIn::Key, PanicIn::Handle, PanicIn::Encode] {
        let world = World::new();
        let bodies = [
            body("e-1", deposit("bad", 1, Behaviour::Works)),
            body("e-2", deposit("fine", 1, Behaviour::Works)),
        ];
        let verdicts = world.deliver(&Panics(place), None, &bodies).await;
        let Verdict::Retry { cause: RetryCause::Failed { error_type, .. }, .. } = &verdicts[0] else {
            panic!("{place:?}: {verdicts:?}");
        };
        assert_eq!((error_type.as_str(), &verdicts[1]), ("Panic", &Verdict::Done), "{place:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_panics_place_is_in_its_reason_and_the_panicking_record_alone_has_it() {
    let line = |text: &str| {
        let at = include_str!("isolation.rs").lines().position(|line| line.contains(text));
        format!("isolation.rs:{}:", at.expect("it stands above") + 1)
    };
    let handle = line("self.0 != PanicIn::Handle, \"handle\"");
    let reason = format!("tests/main_path/{handle}");
    let ran = scenario(Panics(PanicIn::Handle)).when(deposit("bad", 1, Behaviour::Works)).await;
    ran.then_retried(&reason).then_retried(": handle");
    let key = line("self.0 != PanicIn::Key, \"key\"");
    scenario(Panics(PanicIn::Key)).when(deposit("bad", 1, Behaviour::Works)).await.then_retried(&key);
    let encode = line("panic!(\"not to be written down\")");
    scenario(Panics(PanicIn::Encode)).when(deposit("bad", 1, Behaviour::Works)).await.then_retried(&encode);
    scenario(Panics(PanicIn::Handle)).when(deposit("fine", 1, Behaviour::Works)).await.then_done();
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_is_never_answered_does_not_outlast_the_invocation() {
    let world = World::new();
    let ledger = Silent::to_commits();
    let ports = Ports { ledger: &ledger, ..world.ports() };
    let body = body("e-1", deposit("a", 1, Behaviour::Works));
    let record = Record {
        message_id: "m",
        source: "queue",
        body: &body,
        attempt: 1,
        is_last_attempt: false,
        group: None,
        delivery: Delivery::default(),
    };
    let deadline = world.time.now() + Duration::from_secs(10);
    let verdicts = process(&Book::default(), ports, &Settings::new("bank"), Some(deadline), &[record]).await;
    assert_eq!(verdicts, [Verdict::Retry { after: Duration::ZERO, cause: RetryCause::Deadline }]);
    assert!(world.time.now() < deadline);
}
