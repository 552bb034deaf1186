//! A wrong envelope is refused by the attribute's name, and a right one is read, in every form that a body has.

use serde::{Deserialize, Serialize};
use serde_json::json;
use throughline_core::{
    internal::decode::{self, Origin},
    prelude::*,
};
use throughline_testing::scenario;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Placed {
    order_id: String,
}

events! {
    /// Orders.
    enum OrderEvent of "order" { "order.placed" v1 => Placed(Placed.order_id) }
}

/// Each form around an event: a bare body, an EventBridge event, and notifications of SNS around both.
fn forms(event: &str) -> [String; 4] {
    let event_bridge = format!(
        r#"{{"version":"0","id":"d-1","detail-type":"order.placed","source":"shop","account":"111122223333","time":"2026-01-05T09:30:02Z","region":"eu-west-1","resources":[],"detail":{event}}}"#
    );
    let notification = |message: &str| {
        json!({
            "Type": "Notification",
            "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
            "TopicArn": "arn:aws:sns:eu-west-1:111122223333:orders",
            "Message": message,
            "Timestamp": "2026-01-05T09:30:02.000Z",
        })
        .to_string()
    };
    [event.to_owned(), event_bridge.clone(), notification(event), notification(&event_bridge)]
}

fn event(members: &str) -> String {
    format!(r#"{{"specversion":"1.0","id":"e-1","source":"shop","type":"order.placed",{members}}}"#)
}

fn decoded(body: &str) -> Result<Envelope<OrderEvent>, decode::Undecodable> {
    let origin = Origin { message_id: "m-1", source: "queue" };
    decode::decode(body, origin).map(|decoded| decoded.envelope)
}

async fn note(_: Envelope<OrderEvent>) -> Result<(), Failure> {
    Ok(())
}

#[tokio::test]
async fn a_record_whose_envelope_is_wrong_is_rejected_with_the_attribute_in_the_reason() {
    for (members, reason) in [
        (r#""id":"e-2","data":{"order_id":"o-1"}"#, "attribute `id` is given twice"),
        (
            r#""specversion":null,"id":"e-1","data":{"order_id":"o-1"}"#,
            "attribute `specversion` is given twice",
        ),
        (r#""source":"shop","data":{"order_id":"o-1"}"#, "attribute `source` is given twice"),
        (r#""time":"soon","data":{"order_id":"o-1"}"#, "attribute `time` is no RFC 3339 timestamp"),
        (r#""subject":7,"data":{"order_id":"o-1"}"#, "attribute `subject` is a number; it must be text"),
        (r#""vendor":1e400,"data":{"order_id":"o-1"}"#, "extension `vendor` holds a number beyond"),
        (r#""data_base64":"!""#, "`data_base64` is not Base64"),
        (r#""datacontenttype":"text/plain","data":"x""#, "attribute `datacontenttype` is `text/plain`"),
    ] {
        for body in forms(&event(members)) {
            let ran = scenario(handler_fn("note", note)).when_body(body).await;
            ran.then_rejected(&format!("not a valid CloudEvent: {reason}"));
        }
    }
}

#[tokio::test]
async fn a_record_with_what_other_programs_write_is_handled() {
    for members in [
        r#""schemaversion":"1","data":{"order_id":"o-1"}"#,
        r#""schemaversion":"1.2.0","data":{"order_id":"o-1"}"#,
        r#""actor":7,"sequence":"0001","correlationid":5,"data":{"order_id":"o-1"}"#,
        r#""vendor":null,"subject":null,"time":null,"data":{"order_id":"o-1"}"#,
        r#""Type":"x","Message":7,"detail":null,"data":{"order_id":"o-1"}"#,
        r#""data_base64":"eyJvcmRlcl9pZCI6Im8tMSJ9""#,
        r#""data":{"order_id":"o-1"},"vendor":{"type":"Buffer","data":[0,1,255]}"#,
    ] {
        for body in forms(&event(members)) {
            scenario(handler_fn("note", note)).when_body(body).await.then_done();
        }
    }
}

#[test]
fn a_byte_order_mark_comes_before_a_body_of_every_form() {
    let event = event(r#""data":{"order_id":"o-1"}"#);
    for body in
        forms(&event).into_iter().chain(forms(&format!("\u{feff}{event}")).into_iter().skip(2).step_by(2))
    {
        for body in [format!("\u{feff}{body}"), format!("\u{feff}\r\n{body}\r\n")] {
            assert_eq!(decoded(&body).unwrap_or_else(|error| panic!("{body}: {error}")).attributes.id, "e-1");
        }
    }
}

#[test]
fn what_nobody_reads_may_hold_what_few_can_read() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for unread in
        [r#""\ud83d""#, r#"{"\ude00":"\ud83d\ud83d"}"#, "1e400", "-1e-400", "18446744073709551617", &deep]
    {
        let data = format!(r#"{{"note":{unread},"order_id":"o-1"}}"#);
        for last in ["", r#","schemaversion":1"#] {
            for body in forms(&event(&format!(r#""data":{data}{last}"#))) {
                let envelope = decoded(&body).unwrap_or_else(|error| panic!("{error}"));
                assert_eq!(envelope.data, OrderEvent::Placed(Placed { order_id: "o-1".into() }));
            }
        }
    }
}
