//! Batches of ten to ten thousand records: requests, and the most memory the process had.

use crate::{
    Contestant,
    readings::{deliver, reading},
};
use std::time::Instant;
use throughline_laboratory::{Laboratory, Trouble};

/// Records, and how many bytes each has. The last batch is as large as the one before it, in ten records: what
/// they differ in is what ten thousand records take besides their bytes. (Lambda's own limit is 6 MB.)
const SIZES: [(usize, usize); 5] = [(10, 400), (100, 400), (1_000, 400), (10_000, 400), (10, 1_050_000)];
const HANDLERS: [(&str, &str); 2] = [("no effects", "no-effects"), ("one save, one event", "save-emit")];

/// Prints the table.
#[expect(clippy::cast_precision_loss, reason = "some thousand requests, some million bytes")]
pub(crate) async fn measure() -> Result<(), Trouble> {
    println!("\nBatch sizes, a fresh process each.\n");
    println!(
        "| handler | records | bytes each | payload MB | requests | requests an event | peak memory MiB | seconds |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|---:|");
    for (name, handler) in HANDLERS {
        for (size, bytes) in SIZES {
            let laboratory = Laboratory::open().await?;
            let function = Contestant::framework(handler).start(&laboratory).await?;
            let bodies: Vec<String> = (0..size).map(|number| reading(number, bytes)).collect();
            let payload = throughline_laboratory::sqs_event(bodies.iter().map(String::as_str), 1).len();
            let begun = Instant::now();
            deliver(&function, &bodies, 1).await?;
            let seconds = begun.elapsed().as_secs_f64();
            let requests: usize = laboratory.recorder.counts().values().sum();
            let mebibytes = function.peak_memory()? as f64 / f64::from(1 << 20);
            let (an_event, megabytes) = (requests as f64 / size as f64, payload as f64 / 1e6);
            println!(
                "| {name} | {size} | {bytes} | {megabytes:.2} | {requests} | {an_event:.3} | {mebibytes:.1} | {seconds:.2} |"
            );
        }
    }
    Ok(())
}
