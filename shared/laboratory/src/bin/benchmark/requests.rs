//! Requests and capacity units, for batches of ten.

use crate::{
    Contestant,
    readings::{BATCH, KIBIBYTE, deliver, reading},
};
use std::collections::BTreeMap;
use throughline_laboratory::{Capacity, Laboratory, Trouble};

const BATCHES: usize = 20;
const EVENTS: usize = BATCHES * BATCH;

const HANDLERS: [(&str, &str); 4] = [
    ("one load, one save, one event", "load-save-emit"),
    ("one save, one event", "save-emit"),
    ("no effects", "no-effects"),
    ("leased, no effects", "leased"),
];

/// The deliveries of a run's records.
struct Deliveries {
    name: &'static str,
    /// The share of records that were finished earlier, in percent.
    finished_percent: usize,
    receives: u32,
}

const DELIVERIES: [Deliveries; 5] = [
    Deliveries { name: "new", finished_percent: 0, receives: 1 },
    Deliveries { name: "5 % duplicates, not marked", finished_percent: 5, receives: 1 },
    Deliveries { name: "20 % duplicates, not marked", finished_percent: 20, receives: 1 },
    Deliveries { name: "redelivered, none finished", finished_percent: 0, receives: 2 },
    Deliveries { name: "redelivered, all finished", finished_percent: 100, receives: 2 },
];

/// Prints the table.
pub(crate) async fn measure() -> Result<(), Trouble> {
    println!("\nRequests and capacity units: {BATCHES} batches of {BATCH} records of 1 KiB.\n");
    println!("| handler | records | requests a batch | of these | reads an event | writes an event |");
    println!("|---|---|---:|---|---:|---:|");
    for (name, handler) in HANDLERS {
        for deliveries in DELIVERIES {
            let (counts, capacity) = run(handler, &deliveries).await?;
            print_row(name, deliveries.name, &counts, capacity);
        }
    }
    println!("\nReads and writes are capacity units; writes include the index, and what was refused.");
    Ok(())
}

async fn run(
    handler: &'static str,
    deliveries: &Deliveries,
) -> Result<(BTreeMap<String, usize>, Capacity), Trouble> {
    let laboratory = Laboratory::open().await?;
    laboratory.recorder.ask_for_capacity();
    let function = Contestant::framework(handler).start(&laboratory).await?;
    let bodies: Vec<String> = (0..EVENTS).map(|number| reading(number, KIBIBYTE)).collect();
    for batch in finished_earlier(&bodies, deliveries.finished_percent).chunks(BATCH) {
        deliver(&function, batch, 1).await?;
    }
    laboratory.recorder.forget();
    for batch in bodies.chunks(BATCH) {
        deliver(&function, batch, deliveries.receives).await?;
    }
    Ok((laboratory.recorder.counts(), laboratory.recorder.capacity()))
}

/// So many of a hundred, picked at random but the same each time.
fn finished_earlier(bodies: &[String], percent: usize) -> Vec<String> {
    fastrand::Rng::with_seed(1)
        .choose_multiple(bodies, bodies.len() * percent / 100)
        .into_iter()
        .cloned()
        .collect()
}

#[expect(clippy::cast_precision_loss, reason = "some hundred requests")]
fn print_row(handler: &str, records: &str, counts: &BTreeMap<String, usize>, capacity: Capacity) {
    let each = |count: usize, of: usize| count as f64 / of as f64;
    let requests = each(counts.values().sum(), BATCHES);
    let by_operation: Vec<String> =
        counts.iter().map(|(operation, count)| format!("{operation} {:.2}", each(*count, BATCHES))).collect();
    let (reads, writes) = (capacity.reads / EVENTS as f64, capacity.writes / EVENTS as f64);
    let by_operation = by_operation.join(", ");
    println!("| {handler} | {records} | {requests:.2} | {by_operation} | {reads:.2} | {writes:.2} |");
}
