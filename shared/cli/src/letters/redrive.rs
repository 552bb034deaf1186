//! A redrive: letters go back to where they came from, and none is lost wherever it is killed.

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

/// What was asked for, as the journal keeps it: whoever goes on does the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Asked {
    pub(crate) selection: Selection,
    pub(crate) edits: Edits,
    pub(crate) accept_rerun: bool,
}

/// Without what is put into letters: that may be nobody's business.
impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "redrive {}", self.selection.in_words())?;
        if !self.edits.is_none() {
            write!(f, " after these edits: {}", self.edits.summary())?;
        }
        if self.accept_rerun { write!(f, " with --accept-rerun") } else { Ok(()) }
    }
}

/// How letters are taken.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manner {
    /// How fast they go out.
    pub(crate) rate: Rate,
    /// How long letters in hand stay hidden from others, should this process die.
    pub(crate) hold: Duration,
    /// How long the first letter of each queue is waited for, before the others follow; `None` sends all at once.
    pub(crate) canary_wait: Option<Duration>,
}

/// A redrive, with all that it needs.
pub(crate) struct Redrive<'a> {
    /// The stack whose letters they are.
    pub(crate) stack: &'a Stack,
    /// The project's folder, in which the journals lie.
    pub(crate) root: &'a Path,
    /// What edited letters are held against.
    pub(crate) catalogue: &'a Catalogue,
    /// Which letters are meant, and how they are changed.
    pub(crate) asked: &'a Asked,
    /// How they are taken.
    pub(crate) manner: Manner,
    /// Whether it only goes on with what was interrupted, as it was asked for then.
    pub(crate) is_resume: bool,
    /// Who is told how far it is.
    pub(crate) progress: &'a dyn Progress,
}

impl Redrive<'_> {
    /// Takes the letters of these queues that are meant, queue by queue, and returns what it did. A queue whose first
    /// letter is not handled stops it.
    ///
    /// # Errors
    /// If a journal or a queue cannot be used: nothing is lost, and the journals say where to go on.
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

/// Where the journal of a queue is: the URL tells account, region, cloud and stack apart.
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
