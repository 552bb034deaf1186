//! `throughline metrics`: what the functions came to, in figures, and which alarms they raise.
//!
//! A local cloud makes no metrics of the lines that functions write in the embedded metric format: these are read
//! as CloudWatch would. On AWS, CloudWatch is asked.

mod shown;

use crate::{
    cloud::{logs, target::Target},
    figures::{
        Figures,
        alarms::{self, AlarmReport, Evaluation},
        cloudwatch,
        samples::Samples,
    },
    project::{Project, template::Template},
    terminal::Terminal,
    time::duration::duration,
};
use clap::Args;
use serde::Serialize;
use std::{error::Error, fmt, time::Duration};
use throughline_core::Timestamp;

const EXAMPLES: &str = "Examples:
  throughline metrics --since 15m --handler place-order
  throughline metrics --alarms";

/// Shows what the functions did: processed, duplicates, retries, rejected, how long it took, how old the events were.
///
/// The same figures as CloudWatch's metrics.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// The stack.
    #[command(flatten)]
    pub target: Target,
    /// The length of time to look back, such as 15m or 2h
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "1h")]
    pub since: Duration,
    /// Only this handler, saga or `relay`
    #[arg(long, value_name = "NAME")]
    pub handler: Option<String>,
    /// Show the template's alarms instead: which are raised, and what to do about them
    #[arg(long)]
    pub alarms: bool,
}

/// The figures that are shown.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Report {
    Figures(Figures),
    Alarms(AlarmReport),
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Figures(figures) => figures.fmt(f),
            Self::Alarms(alarms) => alarms.fmt(f),
        }
    }
}

/// Runs the command.
///
/// # Errors
/// If the stack cannot be used, or its logs or metrics cannot be read.
pub async fn run(arguments: &Arguments, terminal: &Terminal) -> Result<(), Box<dyn Error>> {
    let stack = arguments.target.open(terminal).await?;
    let (project, now) = (Project::find()?, Timestamp::now());
    let name = &arguments.target.stack;
    let handler = arguments.handler.as_deref();
    let read = |since| logs::read(&stack, logs::Wanted { since: Some(since), phrase: None });
    let report = match (stack.place().is_local(), arguments.alarms) {
        (true, false) => {
            let lines = read(now - arguments.since).await?;
            Report::Figures(Figures::of(&Samples::of(&lines), handler))
        }
        (true, true) => {
            let template = Template::of(&project)?;
            let lines = read(now - alarms::LONGEST_LOOK_BACK).await?;
            let evaluation = Evaluation::prepare(&project, &template, &stack, name, &lines, now).await?;
            Report::Alarms(evaluation.report(handler))
        }
        (false, false) => {
            let answer = cloudwatch::figures(&stack, name, arguments.since, now).await?;
            Report::Figures(Figures::of(&cloudwatch::Answer::of(&answer), handler))
        }
        (false, true) => {
            let names = alarms::names(&project, &Template::of(&project)?, &stack, name)?;
            let answer = cloudwatch::alarms(&stack, name).await?;
            Report::Alarms(AlarmReport::of_cloudwatch(&answer, &names, handler))
        }
    };
    terminal.show(&report)?;
    match (&report, handler) {
        (Report::Figures(figures), Some(handler)) if *figures == Figures::default() => {
            Err(format!("nothing was measured of `{handler}` in the last {:?}", arguments.since).into())
        }
        _ => Ok(()),
    }
}
