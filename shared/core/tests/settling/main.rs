//! Settling many commits with few requests, without any store: what is asked, and what the answers mean.

mod store;

use serde_json::json;
use store::Store;
use throughline_core::{
    Version,
    internal::settling::{Answer, Item, ItemAnswer, Request, Settling, Transaction},
    ledger::{Commit, CommitOutcome, Folded, LedgerError, Standing},
};
use throughline_testing::conformance::fixtures::{
    account, after, at, bare, claim, leased, opening, read, save,
};

/// A commit that saves one account for the first time.
fn saving(message: &str, id: &str) -> Commit {
    Commit { saves: vec![save(account(id), Version::Absent, &json!({}))], ..bare(claim(message)) }
}

/// A commit that read one account and saves another.
fn reading(message: &str, seen: &str, saved: &str) -> Commit {
    Commit { reads: vec![read(account(seen), Version::Absent)], ..saving(message, saved) }
}

fn only(mut requests: Vec<Request>) -> Request {
    assert_eq!(requests.len(), 1, "{requests:?}");
    requests.remove(0)
}

fn transaction(request: &Request) -> &Transaction {
    let Request::Transaction(transaction) = request else { panic!("{request:?}") };
    transaction
}

/// The next request must be one transaction. Its items are answered by `answer`, all others are fine.
fn cancel(settling: &mut Settling<'_>, answer: impl Fn(&Item) -> Option<ItemAnswer>) {
    let request = only(settling.requests());
    let answers = transaction(&request).items.iter().map(|item| answer(item).unwrap_or(ItemAnswer::Fine));
    let answers = Answer::Items(answers.collect());
    settling.answer(&request, answers);
}

fn contended() -> CommitOutcome {
    CommitOutcome::Contended(LedgerError("busy".into()))
}

fn claim_of(commit: usize) -> impl Fn(&Item) -> bool {
    move |item| matches!(item, Item::Claim { commit: found, .. } if *found == commit)
}

#[test]
fn commits_that_share_nothing_go_in_one_transaction_claims_first() {
    let commits: Vec<Commit> = (0..10).map(|n| saving(&format!("e-{n}"), &format!("a-{n}"))).collect();
    let mut settling = Settling::new(&commits);
    let request = only(settling.requests());
    let items = &transaction(&request).items;
    assert_eq!(items.len(), 20);
    assert!(items[..10].iter().all(|item| matches!(item, Item::Claim { .. })));
    settling.answer(&request, Answer::Done);
    assert!(settling.requests().is_empty());
    assert_eq!(settling.outcomes(), vec![CommitOutcome::Committed; 10]);
}

#[test]
fn claims_alone_are_statements_and_one_alone_is_a_put() {
    let commits: Vec<Commit> = (0..60).map(|n| bare(claim(&format!("e-{n}")))).collect();
    let sizes: Vec<usize> = Settling::new(&commits)
        .requests()
        .iter()
        .map(|request| match request {
            Request::Statements(positions) => positions.len(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(sizes, [25, 25, 10]);
    assert_eq!(Settling::new(&commits[..1]).requests(), [Request::Claim(0)]);
}

#[test]
fn a_claim_rides_along_with_a_transaction_that_is_sent_anyway() {
    let commits = [bare(claim("e-1")), saving("e-2", "a-1"), bare(claim("e-3"))];
    let request = only(Settling::new(&commits).requests());
    assert_eq!(transaction(&request).items.len(), 4);
}

#[test]
fn no_transaction_holds_more_items_or_bytes_than_dynamodb_allows() {
    let commits: Vec<Commit> = (0..51).map(|n| saving(&format!("e-{n}"), &format!("a-{n}"))).collect();
    let sizes = |commits: &[Commit]| -> Vec<usize> {
        Settling::new(commits).requests().iter().map(|request| transaction(request).items.len()).collect()
    };
    assert_eq!(sizes(&commits), [100, 2]);
    let large = |n: usize| Commit {
        saves: vec![save(
            account(&format!("a-{n}")),
            Version::Absent,
            &json!({ "text": "x".repeat(390 << 10) }),
        )],
        ..bare(claim(&format!("e-{n}")))
    };
    let commits: Vec<Commit> = (0..12).map(large).collect();
    assert_eq!(sizes(&commits), [20, 4], "ten of 390 KiB fit 4 MiB");
}

#[test]
fn the_same_read_is_checked_once_for_all_and_harms_all_who_read() {
    let commits: Vec<Commit> =
        (0..3).map(|n| reading(&format!("e-{n}"), "rate", &format!("a-{n}"))).collect();
    let mut settling = Settling::new(&commits);
    cancel(&mut settling, |item| matches!(item, Item::Check { .. }).then_some(ItemAnswer::Changed));
    assert!(settling.requests().is_empty());
    assert_eq!(settling.outcomes(), vec![CommitOutcome::Conflict(account("rate")); 3]);
}

#[test]
fn of_two_that_save_one_entity_the_second_is_a_conflict_without_a_request() {
    let commits = [saving("e-1", "a-1"), saving("e-2", "a-1"), saving("e-3", "a-2")];
    let mut settling = Settling::new(&commits);
    let request = only(settling.requests());
    assert_eq!(transaction(&request).items.len(), 4);
    settling.answer(&request, Answer::Done);
    assert!(settling.requests().is_empty());
    let conflict = CommitOutcome::Conflict(account("a-1"));
    assert_eq!(settling.outcomes(), [CommitOutcome::Committed, conflict, CommitOutcome::Committed]);
}

#[test]
fn the_second_has_its_turn_if_the_first_did_not_happen() {
    let commits = [saving("e-1", "a-1"), saving("e-2", "a-1")];
    let mut settling = Settling::new(&commits);
    let duplicate = ItemAnswer::Claim(Standing::Finished { is_same_payload: true });
    cancel(&mut settling, |item| claim_of(0)(item).then(|| duplicate.clone()));
    let request = only(settling.requests());
    settling.answer(&request, Answer::Done);
    assert_eq!(settling.outcomes(), [CommitOutcome::Duplicate, CommitOutcome::Committed]);
}

#[test]
fn what_one_read_and_another_saves_is_never_in_one_transaction() {
    let commits = [reading("e-1", "x", "y"), reading("e-2", "y", "x")];
    let mut settling = Settling::new(&commits);
    let request = only(settling.requests());
    assert_eq!(transaction(&request).items.len(), 3);
    settling.answer(&request, Answer::Done);
    assert!(settling.requests().is_empty());
    assert_eq!(settling.outcomes(), [CommitOutcome::Committed, CommitOutcome::Conflict(account("y"))]);
}

#[test]
fn a_duplicate_cancels_the_others_once_and_they_happen_at_once() {
    let commits: Vec<Commit> = (0..10).map(|n| saving(&format!("e-{n}"), &format!("a-{n}"))).collect();
    let mut settling = Settling::new(&commits);
    let duplicate = ItemAnswer::Claim(Standing::Finished { is_same_payload: true });
    cancel(&mut settling, |item| (claim_of(3)(item) || claim_of(7)(item)).then(|| duplicate.clone()));
    let request = only(settling.requests());
    assert_eq!(transaction(&request).items.len(), 16);
    settling.answer(&request, Answer::Done);
    let outcomes = settling.outcomes();
    for (position, outcome) in outcomes.iter().enumerate() {
        let wanted =
            if position == 3 || position == 7 { CommitOutcome::Duplicate } else { CommitOutcome::Committed };
        assert_eq!(*outcome, wanted, "{position}");
    }
}

#[test]
fn whoever_was_cancelled_twice_because_of_others_goes_alone() {
    let commits: Vec<Commit> = (0..4).map(|n| saving(&format!("e-{n}"), &format!("a-{n}"))).collect();
    let mut settling = Settling::new(&commits);
    for unlucky in 0..2 {
        cancel(&mut settling, |item| claim_of(unlucky)(item).then(|| ItemAnswer::Failed(contended())));
    }
    let requests = settling.requests();
    assert_eq!(requests.len(), 2);
    assert!(requests.iter().all(|request| transaction(request).items.len() == 2));
    for request in &requests {
        settling.answer(request, Answer::Done);
    }
    let committed = CommitOutcome::Committed;
    assert_eq!(settling.outcomes(), [contended(), contended(), committed.clone(), committed]);
}

#[test]
fn of_several_reasons_the_claims_decides_then_an_entitys_then_contention() {
    let commit = [Commit { reads: vec![read(account("a-2"), Version::Absent)], ..opening(claim("e-1")) }];
    let invalid = ItemAnswer::Failed(CommitOutcome::Invalid(LedgerError("too large".into())));
    let busy = ItemAnswer::Failed(contended());
    let finished = ItemAnswer::Claim(Standing::Finished { is_same_payload: false });
    // The claim, what was read, what is saved, the message.
    for (answers, wanted) in [
        ([finished, ItemAnswer::Changed, busy.clone(), invalid.clone()], CommitOutcome::Mismatch),
        (
            [busy.clone(), ItemAnswer::Fine, ItemAnswer::Changed, invalid.clone()],
            CommitOutcome::Conflict(account("a-1")),
        ),
        (
            [ItemAnswer::Fine, ItemAnswer::Changed, ItemAnswer::Changed, busy.clone()],
            CommitOutcome::Conflict(account("a-2")),
        ),
        ([ItemAnswer::Fine, invalid, busy, ItemAnswer::Fine], contended()),
    ] {
        let mut settling = Settling::new(&commit);
        let request = only(settling.requests());
        settling.answer(&request, Answer::Items(answers.to_vec()));
        assert_eq!(settling.outcomes(), [wanted]);
    }
}

#[test]
fn a_commit_that_cannot_be_written_spoils_no_other() {
    let commits: Vec<Commit> = (0..3).map(|n| saving(&format!("e-{n}"), &format!("a-{n}"))).collect();
    let invalid = CommitOutcome::Invalid(LedgerError("an attribute is empty".into()));
    let failed = CommitOutcome::Failed(LedgerError("a table is missing".into()));
    for refused in [invalid, failed] {
        let mut settling = Settling::new(&commits);
        let request = only(settling.requests());
        settling.answer(&request, Answer::Refused(refused.clone()));
        let alone = settling.requests();
        assert_eq!(alone.len(), 3);
        settling.answer(&alone[0], Answer::Done);
        settling.answer(&alone[1], Answer::Refused(refused.clone()));
        settling.answer(&alone[2], Answer::Done);
        assert_eq!(settling.outcomes(), [CommitOutcome::Committed, refused, CommitOutcome::Committed]);
    }
}

#[test]
fn after_an_unknown_outcome_the_claims_say_whether_it_was_us() {
    let commits: Vec<Commit> = (0..4).map(|n| saving(&format!("e-{n}"), &format!("a-{n}"))).collect();
    let mut settling = Settling::new(&commits);
    let request = only(settling.requests());
    let error = LedgerError("the connection was closed".into());
    settling.answer(&request, Answer::Unknown(error.clone()));
    let request = only(settling.requests());
    assert_eq!(request, Request::Read(vec![0, 1, 2, 3]));
    let standings = vec![
        Standing::OursFinished,
        Standing::Finished { is_same_payload: true },
        Standing::Held { until: after(60) },
        Standing::Free,
    ];
    settling.answer(&request, Answer::Standings(standings));
    assert!(settling.requests().is_empty());
    let busy = CommitOutcome::Busy { until: after(60) };
    let wanted = [CommitOutcome::Committed, CommitOutcome::Duplicate, busy, CommitOutcome::Failed(error)];
    assert_eq!(settling.outcomes(), wanted);
}

#[test]
fn an_unknown_outcome_stays_one_if_the_claims_cannot_be_read() {
    let commits = [saving("e-1", "a-1")];
    let mut settling = Settling::new(&commits);
    let error = LedgerError("the connection was closed".into());
    for reason in [error.clone(), LedgerError("it still is".into())] {
        let request = only(settling.requests());
        settling.answer(&request, Answer::Unknown(reason));
    }
    assert_eq!(settling.outcomes(), [CommitOutcome::Failed(error)]);
}

#[test]
fn a_statement_that_finds_a_claim_reads_it_and_writes_over_one_that_has_expired() {
    let commits = [bare(claim("e-1")), bare(claim("e-2")), bare(claim("e-3")), bare(leased("e-4"))];
    let mut settling = Settling::new(&commits);
    let request = only(settling.requests());
    let exists = ItemAnswer::ClaimExists;
    let lost = ItemAnswer::Claim(Standing::Free);
    settling.answer(&request, Answer::Items(vec![exists.clone(), exists, ItemAnswer::Fine, lost]));
    let request = only(settling.requests());
    assert_eq!(request, Request::Read(vec![0, 1]));
    let duplicate = Standing::Finished { is_same_payload: true };
    settling.answer(&request, Answer::Standings(vec![duplicate, Standing::Free]));
    let request = only(settling.requests());
    assert_eq!(request, Request::Claim(1));
    settling.answer(&request, Answer::Done);
    let committed = CommitOutcome::Committed;
    assert_eq!(
        settling.outcomes(),
        [CommitOutcome::Duplicate, committed.clone(), committed, CommitOutcome::LeaseLost]
    );
}

#[test]
fn an_answer_that_explains_nothing_commits_nothing() {
    let commits = [saving("e-1", "a-1"), saving("e-2", "a-2")];
    for answer in [
        Answer::Items(vec![ItemAnswer::Fine; 4]),
        Answer::Items(Vec::new()),
        Answer::Standings(vec![Standing::OursFinished; 2]),
        Answer::Items(vec![ItemAnswer::ClaimExists; 4]),
    ] {
        let mut settling = Settling::new(&commits);
        let request = only(settling.requests());
        settling.answer(&request, answer.clone());
        assert!(settling.requests().is_empty(), "{answer:?}");
        for outcome in settling.outcomes() {
            assert!(matches!(outcome, CommitOutcome::Failed(_)), "{answer:?}: {outcome:?}");
        }
    }
}

#[test]
fn nothing_to_settle_is_settled() {
    let mut settling = Settling::new(&[]);
    assert!(settling.requests().is_empty());
    assert!(settling.outcomes().is_empty());
}

/// Every run ends, no commit happens in part, and what is said to have happened did.
#[test]
fn whatever_a_store_answers_each_commit_is_told_the_truth() {
    for seed in 0..3000 {
        let mut store = Store::new(seed);
        let commits = store.random_commits();
        let mut settling = Settling::new(&commits);
        for wave in 0.. {
            assert!(wave < 100, "seed {seed}: it does not end");
            let requests = settling.requests();
            if requests.is_empty() {
                break;
            }
            for request in store.in_any_order(requests) {
                let answer = store.answer(&request, &commits);
                settling.answer(&request, answer);
            }
        }
        store.check(&commits, &settling.outcomes());
    }
}

#[test]
fn a_later_version_of_an_entity_is_not_overtaken() {
    // The second was decided on what the first wrote.
    let second = Commit { saves: vec![save(account("a-1"), at(1), &json!({}))], ..bare(claim("e-2")) };
    let commits = [saving("e-1", "a-1"), second];
    let mut settling = Settling::new(&commits);
    for _ in 0..2 {
        let request = only(settling.requests());
        settling.answer(&request, Answer::Done);
    }
    assert_eq!(settling.outcomes(), vec![CommitOutcome::Committed; 2]);
}

#[test]
fn a_claim_that_cannot_be_written_spoils_no_other() {
    let commits = ["e-1", "e-2"].map(|id| bare(claim(id)));
    let mut settling = Settling::new(&commits);
    let request = only(settling.requests());
    let invalid = CommitOutcome::Invalid(LedgerError("an attribute is empty".into()));
    settling.answer(&request, Answer::Refused(invalid.clone()));
    assert_eq!(settling.requests(), [Request::Claim(0), Request::Claim(1)]);
    settling.answer(&Request::Claim(0), Answer::Refused(invalid.clone()));
    settling.answer(&Request::Claim(1), Answer::Done);
    assert_eq!(settling.outcomes(), [invalid, CommitOutcome::Committed]);
}

#[test]
fn a_statement_without_an_answer_is_not_called_done() {
    let commits = ["e-1", "e-2"].map(|id| bare(claim(id)));
    let mut settling = Settling::new(&commits);
    let request = only(settling.requests());
    settling.answer(&request, Answer::Items(vec![ItemAnswer::Fine]));
    let outcomes = settling.outcomes();
    assert!(matches!(outcomes[..], [CommitOutcome::Committed, CommitOutcome::Failed(_)]), "{outcomes:?}");
}

#[test]
fn an_item_is_never_in_one_transaction_twice() {
    let reading_at = |message: &str, version| Commit {
        reads: vec![read(account("rate"), version)],
        ..saving(message, message)
    };
    let of_one_message = [saving("e-1", "a-1"), saving("e-1", "a-2")];
    let of_two_readers = [reading_at("e-1", at(1)), reading_at("e-2", at(2))];
    for commits in [of_one_message, of_two_readers] {
        let request = only(Settling::new(&commits).requests());
        let items = &transaction(&request).items;
        assert!(items.iter().all(|item| !matches!(item, Item::Claim { commit: 1, .. })), "{items:?}");
    }
}

#[test]
fn what_is_read_counts_towards_what_a_transaction_holds() {
    let commits: Vec<Commit> =
        (0..51).map(|n| reading(&format!("e-{n}"), &format!("r-{n}"), &format!("a-{n}"))).collect();
    let requests = Settling::new(&commits).requests();
    let sizes: Vec<usize> = requests.iter().map(|request| transaction(request).items.len()).collect();
    assert_eq!(sizes, [99, 54]);
}

#[test]
fn who_turns_out_to_have_been_committed_overtakes_like_any_other() {
    let commits = [saving("e-1", "a-1"), saving("e-2", "a-1")];
    let mut settling = Settling::new(&commits);
    cancel(&mut settling, |item| claim_of(0)(item).then_some(ItemAnswer::Claim(Standing::OursFinished)));
    assert!(settling.requests().is_empty(), "nobody has to be asked");
    assert_eq!(settling.outcomes(), [CommitOutcome::Committed, CommitOutcome::Conflict(account("a-1"))]);
}

#[test]
fn folded_claims_without_effects_are_a_transaction() {
    let folded = vec![Folded { claim: claim("e-1"), outgoing: Vec::new() }];
    let commits = [Commit { folded, ..bare(claim("e-2")) }];
    let request = only(Settling::new(&commits).requests());
    assert_eq!(transaction(&request).items.len(), 2);
}
