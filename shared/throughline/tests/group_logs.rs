//! A handler's own lines say what they are about, also where several records are decided together.

use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex};
use throughline::{
    Record, Verdict, events,
    logs::JsonLines,
    observer::Unobserved,
    ports::Ports,
    prelude::*,
    process::{Delivery, Settings, process},
};
use throughline_testing::{MemoryDeadLetters, MemoryLedger, SeededRandom, TestTime};
use tracing_subscriber::layer::SubscriberExt as _;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Knocked {
    door: String,
}

events! {
    /// Doors.
    enum DoorEvent of "door" { "door.knocked" v1 => Knocked(Knocked.door) }
}

async fn listen(_: Envelope<Knocked>) -> Result<(), Failure> {
    tracing::info!("somebody knocked");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_handlers_lines_in_a_fifo_group_carry_the_events_id() {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&lines);
    let layer = JsonLines { write: move |line: &[u8]| kept.lock().unwrap().extend_from_slice(line) };
    let _logs = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));

    let body = |id: &str| {
        let envelope = Envelope::of(id, "street", Knocked { door: "d-1".into() }).encode().unwrap();
        serde_json::to_string(&envelope).unwrap()
    };
    let bodies = ["e-1", "e-2", "e-3"].map(body);
    let records = bodies.each_ref().map(|body| Record {
        message_id: "m",
        source: "queue.fifo",
        body,
        attempt: 1,
        is_last_attempt: false,
        group: Some("g"),
        delivery: Delivery::default(),
    });
    let (ledger, dead_letters) = (MemoryLedger::default(), MemoryDeadLetters::default());
    let (time, random) = (TestTime::start(), SeededRandom::new(1));
    let ports = Ports {
        ledger: &ledger,
        dead_letters: &dead_letters,
        time: &time,
        random: &random,
        observer: &Unobserved,
    };
    let verdicts =
        process(&handler_fn("listen", listen), ports, &Settings::new("street"), None, &records).await;
    assert_eq!(verdicts, vec![Verdict::Done; 3]);

    let text = String::from_utf8(lines.lock().unwrap().clone()).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let knocks: Vec<_> = lines.filter(|line| line["message"] == "somebody knocked").collect();
    let ids: Vec<&str> = knocks.iter().filter_map(|line| line["eventid"].as_str()).collect();
    assert_eq!(ids, ["e-1", "e-2", "e-3"], "{text}");
}
