//! The main path: a batch of records in, one verdict a record out.
//!
//! Each record is decoded, claimed, run and committed; what cannot be is retried or dead-lettered. The
//! records of a batch run concurrently, except those that must not: the records of one FIFO group, and
//! deliveries of the same message, run one after another in a *lane*.

mod twin;
mod verdict;

pub use verdict::{RetryCause, Verdict};

use crate::{
    Attributes, Context, Envelope, Failure, Handler, Message, Timestamp,
    backoff::Backoff,
    dead_letter::DeadLetter,
    decode::{self, DecodeError, Decoded, Origin},
    effects,
    failure::FailureKind,
    identity::{ClaimKey, OwnerToken, PayloadHash},
    ledger::{Claim, ClaimOutcome, Commit, CommitOutcome, LedgerError, Obstacle},
    ports::Ports,
};
use futures_util::{
    FutureExt, StreamExt,
    future::{Either, select},
    pin_mut,
    stream::FuturesUnordered,
};
use std::{
    any::Any,
    collections::HashMap,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tracing::{Instrument, Span, field::Empty, info, info_span, warn};
use twin::{Twin, TwinAnswer};

/// How the main path behaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The CloudEvents `source` of everything the handler emits.
    pub source: String,
    /// How many records run at the same time.
    pub concurrency: usize,
    /// How long before the end of the invocation the last record may be started or still be running;
    /// what is left then is handed back.
    pub deadline_margin: Duration,
    /// How long finished work is remembered. At least as long as anything may be delivered again:
    /// archive, source queue and dead-letter queue together, and two days.
    pub claim_lifetime: Duration,
    /// The longest a handler may hold a claim if the end of the invocation is not known.
    pub longest_lease: Duration,
    /// How often a handler runs again at once because an entity changed under it.
    pub most_reruns: u32,
    /// How often a request that collided or was throttled is sent again at once.
    pub most_resends: u32,
    /// The wait before the next delivery.
    pub redelivery: Backoff,
}

impl Settings {
    /// The defaults: ten records at a time, half a second of margin, claims kept for 60 days.
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
    /// The id the source gave it.
    pub message_id: &'a str,
    /// Where it comes from, such as a queue's ARN.
    pub source: &'a str,
    /// Its body.
    pub body: &'a str,
    /// How often it has been delivered, this time included.
    pub attempt: u32,
    /// Whether the source will not deliver it again.
    pub is_last_attempt: bool,
    /// Its FIFO group.
    pub group: Option<&'a str>,
}

/// Takes a batch through the main path: one verdict a record, in their order.
///
/// Nothing a record does can fail another: not a malformed body, not a panic, not a lost connection.
pub async fn process<H: Handler>(
    handler: &H,
    ports: Ports<'_>,
    settings: &Settings,
    deadline: Option<Timestamp>,
    records: &[Record<'_>],
) -> Vec<Verdict> {
    let path = MainPath { handler, ports, settings, deadline };
    let mut lanes = path.arrange(records).into_iter();
    let mut running = FuturesUnordered::new();
    let mut verdicts = vec![None; records.len()];
    loop {
        while running.len() < settings.concurrency.max(1)
            && let Some(lane) = lanes.next()
        {
            running.push(path.run_lane(lane));
        }
        let Some(settled) = running.next().await else { break };
        for (position, verdict) in settled {
            verdicts[position] = Some(verdict);
        }
    }
    // Every record is in exactly one lane, and a lane answers for each of its records.
    verdicts
        .into_iter()
        .map(|verdict| {
            verdict.unwrap_or(Verdict::Retry { after: Duration::ZERO, cause: RetryCause::Deadline })
        })
        .collect()
}

struct MainPath<'a, H> {
    handler: &'a H,
    ports: Ports<'a>,
    settings: &'a Settings,
    deadline: Option<Timestamp>,
}

/// A record that was opened and found its lane.
struct Prepared<'a, M> {
    position: usize,
    record: Record<'a>,
    attributes: Option<Attributes>,
    opened: Result<Opened<M>, Failure>,
}

struct Opened<M> {
    envelope: Envelope<M>,
    key: ClaimKey,
    hash: PayloadHash,
}

/// What happened to a record, before it is decided what to tell the source.
enum Outcome {
    Done,
    Duplicate,
    Failed(Failure),
    HandedBack { after: Duration, cause: RetryCause },
}

#[derive(PartialEq, Eq, Hash)]
enum LaneKey<'a> {
    Group(&'a str),
    Claim(ClaimKey),
    Alone(usize),
}

impl<H: Handler> MainPath<'_, H> {
    /// Opens every record and sorts them into lanes, keeping their order within each.
    fn arrange<'r>(&self, records: &[Record<'r>]) -> Vec<Vec<Prepared<'r, H::Message>>> {
        let mut lanes = Vec::<Vec<_>>::new();
        let mut lane_of = HashMap::new();
        for (position, record) in records.iter().enumerate() {
            let prepared = self.open(position, *record);
            let key = match (record.group, &prepared.opened) {
                (Some(group), _) => LaneKey::Group(group),
                (None, Ok(opened)) => LaneKey::Claim(opened.key.clone()),
                (None, Err(_)) => LaneKey::Alone(position),
            };
            let lane = *lane_of.entry(key).or_insert(lanes.len());
            if lane == lanes.len() {
                lanes.push(Vec::new());
            }
            lanes[lane].push(prepared);
        }
        lanes
    }

    /// Opens a record. A message's own decoding and a handler's key are other people's code: a panic there
    /// is this record's failure, too.
    fn open<'r>(&self, position: usize, record: Record<'r>) -> Prepared<'r, H::Message> {
        let mut attributes = None;
        let opened = catch_unwind(AssertUnwindSafe(|| self.read(&record, &mut attributes)));
        let opened = opened.unwrap_or_else(|panic| {
            let origin = Origin { message_id: record.message_id, source: record.source };
            let envelope = || decode::open(record.body, H::Message::WIRE_FORM, origin).ok();
            attributes = attributes.take().or_else(|| envelope().map(|envelope| envelope.attributes));
            Err(panicked(&*panic))
        });
        Prepared { position, record, attributes, opened }
    }

    fn read(
        &self,
        record: &Record<'_>,
        attributes: &mut Option<Attributes>,
    ) -> Result<Opened<H::Message>, Failure> {
        let origin = Origin { message_id: record.message_id, source: record.source };
        let Decoded { envelope, data_json } =
            decode::decode::<H::Message>(record.body, origin).map_err(|undecoded| {
                *attributes = undecoded.attributes.map(|attributes| *attributes);
                undecodable(undecoded.error)
            })?;
        *attributes = Some(envelope.attributes.clone());
        let hash = PayloadHash::of(&envelope.attributes.message_type, &data_json)
            .map_err(DecodeError::NotJson)
            .map_err(undecodable)?;
        let Attributes { source, id, .. } = &envelope.attributes;
        let key = match self.handler.key(&envelope.data) {
            Some(key) => ClaimKey::for_business_key(self.handler.name(), &key),
            None => ClaimKey::for_event(self.handler.name(), source, id),
        };
        Ok(Opened { envelope, key, hash })
    }

    /// Runs the records of a lane one after another.
    ///
    /// In a FIFO group, the first record that must be delivered again takes all that follow it along; a
    /// rejected one lets the group go on. A second delivery of a message inherits the first one's verdict.
    async fn run_lane(&self, lane: Vec<Prepared<'_, H::Message>>) -> Vec<(usize, Verdict)> {
        let mut verdicts = Vec::with_capacity(lane.len());
        let mut settled: HashMap<ClaimKey, Twin> = HashMap::new();
        let mut blocked: Option<Duration> = None;
        for prepared in lane {
            let Prepared { position, record, .. } = prepared;
            let identity =
                prepared.opened.as_ref().ok().map(|opened| (opened.key.clone(), opened.hash.clone()));
            let span = self.span(&prepared);
            let verdict = if let Some(after) = blocked {
                Verdict::Retry { after, cause: RetryCause::Behind }
            } else {
                let twin = identity.as_ref().and_then(|(key, _)| settled.get(key));
                self.settle_in_time(prepared, twin).instrument(span.clone()).await
            };
            span.in_scope(|| verdict::log(&verdict));
            if let (Some(_), Verdict::Retry { after, .. }) = (record.group, &verdict) {
                blocked.get_or_insert(*after);
            }
            if let Some((key, hash)) = identity {
                let twin = Twin { hash, verdict: verdict.clone(), was_last_attempt: record.is_last_attempt };
                let known = settled.entry(key).or_insert_with(|| twin.clone());
                if !known.is_finished() {
                    *known = twin;
                }
            }
            verdicts.push((position, verdict));
        }
        verdicts
    }

    fn span(&self, prepared: &Prepared<'_, H::Message>) -> Span {
        let span = info_span!(
            "record",
            handler = self.handler.name(),
            attempt = prepared.record.attempt,
            messageid = prepared.record.message_id,
            eventid = Empty,
            eventtype = Empty,
            correlationid = Empty,
        );
        if let Some(attributes) = &prepared.attributes {
            span.record("eventid", &attributes.id);
            span.record("eventtype", &attributes.message_type);
            span.record("correlationid", &attributes.correlation_id);
        }
        span
    }

    /// Settles one record, or hands it back when the invocation is about to end. Whatever was going on is
    /// dropped then: what was not committed did not happen, and a commit whose answer is not known is found
    /// out about by the next delivery.
    async fn settle_in_time(&self, prepared: Prepared<'_, H::Message>, twin: Option<&Twin>) -> Verdict {
        let settling = self.settle(prepared, twin);
        let ending = async {
            match self.time_left() {
                Some(left) => self.ports.time.sleep(left).await,
                None => std::future::pending().await,
            }
        };
        pin_mut!(settling, ending);
        match select(settling, ending).await {
            Either::Left((verdict, _)) => verdict,
            // What a leased handler asked of the outside world may still be going on there. Its lease ends
            // with the invocation; until then nobody else may ask.
            Either::Right(((), _)) if self.handler.holds_claim_while_running() => {
                Verdict::Retry { after: self.lease(), cause: RetryCause::Deadline }
            }
            Either::Right(((), _)) => Verdict::Retry { after: Duration::ZERO, cause: RetryCause::Deadline },
        }
    }

    /// Runs one record and decides what to tell its source.
    async fn settle(&self, prepared: Prepared<'_, H::Message>, twin: Option<&Twin>) -> Verdict {
        let Prepared { record, attributes, opened, .. } = prepared;
        let outcome = match opened {
            Err(failure) => Outcome::Failed(failure),
            Ok(opened) => match twin.map(|twin| twin.answer(&record, &opened.hash)) {
                Some(TwinAnswer::Verdict(verdict)) => return verdict,
                Some(TwinAnswer::Mismatch) => Outcome::Failed(mismatch()),
                Some(TwinAnswer::Run) | None => self.attempt(&record, opened).await,
            },
        };
        let failure = match outcome {
            Outcome::Done => return Verdict::Done,
            Outcome::Duplicate => return Verdict::Duplicate,
            Outcome::HandedBack { after, cause } => return Verdict::Retry { after, cause },
            Outcome::Failed(failure) => failure,
        };
        if failure.kind == FailureKind::Reject || record.is_last_attempt {
            return self.dead_letter(&record, attributes, &failure).await;
        }
        let after =
            failure.after.unwrap_or_else(|| self.settings.redelivery.wait(record.attempt, self.ports.random));
        let cause =
            RetryCause::Failed { error_type: failure.error_type.to_string(), reason: failure.message() };
        Verdict::Retry { after, cause }
    }

    /// Claims (if the handler asks for it), runs and commits; runs again if an entity changed meanwhile.
    async fn attempt(&self, record: &Record<'_>, opened: Opened<H::Message>) -> Outcome {
        let Opened { envelope, key, hash } = opened;
        if self.time_left().is_some_and(|left| left.is_zero()) {
            return Outcome::HandedBack { after: Duration::ZERO, cause: RetryCause::Deadline };
        }
        let now = self.ports.time.now();
        let is_leased = self.handler.holds_claim_while_running();
        let claim = Claim {
            key,
            hash,
            owner: OwnerToken::from_random(self.ports.random.next()),
            handler: self.handler.name().to_owned(),
            message: envelope.attributes.clone(),
            attempt: record.attempt,
            now,
            leased_until: is_leased.then(|| later(now, self.lease())),
            expires_at: later(now, self.settings.claim_lifetime),
        };
        if is_leased {
            if let Some(outcome) = self.take(&claim).await {
                return outcome;
            }
        } else if record.attempt > 1
            && let Some(outcome) = self.recall(&claim).await
        {
            return outcome;
        }
        let mut reruns = 0;
        let outcome = loop {
            let commit = match self.run(&envelope, &claim, record.attempt).await {
                Ok(commit) => commit,
                // It may have failed because its work is done: a second "settle this" finds it settled.
                Err(failure) if !is_leased => {
                    break self.recall(&claim).await.unwrap_or(Outcome::Failed(failure));
                }
                Err(failure) => break Outcome::Failed(failure),
            };
            match self.commit(&commit).await {
                // A leased handler has touched the outside world: the next delivery runs it, not we.
                CommitOutcome::Conflict(key) if !is_leased && reruns < self.settings.most_reruns => {
                    reruns += 1;
                    info!(%key, reruns, "an entity changed meanwhile: loading and deciding again");
                    self.ports.time.sleep(Backoff::REQUEST.wait(reruns, self.ports.random)).await;
                }
                committed => break self.committed(committed),
            }
        };
        if is_leased && !matches!(outcome, Outcome::Done | Outcome::Duplicate) {
            self.give_back(&claim).await;
        }
        outcome
    }

    /// Takes the claim of a leased handler; an outcome if it must not run.
    async fn take(&self, claim: &Claim) -> Option<Outcome> {
        let taken = self.ports.ledger.claim(std::slice::from_ref(claim)).await.into_iter().next();
        match taken.unwrap_or_else(|| ClaimOutcome::Failed(silent())) {
            ClaimOutcome::Held => None,
            ClaimOutcome::Duplicate => Some(Outcome::Duplicate),
            ClaimOutcome::Mismatch => Some(Outcome::Failed(mismatch())),
            ClaimOutcome::Busy { until } => Some(self.busy(until)),
            ClaimOutcome::Failed(error) => Some(Outcome::Failed(Failure::retry(error))),
        }
    }

    /// Looks at the claim without taking it; an outcome if the record must not run, or need not have.
    async fn recall(&self, claim: &Claim) -> Option<Outcome> {
        match self.ports.ledger.recall(std::slice::from_ref(claim)).await {
            Ok(found) => match found.into_iter().next().flatten()? {
                Obstacle::Duplicate => Some(Outcome::Duplicate),
                Obstacle::Mismatch => Some(Outcome::Failed(mismatch())),
                Obstacle::Busy { until } => Some(self.busy(until)),
            },
            Err(error) => Some(Outcome::Failed(Failure::retry(error))),
        }
    }

    /// Runs the handler until it decides, fails or panics, and seals what it decided.
    async fn run(
        &self,
        envelope: &Envelope<H::Message>,
        claim: &Claim,
        attempt: u32,
    ) -> Result<Commit, Failure> {
        let context = Context {
            ledger: self.ports.ledger,
            attributes: &envelope.attributes,
            claim_key: &claim.key,
            now: claim.now,
            deadline: self.deadline,
            attempt,
            reads: Mutex::new(Vec::new()),
        };
        let deciding = async {
            let effects = self.handler.handle(envelope.clone(), &context).await?;
            let reads = mem::take(&mut *context.reads.lock().unwrap_or_else(PoisonError::into_inner));
            effects::seal(effects, claim.clone(), reads, &self.settings.source, claim.now)
                .map_err(Failure::reject)
        };
        AssertUnwindSafe(deciding).catch_unwind().await.unwrap_or_else(|panic| Err(panicked(&*panic)))
    }

    /// Commits, sending the same again while it only collides or is throttled.
    async fn commit(&self, commit: &Commit) -> CommitOutcome {
        let mut resends = 0;
        loop {
            let answer = self.ports.ledger.commit(std::slice::from_ref(commit)).await.into_iter().next();
            match answer.unwrap_or_else(|| CommitOutcome::Failed(silent())) {
                CommitOutcome::Contended(reason) if resends < self.settings.most_resends => {
                    resends += 1;
                    info!(%reason, resends, "the commit collided: sending it again");
                    self.ports.time.sleep(Backoff::REQUEST.wait(resends, self.ports.random)).await;
                }
                outcome => return outcome,
            }
        }
    }

    fn committed(&self, outcome: CommitOutcome) -> Outcome {
        let retry = |error: LedgerError, name| Outcome::Failed(Failure::retry(error).named(name));
        match outcome {
            CommitOutcome::Committed => Outcome::Done,
            CommitOutcome::Duplicate => Outcome::Duplicate,
            CommitOutcome::Mismatch => Outcome::Failed(mismatch()),
            CommitOutcome::Busy { until } => self.busy(until),
            CommitOutcome::LeaseLost => {
                retry(LedgerError("the lease ended before the work did".into()), "LeaseLost")
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

    async fn give_back(&self, claim: &Claim) {
        if let Err(error) = self.ports.ledger.release(std::slice::from_ref(claim)).await {
            warn!(%error, "the claim could not be given back; the next delivery waits for its lease to end");
        }
    }

    /// Sends a rejected record to the dead-letter queue. Only what is safely there is acknowledged.
    async fn dead_letter(
        &self,
        record: &Record<'_>,
        attributes: Option<Attributes>,
        failure: &Failure,
    ) -> Verdict {
        let letter = DeadLetter {
            body: record.body.to_owned(),
            message_id: record.message_id.to_owned(),
            group: record.group.map(Into::into),
            error_type: failure.error_type.to_string(),
            error_message: failure.message(),
            handler: self.handler.name().to_owned(),
            attempts: record.attempt,
            failed_at: self.ports.time.now(),
            attributes,
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

    /// How long records may still run; nothing if the end is not known.
    fn time_left(&self) -> Option<Duration> {
        let left = between(self.ports.time.now(), self.deadline?);
        Some(left.saturating_sub(self.settings.deadline_margin))
    }

    /// No longer than the invocation: after it, nobody is left to work under the lease.
    fn lease(&self) -> Duration {
        let left = self.deadline.map_or(Duration::MAX, |deadline| between(self.ports.time.now(), deadline));
        left.min(self.settings.longest_lease)
    }
}

fn between(now: Timestamp, then: Timestamp) -> Duration {
    Duration::try_from(then.duration_since(now)).unwrap_or(Duration::ZERO)
}

fn later(now: Timestamp, by: Duration) -> Timestamp {
    now.saturating_add(by).unwrap_or(Timestamp::MAX)
}

fn undecodable(error: DecodeError) -> Failure {
    let name = error.error_type();
    if error.is_transient() { Failure::retry(error).named(name) } else { Failure::reject(error).named(name) }
}

fn mismatch() -> Failure {
    Failure::reject("a message with the same identity and another payload was handled before")
        .named("PayloadMismatch")
}

fn silent() -> LedgerError {
    LedgerError("the ledger gave no answer for this record".into())
}

fn panicked(panic: &(dyn Any + Send)) -> Failure {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message");
    Failure::retry(format!("the handler panicked: {text}")).named("Panic")
}
