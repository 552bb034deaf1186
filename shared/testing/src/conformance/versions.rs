//! Versions: a decision is committed only while what it was based on still holds.

use super::{
    LedgerUnderTest,
    fixtures::{account, at, bare, claim, commit, event, fields, later, load, opening, read, save},
};
use serde_json::json;
use throughline_core::{
    Version,
    ledger::{Attribute, Commit, CommitOutcome},
};

/// Saves account `a-1` so many times; returns its version.
async fn saved_times(ledger: &dyn LedgerUnderTest, times: u64) -> Version {
    let mut version = Version::Absent;
    for round in 1..=times {
        let saves = vec![save(account("a-1"), version, &json!({"balance": round}))];
        let change = Commit { saves, ..bare(claim(&format!("before-{round}"))) };
        assert_eq!(commit(ledger, &change).await, CommitOutcome::Committed);
        version = at(round);
    }
    version
}

/// The claim is free again and no event is out.
pub async fn a_version_conflict_changes_nothing_at_all(ledger: &dyn LedgerUnderTest) {
    saved_times(ledger, 2).await;
    let claim = claim("e-1");
    let changes = |version| Commit {
        saves: vec![
            save(account("a-1"), version, &json!({"balance": 100})),
            save(account("a-2"), Version::Absent, &json!({"balance": 100})),
        ],
        outgoing: vec![event(&claim, "account.changed", "a-1", None)],
        ..bare(claim.clone())
    };
    assert_eq!(commit(ledger, &changes(at(1))).await, CommitOutcome::Conflict(account("a-1")));
    assert_eq!(fields(ledger, &account("a-1")).await["balance"], Attribute::from(2));
    assert_eq!(load(ledger, &account("a-2")).await, None);
    assert_eq!(ledger.log().await, []);
    assert_eq!(commit(ledger, &changes(at(2))).await, CommitOutcome::Committed, "the claim was not taken");
}

/// A decision based on what is no longer so is not committed.
pub async fn what_was_read_and_changed_meanwhile_is_a_conflict(ledger: &dyn LedgerUnderTest) {
    saved_times(ledger, 2).await;
    let claim = claim("e-1");
    let decided = Commit {
        reads: vec![read(account("a-1"), at(1))],
        outgoing: vec![event(&claim, "account.noticed", "a-1", None)],
        ..bare(claim)
    };
    assert_eq!(commit(ledger, &decided).await, CommitOutcome::Conflict(account("a-1")));
    assert_eq!(ledger.log().await, []);
}

/// Reading changes nothing, not even the version.
pub async fn what_was_read_and_is_unchanged_lets_the_commit_through(ledger: &dyn LedgerUnderTest) {
    saved_times(ledger, 2).await;
    let decided = Commit {
        reads: vec![read(account("a-1"), at(2)), read(account("nobody"), Version::Absent)],
        saves: vec![save(account("a-2"), Version::Absent, &json!({"balance": 1}))],
        ..bare(claim("e-1"))
    };
    assert_eq!(commit(ledger, &decided).await, CommitOutcome::Committed);
    assert_eq!(load(ledger, &account("a-1")).await.expect("saved").version, at(2));
    assert_eq!(load(ledger, &account("nobody")).await, None);
}

/// Absence is a version like others.
pub async fn what_was_absent_when_read_and_exists_now_is_a_conflict(ledger: &dyn LedgerUnderTest) {
    saved_times(ledger, 1).await;
    let decided = Commit { reads: vec![read(account("a-1"), Version::Absent)], ..bare(claim("e-1")) };
    assert_eq!(commit(ledger, &decided).await, CommitOutcome::Conflict(account("a-1")));
}

/// Nobody's new entity is overwritten by another new one.
pub async fn what_was_absent_when_loaded_and_exists_now_cannot_be_saved(ledger: &dyn LedgerUnderTest) {
    saved_times(ledger, 1).await;
    let second = Commit {
        saves: vec![save(account("a-1"), Version::Absent, &json!({"balance": 100}))],
        ..bare(claim("e-1"))
    };
    assert_eq!(commit(ledger, &second).await, CommitOutcome::Conflict(account("a-1")));
    assert_eq!(fields(ledger, &account("a-1")).await["balance"], Attribute::from(1));
}

/// An entity that was deleted meanwhile does not come back.
pub async fn what_was_there_and_was_never_stored_cannot_be_saved(ledger: &dyn LedgerUnderTest) {
    for (id, version) in [("e-1", at(1)), ("e-2", Version::Unversioned)] {
        let ghost =
            Commit { saves: vec![save(account("a-1"), version, &json!({"balance": 1}))], ..bare(claim(id)) };
        assert_eq!(commit(ledger, &ghost).await, CommitOutcome::Conflict(account("a-1")));
    }
    assert_eq!(load(ledger, &account("a-1")).await, None);
}

/// Otherwise a redelivered message would run again for nothing, and be retried for ever.
pub async fn a_duplicate_is_one_whatever_became_of_its_entities(ledger: &dyn LedgerUnderTest) {
    let first = opening(claim("e-1"));
    commit(ledger, &first).await;
    let again = Commit { claim: later(&first.claim, 1), ..first };
    assert_eq!(commit(ledger, &again).await, CommitOutcome::Duplicate);
}
