//! The output of every command: for people, or as JSON for programs.

mod bar;
pub mod interrupt;
mod table;

pub use bar::Bar;
pub use table::Table;

use crate::progress::{Activity, Interruptions, Progress};
use clap::Args;
use interrupt::Interrupt;
use serde::Serialize;
use std::{
    fmt::Display,
    io::{self, BufRead as _, IsTerminal as _, Write as _},
};

/// The way a command talks: to people, or to programs.
///
/// Standard output holds what was asked for and nothing else; notes, questions and progress go to standard error.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct Terminal {
    /// Print JSON: one document, or one line for each item of a stream
    #[arg(long, global = true)]
    pub json: bool,
    /// Do not ask before changing what cannot be taken back
    #[arg(long, short = 'y', global = true)]
    pub yes: bool,
}

/// Why something was not done that had to be confirmed.
#[derive(Debug, thiserror::Error)]
pub enum NotConfirmed {
    /// Somebody said no.
    #[error("not done: {0} was not confirmed")]
    Declined(String),
    /// There is nobody to ask.
    #[error("not done: whether to {0} could not be asked, since this is no terminal: say --yes to do it")]
    NobodyToAsk(String),
    /// The question could not be asked.
    #[error("not done: the answer could not be read: {0}")]
    Unreadable(#[from] io::Error),
}

impl Terminal {
    /// Shows what was asked for: as text, or as one JSON document.
    ///
    /// # Errors
    /// If standard output takes no more. A reader that has had enough is no error.
    pub fn show(&self, report: &(impl Serialize + Display)) -> io::Result<()> {
        let text = if self.json { serde_json::to_string_pretty(report)? } else { report.to_string() };
        print(text.trim_end_matches('\n'))
    }

    /// Shows one item of a stream: as text, or as one line of JSON.
    ///
    /// # Errors
    /// If standard output takes no more. A reader that has had enough is no error.
    pub fn line(&self, item: &(impl Serialize + Display)) -> io::Result<()> {
        let text = if self.json { serde_json::to_string(item)? } else { item.to_string() };
        print(text.trim_end_matches('\n'))
    }

    /// Says something beside what was asked for.
    pub fn note(&self, text: impl Display) {
        eprintln!("{text}");
    }

    /// Asks before something that cannot be taken back; `what` goes on from "Do you want to". `--yes` answers.
    ///
    /// # Errors
    /// [`NotConfirmed`] if the answer is no, or nobody can be asked.
    pub fn confirm(&self, what: &str) -> Result<(), NotConfirmed> {
        if self.yes {
            return Ok(());
        }
        if !io::stdin().is_terminal() {
            return Err(NotConfirmed::NobodyToAsk(what.to_owned()));
        }
        eprint!("Do you want to {what}? [y/N] ");
        io::stderr().flush()?;
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer)?;
        if is_yes(&answer) { Ok(()) } else { Err(NotConfirmed::Declined(what.to_owned())) }
    }

    /// Shows how far work is that takes longer than a second; `what` is what is being done, such as `redriving`.
    pub fn progress(&self, what: &str, total: Option<u64>) -> Bar {
        Bar::start(what, total)
    }
}

impl Progress for Terminal {
    fn note(&self, text: &str) {
        Self::note(self, text);
    }

    fn begin(&self, what: &str, total: Option<u64>) -> Box<dyn Activity> {
        Box::new(self.progress(what, total))
    }

    fn hold_interruptions(&self) -> Result<Box<dyn Interruptions>, String> {
        Ok(Box::new(Interrupt::watch()?))
    }
}

fn is_yes(answer: &str) -> bool {
    ["y", "yes"].contains(&answer.trim().to_lowercase().as_str())
}

/// Prints a line; whoever reads may have had enough, which is no error.
fn print(text: &str) -> io::Result<()> {
    match writeln!(io::stdout().lock(), "{text}") {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_yes_is_one() {
        for answer in ["y\n", "Yes\n", " YES "] {
            assert!(is_yes(answer), "{answer}");
        }
        for answer in ["", "\n", "n\n", "yep\n", "no\n"] {
            assert!(!is_yes(answer), "{answer}");
        }
    }

    #[test]
    fn what_was_confirmed_beforehand_is_not_asked() {
        Terminal { yes: true, json: false }.confirm("purge it").unwrap();
    }
}
