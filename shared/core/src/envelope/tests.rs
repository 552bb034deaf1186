use super::*;
use serde_json::json;

const TRACE_PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn read(text: &str) -> Result<EncodedEnvelope, EnvelopeError> {
    EncodedEnvelope::from_json(text)
}

/// Returns a CloudEvent with these additional members.
fn with(members: &str) -> String {
    format!(r#"{{"specversion":"1.0","id":"1","source":"/x","type":"t",{members}}}"#)
}

fn attributes_with(members: &str) -> Attributes {
    read(&with(members)).unwrap_or_else(|error| panic!("{members}: {error}")).attributes
}

fn refused(text: &str) -> String {
    match read(text) {
        Ok(envelope) => panic!("{text} is read: {envelope:?}"),
        Err(error) => error.to_string(),
    }
}

/// Returns the JSON that is written of an envelope that was read, after asserting that it reads the same again.
fn handed_on(text: &str) -> Value {
    let envelope = read(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let written = serde_json::to_string(&envelope).unwrap();
    let again = read(&written).unwrap_or_else(|error| panic!("{written}: {error}"));
    assert_eq!(again.attributes, envelope.attributes, "{written}");
    assert_eq!(again.data.get(), envelope.data.get());
    serde_json::from_str(&written).unwrap()
}

#[test]
fn a_foreign_cloud_event_is_read_and_written_back_whole() {
    let text = with(r#""vendor":7,"data":[1.50, "\u00e9"]"#);
    let envelope = read(&text).unwrap();
    assert_eq!(envelope.attributes.correlation_id, "1");
    assert_eq!(envelope.attributes.schema_version, 1);
    assert_eq!(envelope.data.get(), r#"[1.50, "\u00e9"]"#, "data is not touched");
    assert_eq!(handed_on(&text)["vendor"], 7);
}

#[test]
fn an_attribute_that_is_null_is_unset() {
    let names = [
        "subject",
        "time",
        "dataschema",
        "datacontenttype",
        "data_base64",
        "aggregatetype",
        "sequence",
        "correlationid",
        "causationid",
        "traceparent",
        "tracestate",
        "actor",
        "replayname",
        "schemaversion",
        "vendor",
    ];
    let nulls = names.map(|name| format!(r#""{name}": null"#)).join(",");
    assert_eq!(attributes_with(&nulls), Attributes::new("1", "/x", "t"));
}

#[test]
fn a_required_attribute_that_is_missing_or_null_is_named() {
    for (text, why) in [
        (r#"{"id":"1","source":"s","type":"t"}"#, "attribute `specversion` is missing"),
        (r#"{"specversion":"1.0","source":"s","type":"t"}"#, "attribute `id` is missing"),
        (r#"{"specversion":"1.0","id":"1","source":null,"type":"t"}"#, "attribute `source` is missing"),
        (r#"{"specversion":"1.0","id":"1","source":"s"}"#, "attribute `type` is missing"),
        (r#"{"specversion":"1.0","id":null}"#, "attributes `id`, `source`, `type` are missing"),
        ("{}", "attributes `specversion`, `id`, `source`, `type` are missing"),
    ] {
        assert_eq!(refused(text), why, "{text}");
    }
}

#[test]
fn an_attribute_of_another_type_is_named_and_its_value_is_not_quoted() {
    for name in ["specversion", "id", "source", "type", "subject", "time", "dataschema", "datacontenttype"] {
        for (value, kind) in [
            ("4111", "a number"),
            ("true", "a boolean"),
            (r#"["4111"]"#, "an array"),
            (r#"{"a":4111}"#, "an object"),
        ] {
            let whole = json!({ "specversion": "1.0", "id": "1", "source": "s", "type": "t" });
            let mut whole = whole.as_object().unwrap().clone();
            whole.insert(name.to_owned(), serde_json::from_str(value).unwrap());
            let why = refused(&serde_json::to_string(&whole).unwrap());
            assert_eq!(why, format!("attribute `{name}` is {kind}; it must be text"));
        }
    }
}

#[test]
fn an_empty_attribute_is_refused_where_it_names_the_message_and_else_unset() {
    for (name, value) in [("id", "1"), ("source", "/x"), ("type", "t")] {
        let empty = with(r#""a":1"#).replacen(&format!("\"{value}\""), "\"\"", 1);
        assert_eq!(refused(&empty), format!("attribute `{name}` is empty"));
    }
    let unset = attributes_with(r#""subject":"","dataschema":"","datacontenttype":"""#);
    assert_eq!(unset, Attributes::new("1", "/x", "t"));
}

#[test]
fn what_is_given_twice_is_named_whatever_it_is() {
    for (members, name) in [
        (r#""id":"2""#, "id"),
        (r#""specversion":"1.0""#, "specversion"),
        (r#""\u0069d":"2""#, "id"),
        (r#""data":1,"data":1"#, "data"),
        (r#""x":1,"x":null"#, "x"),
        (r#""time":null,"time":null"#, "time"),
    ] {
        assert_eq!(refused(&with(members)), format!("attribute `{name}` is given twice"));
    }
}

#[test]
fn another_version_of_the_standard_is_named_before_all_else() {
    for version in ["0.3", "1.0.2", "1.1", "2.0", ""] {
        let text = format!(r#"{{"specversion":"{version}","data_base64":7,"time":9}}"#);
        assert_eq!(refused(&text), format!("attribute `specversion` is `{version}`; only `1.0` is read"));
    }
}

#[test]
fn a_value_that_is_not_ours_under_a_name_of_ours_is_kept_as_it_came() {
    for (name, value) in [
        ("actor", json!(7)),
        ("actor", json!("")),
        ("actor", json!({ "name": "ada" })),
        ("aggregatetype", json!(true)),
        ("causationid", json!(["a"])),
        ("replayname", json!(0)),
        ("traceparent", json!("no trace")),
        ("traceparent", json!(1)),
        ("tracestate", json!("a=\u{e9}")),
        ("correlationid", json!(5)),
        ("correlationid", json!("")),
        ("sequence", json!(7)),
        ("sequence", json!("7")),
        ("sequence", json!("0001")),
        ("sequence", json!("99999999999999999999")),
        ("sequence", json!("+0000000000000000007")),
        ("sequence", json!(18_446_744_073_709_551_615_u64)),
        ("schemaversion", json!("1.2.0")),
        ("schemaversion", json!("v1")),
        ("schemaversion", json!("01")),
        ("schemaversion", json!("+1")),
        ("schemaversion", json!("")),
        ("schemaversion", json!(0)),
        ("schemaversion", json!(-1)),
        ("schemaversion", json!(1.0)),
        ("schemaversion", json!(70_000)),
        ("schemaversion", json!("70000")),
        ("schemaversion", json!(true)),
    ] {
        let text = with(&format!(r#""{name}":{value},"data":1"#));
        let attributes = read(&text).unwrap_or_else(|error| panic!("{text}: {error}")).attributes;
        let mut expected = Attributes::new("1", "/x", "t");
        expected.extensions.insert(name.to_owned(), value.clone());
        assert_eq!(attributes, expected, "{text}: as if it were not given");
        assert_eq!(handed_on(&text)[name], value, "{text}");
    }
}

#[test]
fn what_the_framework_writes_itself_takes_the_place_of_a_foreign_value_of_that_name() {
    let mut envelope =
        read(&with(r#""replayname":7,"correlationid":5,"schemaversion":"v1","data":1"#)).unwrap();
    envelope.attributes.replay_name = Some("again".into());
    envelope.attributes.correlation_id = "c-1".into();
    envelope.attributes.schema_version = 2;
    let again = read(&serde_json::to_string(&envelope).unwrap()).unwrap().attributes;
    assert_eq!(
        (again.replay_name.as_deref(), &*again.correlation_id, again.schema_version),
        (Some("again"), "c-1", 2)
    );
    assert_eq!(again.extensions, BTreeMap::new());
}

#[test]
fn an_extension_in_the_code_cannot_give_an_attribute_twice() {
    let mut envelope = read(&with(r#""data":1"#)).unwrap();
    for name in ["id", "data", "data_base64", "specversion", "correlationid"] {
        envelope.attributes.extensions.insert(name.into(), "x".into());
    }
    envelope.attributes.correlation_id = "c-1".into();
    assert_eq!(read(&serde_json::to_string(&envelope).unwrap()).unwrap().attributes.correlation_id, "c-1");
}

#[test]
fn a_version_is_a_number_or_its_digits() {
    for (value, version) in [("1", 1), ("\"1\"", 1), ("2", 2), ("\"99\"", 99), ("65535", 65535)] {
        let attributes = attributes_with(&format!(r#""schemaversion":{value}"#));
        assert_eq!((attributes.schema_version, attributes.extensions.len()), (version, 0), "{value}");
    }
}

#[test]
fn extensions_that_the_standard_does_not_allow_are_kept_as_they_came() {
    let members = json!({
        "Xy": 1, "x-y": 2, "x_y": 3, "\u{e9}": 4, "": 5, "correlationId": "c", "ID": "2",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa": "x",
        "object": { "type": "Buffer", "data": [0, 1, 255] }, "array": [1, [null]], "float": 1.5, "exponent": 1e300,
        "large": 1_099_511_627_776_u64, "largest": u64::MAX, "smallest": i64::MIN, "minus": -0.0,
        "digits": { "18446744073709551616": 1.5 }, "text": "18446744073709551616 \\\" 1e999",
    });
    let object = members.to_string();
    let written = handed_on(&with(&object[1..object.len() - 1]));
    for (name, value) in members.as_object().unwrap() {
        assert_eq!(&written[name], value, "{name}");
    }
}

#[test]
fn an_extension_that_could_not_be_handed_on_as_it_came_is_refused_by_name() {
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    for (value, why) in [
        ("18446744073709551616", "an integer beyond 64 bits"),
        ("-9223372036854775809", "an integer beyond 64 bits"),
        (r#"{"a":["x \" 1",99999999999999999999]}"#, "an integer beyond 64 bits"),
        ("1e400", "a number beyond the range of a double"),
        ("[-1e400]", "a number beyond the range of a double"),
        (&deep, "more than 127 levels of nesting"),
    ] {
        for name in ["vendor", "actor", "sequence", "schemaversion"] {
            let refused = refused(&with(&format!(r#""{name}":{value}"#)));
            let expected = format!("extension `{name}` holds {why}: it could not be handed on as it is");
            assert_eq!(refused, expected, "{value}");
        }
    }
    for (name, value) in [("vendor", r#""\ud83d""#), ("vendor", r#"{"\ude00":1}"#), ("actor", r#""\ud83d""#)]
    {
        let expected = format!("attribute `{name}` holds half of a surrogate pair, which is no character");
        assert_eq!(refused(&with(&format!(r#""{name}":{value}"#))), expected);
    }
    for (text, named) in [
        (r#"{"specversion":"1.0","id":"\ud83d","source":"s","type":"t"}"#, "attribute `id`"),
        (r#"{"specversion":"\ud83d","id":"1","source":"s","type":"t"}"#, "attribute `specversion`"),
        (r#"{"specversion":"1.0","id":"1","source":"s","type":"t","\ud83d":1}"#, "an attribute's name"),
    ] {
        assert_eq!(refused(text), format!("{named} holds half of a surrogate pair, which is no character"));
    }
}

#[test]
fn a_time_is_read_in_every_spelling_of_one_instant() {
    for (text, expected) in [
        ("2026-01-05T09:30:01Z", "2026-01-05T09:30:01Z"),
        ("2026-01-05t09:30:01z", "2026-01-05T09:30:01Z"),
        ("2026-01-05 09:30:01Z", "2026-01-05T09:30:01Z"),
        ("2026-01-05T09:30:01.5+05:30", "2026-01-05T04:00:01.5Z"),
        ("2026-01-05T09:30:01-00:00", "2026-01-05T09:30:01Z"),
        ("2026-01-05T09:30:01.123456789Z", "2026-01-05T09:30:01.123456789Z"),
        ("2026-01-05T09:30:01.1234567899Z", "2026-01-05T09:30:01.123456789Z"),
        ("2026-01-05T09:30:01.123456789123456789+00:00", "2026-01-05T09:30:01.123456789Z"),
        ("2026-01-05T09:30:01,99999999999999999999Z", "2026-01-05T09:30:01.999999999Z"),
        ("2026-06-30T23:59:60Z", "2026-06-30T23:59:59Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
        ("20260105T093001Z", "2026-01-05T09:30:01Z"),
        ("2026-01-05T09:30Z", "2026-01-05T09:30:00Z"),
        ("2026-01-05T09:30:01,5Z", "2026-01-05T09:30:01.5Z"),
        ("2026-01-05T09:30:01+05", "2026-01-05T04:30:01Z"),
        ("2026-01-05T09:30:01+0530", "2026-01-05T04:00:01Z"),
        ("2026-01-05T09:30:01Z[UTC]", "2026-01-05T09:30:01Z"),
        ("1890-01-05T09:30:01+00:19:32", "1890-01-05T09:10:29Z"),
        ("+002026-01-05T09:30:01Z", "2026-01-05T09:30:01Z"),
    ] {
        let time = attributes_with(&format!(r#""time":"{text}""#)).time;
        assert_eq!(time.unwrap().to_string(), expected, "{text}");
    }
}

#[test]
fn a_time_that_names_no_instant_is_refused_by_name() {
    for text in [
        "",
        "yesterday",
        "2026-01-05",
        "2026-01-05T09:30:01",
        "2026-01-05T09:30:01.1234567891",
        "2026-02-30T09:30:01Z",
        "2026-01-05T09:30:01.Z",
        "2026-01-05T09:30:01é.5555555555Z",
        "9999-12-31T23:59:59Z",
        "1767605401",
    ] {
        assert_eq!(
            refused(&with(&format!(r#""time":"{text}""#))),
            "attribute `time` is no RFC 3339 timestamp with an offset, such as `2026-01-05T09:30:01Z`, up to the year 9999",
            "{text}"
        );
    }
}

#[test]
fn bytes_that_hold_json_are_data_where_the_content_type_allows_json() {
    for content_type in
        ["", r#""datacontenttype":"application/json","#, r#""datacontenttype":"a/b+JSON; x=y","#]
    {
        for (base64, data) in [
            ("eyJpZCI6ICJvLTEiLCAiYW1vdW50IjogMS4wfQ==", r#"{"id": "o-1", "amount": 1.0}"#),
            ("eyJpZCI6ICJvLTEiLCAiYW1vdW50IjogMS4wfQ", r#"{"id": "o-1", "amount": 1.0}"#),
            ("bnVsbA==", "null"),
            ("77u/Nw==", "7"),
            ("IDcK", "7"),
        ] {
            for null in ["", r#","data":null"#] {
                let text = with(&format!(r#"{content_type}"data_base64":"{base64}"{null}"#));
                assert_eq!(read(&text).unwrap().data.get(), data, "{text}");
            }
        }
    }
    let data = read(&with(r#""data_base64":null,"data":1"#)).unwrap().data;
    assert_eq!(data.get(), "1");
}

#[test]
fn bytes_that_hold_no_json_say_what_is_wrong_with_them() {
    let either = "although the content type says JSON, or says nothing, which means JSON";
    for (members, why) in [
        (r#""data_base64":"AA==""#, format!("`data_base64` holds text that is not JSON, {either}")),
        (r#""data_base64":"""#, format!("`data_base64` holds text that is not JSON, {either}")),
        (r#""data_base64":"AAH/""#, format!("`data_base64` holds bytes that are not UTF-8, {either}")),
        (r#""data_base64":"e30*""#, "`data_base64` is not Base64 as RFC 4648 has it".into()),
        (r#""data_base64":"e30=\n""#, "`data_base64` is not Base64 as RFC 4648 has it".into()),
        (r#""data_base64":"e30-_w==""#, "`data_base64` is not Base64 as RFC 4648 has it".into()),
        (r#""data_base64":"e""#, "`data_base64` is not Base64 as RFC 4648 has it".into()),
        (r#""data_base64":"\ud83d""#, "`data_base64` is not Base64 as RFC 4648 has it".into()),
        (r#""data_base64":{"type":"Buffer"}"#, "`data_base64` is an object; it must be text".into()),
        (r#""data_base64":7"#, "`data_base64` is a number; it must be text".into()),
        (r#""data_base64":"e30=","data":{}"#, "both `data` and `data_base64` are given".into()),
        (
            r#""data_base64":"e30=","datacontenttype":"application/octet-stream""#,
            "attribute `datacontenttype` is `application/octet-stream`; only JSON is read".into(),
        ),
    ] {
        assert_eq!(refused(&with(members)), why, "{members}");
    }
}

#[test]
fn a_content_type_that_is_not_json_is_named() {
    for content_type in
        ["text/plain", "application/xml", "application/jsonl", "json", "application/cbor; x=/json"]
    {
        for data in ["", r#","data":"x""#] {
            let text = with(&format!(r#""datacontenttype":"{content_type}"{data}"#));
            let why = format!("attribute `datacontenttype` is `{content_type}`; only JSON is read");
            assert_eq!(refused(&text), why);
        }
    }
    for content_type in
        ["application/json", "text/json", "Application/JSON ; charset=utf-8", "a/b+json", "/json"]
    {
        attributes_with(&format!(r#""datacontenttype":"{content_type}""#));
    }
}

#[test]
fn what_is_shown_of_a_name_from_outside_is_one_short_line() {
    let long = "a\\n\\u0000".repeat(1_000);
    let why = refused(&with(&format!(r#""{long}":1,"{long}":1"#)));
    assert!(!why.contains(['\n', '\0']) && why.chars().count() < 200, "{why}");
}

#[test]
fn what_is_no_object_says_what_it_is() {
    for (text, why) in [
        ("[]", "it is an array, and a CloudEvent is an object"),
        (" null", "it is null, and a CloudEvent is an object"),
        ("\"{}\"", "it is text, and a CloudEvent is an object"),
        ("-1", "it is a number, and a CloudEvent is an object"),
        ("false", "it is a boolean, and a CloudEvent is an object"),
        ("", "it is not JSON: EOF while parsing a value at line 1 column 0"),
        ("[", "it is not JSON: EOF while parsing a list at line 1 column 1"),
        ("{} {}", "it is not JSON: trailing characters at line 1 column 4"),
    ] {
        assert_eq!(refused(text), why, "{text}");
    }
}

#[test]
fn a_byte_order_mark_and_white_space_around_the_body_are_left_out() {
    let body = with(r#""data":1"#);
    for text in [format!("\u{feff}{body}"), format!("\u{feff}\r\n {body}\r\n\t"), format!("\n{body}\n")] {
        let (read, plain) = (read(&text).unwrap(), read(&body).unwrap());
        assert_eq!((read.attributes, read.data.get()), (plain.attributes, "1"), "{text:?}");
    }
}

#[test]
fn data_is_not_judged_by_who_only_reads_the_envelope() {
    let deep = format!("{}{}", "[".repeat(1_000_000), "]".repeat(1_000_000));
    for data in [r#"{"a":"\ud83d"}"#, r#"{"\ude00":1e400}"#, "18446744073709551617", "-1e400", &deep] {
        assert_eq!(read(&with(&format!(r#""data": {data} "#))).unwrap().data.get(), data);
    }
}

#[test]
fn trace_context_is_read_and_written_as_a_pair() {
    let text = with(&format!(r#""traceparent":"{TRACE_PARENT}","tracestate":"vendor=1,other=2""#));
    let attributes = read(&text).unwrap().attributes;
    assert_eq!(attributes.trace_parent.as_deref(), Some(TRACE_PARENT));
    assert_eq!(attributes.trace_state.as_deref(), Some("vendor=1,other=2"));
    assert_eq!(handed_on(&text)["tracestate"], "vendor=1,other=2");
}

#[test]
fn a_message_that_names_a_trace_stays_in_it_whatever_surrounds_it() {
    let around = TraceContext { trace_parent: TRACE_PARENT.into(), trace_state: Some("vendor=1".into()) };
    let other = TRACE_PARENT.replace("0af7", "1af7");
    let mut named = attributes_with(&format!(r#""traceparent":"{other}""#));
    named.continue_trace(Some(&around));
    assert_eq!((named.trace_parent, named.trace_state), (Some(other), None));
    let mut unnamed = attributes_with(r#""traceparent":"none","tracestate":"own""#);
    unnamed.continue_trace(None);
    assert_eq!(unnamed.trace_parent, None);
    unnamed.continue_trace(Some(&around));
    assert_eq!(
        (unnamed.trace_parent.as_deref(), unnamed.trace_state.as_deref()),
        (Some(TRACE_PARENT), Some("vendor=1"))
    );
}

#[test]
fn what_vendors_note_of_a_trace_goes_on_within_that_trace_alone() {
    let cause = attributes_with(&format!(r#""traceparent":"{TRACE_PARENT}","tracestate":"vendor=1""#));
    let caused = |cause: &Attributes| cause.caused("2", "shop", "t", 1, Timestamp::UNIX_EPOCH);
    let caused_without_span = caused(&cause);
    assert_eq!(caused_without_span.trace_state.as_deref(), Some("vendor=1"));
    let within = TRACE_PARENT.replace("b7ad", "c7ad");
    let mut emitted = caused(&cause);
    emitted.enter_trace(&within);
    assert_eq!((emitted.trace_parent, emitted.trace_state.as_deref()), (Some(within), Some("vendor=1")));
    let elsewhere = TRACE_PARENT.replace("0af7", "1af7");
    let mut emitted = caused(&cause);
    emitted.enter_trace(&elsewhere);
    assert_eq!((emitted.trace_parent, emitted.trace_state), (Some(elsewhere), None));
    assert_eq!(caused(&attributes_with(r#""tracestate":"vendor=1""#)).trace_state, None);
}

#[test]
fn an_envelope_within_other_json_is_read_the_same() {
    #[derive(serde::Deserialize)]
    struct Task {
        start: EncodedEnvelope,
    }
    let body = with(r#""actor":7,"data":{"a":1.5}"#);
    let task: Task = serde_json::from_str(&format!(r#"{{"start":{body}}}"#)).unwrap();
    assert_eq!(
        (&task.start.attributes, task.start.data.get()),
        (&read(&body).unwrap().attributes, r#"{"a":1.5}"#)
    );
    let value: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(serde_json::from_value::<EncodedEnvelope>(value).unwrap().attributes, task.start.attributes);
    let error = serde_json::from_str::<EncodedEnvelope>(&with(r#""subject":7"#)).unwrap_err().to_string();
    assert_eq!(error, "attribute `subject` is a number; it must be text");
}

#[test]
fn a_message_that_names_no_trace_goes_on_with_that_of_its_delivery() {
    let around = TraceContext::from_x_ray("Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8");
    let mut attributes = Attributes::new("e-1", "shop", "order.placed");
    attributes.continue_trace(around.as_ref());
    let trace_parent = "00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-00";
    assert_eq!(attributes.trace_parent.as_deref(), Some(trace_parent));
}
