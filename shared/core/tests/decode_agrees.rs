//! Throughline and `aws_lambda_events` with derived structs, the two that `benches/decode.rs` compares, read
//! the same events and refuse the same.

#[path = "../benches/decode/by_hand.rs"]
mod by_hand;
#[path = "../benches/decode/candidates.rs"]
mod candidates;
#[path = "../benches/decode/payloads.rs"]
mod payloads;

use allocation_counter::measure;
use by_hand::CloudEvent;
use payloads::{FORMS, batch, body, cloud_event, ten_orders};
use throughline_core::{Attributes, Envelope};
use throughline_shop::OrderPlaced;

/// The event of the derived structs as an envelope.
fn envelope(event: CloudEvent<OrderPlaced>) -> Envelope<OrderPlaced> {
    let attributes = Attributes {
        schema_version: event.schemaversion.unwrap_or(1),
        subject: event.subject,
        aggregate_type: event.aggregatetype,
        sequence: event.sequence.map(|digits| digits.parse().unwrap()),
        time: event.time,
        data_schema: event.dataschema,
        causation_id: event.causationid,
        trace_parent: event.traceparent,
        actor: event.actor,
        replay_name: event.replayname,
        correlation_id: event.correlationid.unwrap_or_else(|| event.id.clone()),
        ..Attributes::new(event.id, event.source, event.message_type)
    };
    Envelope { attributes, data: event.data }
}

/// Returns the result of both ways, which must be the same: the envelope, or `None` if it is refused.
fn agreed(event: &str) -> Option<Envelope<OrderPlaced>> {
    let mut results = FORMS.iter().map(|form| {
        let payload = batch([body(*form, event).as_str()]);
        let ours = candidates::ours(&payload).remove(0);
        let theirs = candidates::theirs(&payload, *form).remove(0).map(envelope);
        assert_eq!(ours.is_ok(), theirs.is_ok(), "{form:?} {event}: {ours:?} and {theirs:?}");
        assert_eq!(ours.as_ref().ok(), theirs.as_ref().ok(), "{form:?} {event}");
        ours.ok()
    });
    let bare = results.next().unwrap();
    assert_eq!(results.next().unwrap(), bare, "{event}");
    bare
}

#[test]
fn a_batch_is_read_into_the_same_envelopes() {
    for form in FORMS {
        let payload = ten_orders(form);
        let ours: Vec<_> = candidates::ours(&payload).into_iter().map(Result::unwrap).collect();
        let theirs: Vec<_> =
            candidates::theirs(&payload, form).into_iter().map(|event| envelope(event.unwrap())).collect();
        assert_eq!(ours, theirs);
        assert_eq!(ours.len(), 10);
        assert!(ours.iter().all(|order| order.data.lines.len() == 10 && order.attributes.time.is_some()));
    }
}

#[test]
fn an_event_is_about_one_kibibyte() {
    assert!((1000..1100).contains(&cloud_event(1001).len()), "{}", cloud_event(1001).len());
}

#[test]
fn unusual_events_are_read_the_same() {
    let event = cloud_event(1);
    for (from, to) in [
        ("", ""),
        ("Ada Lovelace", r#"Ada \"\u00c4\ud83d\ude00\n\\ Lovelace"#),
        ("Ada Lovelace", "Ädä 🫖"),
        (r#""schemaversion":1,"#, ""),
        (r#""aggregatetype":"order","#, r#""dataschema":null,"actor":"ada","replayname":"again","#),
        (r#""time":"2026-01-05T09:30:01Z","#, r#""time":null,"#),
        (r#""correlationid":"web-1","#, ""),
        (r#""source":"shop""#, " \n\t\"source\" : \"shop\" "),
        (r#""subject":"o-1""#, r#""sub\u006aect":"o-1""#),
    ] {
        assert!(agreed(&event.replacen(from, to, 1)).is_some(), "{from} -> {to}");
    }
    let (attributes, data) = event.split_once(r#","data":"#).unwrap();
    let data_first = format!(r#"{{"data":{},{}}}"#, data.strip_suffix('}').unwrap(), &attributes[1..]);
    assert_eq!(agreed(&data_first), agreed(&event));
}

#[test]
fn what_is_wrong_is_refused_by_both() {
    let event = cloud_event(1);
    for (from, to) in [
        (r#""specversion":"1.0","#, ""),
        (r#""specversion":"1.0""#, r#""specversion":"0.3""#),
        (r#""specversion":"1.0""#, r#""specversion":1"#),
        (r#""source":"shop""#, r#""source":"""#),
        (r#""source":"shop","#, ""),
        (r#""source":"shop""#, r#""source":null"#),
        (r#""source":"shop""#, r#""source":"shop","source":"shop""#),
        (r#""type":"order.placed""#, r#""type":"order.lost""#),
        (r#""type":"order.placed","#, ""),
        (r#""schemaversion":1"#, r#""schemaversion":2"#),
        ("application/json", "application/xml"),
        ("2026-01-05T09:30:01Z", "yesterday"),
        (r#""subject":"o-1""#, r#""subject":7"#),
        (r#""order_id":"o-1","#, ""),
        (r#""order_id":"o-1""#, r#""order_id":1"#),
        (r#""quantity":1,"#, r#""quantity":-1,"#),
        (r#""quantity":1,"#, r#""quantity":1,"quantity":1,"#),
        ("EUR", "XXX"),
        ("Ada Lovelace", r"Ada \ud83d Lovelace"),
        ("Ada Lovelace", r"Ada \x Lovelace"),
        ("Ada Lovelace", "Ada \n Lovelace"),
        ("]", ""),
        ("}]", "},]"),
        (r#""data":"#, r#""data" "#),
    ] {
        assert!(event.contains(from), "{from}");
        assert_eq!(agreed(&event.replacen(from, to, 1)), None, "{from} -> {to}");
    }
    for body in ["", "null", "[]", "{", "{}", "order", &event[..event.len() - 1], &format!("{event}}}")] {
        assert_eq!(agreed(body), None, "{body}");
    }
}

#[test]
fn reading_a_batch_allocates_less() {
    for form in FORMS {
        let payload = ten_orders(form);
        let ours = measure(|| drop(candidates::ours(&payload)));
        let theirs = measure(|| drop(candidates::theirs(&payload, form)));
        assert!(ours.count_total * 10 <= theirs.count_total * 7, "{form:?}: {ours:?}, theirs {theirs:?}");
    }
}
