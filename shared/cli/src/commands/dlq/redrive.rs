//! `throughline dlq redrive`: letters go back to where they came from.

use super::selection::SelectionArguments;
use crate::{
    cloud::target::Target,
    letters::{
        queues::selected,
        redrive::{Asked, Manner, Redrive, edit::Edits, pace::Rate},
    },
    project::{Project, catalogue::Catalogue},
    terminal::Terminal,
    time::duration::duration,
};
use clap::Args;
use std::{error::Error, path::PathBuf, time::Duration};

/// The arguments of `dlq redrive`.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub struct RedriveArguments {
    /// The stack.
    #[command(flatten)]
    pub target: Target,
    /// The letters to redrive.
    #[command(flatten)]
    pub selection: SelectionArguments,
    /// Every letter of the queues that are meant
    #[arg(long)]
    pub all: bool,
    /// Go on with what was interrupted, as it was asked for then
    #[arg(long, conflicts_with_all = ["all", "handler", "error", "message_type", "id", "edit", "set"])]
    pub resume: bool,
    /// The rate at which letters go out, such as 50/s, 10/m or 100/h
    #[arg(long, default_value = "50/s")]
    pub rate: Rate,
    /// Send all at once, without waiting whether the first letter of each queue is handled
    #[arg(long)]
    pub no_canary: bool,
    /// The time to wait for the first letter
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
    /// The time that letters in hand stay hidden from others, should this command be killed
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
    pub hold: Duration,
}

/// Redrives letters.
pub(super) async fn run(arguments: &RedriveArguments, terminal: &Terminal) -> Result<(), Box<dyn Error>> {
    let RedriveArguments { selection, all, resume, .. } = arguments;
    let selection = &selection.selection();
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
    let manner = Manner {
        rate: arguments.rate,
        hold: arguments.hold,
        canary_wait: (!arguments.no_canary).then_some(arguments.canary_wait),
    };
    let redrive = Redrive {
        stack: &stack,
        root: project.root(),
        catalogue: &catalogue,
        asked: &asked,
        manner,
        is_resume: *resume,
        progress: terminal,
    };
    let report = redrive.carry_out(&queues).await?;
    terminal.show(&report)?;
    report.problem().map_or(Ok(()), |problem| Err(problem.into()))
}
