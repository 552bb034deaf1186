//! Runs the lanes of a batch: starts them, and sends their ledger requests together.

use super::{
    MainPath,
    intake::{Finished, Intake},
    requests::{Due, Requests},
};
use crate::{Handler, Timestamp, ports::Time, time::between};
use futures_util::{
    FutureExt, StreamExt,
    future::{BoxFuture, poll_fn},
    stream::FuturesUnordered,
};
use std::task::{Context, Poll};

/// The most lanes under way, including those that wait for the ledger. It bounds memory.
const MOST_TOGETHER: usize = 100;

/// Runs all lanes of a batch. At most as many as the settings allow run at the same time, not counting those that wait
/// for the ledger.
pub(super) async fn drive<'r, 'a, H: Handler>(path: &'r MainPath<'a, H>, intake: &mut Intake<'r, 'a, H>) {
    let mut driver = Driver {
        intake,
        requests: &path.requests,
        time: path.ports.time,
        concurrency: path.settings.concurrency.max(1),
        is_leased: path.handler.holds_claim_while_running(),
        running: FuturesUnordered::new(),
        sending: FuturesUnordered::new(),
        patience: None,
    };
    poll_fn(|context| driver.poll(context)).await;
}

struct Driver<'d, 'r, 'a, H: Handler> {
    intake: &'d mut Intake<'r, 'a, H>,
    requests: &'d Requests<'a>,
    time: &'a dyn Time,
    concurrency: usize,
    is_leased: bool,
    running: FuturesUnordered<BoxFuture<'r, Finished>>,
    sending: FuturesUnordered<BoxFuture<'d, ()>>,
    /// The time until which parked requests wait for others to be sent with.
    patience: Option<(Timestamp, BoxFuture<'a, ()>)>,
}

impl<H: Handler> Driver<'_, '_, '_, H> {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            let has_started = self.start();
            match self.running.poll_next_unpin(context) {
                Poll::Ready(Some(finished)) => {
                    self.intake.finished(finished);
                    continue;
                }
                Poll::Ready(None) => return Poll::Ready(()),
                // A lane that parked makes room for another.
                Poll::Pending if has_started => continue,
                Poll::Pending => {}
            }
            // No lane can go on without an answer of the ledger.
            self.send();
            let has_answers = matches!(self.sending.poll_next_unpin(context), Poll::Ready(Some(())));
            let is_out_of_patience =
                self.patience.as_mut().is_some_and(|(_, patience)| patience.poll_unpin(context).is_ready());
            if is_out_of_patience {
                self.patience = None;
            } else if !has_answers {
                return Poll::Pending;
            }
        }
    }

    /// Sends all requests that are due. The others wait for further requests, at most until their patience ends.
    fn send(&mut self) {
        let is_anybody_running = self.running.len() > self.requests.parked();
        loop {
            match self.requests.due(is_anybody_running, self.intake.has_more()) {
                Due::Now(phase) => self.sending.push(self.requests.send(phase)),
                Due::At(then) => {
                    if self.patience.as_ref().is_none_or(|(known, _)| *known != then) {
                        let wait = between(self.time.now(), then);
                        self.patience = Some((then, self.time.sleep(wait)));
                    }
                    return;
                }
                Due::Never => {
                    self.patience = None;
                    return;
                }
            }
        }
    }

    /// Starts lanes while there is room. Returns whether it started any.
    fn start(&mut self) -> bool {
        let mut has_started = false;
        // A lane that waits for its lease will soon call the outside world, and one that has called it is not done yet:
        // all leased records count as active.
        let parked = if self.is_leased { 0 } else { self.requests.parked() };
        let mut active = self.running.len().saturating_sub(parked);
        while self.running.len() < MOST_TOGETHER
            && active < self.concurrency
            && let Some(lane) = self.intake.next()
        {
            self.running.push(lane);
            active += 1;
            has_started = true;
        }
        has_started
    }
}
