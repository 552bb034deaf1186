//! Races: many at once, and still once.

use super::{
    LedgerUnderTest,
    fixtures::{account, bare, claim, commit, fields, later, leased, load, opening, save, take},
};
use futures_util::future::join_all;
use serde_json::json;
use throughline_core::{
    Version,
    ledger::{Attribute, ClaimOutcome, Commit, CommitOutcome},
};

/// The number of commits that race.
const RACERS: usize = 12;

/// All have the same message; one wins and the others learn that it is done.
pub async fn of_many_racing_commits_of_one_message_exactly_one_is_committed(ledger: &dyn LedgerUnderTest) {
    race(ledger, opening(claim("e-1"))).await;
    assert_eq!(ledger.log().await.len(), 1);
    assert_eq!(load(ledger, &account("a-1")).await.expect("saved").version.next(), 2);
}

/// The same where there is nothing to write but the claim.
pub async fn of_many_racing_commits_of_a_bare_claim_exactly_one_is_committed(ledger: &dyn LedgerUnderTest) {
    race(ledger, bare(claim("e-1"))).await;
}

async fn race(ledger: &dyn LedgerUnderTest, wanted: Commit) {
    let racers: Vec<Commit> =
        (0..RACERS).map(|_| Commit { claim: later(&wanted.claim, 0), ..wanted.clone() }).collect();
    let outcomes = join_all(racers.iter().map(|racer| commit(ledger, racer))).await;
    let won = outcomes.iter().filter(|outcome| **outcome == CommitOutcome::Committed).count();
    let lost = outcomes.iter().filter(|outcome| **outcome == CommitOutcome::Duplicate).count();
    assert_eq!((won, lost), (1, RACERS - 1), "{outcomes:?}");
}

/// Only one handler may touch the outside world.
pub async fn of_many_racing_claims_exactly_one_is_held(ledger: &dyn LedgerUnderTest) {
    let first = leased("e-1");
    let racers: Vec<_> = (0..RACERS).map(|_| later(&first, 0)).collect();
    let outcomes = join_all(racers.iter().map(|racer| take(ledger, racer))).await;
    let held = outcomes.iter().filter(|outcome| **outcome == ClaimOutcome::Held).count();
    let busy = outcomes.iter().filter(|outcome| matches!(outcome, ClaimOutcome::Busy { .. })).count();
    assert_eq!((held, busy), (1, RACERS - 1), "{outcomes:?}");
}

/// Different messages, one entity: whoever is late loads and decides again.
pub async fn racing_saves_of_one_entity_lose_no_update(ledger: &dyn LedgerUnderTest) {
    let deposits = (0..RACERS).map(|racer| async move {
        let claim = claim(&format!("e-{racer}"));
        for _ in 0..100 {
            let stored = load(ledger, &account("a-1")).await;
            let version = stored.as_ref().map_or(Version::Absent, |stored| stored.version);
            let balance =
                stored.and_then(|stored| stored.data["balance"].read::<i64>().ok()).unwrap_or_default();
            let saves = vec![save(account("a-1"), version, &json!({"balance": balance + 1}))];
            match commit(ledger, &Commit { saves, ..bare(claim.clone()) }).await {
                CommitOutcome::Committed => return,
                // What is not known is found out about by the next attempt.
                CommitOutcome::Conflict(_) | CommitOutcome::Failed(_) => {}
                other => panic!("{other:?}"),
            }
        }
        panic!("racer {racer} was always late");
    });
    join_all(deposits).await;
    assert_eq!(
        fields(ledger, &account("a-1")).await["balance"],
        Attribute::from(u64::try_from(RACERS).expect("few"))
    );
}
