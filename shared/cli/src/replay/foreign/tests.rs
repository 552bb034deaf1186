use super::{super::plan, *};
use clap::Parser;

#[derive(Debug, Parser)]
struct Command {
    #[command(flatten)]
    arguments: Arguments,
}

fn candidates_of(events: &[Value], options: &[&str]) -> Vec<Candidate> {
    let arguments = ["replay", "--foreign", "--from", "1h"].into_iter().chain(options.iter().copied());
    let Command { arguments } = Command::parse_from(arguments);
    candidates(events.to_vec(), &arguments)
}

fn chosen(events: &[Value], options: &[&str]) -> Vec<(String, bool)> {
    let candidates = candidates_of(events, options).into_iter();
    candidates.map(|candidate| (candidate.id, candidate.is_sent_alone)).collect()
}

fn events() -> [Value; 2] {
    let cloud_event =
        json!({ "specversion": "1.0", "id": "ours-like", "source": "elsewhere", "correlationid": "line-1" });
    [
        json!({ "id": "one", "source": "elsewhere", "detail-type": "seen", "detail": cloud_event }),
        json!({ "id": "two", "source": "aws.s3", "detail-type": "Object Created", "detail": { "size": 1 } }),
    ]
}

#[test]
fn cloud_events_are_sent_alone_under_their_ids_and_others_are_counted_only() {
    assert_eq!(chosen(&events(), &[]), [("ours-like".into(), true), ("two".into(), false)]);
}

#[test]
fn they_are_chosen_by_type_and_by_line() {
    assert_eq!(chosen(&events(), &["--type", "Object Created"]), [("two".into(), false)]);
    assert_eq!(chosen(&events(), &["--correlation-id", "line-1"]), [("ours-like".into(), true)]);
    assert_eq!(chosen(&events(), &["--correlation-id", "line-2"]), []);
}

#[test]
fn a_journal_keeps_what_is_sent_alone_and_nothing_else() {
    let to_send = plan::to_send(candidates_of(&events(), &[]), None);
    let [(name, message)] = to_send.kept.as_slice() else { panic!("{:?}", to_send.kept) };
    assert_eq!(message, &events()[0]["detail"]);
    let messages: Vec<&Kept> = to_send.work.iter().map(|work| &work.message).collect();
    assert_eq!(messages, [&Kept::Journal(name.clone())]);
}
