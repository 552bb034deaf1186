//! `throughline down`: the end of the local cloud.

use crate::{cloud::target::Cloud, local::Kind, terminal::Terminal};
use clap::Args;
use serde::Serialize;
use std::{error::Error, fmt};

const EXAMPLES: &str = "Examples:
  throughline down";

/// Stops the local cloud, every function it runs, and what stands in for services outside
///
/// What they held is gone.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// The port.
    #[command(flatten)]
    pub cloud: Cloud,
}

/// The cloud that was stopped.
#[derive(Debug, Serialize)]
struct Stopped {
    port: u16,
    cloud: Option<Kind>,
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.cloud {
            Some(cloud) => write!(f, "The local cloud on port {} ({cloud}) is stopped.", self.port),
            None => write!(f, "No local cloud runs on port {}.", self.port),
        }
    }
}

/// Stops it.
///
/// # Errors
/// If it goes on.
pub fn run(arguments: &Arguments, terminal: &Terminal) -> Result<(), Box<dyn Error>> {
    let cloud = arguments.cloud.open()?.down()?;
    terminal.show(&Stopped { port: arguments.cloud.port, cloud })?;
    Ok(())
}
