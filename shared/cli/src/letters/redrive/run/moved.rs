//! Redrives of whole queues, which SQS can carry out by itself.

use super::Run;
use crate::{letters::redrive::io::RedriveError, progress::Activity};
use std::time::Duration;
use throughline_operations::Moving;

/// The time between two questions to SQS about its progress.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

impl Run<'_> {
    /// Returns whether SQS could move all remaining letters: whole queues, no letter to check or edit, and nothing left
    /// over from an interrupted redrive.
    pub(super) fn is_for_sqs_to_move(&self) -> bool {
        let asked = self.asked;
        let is_for_all = asked.selection.is_whole_queues() && asked.edits.is_none() && asked.accept_rerun;
        let is_safe = self.manner.canary_wait.is_none() || self.state.is_canary_handled();
        // SQS moves one letter a second at least.
        let is_fast = self.manner.rate.per_second().is_some();
        is_for_all && is_safe && is_fast && !self.redriven.is_resumed && !self.queue.queue.is_fifo()
    }

    /// Lets SQS move all letters to the queue that feeds their function, and waits. Returns whether it moved all of
    /// them.
    pub(super) async fn moved_by_sqs(&mut self, activity: &dyn Activity) -> Result<bool, RedriveError> {
        let Ok(to) = self.stack.queue_url(&self.queue.name) else { return Ok(false) };
        let Some(letters_a_second) = self.manner.rate.per_second() else { return Ok(false) };
        let handle = match self.queue.queue.start_moving(to, letters_a_second).await {
            Ok(handle) => handle,
            Err(error) => {
                activity.note(&format!("{error}; so they are received, sent and deleted one by one"));
                return Ok(false);
            }
        };
        activity.note(&format!(
            "SQS moves the letters; it goes on without this command, and ends with: aws sqs cancel-message-move-task --task-handle {handle}"
        ));
        loop {
            match self.queue.queue.moving().await? {
                Moving::Running { moved } => activity.set(moved),
                Moving::Completed { moved } => {
                    self.redriven.moved_by_sqs = moved;
                    return Ok(true);
                }
                Moving::Stopped { moved, reason } => {
                    self.redriven.moved_by_sqs = moved;
                    activity
                        .note(&format!("SQS has stopped ({reason}); the rest is received, sent and deleted"));
                    return Ok(false);
                }
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}
