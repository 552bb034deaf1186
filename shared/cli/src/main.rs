//! The `throughline` command.

#[cfg(test)]
mod runbooks;

use clap::{Parser, Subcommand};
use std::{error::Error, process::ExitCode};
use throughline_cli::{
    commands::{
        check, demo, deploy, describe, dlq, down, invoke, logs, metrics, new, outbox, publish, replay,
        status, tail, trace, up,
    },
    terminal::Terminal,
};

/// Runs, feeds and follows Throughline functions on a local cloud.
///
/// A first tour: `throughline up`, `throughline deploy`, `throughline publish
/// events/order.place.v1.json`, `throughline trace web-1001`, `throughline down`.
#[derive(Debug, Parser)]
#[command(name = "throughline", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    terminal: Terminal,
}

#[derive(Debug, Subcommand)]
enum Command {
    Up(up::Arguments),
    Down(down::Arguments),
    Status(status::Arguments),
    Deploy(deploy::Arguments),
    New(new::Arguments),
    Invoke(invoke::Arguments),
    Tail(tail::Arguments),
    Publish(publish::Arguments),
    Describe(describe::Arguments),
    Trace(trace::Arguments),
    Dlq(dlq::Arguments),
    Check(check::Arguments),
    Logs(logs::Arguments),
    Metrics(metrics::Arguments),
    Replay(replay::Arguments),
    Outbox(outbox::Arguments),
    Demo(demo::Arguments),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Arguments { command, terminal } = Arguments::parse();
    match run(command, &terminal).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("throughline: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command, terminal: &Terminal) -> Result<(), Box<dyn Error>> {
    match command {
        // It deploys by what another word does: neither imports the other.
        Command::Up(arguments) => up::run(&arguments, terminal, deploy::new_code)?,
        Command::Down(arguments) => down::run(&arguments, terminal)?,
        Command::Status(arguments) => status::run(&arguments, terminal)?,
        Command::Tail(arguments) => tail::run(&arguments, terminal).await?,
        Command::Invoke(arguments) => invoke::run(&arguments, terminal).await?,
        Command::New(arguments) => new::run(&arguments, terminal).await?,
        Command::Deploy(arguments) => deploy::run(&arguments, terminal).await?,
        Command::Describe(arguments) => describe::run(&arguments, terminal)?,
        Command::Publish(arguments) => publish::run(&arguments, terminal).await?,
        Command::Trace(arguments) => trace::run(&arguments, terminal).await?,
        Command::Check(arguments) => check::run(&arguments, terminal).await?,
        Command::Dlq(arguments) => dlq::run(&arguments, terminal).await?,
        Command::Logs(arguments) => logs::run(&arguments, terminal).await?,
        Command::Replay(arguments) => replay::run(&arguments, terminal).await?,
        Command::Outbox(arguments) => outbox::run(&arguments, terminal).await?,
        Command::Metrics(arguments) => metrics::run(&arguments, terminal).await?,
        Command::Demo(arguments) => demo::run(&arguments, terminal).await?,
    }
    Ok(())
}
