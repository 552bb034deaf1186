//! `throughline trace`: one line, from its first message to its last.

use crate::{
    catalogue::Catalogue,
    line_tree::{Branch, Data, LoggedAttempt, WholeLine},
    logs::{self, duration},
    project::Project,
    stack::Stack,
    target::Target,
    terminal::Terminal,
};
use clap::Args;
use serde::Serialize;
use std::{
    error::Error,
    fmt,
    io::{self, IsTerminal as _},
    time::{Duration, Instant},
};

const EXAMPLES: &str = "Examples:
  throughline trace web-1001
  throughline trace --data --follow web-1001";

/// Shows one line as a tree with times: every message, handler and step of a saga, each attempt that failed and why,
/// and what lies in a dead-letter queue.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag that somebody may say")]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Which stack.
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
    /// How long nothing must have happened
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration, requires = "follow")]
    pub quiet: Duration,
    /// Leave out what the functions logged: attempts that failed are then not shown
    #[arg(long)]
    pub no_logs: bool,
    /// The `correlationid` of its messages: by default the id of its first one
    pub correlation_id: String,
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
        if !self.tree.is_empty() {
            return f.write_str(&self.drawn);
        }
        write!(
            f,
            "Nothing is known of `{}`: no handler has tried anything of it, and no dead letter\nnames it. It may \
             still wait in a queue; `throughline logs` shows what the functions say.",
            self.correlation_id
        )
    }
}

/// Runs the command.
///
/// # Errors
/// If the ledger or a dead-letter queue cannot be read.
pub async fn run(arguments: &Arguments, terminal: &Terminal) -> Result<(), Box<dyn Error>> {
    let project = Project::find()?;
    let catalogue;
    let data = if arguments.reveal {
        terminal.note("sensitive values are shown: --reveal was said");
        Data::Revealed
    } else if arguments.data {
        catalogue = Catalogue::of(&project)?;
        Data::Masked(&catalogue)
    } else {
        Data::Hidden
    };
    let stack = arguments.target.open(terminal).await?;
    if arguments.follow {
        follow(arguments, &stack, data, terminal).await?;
    }
    let mut line = stack.line(&arguments.correlation_id).await?;
    if !arguments.no_logs {
        match attempts(&project, &stack, &arguments.correlation_id) {
            Ok(attempts) => line.attempts = attempts,
            Err(error) => terminal.note(format_args!("attempts that failed are not shown: {error}")),
        }
    }
    terminal.show(&shown(arguments, &line, data))?;
    Ok(())
}

fn shown(arguments: &Arguments, line: &WholeLine, data: Data<'_>) -> Trace {
    let correlation_id = arguments.correlation_id.clone();
    Trace { correlation_id, tree: line.tree(data), drawn: line.drawn(data) }
}

fn attempts(
    project: &Project,
    stack: &Stack,
    correlation_id: &str,
) -> Result<Vec<LoggedAttempt>, logs::LogsError> {
    let wanted = logs::Wanted { phrase: Some(correlation_id), ..logs::Wanted::default() };
    let lines = logs::read(project, stack, wanted)?;
    let is_its = |line: &&logs::LogLine| line.fields["correlationid"] == correlation_id;
    Ok(lines.iter().filter(is_its).filter_map(LoggedAttempt::of).collect())
}

/// Shows the line whenever something has happened in it, until nothing has for a while. A file gets the whole line alone,
/// which comes after.
async fn follow(
    arguments: &Arguments,
    stack: &Stack,
    data: Data<'_>,
    terminal: &Terminal,
) -> Result<(), Box<dyn Error>> {
    let mut before: Option<Vec<Branch>> = None;
    let mut changed_at = Instant::now();
    while changed_at.elapsed() < arguments.quiet {
        // Whoever looks into a dead-letter queue hides its letters for a while: that is done once, at the end.
        let line = stack.line_among(&arguments.correlation_id, &[]).await?;
        let trace = shown(arguments, &line, data);
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
