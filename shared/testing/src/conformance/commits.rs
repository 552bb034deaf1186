//! Claims and commits: what happens, happens whole and once.

use super::{
    LedgerUnderTest,
    batches::commit_all,
    fixtures::{
        account, after, at, bare, claim, command, commit, event, fields, hash, later, leased, load,
        logged_ids, opening, owner, save, take,
    },
    leases::inspect,
};
use serde_json::json;
use throughline_core::{
    Version,
    ledger::{
        Attribute, Claim, ClaimKey, ClaimOutcome, Commit, CommitOutcome, Destination, Obstacle, Outgoing,
        PayloadHash, Save,
    },
};

/// The claim, the entity and the event are all there.
pub async fn a_first_commit_commits_all_of_it(ledger: &dyn LedgerUnderTest) {
    let opening = opening(claim("e-1"));
    assert_eq!(commit(ledger, &opening).await, CommitOutcome::Committed);
    let stored = load(ledger, &account("a-1")).await.expect("saved");
    assert_eq!(stored.version, Version::At { version: 1, sequence: 1 });
    assert_eq!(stored.data, opening.saves[0].data);
    assert_eq!(ledger.log().await, opening.outgoing);
}

/// A commit without effects still remembers that the work is done.
pub async fn a_commit_of_nothing_but_its_claim_happens_once(ledger: &dyn LedgerUnderTest) {
    let first = claim("e-1");
    assert_eq!(commit(ledger, &bare(first.clone())).await, CommitOutcome::Committed);
    assert_eq!(commit(ledger, &bare(first.clone())).await, CommitOutcome::Committed, "a lost answer");
    assert_eq!(commit(ledger, &bare(later(&first, 1))).await, CommitOutcome::Duplicate);
    let other = Claim { hash: hash("other"), ..later(&first, 1) };
    assert_eq!(commit(ledger, &bare(other)).await, CommitOutcome::Mismatch);
}

/// A second attempt changes neither the entity nor the log.
pub async fn the_same_message_again_is_a_duplicate_and_changes_nothing(ledger: &dyn LedgerUnderTest) {
    let first = opening(claim("e-1"));
    commit(ledger, &first).await;
    let again = Commit {
        saves: vec![save(account("a-1"), Version::At { version: 1, sequence: 1 }, &json!({"balance": 7}))],
        outgoing: vec![event(&first.claim, "account.changed", "a-1", None)],
        ..bare(later(&first.claim, 10))
    };
    assert_eq!(commit(ledger, &again).await, CommitOutcome::Duplicate);
    assert_eq!(fields(ledger, &account("a-1")).await, first.saves[0].data);
    assert_eq!(ledger.log().await, first.outgoing);
}

/// The same id with other content is another message pretending to be this one.
pub async fn the_same_identity_with_another_payload_is_a_mismatch(ledger: &dyn LedgerUnderTest) {
    let first = opening(claim("e-1"));
    commit(ledger, &first).await;
    let pretender = Commit {
        outgoing: vec![event(&first.claim, "account.changed", "a-1", None)],
        ..bare(Claim { hash: hash("another payload"), ..later(&first.claim, 10) })
    };
    assert_eq!(commit(ledger, &pretender).await, CommitOutcome::Mismatch);
    assert_eq!(ledger.log().await, first.outgoing);
}

/// Ledgers hold claims from before numbers counted by their exact value. Functions that had been built alone read
/// some of them in another way than tests did, so that there are two former hashes.
pub async fn a_claim_under_a_former_hash_of_the_payload_is_a_duplicate(ledger: &dyn LedgerUnderTest) {
    let payload = |data| PayloadHash::of("thing.happened", data).expect("it is JSON");
    let hash = payload(r#"{"weight":1.0,"price":492.65999999999997}"#);
    let former = ["792030b01d9b6ecad64f3f800d597c8a", "4d58714d186c5fcb126aa23d4898788e"];
    for (number, former) in former.into_iter().enumerate() {
        let former = PayloadHash::from_text(former).expect("a hash");
        assert_ne!(former, hash);
        let recorded = Claim { hash: former, ..leased(&format!("e-{number}")) };
        assert_eq!(take(ledger, &recorded).await, ClaimOutcome::Held);
        assert_eq!(commit(ledger, &bare(recorded.clone())).await, CommitOutcome::Committed);
        let again = Claim { hash: hash.clone(), ..later(&recorded, 10) };
        let at_once = Claim { leased_until: None, ..again.clone() };
        assert_eq!(inspect(ledger, &again).await, Some(Obstacle::Duplicate));
        assert_eq!(take(ledger, &again).await, ClaimOutcome::Duplicate);
        assert_eq!(commit(ledger, &bare(at_once.clone())).await, CommitOutcome::Duplicate);
        assert_eq!(commit(ledger, &opening(at_once.clone())).await, CommitOutcome::Duplicate);
        let other = Claim { hash: payload(r#"{"weight":1.5,"price":492.65999999999997}"#), ..at_once };
        assert_eq!(inspect(ledger, &other).await, Some(Obstacle::Mismatch));
        assert_eq!(commit(ledger, &opening(other)).await, CommitOutcome::Mismatch);
    }
    assert_eq!(ledger.log().await, [], "nothing of it happened again");
    // What is recorded today is no former hash, even if it looks like one.
    let recorded = Claim { hash: payload(r#"{"weight":1.5,"price":492.66}"#), ..leased("e-today") };
    assert_eq!(take(ledger, &recorded).await, ClaimOutcome::Held);
    assert_eq!(commit(ledger, &bare(recorded.clone())).await, CommitOutcome::Committed);
    let other =
        Claim { hash: payload(r#"{"weight":1.5,"price":492.65999999999997}"#), ..later(&recorded, 10) };
    assert!(other.hash.recognises(recorded.hash.as_str()), "functions misread it so");
    assert_eq!(inspect(ledger, &other).await, Some(Obstacle::Mismatch));
    assert_eq!(take(ledger, &other).await, ClaimOutcome::Mismatch);
}

/// The owner token tells our own finished work from somebody else's.
pub async fn the_same_commit_sent_again_after_a_lost_answer_says_committed(ledger: &dyn LedgerUnderTest) {
    let opening = opening(claim("e-1"));
    assert_eq!(commit(ledger, &opening).await, CommitOutcome::Committed);
    assert_eq!(commit(ledger, &opening).await, CommitOutcome::Committed);
    assert_eq!(ledger.log().await, opening.outgoing);
    assert_eq!(load(ledger, &account("a-1")).await.expect("saved").version.next(), 2, "saved once");
}

/// The claim decides before the entities do.
pub async fn a_commit_whose_answer_was_lost_says_committed_even_after_its_entity_moved_on(
    ledger: &dyn LedgerUnderTest,
) {
    let opening = opening(claim("e-1"));
    commit(ledger, &opening).await;
    let change = Commit {
        saves: vec![save(account("a-1"), Version::At { version: 1, sequence: 1 }, &json!({"balance": 1}))],
        ..bare(claim("e-2"))
    };
    assert_eq!(commit(ledger, &change).await, CommitOutcome::Committed);
    assert_eq!(commit(ledger, &opening).await, CommitOutcome::Committed);
    assert_eq!(fields(ledger, &account("a-1")).await["balance"], Attribute::from(1));
}

/// An expired claim does not exist, whether the database has removed it or not; and what the work sends
/// again is a new entry in the log, for the relay to see.
pub async fn an_expired_claim_can_be_taken_again_and_its_messages_are_sent_again(
    ledger: &dyn LedgerUnderTest,
) {
    let first = Claim { expires_at: after(100), ..claim("e-1") };
    let sends = |claim: Claim| Commit {
        outgoing: vec![event(&claim, "account.noticed", "a-1", None), command(&claim, "account.close", "q")],
        ..bare(claim)
    };
    assert_eq!(commit(ledger, &sends(first.clone())).await, CommitOutcome::Committed);
    assert_eq!(commit(ledger, &sends(later(&first, 99))).await, CommitOutcome::Duplicate);
    let again = Claim { hash: hash("another payload"), ..later(&first, 100) };
    assert_eq!(commit(ledger, &sends(again)).await, CommitOutcome::Committed);
    assert_eq!(logged_ids(ledger).await.len(), 4);
}

/// The handler's name is part of the identity.
pub async fn two_handlers_of_one_message_do_not_meet(ledger: &dyn LedgerUnderTest) {
    let one = claim("e-1");
    let other =
        Claim { key: ClaimKey::for_event("another-handler", "tests", "e-1"), owner: owner(), ..one.clone() };
    assert_eq!(commit(ledger, &bare(one)).await, CommitOutcome::Committed);
    assert_eq!(commit(ledger, &bare(other)).await, CommitOutcome::Committed);
}

/// Every commit of a call is settled on its own, in its own place.
pub async fn one_failed_commit_of_a_batch_leaves_the_others_alone(ledger: &dyn LedgerUnderTest) {
    let done = bare(claim("e-0"));
    commit(ledger, &done).await;
    let saves = |id: &str, account_id: &str, expected| Commit {
        saves: vec![save(account(account_id), expected, &json!({"balance": 1}))],
        ..bare(claim(id))
    };
    let batch = [
        saves("e-1", "a-1", Version::Absent),
        saves("e-2", "a-2", at(3)),
        bare(later(&done.claim, 1)),
        saves("e-3", "a-3", Version::Absent),
        bare(claim("e-4")),
    ];
    let outcomes = commit_all(ledger, &batch).await;
    let expected = [
        CommitOutcome::Committed,
        CommitOutcome::Conflict(account("a-2")),
        CommitOutcome::Duplicate,
        CommitOutcome::Committed,
        CommitOutcome::Committed,
    ];
    assert_eq!(outcomes, expected);
    assert!(load(ledger, &account("a-1")).await.is_some());
    assert_eq!(load(ledger, &account("a-2")).await, None);
    assert!(load(ledger, &account("a-3")).await.is_some());
}

/// The relay reads exactly the messages that were written.
pub async fn events_and_commands_are_in_the_log_with_their_destinations(ledger: &dyn LedgerUnderTest) {
    let claim = claim("e-1");
    let outgoing = vec![
        command(&claim, "order.ship", "shipping"),
        event(&claim, "account.charged", "a-1", None),
        command(&claim, "order.pack", "packing"),
        event(&claim, "account.warned", "a-1", None),
    ];
    let sends = Commit { outgoing: outgoing.clone(), ..bare(claim) };
    assert_eq!(commit(ledger, &sends).await, CommitOutcome::Committed);
    let log = ledger.log().await;
    assert_eq!(log.len(), outgoing.len());
    for message in &outgoing {
        assert!(log.contains(message), "{message:?} is not in {log:?}");
    }
    let queues = log.iter().filter(|message| message.destination != Destination::Bus).count();
    assert_eq!(queues, 2);
}

/// Names and tokens may hold anything, also what a ledger sets the parts of a destination apart with.
pub async fn what_is_scheduled_started_and_answered_is_in_the_log_as_it_is(ledger: &dyn LedgerUnderTest) {
    let at = |text: &str| text.parse().expect("a time");
    let claim = claim("e-1");
    let destinations = [
        Destination::Scheduled { queue: "await-payment".into(), at: at("2999-01-02T03:04:05.000000001Z") },
        Destination::Scheduled { queue: "a:b|c".into(), at: at("2026-01-02T03:04:05Z") },
        Destination::Unscheduled { queue: "await-payment".into() },
        Destination::StateMachine("checkout:2".into()),
        Destination::Task { token: "AAAA:b|c+/=".into() },
    ];
    let outgoing: Vec<_> = destinations
        .into_iter()
        .enumerate()
        .map(|(number, destination)| Outgoing {
            destination,
            ..command(&claim, "order.do", &number.to_string())
        })
        .collect();
    let sends = Commit { outgoing: outgoing.clone(), ..bare(claim) };
    assert_eq!(commit(ledger, &sends).await, CommitOutcome::Committed);
    let log = ledger.log().await;
    assert_eq!(log.len(), outgoing.len());
    for message in &outgoing {
        assert!(log.contains(message), "{message:?} is not in {log:?}");
    }
}

/// The sequence of an aggregate's events is its own, across commits.
pub async fn events_of_a_saved_aggregate_keep_their_sequences(ledger: &dyn LedgerUnderTest) {
    let mut expected = Version::Absent;
    for round in 0..3_u64 {
        let claim = claim(&format!("e-{round}"));
        let first = round * 2 + 1;
        let changes = Commit {
            saves: vec![Save {
                sequence: first + 1,
                ..save(account("a-1"), expected, &json!({"balance": round}))
            }],
            outgoing: vec![
                event(&claim, "account.changed", "a-1", Some(first)),
                event(&claim, "account.changed", "a-1", Some(first + 1)),
            ],
            ..bare(claim)
        };
        assert_eq!(commit(ledger, &changes).await, CommitOutcome::Committed);
        expected = load(ledger, &account("a-1")).await.expect("saved").version;
        assert_eq!(expected, Version::At { version: round + 1, sequence: first + 1 });
    }
    let mut sequences: Vec<_> =
        ledger.log().await.iter().map(|message| message.envelope.attributes.sequence).collect();
    sequences.sort_unstable();
    assert_eq!(sequences, (1..=6).map(Some).collect::<Vec<_>>());
}
