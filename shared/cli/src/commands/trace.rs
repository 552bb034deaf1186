//! `throughline trace`: one line, from its first message to its last.

mod subject;

use crate::{
    cloud::{logs, stack::Stack, target::Target},
    line::{Branch, Data, LoggedAttempt, WholeLine},
    project::{
        Project,
        catalogue::{Catalogue, Shown},
    },
    terminal::Terminal,
    time::{duration::duration, moment::moment},
};
use clap::Args;
use serde::Serialize;
use std::{
    error::Error,
    fmt,
    io::{self, IsTerminal as _},
    time::{Duration, Instant},
};
use subject::Answer;
use throughline_core::Timestamp;

const EXAMPLES: &str = "Examples:
  throughline trace web-1001
  throughline trace --data --follow web-1001
  throughline trace --subject o-13

It ends with 0 if a line was shown; with 1 if nothing is known of it, or if several lines are about the subject.";

/// Shows one line as a tree with times: every message, handler and step of a saga, each attempt that failed and why,
/// and what lies in a dead-letter queue.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag that somebody may say")]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// The stack.
    #[command(flatten)]
    pub target: Target,
    /// Show the data of each message, with what is sensitive masked
    #[arg(long)]
    pub data: bool,
    /// Show the data of each message whole, sensitive values too
    #[arg(long)]
    pub reveal: bool,
    /// Go on showing it until nothing has happened for a while
    #[arg(long)]
    pub follow: bool,
    /// The time without news after which the line counts as complete
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration, requires = "follow")]
    pub quiet: Duration,
    /// Leave out what the functions logged: attempts that failed are then not shown
    #[arg(long)]
    pub no_logs: bool,
    /// The line about this subject, such as an order's number; if there are several, they are listed
    #[arg(long, value_name = "ID", conflicts_with = "correlation_id")]
    pub subject: Option<String>,
    /// Look for the subject in all that was logged since this time, too, or since so long ago, such as 2d: whatever is no
    /// event of a saved aggregate is found only so, and every message of that time is read for it
    #[arg(long, value_name = "TIME", value_parser = moment, requires = "subject")]
    pub since: Option<Timestamp>,
    /// The `correlationid` of its messages: by default the id of its first one
    #[arg(required_unless_present = "subject")]
    pub correlation_id: Option<String>,
}

/// Why no line is shown.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// Nobody has heard of it.
    #[error(
        "nothing is known of `{0}`: no handler has tried anything of it, and no dead letter names it. It may still wait in \
         a queue; `throughline logs` shows what the functions say, and `throughline trace --subject` finds a line by what \
         it is about"
    )]
    Unknown(String),
    /// Not one line is about the subject.
    #[error("{0}")]
    NotOne(String),
}

const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// A line, as it is shown.
#[derive(Debug, Clone, Serialize)]
struct Trace {
    correlation_id: String,
    /// The messages that nothing in the line caused, and what followed from each.
    tree: Vec<Branch>,
    #[serde(skip)]
    drawn: String,
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.drawn)
    }
}

/// Runs the command.
///
/// # Errors
/// If the ledger or a dead-letter queue cannot be read, and [`TraceError`] if there is no line to show.
pub async fn run(arguments: &Arguments, terminal: &Terminal) -> Result<(), Box<dyn Error>> {
    let project = Project::find()?;
    let is_shown = arguments.data || arguments.reveal;
    let data = is_shown.then(|| Shown::new(&project, arguments.reveal, terminal)).transpose()?;
    let data = data.as_ref();
    let stack = arguments.target.open(terminal).await?;
    let correlation_id = match (&arguments.subject, &arguments.correlation_id) {
        (Some(subject), _) => about(subject, arguments.since, &project, &stack, terminal).await?,
        (None, id) => id.clone().unwrap_or_default(),
    };
    if arguments.follow {
        follow(arguments, &correlation_id, &stack, data, terminal).await?;
    }
    let mut line = stack.line(&correlation_id).await?;
    if !arguments.no_logs {
        match attempts(&stack, &correlation_id).await {
            Ok(attempts) => line.attempts = attempts,
            Err(error) => terminal.note(format_args!("attempts that failed are not shown: {error}")),
        }
    }
    let trace = shown(&correlation_id, &line, data);
    let is_unknown = trace.tree.is_empty();
    // A program gets its document all the same.
    if terminal.json || !is_unknown {
        terminal.show(&trace)?;
    }
    if is_unknown { Err(TraceError::Unknown(correlation_id).into()) } else { Ok(()) }
}

/// The one line about a subject; if there are several, they are listed.
async fn about(
    subject: &str,
    since: Option<Timestamp>,
    project: &Project,
    stack: &Stack,
    terminal: &Terminal,
) -> Result<String, Box<dyn Error>> {
    let lines = Answer::about(subject, since, stack, &Catalogue::of(project)?, terminal).await?;
    if let Some(only) = lines.only() {
        terminal.note(format_args!("the line about `{subject}`: {only}"));
        return Ok(only.to_owned());
    }
    terminal.show(&lines)?;
    Err(TraceError::NotOne(lines.problem().unwrap_or_default()).into())
}

fn shown(correlation_id: &str, line: &WholeLine, data: Data<'_>) -> Trace {
    Trace { correlation_id: correlation_id.to_owned(), tree: line.tree(data), drawn: line.drawn(data) }
}

async fn attempts(stack: &Stack, correlation_id: &str) -> Result<Vec<LoggedAttempt>, logs::LogsError> {
    let wanted = logs::Wanted { phrase: Some(correlation_id), ..logs::Wanted::default() };
    let lines = logs::read(stack, wanted).await?;
    let is_its = |line: &&logs::LogLine| line.fields["correlationid"] == correlation_id;
    Ok(lines.iter().filter(is_its).filter_map(LoggedAttempt::of).collect())
}

/// Shows the line whenever something has happened in it, until nothing has for a while. A file gets the whole line alone,
/// which comes after.
async fn follow(
    arguments: &Arguments,
    correlation_id: &str,
    stack: &Stack,
    data: Data<'_>,
    terminal: &Terminal,
) -> Result<(), Box<dyn Error>> {
    let mut before: Option<Vec<Branch>> = None;
    let mut changed_at = Instant::now();
    while changed_at.elapsed() < arguments.quiet {
        // Whoever looks into a dead-letter queue hides its letters for a while: that is done once, at the end.
        let line = stack.line_among(correlation_id, &[]).await?;
        let trace = shown(correlation_id, &line, data);
        if before.as_ref() != Some(&trace.tree) {
            changed_at = Instant::now();
            if !trace.tree.is_empty() && (terminal.json || io::stdout().is_terminal()) {
                terminal.line(&trace)?;
            }
            before = Some(trace.tree);
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    terminal.note(format_args!("nothing happened for {} s; the whole line:", arguments.quiet.as_secs_f32()));
    Ok(())
}
