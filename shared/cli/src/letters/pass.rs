//! One pass through a queue: every letter is received once, and unwanted letters are put back at the end.

use super::queues::NamedQueue;
use crate::cloud::stack::{Stack, StackError};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};
use throughline_operations::{QueueDepth, ReceivedLetter};

/// The number of letters that a pass handles at least in a second. The time that letters stay hidden is derived from
/// it, so that the first one that was set aside is still hidden at the end.
const PASS_BY_A_SECOND: u64 = 100;
/// The time that SQS is asked to wait for a letter after a receive that found none.
const WAIT: Duration = Duration::from_secs(1);
/// The extra time that the pass waits for hidden letters, beyond the time that they are held.
const GRACE: Duration = Duration::from_secs(3);
/// The time that SQS may still count letters that are already gone: its counts are approximate, and settle "at least 1
/// minute after the producers stop sending messages" (SQS API reference, `GetQueueAttributes`).
const COUNTS_SETTLE: Duration = Duration::from_mins(1);
/// The longest visibility timeout of SQS.
const LONGEST_HELD: Duration = Duration::from_hours(12);
/// The number of fruitless receives (the first short, the others a second long) after which a FIFO queue with letters
/// set aside is given up.
const FRUITLESS: u32 = 3;
/// The number of rounds in which letters that were set aside may come back, held twice as long each time, while no new
/// one comes.
const MOST_ROUNDS: u32 = 3;

/// The letters that a pass receives, and the clock that it uses.
pub(crate) trait Letters {
    /// Returns the number of letters in the queue.
    async fn depth(&self) -> Result<QueueDepth, StackError>;
    /// Receives at most ten letters and hides them for `hidden`. Waits at most `wait` for the first one.
    async fn receive(&self, hidden: Duration, wait: Duration) -> Result<Vec<ReceivedLetter>, StackError>;
    /// Puts letters back into the queue by their receipt handles.
    async fn put_back(&self, receipt_handles: Vec<String>) -> Result<(), StackError>;
    /// Returns the current time.
    fn now(&self) -> Instant;
    /// Returns whether the queue keeps the order of its message groups (a FIFO queue).
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
    /// The time until which the letter is certainly hidden.
    hidden_until: Instant,
    /// The letter's message group. SQS gives out no letter behind it in the group.
    group: Option<String>,
}

/// A pass through a queue.
#[derive(Debug)]
pub(crate) struct Pass<L> {
    letters: L,
    held: Duration,
    aside: BTreeMap<String, Aside>,
    /// The time until which the letters received last are certainly hidden.
    hidden_until: Instant,
    depth: QueueDepth,
    /// The ids of the letters received so far.
    seen: BTreeSet<String>,
    /// Whether an interrupted pass held letters, which the counts may not show yet.
    goes_on: bool,
    others: u64,
    not_reached: u64,
}

impl<'a> Pass<LettersOf<'a>> {
    /// Begins a pass. Letters in hand stay hidden for at least `held` if this process dies, and longer if many have to
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

    /// Marks the pass as the continuation of an interrupted one: it waits for the letters that the other one held.
    pub(crate) fn going_on(self, goes_on: bool) -> Self {
        Self { goes_on, ..self }
    }

    /// Returns the number of letters at the beginning.
    pub(crate) fn total(&self) -> u64 {
        self.depth.waiting + self.depth.in_flight
    }

    /// Returns the number of letters that another consumer held when they were last counted.
    pub(crate) fn in_others_hands(&self) -> u64 {
        self.others
    }

    /// Returns the number of letters that were still waiting at the end of the pass and were never received. In a FIFO
    /// queue they stand behind letters that were set aside.
    pub(crate) fn not_reached(&self) -> u64 {
        self.not_reached
    }

    /// Returns the message groups in which letters that were not reached stand behind letters that were set aside.
    pub(crate) fn blocked_groups(&self) -> Vec<String> {
        if self.not_reached == 0 || !self.letters.keeps_order() {
            return Vec::new();
        }
        let groups: BTreeSet<&String> =
            self.aside.values().filter_map(|aside| aside.group.as_ref()).collect();
        groups.into_iter().cloned().collect()
    }

    /// Returns the next letters, at most ten and none that was set aside, or `None` once all have been received. Waits
    /// for letters that other consumers hold for as long as the pass would hold them, because an interrupted redrive
    /// may have held them.
    ///
    /// Only the time in here counts for that. If the caller takes long over the letters, those that were set aside
    /// become visible again before the others: they are hidden again, and for longer if they come back once more.
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

    /// Returns whether the pass is over after this many receives in a row that found nothing. The first receive asks
    /// only some of SQS's servers, the others ask all of them.
    async fn is_over(&mut self, fruitless: u32, last_fruit: Instant) -> Result<bool, StackError> {
        let waiting = self.count().await?;
        let is_settled = !self.goes_on && self.depth.in_flight == 0;
        let have_all_come = is_settled && self.seen.len() as u64 >= self.depth.waiting;
        // Counts lag, and the first receive asks only some servers: where there was one letter, there may be another.
        let was_empty = have_all_come && self.seen.is_empty();
        if waiting + self.others == 0 && (was_empty || fruitless > 1) {
            return Ok(true);
        }
        if fruitless == 1 {
            return Ok(false);
        }
        if have_all_come && !self.seen.is_empty() {
            // Letters that are still counted are gone, or came after the pass began.
            (self.others, self.not_reached) = (0, 0);
            return Ok(true);
        }
        // Letters behind others that are set aside do not come, however long the pass waits.
        if self.letters.keeps_order() && self.others == 0 && !self.aside.is_empty() && fruitless > FRUITLESS {
            return Ok(true);
        }
        let patience = self.held + GRACE;
        let patience = if waiting > 0 { patience.max(COUNTS_SETTLE) } else { patience };
        Ok(self.letters.now().duration_since(last_fruit) > patience)
    }

    /// Counts the letters that others hold and those that were not reached. Returns the number of waiting letters,
    /// including ours whose visibility timeout is over.
    async fn count(&mut self) -> Result<u64, StackError> {
        let QueueDepth { waiting, in_flight, .. } = self.letters.depth().await?;
        let now = self.letters.now();
        let hidden = self.aside.values().filter(|aside| aside.hidden_until > now).count() as u64;
        self.others = in_flight.saturating_sub(hidden);
        self.not_reached = waiting.saturating_sub(self.aside.len() as u64 - hidden);
        Ok(waiting)
    }

    /// Keeps a letter hidden until the end of the pass.
    pub(crate) fn set_aside(&mut self, received: ReceivedLetter) {
        let ReceivedLetter { letter, receipt_handle, .. } = received;
        let aside = Aside { receipt_handle, hidden_until: self.hidden_until, group: letter.group };
        self.aside.insert(letter.message_id, aside);
    }

    /// Puts letters back that the pass may receive again.
    pub(crate) async fn put_back(&self, received: Vec<ReceivedLetter>) -> Result<(), StackError> {
        self.letters.put_back(received.into_iter().map(|received| received.receipt_handle).collect()).await
    }

    /// Ends the pass and puts back the letters that were set aside.
    ///
    /// # Errors
    /// If SQS does not take them back: they reappear by themselves when their visibility timeout is over.
    pub(crate) async fn end(self) -> Result<(), StackError> {
        self.letters.put_back(self.aside.into_values().map(|aside| aside.receipt_handle).collect()).await
    }
}

#[cfg(test)]
mod tests;
