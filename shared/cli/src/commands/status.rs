//! `throughline status`: whether the local cloud runs, and which one it is.

use crate::{cloud::target::Cloud, terminal::Terminal};
use clap::Args;
use std::error::Error;

const EXAMPLES: &str = "Examples:
  throughline status --json";

/// Says whether the local cloud runs, and which one it is
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// The port.
    #[command(flatten)]
    pub cloud: Cloud,
}

/// Says it.
///
/// # Errors
/// If that cannot be known.
pub fn run(arguments: &Arguments, terminal: &Terminal) -> Result<(), Box<dyn Error>> {
    terminal.show(&arguments.cloud.open()?.status()?)?;
    Ok(())
}
