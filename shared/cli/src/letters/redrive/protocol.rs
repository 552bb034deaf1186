//! The order of a redrive's steps, which allows it to be killed at any point.
//!
//! receive → journal `sending` → send → journal `sent` → delete → journal `deleted`. A letter leaves its queue only
//! after the journal has recorded that it was sent, so none is lost. A letter that is recorded as sent is only deleted,
//! so no more than the batch in flight is ever sent again. The journal knows those letters and counts them.

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use throughline_core::Timestamp;

/// A letter, as the journal refers to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LetterRef {
    /// The id that SQS gave it in the dead-letter queue.
    pub(crate) id: String,
    /// The name of its message, which is the same when it comes back under another id.
    pub(crate) message: String,
}

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "kebab-case")]
pub(crate) enum Entry {
    /// A redrive begins.
    Begun {
        /// The time at which it began.
        at: Timestamp,
        /// The request: a resumed redrive must have the same one.
        asked: serde_json::Value,
    },
    /// These are about to be sent: from now on it is unknown whether they were.
    Sending {
        /// The letters.
        letters: Vec<LetterRef>,
    },
    /// These were sent.
    Sent {
        /// The letters' ids.
        ids: Vec<String>,
    },
    /// These were refused, so they were certainly not sent.
    Refused {
        /// The letters' ids.
        ids: Vec<String>,
    },
    /// These are deleted from the dead-letter queue.
    Deleted {
        /// The letters' ids.
        ids: Vec<String>,
    },
    /// The first letter was handled: the others may follow.
    CanaryHandled,
    /// The redrive is finished.
    Finished,
    /// The record that is kept of finished redrives. Journals call it `kept`.
    #[serde(rename = "kept")]
    Summary {
        /// The time at which the last of them began.
        begun_at: Option<Timestamp>,
        /// The number of times that each message was sent.
        times_sent: BTreeMap<String, u32>,
    },
}

/// The progress of one letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LetterState {
    /// It was about to be sent, and its outcome was not recorded.
    InDoubt,
    /// It was sent and has to be deleted.
    Sent,
    /// It was sent and deleted.
    Deleted,
}

/// A letter that this redrive has touched.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Touched {
    letter_state: LetterState,
    message: String,
    /// Whether it was in doubt when it was last about to be sent: it may have been sent the time before.
    was_in_doubt: bool,
}

/// The state that a journal gives of the last redrive. Of earlier redrives it has only the number of times that they
/// sent each message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct JournalState {
    letters: BTreeMap<String, Touched>,
    /// The ids of the letters by which each message was sent, or may have been.
    messages: BTreeMap<String, BTreeSet<String>>,
    begun: Option<(Timestamp, serde_json::Value)>,
    last_begun_at: Option<Timestamp>,
    times_sent: BTreeMap<String, u32>,
    surplus: u64,
    sent: u64,
    is_canary_handled: bool,
}

impl JournalState {
    /// Applies an entry to the state.
    pub(crate) fn apply(&mut self, entry: &Entry) {
        match entry {
            Entry::Begun { at, asked } => {
                let times_sent = std::mem::take(&mut self.times_sent);
                let (begun, last_begun_at) = (Some((*at, asked.clone())), Some(*at));
                *self = Self { begun, last_begun_at, times_sent, ..Self::default() };
            }
            Entry::Sending { letters } => {
                for letter in letters {
                    self.is_sending(letter);
                }
            }
            Entry::Sent { ids } => {
                self.sent += count(ids.len());
                self.stand(ids, LetterState::Sent);
            }
            Entry::Refused { ids } => {
                for id in ids {
                    self.is_refused(id);
                }
            }
            Entry::Deleted { ids } => self.stand(ids, LetterState::Deleted),
            Entry::CanaryHandled => self.is_canary_handled = true,
            Entry::Finished => {
                let (times_sent, last_begun_at) = (std::mem::take(&mut self.times_sent), self.last_begun_at);
                *self = Self { last_begun_at, times_sent, ..Self::default() };
            }
            Entry::Summary { begun_at, times_sent } => {
                let (times_sent, last_begun_at) = (times_sent.clone(), *begun_at);
                *self = Self { last_begun_at, times_sent, ..Self::default() };
            }
        }
    }

    fn is_sending(&mut self, letter: &LetterRef) {
        let LetterRef { id, message } = letter;
        let was_in_doubt = self.letter_state(id) == Some(LetterState::InDoubt);
        self.surplus += u64::from(was_in_doubt);
        let touched = Touched { letter_state: LetterState::InDoubt, message: message.clone(), was_in_doubt };
        self.letters.insert(id.clone(), touched);
        self.messages.entry(message.clone()).or_default().insert(id.clone());
        *self.times_sent.entry(message.clone()).or_default() += 1;
    }

    /// Returns a refused letter to the state before it was about to be sent.
    fn is_refused(&mut self, id: &str) {
        let Some(Touched { message, was_in_doubt, .. }) = self.letters.remove(id) else { return };
        if let Some(times) = self.times_sent.get_mut(&message) {
            *times = times.saturating_sub(1);
        }
        if !was_in_doubt && let Some(ids) = self.messages.get_mut(&message) {
            ids.remove(id);
        }
    }

    fn stand(&mut self, ids: &[String], letter_state: LetterState) {
        for id in ids {
            match self.letters.get_mut(id) {
                Some(touched) => touched.letter_state = letter_state,
                None => {
                    let touched = Touched { letter_state, message: String::new(), was_in_doubt: false };
                    self.letters.insert(id.clone(), touched);
                }
            }
        }
    }

    /// Returns the progress of a letter, or `None` if this redrive has not touched it.
    pub(crate) fn letter_state(&self, id: &str) -> Option<LetterState> {
        self.letters.get(id).map(|touched| touched.letter_state)
    }

    /// Returns the time at which the unfinished redrive began, and its request.
    pub(crate) fn unfinished(&self) -> Option<&(Timestamp, serde_json::Value)> {
        self.begun.as_ref()
    }

    /// Returns the time at which the last redrive began, finished or not.
    pub(crate) fn last_begun_at(&self) -> Option<Timestamp> {
        self.last_begun_at
    }

    /// Returns whether this redrive has touched no letter.
    pub(crate) fn is_untouched(&self) -> bool {
        self.letters.is_empty()
    }

    /// Returns the summary that is kept after a redrive is finished.
    pub(crate) fn summary(&self) -> Entry {
        Entry::Summary { begun_at: self.last_begun_at, times_sent: self.times_sent.clone() }
    }

    /// Returns the number of possible surplus copies: letters in doubt that were sent again.
    pub(crate) fn surplus(&self) -> u64 {
        self.surplus
    }

    /// Returns the number of letters that were sent.
    pub(crate) fn sent(&self) -> u64 {
        self.sent
    }

    /// Returns the number of letters in a state.
    pub(crate) fn count_at(&self, letter_state: LetterState) -> u64 {
        count(self.letters.values().filter(|touched| touched.letter_state == letter_state).count())
    }

    /// Returns whether the first letter was handled.
    pub(crate) fn is_canary_handled(&self) -> bool {
        self.is_canary_handled
    }

    /// Returns whether this redrive has already sent a letter's message as another letter: it has then come back.
    pub(crate) fn has_sent_as_another(&self, letter: &LetterRef) -> bool {
        self.messages.get(&letter.message).is_some_and(|ids| ids.iter().any(|id| *id != letter.id))
    }

    /// Returns the number of times that a message was redriven, by this redrive and earlier ones.
    pub(crate) fn times_sent(&self, message: &str) -> u32 {
        self.times_sent.get(message).copied().unwrap_or(0)
    }
}

/// Converts a length into a count for reports.
pub(crate) fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// The protocol's access to the journal and the queues.
pub(crate) trait RedriveIo {
    /// The error of an operation that could not be carried out.
    type Error;
    /// Writes an entry. It survives a crash once this has returned.
    async fn record(&mut self, entry: &Entry) -> Result<(), Self::Error>;
    /// Sends letters. Returns one result for each: sent, or the reason that it was certainly not sent.
    async fn send(&mut self, letters: &[LetterRef]) -> Result<Vec<Result<(), String>>, Self::Error>;
    /// Deletes letters from the dead-letter queue. Returns one result for each.
    async fn delete(&mut self, ids: &[String]) -> Result<Vec<Result<(), String>>, Self::Error>;
}

/// The results of a batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct BatchResult {
    /// The number of letters that were sent.
    pub(crate) sent: usize,
    /// The number of letters that an earlier run had already sent: they were only deleted.
    pub(crate) sent_before: usize,
    /// The letters that were refused, each with its reason.
    pub(crate) refused: Vec<(String, String)>,
    /// The letters that were sent and could not be deleted, each with its reason: they come again, and are deleted
    /// then.
    pub(crate) not_deleted: Vec<(String, String)>,
}

/// Sends a batch of letters, deletes them and journals each step.
///
/// # Errors
/// If the journal could not be written, or the outcome of a request is unknown. No letter is lost: resume with the same
/// journal.
pub(crate) async fn redrive_batch<H: RedriveIo>(
    state: &mut JournalState,
    io: &mut H,
    letters: &[LetterRef],
) -> Result<BatchResult, H::Error> {
    let is_sent = |letter: &&LetterRef| {
        matches!(state.letter_state(&letter.id), Some(LetterState::Sent | LetterState::Deleted))
    };
    let (before, open): (Vec<&LetterRef>, Vec<&LetterRef>) = letters.iter().partition(is_sent);
    let mut passed = BatchResult { sent_before: before.len(), ..BatchResult::default() };
    let mut to_delete: Vec<String> = before.into_iter().map(|letter| letter.id.clone()).collect();
    if !open.is_empty() {
        let open: Vec<LetterRef> = open.into_iter().cloned().collect();
        write(state, io, Entry::Sending { letters: open.clone() }).await?;
        let answers = io.send(&open).await?;
        let mut sent = Vec::new();
        for (letter, answer) in open.into_iter().zip(answers) {
            match answer {
                Ok(()) => sent.push(letter.id),
                Err(reason) => passed.refused.push((letter.id, reason)),
            }
        }
        if !passed.refused.is_empty() {
            let ids = passed.refused.iter().map(|(id, _)| id.clone()).collect();
            write(state, io, Entry::Refused { ids }).await?;
        }
        if !sent.is_empty() {
            passed.sent = sent.len();
            write(state, io, Entry::Sent { ids: sent.clone() }).await?;
        }
        to_delete.extend(sent);
    }
    delete(state, io, to_delete, &mut passed).await?;
    Ok(passed)
}

async fn delete<H: RedriveIo>(
    state: &mut JournalState,
    io: &mut H,
    ids: Vec<String>,
    passed: &mut BatchResult,
) -> Result<(), H::Error> {
    if ids.is_empty() {
        return Ok(());
    }
    let answers = io.delete(&ids).await?;
    let mut deleted = Vec::new();
    for (id, answer) in ids.into_iter().zip(answers) {
        match answer {
            Ok(()) => deleted.push(id),
            Err(reason) => passed.not_deleted.push((id, reason)),
        }
    }
    if deleted.is_empty() { Ok(()) } else { write(state, io, Entry::Deleted { ids: deleted }).await }
}

/// Writes an entry, and applies it to the state only after it is written.
async fn write<H: RedriveIo>(state: &mut JournalState, io: &mut H, entry: Entry) -> Result<(), H::Error> {
    io.record(&entry).await?;
    state.apply(&entry);
    Ok(())
}
