//! Walks a definition as the state machine does.

use super::{
    delivery::{DELIVERY, Delivery, DeliveryLedger, DeliveryTime},
    fault::{Fault, Injection, Place, is_wanted},
    journal::{End, Entry, SagaRun},
    plan::Plan,
    relay::Relay,
};
use crate::{MemoryDeadLetters, declared_tables::DeclaredTables};
use futures_util::{
    FutureExt as _,
    future::{Either, select, try_join_all},
    pin_mut,
};
use serde_json::{Value, json};
use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use throughline_core::{
    EncodedEnvelope, Timestamp,
    internal::time::{between, later},
    ledger::Destination,
    observer::Unobserved,
    ports::{Ports, Time as _},
    saga::{
        Document, Failed, Retrier, SagaView, StageView, StepView, Task, TaskAnswer, TaskError, Wait, Work,
        Worker, error_type,
    },
};
use tokio::{
    sync::oneshot,
    task::JoinHandle,
    time::{Instant, timeout, timeout_at},
};

/// The error that Step Functions gives when no answer came in time.
const TIME_OUT: &str = "States.Timeout";
/// The error that Step Functions gives of a worker that died.
const NO_ANSWER: &str = "Lambda.Unknown";

/// A worker's answer, as the state machine sees it.
type Answer = Result<Value, Failed>;

/// An execution of a saga.
pub(super) struct Execution<P> {
    pub(super) view: SagaView,
    /// The fingerprint of the definition that it was started with.
    pub(super) definition: String,
    pub(super) worker: Arc<Worker<P>>,
    pub(super) relay: Arc<Relay>,
    pub(super) plan: Arc<Plan>,
    pub(super) start: EncodedEnvelope,
    pub(super) input: Value,
    pub(super) started_at: Timestamp,
    journal: Mutex<Vec<Entry>>,
    complaints: Mutex<Vec<String>>,
    /// Every delivery, so that those that nobody waits for are let finish.
    deliveries: Mutex<Vec<JoinHandle<()>>>,
    tables: DeclaredTables,
}

/// The result of unwinding.
#[derive(Debug, PartialEq, Eq)]
enum Unwinding {
    /// Everything is undone.
    Over,
    /// The failed step is done after all: the saga goes on.
    NotNeeded,
}

/// A state that asks the worker for something.
struct Asking<'a> {
    place: Place,
    retriers: Vec<Retrier>,
    /// The time that the step waits for an answer from outside, if it has a callback.
    callback: Option<Duration>,
    document: &'a Document,
}

impl<P: Send + Sync + 'static> Execution<P> {
    pub(super) fn new(
        worker: Arc<Worker<P>>,
        definition: (SagaView, String),
        relay: Arc<Relay>,
        start: EncodedEnvelope,
    ) -> Self {
        let (view, definition) = definition;
        Self {
            view,
            definition,
            tables: DeclaredTables::of_worker(&worker),
            worker,
            plan: Arc::clone(&relay.plan),
            started_at: relay.time.now(),
            relay,
            input: serde_json::from_str(start.data.get()).expect("the input is JSON"),
            start,
            journal: Mutex::default(),
            complaints: Mutex::default(),
            deliveries: Mutex::default(),
        }
    }

    /// Runs it to its end, and lets every late delivery finish.
    pub(super) async fn run(self, injections: Vec<Injection>) -> SagaRun<P> {
        let relaying = tokio::spawn(Arc::clone(&self.relay).run());
        let mut document = Document { start: self.start.clone(), failed: std::collections::BTreeMap::new() };
        let walked = self.walk(&mut document).await;
        self.plan.release_all();
        self.settle().await;
        self.tables.check();
        relaying.abort();
        let (end, stuck) = match walked {
            Ok(end) => (end, None),
            Err(failed) => (End::Stuck, Some(failed)),
        };
        let happened = injections.iter().filter(|injection| self.plan.has_happened(injection));
        self.check_that_nothing_happened_twice();
        SagaRun {
            end,
            journal: self.journal.into_inner().unwrap_or_else(PoisonError::into_inner),
            unwound: (!document.failed.is_empty()).then(|| document.unwound()),
            stuck,
            happened: happened.copied().collect(),
            injections,
            ledger: Arc::clone(&self.relay.ledger),
            complaints: self.complaints.into_inner().unwrap_or_else(PoisonError::into_inner),
            worker: self.worker,
        }
    }

    /// Runs the saga to its end. Returns an error if it is stuck.
    async fn walk(&self, document: &mut Document) -> Result<End, Failed> {
        for (at, stage) in self.view.stages.iter().enumerate() {
            let done = match stage {
                StageView::Wait { wait, .. } => {
                    self.relay.time.sleep(self.how_long(*wait)).await;
                    Ok(())
                }
                StageView::Step(step) => self.step(step, document).await,
                StageView::Parallel { steps, .. } => {
                    // The first failure abandons the others; what they asked for goes on.
                    let document = &*document;
                    try_join_all(steps.iter().map(|step| self.step(step, document))).await.map(drop)
                }
            };
            if let Err(failed) = done
                && self.unwind(at, stage, failed, document).await? == Unwinding::Over
            {
                return Ok(End::Compensated);
            }
        }
        Ok(End::Completed)
    }

    async fn unwind(
        &self,
        at: usize,
        stage: &StageView,
        failed: Failed,
        document: &mut Document,
    ) -> Result<Unwinding, Failed> {
        if failed.error == error_type::NOT_UNDERSTOOD {
            return Err(failed);
        }
        let is_step = matches!(stage, StageView::Step(_));
        let was_refused = failed.error == error_type::REJECTED;
        let is_itself_undone = match stage {
            StageView::Step(step) => !was_refused || step.is_undone_if_rejected(),
            _ => true,
        };
        document.failed.insert(stage.name().to_owned(), failed);
        for step in self.view.unwinding(at, is_itself_undone) {
            if !is_wanted(step, &self.input) {
                continue;
            }
            match self.undo(step, document).await {
                Err(failed) if failed.error == error_type::DONE => {
                    if is_step {
                        document.failed.insert(step.name.to_owned(), failed);
                        return Ok(Unwinding::NotNeeded);
                    }
                }
                undone => undone?,
            }
        }
        if let Some(ending) = &self.view.ending {
            let place = Place { work: Work::End, step: ending.name };
            let retriers = self.view.retriers_of_ending(ending);
            self.ask(&Asking { place, retriers, callback: None, document }).await?;
        }
        Ok(Unwinding::Over)
    }

    async fn step(&self, step: &StepView, document: &Document) -> Result<(), Failed> {
        if !is_wanted(step, &self.input) {
            return Ok(());
        }
        let place = Place { work: Work::Run, step: step.name };
        if self.plan.has(place, Fault::DeadlinePassed) {
            self.relay.time.sleep(self.until_deadline()).await;
        }
        if self.plan.is_to_come(place, Fault::DeadlinePasses) {
            self.relay.time.sleep(self.until_deadline().saturating_sub(Duration::from_secs(1))).await;
        }
        let retriers = self.view.retriers_of(step, Work::Run);
        self.ask(&Asking { place, retriers, callback: step.callback, document }).await
    }

    async fn undo(&self, step: &StepView, document: &Document) -> Result<(), Failed> {
        let place = Place { work: Work::Undo, step: step.name };
        let retriers = self.view.retriers_of(step, Work::Undo);
        self.ask(&Asking { place, retriers, callback: None, document }).await?;
        self.plan.release(step.name);
        Ok(())
    }

    /// Asks the worker, and asks again as the state's `Retry` says.
    async fn ask(&self, asking: &Asking<'_>) -> Result<(), Failed> {
        let mut retried = vec![0; asking.retriers.len()];
        for retries in 0.. {
            let answer = match asking.callback {
                Some(time_out) => self.callback(asking, retries, time_out).await,
                None => self.deliver(asking, retries, None).await,
            };
            self.note(asking.place, retries, &answer);
            let Err(failed) = answer else { return Ok(()) };
            let matching = asking.retriers.iter().zip(&mut retried);
            let Some((retrier, retried)) =
                matching.into_iter().find(|(retrier, _)| retrier.matches(&failed.error))
            else {
                return Err(failed);
            };
            if *retried == retrier.retry.attempts {
                return Err(failed);
            }
            self.relay.time.sleep(self.wait(retrier, *retried)).await;
            *retried += 1;
        }
        unreachable!("it is tried again a limited number of times")
    }

    fn wait(&self, retrier: &Retrier, retried: u32) -> Duration {
        use throughline_core::ports::Random as _;
        let most = retrier.wait(retried);
        if retrier.is_jittered { self.relay.random.up_to(most) } else { most }
    }

    fn note(&self, place: Place, retries: u32, answer: &Answer) {
        let result = match answer {
            Ok(_) => Entry::DONE.to_owned(),
            Err(failed) => failed.error.clone(),
        };
        let Place { work, step } = place;
        lock(&self.journal).push(Entry { work, step: step.to_owned(), attempt: retries + 1, result });
    }

    /// Asks, and waits for the answer from outside. It may come before the worker is done with asking.
    async fn callback(&self, asking: &Asking<'_>, retries: u32, time_out: Duration) -> Answer {
        let (token, answer) = self.relay.wait(asking.place.step);
        let answered = answer.then(|answer| async {
            match answer {
                Ok(TaskAnswer::Success { output }) => Ok(output),
                Ok(TaskAnswer::Failure { error, cause }) => Err(Failed { error, cause }),
                // Lost on its way.
                Err(_) => std::future::pending().await,
            }
        });
        let ends = Instant::now() + time_out;
        let asked = self.deliver(asking, retries, Some(token));
        pin_mut!(answered, asked);
        let waiting = async {
            match select(asked, &mut answered).await {
                Either::Left((Ok(_), answered)) => answered.await,
                Either::Left((failed, _)) => failed,
                Either::Right((answer, _)) => answer,
            }
        };
        timeout_at(ends, waiting).await.unwrap_or_else(|_| Err(timed_out()))
    }

    /// Delivers a task to the worker: usually once.
    async fn deliver(&self, asking: &Asking<'_>, retries: u32, task_token: Option<String>) -> Answer {
        let delivery = Arc::new(Delivery::next(&self.plan, asking.place));
        if delivery.is_lost() {
            return Err(no_answer("it did not reach the worker"));
        }
        let task = Arc::new(self.task(asking, retries, task_token));
        let twin = || Arc::new(Delivery::without_fault(&self.plan, asking.place));
        match delivery.fault {
            Some(Fault::DeliveredTwiceAtOnce) => {
                delivery.happened();
                drop(self.start(twin(), &task));
                self.in_time(self.start(delivery, &task)).await
            }
            Some(Fault::DeliveredAgain) => {
                delivery.happened();
                let first = self.in_time(self.start(delivery, &task)).await;
                let second = self.in_time(self.start(twin(), &task)).await;
                // A callback may be answered in between.
                if asking.callback.is_none() && first.is_ok() && first != second {
                    let place = asking.place;
                    self.complain(format!("{place} was answered with {first:?}, and then with {second:?}"));
                }
                first
            }
            _ => self.in_time(self.start(delivery, &task)).await,
        }
    }

    async fn in_time(&self, answer: oneshot::Receiver<Answer>) -> Answer {
        match timeout(self.view.task_time_limit(), answer).await {
            Ok(answer) => answer.unwrap_or_else(|_| Err(no_answer("the worker is gone"))),
            Err(_) => Err(timed_out()),
        }
    }

    /// Starts a delivery, which goes on whether anybody waits for it or not.
    fn start(&self, delivery: Arc<Delivery>, task: &Arc<Task>) -> oneshot::Receiver<Answer> {
        let (sender, receiver) = oneshot::channel();
        let delivered = self.delivered(Arc::clone(&delivery), Arc::clone(task));
        let delivered = DELIVERY.scope(delivery, async move {
            // Nobody may wait for it any more.
            drop(sender.send(delivered.await));
        });
        lock(&self.deliveries).push(tokio::spawn(delivered));
        receiver
    }

    fn delivered(
        &self,
        delivery: Arc<Delivery>,
        task: Arc<Task>,
    ) -> impl Future<Output = Answer> + Send + use<P> {
        let relay = Arc::clone(&self.relay);
        let worker = Arc::clone(&self.worker);
        let time_limit = self.view.worker_time_limit;
        let tables = self.tables.clone();
        async move {
            let ledger = DeliveryLedger {
                ledger: Arc::clone(&relay.ledger),
                delivery: Arc::clone(&delivery),
                committed: Arc::clone(&relay.committed),
            };
            let time = DeliveryTime { time: relay.time, delivery: Arc::clone(&delivery) };
            let dead_letters = MemoryDeadLetters::default();
            let ports = Ports {
                ledger: &tables.watch(&ledger),
                dead_letters: &dead_letters,
                time: &time,
                random: &*relay.random,
                observer: &Unobserved,
            };
            let ends = later(relay.time.now(), time_limit);
            let work = worker.work(ports, &relay.settings, Some(ends), &task);
            let death = delivery.death();
            pin_mut!(work, death);
            let answer = match select(work, death).await {
                Either::Left((answer, _)) => answer.map_err(failed),
                Either::Right(((), _)) => Err(no_answer("the worker died")),
            };
            if delivery.fault == Some(Fault::NeverAnswers) && answer.is_ok() {
                delivery.happened();
                return Err(no_answer("the answer was lost"));
            }
            answer
        }
    }

    fn task(&self, asking: &Asking<'_>, retries: u32, task_token: Option<String>) -> Task {
        Task {
            definition: self.definition.clone(),
            work: asking.place.work,
            step: asking.place.step.to_owned(),
            execution: self.start.attributes.id.clone(),
            started_at: self.started_at,
            retries,
            task_token,
            document: asking.document.clone(),
        }
    }

    fn until_deadline(&self) -> Duration {
        self.until(later(self.started_at, self.view.deadline))
    }

    fn until(&self, then: Timestamp) -> Duration {
        between(self.relay.time.now(), then)
    }

    fn how_long(&self, wait: Wait) -> Duration {
        match wait {
            Wait::For(duration) => duration,
            Wait::Until(field) => {
                let then = self.input.get(field).and_then(Value::as_str).and_then(|text| text.parse().ok());
                then.map_or(Duration::ZERO, |then| self.until(then))
            }
        }
    }

    /// Lets every delivery finish, and everything that comes of it.
    async fn settle(&self) {
        loop {
            let next = lock(&self.deliveries).pop();
            let Some(delivery) = next else { break };
            delivery.await.expect("a step's panic is caught by the main path");
        }
        self.relay.settle().await;
    }

    fn check_that_nothing_happened_twice(&self) {
        let mut ids = HashSet::new();
        for outgoing in self.relay.ledger.log() {
            let attributes = &outgoing.envelope.attributes;
            let is_answer = matches!(outgoing.destination, Destination::Task { .. });
            if !is_answer && !ids.insert(attributes.id.clone()) {
                self.complain(format!("{} {} was sent twice", attributes.message_type, attributes.id));
            }
        }
    }

    fn complain(&self, complaint: String) {
        lock(&self.complaints).push(complaint);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A worker's error, as Step Functions tells it of a Lambda function.
fn failed(error: TaskError) -> Failed {
    let cause = json!({ "errorMessage": error.cause, "errorType": error.error_type });
    Failed { error: error.error_type.to_owned(), cause: cause.to_string() }
}

fn no_answer(cause: &str) -> Failed {
    Failed { error: NO_ANSWER.to_owned(), cause: cause.to_owned() }
}

fn timed_out() -> Failed {
    Failed { error: TIME_OUT.to_owned(), cause: String::new() }
}
