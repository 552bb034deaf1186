//! `throughline demo`: the reference shop at work. Orders of every kind go in; what becomes of each is shown as
//! it happens; what it adds up to is checked; then the same orders go in again, and nothing changes.

mod approval;
mod books;
mod cost;
mod orders;
mod progress;
mod snapshot;
mod stock;
#[cfg(test)]
mod test_lines;

use crate::{
    cloud::{
        stack::{Stack, StackError},
        target::Target,
    },
    line::WholeLine,
    local::providers::Providers,
    project::Project,
    terminal::Terminal,
};
use approval::Approvals;
use clap::Args;
use orders::Published;
use progress::Progress;
use serde_json::Value;
use snapshot::Snapshot;
use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use stock::Stock;
use throughline_core::Timestamp;
use throughline_operations::{self as operate, FoundLetter};

const EXAMPLES: &str = "Examples:
  throughline demo
  throughline demo --stock-only";

/// Sends the reference shop orders of every kind and shows what becomes of them, twice.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// The stack.
    #[command(flatten)]
    pub target: Target,
    /// The URL of the payment provider and the carrier; by default those of `throughline up`.
    #[arg(long, value_name = "URL")]
    pub providers: Option<String>,
    /// The folder with the orders.
    #[arg(long, default_value = "events")]
    pub events: PathBuf,
    /// Only load what is in stock, so that orders of your own can be filled.
    #[arg(long)]
    pub stock_only: bool,
}

/// The time that the demo waits for an event before it stops and names it.
const PATIENCE: Duration = Duration::from_mins(2);
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Why the demo stopped.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// A file of `events/` cannot be used.
    #[error("{path}: {reason}")]
    File {
        /// The name.
        path: String,
        /// The problem with it.
        reason: String,
    },
    /// The stack could not be used.
    #[error(transparent)]
    Stack(#[from] StackError),
    /// The payment provider and the carrier could not be asked what they did.
    #[error("the providers at {address} do not say what they did: {reason}")]
    Providers {
        /// The address where they should answer.
        address: String,
        /// The problem.
        reason: String,
    },
    /// Something did not happen.
    #[error(
        "waited {} seconds in vain for {what}; the functions' logs are shown by `throughline logs`",
        PATIENCE.as_secs()
    )]
    InVain {
        /// The event that did not come.
        what: String,
    },
    /// The providers did something else than the shop believes.
    #[error("the books do not agree: {what}")]
    BooksDiffer {
        /// The disagreement.
        what: String,
    },
    /// An execution cost something else than its definition says.
    #[error(
        "a completed checkout took {counted} state transitions without retries, its definition says {defined}"
    )]
    CostDiffers {
        /// By its history.
        counted: usize,
        /// By its definition.
        defined: usize,
    },
    /// The same orders changed something when they came again.
    #[error("the same orders, published again, changed {what}: from {before} to {after}")]
    Changed {
        /// The event that did not come.
        what: String,
        /// The value before.
        before: String,
        /// The value after.
        after: String,
    },
}

impl From<operate::OperateError> for DemoError {
    fn from(error: operate::OperateError) -> Self {
        Self::Stack(error.into())
    }
}

/// Runs the command.
///
/// # Errors
/// If the stack cannot be used or no providers run, and [`DemoError`] if anything does not happen as it should.
pub async fn run(arguments: &Arguments, terminal: &Terminal) -> Result<(), Box<dyn Error>> {
    let Arguments { target, providers, events, stock_only } = arguments;
    let stack = target.open(terminal).await?;
    if *stock_only {
        return Ok(load_stock(&stack, events).await?);
    }
    let providers = match providers {
        Some(providers) => providers.clone(),
        None => Providers::of(&Project::find()?, target.port())
            .address()?
            .ok_or("no providers run: start them with `throughline up`, and deploy again")?,
    };
    Ok(play(&stack, &providers, events).await?)
}

/// Loads what is in stock, unless it is there already.
async fn load_stock(stack: &Stack, events: &Path) -> Result<(), DemoError> {
    Stock::load(stack, events).await.map(drop)
}

/// Plays the demo on a deployed stack, whose providers answer at `providers`.
async fn play(stack: &Stack, providers: &str, events: &Path) -> Result<(), DemoError> {
    let mut orders = orders::read_all(events)?;
    let stock = Stock::load(stack, events).await?;
    if !stack.line(&orders[0].correlation_id).await?.is_empty() {
        let run = Timestamp::now().as_second();
        println!("\nThese orders went into this cloud before: this time their ids end with {run}.");
        for order in &mut orders {
            order.rename(run);
        }
    }
    println!("\nThese orders go into the queue `place-order`, all at the same time:");
    for Published { order, correlation_id, .. } in &orders {
        println!("  {correlation_id:<12} {:<58} events/{}", order.title, order.file);
    }
    println!("\nWhat happens, as it happens:");
    publish(stack, &orders).await?;
    let mut approvals = Approvals::default();
    let lines = watch(stack, &orders, &mut approvals).await?;
    for (Published { order, correlation_id, .. }, line) in orders.iter().zip(&lines) {
        println!("\nThe line of {correlation_id}, {}:\n{line}", order.title);
    }
    books::check(providers, &orders, &lines).await?;
    stock.must_be_sold(&Stock::read(stack).await?, &lines)?;
    cost::check(&lines)?;
    let before = Snapshot::take(stack, providers, &orders).await?;
    before.show("\nSo the shop now has:");

    println!("\nThe same orders go in again, with the same ids, and so does the approval.");
    publish(stack, &orders).await?;
    approvals.send_again(stack).await?;
    let letters = settle(stack, &orders).await?;
    let after = Snapshot::take(stack, providers, &orders).await?;
    before.must_equal(&after)?;
    after.show(&format!(
        "Nothing changed (but the malformed one lies in the dead-letter queue {letters} times):"
    ));
    Ok(())
}

fn read(path: &Path) -> Result<(String, Value), DemoError> {
    let wrong = |reason: String| DemoError::File { path: path.display().to_string(), reason };
    let text = fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let value = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    Ok((text, value))
}

async fn publish(stack: &Stack, orders: &[Published]) -> Result<(), DemoError> {
    let queue_url = stack.queue_url("place-order")?;
    let sqs = stack.clients.sqs().await;
    for published in orders {
        operate::send_body(sqs, queue_url, &published.body).await?;
    }
    Ok(())
}

/// Prints what happens to the orders, and approves of what waits for it, until each line has come to its end.
async fn watch(
    stack: &Stack,
    orders: &[Published],
    approvals: &mut Approvals,
) -> Result<Vec<WholeLine>, DemoError> {
    let started = Instant::now();
    let mut progress = Progress::begin();
    let mut lines = vec![WholeLine::default(); orders.len()];
    loop {
        let letters = stack.dead_letters().await?;
        let mut waiting = Vec::new();
        for (published, line) in orders.iter().zip(&mut lines) {
            if published.order.has_ended(line) {
                continue;
            }
            *line = stack.line_among(&published.correlation_id, &letters).await?;
            progress.show(&published.correlation_id, line);
            approvals.give(stack, line, &mut progress).await?;
            if !published.order.has_ended(line) {
                waiting.push(published.correlation_id.as_str());
            }
        }
        if waiting.is_empty() {
            return Ok(lines);
        }
        if started.elapsed() > PATIENCE {
            return Err(DemoError::InVain { what: format!("the end of {}", waiting.join(", ")) });
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// Waits until nothing is on its way any more: every queue is empty, and what was rejected is rejected
/// again. Returns how many dead letters the orders have.
async fn settle(stack: &Stack, orders: &[Published]) -> Result<usize, DemoError> {
    let started = Instant::now();
    let sqs = stack.clients.sqs().await;
    loop {
        let mut is_quiet = true;
        for queue in stack.work_queues() {
            is_quiet &= operate::depth(sqs, queue).await?.is_empty();
        }
        let is_ours = |letter: &FoundLetter| {
            orders.iter().any(|order| letter.attribute("CorrelationId") == Some(&order.correlation_id))
        };
        let letters = stack.dead_letters().await?.iter().filter(|(_, letter)| is_ours(letter)).count();
        if is_quiet && letters >= 2 {
            return Ok(letters);
        }
        if started.elapsed() > PATIENCE {
            return Err(DemoError::InVain { what: "the queues to become empty".into() });
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}
