use super::super::{Decoded, decode_step_by_step};
use crate::{delivery::Delivery, events};
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

/// Members as they should be, and each as it should not.
const MEMBERS: &[&str] = &[
    r#""specversion":"1.0""#,
    r#""id":"e-1""#,
    r#""source":"shop""#,
    r#""type":"placed""#,
    r#""subject":"o-1""#,
    r#""schemaversion":1"#,
    r#""data":{"id":"o-1","lines":[1,2]}"#,
    // Everything behind these may be there or not.
    r#""sequence":"00000000000000000007""#,
    r#""time":"2026-01-05T09:30:01Z""#,
    r#""datacontenttype":"application/json""#,
    r#""correlationid":"c-1""#,
    r#""causationid":"e-0""#,
    r#""aggregatetype":"order""#,
    r#""dataschema":"urn:x""#,
    r#""traceparent":"00-0a-b7-01""#,
    r#""actor":"a\u00c4\n""#,
    r#""replayname":"r""#,
    r#""vendor":{"a":[1,2.5,"x"]}"#,
    r#""vendor":7"#,
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

/// The needed members in any order, and up to four others somewhere among them.
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
            let needed = [r#""version":"0""#, r#""id":"eb-1""#, r#""source":"bus""#, r#""detail-type":"t""#];
            let mut members: Vec<String> = needed.map(Into::into).into();
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
    let optional = &MEMBERS[7..18];
    let sent = [&MEMBERS[..6], optional, &MEMBERS[6..7]].concat();
    let bare = format!("{{{}}}", sent.join(","));
    let wrapped = format!(
        r#"{{"version":"0","id":"eb-1","source":"shop","detail-type":"placed","resources":[],"replay-name":"again","detail":{bare}}}"#
    );
    for body in [bare, wrapped] {
        let decoded = one_pass(&body).unwrap_or_else(|| panic!("{body}"));
        assert_eq!(Some(&decoded), step_by_step(&body).as_ref());
        assert_eq!(decoded.data_json, r#"{"id":"o-1","lines":[1,2]}"#);
        assert_eq!(decoded.envelope.attributes.sequence, Some(7));
    }
}
