//! Given / when / then, over the real main path and the in-memory ledger.

use crate::{MemoryDeadLetters, MemoryLedger, SeededRandom, TestTime, declared_tables::DeclaredTables};
use serde::Serialize;
use serde_json::Value;
use throughline_core::{
    Command, Entity, EntityKey, Envelope, Handler, Message, Record, SagaInput, Timestamp, Verdict, Version,
    internal::{item::item_of, panics},
    ledger::{Destination, Item, Outgoing},
    observer::Unobserved,
    ports::{Ports, Time as _},
    process::{Delivery, RetryCause, Settings, process},
};

/// Starts a scenario for a handler.
///
/// Nothing is replaced but what is outside: the message is encoded, delivered in a batch of one, decoded,
/// handled and committed by the real main path. A table of its own that the handler uses and does not declare in
/// [`Handler::TABLES`] fails the test.
pub fn scenario<H: Handler>(handler: H) -> Scenario<H> {
    panics::tell_places();
    Scenario {
        handler,
        ledger: MemoryLedger::default(),
        dead_letters: MemoryDeadLetters::default(),
        time: TestTime::start(),
        random: SeededRandom::new(1),
        settings: Settings::new("test"),
        delivered: 0,
    }
}

/// The state and the messages that are given before the test's own.
#[derive(Debug)]
pub struct Scenario<H> {
    handler: H,
    ledger: MemoryLedger,
    dead_letters: MemoryDeadLetters,
    time: TestTime,
    random: SeededRandom,
    settings: Settings,
    delivered: usize,
}

impl<H: Handler> Scenario<H> {
    /// An entity that is stored already, saved once and with no events yet.
    #[must_use]
    pub fn given<T: Entity>(self, entity: T) -> Self {
        self.ledger.seed(&entity, Version::At { version: 1, sequence: 0 });
        self
    }

    /// An item that another program wrote.
    #[must_use]
    pub fn given_unversioned<T: Entity>(self, entity: T) -> Self {
        self.ledger.seed(&entity, Version::Unversioned);
        self
    }

    /// The item of the `T` with this id as another program wrote it, whatever else that put into it.
    #[must_use]
    pub fn given_item<T: Entity>(self, id: &str, item: Item) -> Self {
        self.ledger.seed_item(EntityKey::of::<T>(id), item, Version::Unversioned);
        self
    }

    /// A message arrives.
    pub async fn when(self, message: impl Into<H::Message>) -> Ran<H> {
        let id = format!("message-{}", self.delivered + 1);
        let mut envelope = Envelope::of(id, "test", message.into());
        envelope.attributes.time = Some(self.time.now());
        self.when_envelope(envelope).await
    }

    /// A message arrives in an envelope of the test's own.
    pub async fn when_envelope(self, envelope: Envelope<H::Message>) -> Ran<H> {
        let body = envelope.encode().and_then(|encoded| serde_json::to_string(&encoded));
        self.when_body(body.expect("a message has a JSON form")).await
    }

    /// A body arrives, whatever is in it.
    pub async fn when_body(mut self, body: impl Into<String>) -> Ran<H> {
        self.delivered += 1;
        let body = body.into();
        let log_before = self.ledger.log().len();
        let verdict = self.deliver(&body, 1).await;
        Ran { scenario: self, body, log_before, verdict }
    }

    async fn deliver(&self, body: &str, attempt: u32) -> Verdict {
        let message_id = format!("record-{}", self.delivered);
        let record = Record {
            message_id: &message_id,
            source: "test",
            body,
            attempt,
            is_last_attempt: false,
            group: None,
            delivery: Delivery::default(),
        };
        let tables = DeclaredTables::of_handler(&self.handler);
        let ports = Ports {
            ledger: &tables.watch(&self.ledger),
            dead_letters: &self.dead_letters,
            time: &self.time,
            random: &self.random,
            observer: &Unobserved,
        };
        let verdict = process(&self.handler, ports, &self.settings, None, &[record]).await.remove(0);
        tables.check();
        verdict
    }
}

/// The run of a scenario, for assertions.
#[derive(Debug)]
pub struct Ran<H> {
    scenario: Scenario<H>,
    body: String,
    log_before: usize,
    verdict: Verdict,
}

impl<H: Handler> Ran<H> {
    /// The handler's effects happened.
    #[track_caller]
    pub fn then_done(self) -> Self {
        assert_eq!(self.verdict, Verdict::Done, "the handler's effects did not happen");
        self
    }

    /// Exactly these events were emitted, in this order.
    #[track_caller]
    pub fn then_emits<E: Into<H::Emits>>(self, expected: impl IntoIterator<Item = E>) -> Self {
        let this = self.then_done();
        let found: Vec<H::Emits> = this.messages(|outgoing| outgoing.destination == Destination::Bus);
        let expected: Vec<H::Emits> = expected.into_iter().map(Into::into).collect();
        assert_eq!(found, expected, "other events were emitted");
        this
    }

    /// No event was emitted.
    #[track_caller]
    pub fn then_emits_nothing(self) -> Self {
        self.then_emits(Vec::<H::Emits>::new())
    }

    /// Exactly these commands were sent to their receiver, in this order.
    #[track_caller]
    pub fn then_sends<C: Command>(self, expected: impl IntoIterator<Item = C>) -> Self {
        let this = self.then_done();
        let queue = Destination::Queue(C::QUEUE.into());
        let found: Vec<C> = this.messages(|outgoing| outgoing.destination == queue);
        assert_eq!(
            found,
            expected.into_iter().collect::<Vec<_>>(),
            "other commands were sent to `{}`",
            C::QUEUE
        );
        this
    }

    /// Exactly these sagas of one kind were started, in this order.
    #[track_caller]
    pub fn then_starts<I: SagaInput>(self, expected: impl IntoIterator<Item = I>) -> Self {
        let this = self.then_done();
        let machine = Destination::StateMachine(I::SAGA.into());
        let sent = this.sent().into_iter().filter(|outgoing| outgoing.destination == machine);
        // An input need not be comparable: what counts is what the saga will read.
        let found: Vec<Value> = sent.map(|outgoing| json(&outgoing.envelope.data)).collect();
        let expected: Vec<Value> = expected.into_iter().map(|input| json(&input)).collect();
        assert_eq!(found, expected, "the saga `{}` was started otherwise", I::SAGA);
        this
    }

    /// Exactly these commands were scheduled for their receiver, each not before its time, in this order.
    #[track_caller]
    pub fn then_schedules<C: Command>(self, expected: impl IntoIterator<Item = (C, Timestamp)>) -> Self {
        let this = self.then_done();
        let time = |outgoing: &Outgoing| match &outgoing.destination {
            Destination::Scheduled { queue, at } if queue == C::QUEUE => Some(*at),
            _ => None,
        };
        let times: Vec<Timestamp> = this.sent().iter().filter_map(time).collect();
        let commands: Vec<C> = this.messages(|outgoing| time(outgoing).is_some());
        let found: Vec<(C, Timestamp)> = commands.into_iter().zip(times).collect();
        let expected: Vec<(C, Timestamp)> = expected.into_iter().collect();
        assert_eq!(found, expected, "other commands were scheduled for `{}`", C::QUEUE);
        this
    }

    /// Exactly these scheduled commands were taken back from their receiver, in this order. Of each, type and
    /// subject count: what else it holds does not matter.
    #[track_caller]
    pub fn then_cancels_scheduled<C: Command>(self, expected: impl IntoIterator<Item = C>) -> Self {
        let this = self.then_done();
        let queue = Destination::Unscheduled { queue: C::QUEUE.into() };
        let found: Vec<C> = this.messages(|outgoing| outgoing.destination == queue);
        let found: Vec<_> = found.iter().map(|command| (command.message_type(), command.subject())).collect();
        let expected: Vec<C> = expected.into_iter().collect();
        let expected: Vec<_> =
            expected.iter().map(|command| (command.message_type(), command.subject())).collect();
        assert_eq!(found, expected, "other commands were taken back from `{}`", C::QUEUE);
        this
    }

    /// The entity is stored like this.
    #[track_caller]
    pub fn then_saved<T: Entity>(self, expected: T) -> Self {
        let this = self.then_done();
        let found = this.scenario.ledger.entity::<T>(&expected.id());
        let Some(found) = found else {
            panic!("{} `{}` is not stored", T::KIND, expected.id());
        };
        assert_eq!(
            item_of(&found),
            item_of(&expected),
            "{} `{}` is stored otherwise",
            T::KIND,
            expected.id()
        );
        this
    }

    /// The message was rejected for a reason that contains this text: it is in the dead-letter queue.
    #[track_caller]
    pub fn then_rejected(self, reason: &str) -> Self {
        let Verdict::Rejected { reason: found, error_type } = &self.verdict else {
            panic!("the message was not rejected: {:?}", self.verdict);
        };
        assert!(
            found.contains(reason) || error_type.contains(reason),
            "rejected for another reason: {error_type}: {found}"
        );
        let letters = self.scenario.dead_letters.letters();
        assert!(letters.iter().any(|letter| letter.body == self.body), "it is not in the dead-letter queue");
        assert_eq!(self.scenario.ledger.log().len(), self.log_before, "a rejected message has no effects");
        self
    }

    /// The message is to be delivered again, for a reason that contains this text.
    #[track_caller]
    pub fn then_retried(self, reason: &str) -> Self {
        let Verdict::Retry { cause: RetryCause::Failed { error_type, reason: found }, .. } = &self.verdict
        else {
            panic!("the message did not fail in a way that may pass: {:?}", self.verdict);
        };
        assert!(
            found.contains(reason) || error_type.contains(reason),
            "to be delivered again for another reason: {error_type}: {found}"
        );
        assert_eq!(self.scenario.ledger.log().len(), self.log_before, "a failed message has no effects");
        self
    }

    /// The very same body is delivered again, which must change nothing.
    ///
    /// # Panics
    /// If it changes anything, or is handled a second time.
    pub async fn redelivered(self) -> Self {
        let log = self.scenario.ledger.log();
        let verdict = self.scenario.deliver(&self.body, 2).await;
        let expected = if self.verdict == Verdict::Done { Verdict::Duplicate } else { self.verdict.clone() };
        assert_eq!(
            std::mem::discriminant(&verdict),
            std::mem::discriminant(&expected),
            "delivered again, the message came to {verdict:?} instead of {expected:?}"
        );
        assert_eq!(self.scenario.ledger.log(), log, "delivered again, the message had effects again");
        self
    }

    /// Then another message arrives.
    pub async fn and_when(self, message: impl Into<H::Message>) -> Self {
        self.scenario.when(message).await
    }

    /// Returns the verdict on the message.
    pub fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// The ledger, for what the assertions above do not say.
    pub fn ledger(&self) -> &MemoryLedger {
        &self.scenario.ledger
    }

    /// Returns the messages that were sent since the scenario's last message arrived.
    fn sent(&self) -> Vec<Outgoing> {
        self.scenario.ledger.log().split_off(self.log_before)
    }

    fn messages<M: Message>(&self, wanted: impl Fn(&Outgoing) -> bool) -> Vec<M> {
        let read = |outgoing: Outgoing| {
            let Envelope { attributes, data } = outgoing.envelope;
            M::decode(&attributes.message_type, attributes.schema_version, &data)
                .unwrap_or_else(|error| panic!("what was emitted cannot be read back: {error}"))
        };
        self.sent().into_iter().filter(wanted).map(read).collect()
    }
}

fn json(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or(Value::Null)
}
