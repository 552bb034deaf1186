//! When SQS delivers a message again.

use crate::{describe, sqs_text};
use aws_sdk_sqs::{
    Client,
    types::{BatchResultErrorEntry, ChangeMessageVisibilityBatchRequestEntry},
};
use futures_util::future::join_all;
use std::time::Duration;

/// The most entries one `ChangeMessageVisibilityBatch` may hold.
const MOST_CHANGES: usize = 10;
/// The longest a message is asked to stay hidden. SQS hides one for twelve hours at most, counted from when it was
/// received: a batch is collected for up to five minutes and worked on for up to fifteen before this is asked.
pub const LONGEST_WAIT: Duration = Duration::from_mins(11 * 60 + 30);

/// The visibility timeout that is set where the longest is refused, as for a batch that Lambda could not take at once:
/// better than the queue's own.
const SECOND_LONGEST_WAIT: Duration = Duration::from_hours(9);

/// When a message is to be delivered again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VisibilityChange {
    /// The receipt handle of this delivery.
    pub receipt_handle: String,
    /// The time that the message stays hidden from now: rounded up to whole seconds, at most [`LONGEST_WAIT`].
    pub after: Duration,
}

/// Some messages will be delivered again when their queue's own visibility time-out ends, not when asked.
#[derive(Debug, thiserror::Error)]
#[error("the visibility of {failed} of {asked} messages could not be changed: {reason}")]
pub struct VisibilityError {
    /// The number of messages whose visibility could not be changed.
    pub failed: usize,
    /// The number of messages whose visibility was to be changed.
    pub asked: usize,
    /// The reason that SQS gave for one of them.
    pub reason: String,
}

/// Changes when a queue delivers messages again.
#[derive(Debug, Clone)]
pub struct Visibility {
    client: Client,
    queue_url: String,
}

impl Visibility {
    /// For messages of this queue.
    pub fn new(client: Client, queue_url: impl Into<String>) -> Self {
        Self { client, queue_url: queue_url.into() }
    }

    /// Changes them all, ten a request. A message that is to be visible at once and is not in hand any more is as it
    /// should be: its time was over.
    ///
    /// # Errors
    /// [`VisibilityError`], after every change was tried. Nothing is lost by it: those messages come back
    /// when the queue's own time-out ends.
    pub async fn change(&self, changes: &[VisibilityChange]) -> Result<(), VisibilityError> {
        let failures = join_all(changes.chunks(MOST_CHANGES).map(|chunk| self.change_some(chunk))).await;
        let failures: Vec<String> = failures.into_iter().flatten().collect();
        let failed = failures.len();
        match failures.into_iter().next() {
            None => Ok(()),
            Some(reason) => Err(VisibilityError { failed, asked: changes.len(), reason }),
        }
    }

    /// The reasons of those that could not be changed. One that was to wait longer than its message may still be
    /// hidden is asked once more for a shorter wait.
    async fn change_some(&self, changes: &[VisibilityChange]) -> Vec<String> {
        let refused = self.ask_for(changes).await;
        let (too_long, others): (Vec<_>, Vec<_>) = refused
            .into_iter()
            .partition(|refused| refused.change.is_some_and(|at| is_too_long(&changes[at], refused)));
        let mut reasons: Vec<String> = others.into_iter().map(|refused| refused.reason).collect();
        let shorter = too_long.iter().filter_map(|refused| changes.get(refused.change?)).map(|change| {
            VisibilityChange { receipt_handle: change.receipt_handle.clone(), after: SECOND_LONGEST_WAIT }
        });
        let shorter: Vec<VisibilityChange> = shorter.collect();
        if !shorter.is_empty() {
            reasons.extend(self.ask_for(&shorter).await.into_iter().map(|refused| refused.reason));
        }
        reasons
    }

    /// One request.
    async fn ask_for(&self, changes: &[VisibilityChange]) -> Vec<Refused> {
        let all = |reason: String| {
            let refused =
                |change| Refused { change: Some(change), code: String::new(), reason: reason.clone() };
            (0..changes.len()).map(refused).collect()
        };
        let entries: Result<Vec<_>, _> =
            changes.iter().enumerate().map(|(at, change)| entry(at, change)).collect();
        let entries = match entries {
            Ok(entries) => entries,
            Err(error) => return all(error.to_string()),
        };
        let call = self.client.change_message_visibility_batch().queue_url(&self.queue_url);
        match call.set_entries(Some(entries)).send().await {
            Ok(answer) => {
                let failed = answer.failed().iter().filter(|failed| !is_so_already(changes, failed));
                failed.map(|failed| Refused::of(failed, changes.len())).collect()
            }
            Err(error) => all(describe(&error)),
        }
    }
}

/// A change that was not made.
struct Refused {
    /// Its position among the changes that were asked for.
    change: Option<usize>,
    code: String,
    reason: String,
}

impl Refused {
    fn of(failed: &BatchResultErrorEntry, asked: usize) -> Self {
        let code = sqs_text::bare_code(failed.code()).to_owned();
        let reason = match failed.message() {
            Some(message) => format!("{}: {message}", failed.code()),
            None => failed.code().to_owned(),
        };
        Self { change: failed.id().parse().ok().filter(|at| *at < asked), code, reason }
    }
}

/// Returns whether a change failed because it would hide its message for more than twelve hours since it was received.
/// SQS says then that the total `VisibilityTimeout` for the message is beyond the limit of 43200 seconds.
fn is_too_long(change: &VisibilityChange, refused: &Refused) -> bool {
    let reason = refused.reason.to_ascii_lowercase();
    let is_about_the_wait = reason.contains("visibilitytimeout") || reason.contains("beyond the limit");
    change.after > SECOND_LONGEST_WAIT && refused.code == "InvalidParameterValue" && is_about_the_wait
}

/// Returns whether a change failed only because the message was not in hand any more, and was to be visible anyway.
///
/// `MessageNotInflight` is what the API reference says of such a message. SQS also calls the handle's value wrong then,
/// which only the text tells from other wrong values.
fn is_so_already(changes: &[VisibilityChange], failed: &BatchResultErrorEntry) -> bool {
    let change = failed.id().parse().ok().and_then(|at: usize| changes.get(at));
    let is_not_in_hand = match sqs_text::bare_code(failed.code()) {
        "MessageNotInflight" | "ReceiptHandleIsInvalid" => true,
        "InvalidParameterValue" => {
            failed.message().is_some_and(|text| text.contains("not available for visibility"))
        }
        _ => false,
    };
    is_not_in_hand && change.is_some_and(|change| change.after.is_zero())
}

fn entry(
    at: usize,
    change: &VisibilityChange,
) -> Result<ChangeMessageVisibilityBatchRequestEntry, aws_sdk_sqs::error::BuildError> {
    ChangeMessageVisibilityBatchRequestEntry::builder()
        .id(at.to_string())
        .receipt_handle(&change.receipt_handle)
        .visibility_timeout(whole_seconds(change.after))
        .build()
}

fn whole_seconds(duration: Duration) -> i32 {
    let capped = duration.min(LONGEST_WAIT);
    let seconds = capped.as_secs() + u64::from(capped.subsec_nanos() > 0);
    i32::try_from(seconds).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Fake, error};
    use serde_json::{Value, json};

    fn changes(count: usize) -> Vec<VisibilityChange> {
        let change = |at| VisibilityChange {
            receipt_handle: format!("receipt-{at}"),
            after: Duration::from_millis(1500),
        };
        (0..count).map(change).collect()
    }

    fn visibility(fake: &Fake) -> Visibility {
        Visibility::new(Client::new(&fake.config()), "https://sqs.example/1/queue")
    }

    fn changed(count: usize) -> Value {
        let entries: Vec<Value> = (0..count).map(|at| json!({ "Id": at.to_string() })).collect();
        json!({ "Successful": entries, "Failed": [] })
    }

    #[tokio::test]
    async fn more_than_ten_changes_take_more_than_one_request() {
        let fake = Fake::new([(200, changed(10)), (200, changed(2))]);
        visibility(&fake).change(&changes(12)).await.unwrap();
        let mut sizes: Vec<_> =
            fake.requests().iter().map(|request| request["Entries"].as_array().unwrap().len()).collect();
        sizes.sort_unstable();
        assert_eq!(sizes, [2, 10]);
        assert_eq!(fake.requests()[0]["Entries"][0]["VisibilityTimeout"], 2);
    }

    #[tokio::test]
    async fn what_could_not_be_changed_is_counted_and_says_why() {
        let failed = json!({ "Id": "1", "SenderFault": true, "Code": "ReceiptHandleIsInvalid" });
        let fake = Fake::new([(200, json!({ "Successful": [{ "Id": "0" }], "Failed": [failed] }))]);
        let error_of_one = visibility(&fake).change(&changes(2)).await.unwrap_err();
        assert_eq!((error_of_one.failed, error_of_one.asked), (1, 2));
        assert!(error_of_one.to_string().contains("ReceiptHandleIsInvalid"), "{error_of_one}");
        let fake = Fake::new([error("QueueDoesNotExist", "no such queue")]);
        let error_of_all = visibility(&fake).change(&changes(2)).await.unwrap_err();
        assert_eq!(error_of_all.failed, 2);
    }

    #[tokio::test]
    async fn a_message_that_is_to_be_visible_and_is_already_is_no_failure() {
        let failure = |at: usize, code: &str, message: &str| json!({ "Id": at.to_string(), "SenderFault": true, "Code": code, "Message": message });
        let gone = "Value r for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for visibility timeout change.";
        let failures = json!([
            failure(0, "AWS.SimpleQueueService.MessageNotInflight", "it is not in flight"),
            failure(1, "InvalidParameterValue", gone),
            failure(2, "ReceiptHandleIsInvalid", "no such handle"),
        ]);
        let answer = (200, json!({ "Successful": [], "Failed": failures }));
        let at_once = |change| VisibilityChange { after: Duration::ZERO, ..change };
        let put_back: Vec<_> = changes(3).into_iter().map(at_once).collect();
        visibility(&Fake::new([answer.clone()])).change(&put_back).await.unwrap();
        let later = visibility(&Fake::new([answer])).change(&changes(3)).await.unwrap_err();
        assert_eq!(later.failed, 3, "they were to stay hidden");
        let other = failure(0, "InvalidParameterValue", "the time-out is wrong");
        let fake = Fake::new([(200, json!({ "Successful": [], "Failed": [other] }))]);
        visibility(&fake).change(&put_back[..1]).await.unwrap_err();
    }

    #[test]
    fn waits_are_whole_seconds_rounded_up_and_fit_into_twelve_hours_since_the_receive() {
        let millis = |millis| whole_seconds(Duration::from_millis(millis));
        assert_eq!((millis(0), millis(1), millis(1000), millis(1001)), (0, 1, 1, 2));
        let longest = [Duration::from_hours(12), Duration::from_hours(13), Duration::MAX].map(whole_seconds);
        assert_eq!(longest, [41_400; 3], "twelve hours count from the receive, which was a while ago");
        assert_eq!(whole_seconds(Duration::from_hours(11)), 39_600);
    }

    #[tokio::test]
    async fn a_wait_that_is_still_too_long_is_asked_for_once_more_and_shorter() {
        let beyond = "Value 41400 for parameter VisibilityTimeout is invalid. Reason: Total VisibilityTimeout for the \
                      message is beyond the limit [43200 seconds]";
        let failed = |id: &str| json!({ "Id": id, "SenderFault": true, "Code": "InvalidParameterValue", "Message": beyond });
        let mut waits = changes(3);
        waits[1].after = Duration::from_hours(12);
        let first = (200, json!({ "Successful": [{ "Id": "0" }, { "Id": "2" }], "Failed": [failed("1")] }));
        let fake = Fake::new([first.clone(), (200, changed(1))]);
        visibility(&fake).change(&waits).await.unwrap();
        let [_, again] = &fake.requests()[..] else { panic!("two requests") };
        let entry = json!({ "Id": "0", "ReceiptHandle": "receipt-1", "VisibilityTimeout": 32_400 });
        assert_eq!(again["Entries"], json!([entry]), "only the one that was refused");

        let fake = Fake::new([first, (200, json!({ "Successful": [], "Failed": [failed("0")] }))]);
        let error = visibility(&fake).change(&waits).await.unwrap_err();
        assert_eq!(
            (error.failed, error.asked, fake.requests().len()),
            (1, 3, 2),
            "once more, and not for ever"
        );
        assert!(error.reason.contains("beyond the limit"), "{error}");
    }

    #[tokio::test]
    async fn a_short_wait_that_is_refused_is_not_asked_for_again() {
        let failed = json!({ "Id": "0", "SenderFault": true, "Code": "InvalidParameterValue", "Message": "Value 2 for parameter VisibilityTimeout is invalid." });
        let fake = Fake::new([(200, json!({ "Successful": [], "Failed": [failed] }))]);
        visibility(&fake).change(&changes(1)).await.unwrap_err();
        assert_eq!(fake.requests().len(), 1);
    }
}
