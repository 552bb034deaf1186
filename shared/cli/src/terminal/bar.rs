//! The progress of long work, on standard error.

use crate::progress::Activity;
use indicatif::{ProgressBar, ProgressStyle};
use std::{
    io::{self, IsTerminal as _},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// The interval of progress lines where there is no bar.
const SAY_AGAIN: Duration = Duration::from_secs(5);

/// The progress of work: a bar on a terminal, otherwise a line every few seconds.
#[derive(Debug)]
pub struct Bar(Shown);

#[derive(Debug)]
enum Shown {
    OnTerminal(ProgressBar),
    Lines { what: String, total: Option<u64>, last: Mutex<Instant> },
}

impl Bar {
    pub(super) fn start(what: &str, total: Option<u64>) -> Self {
        if !io::stderr().is_terminal() {
            return Self(Shown::Lines { what: what.to_owned(), total, last: Mutex::new(Instant::now()) });
        }
        let bar = match total {
            Some(total) => ProgressBar::new(total).with_style(
                ProgressStyle::with_template("{msg} {wide_bar} {pos} of {len}, {eta} left")
                    .unwrap_or_else(|_| ProgressStyle::default_bar()),
            ),
            None => ProgressBar::new_spinner(),
        };
        bar.set_message(what.to_owned());
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(Shown::OnTerminal(bar))
    }

    /// So much is done.
    pub fn set(&self, done: u64) {
        match &self.0 {
            Shown::OnTerminal(bar) => bar.set_position(done),
            Shown::Lines { what, total, last } => {
                let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
                if last.elapsed() >= SAY_AGAIN {
                    *last = Instant::now();
                    eprintln!("{}", sentence(what, done, *total));
                }
            }
        }
    }

    /// Says something without breaking the bar.
    pub fn note(&self, text: &str) {
        match &self.0 {
            Shown::OnTerminal(bar) => bar.suspend(|| eprintln!("{text}")),
            Shown::Lines { .. } => eprintln!("{text}"),
        }
    }

    /// The work is over; the bar goes.
    pub fn finish(self) {
        if let Shown::OnTerminal(bar) = self.0 {
            bar.finish_and_clear();
        }
    }
}

impl Activity for Bar {
    fn set(&self, done: u64) {
        Self::set(self, done);
    }

    fn note(&self, text: &str) {
        Self::note(self, text);
    }

    fn finish(self: Box<Self>) {
        Self::finish(*self);
    }
}

fn sentence(what: &str, done: u64, total: Option<u64>) -> String {
    match total {
        Some(total) => format!("{what}: {done} of {total}"),
        None => format!("{what}: {done}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_is_done_and_how_far() {
        assert_eq!(sentence("redriving", 3, Some(10)), "redriving: 3 of 10");
        assert_eq!(sentence("reading the log", 3, None), "reading the log: 3");
    }
}
