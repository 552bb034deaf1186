//! A redrive: letters are sent back to their source, and none is lost if the process is killed at any point.

mod begin;
mod canary;
pub(crate) mod edit;
mod io;
mod journal;
pub mod pace;
mod protocol;
mod report;
mod run;

use super::{queues::NamedQueue, selection::Selection};
use crate::{cloud::stack::Stack, progress::Progress, project::catalogue::Catalogue};
use begin::{begin, finish_untouched, open};
use edit::Edits;
use pace::Rate;
use report::Redriven;
pub(crate) use report::Report;
use run::Run;
use serde::{Deserialize, Serialize};
use std::{
    error::Error,
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};
use throughline_core::Timestamp;

/// The request of a redrive, as the journal keeps it: a resumed redrive does the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Asked {
    pub(crate) selection: Selection,
    pub(crate) edits: Edits,
    pub(crate) accept_rerun: bool,
}

/// The text leaves out the values that edits put into letters, because they may be confidential.
impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "redrive {}", self.selection.in_words())?;
        if !self.edits.is_none() {
            write!(f, " after these edits: {}", self.edits.summary())?;
        }
        if self.accept_rerun { write!(f, " with --accept-rerun") } else { Ok(()) }
    }
}

/// The pace and safety of a redrive.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manner {
    /// The rate at which letters are sent.
    pub(crate) rate: Rate,
    /// The time that letters in hand stay hidden from other consumers if this process dies.
    pub(crate) hold: Duration,
    /// The time to wait for the handler of each queue's first letter before the others are sent; `None` sends all at
    /// once.
    pub(crate) canary_wait: Option<Duration>,
}

/// A redrive with all its inputs.
pub(crate) struct Redrive<'a> {
    /// The stack that owns the letters.
    pub(crate) stack: &'a Stack,
    /// The project's folder, which contains the journals.
    pub(crate) root: &'a Path,
    /// The catalogue that edited letters are checked against.
    pub(crate) catalogue: &'a Catalogue,
    /// The letters that are selected, and the edits to them.
    pub(crate) asked: &'a Asked,
    /// The pace and safety settings.
    pub(crate) manner: Manner,
    /// Whether it only resumes interrupted redrives, as they were asked for.
    pub(crate) is_resume: bool,
    /// The receiver of progress reports.
    pub(crate) progress: &'a dyn Progress,
}

impl Redrive<'_> {
    /// Redrives the selected letters, queue by queue, and returns a report. It stops at a queue whose first letter is
    /// not handled.
    ///
    /// # Errors
    /// If a journal or a queue cannot be used: nothing is lost, and the journals hold the point to resume from.
    pub(crate) async fn carry_out(&self, queues: &[NamedQueue]) -> Result<Report, Box<dyn Error>> {
        let mut opened = open(queues, |queue| journal_path(self.root, queue.queue.url()))?;
        let each = begin(&mut opened, self.asked, self.is_resume, Timestamp::now())?;
        let mut report = Report::default();
        let mut rest = opened.into_iter().zip(each);
        while let Some((opened, asked)) = rest.next() {
            let Some(asked) = asked else { continue };
            let mut run = Run::new(self.stack, self.progress, self.manner, &asked, opened);
            if !asked.edits.is_none() {
                run = run.checking(self.catalogue);
            }
            let redriven = run.all().await?;
            let is_stopped = redriven.is_stopped();
            report.queues.extend(Some(redriven).filter(Redriven::is_anything));
            if is_stopped {
                finish_untouched(rest.map(|(opened, _)| opened))?;
                break;
            }
        }
        Ok(report)
    }
}

/// Returns the path of a queue's journal. It contains the queue's URL, which differs by account, region, cloud and
/// stack.
fn journal_path(root: &Path, queue_url: &str) -> PathBuf {
    let url = queue_url.split_once("://").map_or(queue_url, |(_, rest)| rest);
    let permitted = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    let name: String = url.chars().map(|letter| if permitted(letter) { letter } else { '_' }).collect();
    root.join(".throughline/redrive").join(format!("{name}.jsonl"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_queue_has_a_journal_of_its_own() {
        let path = |url: &str| journal_path(Path::new("/p"), url).display().to_string();
        let aws = path("https://sqs.eu-west-1.amazonaws.com/1/shop-dead-letters");
        assert_eq!(aws, "/p/.throughline/redrive/sqs.eu-west-1.amazonaws.com_1_shop-dead-letters.jsonl");
        assert_ne!(aws, path("http://127.0.0.1:4566/1/shop-dead-letters"));
    }
}
