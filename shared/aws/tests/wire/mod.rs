//! The items in the table, and the refusals that only DynamoDB gives.

use crate::support::{LocalLedger, fresh, fresh_that_answers_no_write, text};
use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::json;
use std::{collections::HashMap, sync::Arc};
use throughline_aws::{DynamoLedger, ledger::layout};
use throughline_core::{
    EntityKey, Version,
    ledger::{Attribute, Claim, ClaimOutcome, Commit, CommitOutcome, Ledger as _, Number, Save},
};
use throughline_testing::conformance::{
    LedgerUnderTest as _,
    fixtures::{
        Shelf, Stock, account, after, bare, claim, command, commit, event, later, leased, load, opening,
        save, take,
    },
};

type Item = HashMap<String, AttributeValue>;

fn number(item: &Item, name: &str) -> i64 {
    item[name].as_n().expect("a number").parse().expect("whole")
}

async fn item_at(ledger: &LocalLedger, sort_key_prefix: &str) -> Item {
    let items = ledger.items().await;
    let mut found =
        items.into_iter().filter(|item| text(item, layout::SORT_KEY).starts_with(sort_key_prefix));
    found.next().unwrap_or_else(|| panic!("no item at {sort_key_prefix}"))
}

/// Returns the reason for which a commit cannot be stored.
async fn why_invalid(ledger: &LocalLedger, save: Save) -> String {
    let refused = Commit { saves: vec![save], ..bare(claim("e-1")) };
    match commit(ledger, &refused).await {
        CommitOutcome::Invalid(error) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_claims_lease_is_in_milliseconds_and_its_expiry_in_seconds() {
    let ledger = fresh().await;
    let held = leased("e-1");
    take(&ledger, &held).await;
    let item = item_at(&ledger, layout::CLAIM).await;
    assert_eq!(text(&item, layout::PARTITION_KEY), "claim#conformance#event#5:tests:e-1");
    assert_eq!(text(&item, layout::CLAIM_STATE), layout::LEASED);
    assert_eq!(number(&item, layout::LEASED_UNTIL), after(60).as_millisecond());
    assert_eq!(number(&item, layout::EXPIRES_AT), after(24 * 3600).as_second());
    commit(&ledger, &bare(held)).await;
    let item = item_at(&ledger, layout::CLAIM).await;
    assert_eq!(text(&item, layout::CLAIM_STATE), layout::DONE);
    assert!(!item.contains_key(layout::LEASED_UNTIL));
    assert!(!text(&item, layout::FINISHED_AT).is_empty());
}

#[tokio::test]
async fn the_events_of_a_saved_aggregate_are_kept_for_ever_at_its_key() {
    let ledger = fresh().await;
    commit(&ledger, &opening(claim("e-1"))).await;
    let item = item_at(&ledger, layout::EVENT_PREFIX).await;
    assert_eq!(text(&item, layout::PARTITION_KEY), "account#a-1");
    assert_eq!(text(&item, layout::SORT_KEY), "event#00000000000000000001");
    assert!(!item.contains_key(layout::EXPIRES_AT));
    assert_eq!(text(&item, layout::DESTINATION), "bus");
}

#[tokio::test]
async fn other_messages_are_at_the_claims_key_and_expire_with_it() {
    let ledger = fresh().await;
    let claim = claim("e-1");
    let outgoing =
        vec![event(&claim, "account.noticed", "a-1", None), command(&claim, "order.ship", "shipping")];
    commit(&ledger, &Commit { outgoing, ..bare(claim.clone()) }).await;
    for (prefix, ordinal, destination) in
        [(layout::EVENT_PREFIX, "0000", "bus"), (layout::COMMAND_PREFIX, "0001", "queue:shipping")]
    {
        let item = item_at(&ledger, prefix).await;
        assert_eq!(text(&item, layout::PARTITION_KEY), claim.key.as_str());
        assert_eq!(text(&item, layout::SORT_KEY), format!("{prefix}{ordinal}#{}", claim.owner.as_str()));
        assert_eq!(number(&item, layout::EXPIRES_AT), claim.expires_at.as_second());
        assert_eq!(text(&item, layout::DESTINATION), destination);
    }
}

#[tokio::test]
async fn a_correlation_id_that_cannot_be_indexed_does_not_stop_a_commit() {
    let ledger = fresh().await;
    for (id, correlation_id) in [("e-1", String::new()), ("e-2", "x".repeat(3000))] {
        let mut claim = claim(id);
        Arc::make_mut(&mut claim.message).correlation_id = correlation_id;
        let outgoing = vec![event(&claim, "account.noticed", "a-1", None)];
        assert_eq!(commit(&ledger, &Commit { outgoing, ..bare(claim) }).await, CommitOutcome::Committed);
    }
}

#[tokio::test]
async fn what_dynamodb_cannot_hold_is_invalid_and_leaves_no_claim() {
    let ledger = fresh().await;
    let too_large = save(account("a-1"), Version::Absent, &json!({ "text": "x".repeat(401 * 1024) }));
    let why = why_invalid(&ledger, too_large).await;
    assert!(why.to_lowercase().contains("size"), "{why}");
    let mut too_great = save(account("a-1"), Version::Absent, &json!({}));
    too_great.data.insert("number".into(), Attribute::Number(Number::new("1E+200").expect("a number")));
    why_invalid(&ledger, too_great).await;
    assert_eq!(ledger.items().await, []);
}

#[tokio::test]
async fn a_field_that_is_not_the_tables_sort_key_is_invalid() {
    let ledger = fresh().await;
    let mut wrong = save(EntityKey::of::<Shelf>("north"), Version::Absent, &json!({}));
    wrong.data.insert("what".into(), "box".into());
    let why = why_invalid(&ledger, wrong).await;
    assert!(why.contains("`what`") && why.contains("`shelf`"), "{why}");
}

#[tokio::test]
async fn a_whole_number_in_a_field_for_fractions_is_read_back() {
    let ledger = fresh().await;
    let saves = vec![save(account("a-1"), Version::Absent, &json!({ "rate": 5.0 }))];
    commit(&ledger, &Commit { saves, ..bare(claim("e-1")) }).await;
    let stored = load(&ledger, &account("a-1")).await.expect("saved");
    let rate: f64 = stored.data["rate"].read().expect("a number");
    assert!((rate - 5.0).abs() < f64::EPSILON);
}

#[tokio::test]
async fn an_event_whose_place_is_taken_says_what_must_have_happened() {
    let ledger = fresh().await;
    commit(&ledger, &opening(claim("e-1"))).await;
    let deleted = ledger.client.delete_item().table_name(&ledger.table);
    let deleted = deleted.key("pk", AttributeValue::S("account#a-1".into()));
    deleted.key("sk", AttributeValue::S(layout::STATE.into())).send().await.expect("deleted");
    let CommitOutcome::Failed(error) = commit(&ledger, &opening(claim("e-2"))).await else {
        panic!("an event was overwritten");
    };
    assert!(error.to_string().contains("event number 1 of account `a-1` already"), "{error}");
}

#[tokio::test]
async fn what_is_wrong_with_the_settings_is_no_messages_fault() {
    let ledger = fresh().await;
    let over = |table: &str| DynamoLedger::new(ledger.client.clone(), table, [].into());
    let with_effects = opening(claim("e-1"));
    let without_effects = bare(claim("e-2"));
    let missing = over("no-such-table").commit(&[with_effects, without_effects.clone()]).await;
    let with_other_keys = over(&ledger.stock_table).commit(&[without_effects]).await;
    for outcome in missing.into_iter().chain(with_other_keys) {
        assert!(matches!(outcome, CommitOutcome::Failed(_)), "{outcome:?}");
    }
    for table in ["no-such-table", &ledger.stock_table] {
        assert!(over(table).load(&[account("a-1")]).await[0].is_err(), "{table}");
    }
    let stock = EntityKey::of::<Stock>("book");
    let saves = vec![save(stock.clone(), Version::Absent, &json!({ "amount": 1 }))];
    let outcomes = over(&ledger.table).commit(&[Commit { saves, ..bare(claim("e-3")) }]).await;
    let [CommitOutcome::Failed(error)] = &outcomes[..] else { panic!("{outcomes:?}") };
    assert!(error.to_string().contains("THROUGHLINE_TABLE_STOCK"), "{error}");
    assert_eq!(over(&ledger.table).load(std::slice::from_ref(&stock)).await, [Err(error.clone())]);
    let saves = vec![save(stock, Version::Absent, &json!({ "amount": 1 }))];
    let both = [Commit { saves, ..bare(claim("e-4")) }, opening(claim("e-5"))];
    let outcomes = over(&ledger.table).commit(&both).await;
    assert!(matches!(outcomes[..], [CommitOutcome::Failed(_), CommitOutcome::Committed]), "{outcomes:?}");
}

#[tokio::test]
async fn an_entity_is_stored_as_native_attributes() {
    let ledger = fresh().await;
    let saves = vec![save(account("a-1"), Version::Absent, &json!({ "balance": 7, "tags": ["x"] }))];
    commit(&ledger, &Commit { saves, ..bare(Claim { attempt: 2, ..claim("e-1") }) }).await;
    let item = item_at(&ledger, layout::STATE).await;
    assert_eq!((number(&item, "balance"), number(&item, "_version"), number(&item, "_sequence")), (7, 1, 0));
    assert_eq!(item["tags"], AttributeValue::L(vec![AttributeValue::S("x".into())]));
    assert!(!item.contains_key(layout::EXPIRES_AT));
}

#[tokio::test]
async fn a_commit_that_is_never_answered_is_found_by_its_claim() {
    let ledger = fresh_that_answers_no_write().await;
    let committed = [CommitOutcome::Committed];
    let one = [opening(claim("e-1"))];
    assert_eq!(ledger.ledger.commit(&one).await, committed, "a transaction");
    let one = [bare(claim("e-2"))];
    assert_eq!(ledger.ledger.commit(&one).await, committed, "a put");
    let three = ["e-3", "e-4", "e-5"].map(|id| bare(claim(id)));
    assert_eq!(ledger.ledger.commit(&three).await, vec![CommitOutcome::Committed; 3], "statements");
    let again = three.map(|commit| bare(later(&commit.claim, 1)));
    assert_eq!(ledger.ledger.commit(&again).await, vec![CommitOutcome::Duplicate; 3]);
    assert_eq!(ledger.log().await.len(), 1);
}

#[tokio::test]
async fn a_lease_that_is_never_answered_is_found_by_its_token() {
    let ledger = fresh_that_answers_no_write().await;
    let claims = ["e-1", "e-2", "e-3"].map(leased);
    assert_eq!(ledger.ledger.claim(&claims[..1]).await, [ClaimOutcome::Held]);
    assert_eq!(ledger.ledger.claim(&claims).await, vec![ClaimOutcome::Held; 3]);
    let others = claims.clone().map(|claim| later(&claim, 1));
    assert_eq!(ledger.ledger.claim(&others).await, vec![ClaimOutcome::Busy { until: after(60) }; 3]);
    let finished = claims.map(bare);
    assert_eq!(ledger.ledger.commit(&finished).await, vec![CommitOutcome::Committed; 3]);
}

#[tokio::test]
async fn what_is_not_known_is_not_called_done() {
    let ledger = fresh_that_answers_no_write().await;
    ledger.ledger.commit(&[opening(claim("e-1"))]).await;
    // It is a conflict, and nobody says so.
    let outcomes = ledger.ledger.commit(&[opening(claim("e-2"))]).await;
    assert!(matches!(outcomes[..], [CommitOutcome::Failed(_)]), "{outcomes:?}");
    assert_eq!(ledger.log().await.len(), 1);
}

#[tokio::test]
async fn an_item_that_cannot_be_written_fails_itself_alone_wherever_it_is() {
    let ledger = fresh().await;
    let too_large = json!({ "text": "x".repeat(500 * 1024) });
    for position in 0..4 {
        let commits: Vec<Commit> = (0..4)
            .map(|n| {
                let fields = if n == position { too_large.clone() } else { json!({ "balance": n }) };
                let id = format!("a-{position}-{n}");
                let saves = vec![save(account(&id), Version::Absent, &fields)];
                Commit { saves, ..bare(claim(&format!("e-{position}-{n}"))) }
            })
            .collect();
        for (n, outcome) in ledger.ledger.commit(&commits).await.into_iter().enumerate() {
            let is_right = if n == position {
                matches!(outcome, CommitOutcome::Invalid(_))
            } else {
                outcome == CommitOutcome::Committed
            };
            assert!(is_right, "{position}/{n}: {outcome:?}");
        }
    }
}

#[tokio::test]
async fn a_key_that_cannot_be_one_fails_itself_alone() {
    let ledger = fresh().await;
    commit(&ledger, &opening(claim("e-1"))).await;
    let far_too_long = "x".repeat(5000);
    let keys = [account("a-1"), account(&far_too_long), account("a-2")];
    let loaded = ledger.ledger.load(&keys).await;
    assert!(matches!(&loaded[0], Ok(Some(_))), "{loaded:?}");
    assert!(loaded[1].is_err() && loaded[2] == Ok(None), "{loaded:?}");
}

#[tokio::test]
async fn a_table_that_is_missing_fails_those_alone_who_need_it() {
    let ledger = fresh().await;
    let own_tables = [("stock".to_owned(), "no-such-table".to_owned())].into();
    let half = DynamoLedger::new(ledger.client.clone(), &ledger.table, own_tables);
    let stock = EntityKey::of::<Stock>("book");
    let saves = vec![save(stock.clone(), Version::Absent, &json!({ "amount": 1 }))];
    let commits = [opening(claim("e-1")), Commit { saves, ..bare(claim("e-2")) }];
    let outcomes = half.commit(&commits).await;
    assert!(matches!(outcomes[..], [CommitOutcome::Committed, CommitOutcome::Failed(_)]), "{outcomes:?}");
    let loaded = half.load(&[account("a-1"), stock]).await;
    assert!(matches!(loaded[..], [Ok(Some(_)), Err(_)]), "{loaded:?}");
}
