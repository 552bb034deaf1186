//! `throughline up`: a cloud on this machine.

use crate::{
    local_cloud::{Options, Wanted},
    target::Cloud,
    terminal::Terminal,
};
use clap::Args;
use std::error::Error;

/// Starts the local cloud in the background, and what stands in for services outside
///
/// Only this machine can reach them. A cloud that runs already is left as it is.
///
/// Example: throughline up
///
/// Example: throughline up --on localstack --port 4567
#[derive(Debug, Args)]
pub struct Arguments {
    /// Which port.
    #[command(flatten)]
    pub cloud: Cloud,
    /// Which cloud
    #[arg(long, value_enum, default_value_t = Wanted::Ministack)]
    pub on: Wanted,
    /// LocalStack as a program, even where a Docker engine runs
    #[arg(long)]
    pub without_docker: bool,
    /// Where the functions reach the cloud, if something stands in between
    #[arg(long, value_name = "URL")]
    pub functions_endpoint: Option<String>,
}

/// Starts it.
///
/// # Errors
/// If it is not set up, or does not start.
pub fn run(arguments: &Arguments, terminal: &Terminal) -> Result<(), Box<dyn Error>> {
    let Arguments { cloud, on, without_docker, functions_endpoint } = arguments;
    let options = Options {
        on: *on,
        without_docker: *without_docker,
        functions_endpoint: functions_endpoint.as_deref(),
    };
    terminal.show(&cloud.open()?.up(&options)?)?;
    Ok(())
}
