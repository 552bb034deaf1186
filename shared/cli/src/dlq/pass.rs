//! One pass through a queue: every letter in it comes by once; what is not wanted is put back at the end.

use super::queues::NamedQueue;
use crate::stack::{Stack, StackError};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};
use throughline_aws::operate::{QueueDepth, ReceivedLetter};

/// How many letters a second pass by at least, so that the first set aside are still hidden at the end.
const PASS_BY_A_SECOND: u64 = 100;
/// How long SQS is asked to wait for a letter where there was none.
const WAIT: Duration = Duration::from_secs(1);
/// How much longer than letters are held they are waited for.
const GRACE: Duration = Duration::from_secs(3);

/// A pass through a queue.
#[derive(Debug)]
pub(super) struct Pass<'a> {
    stack: &'a Stack,
    queue: &'a NamedQueue,
    held: Duration,
    aside: BTreeMap<String, String>,
    fruitless: u32,
    last_fruit: Instant,
    depth: QueueDepth,
    others: u64,
}

impl<'a> Pass<'a> {
    /// Begins a pass. Letters in hand stay hidden for at least `held`, should this process die; longer if many are to
    /// be set aside.
    pub(super) async fn begin(
        stack: &'a Stack,
        queue: &'a NamedQueue,
        held: Duration,
        sets_aside: bool,
    ) -> Result<Self, StackError> {
        let depth = queue.depth(stack).await?;
        let longer = if sets_aside { depth.waiting / PASS_BY_A_SECOND } else { 0 };
        let held = held + Duration::from_secs(longer);
        let (aside, last_fruit) = (BTreeMap::new(), Instant::now());
        Ok(Self { stack, queue, held, aside, fruitless: 0, last_fruit, depth, others: 0 })
    }

    /// How many letters there were at the beginning.
    pub(super) fn total(&self) -> u64 {
        self.depth.waiting + self.depth.in_flight
    }

    /// How many were last seen in somebody else's hands.
    pub(super) fn in_others_hands(&self) -> u64 {
        self.others
    }

    /// The next letters, at most ten, none that was set aside; nothing once all have passed by. What others have in
    /// hand is waited for as long as we would hold it: an interrupted redrive had it.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<ReceivedLetter>>, StackError> {
        loop {
            let wait = if self.fruitless == 0 { Duration::ZERO } else { WAIT };
            let mut received = self.queue.queue.receive(self.held, wait).await?;
            received.retain(|received| match self.aside.get_mut(&received.letter.message_id) {
                Some(handle) => {
                    handle.clone_from(&received.receipt_handle);
                    false
                }
                None => true,
            });
            if !received.is_empty() {
                (self.fruitless, self.last_fruit) = (0, Instant::now());
                return Ok(Some(received));
            }
            self.fruitless += 1;
            if self.fruitless > 1 && self.is_over().await? {
                return Ok(None);
            }
        }
    }

    async fn is_over(&mut self) -> Result<bool, StackError> {
        let depth = self.queue.depth(self.stack).await?;
        self.others = depth.in_flight.saturating_sub(self.aside.len() as u64);
        Ok(depth.waiting + self.others == 0 || self.last_fruit.elapsed() > self.held + GRACE)
    }

    /// Keeps a letter hidden until the end.
    pub(super) fn set_aside(&mut self, received: ReceivedLetter) {
        self.aside.insert(received.letter.message_id, received.receipt_handle);
    }

    /// Puts letters back that may come by again.
    pub(super) async fn put_back(&self, received: Vec<ReceivedLetter>) -> Result<(), StackError> {
        let handles = received.into_iter().map(|received| received.receipt_handle).collect();
        Ok(self.queue.queue.put_back(handles).await?)
    }

    /// Puts back what was set aside.
    pub(super) async fn end(self) -> Result<(), StackError> {
        Ok(self.queue.queue.put_back(self.aside.into_values().collect()).await?)
    }
}
