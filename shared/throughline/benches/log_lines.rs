//! The cost of a log line, without the system call that writes it: `cargo bench -p throughline --bench log_lines`.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};
use throughline::logs::JsonLines;
use tracing::{field::Empty, info, info_span};
use tracing_subscriber::layer::SubscriberExt as _;

const ROUNDS: usize = 51;
const LINES: u32 = 2_000;

fn main() {
    let layer = JsonLines { write: |line: &[u8]| _ = black_box(line.len()) };
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer))
        .expect("there is no other");
    let invocation = info_span!("invocation", requestId = "059f36b4-87a3-44ab-83d2-661975830a7d");
    let _invocation = invocation.enter();

    println!("| | median of {ROUNDS} × {LINES} |");
    println!("|---|---|");
    let record = record();
    println!("| a line about a record | {:.2?} |", median(|| record.in_scope(line)));
    println!("| a record's span, and a line | {:.2?} |", median(|| self::record().in_scope(line)));
}

/// A record's span, as the main path makes it.
fn record() -> tracing::Span {
    let span = info_span!(
        "record",
        handler = "confirm-order",
        attempt = 1_u32,
        messageid = "059f36b4-87a3-44ab-83d2-661975830a7d",
        eventid = Empty,
        eventtype = Empty,
        correlationid = Empty,
    );
    span.record("eventid", "58d5bafe-23fb-5ce9-920c-98569d33c47f");
    span.record("eventtype", "payment.captured");
    span.record("correlationid", "web-1002");
    span
}

fn line() {
    info!(verdict = "done", "settled");
}

/// Returns the median time of one run.
fn median(run: impl Fn()) -> Duration {
    let mut rounds: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let started = Instant::now();
            (0..LINES).for_each(|_| run());
            started.elapsed() / LINES
        })
        .collect();
    rounds.sort();
    rounds[ROUNDS / 2]
}
