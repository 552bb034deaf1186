//! The allocations of decoding a batch of ten 1 KiB records; see `decode`.

#[expect(dead_code, reason = "only the test that compares the two reads the fields")]
#[path = "decode/by_hand.rs"]
mod by_hand;
#[path = "decode/candidates.rs"]
mod candidates;
#[path = "decode/payloads.rs"]
mod payloads;

use allocation_counter::{AllocationInfo, measure};
use payloads::{FORMS, ten_orders};

fn main() {
    println!("{:12} | {:>24} | {:>24}", "ten records", "ours", "theirs");
    for form in FORMS {
        let payload = ten_orders(form);
        let ours = measure(|| drop(candidates::ours(&payload)));
        let theirs = measure(|| drop(candidates::theirs(&payload, form)));
        println!("{:12} | {:>24} | {:>24}", format!("{form:?}"), text(ours), text(theirs));
    }
}

fn text(info: AllocationInfo) -> String {
    format!("{} times, {} bytes", info.count_total, info.bytes_total)
}
