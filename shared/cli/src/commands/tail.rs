//! `throughline tail`: the events on the bus as they pass.

mod filter;
mod shown;

pub use filter::Filter;
pub use shown::ShownEvent;

use crate::{
    cloud::target::Target,
    project::{Project, catalogue::Shown},
    terminal::{Terminal, interrupt::Interrupt},
    time::duration::duration,
};
use clap::Args;
use serde_json::Value;
use std::{
    error::Error,
    time::{Duration, Instant},
};
use throughline_core::Timestamp;
use throughline_operations::tap::{ABANDONED_AFTER, Bus, Tap};

const EXAMPLES: &str = "Examples:
  throughline tail --type 'order.*'
  throughline tail --correlation-id web-1001 --data --for 30s";

/// Shows the events on the bus as they pass, in the order of their times, until Ctrl-C.
///
/// They come through a rule and a queue, `throughline-tail-…`, that are made for it and removed when it ends. What a
/// killed tail left is removed by the next one, after an hour.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// The stack.
    #[command(flatten)]
    pub target: Target,
    /// The filter of events.
    #[command(flatten)]
    pub filter: Filter,
    /// Show what the events say, too; sensitive fields are masked
    #[arg(long)]
    pub data: bool,
    /// End after so long, such as 30s or 5m
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    pub time_limit: Option<Duration>,
    /// End after so many events
    #[arg(long, value_name = "N")]
    pub count: Option<u64>,
}

/// The time that one request waits for events, which is the longest time until the command ends.
const WAIT: Duration = Duration::from_secs(1);
/// The longest time that an event is held back, so that an earlier one may still be shown before it.
const HELD_BACK: Duration = Duration::from_secs(3);
/// The interval at which the tap gives a sign of life.
const SIGN_OF_LIFE: Duration = Duration::from_mins(10);

/// Runs the command.
///
/// # Errors
/// If the stack cannot be used, or its bus cannot be tapped; the rule and the queue are removed nevertheless.
pub async fn run(arguments: &Arguments, terminal: &Terminal) -> Result<(), Box<dyn Error>> {
    let stack = arguments.target.open(terminal).await?;
    let may_show = if arguments.data { Some(Shown::new(&Project::find()?, false, terminal)?) } else { None };
    let bus = Bus {
        eventbridge: stack.clients.eventbridge().await.clone(),
        sqs: stack.clients.sqs().await.clone(),
        name: stack.output("EventBus")?.to_owned(),
    };
    // Before anything is made: from then on somebody who presses Ctrl-C finds it removed.
    let interrupt = Interrupt::watch()?;
    for name in bus.remove_abandoned(Timestamp::now()).await? {
        terminal.note(format_args!(
            "removed {name}, which another tail left more than {} min ago",
            ABANDONED_AFTER.as_secs() / 60
        ));
    }
    let tap = bus.tap(&arguments.filter.pattern()).await?;
    terminal.note(format_args!("tapping the bus `{}` as {}; Ctrl-C ends it", bus.name, tap.name()));
    if !stack.place().is_local() {
        terminal.note("AWS may take a minute until the first event comes");
    }
    let follower = Follower { arguments, terminal, interrupt, may_show };
    let shown = follower.follow(&tap).await;
    let closed = tap.close().await;
    let shown = shown?;
    closed?;
    terminal.note(format_args!("{shown} events; the rule and the queue are removed"));
    Ok(())
}

struct Follower<'a> {
    arguments: &'a Arguments,
    terminal: &'a Terminal,
    interrupt: Interrupt,
    may_show: Option<Shown>,
}

impl Follower<'_> {
    /// Shows events until it is enough. How many.
    async fn follow(&self, tap: &Tap) -> Result<u64, Box<dyn Error>> {
        let (started, mut last_sign, mut shown) = (Instant::now(), Instant::now(), 0);
        let mut held = Vec::new();
        let mut since = Instant::now();
        if !self.terminal.json {
            self.terminal.note(ShownEvent::headings());
        }
        loop {
            let is_over = self.interrupt.came()
                || self.arguments.time_limit.is_some_and(|limit| started.elapsed() >= limit);
            let received = if is_over { Vec::new() } else { tap.receive(WAIT).await? };
            if held.is_empty() {
                since = Instant::now();
            }
            let has_drained = received.is_empty();
            held.extend(received.into_iter().map(|tapped| self.shown(&tapped.event)));
            if has_drained || since.elapsed() >= HELD_BACK {
                shown += self.show(&mut held, shown)?;
                since = Instant::now();
            }
            if is_over || self.arguments.count.is_some_and(|count| shown >= count) {
                return Ok(shown);
            }
            if last_sign.elapsed() >= SIGN_OF_LIFE {
                tap.keep().await?;
                last_sign = Instant::now();
            }
        }
    }

    /// Shows what was held back, the earliest first, but no more than is wanted. How many.
    fn show(&self, held: &mut Vec<ShownEvent>, before: u64) -> Result<u64, Box<dyn Error>> {
        held.sort_by_key(|event| event.time.parse::<Timestamp>().ok());
        let room = self.arguments.count.map_or(u64::MAX, |count| count.saturating_sub(before));
        let mut shown = 0;
        for event in held.drain(..).take(usize::try_from(room).unwrap_or(usize::MAX)) {
            self.terminal.line(&event)?;
            shown += 1;
        }
        Ok(shown)
    }

    fn shown(&self, event: &Value) -> ShownEvent {
        let shown = ShownEvent::of(event, Timestamp::now());
        let data = self.may_show.as_ref().map(|may_show| masked(may_show, &shown, event));
        ShownEvent { data, ..shown }
    }
}

/// Returns the data of an event, masked as it may be shown.
fn masked(may_show: &Shown, shown: &ShownEvent, event: &Value) -> Value {
    let detail = &event["detail"];
    if detail["specversion"].is_string() {
        return may_show.data(&shown.message_type, detail["data"].clone());
    }
    may_show.event(detail.clone())
}
