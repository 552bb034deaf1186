use super::super::{Decoded, decode_step_by_step};
use crate::{commands, delivery::Delivery, events};
use proptest::{prelude::*, sample::Index};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Placed {
    id: String,
    #[serde(default)]
    lines: Vec<u32>,
}

events! {
    /// Orders.
    enum OrderEvent of "order" { "placed" v1 => Placed(Placed.id) }
}

fn one_pass(body: &str) -> Option<Decoded<'_, OrderEvent>> {
    super::decode(body)
}

fn step_by_step(body: &str) -> Option<Decoded<'_, OrderEvent>> {
    decode_step_by_step(body, Delivery::default()).ok()
}

/// The members of an envelope, first as they should be, then each in forms as it should not be.
const MEMBERS: &[&str] = &[
    r#""specversion":"1.0""#,
    r#""id":"e-1""#,
    r#""source":"shop""#,
    r#""type":"placed""#,
    r#""subject":"o-1""#,
    r#""schemaversion":1"#,
    r#""data":{"id":"o-1","lines":[1,2]}"#,
    // The members from here on are optional.
    r#""sequence":"00000000000000000007""#,
    r#""time":"2026-01-05T09:30:01Z""#,
    r#""datacontenttype":"application/json""#,
    r#""correlationid":"c-1""#,
    r#""causationid":"e-0""#,
    r#""aggregatetype":"order""#,
    r#""dataschema":"urn:x""#,
    r#""traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01""#,
    r#""tracestate":"vendor=1""#,
    r#""actor":"a\u00c4\n""#,
    r#""replayname":"r""#,
    r#""vendor":7"#,
    // The members from here on are rare or wrong.
    r#""vendor":{"a":[1,2.5,"x"]}"#,
    r#""vendor":null"#,
    r#""vendor":-0"#,
    r#""vendor":18446744073709551616"#,
    r#""traceparent":"00-0a-b7-01""#,
    r#""correlationid":"""#,
    r#""actor":7"#,
    r#""sequence":"b""#,
    r#""sequence":7"#,
    r#""specversion":"0.3""#,
    r#""specversion":null"#,
    r#""id":"""#,
    r#""id":5"#,
    r#""source":null"#,
    r#""type":"lost""#,
    r#""subject":null"#,
    r#""subject":[]"#,
    r#""schemaversion":2"#,
    r#""schemaversion":"1""#,
    r#""data":{"id":1}"#,
    r#""data":null"#,
    r#""data_base64":"AA==""#,
    r#""datacontenttype":"application/vnd.x+json""#,
    r#""datacontenttype":"text/xml""#,
    r#""time":"yesterday""#,
    r#""time":null"#,
    r#""detail":{}"#,
    r#""detail":"x""#,
    r#""detail-type":"placed""#,
    r#""replay-name":"again""#,
    r#""replay-name":7"#,
    r#""Type":"Notification""#,
    r#""Message":"{}""#,
    r#""\u0069d":"e-2""#,
];

/// The members of an EventBridge event around its detail.
const AROUND: [&str; 4] = [r#""version":"0""#, r#""id":"d-1""#, r#""source":"shop""#, r#""detail-type":"t""#];

/// Generates an object of the required members in any order, with up to four others among them.
fn object() -> impl Strategy<Value = String> {
    let needed = Just(MEMBERS[..7].to_vec());
    let others = prop::collection::vec(prop::sample::select(MEMBERS), 0..4);
    let dropped = prop::option::weighted(0.2, any::<Index>());
    (needed, others, dropped, any::<bool>())
        .prop_flat_map(|(mut members, others, dropped, keeps_order)| {
            if let Some(dropped) = dropped {
                members.remove(dropped.index(members.len()));
            }
            let at = members.len().saturating_sub(1);
            members.splice(at..at, others);
            if keeps_order { Just(members).boxed() } else { Just(members).prop_shuffle().boxed() }
        })
        .prop_map(|members| format!("{{{}}}", members.join(", ")))
}

fn body() -> impl Strategy<Value = String> {
    let wrapped = (object(), prop::collection::vec(prop::sample::select(MEMBERS), 0..2), any::<bool>())
        .prop_map(|(detail, others, is_last)| {
            let mut members: Vec<_> = AROUND.iter().map(ToString::to_string).collect();
            members.extend(others.into_iter().map(Into::into));
            let at = if is_last { members.len() } else { 0 };
            members.insert(at, format!(r#""detail":{detail}"#));
            format!("{{{}}}", members.join(","))
        });
    prop_oneof![object(), wrapped]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn what_one_pass_takes_is_what_one_step_after_the_other_takes(body in body()) {
        if let Some(decoded) = one_pass(&body) {
            prop_assert_eq!(Some(decoded), step_by_step(&body));
        }
    }

    #[test]
    fn a_damaged_body_is_not_taken_for_a_sound_one(
        body in body(), at in any::<Index>(), byte in prop::sample::select(b"\"\\{}[],:0a \n\x01".to_vec()),
    ) {
        let at = at.index(body.len());
        let mut damaged = body.into_bytes();
        damaged[at] = byte;
        if let Ok(damaged) = String::from_utf8(damaged)
            && let Some(decoded) = one_pass(&damaged)
        {
            prop_assert_eq!(Some(decoded), step_by_step(&damaged));
        }
    }
}

#[test]
fn what_is_sent_most_takes_one_pass() {
    let optional = &MEMBERS[7..19];
    let sent = [&MEMBERS[..6], optional, &MEMBERS[6..7]].concat();
    let bare = format!("{{{}}}", sent.join(","));
    let wrapped = format!(r#"{{{},"resources":[],"replay-name":"again","detail":{bare}}}"#, AROUND.join(","));
    let marked = format!("\u{feff} {bare}\r\n");
    for body in [bare, wrapped, marked] {
        let decoded = one_pass(&body).unwrap_or_else(|| panic!("{body}"));
        assert_eq!(Some(&decoded), step_by_step(&body).as_ref());
        assert_eq!(decoded.data_json, r#"{"id":"o-1","lines":[1,2]}"#);
        assert_eq!(decoded.envelope.attributes.sequence, Some(7));
    }
}

#[test]
fn members_in_any_order_take_one_pass() {
    let mut sorted = MEMBERS[..19].to_vec();
    sorted.sort_unstable();
    let reversed: Vec<_> = sorted.iter().rev().copied().collect();
    for members in [sorted, reversed] {
        let bare = format!("{{{}}}", members.join(","));
        let wrapped = format!(r#"{{"detail":{bare},{}}}"#, AROUND.join(","));
        for body in [bare, wrapped] {
            let decoded = one_pass(&body).unwrap_or_else(|| panic!("{body}"));
            assert_eq!(Some(decoded), step_by_step(&body), "{body}");
        }
    }
}

#[test]
#[expect(
    clippy::empty_docs,
    reason = "a catalogue documents each variant with its type, which is empty here"
)]
fn data_without_a_type_is_judged_elsewhere() {
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Place {
        id: String,
    }
    commands! {
        /// Commands whose type is empty, which must not be read.
        enum Nameless to "nameless" { "" v1 => Place(Place.id) }
    }
    let body = format!("{{{}}}", [&MEMBERS[..3], &MEMBERS[4..7]].concat().join(","));
    assert_eq!(super::decode::<Nameless>(&body), None, "{body}");
}

#[test]
fn what_came_back_from_headers_takes_one_pass() {
    let body = format!("{{{},{}}}", MEMBERS[..5].join(","), [r#""schemaversion":"1""#, MEMBERS[6]].join(","));
    assert_eq!(one_pass(&body).as_ref(), step_by_step(&body).as_ref());
    assert!(one_pass(&body).is_some());
}

#[test]
fn what_lacks_a_member_of_an_eventbridge_event_is_judged_elsewhere() {
    let detail = format!("{{{}}}", MEMBERS[..7].join(","));
    for at in 0..AROUND.len() {
        for other in [None, Some("null"), Some("7"), Some("{}")] {
            let mut members = AROUND.to_vec();
            let name = members.remove(at).split(':').next().unwrap();
            let changed = other.map(|value| format!("{name}:{value}"));
            members.extend(changed.as_deref());
            let body = format!(r#"{{{},"detail":{detail}}}"#, members.join(","));
            assert_eq!(one_pass(&body), None, "{body}");
        }
    }
}
