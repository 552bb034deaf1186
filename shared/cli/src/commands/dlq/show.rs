//! `throughline dlq show`.

use super::list::{Meant, letters};
use crate::{
    cloud::{
        stack::{Stack, StackError},
        target::Target,
    },
    letters::{
        destination::{Destination, destination},
        rerun::{OnRedrive, on_redrive},
        selection::{Selection, error_of, handler_of, type_of},
    },
    project::{Project, catalogue},
    terminal::Terminal,
};
use clap::Args;
use serde::Serialize;
use serde_json::Value;
use std::{error::Error, fmt};
use throughline_core::Timestamp;
use throughline_operations::{FoundLetter, Origin};

/// The arguments of `dlq show`.
#[derive(Debug, Args)]
pub struct ShowArguments {
    /// The stack.
    #[command(flatten)]
    pub target: Target,
    /// The letters' ids, or their events'
    #[arg(required = true, value_name = "ID")]
    pub ids: Vec<String>,
    /// Only look into this queue, such as `place-order` (repeatable)
    #[arg(long, value_name = "NAME")]
    pub queue: Vec<String>,
    /// Show what is marked as sensitive, and bodies that are no events
    #[arg(long)]
    pub reveal: bool,
}

/// Letters, opened.
#[derive(Debug, Serialize)]
struct Shown {
    letters: Vec<Opened>,
}

#[derive(Debug, Serialize)]
struct Opened {
    queue: String,
    id: String,
    /// The id of its message, where that is known.
    event_id: Option<String>,
    put_here_by: String,
    sent_at: Option<Timestamp>,
    failed_at: Option<String>,
    handler: String,
    error: String,
    message: String,
    attempts: Option<String>,
    receives: u32,
    #[serde(rename = "type")]
    message_type: String,
    event: Option<Value>,
    body: Option<String>,
    goes_to: String,
    on_redrive: Option<OnRedrive>,
}

/// Opens letters.
pub(super) async fn run(arguments: &ShowArguments, terminal: &Terminal) -> Result<(), Box<dyn Error>> {
    let stack = arguments.target.open(terminal).await?;
    let may_show = catalogue::Shown::new(&Project::find()?, arguments.reveal, terminal)?;
    let selection =
        Selection { id: arguments.ids.clone(), queue: arguments.queue.clone(), ..Selection::default() };
    let found = letters(&stack, &selection, terminal).await?;
    let mut shown = Shown { letters: Vec::new() };
    let mut out_of_reach = Vec::new();
    for Meant { queue, letters, out_of_reach: behind } in found {
        out_of_reach.extend(behind.map(|behind| format!("; in {}, {behind}", queue.name)));
        for letter in letters {
            shown.letters.push(Opened::of(&stack, &queue.name, letter, &may_show).await?);
        }
    }
    if let Some(missing) = arguments.ids.iter().find(|id| !shown.has(id)) {
        let what =
            format!("no letter with the id `{missing}` lies in a dead-letter queue where it can be seen");
        return Err(format!(
            "{what}: `throughline dlq list` has ids; letters that another reader has received are hidden for a while{}",
            out_of_reach.concat()
        )
        .into());
    }
    terminal.show(&shown)?;
    Ok(())
}

impl Shown {
    fn has(&self, id: &str) -> bool {
        let is_it = |letter: &Opened| letter.id == *id || letter.event_id.as_deref() == Some(id);
        self.letters.iter().any(is_it)
    }
}

impl Opened {
    async fn of(
        stack: &Stack,
        queue: &str,
        letter: FoundLetter,
        may_show: &catalogue::Shown,
    ) -> Result<Self, StackError> {
        let goes_to = destination(stack, queue, &letter).await?;
        let on_redrive = match &goes_to {
            Destination::Nowhere { .. } => None,
            _ => Some(on_redrive(stack, queue, &letter).await?),
        };
        let owned = |text: Option<&str>| text.map(ToOwned::to_owned);
        let event = letter.event();
        let body = event.is_none().then(|| may_show.body(&letter.delivered()));
        Ok(Self {
            queue: queue.to_owned(),
            put_here_by: who(&letter.origin),
            sent_at: letter.sent_at,
            failed_at: owned(letter.attribute("FailedAt")),
            handler: handler_of(queue, &letter).to_owned(),
            error: error_of(&letter).to_owned(),
            message: letter.attribute("ErrorMessage").map_or_else(|| letter.reason(), ToOwned::to_owned),
            attempts: owned(letter.attribute("Attempts")),
            receives: letter.receives,
            message_type: type_of(&letter).to_owned(),
            event: event.map(|event| may_show.event(event)),
            body,
            goes_to: goes_to.to_string(),
            on_redrive,
            event_id: owned(letter.attribute("EventId")),
            id: letter.message_id,
        })
    }
}

fn who(origin: &Origin) -> String {
    match origin {
        Origin::Function => "its handler, which gave it up".to_owned(),
        Origin::Queue => "SQS, which had delivered it too often".to_owned(),
        Origin::Rule { target } => format!("a rule that could not reach {target}"),
        Origin::Schedule { target, .. } => format!("a schedule that could not reach {target}"),
        Origin::Invocation { function } => format!("Lambda, which had invoked {function} too often"),
        Origin::Stream { .. } => "Lambda, which had read the ledger's stream too often".to_owned(),
        Origin::Topic { topic } => format!("SNS, which could not deliver it from the topic {topic}"),
        Origin::Unknown => "an unknown sender".to_owned(),
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.letters.iter().try_for_each(|letter| write!(f, "{letter}"))
    }
}

impl fmt::Display for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "letter {}", self.id)?;
        let mut line = |name: &str, value: &str| writeln!(f, "  {name:<12} {value}");
        line("queue", &self.queue)?;
        line("put here by", &self.put_here_by)?;
        let time = self.failed_at.clone().or_else(|| self.sent_at.map(|time| time.to_string()));
        line("at", &time.unwrap_or_default())?;
        line("handler", &self.handler)?;
        line("error", &format!("{}: {}", self.error, self.message))?;
        if let Some(attempts) = &self.attempts {
            line("attempts", attempts)?;
        }
        line("type", &self.message_type)?;
        line("goes to", &self.goes_to)?;
        if let Some(on_redrive) = &self.on_redrive {
            line("redriven", &on_redrive.to_string())?;
        }
        let event = self.event.as_ref().map(|event| serde_json::to_string_pretty(event).unwrap_or_default());
        if let Some(event) = event {
            line("event", &event.replace('\n', "\n  "))?;
        }
        if let Some(body) = &self.body {
            line("body", body)?;
        }
        Ok(())
    }
}
