use super::*;
use crate::testing::{Answer, Fake, error};
use serde_json::{Value, json};
use throughline_core::Version;
use throughline_core::ledger::Save;
use throughline_testing::conformance::fixtures::{
    Stock, account, bare, claim, leased, opening, owner, read, save,
};

fn ledger(fake: &Fake) -> DynamoLedger {
    DynamoLedger::new(Client::new(&fake.config()), "ledger", BTreeMap::new())
}

async fn commit_one(answers: Vec<Answer>, commit: &Commit) -> (CommitOutcome, Vec<Value>) {
    let fake = Fake::new(answers);
    let mut outcomes = ledger(&fake).commit(std::slice::from_ref(commit)).await;
    (outcomes.remove(0), fake.requests())
}

/// A cancelled transaction with these codes, one an item.
fn cancelled(codes: &[&str]) -> Answer {
    let reasons: Vec<Value> = codes.iter().map(|code| json!({ "Code": code, "Message": "why" })).collect();
    let body = json!({
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "Message": "Transaction cancelled",
        "CancellationReasons": reasons,
    });
    (400, body)
}

/// The same, and the claim that is in the way.
fn cancelled_by_claim(item: &Value, codes: &[&str]) -> Answer {
    let (status, mut body) = cancelled(codes);
    body["CancellationReasons"][0]["Item"] = item.clone();
    (status, body)
}

/// A commit of four items: the claim, a read, a save and an event.
fn four_items() -> Commit {
    Commit { reads: vec![read(account("a-2"), Version::Absent)], ..opening(claim("e-1")) }
}

#[tokio::test]
async fn the_request_token_is_kept_for_a_requests_retries_and_drawn_anew_for_the_next() {
    let fake =
        Fake::new([(500, json!({ "__type": "InternalServerError" })), (200, json!({})), (200, json!({}))]);
    let commits = opening(claim("e-1"));
    for _ in 0..2 {
        let outcomes = ledger(&fake).commit(std::slice::from_ref(&commits)).await;
        assert_eq!(outcomes, [CommitOutcome::Committed]);
    }
    let tokens: Vec<_> = fake
        .requests()
        .iter()
        .map(|request| request["ClientRequestToken"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!((tokens.len(), tokens[0].len()), (3, 36));
    assert_eq!(tokens[0], tokens[1], "a retry is the same request");
    assert_ne!(tokens[1], tokens[2], "the same commit sent again is another request");
}

#[tokio::test]
async fn the_claim_is_first_then_what_was_read_saved_and_sent() {
    let (_, requests) = commit_one(vec![(200, json!({}))], &four_items()).await;
    let items = requests[0]["TransactItems"].as_array().unwrap();
    let sort_keys: Vec<_> = items
        .iter()
        .map(|item| match item.get("ConditionCheck") {
            Some(check) => check["Key"]["sk"]["S"].clone(),
            None => item["Put"]["Item"]["sk"]["S"].clone(),
        })
        .collect();
    assert_eq!(sort_keys, ["claim", "state", "state", "event#00000000000000000001"]);
    assert_eq!(items[0]["Put"]["ReturnValuesOnConditionCheckFailure"], "ALL_OLD");
}

#[tokio::test]
async fn a_refusal_names_what_was_refused_and_what_helps() {
    let index = "One or more parameter values were invalid: Type mismatch for Index Key owner Expected: S Actual: NULL \
                 IndexName: by-owner";
    let reasons =
        ["None", "None", "ValidationError", "None"].map(|code| json!({ "Code": code, "Message": index }));
    let body = json!({
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "Message": "Transaction cancelled",
        "CancellationReasons": reasons,
    });
    let (outcome, _) = commit_one(vec![(400, body)], &four_items()).await;
    let CommitOutcome::Invalid(error) = outcome else { panic!("{outcome:?}") };
    let why = error.to_string();
    assert!(why.starts_with("account `a-1` cannot be stored: ValidationError: One or more"), "{why}");
    assert!(why.contains("Index Key owner") && why.contains("skip_serializing_if"), "{why}");

    let empty = "One or more parameter values are not valid. A value specified for a secondary index key is not \
                 supported. The AttributeValue for a key attribute cannot contain an empty string value. \
                 IndexName: by-owner, IndexKey: owner";
    let (outcome, _) = commit_one(vec![error_answer(empty)], &four_items()).await;
    let CommitOutcome::Invalid(error) = outcome else { panic!("{outcome:?}") };
    let why = error.to_string();
    assert!(why.starts_with("one of account `a-2`, account `a-1`, account.opened "), "{why}");
    assert!(why.contains("IndexKey: owner") && why.contains("String::is_empty"), "{why}");
}

/// The answer to a request that DynamoDB refuses whole.
fn error_answer(message: &str) -> Answer {
    error("ValidationException", message)
}

#[tokio::test]
async fn only_what_changed_is_written_where_others_write_too() {
    let stock = || EntityKey::of::<Stock>("book");
    let item = |fields: Value| throughline_core::internal::item::item_of(&fields).unwrap();
    let fields = json!({"sku": "book", "amount": 4, "title": "Emma", "new": 1});
    let loaded = json!({"sku": "book", "amount": 5, "title": "Emma", "old": 1});
    let own_tables = [("stock".to_owned(), "own".to_owned())];
    let saved = Save { others: Some(item(loaded).into()), ..save(stock(), Version::Unversioned, &fields) };
    let fake = Fake::new([(200, json!({}))]);
    let ledger = DynamoLedger::new(Client::new(&fake.config()), "ledger", own_tables.into());
    let commits = Commit { saves: vec![saved], ..bare(claim("e-1")) };
    assert_eq!(ledger.commit(std::slice::from_ref(&commits)).await, [CommitOutcome::Committed]);
    let update = &fake.requests()[0]["TransactItems"][1]["Update"];
    assert_eq!(update["Key"], json!({"sku": {"S": "book"}}));
    assert_eq!(update["UpdateExpression"], "SET #s0=:s0,#s1=:s1,#s2=:s2,#s3=:s3 REMOVE #r0");
    assert_eq!(
        update["ExpressionAttributeNames"],
        json!({
            "#pk": "sku", "#version": "_version", "#s0": "_version", "#s1": "_sequence", "#s2": "amount",
            "#s3": "new", "#r0": "old",
        })
    );
    assert_eq!(update["ConditionExpression"], "attribute_exists(#pk) AND attribute_not_exists(#version)");
}

#[tokio::test]
async fn a_commit_without_effects_is_no_transaction() {
    let (outcome, requests) = commit_one(vec![(200, json!({}))], &bare(claim("e-1"))).await;
    assert_eq!(outcome, CommitOutcome::Committed);
    assert!(requests[0].get("TransactItems").is_none());
    assert_eq!(requests[0]["Item"]["state"]["S"], "done");
}

#[tokio::test]
async fn of_several_reasons_the_claims_decides_first_then_an_entitys_then_contention() {
    let done = json!({
        "state": { "S": "done" }, "owner": { "S": "another" }, "expires_at": { "N": "9999999999" },
        "payload_hash": { "S": claim("e-1").hash.as_str() },
    });
    let failed = "ConditionalCheckFailed";
    let conflict = "TransactionConflict";
    let by_claim = cancelled_by_claim(&done, &[failed, failed, failed, conflict]);
    assert_eq!(commit_one(vec![by_claim], &four_items()).await.0, CommitOutcome::Duplicate);
    let (outcome, _) =
        commit_one(vec![cancelled(&[conflict, "None", failed, conflict])], &four_items()).await;
    assert_eq!(outcome, CommitOutcome::Conflict(account("a-1")));
    let (outcome, _) = commit_one(vec![cancelled(&["None", failed, "None", "None"])], &four_items()).await;
    assert_eq!(outcome, CommitOutcome::Conflict(account("a-2")));
    let (outcome, _) =
        commit_one(vec![cancelled(&["None", "ValidationError", conflict, "None"])], &four_items()).await;
    assert!(matches!(outcome, CommitOutcome::Contended(_)), "{outcome:?}");
}

#[tokio::test]
async fn only_a_claim_that_is_in_the_way_makes_a_duplicate() {
    for (codes, wanted) in [
        (["None", "TransactionConflict", "None", "None"], "Contended"),
        (["ThrottlingError", "None", "None", "None"], "Contended"),
        (["None", "None", "ProvisionedThroughputExceeded", "None"], "Contended"),
        (["None", "None", "ValidationError", "None"], "Invalid"),
        (["None", "None", "ItemCollectionSizeLimitExceeded", "None"], "Invalid"),
        (["None", "None", "None", "ConditionalCheckFailed"], "Failed"),
        (["None", "None", "AccessDenied", "None"], "Failed"),
        (["None", "None", "None", "None"], "Failed"),
        // The claim's condition failed and nothing says why: not knowing is no duplicate.
        (["ConditionalCheckFailed", "None", "None", "None"], "Failed"),
    ] {
        let (outcome, _) = commit_one(vec![cancelled(&codes)], &four_items()).await;
        assert!(format!("{outcome:?}").starts_with(wanted), "{codes:?}: {outcome:?}");
    }
}

#[tokio::test]
async fn errors_of_the_whole_request_mean_what_their_codes_say() {
    for (code, message, wanted) in [
        ("ThrottlingException", "slow down", "Contended"),
        ("TransactionInProgressException", "wait", "Contended"),
        ("ValidationException", "Item size has exceeded the maximum allowed size", "Invalid"),
        ("ValidationException", "The provided key element does not match the schema", "Failed"),
        ("ResourceNotFoundException", "no table", "Failed"),
        ("AccessDeniedException", "not yours", "Failed"),
    ] {
        for commit in [four_items(), bare(claim("e-1"))] {
            let (outcome, _) = commit_one(vec![error(code, message); 5], &commit).await;
            let text = format!("{outcome:?}");
            assert!(text.starts_with(wanted) && text.contains(message), "{code}: {outcome:?}");
        }
    }
}

#[tokio::test]
async fn a_retried_claim_that_finds_itself_is_held() {
    let ours = leased("e-1");
    let item = |owner: &str| {
        json!({
            "state": { "S": "leased" }, "owner": { "S": owner }, "leased_until_ms": { "N": "4102444860000" },
            "payload_hash": { "S": ours.hash.as_str() }, "expires_at": { "N": "9999999999" },
        })
    };
    let refused = |item: Value| {
        let mut refusal = error("ConditionalCheckFailedException", "The conditional request failed");
        refusal.1["Item"] = item;
        refusal
    };
    let lost_answer = (500, json!({ "__type": "InternalServerError" }));
    let fake = Fake::new([lost_answer, refused(item(ours.owner.as_str())), refused(item(owner().as_str()))]);
    let ledger = ledger(&fake);
    assert_eq!(ledger.claim(std::slice::from_ref(&ours)).await, [ClaimOutcome::Held]);
    let until = ours.leased_until.unwrap();
    assert_eq!(ledger.claim(std::slice::from_ref(&ours)).await, [ClaimOutcome::Busy { until }]);
}

#[tokio::test(start_paused = true)]
async fn keys_that_an_answer_left_out_are_asked_for_again_and_not_for_ever() {
    let key = |id: &str| json!({ "pk": { "S": format!("account#{id}") }, "sk": { "S": "state" } });
    let left_out = |ids: &[&str]| {
        let keys: Vec<Value> = ids.iter().map(|id| key(id)).collect();
        json!({ "ledger": { "Keys": keys, "ConsistentRead": true } })
    };
    let items = |ids: &[&str]| json!({ "ledger": ids.iter().map(|id| key(id)).collect::<Vec<_>>() });
    let first = json!({ "Responses": items(&["a-1"]), "UnprocessedKeys": left_out(&["a-2"]) });
    let second = json!({ "Responses": items(&["a-2"]), "UnprocessedKeys": {} });
    let fake = Fake::new([(200, first), (200, second)]);
    let keys = [account("a-2"), account("a-1"), account("a-2")];
    let loaded = ledger(&fake).load(&keys).await;
    assert!(loaded.iter().all(|found| matches!(found, Ok(Some(_)))));
    let requests = fake.requests();
    let asked = |at: usize| requests[at]["RequestItems"]["ledger"]["Keys"].as_array().unwrap().len();
    assert_eq!((requests.len(), asked(0), asked(1)), (2, 2, 1), "each key is asked for once a request");
    assert_eq!(requests[0]["RequestItems"]["ledger"]["ConsistentRead"], true);

    let nothing = json!({ "Responses": {}, "UnprocessedKeys": left_out(&["a-1"]) });
    let fake = Fake::new(vec![(200, nothing); 100]);
    let error = ledger(&fake).load(&[account("a-1")]).await.remove(0).unwrap_err();
    assert!(error.to_string().contains("throttled"), "{error}");
}

#[tokio::test]
async fn no_request_asks_for_more_keys_than_dynamodb_allows() {
    let nothing = (200, json!({ "Responses": {}, "UnprocessedKeys": {} }));
    let fake = Fake::new(vec![nothing; 2]);
    let keys: Vec<_> = (0..101).map(|number| account(&format!("a-{number}"))).collect();
    assert_eq!(ledger(&fake).load(&keys).await, vec![Ok(None); 101]);
    let requests = fake.requests();
    let asked = |at: usize| requests[at]["RequestItems"]["ledger"]["Keys"].as_array().unwrap().len();
    assert_eq!((requests.len(), asked(0) + asked(1)), (2, 101));
    assert!(asked(0) <= 100 && asked(1) <= 100);
}

#[tokio::test]
async fn a_servers_own_failure_says_nothing_about_the_commit_and_its_claim_does() {
    let commit = opening(claim("e-1"));
    let failure = (500, json!({ "__type": "InternalServerError" }));
    let finished = json!({
        "pk": { "S": commit.claim.key.as_str() }, "sk": { "S": "claim" }, "state": { "S": "done" },
        "owner": { "S": commit.claim.owner.as_str() }, "expires_at": { "N": "9999999999" },
    });
    let found = (200, json!({ "Responses": { "ledger": [finished] }, "UnprocessedKeys": {} }));
    let answers = vec![failure.clone(), failure.clone(), failure, found];
    assert_eq!(commit_one(answers, &commit).await.0, CommitOutcome::Committed);
}

#[tokio::test]
async fn a_lease_that_cannot_be_written_spoils_no_other() {
    let invalid = error("ValidationException", "One or more parameter values were invalid");
    let fake = Fake::new([invalid.clone(), (200, json!({})), invalid]);
    let taken = ledger(&fake).claim(&[leased("e-1"), leased("e-2")]).await;
    assert!(matches!(taken[..], [ClaimOutcome::Held, ClaimOutcome::Failed(_)]), "{taken:?}");
}

#[tokio::test]
async fn a_release_that_fails_says_so_and_one_that_comes_too_late_does_not() {
    let too_late = error("ConditionalCheckFailedException", "The conditional request failed");
    let fake = Fake::new([too_late]);
    assert_eq!(ledger(&fake).release(&[leased("e-1")]).await, Ok(()));
    let fake = Fake::new([error("AccessDeniedException", "not yours")]);
    assert!(ledger(&fake).release(&[leased("e-1")]).await.is_err());
}

#[test]
fn what_the_stream_brings_is_what_was_written() {
    let claim = claim("e-1");
    let written = &opening(claim.clone()).outgoing[0];
    let item = items::message_item(&claim, 0, written).unwrap();
    let image: serde_json::Map<String, Value> =
        item.iter().map(|(name, value)| (name.clone(), json!({ "S": value.as_s().unwrap() }))).collect();
    assert_eq!(&outgoing_from_stream_image(&Value::Object(image)).unwrap(), written);
    assert_eq!(&outgoing_from_item(&item).unwrap(), written);
}

#[test]
fn what_is_no_message_says_what_is_missing() {
    let envelope = r#"{"specversion":"1.0","id":"1","source":"s","type":"t"}"#;
    for (image, why) in [
        (json!({}), "no text `envelope`"),
        (json!({ "envelope": { "S": envelope } }), "no text `destination`"),
        (json!({ "envelope": { "S": "{" }, "destination": { "S": "bus" } }), "no CloudEvent"),
        (json!({ "envelope": { "S": envelope }, "destination": { "S": "moon" } }), "`moon`"),
    ] {
        let error = outgoing_from_stream_image(&image).unwrap_err();
        assert!(error.contains(why), "{image}: {error}");
    }
}

#[test]
fn a_version_that_is_none_of_ours_is_an_error_and_not_a_guess() {
    let item = Item::from([("_version".to_owned(), items::text("v2"))]);
    assert!(items::stored(&item, true).unwrap_err().contains("_version"));
    let address = Address::in_ledger("ledger", "account#a-1".into(), layout::STATE);
    let data = save(account("a-1"), Version::Absent, &json!({ "balance": 1 }));
    let item = items::entity_item(&address, &data);
    let stored = items::stored(&item, true).unwrap();
    assert_eq!((stored.version.next(), stored.data), (2, data.data));
}

#[test]
fn a_logical_name_becomes_a_setting() {
    assert_eq!(
        setting_name("THROUGHLINE_COMMAND_QUEUE_", "place-order"),
        "THROUGHLINE_COMMAND_QUEUE_PLACE_ORDER"
    );
}

#[test]
fn a_logical_name_is_found_however_its_setting_was_spelt() {
    let names = [("order-lines".to_owned(), "real".to_owned())].into();
    for name in ["order-lines", "order_lines", "Order-Lines"] {
        assert_eq!(by_logical_name(&names, name).map(String::as_str), Some("real"), "{name}");
    }
    assert_eq!(by_logical_name(&names, "orders"), None);
}

/// Three commits of two items each: their claims, their saves.
fn three_commits() -> Vec<Commit> {
    let one = |n: usize| {
        let saves = vec![save(account(&format!("a-{n}")), Version::Absent, &json!({ "balance": n }))];
        Commit { saves, ..bare(claim(&format!("e-{n}"))) }
    };
    (0..3).map(one).collect()
}

#[tokio::test]
async fn a_reason_in_any_position_of_a_batch_harms_its_own_commit_alone() {
    for (code, wanted) in [
        ("TransactionConflict", "Contended"),
        ("ThrottlingError", "Contended"),
        ("ValidationError", "Invalid"),
    ] {
        for position in 0..6 {
            let codes: Vec<&str> = (0..6).map(|at| if at == position { code } else { "None" }).collect();
            let fake = Fake::new([cancelled(&codes), (200, json!({}))]);
            let outcomes = ledger(&fake).commit(&three_commits()).await;
            for (n, outcome) in outcomes.iter().enumerate() {
                let wanted = if n == position % 3 { wanted } else { "Committed" };
                assert!(format!("{outcome:?}").starts_with(wanted), "{code} at {position}: {outcomes:?}");
            }
            let sent = fake.requests();
            let sizes: Vec<usize> =
                sent.iter().map(|request| request["TransactItems"].as_array().unwrap().len()).collect();
            assert_eq!(sizes, [6, 4], "{code} at {position}");
        }
    }
}

#[tokio::test]
async fn a_statement_that_fails_in_any_position_is_its_own_alone() {
    let commits: Vec<Commit> = (0..3).map(|n| bare(claim(&format!("e-{n}")))).collect();
    for (code, wanted) in [
        ("ThrottlingError", "Contended"),
        ("RequestLimitExceeded", "Contended"),
        ("TransactionConflict", "Contended"),
        ("ValidationError", "Invalid"),
        ("AccessDenied", "Failed"),
        ("InternalServerError", "Failed"),
    ] {
        for position in 0..3 {
            let answer = |at: usize| {
                if at == position {
                    json!({ "Error": { "Code": code, "Message": "why" } })
                } else {
                    json!({})
                }
            };
            let fake = Fake::new([(200, json!({ "Responses": [answer(0), answer(1), answer(2)] }))]);
            let outcomes = ledger(&fake).commit(&commits).await;
            for (n, outcome) in outcomes.iter().enumerate() {
                let wanted = if n == position { wanted } else { "Committed" };
                assert!(format!("{outcome:?}").starts_with(wanted), "{code} at {position}: {outcomes:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_statement_that_got_no_answer_is_not_called_done() {
    let commits: Vec<Commit> = (0..3).map(|n| bare(claim(&format!("e-{n}")))).collect();
    let fake = Fake::new([(200, json!({ "Responses": [{}] }))]);
    let outcomes = ledger(&fake).commit(&commits).await;
    assert_eq!(outcomes[0], CommitOutcome::Committed);
    assert!(outcomes[1..].iter().all(|outcome| matches!(outcome, CommitOutcome::Failed(_))), "{outcomes:?}");
}

#[tokio::test]
async fn a_batch_that_is_refused_whole_is_tried_one_by_one_only_if_that_can_help() {
    let refusal = error("ValidationException", "Item size has exceeded the maximum allowed size");
    let fake = Fake::new([refusal.clone(), (200, json!({})), refusal, (200, json!({}))]);
    let outcomes = ledger(&fake).commit(&three_commits()).await;
    let committed = outcomes.iter().filter(|outcome| **outcome == CommitOutcome::Committed).count();
    let invalid = outcomes.iter().filter(|outcome| matches!(outcome, CommitOutcome::Invalid(_))).count();
    assert_eq!((committed, invalid), (2, 1), "{outcomes:?}");
    let fake = Fake::new([error("AccessDeniedException", "not yours")]);
    let outcomes = ledger(&fake).commit(&three_commits()).await;
    assert!(outcomes.iter().all(|outcome| matches!(outcome, CommitOutcome::Failed(_))), "{outcomes:?}");
    assert_eq!(fake.requests().len(), 1);
}

#[tokio::test]
async fn statements_say_what_the_put_of_the_same_claim_says() {
    let (one, two) = (bare(claim("e-1")), bare(claim("e-2")));
    let fake = Fake::new([(200, json!({ "Responses": [{}, {}] })), (200, json!({}))]);
    ledger(&fake).commit(&[one.clone(), two]).await;
    ledger(&fake).commit(&[one]).await;
    let requests = fake.requests();
    let (statement, put) = (&requests[0]["Statements"][0], &requests[1]["Item"]);
    let text = statement["Statement"].as_str().unwrap();
    let names = text.split_once('{').unwrap().1.trim_end_matches('}').split(',');
    let names: Vec<&str> = names.map(|name| name.trim_end_matches(":?").trim_matches('\'')).collect();
    let values = statement["Parameters"].as_array().unwrap();
    assert_eq!((names.len(), values.len()), (put.as_object().unwrap().len(), names.len()));
    for (name, value) in names.into_iter().zip(values) {
        if name != layout::FINISHED_AT {
            assert_eq!(*value, put[name], "{name}");
        }
    }
}
