//! The log read by time.

use crate::support::{LocalLedger, fresh};
use futures_util::TryStreamExt as _;
use std::time::Duration;
use throughline_core::{
    Timestamp,
    ledger::{Claim, ClaimKey, Commit, Destination},
};
use throughline_operations::log::{LoggedHeader, ReadLog as _, Remembered, TimeRange};
use throughline_testing::conformance::fixtures::{
    after, bare, claim, command, commit, event, leased, now, take,
};

/// Hours with a minute between their messages, the last one in the fourth hour.
const MESSAGES: u64 = 200;

async fn read(ledger: &LocalLedger, range: TimeRange) -> Vec<LoggedHeader> {
    let hours: Vec<_> = ledger.ledger.read_log(range).try_collect().await.expect("the log is read");
    assert_eq!(hours.len(), range.hours());
    hours.concat()
}

fn minute(number: u64) -> Timestamp {
    now() + Duration::from_mins(number)
}

/// A handler emits an event every minute.
async fn log_events(ledger: &LocalLedger) {
    for number in 0..MESSAGES {
        let claim = Claim { now: minute(number), ..claim(&format!("e-{number}")) };
        let mut emitted = event(&claim, "account.noticed", "a-1", None);
        emitted.envelope.attributes.time = Some(minute(number));
        emitted.envelope.attributes.id = format!("m-{number}");
        commit(ledger, &Commit { outgoing: vec![emitted], ..bare(claim) }).await;
    }
}

#[tokio::test]
async fn messages_come_hour_after_hour_in_the_order_of_time_and_from_all_shards() {
    let ledger = fresh().await;
    log_events(&ledger).await;
    let all = read(&ledger, TimeRange { from: minute(0), until: minute(MESSAGES) }).await;
    let ids: Vec<_> = all.iter().map(|header| header.id.clone()).collect();
    let wanted: Vec<_> = (0..MESSAGES).map(|number| format!("m-{number}")).collect();
    assert_eq!(ids, wanted);
    let header = &all[0];
    assert_eq!((header.message_type.as_str(), header.handler.as_str()), ("account.noticed", "conformance"));
    assert_eq!(header.correlation_id.as_deref(), Some("line-1"));
    assert_eq!(header.destination, Destination::Bus);
    assert!(!header.source.is_empty());
}

#[tokio::test]
async fn a_range_includes_its_first_moment_and_not_its_last() {
    let ledger = fresh().await;
    log_events(&ledger).await;
    let some = read(&ledger, TimeRange { from: minute(59), until: minute(61) }).await;
    let ids: Vec<_> = some.iter().map(|header| header.id.as_str()).collect();
    assert_eq!(ids, ["m-59", "m-60"]);
}

#[tokio::test]
async fn claims_and_entities_are_not_in_the_log() {
    let ledger = fresh().await;
    commit(&ledger, &bare(claim("e-1"))).await;
    take(&ledger, &leased("e-2")).await;
    assert_eq!(read(&ledger, TimeRange { from: minute(0), until: minute(10) }).await, []);
}

#[tokio::test]
async fn commands_are_in_the_log_and_every_message_can_be_opened() {
    let ledger = fresh().await;
    let claim = claim("e-1");
    let outgoing =
        vec![event(&claim, "account.noticed", "a-1", None), command(&claim, "order.ship", "shipping")];
    commit(&ledger, &Commit { outgoing: outgoing.clone(), ..bare(claim) }).await;
    let headers = read(&ledger, TimeRange { from: minute(0), until: minute(10) }).await;
    let mut keys: Vec<_> = headers.into_iter().map(|header| header.key).collect();
    keys.sort();
    let opened = ledger.ledger.open_messages(&keys).await.expect("they are read");
    let mut opened: Vec<_> = opened.into_iter().map(|message| message.expect("it is there")).collect();
    opened.sort_by_key(|message| message.destination != Destination::Bus);
    assert_eq!(opened, outgoing);
    let gone = [("account#a-1".to_owned(), "event#9".to_owned())];
    assert_eq!(ledger.ledger.open_messages(&gone).await.expect("it is read"), [None]);
}

#[tokio::test]
async fn what_is_remembered_of_work_ends_with_its_lease_and_with_its_expiry() {
    let ledger = fresh().await;
    commit(&ledger, &bare(claim("done"))).await;
    take(&ledger, &leased("under-way")).await;
    let keys = ["done", "under-way", "unknown"].map(|id| ClaimKey::for_event("conformance", "tests", id));
    let remembered =
        async |seconds| ledger.ledger.remembered(&keys, after(seconds)).await.expect("the claims are read");
    assert_eq!(remembered(1).await, [Remembered::Done, Remembered::UnderWay, Remembered::Nothing]);
    assert_eq!(remembered(61).await, [Remembered::Done, Remembered::Nothing, Remembered::Nothing]);
    assert_eq!(remembered(24 * 3600).await, [Remembered::Nothing; 3]);
}
