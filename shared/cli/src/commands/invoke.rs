//! `throughline invoke`: one function, called by hand.

mod report;
mod trigger;

pub use report::{Report, Verdict};

use crate::{
    cloud::{
        aws_command_line::{AwsCommandLine, CommandLineError},
        target::Target,
    },
    project::{Project, template::Template},
    terminal::Terminal,
};
use clap::Args;
use serde_json::Value;
use std::{
    error::Error,
    fs::{self, DirBuilder},
    io::{self, Read as _},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    time::Instant,
};
use throughline_aws::outside::fresh_id;
use trigger::Trigger;

const EXAMPLES: &str = "Examples:
  throughline invoke place-order events/order.place.v1.json
  throughline invoke confirm-order - < events/stock.reserved.v1.json";

/// Calls one function with a message from a file, the way its trigger would, and shows what it answers and logs.
///
/// It runs for real: what it decides is committed, published and sent. A message that it wants delivered again is not,
/// because no queue holds it.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// The stack.
    #[command(flatten)]
    pub target: Target,
    /// The function, by its name in functions/
    pub function: String,
    /// A file with a CloudEvent, a list of them, or any other JSON; `-` for standard input
    pub file: String,
    /// Give the function what is in the file as it is
    #[arg(long)]
    pub raw: bool,
}

/// Why a function was not called.
#[derive(Debug, thiserror::Error)]
pub enum InvokeError {
    /// The message cannot be read.
    #[error("{file}: {reason}")]
    Message {
        /// Its path.
        file: String,
        /// The problem with it.
        reason: String,
    },
    /// The stack has no such function.
    #[error("the stack has no function `{name}`; it has {known}")]
    NoFunction {
        /// The requested name.
        name: String,
        /// Those there are.
        known: String,
    },
    /// Something it needs cannot be written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: String,
        /// The system's error.
        source: io::Error,
    },
    /// Lambda did not call it.
    #[error(transparent)]
    Aws(#[from] CommandLineError),
    /// It was called, and failed; how was shown.
    #[error("the function failed")]
    Failed,
}

/// Runs the command.
///
/// # Errors
/// [`InvokeError`], or if the stack cannot be used.
pub async fn run(arguments: &Arguments, terminal: &Terminal) -> Result<(), Box<dyn Error>> {
    let project = Project::find()?;
    let stack = arguments.target.open(terminal).await?;
    let known = || stack.logical_functions().map(|(name, _)| name).collect::<Vec<_>>().join(", ");
    let no_function = || InvokeError::NoFunction { name: arguments.function.clone(), known: known() };
    let named = stack.logical_functions().find(|(name, _)| *name == arguments.function);
    let deployed_name = named.map(|(_, deployed)| deployed.to_owned()).ok_or_else(no_function)?;
    let message = read(&arguments.file)?;
    let trigger = Trigger::of(
        &Template::of(&project)?,
        &crate::cloud::stack::camel_case(&format!("{}-function", arguments.function)),
    );
    let payload = if arguments.raw {
        message
    } else {
        let not_wrapped = |reason| InvokeError::Message { file: arguments.file.clone(), reason };
        trigger.wrap(message).map_err(not_wrapped)?
    };
    if !stack.place().is_local() {
        terminal.confirm(&format!("call `{deployed_name}` on {}, whose effects are real", stack.place()))?;
    }
    let aws = AwsCommandLine { project: &project, place: stack.place() };
    let report = call(aws, &deployed_name, &payload, &trigger)?;
    terminal.show(&report)?;
    if report.error.is_some() { Err(InvokeError::Failed.into()) } else { Ok(()) }
}

/// The message, and where in it what is wrong.
fn read(file: &str) -> Result<Value, InvokeError> {
    let wrong = |reason: String| InvokeError::Message { file: file.to_owned(), reason };
    let mut text = String::new();
    if file == "-" {
        io::stdin().lock().read_to_string(&mut text).map_err(|error| wrong(error.to_string()))?;
    } else {
        text = fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
    }
    serde_json::from_str(&text).map_err(|error| wrong(format!("it is no JSON: {error}")))
}

/// Files for AWS's command line, which are removed afterwards.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self, InvokeError> {
        let folder = std::env::temp_dir().join(format!("throughline-invoke-{}", fresh_id()));
        // Nobody else reads what a message says, nor has made the folder before.
        DirBuilder::new().mode(0o700).create(&folder).map_err(file(&folder))?;
        Ok(Self(folder))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.0);
    }
}

fn file(path: &Path) -> impl FnOnce(io::Error) -> InvokeError {
    let path = path.display().to_string();
    move |source| InvokeError::File { path, source }
}

fn call(
    aws: AwsCommandLine<'_>,
    name: &str,
    payload: &Value,
    trigger: &Trigger,
) -> Result<Report, InvokeError> {
    let scratch = Scratch::new()?;
    let [sent, received] = ["sent.json", "received.json"].map(|name| scratch.0.join(name));
    fs::write(&sent, payload.to_string()).map_err(file(&sent))?;
    let (payload_file, received_file) =
        (format!("fileb://{}", sent.display()), received.display().to_string());
    let started = Instant::now();
    let answer = aws.json(
        [
            &["lambda", "invoke", "--function-name", name, "--log-type", "Tail", "--payload", &payload_file]
                [..],
            // A function may take 15 minutes, and is called once.
            &["--cli-read-timeout", "910", &received_file],
        ]
        .concat(),
    )?;
    let took = started.elapsed();
    let received = fs::read_to_string(&received).map_err(file(&received))?;
    Ok(Report::of(name, trigger, payload, &answer, &received, took))
}
