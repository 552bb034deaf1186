//! Entities: what is saved comes back, wherever it is kept.

use super::{
    LedgerUnderTest,
    fixtures::{Shelf, Stock, account, at, bare, claim, commit, event, fields, load, load_all, read, save},
};
use serde_json::{Value, json};
use throughline_core::{
    EntityKey, Version,
    internal::item::{item_of, read_item},
    ledger::{Attribute, Commit, CommitOutcome},
};

/// Answers are found by their place, and a key may be asked for twice.
pub async fn loading_keeps_the_order_and_says_what_is_missing(ledger: &dyn LedgerUnderTest) {
    let saves = ["a-1", "a-2", "a-3"]
        .map(|id| save(account(id), Version::Absent, &json!({"balance": id.len()})))
        .to_vec();
    commit(ledger, &Commit { saves, ..bare(claim("e-1")) }).await;
    let keys = ["a-3", "a-9", "a-1", "a-3", "a-8", "a-2"].map(account);
    let loaded = load_all(ledger, &keys).await;
    let ids: Vec<_> =
        loaded.iter().map(|stored| stored.as_ref().map(|stored| stored.data["id"].clone())).collect();
    let expected = [Some("a-3"), None, Some("a-1"), Some("a-3"), None, Some("a-2")];
    assert_eq!(ids, expected.map(|id| id.map(Attribute::from)));
}

/// No limit of one request is the caller's concern.
pub async fn more_entities_than_one_request_holds_are_loaded(ledger: &dyn LedgerUnderTest) {
    for chunk in 0..3 {
        let saves = (0..80).map(|at| save(account(&format!("a-{chunk}-{at}")), Version::Absent, &json!({})));
        let commit_of_many = Commit { saves: saves.collect(), ..bare(claim(&format!("e-{chunk}"))) };
        assert_eq!(commit(ledger, &commit_of_many).await, CommitOutcome::Committed);
    }
    let keys: Vec<_> =
        (0..3).flat_map(|chunk| (0..90).map(move |at| account(&format!("a-{chunk}-{at}")))).collect();
    let loaded = load_all(ledger, &keys).await;
    for (key, stored) in keys.iter().zip(&loaded) {
        let id = stored.as_ref().map(|stored| &stored.data["id"]);
        let place: usize = key.id.rsplit('-').next().and_then(|text| text.parse().ok()).expect("a number");
        assert_eq!(id, (place < 80).then(|| Attribute::from(key.id.as_str())).as_ref());
    }
}

/// Not even a request is needed.
pub async fn loading_nothing_finds_nothing(ledger: &dyn LedgerUnderTest) {
    assert_eq!(ledger.ledger().load(&[]).await, []);
}

/// Numbers at their limits, what is empty, what is nested, and names that mean something to a database.
pub async fn every_kind_of_json_comes_back_as_it_was(ledger: &dyn LedgerUnderTest) {
    let data = json!({
        "largest": u64::MAX,
        "smallest": i64::MIN,
        "beyond doubles": 9_007_199_254_740_993_u64,
        "zero": 0,
        "fractions": [0.1, -1.5, 1.0e-7, 2.345_678_901_234_567, 1.0e21],
        "truth": [true, false],
        "nothing": null,
        "empty": { "text": "", "list": [], "map": {} },
        "nested": { "list": [{ "of": ["maps", { "in": [null, [1, [2]]] }] }] },
        "text": "ünïcode 🦀 \"quoted\"\n\u{0}\u{7f}",
        "state": "a reserved word",
        "size": 1,
        "#name": 1,
        ":value": 1,
        "with.dot": 1,
        "attribute_exists(pk)": 1,
    });
    let saved = Commit { saves: vec![save(account("a-1"), Version::Absent, &data)], ..bare(claim("e-1")) };
    assert_eq!(commit(ledger, &saved).await, CommitOutcome::Committed);
    let loaded = fields(ledger, &account("a-1")).await;
    assert_eq!(loaded, saved.saves[0].data);
    assert_eq!(read_item::<Value>(&loaded).expect("JSON")["beyond doubles"], data["beyond doubles"]);
}

/// One transaction, several tables.
pub async fn an_entity_in_a_table_of_ones_own_commits_with_the_rest(ledger: &dyn LedgerUnderTest) {
    let stock = || EntityKey::of::<Stock>("book");
    let takes = |id: &str, expected, amount: u32| {
        let claim = claim(id);
        Commit {
            saves: vec![
                save(stock(), expected, &json!({"amount": amount})),
                save(account(id), Version::Absent, &json!({"balance": 1})),
            ],
            outgoing: vec![event(&claim, "account.charged", id, None)],
            ..bare(claim)
        }
    };
    assert_eq!(commit(ledger, &takes("e-1", Version::Absent, 5)).await, CommitOutcome::Committed);
    assert_eq!(load(ledger, &stock()).await.expect("saved").version, at(1));
    assert_eq!(commit(ledger, &takes("e-2", at(7), 4)).await, CommitOutcome::Conflict(stock()));
    assert_eq!(load(ledger, &account("e-2")).await, None);
    assert_eq!(commit(ledger, &takes("e-2", at(1), 4)).await, CommitOutcome::Committed);
    assert_eq!(
        fields(ledger, &stock()).await,
        item_of(&json!({"sku": "book", "amount": 4})).expect("an item")
    );
    let loaded = load_all(ledger, &[account("e-2"), stock()]).await;
    assert!(loaded.iter().all(Option::is_some), "from two tables in one call");
    assert_eq!(ledger.log().await.len(), 2);
}

/// The sort key says what kind of item it is.
pub async fn an_entity_in_a_table_with_a_sort_key_is_saved_and_loaded(ledger: &dyn LedgerUnderTest) {
    let shelf = EntityKey::of::<Shelf>("north-1");
    let saved = Commit {
        reads: vec![read(EntityKey::of::<Shelf>("north-2"), Version::Absent)],
        saves: vec![save(shelf.clone(), Version::Absent, &json!({"skus": ["book"]}))],
        ..bare(claim("e-1"))
    };
    assert_eq!(commit(ledger, &saved).await, CommitOutcome::Committed);
    let stored = load(ledger, &shelf).await.expect("saved");
    assert_eq!((stored.version, stored.data), (at(1), saved.saves[0].data.clone()));
}

/// Teams arrive with tables: what is in them can be loaded, checked and saved.
pub async fn an_item_of_another_program_is_unversioned_and_can_be_saved(ledger: &dyn LedgerUnderTest) {
    ledger.put_as_another_program(&Stock { sku: "book".into(), amount: 5 }).await;
    let stock = EntityKey::of::<Stock>("book");
    let stored = load(ledger, &stock).await.expect("it is there");
    assert_eq!(stored.version, Version::Unversioned);
    assert_eq!(stored.data["amount"], Attribute::from(5));
    let reads = Commit { reads: vec![read(stock.clone(), Version::Unversioned)], ..bare(claim("e-1")) };
    assert_eq!(commit(ledger, &reads).await, CommitOutcome::Committed);
    let saves = Commit {
        saves: vec![save(stock.clone(), Version::Unversioned, &json!({"amount": 4}))],
        ..bare(claim("e-2"))
    };
    assert_eq!(commit(ledger, &saves).await, CommitOutcome::Committed);
    let stored = load(ledger, &stock).await.expect("saved");
    assert_eq!((stored.version, &stored.data["amount"]), (at(1), &Attribute::from(4)));
}

/// The first save gives it a version, and the second must know it.
pub async fn an_item_that_got_a_version_meanwhile_is_a_conflict(ledger: &dyn LedgerUnderTest) {
    ledger.put_as_another_program(&Stock { sku: "book".into(), amount: 5 }).await;
    let stock = EntityKey::of::<Stock>("book");
    let takes = |id: &str| Commit {
        saves: vec![save(stock.clone(), Version::Unversioned, &json!({"amount": 4}))],
        ..bare(claim(id))
    };
    assert_eq!(commit(ledger, &takes("e-1")).await, CommitOutcome::Committed);
    assert_eq!(commit(ledger, &takes("e-2")).await, CommitOutcome::Conflict(stock.clone()));
    let reads = Commit { reads: vec![read(stock.clone(), Version::Unversioned)], ..bare(claim("e-3")) };
    assert_eq!(commit(ledger, &reads).await, CommitOutcome::Conflict(stock));
}
