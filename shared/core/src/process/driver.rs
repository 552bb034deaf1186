//! Runs the lanes of a batch: starts them, and sends what they need of the ledger together.

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

/// How many lanes are under way at most, those included that wait for the ledger: what bounds memory.
const MOST_TOGETHER: usize = 100;

/// Runs all lanes of a batch. At most so many of them run at the same time as the settings allow, not
/// counting those that wait for the ledger.
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
    /// Until when whatever waits goes on waiting for company.
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
            // Each lane has gone as far as it can by itself.
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

    /// Sends all that is due. What is left waits for company, and no longer than its patience lasts.
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

    /// Starts lanes as long as there is room. Whether any was.
    fn start(&mut self) -> bool {
        let mut has_started = false;
        // Whoever waits for a lease will soon work outside, and whoever has worked outside is not done yet: of
        // leased records all count.
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
