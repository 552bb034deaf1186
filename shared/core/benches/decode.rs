//! The time to decode a batch of ten 1 KiB records into typed envelopes, against `aws_lambda_events`
//! and derived structs. `decode_allocations` counts what the two allocate: counting here would cost the one
//! that allocates more.
//!
//! `cargo bench -p throughline-core --bench decode --bench decode_allocations`

#[expect(dead_code, reason = "only the test that compares the two reads the fields")]
#[path = "decode/by_hand.rs"]
mod by_hand;
#[path = "decode/candidates.rs"]
mod candidates;
#[path = "decode/payloads.rs"]
mod payloads;

use payloads::{FORMS, Form, ten_orders};
use std::{hint::black_box, time::Instant};

const ROUNDS: usize = 1_000;
const BATCHES_A_ROUND: usize = 20;
/// Decoding may take at most this part of what it takes them.
const GOAL: f64 = 0.70;

fn main() {
    println!("{:12} | {:>12} | {:>12} | {:>22} | goal ≤ {GOAL:.2}", "ten records", "ours", "theirs", "ratio");
    for form in FORMS {
        let payload = ten_orders(form);
        measure(form, &payload, ROUNDS / 10); // warms up
        let (ours, theirs) = measure(form, &payload, ROUNDS);
        let ratios = sorted(ours.iter().zip(&theirs).map(|(ours, theirs)| ours / theirs).collect());
        let ratio = quantile(&ratios, 0.5);
        println!(
            "{:12} | {:>9.0} ns | {:>9.0} ns | {ratio:.3} ({:.3} to {:.3}) | {}",
            format!("{form:?}"),
            quantile(&sorted(ours), 0.5),
            quantile(&sorted(theirs), 0.5),
            quantile(&ratios, 0.25),
            quantile(&ratios, 0.75),
            if ratio <= GOAL { "met" } else { "missed" },
        );
    }
    println!("Medians of {ROUNDS} interleaved pairs, with the interquartile interval of their ratio.");
}

/// Nanoseconds a batch, in pairs; who goes first changes.
fn measure(form: Form, payload: &str, rounds: usize) -> (Vec<f64>, Vec<f64>) {
    let ours = || time(|| drop(black_box(candidates::ours(black_box(payload)))));
    let theirs = || time(|| drop(black_box(candidates::theirs(black_box(payload), form))));
    let pair = |round: usize| {
        if round.is_multiple_of(2) {
            (ours(), theirs())
        } else {
            let theirs = theirs();
            (ours(), theirs)
        }
    };
    (0..rounds).map(pair).unzip()
}

#[expect(clippy::cast_precision_loss, reason = "a round takes far less than 2^52 ns")]
fn time(run: impl Fn()) -> f64 {
    let start = Instant::now();
    for _ in 0..BATCHES_A_ROUND {
        run();
    }
    start.elapsed().as_nanos() as f64 / BATCHES_A_ROUND as f64
}

fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    values
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an index"
)]
fn quantile(sorted: &[f64], part: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * part) as usize]
}
