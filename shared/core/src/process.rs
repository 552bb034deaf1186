//! The main path: runs a batch of records and returns one verdict for each record.
//!
//! A record goes through five stages:
//!
//! 1. **Open** (`open`, in `opening`): its body is decoded, and its message identified.
//! 2. **Claim** (`attempt`): a leased handler claims the message; a second delivery only inspects the claim.
//! 3. **Run the handler** (`run_handler`): it decides, and what it decides is sealed into one commit.
//! 4. **Commit** (`attempt`): claim, entities and emitted messages are written in one transaction. If an entity changed
//!    meanwhile, the handler runs again.
//! 5. **Verdict** (`verdict`, `fail`): the record is done, or it is delivered again, or it is dead-lettered.
//!
//! `run_record` puts these together for one record, no longer than until its deadline, and reports what became of it.
//!
//! The records of a batch run concurrently, except those that must not: the records of one FIFO group (`group`, `fold`)
//! and deliveries of the same message (`intake`, `twin`). What they need of the ledger at about the same time is asked
//! for together (`requests`): a batch costs one read and one write.

mod driver;
mod fold;
mod group;
mod intake;
mod last_delivery;
mod opening;
mod requests;
mod spans;
mod stopwatch;
mod twin;
mod verdict;

pub use crate::{
    backoff::Backoff,
    delivery::{Delivery, MessageAttribute},
};
pub(crate) use fold::Staged;
pub(crate) use requests::{LaneId, Requests};
pub use verdict::{RetryCause, Verdict};

use crate::{
    Context, Envelope, Failure, Handler, Timestamp,
    dead_letter::DeadLetter,
    effects::{self, Emitter},
    failure::FailureKind,
    identity::OwnerToken,
    ledger::{Claim, ClaimOutcome, Commit, CommitOutcome, LedgerError, Obstacle},
    metrics,
    observer::SettledRecord,
    panics,
    ports::Ports,
    time::{between, later},
};
use futures_util::{
    FutureExt,
    future::{Either, select},
    pin_mut,
};
use intake::{Finished, Intake, Lane};
use opening::{Identity, Opened, ReadMessage, Unread};
use requests::Settled;
use std::{
    any::Any,
    mem,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tracing::{Instrument, Span, debug_span, info, warn};
use twin::{Twin, TwinAnswer};

/// The settings of the main path.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// The CloudEvents `source` of everything the handler emits.
    pub source: String,
    /// The most records that run at the same time. Records that wait for the ledger do not count, unless their handler
    /// is leased.
    pub concurrency: usize,
    /// The safety margin before the end of the invocation: no record is started or runs within it. The records left
    /// over are handed back.
    pub deadline_margin: Duration,
    /// The time for which finished work is remembered. It is at least as long as a message may be delivered again, that
    /// is archive, source queue and dead-letter queue together, and two days.
    pub claim_lifetime: Duration,
    /// The time for which it is remembered that a projection reprocessed a message in a replay: at least as long as the
    /// replay's messages may be delivered, in source queue and dead-letter queue together, and two days. It is never
    /// longer than `claim_lifetime`.
    pub replay_claim_lifetime: Duration,
    /// The longest a handler may hold a claim if the end of the invocation is not known.
    pub longest_lease: Duration,
    /// The most times that a handler runs again at once because an entity changed under it.
    pub most_reruns: u32,
    /// The most times that a request that collided or was throttled is sent again at once.
    pub most_resends: u32,
    /// The back-off before the next delivery.
    pub redelivery: Backoff,
}

impl Settings {
    /// The defaults: ten records at a time, half a second of margin, claims kept for 60 days, a replay's for 20.
    ///
    /// ```
    /// use throughline_core::process::Settings;
    /// assert_eq!(Settings::new("shop").concurrency, 10);
    /// ```
    pub fn new(source: impl Into<String>) -> Self {
        Self {
            source: source.into(),
            concurrency: 10,
            deadline_margin: Duration::from_millis(500),
            claim_lifetime: Duration::from_hours(60 * 24),
            replay_claim_lifetime: Duration::from_hours(20 * 24),
            longest_lease: Duration::from_mins(15),
            most_reruns: 5,
            most_resends: 5,
            redelivery: Backoff::REDELIVERY,
        }
    }
}

/// One record, as its source delivered it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// The id that the source gave the record.
    pub message_id: &'a str,
    /// The source of the record, such as a queue's ARN.
    pub source: &'a str,
    /// The record's body.
    pub body: &'a str,
    /// The number of times that the record has been delivered, this time included.
    pub attempt: u32,
    /// Whether this is the last delivery: the source will not deliver the record again.
    pub is_last_attempt: bool,
    /// The record's FIFO group, if it has one.
    pub group: Option<&'a str>,
    /// The other things that the source says about the record.
    pub delivery: Delivery<'a>,
}

/// Runs a batch through the main path. Returns one verdict for each record, in their order.
///
/// No failure of one record can fail another: not a malformed body, not a panic, not a lost connection.
pub async fn process<H: Handler>(
    handler: &H,
    ports: Ports<'_>,
    settings: &Settings,
    deadline: Option<Timestamp>,
    records: &[Record<'_>],
) -> Vec<Verdict> {
    let requests = Requests::new(ports, settings.most_resends);
    let path = MainPath { handler, ports, requests, settings, deadline };
    let mut intake = Intake::new(&path, records);
    driver::drive(&path, &mut intake).await;
    let verdicts = intake.verdicts().into_iter();
    verdicts.map(|verdict| verdict.unwrap_or_else(|| unanswered(ports))).collect()
}

/// Returns the verdict of a record that no lane answered for.
fn unanswered(ports: Ports<'_>) -> Verdict {
    let verdict = Verdict::Retry { after: Duration::ZERO, cause: RetryCause::Deadline };
    let nothing_known = SettledRecord {
        span: &Span::none(),
        event_type: metrics::OTHER,
        verdict: &verdict,
        handler_ran: None,
        age: None,
    };
    ports.observer.settled(nothing_known);
    verdict
}

struct MainPath<'a, H> {
    handler: &'a H,
    ports: Ports<'a>,
    requests: Requests<'a>,
    settings: &'a Settings,
    deadline: Option<Timestamp>,
}

/// The result of a record, before its verdict is decided.
enum Outcome {
    Done,
    Duplicate,
    Failed(Failure),
    HandedBack { after: Duration, cause: RetryCause },
}

impl<H: Handler> MainPath<'_, H> {
    async fn run(&self, lane: Lane<'_, H::Message>) -> Finished {
        match lane {
            Lane::One(opened, twin) => self.run_one(opened, twin).await,
            Lane::Group(group) => self.run_group(group).await,
        }
    }

    /// Runs a record. A second delivery of a message inherits the first one's verdict.
    async fn run_one(&self, opened: Opened<'_, H::Message>, twin: Option<Twin>) -> Finished {
        let share = self.share(&opened, false);
        let verdict = self.run_record(opened.position, &opened, twin.as_ref(), share).await;
        let (position, record) = (opened.position, opened.record);
        let settled =
            |Identity { key, hash, .. }: Identity| (key, Twin::after(twin, hash, &record, &verdict));
        let twin = opened.into_identity().map(settled);
        Finished { verdicts: vec![(position, verdict)], twin }
    }

    /// Runs a record through all its stages, and reports its verdict.
    async fn run_record(
        &self,
        lane: LaneId,
        opened: &Opened<'_, H::Message>,
        twin: Option<&Twin>,
        share: Option<Duration>,
    ) -> Verdict {
        let answering = async {
            let verdict = self.before_deadline(lane, opened, twin, share).await;
            self.last_word(lane, opened, verdict).await
        };
        let verdict = answering.instrument(self.span(opened).clone()).await;
        self.report(opened, &verdict);
        verdict
    }

    /// Reports a verdict to the log and to the observer.
    fn report(&self, opened: &Opened<'_, H::Message>, verdict: &Verdict) {
        let span = self.span(opened);
        span.in_scope(|| verdict::log(verdict));
        // A replayed event is old because an operator replayed it: its age says nothing about its way through the
        // system.
        let attributes = opened.attributes.as_ref().filter(|attributes| attributes.replay_name.is_none());
        let happened = attributes.and_then(|attributes| attributes.time);
        self.ports.observer.settled(SettledRecord {
            span,
            event_type: opened.event_type(),
            verdict,
            handler_ran: opened.handler_ran(),
            age: happened.map(|happened| between(happened, self.ports.time.now())),
        });
    }

    /// Returns the verdict of a record, which is handed back when its share of the invocation is over. Work under way
    /// is dropped then: nothing uncommitted has happened, and the next delivery finds out about a commit whose answer
    /// is not known.
    async fn before_deadline(
        &self,
        lane: LaneId,
        opened: &Opened<'_, H::Message>,
        twin: Option<&Twin>,
        share: Option<Duration>,
    ) -> Verdict {
        match self.within(share, self.verdict(lane, opened, twin)).await {
            Some(verdict) => verdict,
            // The outside world may still be working on a leased handler's request. Its lease ends with the invocation;
            // until then no other invocation may send that request.
            None if self.handler.holds_claim_while_running() && opened.message.is_ok() => {
                Verdict::Retry { after: self.lease(), cause: RetryCause::Deadline }
            }
            None => Verdict::Retry { after: Duration::ZERO, cause: RetryCause::Deadline },
        }
    }

    /// Waits for `work` until shortly before the end of the invocation. Returns `None` if it was not done by then.
    async fn in_time<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        self.within(self.time_left(), work).await
    }

    /// Waits for `work` no longer than `limit`, if there is one. Returns `None` if it was not done by then.
    async fn within<T>(&self, limit: Option<Duration>, work: impl Future<Output = T>) -> Option<T> {
        let ending = async {
            match limit {
                Some(left) => self.ports.time.sleep(left).await,
                None => std::future::pending().await,
            }
        };
        pin_mut!(work, ending);
        match select(work, ending).await {
            Either::Left((done, _)) => Some(done),
            Either::Right(((), _)) => None,
        }
    }

    /// Returns what to tell the source of a record: an earlier delivery's verdict, or that of an attempt.
    async fn verdict(&self, lane: LaneId, opened: &Opened<'_, H::Message>, twin: Option<&Twin>) -> Verdict {
        let inherited = twin.zip(opened.identity());
        let inherited = inherited.map(|(twin, identity)| twin.answer(&opened.record, &identity.hash));
        let outcome = match (inherited, &opened.message) {
            (Some(TwinAnswer::Verdict(verdict)), _) => return verdict,
            (Some(TwinAnswer::Mismatch), _) => Outcome::Failed(mismatch()),
            (Some(TwinAnswer::Run) | None, Ok(message)) => self.attempt(lane, &opened.record, message).await,
            (Some(TwinAnswer::Run) | None, Err(unread)) => {
                match self.known_unread(lane, &opened.record, unread).await {
                    Some(outcome) => outcome,
                    None => return self.fail(opened, &unread.failure).await,
                }
            }
        };
        match outcome {
            Outcome::Done => Verdict::Done,
            Outcome::Duplicate => Verdict::Duplicate,
            Outcome::HandedBack { after, cause } => Verdict::Retry { after, cause },
            Outcome::Failed(failure) => self.fail(opened, &failure).await,
        }
    }

    /// Dead-letters a record or has it delivered again.
    async fn fail(&self, opened: &Opened<'_, H::Message>, failure: &Failure) -> Verdict {
        let record = &opened.record;
        if failure.kind == FailureKind::Reject || record.is_last_attempt {
            return self.dead_letter(opened, failure).await;
        }
        let after =
            failure.after.unwrap_or_else(|| self.settings.redelivery.wait(record.attempt, self.ports.random));
        let cause =
            RetryCause::Failed { error_type: failure.error_type.to_string(), reason: failure.message() };
        Verdict::Retry { after, cause }
    }

    /// Returns what the claim says about a record whose message this code cannot read; `None` if it was not handled
    /// before. Finished work stays finished, even if its message can no longer be read.
    async fn known_unread(&self, lane: LaneId, record: &Record<'_>, unread: &Unread) -> Option<Outcome> {
        let claim = self.new_claim(record, unread.identity.as_ref()?);
        match self.inspect(lane, &claim).await? {
            // There is no further delivery: the error in the message explains more than the ledger's failure to answer.
            Outcome::Failed(failure) if failure.kind == FailureKind::Retry && record.is_last_attempt => None,
            outcome => Some(outcome),
        }
    }

    /// Claims (if the handler asks for it), runs and commits. Runs again if an entity changed meanwhile.
    async fn attempt(&self, lane: LaneId, record: &Record<'_>, message: &ReadMessage<H::Message>) -> Outcome {
        if self.is_ending() {
            return Outcome::HandedBack { after: Duration::ZERO, cause: RetryCause::Deadline };
        }
        let claim = self.new_claim(record, &message.identity);
        let is_leased = self.handler.holds_claim_while_running();
        if is_leased {
            if let Some(outcome) = self.claim(lane, &claim).await {
                return outcome;
            }
        } else if record.attempt > 1
            && let Some(outcome) = self.inspect(lane, &claim).await
        {
            return outcome;
        }
        let mut reruns = 0;
        let outcome = loop {
            let commit = match self.run_handler(lane, message, &claim, &Staged::default()).await {
                Ok(commit) => commit,
                // The handler may have failed because its work is done: a second "settle this" finds it settled.
                Err(failure) if !is_leased => {
                    break self.inspect(lane, &claim).await.unwrap_or(Outcome::Failed(failure));
                }
                Err(failure) => break Outcome::Failed(failure),
            };
            let Settled { outcome, is_overtaken } = self.requests.commit(lane, commit).await;
            match outcome {
                // Another commit of this batch came first. That can happen only as often as there are records.
                CommitOutcome::Conflict(_) if !is_leased && is_overtaken => {}
                // A leased handler has already touched the outside world: only the next delivery runs it again.
                CommitOutcome::Conflict(key) if !is_leased && reruns < self.settings.most_reruns => {
                    reruns += 1;
                    info!(%key, reruns, "an entity changed meanwhile: loading and deciding again");
                    self.ports.time.sleep(Backoff::REQUEST.wait(reruns, self.ports.random)).await;
                }
                // The commit may have happened, and then the record must not be dead-lettered.
                CommitOutcome::Failed(error) if record.is_last_attempt => {
                    break match self.inspect(lane, &claim).await {
                        Some(Outcome::Duplicate) => Outcome::Done,
                        _ => self.committed(CommitOutcome::Failed(error)),
                    };
                }
                // The work may be done already, and then the commit need not be possible a second time.
                CommitOutcome::Invalid(error) if !is_leased => {
                    let invalid = || self.committed(CommitOutcome::Invalid(error));
                    break self.inspect(lane, &claim).await.unwrap_or_else(invalid);
                }
                outcome => break self.committed(outcome),
            }
        };
        if is_leased && !matches!(outcome, Outcome::Done | Outcome::Duplicate) {
            self.release(&claim).await;
        }
        outcome
    }

    fn new_claim(&self, record: &Record<'_>, identity: &Identity) -> Claim {
        let now = self.ports.time.now();
        let is_leased = self.handler.holds_claim_while_running();
        let lifetime = self.settings.claim_lifetime;
        let lifetime = if identity.is_reprocessed {
            lifetime.min(self.settings.replay_claim_lifetime)
        } else {
            lifetime
        };
        Claim {
            key: identity.key.clone(),
            hash: identity.hash.clone(),
            owner: OwnerToken::from_random(self.ports.random.next()),
            handler: self.handler.name(),
            message: Arc::clone(&identity.attributes),
            attempt: record.attempt,
            now,
            leased_until: is_leased.then(|| later(now, self.lease())),
            expires_at: later(now, lifetime),
        }
    }

    /// Claims for a leased handler. Returns an outcome if the handler must not run.
    async fn claim(&self, lane: LaneId, claim: &Claim) -> Option<Outcome> {
        match self.requests.claim(lane, claim.clone()).await {
            ClaimOutcome::Held => None,
            ClaimOutcome::Duplicate => Some(Outcome::Duplicate),
            ClaimOutcome::Mismatch => Some(Outcome::Failed(mismatch())),
            ClaimOutcome::Busy { until } => Some(self.busy(until)),
            ClaimOutcome::Failed(error) => Some(Outcome::Failed(Failure::retry(error))),
        }
    }

    /// Inspects the claim without taking it. Returns an outcome if the handler must not run, or need not have run.
    async fn inspect(&self, lane: LaneId, claim: &Claim) -> Option<Outcome> {
        match self.requests.inspect(lane, claim.clone()).await {
            Ok(obstacle) => match obstacle? {
                Obstacle::Duplicate => Some(Outcome::Duplicate),
                Obstacle::Mismatch => Some(Outcome::Failed(mismatch())),
                Obstacle::Busy { until } => Some(self.busy(until)),
            },
            Err(error) => Some(Outcome::Failed(Failure::retry(error))),
        }
    }

    /// Runs the handler until it decides, fails or panics. Returns its decision, sealed into a commit.
    async fn run_handler(
        &self,
        lane: LaneId,
        message: &ReadMessage<H::Message>,
        claim: &Claim,
        staged: &Staged,
    ) -> Result<Commit, Failure> {
        let context = Context {
            requests: &self.requests,
            lane,
            staged,
            attributes: &message.identity.attributes,
            claim_key: &claim.key,
            now: claim.now,
            deadline: self.deadline,
            attempt: claim.attempt,
            reads: Mutex::default(),
        };
        let envelope =
            Envelope { attributes: (*message.identity.attributes).clone(), data: message.data.clone() };
        let span = debug_span!("handler");
        let trace_parent = self.ports.observer.trace_parent(&span);
        let deciding = async {
            let running = message.handler_ran.start(self.ports.time);
            let effects = self.handler.handle(envelope, &context).instrument(span.clone()).await;
            drop(running);
            let effects = effects?;
            let reads = mem::take(&mut *context.reads.lock().unwrap_or_else(PoisonError::into_inner));
            let emitter = Emitter { source: &self.settings.source, now: claim.now, trace_parent };
            effects::seal(effects, claim.clone(), reads, emitter).map_err(Failure::reject)
        };
        let decided = AssertUnwindSafe(deciding).catch_unwind().await;
        let decided = decided.unwrap_or_else(|panic| Err(panicked(&*panic)));
        if let Err(failure) = &decided {
            self.ports.observer.failed(&span, &failure.error_type);
        }
        decided
    }

    fn committed(&self, outcome: CommitOutcome) -> Outcome {
        let retry = |error: LedgerError, name| Outcome::Failed(Failure::retry(error).named(name));
        match outcome {
            CommitOutcome::Committed => Outcome::Done,
            CommitOutcome::Duplicate => Outcome::Duplicate,
            CommitOutcome::Mismatch => Outcome::Failed(mismatch()),
            CommitOutcome::Busy { until } => self.busy(until),
            // The invocation that took over may still finish the work, so this one must not dead-letter it.
            CommitOutcome::LeaseLost => {
                let after = self.settings.redelivery.wait(1, self.ports.random);
                Outcome::HandedBack { after, cause: RetryCause::LeaseLost }
            }
            CommitOutcome::Conflict(key) => retry(
                LedgerError(format!("{key} was changed by others each time it was loaded")),
                "VersionConflict",
            ),
            CommitOutcome::Contended(error) => retry(error, "Contended"),
            CommitOutcome::Failed(error) => retry(error, "CommitFailed"),
            CommitOutcome::Invalid(error) => Outcome::Failed(Failure::reject(error).named("InvalidCommit")),
        }
    }

    async fn release(&self, claim: &Claim) {
        if let Err(error) = self.requests.release(claim).await {
            warn!(%error, "the claim could not be released; the next delivery waits for its lease to end");
        }
    }

    /// Sends a rejected record to the dead-letter queue. Only a record that was stored there is acknowledged.
    async fn dead_letter(&self, opened: &Opened<'_, H::Message>, failure: &Failure) -> Verdict {
        let record = &opened.record;
        let letter = DeadLetter {
            body: record.body.to_owned(),
            message_id: record.message_id.to_owned(),
            message_attributes: record.delivery.kept_attributes(),
            group: record.group.map(Into::into),
            error_type: failure.error_type.to_string(),
            error_message: last_delivery::reason(opened, failure),
            handler: self.handler.name().to_owned(),
            attempts: record.attempt,
            failed_at: self.ports.time.now(),
            attributes: opened.attributes.as_deref().cloned(),
        };
        match self.ports.dead_letters.send(&letter).await {
            Ok(()) => Verdict::Rejected { error_type: letter.error_type, reason: letter.error_message },
            Err(error) => Verdict::Retry {
                after: self.settings.redelivery.wait(record.attempt, self.ports.random),
                cause: RetryCause::NotDeadLettered { reason: error.to_string() },
            },
        }
    }

    fn busy(&self, until: Timestamp) -> Outcome {
        Outcome::HandedBack { after: between(self.ports.time.now(), until), cause: RetryCause::Busy }
    }

    fn is_ending(&self) -> bool {
        self.time_left().is_some_and(|left| left.is_zero())
    }

    /// Returns the time for which records may still run; `None` if the end of the invocation is not known.
    fn time_left(&self) -> Option<Duration> {
        let left = between(self.ports.time.now(), self.deadline?);
        Some(left.saturating_sub(self.settings.deadline_margin))
    }

    /// Returns the length of a lease: at most until the end of the invocation, because no work goes on under it after
    /// that.
    fn lease(&self) -> Duration {
        let left = self.deadline.map_or(Duration::MAX, |deadline| between(self.ports.time.now(), deadline));
        left.min(self.settings.longest_lease)
    }
}

fn mismatch() -> Failure {
    Failure::reject("a message with the same identity and another payload was handled before")
        .named("PayloadMismatch")
}

fn panicked(panic: &(dyn Any + Send)) -> Failure {
    Failure::retry(panics::describe(panic)).named("Panic")
}
