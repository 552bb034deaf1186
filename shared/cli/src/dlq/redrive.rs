//! `throughline dlq redrive`: letters go back to where they came from.

mod begin;
mod canary;
mod edit;
mod hands;
mod journal;
mod pace;
mod protocol;
mod report;
mod run;

use super::{queues::selected, selection::Selection};
use crate::{catalogue::Catalogue, logs::duration, project::Project, target::Target, terminal::Terminal};
use begin::{begin, finish_untouched, open};
use clap::Args;
use edit::Edits;
use pace::Rate;
use report::{Redriven, Report};
use run::Run;
use serde::{Deserialize, Serialize};
use std::{
    error::Error,
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};
use throughline_core::Timestamp;

/// What is redriven, and how.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub struct RedriveArguments {
    /// Which stack.
    #[command(flatten)]
    pub target: Target,
    /// Which letters.
    #[command(flatten)]
    pub selection: Selection,
    /// Every letter of the queues that are meant
    #[arg(long)]
    pub all: bool,
    /// Go on with what was interrupted, as it was asked for then
    #[arg(long, conflicts_with_all = ["all", "handler", "error", "message_type", "id", "edit", "set"])]
    pub resume: bool,
    /// How fast letters go out, such as 50/s, 10/m or 100/h
    #[arg(long, default_value = "50/s")]
    pub rate: Rate,
    /// Send all at once, without waiting whether the first letter of each queue is handled
    #[arg(long)]
    pub no_canary: bool,
    /// How long the first letter is waited for
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = duration)]
    pub canary_wait: Duration,
    /// Also run events so old that the ledger may have forgotten that they were handled
    #[arg(long)]
    pub accept_rerun: bool,
    /// Change each event by this patch (RFC 6902), whose paths begin at the event
    #[arg(long, value_name = "FILE")]
    pub edit: Option<PathBuf>,
    /// Change a member of each event, such as data.lines.0.quantity=2 (repeatable)
    #[arg(long, value_name = "PATH=VALUE")]
    pub set: Vec<String>,
    /// How long letters in hand stay hidden from others, should this command be killed
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
    pub hold: Duration,
}

/// What was asked for, as the journal keeps it: whoever goes on does the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Asked {
    selection: Selection,
    edits: Edits,
    accept_rerun: bool,
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

/// Redrives letters.
pub(super) async fn run(arguments: &RedriveArguments, terminal: &Terminal) -> Result<(), Box<dyn Error>> {
    let RedriveArguments { selection, all, resume, .. } = arguments;
    if selection.is_everything() && !all && !resume {
        return Err("say which letters: --id, --queue, --handler, --error, --type or --all; `throughline dlq list` shows what there is".into());
    }
    let edits = Edits::read(arguments.edit.as_deref(), &arguments.set)?;
    let asked = Asked { selection: selection.clone(), edits, accept_rerun: arguments.accept_rerun };
    let project = Project::find()?;
    let catalogue = Catalogue::of(&project)?;
    let stack = arguments.target.open(terminal).await?;
    let queues = selected(&stack, selection).await?;
    if !resume {
        terminal.confirm(&format!("{asked} at {}", arguments.rate))?;
    }
    let mut opened = open(&queues, |queue| journal_path(project.root(), queue.queue.url()))?;
    let each = begin(&mut opened, &asked, *resume, Timestamp::now())?;
    let mut report = Report::default();
    let mut rest = opened.into_iter().zip(each);
    while let Some((opened, asked)) = rest.next() {
        let Some(asked) = asked else { continue };
        let mut run = Run::new(&stack, terminal, arguments, &asked, opened);
        if !asked.edits.is_none() {
            run = run.checking(&catalogue);
        }
        let redriven = run.all().await?;
        let is_stopped = redriven.is_stopped();
        report.queues.extend(Some(redriven).filter(Redriven::is_anything));
        if is_stopped {
            finish_untouched(rest.map(|(opened, _)| opened))?;
            break;
        }
    }
    terminal.show(&report)?;
    report.problem().map_or(Ok(()), |problem| Err(problem.into()))
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
