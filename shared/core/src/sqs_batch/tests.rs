use super::{SqsBatch, scan};
use proptest::{prelude::*, sample::Index};
use serde_json::json;

fn payload(body: &str, group: Option<&str>) -> String {
    let mut attributes = json!({ "ApproximateReceiveCount": "2", "SentTimestamp": "1545082649183" });
    if let Some(group) = group {
        attributes["MessageGroupId"] = group.into();
    }
    let record = json!({
        "messageId": "m-1",
        "receiptHandle": "r-1",
        "body": body,
        "attributes": attributes,
        "messageAttributes": {
            "n": { "stringValue": "\u{1}", "dataType": "String", "binaryListValues": [] },
            "b": { "binaryValue": "AAEC", "dataType": "Binary", "stringListValues": [] },
        },
        "md5OfBody": "0",
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-west-1:1:q",
        "awsRegion": "eu-west-1"
    });
    json!({ "Records": [record, record] }).to_string()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn a_batch_is_scanned_as_serde_json_reads_it(body in any::<String>(), group in any::<Option<String>>()) {
        let payload = payload(&body, group.as_deref());
        let batch = scan(&payload);
        prop_assert!(batch.is_some());
        prop_assert_eq!(batch.as_ref().map(|batch| &*batch.records[1].body), Some(&*body));
        prop_assert_eq!(batch, serde_json::from_str(&payload).ok());
    }

    #[test]
    fn a_damaged_batch_is_not_taken_for_a_sound_one(
        at in any::<Index>(), byte in prop::sample::select(b"\"\\{}[],:0a \n\x01".to_vec()),
    ) {
        let mut damaged = payload(r#"{"a":"b"}"#, Some("g")).into_bytes();
        let at = at.index(damaged.len());
        damaged[at] = byte;
        let damaged = String::from_utf8(damaged).unwrap();
        if let Some(batch) = scan(&damaged) {
            prop_assert_eq!(Some(batch), serde_json::from_str(&damaged).ok());
        }
        prop_assert_eq!(SqsBatch::read(&damaged).ok(), serde_json::from_str(&damaged).ok());
    }
}

#[test]
fn what_is_no_batch_says_why() {
    for (payload, why) in [
        (r#"{"detail":{}}"#.to_owned(), "missing field `Records`"),
        (r#"{"Records":[{"messageId":"m-1"}]}"#.into(), "missing field `receiptHandle`"),
        (payload("b", None).replace(r#""m-1""#, "1"), "invalid type: integer `1`"),
        (payload("b", None).replace(r#""md5OfBody""#, r#""body""#), "duplicate field `body`"),
    ] {
        let error = SqsBatch::read(&payload).unwrap_err().to_string();
        assert!(error.contains(why), "{payload}: {error}");
    }
    // LocalStack and older samples leave some of it out.
    let sparse = r#"{"Records":[{"messageId":"m","receiptHandle":"r","body":"b","eventSourceARN":"q",
        "attributes":{"ApproximateReceiveCount":"1","AWSTraceHeader":"Root=1","Unheard-of":"x"},"messageAttributes":null}]}"#;
    let batch = SqsBatch::read(sparse).unwrap();
    let delivery = batch.records[0].delivery();
    assert_eq!((delivery.message_attributes, delivery.trace_header), (None, Some("Root=1")));
    assert_eq!(delivery.attributes().len(), 0);
    let with_attributes = payload("b", None);
    let batch = SqsBatch::read(&with_attributes).unwrap();
    let delivery = batch.records[1].delivery();
    assert_eq!(
        (delivery.attribute("n").as_deref(), delivery.attribute("b").as_deref()),
        (Some("\u{1}"), Some("AAEC"))
    );
    assert_eq!(delivery.sent_timestamp, Some("1545082649183"));
    let without_group = payload("b", Some("g")).replace(r#""g""#, "null");
    assert_eq!(SqsBatch::read(&without_group).unwrap().records[0].attributes.message_group_id, None);
}
