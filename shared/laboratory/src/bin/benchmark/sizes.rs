//! Batches of ten to ten thousand records: requests, and the most memory the process had.

use crate::{
    Contestant,
    readings::{deliver, reading},
};
use std::time::Instant;
use throughline_laboratory::{Laboratory, Trouble};

/// A batch of ten thousand cannot have large records: an invocation takes 6 MB.
const BYTES: usize = 400;
const SIZES: [usize; 4] = [10, 100, 1_000, 10_000];
const HANDLERS: [(&str, &str); 2] = [("no effects", "no-effects"), ("one save, one event", "save-emit")];

/// Prints the table.
#[expect(clippy::cast_precision_loss, reason = "some thousand requests, some million bytes")]
pub(crate) async fn measure() -> Result<(), Trouble> {
    println!("\nBatch sizes: records of {BYTES} bytes, a fresh process each.\n");
    println!("| handler | records | payload MB | requests | requests an event | peak memory MiB | seconds |");
    println!("|---|---:|---:|---:|---:|---:|---:|");
    for (name, handler) in HANDLERS {
        for size in SIZES {
            let laboratory = Laboratory::open().await?;
            let function = Contestant::framework(handler).start(&laboratory).await?;
            let bodies: Vec<String> = (0..size).map(|number| reading(number, BYTES)).collect();
            let payload = throughline_laboratory::sqs_event(bodies.iter().map(String::as_str), 1).len();
            let begun = Instant::now();
            deliver(&function, &bodies, 1).await?;
            let seconds = begun.elapsed().as_secs_f64();
            let requests: usize = laboratory.recorder.counts().values().sum();
            let mebibytes = function.peak_memory()? as f64 / f64::from(1 << 20);
            let (an_event, megabytes) = (requests as f64 / size as f64, payload as f64 / 1e6);
            println!(
                "| {name} | {size} | {megabytes:.2} | {requests} | {an_event:.3} | {mebibytes:.1} | {seconds:.2} |"
            );
        }
    }
    Ok(())
}
