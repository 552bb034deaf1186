//! The `throughline` command.

use clap::{Args, Parser, Subcommand};
use std::{error::Error, path::PathBuf, process::ExitCode};
use throughline_cli::{dead_letters, demo, publish, stack::Stack, trace};

/// Runs, feeds and follows Throughline functions on a local cloud.
#[derive(Debug, Parser)]
#[command(name = "throughline", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Sends messages from files: events to the bus, or commands to a queue.
    ///
    /// Example: throughline publish --queue place-order events/order.place.v1.json
    Publish {
        #[command(flatten)]
        target: Target,
        /// The queue that takes the command, such as `place-order`. Without it the bus takes an event.
        #[arg(long, value_name = "NAME")]
        queue: Option<String>,
        /// CloudEvents in JSON, one a file.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Shows one line as a tree with times: every message and handler, and what was rejected and why.
    ///
    /// Example: throughline trace web-1001
    Trace {
        #[command(flatten)]
        target: Target,
        /// The `correlationid` of its messages: by default the id of its first one.
        correlation_id: String,
    },
    /// Lists what lies in the dead-letter queues, and why.
    DeadLetters {
        #[command(flatten)]
        target: Target,
    },
    /// Sends the reference shop three orders and shows what becomes of them, twice.
    Demo {
        #[command(flatten)]
        target: Target,
        /// The folder with the orders.
        #[arg(long, default_value = "events")]
        events: PathBuf,
    },
}

/// Which stack is meant.
#[derive(Debug, Args)]
struct Target {
    /// The outputs of the stack, as `throughline deploy` wrote them.
    #[arg(long, env = "THROUGHLINE_OUTPUTS", default_value = ".throughline/local/outputs.json")]
    outputs: PathBuf,
    /// The local cloud.
    #[arg(long, env = "AWS_ENDPOINT_URL", default_value = "http://127.0.0.1:4566")]
    endpoint: String,
}

impl Target {
    async fn open(&self) -> Result<Stack, Box<dyn Error>> {
        Ok(Stack::open(&self.outputs, Some(&self.endpoint)).await?)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(Arguments::parse().command).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("throughline: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> Result<(), Box<dyn Error>> {
    match command {
        Command::Publish { target, queue, files } => {
            publish::run(&target.open().await?, &files, queue.as_deref()).await?;
        }
        Command::Trace { target, correlation_id } => {
            trace::run(&target.open().await?, &correlation_id).await?;
        }
        Command::DeadLetters { target } => dead_letters::run(&target.open().await?).await?,
        Command::Demo { target, events } => demo::run(&target.open().await?, &events).await?,
    }
    Ok(())
}
