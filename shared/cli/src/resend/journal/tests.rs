use super::*;
use crate::resend::work::{Location, Method};
use std::os::unix::fs::PermissionsExt as _;
use throughline_core::Timestamp;

fn folder(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("throughline-journal-{name}-{}", std::process::id()))
}

fn begun(name: &str) -> Manifest {
    let time = |second| Timestamp::from_second(second).unwrap();
    Manifest {
        name: name.into(),
        stack: "shop on a cloud".into(),
        from: time(0),
        until: time(1),
        is_replay: true,
        way: Method::Messages { total: 1, rate: 10 },
        takers: vec![],
    }
}

#[test]
fn what_was_begun_is_found_again_until_it_is_over() {
    let replays = folder("found");
    let work =
        [WorkItem { message: Location::Log("order#o-1".into(), "event#1".into()), queues: vec!["q".into()] }];
    let journal = Journal::begin(&replays, &begun("one"), &work, &[]).unwrap();
    journal.keep(&Checkpoint { position: 1, accepted: 1, ..Checkpoint::default() }).unwrap();

    let (found, what) = Journal::open(&replays, None).unwrap();
    assert_eq!((what, found.work().unwrap()), (begun("one"), work.to_vec()));
    assert_eq!(found.sent().unwrap().position, 1);

    found.keep(&Checkpoint { is_over: true, ..found.sent().unwrap() }).unwrap();
    let error = Journal::open(&replays, None).unwrap_err().to_string();
    assert!(error.contains("is unfinished"), "{error}");
    fs::remove_dir_all(replays).unwrap();
}

#[test]
fn of_several_the_last_is_gone_on_with_and_an_unknown_name_tells_those_there_are() {
    let replays = folder("several");
    for name in ["throughline-1", "throughline-2"] {
        Journal::begin(&replays, &begun(name), &[], &[]).unwrap();
    }
    assert_eq!(Journal::open(&replays, None).unwrap().1.name, "throughline-2");
    assert_eq!(Journal::open(&replays, Some("throughline-1")).unwrap().1.name, "throughline-1");
    let error = Journal::open(&replays, Some("another")).unwrap_err().to_string();
    assert!(error.contains("throughline-1, throughline-2"), "{error}");
    fs::remove_dir_all(replays).unwrap();
}

#[test]
fn messages_are_kept_for_their_owner_alone_and_no_longer_than_they_are_needed() {
    let replays = folder("messages");
    let message = serde_json::json!({ "id": "e-1" });
    let kept = [("1.json".to_owned(), message.clone())];
    let journal = Journal::begin(&replays, &begun("kept"), &[], &kept).unwrap();
    let path = journal.message("1.json");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    assert_eq!(fs::read_to_string(&path).unwrap(), message.to_string());

    journal.keep(&Checkpoint { position: 1, ..Checkpoint::default() }).unwrap();
    assert!(path.exists(), "it may be sent yet");
    journal.keep(&Checkpoint { is_over: true, ..Checkpoint::default() }).unwrap();
    assert!(!path.parent().unwrap().exists());
    fs::remove_dir_all(replays).unwrap();
}

/// A replay that was killed before its last file was written has not begun.
#[test]
fn what_was_half_begun_was_not() {
    let replays = folder("half");
    let journal = Journal::begin(&replays, &begun("half"), &[], &[]).unwrap();
    fs::remove_file(journal.folder.join(BEGUN)).unwrap();
    Journal::open(&replays, None).unwrap_err();
    fs::remove_dir_all(replays).unwrap();
}

/// Interrupted replays of earlier versions are gone on with.
#[test]
fn journals_keep_their_form_whatever_things_are_called_here() {
    let in_log = r#"{"message":{"log":["p","s"]},"queues":["board"]}"#;
    let item: WorkItem = serde_json::from_str(in_log).unwrap();
    assert_eq!(item.message, Location::Log("p".into(), "s".into()));
    assert_eq!(serde_json::to_string(&item).unwrap(), in_log);
    let manifest = serde_json::to_value(begun("r-1")).unwrap();
    assert_eq!(manifest["way"]["messages"]["rate"], 10);
    let checkpoint: Checkpoint =
        serde_json::from_str(r#"{"position":3,"accepted":3,"refused":0,"too_late":0}"#).unwrap();
    assert_eq!((checkpoint.position, checkpoint.untaken, checkpoint.is_over), (3, 0, false));
}
