//! `throughline dlq`: what was given up and why, and how it is run again or thrown away.

mod list;
mod purge;
mod redrive;
mod selection;
mod show;

use crate::terminal::Terminal;
use clap::{Args, Subcommand};
use std::error::Error;

pub use list::ListArguments;
pub use purge::PurgeArguments;
pub use redrive::RedriveArguments;
pub use selection::SelectionArguments;
pub use show::ShowArguments;

const LIST_EXAMPLES: &str = "Examples:
  throughline dlq list
  throughline dlq list --handler place-order --all";

const SHOW_EXAMPLES: &str = "Examples:
  throughline dlq show 6f1c9a52-7f0e-4b37-9f5c-1a4c8e2f9d10";

const REDRIVE_EXAMPLES: &str = "Examples:
  throughline dlq redrive --handler place-order --error BadOrder
  throughline dlq redrive --id ID --set data.lines.0.quantity=2
  throughline dlq redrive --all --rate 10/s";

const PURGE_EXAMPLES: &str = "Examples:
  throughline dlq purge --queue place-order --error MalformedBody";

/// Dead letters: messages that were given up. What they are, why, and what to do with them.
///
/// First `throughline dlq list`, then `throughline dlq show ID` for one of a kind; once the cause is mended,
/// `throughline dlq redrive`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The subcommand.
    #[command(subcommand)]
    pub command: DlqCommand,
}

/// The subcommands for dead letters.
#[derive(Debug, Subcommand)]
pub enum DlqCommand {
    /// List the letters in the dead-letter queues: by handler, error and event type, with counts, ages and a sample.
    #[command(after_help = LIST_EXAMPLES)]
    List(ListArguments),
    /// Show letters: their contents, their senders, and what a redrive would do with them.
    #[command(after_help = SHOW_EXAMPLES)]
    Show(ShowArguments),
    /// Sends letters back to where they came from: one first, and once it is handled the others.
    ///
    /// It can be interrupted at any point: run the same command again, or with --resume, and it goes on. What is done
    /// twice by that does nothing, since handlers know what they have handled.
    ///
    /// With --all (or --queue) and --accept-rerun, and without edits, SQS moves the letters itself where it can.
    #[command(after_help = REDRIVE_EXAMPLES)]
    Redrive(RedriveArguments),
    /// Throws letters away, once they are written to a file.
    #[command(after_help = PURGE_EXAMPLES)]
    Purge(PurgeArguments),
}

/// Does it.
///
/// # Errors
/// A sentence that says what was wrong and what to do.
pub async fn run(arguments: &Arguments, terminal: &Terminal) -> Result<(), Box<dyn Error>> {
    match &arguments.command {
        DlqCommand::List(arguments) => list::run(arguments, terminal).await,
        DlqCommand::Show(arguments) => show::run(arguments, terminal).await,
        DlqCommand::Redrive(arguments) => redrive::run(arguments, terminal).await,
        DlqCommand::Purge(arguments) => purge::run(arguments, terminal).await,
    }
}
