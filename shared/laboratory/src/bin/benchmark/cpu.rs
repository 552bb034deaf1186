//! Processor time for 1,000 idempotent events, against functions without the framework.

use crate::{
    Contestant,
    readings::{BATCH, KIBIBYTE, deliver, reading},
    statistics::Median,
};
use throughline_laboratory::{Function, Laboratory, Trouble};

const ROUNDS: usize = 12;
const EVENTS: usize = 2_000;
/// Before anything counts: connections, caches, lazily built clients.
const WARM_UP: usize = 500;

const NO_EFFECTS: usize = 0;
const STATEMENT: usize = 1;
const SAVE_EMIT: usize = 2;
const TRANSACTION: usize = 3;
const BY_HAND: usize = 4;

const CONTESTANTS: [(&str, Contestant); 6] = [
    ("Throughline, no effects", Contestant::framework("no-effects")),
    ("bare, one BatchExecuteStatement a batch", Contestant::bare("statement")),
    ("Throughline, one save and one event", Contestant::framework("save-emit")),
    ("bare, one TransactWriteItems a batch", Contestant::bare("transaction")),
    ("by hand, conditional put then update a record", Contestant::bare("by-hand")),
    // What its logs cost. No goal is held against it: logs are on in every comparison.
    ("Throughline, no effects, logs off", Contestant::framework("no-effects").without_logs()),
];

/// A running contestant, and what it has used.
struct Running {
    laboratory: Laboratory,
    function: Function,
    next: usize,
    /// The seconds for 1,000 events, of each round.
    seconds: Vec<f64>,
}

/// Prints the tables.
pub(crate) async fn measure() -> Result<(), Trouble> {
    let mut running = Vec::new();
    for (_, contestant) in CONTESTANTS {
        let laboratory = Laboratory::open().await?;
        let function = contestant.start(&laboratory).await?;
        let mut one = Running { laboratory, function, next: 0, seconds: Vec::new() };
        one.work(WARM_UP).await?;
        running.push(one);
    }
    // Round by round, each round begun by another: what else the machine does meets all of them.
    for round in 0..ROUNDS {
        for turn in 0..running.len() {
            let place = (round + turn) % running.len();
            running[place].measure().await?;
        }
    }
    let rounds: Vec<&[f64]> = running.iter().map(|one| one.seconds.as_slice()).collect();
    print(&rounds);
    Ok(())
}

impl Running {
    /// Gives it so many new events.
    async fn work(&mut self, events: usize) -> Result<(), Trouble> {
        let end = self.next + events;
        while self.next < end {
            let bodies: Vec<String> =
                (self.next..self.next + BATCH).map(|number| reading(number, KIBIBYTE)).collect();
            deliver(&self.function, &bodies, 1).await?;
            self.next += BATCH;
        }
        self.laboratory.recorder.forget();
        Ok(())
    }

    async fn measure(&mut self) -> Result<(), Trouble> {
        let before = self.function.cpu_time()?;
        self.work(EVENTS).await?;
        let used = self.function.cpu_time()?.saturating_sub(before);
        #[expect(clippy::cast_precision_loss, reason = "some thousand events")]
        self.seconds.push(used.as_secs_f64() * 1000.0 / EVENTS as f64);
        Ok(())
    }
}

fn print(rounds: &[&[f64]]) {
    println!(
        "\nProcessor seconds for 1,000 events: {ROUNDS} rounds of {EVENTS}, batches of {BATCH} records of 1 KiB.\n"
    );
    println!("| function | median | 95 % interval |");
    println!("|---|---:|---|");
    for ((name, _), seconds) in CONTESTANTS.iter().zip(rounds) {
        let Median { value, low, high } = Median::of(seconds.to_vec());
        println!("| {name} | {value:.4} | {low:.4} to {high:.4} |");
    }
    println!("\n| ratio, round by round | median | 95 % interval | goal | |");
    println!("|---|---:|---|---|---|");
    let at_most =
        |name, over, under| ratio(name, rounds[over], rounds[under], "at most 1.25", |ratio| ratio <= 1.25);
    at_most("no effects / bare", NO_EFFECTS, STATEMENT);
    at_most("one save and one event / bare", SAVE_EMIT, TRANSACTION);
    ratio("by hand / no effects", rounds[BY_HAND], rounds[NO_EFFECTS], "at least 4", |ratio| ratio >= 4.0);
}

fn ratio(name: &str, over: &[f64], under: &[f64], goal: &str, is_met: impl Fn(f64) -> bool) {
    let Median { value, low, high } =
        Median::of(over.iter().zip(under).map(|(over, under)| over / under).collect());
    let verdict = if is_met(value) { "met" } else { "missed" };
    println!("| {name} | {value:.2} | {low:.2} to {high:.2} | {goal} | {verdict} |");
}
