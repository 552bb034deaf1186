//! Messages that are taken as they come, by the main path.

use serde::Deserialize;
use serde_json::json;
use throughline_core::prelude::*;
use throughline_testing::scenario;

async fn read_line(line: Envelope<Raw<String>>) -> Result<(), Failure> {
    if line.data.0.starts_with("bad") { Err(Failure::reject("a bad line")) } else { Ok(()) }
}

#[derive(Debug, Clone, Deserialize)]
struct Uploads {
    #[serde(rename = "Records", default)]
    records: Vec<serde_json::Value>,
}

async fn archive(uploads: Envelope<Raw<Uploads>>) -> Result<(), Failure> {
    if uploads.data.0.records.len() > 1 { Err(Failure::reject("one at a time")) } else { Ok(()) }
}

#[tokio::test(start_paused = true)]
async fn a_text_is_handled_as_it_is() {
    for line in ["hello, world", "{ not quite JSON", "42", "\u{feff}marked", ""] {
        scenario(raw("read-line", read_line)).when_body(line).await.then_done();
    }
    scenario(raw("read-line", read_line)).when_body("bad: \"x\"").await.then_rejected("a bad line");
}

#[tokio::test(start_paused = true)]
async fn whoever_takes_json_has_a_text_rejected_as_such() {
    let archive = || raw("archive", archive);
    scenario(archive()).when_body("hello").await.then_rejected("the body is not JSON");
    scenario(archive()).when_body("").await.then_rejected("the body is empty");
    let test_event = r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"b"}"#;
    scenario(archive()).when_body(test_event).await.then_done();
}

#[tokio::test(start_paused = true)]
async fn what_another_program_calls_a_notification_or_a_detail_is_its_own() {
    for body in [
        json!({ "Type": "Notification", "Message": "{}", "Records": [] }),
        json!({ "detail-type": "x", "detail": { "Records": [1, 2] }, "Records": [] }),
    ] {
        scenario(raw("archive", archive)).when_body(body.to_string()).await.then_done();
    }
    let of_aws = json!({
        "version": "0", "id": "e-1", "source": "aws.s3", "detail-type": "x", "detail": { "Records": [1, 2] },
    });
    scenario(raw("archive", archive)).when_body(of_aws.to_string()).await.then_rejected("one at a time");
}

#[tokio::test(start_paused = true)]
async fn an_object_that_no_reader_takes_is_not_given_as_a_text_to_whoever_takes_any_json() {
    async fn take(_: Envelope<Raw<serde_json::Value>>) -> Result<(), Failure> {
        Ok(())
    }
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    for body in [r#"{"a":1e400}"#, r#"{"a":"\ud800"}"#, &deep] {
        let wrapped = json!({ "Type": "Notification", "MessageId": "s-1", "TopicArn": "t", "Message": body });
        for body in [body.to_owned(), wrapped.to_string()] {
            scenario(raw("take", take))
                .when_body(&body)
                .await
                .then_rejected("the data of `raw` is malformed");
            scenario(raw("read-line", read_line)).when_body(body).await.then_done();
        }
    }
    scenario(raw("take", take)).when_body("just a line").await.then_done();
}
