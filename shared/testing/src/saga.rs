//! Sagas under test: run as the state machine runs them, with everything going wrong that can.
//!
//! Nothing is replaced but the state machine and what is outside: steps are run by the real
//! [`Worker`] through the real main path. Waits and retries pass on a clock of the
//! test's own, in no time.
//!
//! ```
//! # use serde::{Deserialize, Serialize};
//! # use std::sync::atomic::{AtomicI64, Ordering};
//! # use throughline_core::prelude::*;
//! # #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)] pub struct Trip { to: String }
//! # impl SagaInput for Trip { const SAGA: &'static str = "trip"; }
//! # #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)] pub struct Seat { id: String, taken: bool }
//! # impl Entity for Seat { const KIND: &'static str = "seat"; fn id(&self) -> String { self.id.clone() } }
//! # #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)] pub struct Taken { seat: String }
//! # #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)] pub struct Ticket { code: String }
//! # #[derive(Default)] pub struct Railway;
//! # async fn seat(_: &Railway, _: Trip, step: &StepContext<'_>) -> Result<Output<Taken>, Failure> {
//! #     let seat = step.load::<Seat>("s-1").await?.or_reject("no such seat")?;
//! #     let effects: Effects = Effects::none().save(seat.map(|seat| Seat { taken: true, ..seat }));
//! #     Ok(effects.returning(Taken { seat: "s-1".into() }))
//! # }
//! # async fn free(_: &Railway, _: Option<Taken>, step: &StepContext<'_>) -> Result<Effects, Failure> {
//! #     let seat = step.load::<Seat>("s-1").await?.or_reject("no such seat")?;
//! #     Ok(Effects::none().save(seat.map(|seat| Seat { taken: false, ..seat })))
//! # }
//! # async fn print(_: &Railway, _: Taken, _: &StepContext<'_>) -> Result<Output<Ticket>, Failure> {
//! #     Ok(Output::of(Ticket { code: "x".into() }))
//! # }
//! # fn trip() -> Saga<Railway> {
//! #     Saga::of::<Trip>().step("seat", seat).effects_only().undo(free).step("print", print).no_undo()
//! # }
//! use throughline_testing::{saga::{End, SagaRun}, saga_test};
//!
//! fn a_seat_is_taken_if_and_only_if_there_is_a_ticket(run: &SagaRun<Railway>) {
//!     let is_taken = run.entity::<Seat>("s-1").unwrap().taken;
//!     assert!(run.end == End::Stuck || is_taken == (run.end == End::Completed));
//! }
//!
//! let trip = saga_test(trip(), Trip { to: "Rome".into() }, Railway::default)
//!     .given(Seat { id: "s-1".into(), taken: false });
//! assert_eq!(trip.run().end, End::Completed);
//! // 16 faults of each step, 11 of an undo.
//! assert_eq!(trip.every_fault(a_seat_is_taken_if_and_only_if_there_is_a_ticket), 16 * 2 + 11);
//! assert_eq!(trip.idle_undos_not_missed(a_seat_is_taken_if_and_only_if_there_is_a_ticket), [""; 0]);
//! ```

mod delivery;
mod execution;
mod fault;
mod journal;
mod loops;
mod plan;
mod relay;

pub use fault::{Fault, Injection, Place, faults_of};
pub use journal::{End, Entry, SagaRun};

use crate::{MemoryLedger, SeededRandom};
use execution::Execution;
use plan::Plan;
use relay::{Reaction, Relay};
use serde_json::Value;
use std::{fmt, sync::Arc, time::Duration};
use throughline_core::{
    Attributes, EncodedEnvelope, Entity, Envelope, Handler, Saga, SagaInput, Version,
    internal::panics,
    ledger::Outgoing,
    process::Settings,
    saga::{SagaView, Worker},
};

/// The name of every execution under test.
pub const EXECUTION: &str = "execution-1";

/// Puts a saga to the test: what it is started with, and the services it has in each run.
pub fn saga_test<P, I>(
    saga: Saga<P>,
    input: I,
    services: impl Fn() -> P + Send + Sync + 'static,
) -> SagaTest<P>
where
    P: Send + Sync + 'static,
    I: SagaInput,
{
    let message_type = format!("{}.start", I::SAGA);
    let attributes = Attributes {
        subject: input.subject(),
        correlation_id: "correlation-1".to_owned(),
        causation_id: Some("cause-1".to_owned()),
        trace_parent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
        ..Attributes::new(EXECUTION, "test", message_type)
    };
    let data = serde_json::value::to_raw_value(&input).expect("the input has a JSON form");
    saga.check().unwrap_or_else(|error| panic!("{error}"));
    panics::tell_places();
    SagaTest {
        saga,
        services: Arc::new(services),
        start: Envelope { attributes, data },
        seeds: Vec::new(),
        reactions: Vec::new(),
    }
}

type Seed = Box<dyn Fn(&MemoryLedger) + Send + Sync>;

/// A saga under test.
pub struct SagaTest<P> {
    saga: Saga<P>,
    services: Arc<dyn Fn() -> P + Send + Sync>,
    start: EncodedEnvelope,
    seeds: Vec<Seed>,
    reactions: Vec<Reaction>,
}

impl<P: Send + Sync + 'static> SagaTest<P> {
    /// An entity that is stored already when the saga starts.
    #[must_use]
    pub fn given<T: Entity>(mut self, entity: T) -> Self {
        self.seeds
            .push(Box::new(move |ledger| ledger.seed(&entity, Version::At { version: 1, sequence: 0 })));
        self
    }

    /// A handler that reacts to what is sent, so long after it: whoever answers the saga's questions. Which
    /// message it is given for what was sent, if any, is for the test to say.
    #[must_use]
    pub fn reacting<H: Handler>(
        mut self,
        handler: H,
        after: Duration,
        message: impl Fn(&Outgoing) -> Option<H::Message> + Send + Sync + 'static,
    ) -> Self {
        self.reactions.push(relay::reaction(handler, after, message));
        self
    }

    /// The definition, to look at.
    pub fn view(&self) -> SagaView {
        self.saga.view()
    }

    /// Everything that can go wrong, as [`faults_of`] computes it.
    pub fn faults(&self) -> Vec<Injection> {
        faults_of(&self.view(), &self.input())
    }

    /// Runs it, with nothing going wrong.
    pub fn run(&self) -> SagaRun<P> {
        self.run_with(&[])
    }

    /// Runs it, with these faults.
    pub fn run_with(&self, injections: &[Injection]) -> SagaRun<P> {
        self.run_worker(Worker::new(self.saga.clone(), (self.services)()), injections)
    }

    /// Runs it by a worker of the test's own, such as one that was deployed later.
    pub fn run_by(&self, worker: impl FnOnce(P) -> Worker<P>) -> SagaRun<P> {
        self.run_worker(worker((self.services)()), &[])
    }

    fn run_worker(&self, worker: Worker<P>, injections: &[Injection]) -> SagaRun<P> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        let runtime = runtime.expect("a runtime of one thread needs nothing");
        runtime.block_on(async {
            let ledger = Arc::new(MemoryLedger::default());
            self.seeds.iter().for_each(|seed| seed(&ledger));
            let relay = Arc::new(Relay::new(
                ledger,
                Arc::new(Plan::of(injections)),
                Arc::new(SeededRandom::new(1)),
                Settings::new("test"),
                self.reactions.clone(),
            ));
            let worker = Arc::new(worker.intercepted(Arc::new(delivery::Faults)));
            let definition = (self.view(), self.saga.fingerprint());
            let execution = Execution::new(worker, definition, relay, self.start.clone());
            execution.run(injections.to_vec()).await
        })
    }

    fn input(&self) -> Value {
        serde_json::from_str(self.start.data.get()).expect("the input is JSON")
    }
}

impl<P> fmt::Debug for SagaTest<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SagaTest").field("saga", &self.saga).finish_non_exhaustive()
    }
}
