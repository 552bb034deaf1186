use super::*;
use crate::{Never, Raw};
use serde::Deserialize;
use serde_json::{Value, json};

const ORIGIN: Origin<'static> = Origin { message_id: "m-1", source: "arn:aws:sqs:eu-west-1:1:q" };
const BARE: &str = r#"{"specversion":"1.0","id":"e-1","source":"shop","type":"t","data":{"n":1}}"#;
const TOPIC: &str = "arn:aws:sns:eu-west-1:1:orders";

fn wrapped(body: &str) -> String {
    format!(
        r#"{{"version":"0","id":"eb-1","detail-type":"t","source":"aws.x","account":"1","time":"2026-01-02T03:04:05Z","region":"eu-west-1","resources":["arn:aws:x"],"replay-name":"again","detail":{body}}}"#
    )
}

fn notification(body: &str) -> String {
    json!({
        "Type": "Notification", "MessageId": "n-1", "TopicArn": TOPIC, "Subject": "an order", "Message": body,
        "Timestamp": "2026-01-02T03:04:06.789Z", "SignatureVersion": "1", "Signature": "x",
        "MessageAttributes": { "tenant": { "Type": "String", "Value": "t-1" } },
    })
    .to_string()
}

fn without(json: &str, member: &str) -> String {
    let mut value: Value = serde_json::from_str(json).unwrap();
    value.as_object_mut().unwrap().remove(member).unwrap();
    value.to_string()
}

fn refusal(body: &str) -> DecodeError {
    open(body, WireForm::CloudEvent, ORIGIN).expect_err(body)
}

fn raw<T: serde::de::DeserializeOwned + std::fmt::Debug + Clone + Send + Sync + 'static>(
    body: &str,
) -> Envelope<Raw<T>> {
    decode::<Raw<T>>(body, ORIGIN).unwrap_or_else(|error| panic!("{body}: {error}")).envelope
}

fn identity(body: &str) -> [String; 3] {
    let Attributes { id, source, message_type, .. } = raw::<Value>(body).attributes;
    [id, source, message_type]
}

#[test]
fn every_wrapping_of_a_cloud_event_is_opened() {
    let after_a_mark = format!("\u{feff}{BARE}");
    for body in [
        BARE.into(),
        wrapped(BARE),
        notification(BARE),
        notification(&wrapped(BARE)),
        notification(&notification(BARE)),
        notification(&after_a_mark),
        after_a_mark,
        format!("\r\n {BARE}\r\n"),
    ] {
        let envelope =
            open(&body, WireForm::CloudEvent, ORIGIN).unwrap_or_else(|error| panic!("{body}: {error}"));
        assert_eq!(envelope.attributes.id, "e-1", "{body}");
        assert_eq!(envelope.data.get(), r#"{"n":1}"#);
    }
    let replayed = open(&wrapped(BARE), WireForm::CloudEvent, ORIGIN).unwrap();
    assert_eq!(replayed.attributes.replay_name.as_deref(), Some("again"));
}

#[test]
fn other_bodies_say_what_they_are() {
    let test_event =
        r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Time":"t","Bucket":"b","RequestId":"r"}"#;
    let record = r#"{"messageId":"m","receiptHandle":"r","body":"secret","eventSource":"aws:sqs"}"#;
    let of_kinesis = r#"{"eventSource":"aws:kinesis","eventID":"s:1","data":"secret"}"#;
    let pointer = |class| format!(r#"["{class}",{{"s3BucketName":"b","s3Key":"secret"}}]"#);
    let pointers = [
        "software.amazon.payloadoffloading.PayloadS3Pointer",
        "com.amazon.sqs.javamessaging.MessageS3Pointer",
    ]
    .map(pointer);
    for (body, error_type, says) in [
        ("{", "MalformedBody", "not JSON"),
        ("", "MalformedBody", "the body is empty"),
        ("[1]", "MalformedBody", "an array and no CloudEvent"),
        ("7", "MalformedBody", "a number and no CloudEvent"),
        (r#"{"hello":"secret"}"#, "MalformedBody", "takes Raw<T>"),
        (&BARE.replacen(r#""id""#, "\"x\u{1}\":1,\"id\"", 1), "MalformedBody", "not JSON: control character"),
        (&format!("[{BARE},{BARE}]"), "MalformedBody", "a batch of CloudEvents"),
        (&pointers[0], "MalformedBody", "payload in S3"),
        (&pointers[1], "MalformedBody", "payload in S3"),
        (&format!("[{record}]"), "MalformedBody", "EventBridge pipe"),
        (&wrapped(record), "MalformedEnvelope", "a record of a pipe's source"),
        (&wrapped(of_kinesis), "MalformedEnvelope", "a record of a pipe's source"),
        (&wrapped(r#""{}""#), "MalformedEnvelope", "is text, not an object"),
        (&wrapped(r#"["secret"]"#), "MalformedEnvelope", "an array, not an object"),
        (&wrapped("{}"), "MalformedEnvelope", "takes Raw<T>"),
        (&wrapped(r#"{"state":"secret","type":{}}"#), "MalformedEnvelope", "takes Raw<T>"),
        (r#"{"specversion":"1.0","id":"1"}"#, "MalformedEnvelope", "`source`"),
        (&wrapped(r#"{"specversion":"1.0","id":"1"}"#), "MalformedEnvelope", "`source`"),
        (
            &BARE.replacen(r#""id":"e-1""#, r#""id":"e-1","id":"e-2""#, 1),
            "MalformedEnvelope",
            "`id` is given twice",
        ),
        (r#"{"detail-type":"t","detail":{}}"#, "MalformedBody", "it lacks `version`, `id`, `source`;"),
        (&without(&wrapped(BARE), "version"), "MalformedBody", "it lacks `version`;"),
        (&wrapped("{}").replacen(r#""eb-1""#, "7", 1), "MalformedBody", "it lacks `id` as a text;"),
        (r#"{"type":"a","type":"b"}"#, "MalformedBody", "an object and no CloudEvent"),
        (&wrapped(r#"{},"detail":{}"#), "MalformedBody", "`detail` is given twice"),
        (
            r#"{"Type":"Notification","Message":"secret"}"#,
            "MalformedBody",
            "it lacks `TopicArn`, `MessageId`;",
        ),
        (&notification("no json"), "MalformedBody", "not JSON"),
        (&notification(&notification(&notification(BARE))), "MalformedBody", "more than two of them"),
        (
            &format!(r#"{{"Type":"SubscriptionConfirmation","TopicArn":"{TOPIC}","Message":"secret"}}"#),
            "MalformedBody",
            "about a subscription",
        ),
        (
            &format!(r#"{{"version":"1.0","requestContext":{{"requestId":"r"}},"requestPayload":{BARE}}}"#),
            "MalformedBody",
            "Lambda's record of an asynchronous invocation",
        ),
        (test_event, "MalformedBody", "`s3:TestEvent`"),
        (r#"{"Records":[{"eventSource":"aws:s3","s3":{}}]}"#, "MalformedBody", "`Records` as S3 writes them"),
        (&format!(r#"{{"Records":[{record}]}}"#), "MalformedBody", "`Records` as an SQS queue writes them"),
    ] {
        let error = refusal(body);
        assert_eq!(error.error_type(), error_type, "{body}: {error}");
        assert!(error.to_string().contains(says), "{body}: {error}");
        assert!(!error.to_string().contains("secret"), "{body}: {error}");
        assert!(!error.is_transient());
    }
}

#[test]
fn a_cloud_event_in_binary_mode_is_told_by_its_attributes() {
    let json = r#"{"ce-specversion":{"stringValue":"1.0","dataType":"String"},"ce-id":{"stringValue":"1","dataType":"String"}}"#;
    for attributes in [json.to_owned(), json.replace("ce-", "ce_"), json.replace("ce-", "cloudEvents:")] {
        for body in [r#"{"n":1}"#, "text", "AAEC"] {
            let delivery = Delivery { message_attributes: Some(&attributes), ..Delivery::default() };
            let refused = decode_delivered::<Never>(body, ORIGIN, delivery).unwrap_err();
            assert!(refused.to_string().contains("binary mode (message attributes `c"), "{refused}");
        }
    }
}

#[test]
fn what_nobody_reads_keeps_no_body_from_being_read() {
    let deep = format!("{}1{}", "[".repeat(500), "]".repeat(500));
    for odd in [r#""\ud83d""#, "1e400", "18446744073709551617", &deep] {
        let odd_name = r#""\ud83d":1"#;
        for body in [
            wrapped(BARE).replacen('{', &format!(r#"{{"unread":{odd},{odd_name},"#), 1),
            wrapped(BARE).replacen(r#"["arn:aws:x"]"#, odd, 1),
            notification(BARE).replacen('{', &format!(r#"{{"unread":{odd},{odd_name},"#), 1),
        ] {
            let opened = open(&body, WireForm::CloudEvent, ORIGIN);
            assert_eq!(opened.unwrap_or_else(|error| panic!("{body}: {error}")).attributes.id, "e-1");
            assert_eq!(identity(&body)[0], "e-1", "{body}");
        }
    }
}

#[test]
fn raw_input_is_known_by_the_innermost_that_names_it() {
    let plain = r#"{"a":1}"#;
    let of_queue = ["m-1", ORIGIN.source, "raw"];
    let (of_event, of_bus, of_topic) = (["e-1", "shop", "t"], ["eb-1", "aws.x", "t"], ["n-1", TOPIC, "raw"]);
    for (body, expected) in [
        (plain.to_owned(), of_queue),
        (r#"{"id":"nightly","source":"us"}"#.into(), of_queue),
        (BARE.into(), of_event),
        (wrapped(BARE), of_event),
        (notification(&wrapped(BARE)), of_event),
        (wrapped(plain), of_bus),
        (wrapped(r#""{}""#), of_bus),
        (notification(&wrapped(plain)), of_bus),
        (notification(plain), of_topic),
        (notification("hello"), of_topic),
        (notification(&notification(plain)), of_topic),
    ] {
        assert_eq!(identity(&body), expected, "{body}");
        let named = named_in(&body).map(|named| [named.id, named.source, named.message_type]);
        assert_eq!(named, (expected != of_queue).then(|| expected.map(Into::into)), "{body}");
    }
}

#[test]
fn an_identity_that_is_none_is_passed_over() {
    let plain = r#"{"a":1}"#;
    for (from, to, expected) in [
        (r#""id":"eb-1""#, r#""id":"""#, "m-1"),
        (r#""source":"aws.x""#, r#""source":"""#, "m-1"),
        (r#""id":"eb-1""#, r#""id":7"#, "m-1"),
    ] {
        assert_eq!(identity(&wrapped(plain).replacen(from, to, 1))[0], expected, "{to}");
    }
    assert_eq!(identity(&notification(plain).replacen("n-1", "", 1))[0], "m-1");
    for (from, to) in
        [(r#""id":"e-1""#, r#""id":"""#), (r#""source":"shop","#, ""), (r#""id":"e-1""#, r#""id":7"#)]
    {
        assert_eq!(identity(&BARE.replacen(from, to, 1))[0], "m-1", "{to}");
        assert_eq!(identity(&wrapped(&BARE.replacen(from, to, 1)))[0], "eb-1", "{to}");
    }
}

#[test]
fn a_cloud_event_with_data_that_is_no_json_is_known_by_its_id() {
    let binary =
        BARE.replacen(r#""data":{"n":1}"#, r#""subject":"s","datacontenttype":"text/xml","data":"<a/>""#, 1);
    let attributes = raw::<Value>(&binary).attributes;
    assert_eq!((attributes.id.as_str(), attributes.subject.as_deref()), ("e-1", Some("s")));
}

#[test]
fn the_line_that_a_cloud_event_belongs_to_goes_on() {
    let body =
        BARE.replacen('{', r#"{"correlationid":"c-1","actor":"ada","time":"2026-01-01T00:00:00Z","#, 1);
    let attributes = raw::<Value>(&wrapped(&body)).attributes;
    assert_eq!((attributes.correlation_id.as_str(), attributes.actor.as_deref()), ("c-1", Some("ada")));
    assert_eq!(attributes.time.unwrap().to_string(), "2026-01-01T00:00:00Z");
    assert_eq!(attributes.replay_name.as_deref(), Some("again"));
}

#[test]
fn raw_data_is_the_detail_of_an_event_and_else_all_of_what_was_sent() {
    assert_eq!(raw::<Value>(&wrapped(r#"{"a":1}"#)).data.0, json!({ "a": 1 }));
    assert_eq!(raw::<Value>(&wrapped(BARE)).data.0["data"], json!({ "n": 1 }));
    assert_eq!(raw::<Value>(BARE).data.0["id"], "e-1");
    assert_eq!(raw::<Value>(&notification(r#"{"a":1}"#)).data.0, json!({ "a": 1 }));
    for body in [
        "[1,2]",
        r#"{"Records":[]}"#,
        "7",
        "null",
        r#"{"detail-type":"t","detail":{"a":1}}"#,
        r#"{"detail":{"a":1}}"#,
        r#"{"Type":"Notification","Message":"{}"}"#,
        r#"{"Type":"Notification","Message":"{}","TopicArn":"arn"}"#,
        &without(&wrapped("{}"), "id"),
        &without(&wrapped("{}"), "version"),
        &wrapped(r#"{},"id":"eb-2""#),
    ] {
        let envelope = open(body, WireForm::Plain, ORIGIN).unwrap();
        assert_eq!((envelope.attributes.id.as_str(), envelope.data.get()), ("m-1", body));
    }
}

#[test]
fn a_text_is_given_to_whoever_takes_one() {
    for (body, text) in [
        ("hello, world", "hello, world"),
        (" spaced \n", " spaced \n"),
        ("", ""),
        ("{ not quite", "{ not quite"),
        ("12:30", "12:30"),
        ("\u{feff}marked", "marked"),
        // JSON by accident, and JSON that is wanted as a string.
        ("42", "42"),
        ("null", "null"),
        (r#"{"a": 1}"#, r#"{"a": 1}"#),
        // A JSON string is read as the string that it means.
        (r#""quoted \"text\"""#, r#"quoted "text""#),
    ] {
        assert_eq!(raw::<String>(body).data.0, text);
        assert_eq!(raw::<String>(&notification(body)).data.0, text);
    }
    assert_eq!(raw::<Value>("42").data.0, json!(42), "who takes JSON is given JSON");
    assert_eq!(raw::<Value>("hello").data.0, json!("hello"));
}

#[test]
fn a_text_is_no_json_to_whoever_takes_json() {
    #[derive(Debug, Clone, Deserialize)]
    struct Upload {
        #[expect(dead_code, reason = "it is never read")]
        key: String,
    }
    for (body, error_type, says) in [
        ("hello", "MalformedBody", "the body is not JSON"),
        ("", "MalformedBody", "the body is empty"),
        (r#""hello""#, "MalformedData", "the data of `raw` is malformed"),
        ("{}", "MalformedData", "missing field `key`"),
    ] {
        let refused = decode::<Raw<Upload>>(body, ORIGIN).unwrap_err();
        assert_eq!(refused.error.error_type(), error_type);
        assert!(refused.to_string().contains(says), "{refused}");
        assert_eq!(refused.attributes.unwrap().id, "m-1");
    }
    let detail = decode::<Raw<String>>(&wrapped("{}"), ORIGIN).unwrap_err();
    assert_eq!(detail.error.error_type(), "MalformedData", "a detail is JSON, and no text");
}

#[test]
fn what_surrounds_raw_input_can_be_reached() {
    let attributes = r#"{
        "tenant":{"stringValue":"of the queue","stringListValues":[],"binaryListValues":[],"dataType":"String"},
        "cents":{"stringValue":"7","dataType":"Number.cents"},
        "key":{"binaryValue":"AAEC","dataType":"Binary"}
    }"#;
    let delivery = Delivery {
        message_attributes: Some(attributes),
        sent_timestamp: Some("1767323045000"),
        trace_header: Some("Root=1"),
    };
    let given = |body: &str| {
        let decoded: Decoded<'_, Raw<Value>> = decode_delivered(body, ORIGIN, delivery).unwrap();
        decoded.envelope
    };
    let plain = given("{}");
    let found = plain.surroundings();
    assert_eq!((found.delivered_to.as_str(), found.delivery_id.as_str()), (ORIGIN.source, "m-1"));
    assert_eq!(
        ["tenant", "cents", "key"].map(|name| found.attribute(name)),
        [Some("of the queue"), Some("7"), Some("AAEC")]
    );
    assert_eq!(found.message_attributes["cents"].data_type, "Number.cents");
    assert_eq!(found.sent_at.unwrap().to_string(), "2026-01-02T03:04:05Z");

    let notified = given(&notification(&wrapped("{}")));
    let found = notified.surroundings();
    assert_eq!(found.topic.as_deref(), Some(TOPIC));
    assert_eq!(found.notification_subject.as_deref(), Some("an order"));
    assert_eq!((found.attribute("tenant"), found.attribute("cents")), (Some("t-1"), Some("7")));
    assert_eq!(
        [&found.event_source, &found.detail_type, &found.account, &found.region].map(Option::as_deref),
        [Some("aws.x"), Some("t"), Some("1"), Some("eu-west-1")]
    );
    assert_eq!(found.resources, ["arn:aws:x"]);
    assert_eq!(found.sent_at.unwrap().to_string(), "2026-01-02T03:04:05Z", "the innermost says when");

    let made_by_a_test = Envelope { attributes: Attributes::new("1", "test", "raw"), data: Raw(()) };
    assert_eq!(made_by_a_test.surroundings().delivered_to, "");
}
