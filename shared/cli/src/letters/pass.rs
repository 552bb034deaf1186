//! One pass through a queue: every letter in it comes by once; what is not wanted is put back at the end.

use super::queues::NamedQueue;
use crate::cloud::stack::{Stack, StackError};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};
use throughline_operations::{QueueDepth, ReceivedLetter};

/// How many letters a second pass by at least, so that the first set aside are still hidden at the end.
const PASS_BY_A_SECOND: u64 = 100;
/// How long SQS is asked to wait for a letter where there was none.
const WAIT: Duration = Duration::from_secs(1);
/// How much longer than letters are held they are waited for.
const GRACE: Duration = Duration::from_secs(3);
/// How long SQS may count letters that are gone already: its counts are approximate, and settle "at least 1 minute
/// after the producers stop sending messages" (SQS API reference, `GetQueueAttributes`).
const COUNTS_SETTLE: Duration = Duration::from_mins(1);
/// The longest that SQS hides a letter.
const LONGEST_HELD: Duration = Duration::from_hours(12);
/// After how many fruitless receives, one short and the others a second long, nothing more comes of a FIFO queue whose
/// letters are set aside.
const FRUITLESS: u32 = 3;
/// How often what was set aside may come round again, held twice as long each time, while nothing new comes.
const MOST_ROUNDS: u32 = 3;

/// The letters that a pass goes through, and the clock that it goes by.
pub(crate) trait Letters {
    /// How many there are.
    async fn depth(&self) -> Result<QueueDepth, StackError>;
    /// Receives at most ten and hides them for a time; waits so long for the first one.
    async fn receive(&self, hidden: Duration, wait: Duration) -> Result<Vec<ReceivedLetter>, StackError>;
    /// Puts letters back, by their receipt handles.
    async fn put_back(&self, receipt_handles: Vec<String>) -> Result<(), StackError>;
    /// What time it is.
    fn now(&self) -> Instant;
    /// Whether the queue keeps the order of its message groups.
    fn keeps_order(&self) -> bool;
}

/// The letters of a stack's queue.
#[derive(Debug)]
pub(crate) struct LettersOf<'a> {
    stack: &'a Stack,
    queue: &'a NamedQueue,
}

impl Letters for LettersOf<'_> {
    async fn depth(&self) -> Result<QueueDepth, StackError> {
        self.queue.depth(self.stack).await
    }

    async fn receive(&self, hidden: Duration, wait: Duration) -> Result<Vec<ReceivedLetter>, StackError> {
        Ok(self.queue.queue.receive(hidden, wait).await?)
    }

    async fn put_back(&self, receipt_handles: Vec<String>) -> Result<(), StackError> {
        Ok(self.queue.queue.put_back(receipt_handles).await?)
    }

    fn now(&self) -> Instant {
        Instant::now()
    }

    fn keeps_order(&self) -> bool {
        self.queue.queue.is_fifo()
    }
}

/// A letter that was set aside.
#[derive(Debug)]
struct Aside {
    receipt_handle: String,
    /// Until when it is certainly hidden.
    hidden_until: Instant,
    /// Its message group, in which nothing behind it comes.
    group: Option<String>,
}

/// A pass through a queue.
#[derive(Debug)]
pub(crate) struct Pass<L> {
    letters: L,
    held: Duration,
    aside: BTreeMap<String, Aside>,
    /// Until when what was received last is certainly hidden.
    hidden_until: Instant,
    depth: QueueDepth,
    /// The letters that came by.
    seen: BTreeSet<String>,
    /// Whether an interrupted pass had letters in hand, which counts may not tell of yet.
    goes_on: bool,
    others: u64,
    not_reached: u64,
}

impl<'a> Pass<LettersOf<'a>> {
    /// Begins a pass. Letters in hand stay hidden for at least `held`, should this process die; longer if many are to
    /// be set aside.
    pub(crate) async fn begin(
        stack: &'a Stack,
        queue: &'a NamedQueue,
        held: Duration,
        sets_aside: bool,
    ) -> Result<Self, StackError> {
        Self::through(LettersOf { stack, queue }, held, sets_aside).await
    }
}

impl<L: Letters> Pass<L> {
    async fn through(letters: L, held: Duration, sets_aside: bool) -> Result<Self, StackError> {
        let depth = letters.depth().await?;
        let longer = if sets_aside { depth.waiting / PASS_BY_A_SECOND } else { 0 };
        let held = held.saturating_add(Duration::from_secs(longer)).min(LONGEST_HELD);
        let hidden_until = letters.now();
        let (aside, seen) = (BTreeMap::new(), BTreeSet::new());
        let (goes_on, others, not_reached) = (false, 0, 0);
        Ok(Self { letters, held, aside, hidden_until, depth, seen, goes_on, others, not_reached })
    }

    /// It goes on where another was interrupted: what that had in hand is waited for.
    pub(crate) fn going_on(self, goes_on: bool) -> Self {
        Self { goes_on, ..self }
    }

    /// How many letters there were at the beginning.
    pub(crate) fn total(&self) -> u64 {
        self.depth.waiting + self.depth.in_flight
    }

    /// How many were last seen in somebody else's hands.
    pub(crate) fn in_others_hands(&self) -> u64 {
        self.others
    }

    /// How many were still waiting when the pass ended, and never came: in a FIFO queue they stand behind what was
    /// set aside.
    pub(crate) fn not_reached(&self) -> u64 {
        self.not_reached
    }

    /// The message groups in which those that were not reached stand behind what was set aside.
    pub(crate) fn blocked_groups(&self) -> Vec<String> {
        if self.not_reached == 0 || !self.letters.keeps_order() {
            return Vec::new();
        }
        let groups: BTreeSet<&String> =
            self.aside.values().filter_map(|aside| aside.group.as_ref()).collect();
        groups.into_iter().cloned().collect()
    }

    /// The next letters, at most ten, none that was set aside; nothing once all have passed by. What others have in
    /// hand is waited for as long as we would hold it: an interrupted redrive had it.
    ///
    /// Only the time in here counts for that. Whoever takes long over the letters finds those that were set aside
    /// waiting again, before the others: they are hidden anew, for longer if they come round once more.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<ReceivedLetter>>, StackError> {
        let (mut fruitless, mut last_fruit) = (0, self.letters.now());
        let (mut rounds, mut come_round) = (0, BTreeSet::new());
        loop {
            let wait = if fruitless == 0 { Duration::ZERO } else { WAIT };
            self.hidden_until = self.letters.now() + self.held;
            let received = self.letters.receive(self.held, wait).await?;
            let (again, new): (Vec<_>, Vec<_>) =
                received.into_iter().partition(|it| self.aside.contains_key(&it.letter.message_id));
            let again_ids: Vec<String> = again.iter().map(|it| it.letter.message_id.clone()).collect();
            for received in again {
                self.set_aside(received);
            }
            if !new.is_empty() {
                self.seen.extend(new.iter().map(|it| it.letter.message_id.clone()));
                return Ok(Some(new));
            }
            if again_ids.is_empty() {
                fruitless += 1;
                if self.is_over(fruitless, last_fruit).await? {
                    return Ok(None);
                }
                continue;
            }
            (fruitless, last_fruit) = (0, self.letters.now());
            if again_ids.iter().any(|id| come_round.contains(id)) {
                rounds += 1;
                come_round.clear();
                self.held = (self.held * 2).min(LONGEST_HELD);
                if rounds == MOST_ROUNDS {
                    self.count().await?;
                    return Ok(None);
                }
            }
            come_round.extend(again_ids);
        }
    }

    /// Whether nothing more is to be waited for, after so many receives in a row that found nothing: the first asks only
    /// some of SQS's servers, the others all of them.
    async fn is_over(&mut self, fruitless: u32, last_fruit: Instant) -> Result<bool, StackError> {
        let waiting = self.count().await?;
        let is_settled = !self.goes_on && self.depth.in_flight == 0;
        let have_all_come = is_settled && self.seen.len() as u64 >= self.depth.waiting;
        // Counts lag, and the first receive asks some servers alone: where there was a letter there may be another.
        let was_empty = have_all_come && self.seen.is_empty();
        if waiting + self.others == 0 && (was_empty || fruitless > 1) {
            return Ok(true);
        }
        if fruitless == 1 {
            return Ok(false);
        }
        if have_all_come && !self.seen.is_empty() {
            // What is counted still is gone, or came after the pass began.
            (self.others, self.not_reached) = (0, 0);
            return Ok(true);
        }
        // What stands behind letters that are set aside does not come, however long it is waited for.
        if self.letters.keeps_order() && self.others == 0 && !self.aside.is_empty() && fruitless > FRUITLESS {
            return Ok(true);
        }
        let patience = self.held + GRACE;
        let patience = if waiting > 0 { patience.max(COUNTS_SETTLE) } else { patience };
        Ok(self.letters.now().duration_since(last_fruit) > patience)
    }

    /// Counts what is left to whom. How many are waiting, ours among them if their time is over.
    async fn count(&mut self) -> Result<u64, StackError> {
        let QueueDepth { waiting, in_flight, .. } = self.letters.depth().await?;
        let now = self.letters.now();
        let hidden = self.aside.values().filter(|aside| aside.hidden_until > now).count() as u64;
        self.others = in_flight.saturating_sub(hidden);
        self.not_reached = waiting.saturating_sub(self.aside.len() as u64 - hidden);
        Ok(waiting)
    }

    /// Keeps a letter hidden until the end.
    pub(crate) fn set_aside(&mut self, received: ReceivedLetter) {
        let ReceivedLetter { letter, receipt_handle, .. } = received;
        let aside = Aside { receipt_handle, hidden_until: self.hidden_until, group: letter.group };
        self.aside.insert(letter.message_id, aside);
    }

    /// Puts letters back that may come by again.
    pub(crate) async fn put_back(&self, received: Vec<ReceivedLetter>) -> Result<(), StackError> {
        self.letters.put_back(received.into_iter().map(|received| received.receipt_handle).collect()).await
    }

    /// Puts back what was set aside.
    ///
    /// # Errors
    /// If that does not work: it comes back by itself when its time is over.
    pub(crate) async fn end(self) -> Result<(), StackError> {
        self.letters.put_back(self.aside.into_values().map(|aside| aside.receipt_handle).collect()).await
    }
}

#[cfg(test)]
mod tests;
