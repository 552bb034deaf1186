//! SQS's own moving of a whole dead-letter queue: `StartMessageMoveTask`.

use super::{DeadLetterQueue, OperateError, failed};
use aws_sdk_sqs::types::QueueAttributeName;
use throughline_aws::internal::describe;

/// The most letters a second that SQS moves.
const FASTEST: u32 = 500;

/// The progress of SQS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Moving {
    /// It goes on.
    Running {
        /// The number of moved letters; SQS counts approximately.
        moved: u64,
    },
    /// It is over.
    Completed {
        /// The number of moved letters.
        moved: u64,
    },
    /// It ended otherwise.
    Stopped {
        /// The number of moved letters.
        moved: u64,
        /// The end of the task, and its reason.
        reason: String,
    },
}

impl DeadLetterQueue {
    /// Makes SQS move every letter to another queue. Returns the task's handle, by which it can be cancelled.
    ///
    /// # Errors
    /// If SQS does not do it; some local clouds do not know how to.
    pub async fn start_moving(&self, to_url: &str, letters_a_second: u32) -> Result<String, OperateError> {
        let cannot = |reason| failed(format!("SQS does not move the letters of queue {}", self.url), reason);
        let (source, destination) = (self.arn(&self.url).await?, self.arn(to_url).await?);
        let rate = i32::try_from(letters_a_second.clamp(1, FASTEST)).unwrap_or(1);
        let call = self.client.start_message_move_task().source_arn(source).destination_arn(destination);
        let started = call.max_number_of_messages_per_second(rate).send().await;
        let started = started.map_err(|error| cannot(describe(&error)))?;
        started.task_handle.ok_or_else(|| cannot("it gave no handle for it".to_owned()))
    }

    /// Returns the progress of the latest task that was started.
    ///
    /// # Errors
    /// If SQS does not tell.
    pub async fn moving(&self) -> Result<Moving, OperateError> {
        let cannot =
            |reason| failed(format!("SQS does not tell how far queue {} is moved", self.url), reason);
        let call =
            self.client.list_message_move_tasks().source_arn(self.arn(&self.url).await?).max_results(1);
        let tasks = call.send().await.map_err(|error| cannot(describe(&error)))?;
        let task = tasks.results().first().ok_or_else(|| cannot("it knows of no task".to_owned()))?;
        let moved = u64::try_from(task.approximate_number_of_messages_moved()).unwrap_or(0);
        Ok(match task.status() {
            Some("RUNNING" | "CANCELLING") => Moving::Running { moved },
            Some("COMPLETED") => Moving::Completed { moved },
            status => {
                let reason = task.failure_reason().unwrap_or("it gives no reason");
                Moving::Stopped { moved, reason: format!("{}: {reason}", status.unwrap_or("no status")) }
            }
        })
    }

    async fn arn(&self, url: &str) -> Result<String, OperateError> {
        let cannot = |reason| failed(format!("queue {url} cannot be asked for its ARN"), reason);
        let call =
            self.client.get_queue_attributes().queue_url(url).attribute_names(QueueAttributeName::QueueArn);
        let answer = call.send().await.map_err(|error| cannot(describe(&error)))?;
        let arn = answer.attributes.and_then(|mut found| found.remove(&QueueAttributeName::QueueArn));
        arn.ok_or_else(|| cannot("it has none".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use throughline_aws::testing::{Answer, Fake, error};

    fn queue(fake: &Fake) -> DeadLetterQueue {
        DeadLetterQueue::new(aws_sdk_sqs::Client::new(&fake.config()), "https://sqs.example/1/letters")
    }

    fn arn(name: &str) -> Answer {
        (200, json!({ "Attributes": { "QueueArn": format!("arn:aws:sqs:eu-west-1:1:{name}") } }))
    }

    #[tokio::test]
    async fn sqs_is_told_from_where_to_where_and_how_fast() {
        let fake = Fake::new([arn("letters"), arn("orders"), (200, json!({ "TaskHandle": "h" }))]);
        let handle = queue(&fake).start_moving("https://sqs.example/1/orders", 9_000).await.unwrap();
        assert_eq!(handle, "h");
        let asked = &fake.requests()[2];
        assert_eq!(asked["SourceArn"], "arn:aws:sqs:eu-west-1:1:letters");
        assert_eq!(asked["DestinationArn"], "arn:aws:sqs:eu-west-1:1:orders");
        assert_eq!(asked["MaxNumberOfMessagesPerSecond"], 500);
    }

    #[tokio::test]
    async fn a_cloud_that_cannot_do_it_says_so() {
        let fake = Fake::new([arn("letters"), arn("orders"), error("InvalidAction", "unknown action")]);
        let cannot = queue(&fake).start_moving("https://sqs.example/1/orders", 50).await.unwrap_err();
        assert!(cannot.to_string().contains("InvalidAction"), "{cannot}");
    }

    #[tokio::test]
    async fn it_is_told_how_far_it_is_and_how_it_ended() {
        let task = |status: &str| {
            let task = json!({ "Status": status, "ApproximateNumberOfMessagesMoved": 7, "FailureReason": "no right" });
            (200, json!({ "Results": [task] }))
        };
        let fake =
            Fake::new([arn("l"), task("RUNNING"), arn("l"), task("COMPLETED"), arn("l"), task("FAILED")]);
        let queue = queue(&fake);
        assert_eq!(queue.moving().await.unwrap(), Moving::Running { moved: 7 });
        assert_eq!(queue.moving().await.unwrap(), Moving::Completed { moved: 7 });
        let reason = "FAILED: no right".to_owned();
        assert_eq!(queue.moving().await.unwrap(), Moving::Stopped { moved: 7, reason });
    }
}
