//! Logs as a process has them, for which there can be but one.

use std::{
    fmt::{self, Debug},
    sync::{Arc, Mutex},
};
use throughline::logs::JsonLines;
use tracing::info;
use tracing_subscriber::layer::SubscriberExt as _;

struct Talkative;

impl Debug for Talkative {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        info!("a line of its own");
        f.write_str("said")
    }
}

#[test]
fn a_value_that_logs_while_it_is_logged_spoils_no_line() {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&lines);
    let layer = JsonLines { write: move |line: &[u8]| kept.lock().unwrap().extend_from_slice(line) };
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer)).unwrap();

    info!(value = ?Talkative, "line");

    let text = String::from_utf8(lines.lock().unwrap().clone()).unwrap();
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert_eq!(lines[0]["message"], "a line of its own");
    assert_eq!((&lines[1]["message"], &lines[1]["value"]), (&"line".into(), &"said".into()));
}
