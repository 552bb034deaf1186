//! `throughline publish`: checks messages in files, and sends them.

use crate::{
    cloud::{
        stack::{Stack, StackError},
        target::Target,
    },
    project::{
        Project,
        catalogue::{Catalogue, CatalogueError},
        sample::{Change, Sample, Wrong, problems},
    },
    terminal::Terminal,
};
use clap::Args;
use serde::Serialize;
use serde_json::Value;
use std::{error::Error, fmt, io, path::PathBuf};
use throughline_aws::outside::fresh_id;
use throughline_core::{Timestamp, catalogue::MessageKind};
use throughline_operations::{self as operate, OperateError};

const EXAMPLES: &str = "Examples:
  throughline publish events/order.place.v1.json
  throughline publish --new-id --set data.order_id=o-7 events/order.place.v1.json
  throughline publish --unchecked --queue place-order events/order.place.v1.malformed.json";

/// Sends messages from files: an event to the bus, a command to its queue.
///
/// Every file is checked against events/catalogue.json before any is sent: the CloudEvents envelope, the type and
/// version, the data by their schema. Whatever is wrong is told at once, with its file, line, column and field.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// The stack.
    #[command(flatten)]
    pub target: Target,
    /// The queue that takes it, such as `place-order`, where the catalogue does not say so
    #[arg(long, value_name = "NAME")]
    pub queue: Option<String>,
    /// Give each message a fresh id, the present time and a line of its own, so that a sample can be sent again
    #[arg(long)]
    pub new_id: bool,
    /// Change a field before it is checked and sent; the value is JSON, or else text. May be said several times
    #[arg(long, value_name = "FIELD=VALUE")]
    pub set: Vec<Change>,
    /// Send what is in the files whatever it is, to see what becomes of it
    #[arg(long)]
    pub unchecked: bool,
    /// CloudEvents in JSON, one a file
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
}

/// Why files were not published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// A file cannot be read.
    #[error("{path}: {source}; nothing was sent")]
    File {
        /// The file.
        path: String,
        /// The system's error.
        source: io::Error,
    },
    /// A field cannot be changed.
    #[error("{0}; nothing was sent")]
    Change(String),
    /// The catalogue cannot be used.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    /// Something is wrong in the files.
    #[error("{}\n{} wrong, so nothing was sent; --unchecked sends it all the same", list(.0), things(.0.len()))]
    Invalid(Vec<Wrong>),
    /// A message in a file was not accepted. Those before it were sent.
    #[error("{path}: {source}; {sent} before it {} sent", if *.sent == 1 { "was" } else { "were" })]
    NotTaken {
        /// The file.
        path: String,
        /// The reason that AWS gave.
        source: OperateError,
        /// The number of messages that were sent.
        sent: usize,
    },
    /// The stack could not be used.
    #[error(transparent)]
    Stack(#[from] StackError),
}

fn list(wrong: &[Wrong]) -> String {
    wrong.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn things(count: usize) -> String {
    if count == 1 { "1 thing is".to_owned() } else { format!("{count} things are") }
}

/// A message that was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Published {
    /// The file it was in.
    pub file: String,
    /// Its type, if it has one.
    #[serde(rename = "type")]
    pub message_type: Option<String>,
    /// Its id, if it has one.
    pub id: Option<String>,
    /// The line it is in.
    pub correlation_id: Option<String>,
    /// The queue it was sent to; nothing for the bus.
    pub queue: Option<String>,
}

impl fmt::Display for Published {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, message_type, id, queue, .. } = self;
        let message_type = message_type.as_deref().unwrap_or("no message");
        let id = id.as_deref().map(|id| format!(" {id}")).unwrap_or_default();
        match queue {
            Some(queue) => write!(f, "{file}: {message_type}{id} sent to the queue `{queue}`"),
            None => write!(f, "{file}: {message_type}{id} put on the bus"),
        }
    }
}

/// Runs the command.
///
/// # Errors
/// If anything is wrong with the files, before any is sent; or if one is not taken.
pub async fn run(arguments: &Arguments, terminal: &Terminal) -> Result<(), Box<dyn Error>> {
    let catalogue = Catalogue::of(&Project::find()?)?;
    let samples = read(arguments, &catalogue)?;
    let ready = addressed(arguments, &catalogue, samples)?;
    let stack = arguments.target.open(terminal).await?;
    let mut lines: Vec<String> = Vec::new();
    for (sent, (sample, queue)) in ready.iter().enumerate() {
        send(&stack, sample, queue.as_deref(), sent).await?;
        let published = published(sample, queue.clone());
        terminal.line(&published)?;
        lines.extend(published.correlation_id);
    }
    lines.dedup();
    if let [first, ..] = lines.as_slice() {
        let again = arguments.target.said_again();
        terminal.note(format_args!("what becomes of it: throughline trace {first}{again}"));
    }
    Ok(())
}

fn read(arguments: &Arguments, catalogue: &Catalogue) -> Result<Vec<Sample>, PublishError> {
    let mut samples = Vec::new();
    for file in &arguments.files {
        let mut sample = Sample::read(file)
            .map_err(|source| PublishError::File { path: file.display().to_string(), source })?;
        let message_type = sample.message.as_ref().ok().and_then(|message| message["type"].as_str());
        let known = message_type.and_then(|name| catalogue.of_type(name).last());
        let subject = known.map(|known| known.entry.subject.clone());
        for change in &arguments.set {
            sample.change(change, subject.as_deref()).map_err(PublishError::Change)?;
        }
        if arguments.new_id {
            sample.renew(&fresh_id(), Timestamp::now());
        }
        samples.push(sample);
    }
    Ok(samples)
}

/// The messages and the queues they go to, if all of them are right.
fn addressed(
    arguments: &Arguments,
    catalogue: &Catalogue,
    samples: Vec<Sample>,
) -> Result<Vec<(Sample, Option<String>)>, PublishError> {
    let mut wrong = Vec::new();
    let mut ready = Vec::new();
    for sample in samples {
        let found = problems(&sample, catalogue, arguments.queue.as_deref());
        if !arguments.unchecked {
            wrong.extend(found.into_iter().map(|at| Wrong { path: sample.path.clone(), at }));
        }
        let queue = arguments.queue.clone().or_else(|| queue_of(&sample, catalogue));
        ready.push((sample, queue));
    }
    if wrong.is_empty() { Ok(ready) } else { Err(PublishError::Invalid(wrong)) }
}

fn queue_of(sample: &Sample, catalogue: &Catalogue) -> Option<String> {
    let message_type = sample.message.as_ref().ok()?["type"].as_str()?;
    match &catalogue.of_type(message_type).last()?.entry.kind {
        MessageKind::Command { queue } => Some(queue.clone()),
        MessageKind::Event { .. } => None,
    }
}

async fn send(
    stack: &Stack,
    sample: &Sample,
    queue: Option<&str>,
    before: usize,
) -> Result<(), PublishError> {
    let body = sample.body();
    let sent = match queue {
        Some(queue) => operate::send_body(stack.clients.sqs().await, stack.queue_url(queue)?, body).await,
        None => {
            let bus = stack.output("EventBus")?;
            operate::put_event(stack.clients.eventbridge().await, bus, body).await
        }
    };
    sent.map_err(|source| PublishError::NotTaken { path: sample.path.clone(), source, sent: before })
}

fn published(sample: &Sample, queue: Option<String>) -> Published {
    let text = |name: &str| match &sample.message {
        Ok(message) => message.get(name).and_then(Value::as_str).map(ToOwned::to_owned),
        Err(_) => None,
    };
    Published {
        file: sample.path.clone(),
        message_type: text("type"),
        correlation_id: text("correlationid").or_else(|| text("id")),
        id: text("id"),
        queue,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Command {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn ready(arguments: &[&str]) -> Result<Vec<(Sample, Option<String>)>, PublishError> {
        let project = Project::find().unwrap();
        let files = |text: &&str| match text.strip_prefix("events/") {
            Some(_) => project.root().join(text).display().to_string(),
            None => (*text).to_owned(),
        };
        let arguments = std::iter::once("publish".to_owned()).chain(arguments.iter().map(files));
        let Command { arguments } = Command::parse_from(arguments);
        let catalogue = Catalogue::of(&project).unwrap();
        let samples = read(&arguments, &catalogue)?;
        addressed(&arguments, &catalogue, samples)
    }

    #[test]
    fn a_command_goes_to_its_queue_and_an_event_to_the_bus() {
        let ready = ready(&["events/order.place.v1.json", "events/order.placed.v1.json"]).unwrap();
        let queues: Vec<_> = ready.iter().map(|(_, queue)| queue.as_deref()).collect();
        assert_eq!(queues, [Some("place-order"), None]);
    }

    #[test]
    fn everything_wrong_in_every_file_is_told_before_anything_is_sent() {
        let files =
            ["events/order.place.v1.malformed.json", "events/order.place.v1.json", "events/stock.seed.json"];
        let error = ready(&files).unwrap_err().to_string();
        let lines: Vec<&str> = error.lines().collect();
        assert!(
            lines[0].ends_with(
                "order.place.v1.malformed.json:18:21: data.lines.0.quantity: \"two\" is not of type \"integer\""
            ),
            "{error}"
        );
        assert!(lines[1].ends_with("stock.seed.json:1:1: this list is not of type \"object\""), "{error}");
        assert_eq!(lines[2], "2 things are wrong, so nothing was sent; --unchecked sends it all the same");
    }

    #[test]
    fn what_is_wrong_is_sent_if_that_is_asked_for() {
        let ready = ready(&["--unchecked", "events/order.place.v1.malformed.json"]).unwrap();
        assert_eq!(ready[0].1.as_deref(), Some("place-order"));
    }

    #[test]
    fn a_change_is_checked_like_a_file() {
        let sample = "events/order.place.v1.json";
        assert!(ready(&["--set", "data.order_id=o-7", "--new-id", sample]).is_ok());
        let error = ready(&["--set", "data.lines.0.quantity=some", sample]).unwrap_err().to_string();
        assert!(error.contains("data.lines.0.quantity: \"some\""), "{error}");
    }

    #[test]
    fn a_command_is_not_sent_to_the_queue_of_another() {
        let error =
            ready(&["--queue", "await-payment", "events/order.place.v1.json"]).unwrap_err().to_string();
        assert!(error.contains("the queue `place-order` takes, not `await-payment`"), "{error}");
    }
}
