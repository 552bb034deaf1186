//! `throughline publish`: sends the messages in files.

use crate::stack::{Stack, StackError};
use std::{fs, io, path::PathBuf};
use throughline_aws::operate::{self, OperateError};

/// Why a file was not published. Those before it were.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The file cannot be read.
    #[error("{path}: {source}")]
    File {
        /// Which one.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// What is in it was not taken.
    #[error("{path}: {source}")]
    NotTaken {
        /// Which one.
        path: String,
        /// What AWS said.
        source: OperateError,
    },
    /// The stack could not be used.
    #[error(transparent)]
    Stack(#[from] StackError),
}

/// Sends each file's CloudEvent: to the queue of this name, as a command, or else to the bus, as an event.
///
/// A queue takes any body, malformed ones too: what its function makes of them is then seen.
///
/// # Errors
/// [`PublishError`], at the first file that was not taken.
pub async fn run(stack: &Stack, files: &[PathBuf], queue: Option<&str>) -> Result<(), PublishError> {
    for file in files {
        let path = file.display().to_string();
        let body =
            fs::read_to_string(file).map_err(|source| PublishError::File { path: path.clone(), source })?;
        let sent = match queue {
            Some(queue) => {
                let url = stack.queue_url(queue)?;
                operate::send_body(stack.clients.sqs().await, url, &body).await
            }
            None => {
                let bus = stack.output("EventBus")?;
                operate::put_event(stack.clients.eventbridge().await, bus, &body).await
            }
        };
        sent.map_err(|source| PublishError::NotTaken { path: path.clone(), source })?;
        match queue {
            Some(queue) => println!("{path}: sent to the queue `{queue}`"),
            None => {
                println!("{path}: put on the bus; a command needs --queue ({})", stack.queues().join(", "));
            }
        }
    }
    Ok(())
}
