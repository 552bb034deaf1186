//! Leases: a claim that is held while its handler touches the outside world.

use super::{
    LedgerUnderTest,
    fixtures::{after, bare, claim, commit, hash, later, leased, load, opening, owner, release, take},
};
use crate::conformance::fixtures::account;
use throughline_core::ledger::{Claim, ClaimOutcome, CommitOutcome, Obstacle};

/// Others hear until when.
pub async fn a_held_claim_is_busy_for_others_until_its_lease_ends(ledger: &dyn LedgerUnderTest) {
    let first = leased("e-1");
    assert_eq!(take(ledger, &first).await, ClaimOutcome::Held);
    assert_eq!(take(ledger, &later(&first, 0)).await, ClaimOutcome::Busy { until: after(60) });
    assert_eq!(take(ledger, &later(&first, 59)).await, ClaimOutcome::Busy { until: after(60) });
}

/// A handler may be leased in one deployment and not in the next.
pub async fn an_optimistic_commit_waits_for_a_lease_and_passes_when_it_has_ended(
    ledger: &dyn LedgerUnderTest,
) {
    take(ledger, &leased("e-1")).await;
    let early = opening(later(&claim("e-1"), 59));
    assert_eq!(commit(ledger, &early).await, CommitOutcome::Busy { until: after(60) });
    assert_eq!(ledger.log().await, []);
    let in_time = opening(later(&claim("e-1"), 60));
    assert_eq!(commit(ledger, &in_time).await, CommitOutcome::Committed);
}

/// Its owner is believed dead.
pub async fn a_lease_that_ended_can_be_taken_over(ledger: &dyn LedgerUnderTest) {
    let first = leased("e-1");
    take(ledger, &first).await;
    let second = later(&first, 60);
    assert_eq!(take(ledger, &second).await, ClaimOutcome::Held);
    assert_eq!(take(ledger, &later(&first, 61)).await, ClaimOutcome::Busy { until: after(120) });
    assert_eq!(commit(ledger, &opening(second)).await, CommitOutcome::Committed);
}

/// A finished claim that has expired does not exist.
pub async fn an_expired_claim_can_be_held_again(ledger: &dyn LedgerUnderTest) {
    let first = Claim { expires_at: after(100), ..leased("e-1") };
    take(ledger, &first).await;
    assert_eq!(commit(ledger, &bare(first.clone())).await, CommitOutcome::Committed);
    assert_eq!(take(ledger, &later(&first, 99)).await, ClaimOutcome::Duplicate);
    assert_eq!(take(ledger, &later(&first, 100)).await, ClaimOutcome::Held);
}

/// The owner token tells our own claim from somebody else's.
pub async fn taking_ones_own_claim_again_after_a_lost_answer_holds_it(ledger: &dyn LedgerUnderTest) {
    let ours = leased("e-1");
    assert_eq!(take(ledger, &ours).await, ClaimOutcome::Held);
    assert_eq!(take(ledger, &ours).await, ClaimOutcome::Held);
}

/// It waits while the first is at work, which may yet be given up, and is refused once that is done.
pub async fn another_payload_waits_for_a_held_claim_and_is_refused_by_a_finished_one(
    ledger: &dyn LedgerUnderTest,
) {
    let first = leased("e-1");
    take(ledger, &first).await;
    let pretender = Claim { hash: hash("another payload"), ..later(&first, 1) };
    assert_eq!(take(ledger, &pretender).await, ClaimOutcome::Busy { until: after(60) });
    commit(ledger, &bare(first)).await;
    assert_eq!(take(ledger, &pretender).await, ClaimOutcome::Mismatch);
}

/// Until the work is finished it may yet be released: only then is another payload refused for good.
pub async fn a_commit_with_another_payload_waits_for_whoever_holds_the_claim(ledger: &dyn LedgerUnderTest) {
    let first = leased("e-1");
    take(ledger, &first).await;
    let pretender = Claim { hash: hash("another payload"), ..later(&claim("e-1"), 1) };
    assert_eq!(commit(ledger, &bare(pretender)).await, CommitOutcome::Busy { until: after(60) });
    let zombie = Claim { hash: hash("another payload"), ..later(&first, 1) };
    assert_eq!(commit(ledger, &bare(zombie)).await, CommitOutcome::LeaseLost);
}

/// Looking changes nothing.
pub async fn recalling_a_claim_tells_what_stands_in_its_way(ledger: &dyn LedgerUnderTest) {
    let ours = Claim { expires_at: after(100), ..leased("e-1") };
    let other = Claim { hash: hash("another payload"), ..later(&ours, 1) };
    assert_eq!(inspect(ledger, &ours).await, None);
    take(ledger, &ours).await;
    assert_eq!(inspect(ledger, &later(&ours, 59)).await, Some(Obstacle::Busy { until: after(60) }));
    assert_eq!(inspect(ledger, &later(&ours, 60)).await, None, "its lease has ended");
    commit(ledger, &bare(ours.clone())).await;
    assert_eq!(inspect(ledger, &later(&ours, 61)).await, Some(Obstacle::Duplicate));
    assert_eq!(inspect(ledger, &other).await, Some(Obstacle::Mismatch));
    assert_eq!(inspect(ledger, &later(&ours, 100)).await, None, "it has expired");
}

pub(super) async fn inspect(ledger: &dyn LedgerUnderTest, claim: &Claim) -> Option<Obstacle> {
    ledger.ledger().inspect(std::slice::from_ref(claim)).await.remove(0).expect("the ledger answers")
}

/// The ordinary course of things.
pub async fn the_owner_finishes_and_then_it_is_a_duplicate(ledger: &dyn LedgerUnderTest) {
    let ours = leased("e-1");
    take(ledger, &ours).await;
    let opening = opening(ours.clone());
    assert_eq!(commit(ledger, &opening).await, CommitOutcome::Committed);
    assert_eq!(ledger.log().await, opening.outgoing);
    assert_eq!(take(ledger, &later(&ours, 1)).await, ClaimOutcome::Duplicate);
    assert_eq!(take(ledger, &later(&ours, 1000)).await, ClaimOutcome::Duplicate, "no lease to end any more");
    assert_eq!(commit(ledger, &opening).await, CommitOutcome::Committed, "a lost answer");
    assert_eq!(ledger.log().await, opening.outgoing);
}

/// An owner that still holds the claim may finish, even after its lease has ended.
pub async fn an_owner_nobody_took_over_from_may_finish_late(ledger: &dyn LedgerUnderTest) {
    let ours = leased("e-1");
    take(ledger, &ours).await;
    let late = Claim { now: after(300), ..ours };
    assert_eq!(commit(ledger, &opening(late)).await, CommitOutcome::Committed);
}

/// A process that was believed dead must never pass for its successor.
pub async fn a_zombies_commit_is_refused_and_writes_nothing(ledger: &dyn LedgerUnderTest) {
    let zombie = leased("e-1");
    take(ledger, &zombie).await;
    let successor = later(&zombie, 60);
    assert_eq!(take(ledger, &successor).await, ClaimOutcome::Held);
    for commit_of_zombie in [opening(zombie.clone()), bare(zombie)] {
        assert_eq!(commit(ledger, &commit_of_zombie).await, CommitOutcome::LeaseLost);
    }
    assert_eq!(load(ledger, &account("a-1")).await, None);
    assert_eq!(ledger.log().await, []);
    assert_eq!(commit(ledger, &opening(successor)).await, CommitOutcome::Committed);
}

/// The work is done: it need not be delivered again.
pub async fn a_zombie_whose_successor_finished_hears_of_a_duplicate(ledger: &dyn LedgerUnderTest) {
    let zombie = leased("e-1");
    take(ledger, &zombie).await;
    let successor = later(&zombie, 60);
    take(ledger, &successor).await;
    let opening_of_successor = opening(successor);
    commit(ledger, &opening_of_successor).await;
    assert_eq!(commit(ledger, &opening(zombie)).await, CommitOutcome::Duplicate);
    assert_eq!(ledger.log().await, opening_of_successor.outgoing);
}

/// Giving back is by the token too.
pub async fn a_zombies_release_leaves_its_successor_alone(ledger: &dyn LedgerUnderTest) {
    let zombie = leased("e-1");
    take(ledger, &zombie).await;
    let successor = later(&zombie, 60);
    take(ledger, &successor).await;
    release(ledger, &zombie).await;
    assert_eq!(take(ledger, &later(&zombie, 61)).await, ClaimOutcome::Busy { until: after(120) });
    assert_eq!(commit(ledger, &bare(successor)).await, CommitOutcome::Committed);
}

/// The next delivery need not wait for the lease to end.
pub async fn a_released_claim_can_be_taken_at_once(ledger: &dyn LedgerUnderTest) {
    let first = leased("e-1");
    take(ledger, &first).await;
    release(ledger, &first).await;
    assert_eq!(take(ledger, &later(&first, 1)).await, ClaimOutcome::Held);
    release(ledger, &leased("never taken")).await;
}

/// A released claim has no owner.
pub async fn a_released_claim_cannot_be_finished(ledger: &dyn LedgerUnderTest) {
    let first = leased("e-1");
    take(ledger, &first).await;
    release(ledger, &first).await;
    assert_eq!(commit(ledger, &opening(first)).await, CommitOutcome::LeaseLost);
    assert_eq!(ledger.log().await, []);
}

/// Finished work stays finished.
pub async fn a_finished_claim_is_not_released(ledger: &dyn LedgerUnderTest) {
    let ours = leased("e-1");
    take(ledger, &ours).await;
    commit(ledger, &bare(ours.clone())).await;
    release(ledger, &ours).await;
    assert_eq!(take(ledger, &later(&ours, 1)).await, ClaimOutcome::Duplicate);
}

/// Every claim of a call has its own answer, in its own place.
pub async fn claims_of_a_batch_are_settled_one_by_one(ledger: &dyn LedgerUnderTest) {
    let done = leased("done");
    take(ledger, &done).await;
    commit(ledger, &bare(done.clone())).await;
    let busy = leased("busy");
    take(ledger, &busy).await;
    let again = |claim: &Claim| Claim { owner: owner(), ..claim.clone() };
    let batch = [leased("free"), again(&done), again(&busy), leased("free too")];
    let expected = [
        ClaimOutcome::Held,
        ClaimOutcome::Duplicate,
        ClaimOutcome::Busy { until: after(60) },
        ClaimOutcome::Held,
    ];
    assert_eq!(ledger.ledger().claim(&batch).await, expected);
}
