//! The dead-letter queues of a stack.

use super::selection::Selection;
use crate::cloud::stack::{Stack, StackError};
use throughline_operations::{DeadLetterQueue, QueueDepth, depth};

/// A dead-letter queue with its short name, which is that of the function whose letters it takes.
#[derive(Debug, Clone)]
pub(crate) struct NamedQueue {
    /// The short name, such as `place-order`.
    pub(crate) name: String,
    /// The queue.
    pub(crate) queue: DeadLetterQueue,
}

impl NamedQueue {
    /// Returns the number of letters in the queue.
    pub(crate) async fn depth(&self, stack: &Stack) -> Result<QueueDepth, StackError> {
        Ok(depth(stack.clients.sqs().await, self.queue.url()).await?)
    }
}

/// Returns the dead-letter queues that a selection names, or all of the stack.
pub(crate) async fn selected(stack: &Stack, selection: &Selection) -> Result<Vec<NamedQueue>, StackError> {
    let all: Vec<(String, &str)> = stack.dead_letter_queues_by_name().collect();
    if let Some(unknown) = selection.queue.iter().find(|name| all.iter().all(|(known, _)| known != *name)) {
        let known = all.into_iter().map(|(name, _)| name).collect::<Vec<_>>().join(", ");
        return Err(StackError::NoQueue { name: unknown.clone(), known });
    }
    let sqs = stack.clients.sqs().await;
    let meant = all.into_iter().filter(|(name, _)| selection.has_queue(name));
    Ok(meant.map(|(name, url)| NamedQueue { name, queue: DeadLetterQueue::new(sqs.clone(), url) }).collect())
}
