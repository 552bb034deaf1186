//! Many at once: each member of a batch is settled on its own, whatever becomes of the others.

use super::{
    LedgerUnderTest,
    fixtures::{
        account, after, at, bare, claim, command, event, fields, hash, later, leased, load, logged_ids,
        owner, read, save, take,
    },
};
use futures_util::future::join_all;
use serde_json::json;
use throughline_core::{
    Version,
    ledger::{Claim, ClaimOutcome, Commit, CommitOutcome, Folded, Obstacle, Save},
};

/// Commits all, sending again what only collides, as the main path does.
pub(super) async fn commit_all(ledger: &dyn LedgerUnderTest, commits: &[Commit]) -> Vec<CommitOutcome> {
    let mut outcomes = ledger.ledger().commit(commits).await;
    assert_eq!(outcomes.len(), commits.len());
    for (commit, outcome) in commits.iter().zip(&mut outcomes) {
        if matches!(outcome, CommitOutcome::Contended(_)) {
            *outcome = super::fixtures::commit(ledger, commit).await;
        }
    }
    outcomes
}

/// One of two was committed, and the other was told this. A collision may have changed their order.
fn one_of_both(outcomes: &[CommitOutcome], told: impl Fn(usize) -> CommitOutcome) {
    let late = usize::from(outcomes[0] == CommitOutcome::Committed);
    assert_eq!((&outcomes[1 - late], &outcomes[late]), (&CommitOutcome::Committed, &told(late)));
}

/// A commit that saves an account of its own and emits an event about it.
fn opening_of(claim: Claim, id: &str) -> Commit {
    let opened = event(&claim, "account.opened", id, Some(1));
    Commit {
        saves: vec![Save { sequence: 1, ..save(account(id), Version::Absent, &json!({"balance": 0})) }],
        outgoing: vec![opened],
        ..bare(claim)
    }
}

/// Ten messages, ten accounts.
fn ten() -> Vec<Commit> {
    (0..10).map(|n| opening_of(claim(&format!("e-{n}")), &format!("a-{n}"))).collect()
}

/// All of it happens, none of it twice.
pub async fn a_batch_of_commits_happens_whole(ledger: &dyn LedgerUnderTest) {
    assert_eq!(commit_all(ledger, &ten()).await, vec![CommitOutcome::Committed; 10]);
    assert_eq!(ledger.log().await.len(), 10);
    assert_eq!(commit_all(ledger, &ten()).await, vec![CommitOutcome::Duplicate; 10]);
    assert_eq!(ledger.log().await.len(), 10);
}

/// One duplicate, wherever it is, keeps no other from happening.
pub async fn a_duplicate_in_any_position_of_a_batch_is_its_own(ledger: &dyn LedgerUnderTest) {
    for position in 0..4 {
        let commits: Vec<Commit> = (0..4)
            .map(|n| opening_of(claim(&format!("e-{position}-{n}")), &format!("a-{position}-{n}")))
            .collect();
        let before = opening_of(later(&commits[position].claim, 0), &format!("a-{position}-{position}"));
        assert_eq!(commit_all(ledger, &[before]).await, [CommitOutcome::Committed]);
        let mut wanted = vec![CommitOutcome::Committed; 4];
        wanted[position] = CommitOutcome::Duplicate;
        assert_eq!(commit_all(ledger, &commits).await, wanted);
    }
    assert_eq!(ledger.log().await.len(), 16);
}

/// The same for every reason at once.
pub async fn every_kind_of_outcome_has_its_place_in_one_batch(ledger: &dyn LedgerUnderTest) {
    let other_payload = |claim: &Claim| Claim { hash: hash("other"), ..later(claim, 0) };
    let commits = ten();
    commit_all(ledger, &[opening_of(later(&commits[1].claim, 0), "a-1")]).await; // a duplicate
    commit_all(ledger, &[bare(other_payload(&commits[3].claim))]).await; // a mismatch
    take(ledger, &leased("e-5")).await; // held by somebody else
    commit_all(ledger, &[opening_of(claim("stranger"), "a-7")]).await; // its entity exists
    let outcomes = commit_all(ledger, &commits).await;
    for (position, outcome) in outcomes.into_iter().enumerate() {
        let wanted = match position {
            1 => CommitOutcome::Duplicate,
            3 => CommitOutcome::Mismatch,
            5 => CommitOutcome::Busy { until: after(60) },
            7 => CommitOutcome::Conflict(account("a-7")),
            _ => CommitOutcome::Committed,
        };
        assert_eq!(outcome, wanted, "{position}");
    }
    for (id, is_there) in [("a-0", true), ("a-3", false), ("a-5", false), ("a-9", true)] {
        assert_eq!(load(ledger, &account(id)).await.is_some(), is_there, "{id}");
    }
}

/// The same message twice in one call: one happens.
pub async fn the_same_message_twice_in_a_batch_happens_once(ledger: &dyn LedgerUnderTest) {
    let first = opening_of(claim("e-1"), "a-1");
    let again = opening_of(later(&first.claim, 0), "a-2");
    one_of_both(&commit_all(ledger, &[first, again]).await, |_| CommitOutcome::Duplicate);
    let first = bare(claim("e-2"));
    let other = bare(Claim { hash: hash("other"), ..later(&first.claim, 0) });
    let outcomes = commit_all(ledger, &[first, other]).await;
    assert_eq!(outcomes, [CommitOutcome::Committed, CommitOutcome::Mismatch]);
    assert_eq!(ledger.log().await.len(), 1);
}

/// Two messages change one entity: one of them was decided on what is no longer so.
pub async fn of_two_that_save_one_entity_in_a_batch_one_is_a_conflict(ledger: &dyn LedgerUnderTest) {
    let commits =
        [opening_of(claim("e-1"), "a-1"), opening_of(claim("e-2"), "a-1"), opening_of(claim("e-3"), "a-3")];
    let outcomes = commit_all(ledger, &commits).await;
    one_of_both(&outcomes[..2], |_| CommitOutcome::Conflict(account("a-1")));
    assert_eq!(outcomes[2], CommitOutcome::Committed);
    let late = usize::from(outcomes[0] == CommitOutcome::Committed);
    let again = [Commit {
        saves: vec![save(account("a-1"), Version::At { version: 1, sequence: 1 }, &json!({"balance": 2}))],
        ..bare(commits[late].claim.clone())
    }];
    assert_eq!(commit_all(ledger, &again).await, [CommitOutcome::Committed], "its claim was not taken");
}

/// Each saves what the other only read: in whatever order, one of the two decisions no longer holds.
pub async fn no_batch_has_a_write_skew(ledger: &dyn LedgerUnderTest) {
    let skewed = |message: &str, seen: &str, saved: &str| Commit {
        reads: vec![read(account(seen), Version::Absent)],
        ..opening_of(claim(message), saved)
    };
    let outcomes = commit_all(ledger, &[skewed("e-1", "x", "y"), skewed("e-2", "y", "x")]).await;
    // Whichever was late had read what the other one saved.
    one_of_both(&outcomes, |late| CommitOutcome::Conflict(account(["x", "y"][late])));
    let x = load(ledger, &account("x")).await.is_some();
    let y = load(ledger, &account("y")).await.is_some();
    assert!(x != y);
}

/// Commits that only read the same entity do not fail each other.
pub async fn what_many_read_and_nobody_saves_lets_all_of_them_through(ledger: &dyn LedgerUnderTest) {
    commit_all(ledger, &[opening_of(claim("before"), "rate")]).await;
    let rate = Version::At { version: 1, sequence: 1 };
    let reading = |n: u64| Commit {
        reads: vec![read(account("rate"), rate), read(account("nobody"), Version::Absent)],
        ..opening_of(claim(&format!("e-{n}")), &format!("a-{n}"))
    };
    let commits: Vec<Commit> = (0..10).map(reading).collect();
    assert_eq!(commit_all(ledger, &commits).await, vec![CommitOutcome::Committed; 10]);
}

/// Two attempts decide differently: what one of them decided happens whole, and nothing of the other.
pub async fn a_handler_that_decides_otherwise_the_second_time_has_one_of_its_decisions(
    ledger: &dyn LedgerUnderTest,
) {
    let first = opening_of(claim("e-1"), "heads");
    let second = Commit {
        outgoing: vec![command(&first.claim, "coin.tails", "coins")],
        ..opening_of(later(&first.claim, 1), "tails")
    };
    let racing = [super::fixtures::commit(ledger, &first), super::fixtures::commit(ledger, &second)];
    let outcomes = join_all(racing).await;
    let heads = load(ledger, &account("heads")).await.is_some();
    let tails = load(ledger, &account("tails")).await.is_some();
    assert!(heads != tails, "{outcomes:?}");
    let (committed, duplicate) = (CommitOutcome::Committed, CommitOutcome::Duplicate);
    assert_eq!(outcomes, if heads { [committed, duplicate] } else { [duplicate, committed] });
    assert_eq!(ledger.log().await.len(), 1);
}

/// No limit of one request is the caller's concern: neither its items nor its bytes.
pub async fn more_commits_than_one_request_holds_all_happen(ledger: &dyn LedgerUnderTest) {
    let many: Vec<Commit> =
        (0..120).map(|n| opening_of(claim(&format!("e-{n}")), &format!("a-{n}"))).collect();
    assert_eq!(commit_all(ledger, &many).await, vec![CommitOutcome::Committed; 120]);
    let bare: Vec<Commit> = (0..60).map(|n| bare(claim(&format!("b-{n}")))).collect();
    assert_eq!(commit_all(ledger, &bare).await, vec![CommitOutcome::Committed; 60]);
    let text = "x".repeat(350 * 1024);
    let large = |n: u64| Commit {
        saves: vec![save(account(&format!("large-{n}")), Version::Absent, &json!({ "text": text }))],
        ..super::fixtures::bare(claim(&format!("l-{n}")))
    };
    let large: Vec<Commit> = (0..14).map(large).collect();
    assert_eq!(commit_all(ledger, &large).await, vec![CommitOutcome::Committed; 14]);
    assert_eq!(ledger.log().await.len(), 120);
}

/// A commit may be as large as a transaction.
pub async fn a_commit_of_a_hundred_items_happens_whole(ledger: &dyn LedgerUnderTest) {
    let claim = claim("e-1");
    let outgoing = (0..99).map(|n| event(&claim, "account.noticed", &format!("a-{n}"), None)).collect();
    let largest = Commit { outgoing, ..bare(claim) };
    let small = opening_of(super::fixtures::claim("e-2"), "a-1");
    assert_eq!(commit_all(ledger, &[small, largest]).await, vec![CommitOutcome::Committed; 2]);
    assert_eq!(ledger.log().await.len(), 100);
}

/// Claims without effects: some finished before, some held, some expired, some new.
pub async fn claims_without_effects_are_settled_one_by_one(ledger: &dyn LedgerUnderTest) {
    let commits: Vec<Commit> = (0..6).map(|n| bare(later(&claim(&format!("e-{n}")), 10))).collect();
    let before = |n: usize| Claim { now: super::fixtures::now(), owner: owner(), ..commits[n].claim.clone() };
    commit_all(ledger, &[bare(before(1)), bare(Claim { hash: hash("other"), ..before(2) })]).await;
    commit_all(ledger, &[bare(Claim { expires_at: after(5), ..before(3) })]).await;
    take(ledger, &later(&leased("e-4"), 0)).await;
    let committed = CommitOutcome::Committed;
    let wanted = [
        committed.clone(),
        CommitOutcome::Duplicate,
        CommitOutcome::Mismatch,
        committed.clone(),
        CommitOutcome::Busy { until: after(60) },
        committed,
    ];
    assert_eq!(commit_all(ledger, &commits).await, wanted);
    let again: Vec<Claim> = commits.iter().map(|commit| later(&commit.claim, 11)).collect();
    let inspected = ledger.ledger().inspect(&again).await;
    assert_eq!(inspected[3], Ok(Some(Obstacle::Duplicate)), "the expired claim is ours now");
}

/// A batch's leases: taken, finished, and each told what became of it.
pub async fn a_batch_is_leased_and_finished_one_by_one(ledger: &dyn LedgerUnderTest) {
    let claims: Vec<Claim> = (0..6).map(|n| later(&leased(&format!("e-{n}")), 10)).collect();
    let before = |n: usize| Claim { now: super::fixtures::now(), owner: owner(), ..claims[n].clone() };
    take(ledger, &Claim { leased_until: Some(after(40)), ..before(1) }).await;
    take(ledger, &Claim { leased_until: Some(after(5)), ..before(2) }).await;
    commit_all(ledger, &[bare(Claim { leased_until: None, ..before(3) })]).await;
    let outcomes = ledger.ledger().claim(&claims).await;
    let held = ClaimOutcome::Held;
    let wanted = [
        held.clone(),
        ClaimOutcome::Busy { until: after(40) },
        held.clone(),
        ClaimOutcome::Duplicate,
        held.clone(),
        held,
    ];
    assert_eq!(outcomes, wanted);
    super::fixtures::release(ledger, &claims[4]).await;
    take(ledger, &later(&claims[5], 80)).await;
    let commits: Vec<Commit> = [0, 2, 4, 5].map(|n| bare(claims[n].clone())).to_vec();
    let (committed, lost) = (CommitOutcome::Committed, CommitOutcome::LeaseLost);
    assert_eq!(
        commit_all(ledger, &commits).await,
        [committed.clone(), committed.clone(), lost.clone(), lost.clone()]
    );
    assert_eq!(
        commit_all(ledger, &commits).await,
        [committed.clone(), committed, lost.clone(), lost],
        "asked again"
    );
}

/// The work of several messages of a FIFO group happens together.
pub async fn folded_work_happens_together_or_not_at_all(ledger: &dyn LedgerUnderTest) {
    let folded = |prefix: &str| {
        let claims: Vec<Claim> = (0..3).map(|n| claim(&format!("{prefix}-{n}"))).collect();
        let told = |n: usize| event(&claims[n], "account.changed", prefix, Some(n as u64 + 1));
        let earlier = |n: usize| Folded { claim: claims[n].clone(), outgoing: vec![told(n)] };
        Commit {
            folded: vec![earlier(0), earlier(1)],
            saves: vec![Save {
                sequence: 3,
                ..save(account(prefix), Version::Absent, &json!({"balance": 3}))
            }],
            outgoing: vec![told(2)],
            ..bare(claims[2].clone())
        }
    };
    let first = folded("a");
    assert_eq!(commit_all(ledger, std::slice::from_ref(&first)).await, [CommitOutcome::Committed]);
    assert_eq!(
        load(ledger, &account("a")).await.expect("saved").version,
        Version::At { version: 1, sequence: 3 }
    );
    assert_eq!(ledger.log().await.len(), 3);
    for (claim, _) in first.finished() {
        let again = bare(later(claim, 1));
        assert_eq!(commit_all(ledger, &[again]).await, [CommitOutcome::Duplicate]);
    }
    let second = folded("b");
    commit_all(ledger, &[bare(later(&second.folded[1].claim, 0))]).await;
    assert_eq!(commit_all(ledger, std::slice::from_ref(&second)).await, [CommitOutcome::Duplicate]);
    assert_eq!(load(ledger, &account("b")).await, None);
    assert_eq!(
        commit_all(ledger, &[bare(second.claim)]).await,
        [CommitOutcome::Committed],
        "it was not taken"
    );
    assert_eq!(logged_ids(ledger).await.len(), 3);
    let moved =
        Commit { saves: vec![save(account("a"), at(1), &json!({"balance": 4}))], ..bare(claim("after")) };
    assert_eq!(commit_all(ledger, &[moved]).await.len(), 1);
    assert!(fields(ledger, &account("a")).await.contains_key("balance"));
}

/// Looking at many claims tells each one's own.
pub async fn recalling_many_claims_tells_each_ones_own(ledger: &dyn LedgerUnderTest) {
    let claims: Vec<Claim> = (0..130).map(|n| claim(&format!("e-{n}"))).collect();
    commit_all(ledger, &[bare(later(&claims[7], 0)), bare(later(&claims[120], 0))]).await;
    let inspected = ledger.ledger().inspect(&claims).await;
    assert_eq!(inspected.len(), 130);
    for (position, found) in inspected.into_iter().enumerate() {
        let wanted = (position == 7 || position == 120).then_some(Obstacle::Duplicate);
        assert_eq!(found, Ok(wanted), "{position}");
    }
}
