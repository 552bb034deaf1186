//! The payload to decode: a batch of ten orders, each about 1 KiB, as Lambda delivers them from SQS.

use serde_json::json;

/// The wrapping of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// The body is the CloudEvent.
    Bare,
    /// The body is an EventBridge event around it, as a rule sends it.
    EventBridge,
}

pub(crate) const FORMS: [Form; 2] = [Form::Bare, Form::EventBridge];

/// An `order.placed` with ten lines.
pub(crate) fn cloud_event(number: u32) -> String {
    let lines: Vec<String> = (0..10)
        .map(|line| {
            let price = 890 + line;
            format!(r#"{{"sku":"tea-green-{line}","quantity":{},"unit_price_cents":{price}}}"#, line + 1)
        })
        .collect();
    format!(
        r#"{{"specversion":"1.0","id":"7fc69ebd-2ad5-5927-a2c3-{number:012}","source":"shop","type":"order.placed","subject":"o-{number}","time":"2026-01-05T09:30:01Z","aggregatetype":"order","sequence":"{number:020}","correlationid":"web-{number}","causationid":"web-{number}","traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01","schemaversion":1,"datacontenttype":"application/json","data":{{"order_id":"o-{number}","customer":"Ada Lovelace","lines":[{}],"total":{{"cents":49170,"currency":"EUR"}}}}}}"#,
        lines.join(",")
    )
}

/// The event in its form.
pub(crate) fn body(form: Form, event: &str) -> String {
    match form {
        Form::Bare => event.to_owned(),
        Form::EventBridge => format!(
            r#"{{"version":"0","id":"6a7e8feb-b491-4cf7-a9f1-bf3703467718","detail-type":"order.placed","source":"shop","account":"111122223333","time":"2026-01-05T09:30:02Z","region":"eu-west-1","resources":[],"detail":{event}}}"#
        ),
    }
}

/// The payload of an invocation.
pub(crate) fn batch<'a>(bodies: impl IntoIterator<Item = &'a str>) -> String {
    let records: Vec<_> = bodies
        .into_iter()
        .enumerate()
        .map(|(number, body)| {
            json!({
                "messageId": format!("059f36b4-87a3-44ab-83d2-{number:012}"),
                "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a".repeat(5),
                "body": body,
                "attributes": {
                    "ApproximateReceiveCount": "1",
                    "SentTimestamp": "1545082649183",
                    "SenderId": "AIDAIENQZJOLO23YVJ4VO",
                    "ApproximateFirstReceiveTimestamp": "1545082649185"
                },
                "messageAttributes": {},
                "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3",
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:eu-west-1:111122223333:orders",
                "awsRegion": "eu-west-1"
            })
        })
        .collect();
    json!({ "Records": records }).to_string()
}

/// Ten different orders.
pub(crate) fn ten_orders(form: Form) -> String {
    let bodies: Vec<String> = (0..10).map(|number| body(form, &cloud_event(1001 + number))).collect();
    batch(bodies.iter().map(String::as_str))
}
