//! The payload that Lambda hands to a function.

use serde_json::{Value, json};

/// The ARN of the queue that batches come from.
pub const QUEUE_ARN: &str = "arn:aws:sqs:us-east-1:000000000000:laboratory";

/// A batch of SQS records with these bodies, each received so many times. The message ids are the bodies'
/// places in the batch: the same batch again has the same ids.
pub fn sqs_event<'a>(bodies: impl IntoIterator<Item = &'a str>, receives: u32) -> Vec<u8> {
    let records: Vec<Value> =
        bodies.into_iter().enumerate().map(|(place, body)| record(place, body, receives)).collect();
    json!({ "Records": records }).to_string().into_bytes()
}

/// A record as SQS and Lambda make it: some 600 bytes around the body.
fn record(place: usize, body: &str, receives: u32) -> Value {
    json!({
        "messageId": format!("059f36b4-87a3-44ab-83d2-{place:012}"),
        "receiptHandle": format!("AQEB{place:0>180}"),
        "body": body,
        "attributes": {
            "ApproximateReceiveCount": receives.to_string(),
            "SentTimestamp": "1767605400000",
            "SenderId": "AIDAIENQZJOLO23YVJ4VO",
            "ApproximateFirstReceiveTimestamp": "1767605400010",
        },
        "messageAttributes": {},
        "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3",
        "eventSource": "aws:sqs",
        "eventSourceARN": QUEUE_ARN,
        "awsRegion": "us-east-1",
    })
}
