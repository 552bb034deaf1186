//! A dead-letter queue in an operator's hands: to look through, to take letters out of and to put them back.

use super::{FoundLetter, OperateError, depth, failed, letter};
use aws_sdk_sqs::{
    Client,
    types::{DeleteMessageBatchRequestEntry, MessageAttributeValue},
};
use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};
use throughline_aws::{
    Visibility,
    internal::{describe, sqs_text},
    visibility::VisibilityChange,
};

/// The most messages that one SQS request receives, sends or deletes.
pub const MOST_MESSAGES: usize = 10;
/// The number of letters that are put back at the same time.
const MOST_PUT_BACK: usize = 100;
/// The visibility timeout of letters while a queue is looked through, should they not be put back.
const LOOK: Duration = Duration::from_secs(10);
/// The number of empty answers that SQS may give although it counts messages.
const MOST_EMPTY_LOOKS: u32 = 3;
/// The letters a second that a look manages at least, so that the first are still hidden when the last are seen.
const LOOKED_AT_A_SECOND: u64 = 100;

/// A letter in hand: hidden from others for a time.
#[derive(Debug, Clone)]
pub struct ReceivedLetter {
    /// The letter.
    pub letter: FoundLetter,
    /// By which it is deleted or put back.
    pub receipt_handle: String,
    /// Its attributes as they came.
    pub(super) carried: HashMap<String, MessageAttributeValue>,
}

impl ReceivedLetter {
    /// A letter in hand that came without attributes.
    pub fn new(letter: FoundLetter, receipt_handle: impl Into<String>) -> Self {
        Self { letter, receipt_handle: receipt_handle.into(), carried: HashMap::new() }
    }
}

/// The result of a look through a queue.
#[derive(Debug, Clone, Default)]
pub struct Look {
    /// The letters, the oldest first.
    pub letters: Vec<FoundLetter>,
    /// Whether the queue held more than were to be looked at.
    pub is_sample: bool,
    /// The approximate number of letters behind these in their message groups. A FIFO queue gives out at most ten
    /// letters of a group, and nothing more of it while these are in hand.
    pub behind: u64,
}

impl Look {
    /// The message groups of the letters that were seen: those behind them are of these groups. The largest first.
    pub fn groups(&self) -> Vec<&str> {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for group in self.letters.iter().filter_map(|letter| letter.group.as_deref()) {
            *counts.entry(group).or_default() += 1;
        }
        let mut groups: Vec<_> = counts.into_iter().collect();
        groups.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        groups.into_iter().map(|(group, _)| group).collect()
    }
}

/// A dead-letter queue.
#[derive(Debug, Clone)]
pub struct DeadLetterQueue {
    pub(super) client: Client,
    pub(super) url: String,
}

impl DeadLetterQueue {
    /// The queue with this URL.
    pub fn new(client: Client, url: impl Into<String>) -> Self {
        Self { client, url: url.into() }
    }

    /// Its URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns whether the queue is FIFO.
    pub fn is_fifo(&self) -> bool {
        sqs_text::is_fifo(&self.url)
    }

    /// Receives at most ten letters and hides them for a time; waits for the first one so long, at most 20 seconds.
    ///
    /// # Errors
    /// If the queue cannot be read.
    pub async fn receive(
        &self,
        hidden: Duration,
        wait: Duration,
    ) -> Result<Vec<ReceivedLetter>, OperateError> {
        let seconds =
            |duration: Duration, most: u64| i32::try_from(duration.as_secs().min(most)).unwrap_or(0);
        let received = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(10)
            .visibility_timeout(seconds(hidden, 43_200))
            .wait_time_seconds(seconds(wait, 20))
            .message_attribute_names("All")
            .set_message_system_attribute_names(Some(letter::SYSTEM_ATTRIBUTES.to_vec()))
            .send()
            .await
            .map_err(|error| failed(format!("queue {} cannot be read", self.url), describe(&error)))?;
        let received = received.messages.unwrap_or_default().into_iter().map(|message| ReceivedLetter {
            receipt_handle: message.receipt_handle.clone().unwrap_or_default(),
            carried: message.message_attributes.clone().unwrap_or_default(),
            letter: letter::letter(message),
        });
        Ok(received.collect())
    }

    /// Puts letters back: others can receive them at once. Those whose time was over are back already.
    ///
    /// # Errors
    /// If some could not be put back; they are visible again when their time is over.
    pub async fn put_back(&self, receipt_handles: Vec<String>) -> Result<(), OperateError> {
        let back: Vec<_> = receipt_handles
            .into_iter()
            .map(|receipt_handle| VisibilityChange { receipt_handle, after: Duration::ZERO })
            .collect();
        let visibility = Visibility::new(self.client.clone(), &self.url);
        for some in back.chunks(MOST_PUT_BACK) {
            visibility.change(some).await.map_err(|error| {
                failed(
                    format!("queue {} was read, but not all was put back yet", self.url),
                    error.to_string(),
                )
            })?;
        }
        Ok(())
    }

    /// Deletes at most ten letters, by their receipt handles. One answer for each.
    ///
    /// # Errors
    /// If the call failed: then it is not known which are deleted.
    pub async fn delete(&self, receipt_handles: &[&str]) -> Result<Vec<Result<(), String>>, OperateError> {
        let cannot = |reason| failed(format!("letters of queue {} cannot be deleted", self.url), reason);
        let entries = receipt_handles.iter().enumerate().map(|(at, handle)| {
            DeleteMessageBatchRequestEntry::builder().id(at.to_string()).receipt_handle(*handle).build()
        });
        let entries = entries.collect::<Result<_, _>>().map_err(|error| cannot(error.to_string()))?;
        let call = self.client.delete_message_batch().queue_url(&self.url).set_entries(Some(entries));
        let answer = call.send().await.map_err(|error| cannot(describe(&error)))?;
        let mut results = vec![Ok(()); receipt_handles.len()];
        for entry in answer.failed() {
            if let Some(place) = entry.id().parse().ok().and_then(|at: usize| results.get_mut(at)) {
                *place = Err(format!("{}: {}", entry.code(), entry.message().unwrap_or("no message")));
            }
        }
        Ok(results)
    }

    /// Looks at so many letters at most, and puts them back. Meanwhile they are hidden from others, and what
    /// others look at just now is hidden from us: [`depth`] counts that as in flight. `seen` is told how many
    /// were found so far.
    ///
    /// # Errors
    /// If the queue cannot be read.
    pub async fn look(&self, most: usize, mut seen: impl FnMut(usize)) -> Result<Look, OperateError> {
        let waiting = depth(&self.client, &self.url).await?.waiting;
        let will_look_at = waiting.min(u64::try_from(most).unwrap_or(u64::MAX));
        let hidden = LOOK + Duration::from_secs(will_look_at / LOOKED_AT_A_SECOND);
        let mut found = BTreeMap::new();
        let mut handles = Vec::new();
        let mut empty_looks = 0;
        while empty_looks < MOST_EMPTY_LOOKS && found.len() < most {
            let received = self.receive(hidden, Duration::from_secs(u64::from(empty_looks > 0))).await?;
            if received.is_empty() {
                // A short poll asks only some of SQS's servers.
                if u64::try_from(found.len()).is_ok_and(|found| found >= waiting) {
                    break;
                }
                empty_looks += 1;
                continue;
            }
            let before = found.len();
            for ReceivedLetter { letter, receipt_handle, .. } in received {
                handles.push(receipt_handle);
                found.insert(letter.message_id.clone(), letter);
            }
            if found.len() == before {
                break; // the first ones have come round again
            }
            seen(found.len());
        }
        self.put_back(handles).await?;
        let missing = waiting.saturating_sub(u64::try_from(found.len()).unwrap_or(u64::MAX));
        let is_behind = self.is_fifo() && found.len() < most;
        let (is_sample, behind) = if is_behind { (false, missing) } else { (missing > 0, 0) };
        let mut letters: Vec<_> = found.into_values().collect();
        letters.sort_by_key(|letter| letter.sent_at);
        Ok(Look { letters, is_sample, behind })
    }
}

/// Looks through a whole queue and puts everything back: see [`DeadLetterQueue::look`].
///
/// # Errors
/// If the queue cannot be read.
pub async fn look_through(client: &Client, queue_url: &str) -> Result<Vec<FoundLetter>, OperateError> {
    let look = DeadLetterQueue::new(client.clone(), queue_url).look(usize::MAX, |_| ()).await?;
    Ok(look.letters)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use throughline_aws::testing::{Answer, Fake};

    fn queue(fake: &Fake) -> DeadLetterQueue {
        DeadLetterQueue::new(Client::new(&fake.config()), "https://sqs.example/1/letters")
    }

    fn counted(waiting: u32) -> Answer {
        let count = waiting.to_string();
        (200, json!({ "Attributes": { "ApproximateNumberOfMessages": count } }))
    }

    fn received(ids: std::ops::Range<u32>) -> Answer {
        let message = |id: u32| json!({ "MessageId": format!("m-{id}"), "ReceiptHandle": format!("r-{id}"), "Body": "{}" });
        (200, json!({ "Messages": ids.map(message).collect::<Vec<_>>() }))
    }

    fn put_back(count: usize) -> Answer {
        let entries: Vec<Value> = (0..count).map(|at| json!({ "Id": at.to_string() })).collect();
        (200, json!({ "Successful": entries, "Failed": [] }))
    }

    #[tokio::test]
    async fn a_look_takes_no_more_than_it_was_allowed_and_puts_it_back() {
        let fake =
            Fake::new([counted(10_000), received(0..10), received(10..20), put_back(10), put_back(10)]);
        let mut progress = Vec::new();
        let look = queue(&fake).look(20, |seen| progress.push(seen)).await.unwrap();
        assert_eq!((look.letters.len(), look.is_sample), (20, true));
        assert_eq!(progress, [10, 20]);
        let operations = fake.operations();
        assert_eq!(operations.iter().filter(|name| *name == "ReceiveMessage").count(), 2);
        let back: usize =
            fake.requests()[3..].iter().map(|request| request["Entries"].as_array().unwrap().len()).sum();
        assert_eq!(back, 20);
    }

    #[tokio::test]
    async fn what_stands_behind_others_in_its_group_is_counted_and_not_taken_for_a_sample() {
        let of_group = |ids: std::ops::Range<u32>, group: &str| {
            let (status, mut answer) = received(ids);
            for message in answer["Messages"].as_array_mut().unwrap() {
                message["Attributes"] = json!({ "MessageGroupId": group });
            }
            (status, answer)
        };
        let nothing = || (200, json!({}));
        let fake = Fake::new([
            counted(26),
            of_group(0..1, "g-2"),
            of_group(1..11, "g-1"),
            nothing(),
            nothing(),
            nothing(),
            put_back(10),
            put_back(1),
        ]);
        let url = "https://sqs.example/1/letters.fifo";
        let look =
            DeadLetterQueue::new(Client::new(&fake.config()), url).look(usize::MAX, |_| ()).await.unwrap();
        assert_eq!((look.letters.len(), look.is_sample, look.behind), (11, false, 15));
        assert_eq!(look.groups(), ["g-1", "g-2"]);
    }

    #[tokio::test]
    async fn a_large_queue_stays_hidden_until_all_of_it_was_seen() {
        let fake = Fake::new([counted(10_000), received(0..1), received(0..1), put_back(2)]);
        queue(&fake).look(usize::MAX, |_| ()).await.unwrap();
        assert_eq!(fake.requests()[1]["VisibilityTimeout"], 110);
    }

    #[tokio::test]
    async fn a_look_that_took_longer_than_letters_are_hidden_is_none_the_worse_for_it() {
        let failure = json!({ "Id": "0", "SenderFault": true, "Code": "MessageNotInflight" });
        let back = (200, json!({ "Successful": [{ "Id": "1" }], "Failed": [failure] }));
        let fake = Fake::new([counted(2), received(0..2), back]);
        let look = queue(&fake).look(2, |_| ()).await.unwrap();
        assert_eq!(look.letters.len(), 2);
    }

    #[tokio::test]
    async fn what_was_not_deleted_is_told_one_by_one() {
        let failure = json!({ "Id": "1", "SenderFault": true, "Code": "ReceiptHandleIsInvalid" });
        let fake = Fake::new([(200, json!({ "Successful": [{ "Id": "0" }], "Failed": [failure] }))]);
        let results = queue(&fake).delete(&["a", "b"]).await.unwrap();
        assert!(
            results[0].is_ok()
                && results[1].as_ref().is_err_and(|why| why.contains("ReceiptHandleIsInvalid"))
        );
    }
}
