//! A whole line, read by its correlation id.

use crate::support::fresh;
use std::sync::Arc;
use throughline_core::ledger::Commit;
use throughline_operations::line::{ClaimState, follow_line};
use throughline_testing::conformance::fixtures::{after, bare, claim, commit, event, leased, take};

#[tokio::test]
async fn a_line_is_followed_over_all_its_pages() {
    let ledger = fresh().await;
    for round in 0..8 {
        let claim = claim(&format!("e-{round}"));
        let mut large = event(&claim, "account.noticed", "a-1", None);
        large.envelope.data = serde_json::value::to_raw_value(&"x".repeat(200 * 1024)).expect("JSON");
        commit(&ledger, &Commit { outgoing: vec![large], ..bare(claim) }).await;
    }
    take(&ledger, &leased("held")).await;
    let mut stranger = claim("stranger");
    Arc::make_mut(&mut stranger.message).correlation_id = "line-2".into();
    commit(&ledger, &bare(stranger)).await;
    let line = follow_line(&ledger.client, &ledger.table, "line-1").await.expect("a line");
    assert_eq!((line.claims.len(), line.messages.len()), (9, 8), "1.6 MB are two pages at least");
    let held = line.claims.iter().find(|claim| claim.message_id == "held").expect("the held one");
    assert_eq!(held.state, ClaimState::Leased { until: Some(after(60)) });
    let done = line.claims.iter().find(|claim| claim.message_id == "e-0").expect("a finished one");
    assert_eq!((done.state, done.handler.as_str(), done.attempt), (ClaimState::Done, "conformance", 1));
    assert!(done.finished_at.is_some());
}
