//! `throughline up`: a cloud on this machine.

use crate::{
    cloud::{
        place::Place,
        target::{Cloud, DEFAULT_STACK, stack_name},
    },
    local::{
        Wanted,
        cloud::{LocalCloud, Options},
        watch,
    },
    project::Project,
    terminal::Terminal,
};
use clap::Args;
use std::error::Error;

const EXAMPLES: &str = "Examples:
  throughline up
  throughline up --on localstack --port 4567
  throughline up --watch";

/// Starts the local cloud in the background, and what stands in for services outside
///
/// Only this machine can reach them. A cloud that runs already is left as it is.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// The port.
    #[command(flatten)]
    pub cloud: Cloud,
    /// The local cloud to start
    #[arg(long, value_enum, default_value_t = Wanted::Ministack)]
    pub on: Wanted,
    /// LocalStack as a program, even where a Docker engine runs
    #[arg(long)]
    pub without_docker: bool,
    /// The URL at which functions reach the cloud, if something stands in between
    #[arg(long, value_name = "URL")]
    pub functions_endpoint: Option<String>,
    /// Build and deploy a function again whenever its source changes, until Ctrl-C; the cloud goes on
    #[arg(long)]
    pub watch: bool,
    /// With --watch: the stack whose functions these are
    #[arg(long, env = "THROUGHLINE_STACK", default_value = DEFAULT_STACK, value_parser = stack_name)]
    pub stack: String,
}

/// Builds functions of a project, by their names in `functions/`, and gives them the new code in a stack. Returns in
/// words what it did.
pub type NewCode = fn(&Project, &Place, &str, &[String]) -> Result<Vec<String>, Box<dyn Error>>;

/// Starts the local cloud; with `--watch`, it gives functions new code by `new_code` until Ctrl-C.
///
/// # Errors
/// If it is not set up, or does not start.
pub fn run(arguments: &Arguments, terminal: &Terminal, new_code: NewCode) -> Result<(), Box<dyn Error>> {
    let Arguments { cloud, on, without_docker, functions_endpoint, .. } = arguments;
    let options = Options {
        on: *on,
        without_docker: *without_docker,
        functions_endpoint: functions_endpoint.as_deref(),
    };
    let cloud = cloud.open()?;
    terminal.show(&cloud.up(&options)?)?;
    if arguments.watch {
        watch(arguments, &cloud, *terminal, new_code)?;
    }
    Ok(())
}

fn watch(
    arguments: &Arguments,
    cloud: &LocalCloud,
    terminal: Terminal,
    new_code: NewCode,
) -> Result<(), Box<dyn Error>> {
    let project = Project::find()?;
    let place = Place::Local { endpoint: cloud.endpoint() };
    watch::run(&project, terminal, |functions| new_code(&project, &place, &arguments.stack, functions))?;
    terminal.note(format_args!(
        "No longer watching. The local cloud goes on at {}; `throughline down` stops it.",
        cloud.endpoint()
    ));
    Ok(())
}
