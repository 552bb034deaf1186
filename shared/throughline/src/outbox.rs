//! The relay: fed by the ledger table's stream, it publishes what handlers emitted, and starts, schedules and
//! answers what they asked for.

use crate::{
    Environment, Invocation, InvocationError, Trigger,
    backend::{Destinations, Relay},
    metrics::{Lines, RelayFigures},
    run::Handled,
};
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};
use throughline_aws::{
    ledger::{layout, outgoing_from_stream_image},
    settings,
};
use throughline_core::{
    Command, SagaInput,
    describe::{FedBy, FunctionDescription},
    internal::json_error::without_known_values,
    observer::Observer,
    relay::{LogEntry, RelayPorts, relay},
};

/// Publishes what handlers emitted: events to the bus, commands to their queues, now or later. Starts sagas, and
/// answers the tasks of Step Functions that wait for an answer.
///
/// The event source mapping reads the ledger table's stream (new images), filters on `INSERT` and on sort
/// keys that begin with `event#` or `command#`, has `ReportBatchItemFailures`, bisects on error and has an
/// on-failure destination.
pub fn outbox() -> Outbox {
    Outbox { destinations: Destinations::default() }
}

/// The trigger that [`outbox`] returns.
#[derive(Debug, Clone)]
pub struct Outbox {
    destinations: Destinations,
}

impl Outbox {
    /// Says that handlers send these commands, so that their queue's setting is checked when the function
    /// starts.
    ///
    /// ```
    /// # use serde::{Deserialize, Serialize};
    /// # use throughline::prelude::*;
    /// # #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    /// # pub struct PlaceOrder { pub order_id: String }
    /// # commands! { /// Orders.
    /// # pub enum OrderCommand to "place-order" { "order.place" v1 => Place(PlaceOrder.order_id) } }
    /// let trigger = throughline::outbox().sending::<OrderCommand>(); // THROUGHLINE_COMMAND_QUEUE_PLACE_ORDER
    /// ```
    #[must_use]
    pub fn sending<C: Command>(mut self) -> Self {
        self.destinations.command_queues.push(C::QUEUE);
        self
    }

    /// Says that handlers schedule these commands, so that the settings of their queue and of EventBridge
    /// Scheduler are checked when the function starts: the queue's URL and its ARN, the schedule group, the role
    /// and the dead-letter queue of schedules.
    ///
    /// ```
    /// # use serde::{Deserialize, Serialize};
    /// # use throughline::prelude::*;
    /// # #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    /// # pub struct ExpireOrder { pub order_id: String }
    /// # commands! { /// Payments.
    /// # pub enum PaymentCommand to "await-payment" { "order.expire" v1 => Expire(ExpireOrder.order_id) } }
    /// // THROUGHLINE_COMMAND_QUEUE_AWAIT_PAYMENT, THROUGHLINE_SCHEDULE_TARGET_AWAIT_PAYMENT,
    /// // THROUGHLINE_SCHEDULE_GROUP, THROUGHLINE_SCHEDULE_ROLE_ARN, THROUGHLINE_SCHEDULE_DEAD_LETTER_ARN
    /// let trigger = throughline::outbox().scheduling::<PaymentCommand>();
    /// ```
    #[must_use]
    pub fn scheduling<C: Command>(mut self) -> Self {
        self.destinations.scheduled_queues.push(C::QUEUE);
        self.sending::<C>()
    }

    /// Says that handlers start this saga, so that its state machine's setting is checked when the function
    /// starts.
    ///
    /// ```
    /// # use serde::{Deserialize, Serialize};
    /// # use throughline::prelude::*;
    /// # #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    /// # struct Checkout { order_id: String }
    /// # impl SagaInput for Checkout { const SAGA: &'static str = "checkout"; }
    /// let trigger = throughline::outbox().starting::<Checkout>(); // THROUGHLINE_STATE_MACHINE_CHECKOUT
    /// ```
    #[must_use]
    pub fn starting<I: SagaInput>(mut self) -> Self {
        self.destinations.state_machines.push(I::SAGA);
        self
    }
}

/// The way to say that part of a batch must be delivered again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamFailures {
    /// With `batchItemFailures`: the stream goes on from the first failure.
    Report,
    /// By failing the invocation, for event source mappings that ignore `batchItemFailures`: the whole
    /// batch is delivered again, so some of it is published twice, but nothing is lost.
    FailInvocation,
}

/// An outbox trigger with its settings.
#[derive(Debug)]
pub struct ReadyOutbox {
    relay: Relay,
    failures: StreamFailures,
}

impl Trigger for Outbox {
    type Ready = ReadyOutbox;
    type Batch<'a> = Vec<LogEntry>;
    type Figures = RelayFigures;

    fn describe(&self) -> FunctionDescription {
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        FunctionDescription {
            trigger: FedBy::Outbox,
            sends_to: owned(&self.destinations.command_queues),
            schedules_to: owned(&self.destinations.scheduled_queues),
            starts: owned(&self.destinations.state_machines),
            ..FunctionDescription::default()
        }
    }

    fn configure(self, environment: &mut Environment) -> ReadyOutbox {
        let name = settings::STREAM_FAILURES;
        let failures = match environment.optional(name).as_deref() {
            None | Some("report") => StreamFailures::Report,
            Some("fail-invocation") => StreamFailures::FailInvocation,
            Some(other) => {
                environment.problem(format!("{name} is `{other}`: it must be `report` or `fail-invocation`"));
                StreamFailures::Report
            }
        };
        ReadyOutbox { relay: Relay::configure(environment, &self.destinations), failures }
    }

    fn read(invocation: Invocation<'_>) -> Result<Vec<LogEntry>, InvocationError> {
        read(invocation.payload)
    }

    async fn handle(
        ready: &ReadyOutbox,
        _: Invocation<'_>,
        entries: &Vec<LogEntry>,
        observer: &dyn Observer,
    ) -> Result<Value, InvocationError> {
        let ports = ready.relay.ports(observer).await;
        answer(ports, ready.failures, entries).await
    }

    fn write_figures(_: &ReadyOutbox, handled: Handled<'_, '_, Self>, lines: &mut Lines<'_>) {
        handled.figures.push(lines, handled.batch.len());
    }
}

#[derive(Deserialize)]
struct Stream<'a> {
    #[serde(borrow, rename = "Records")]
    records: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StreamRecord {
    event_name: String,
    dynamodb: Change,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Change {
    sequence_number: String,
    #[serde(default)]
    keys: Value,
    new_image: Option<Value>,
}

/// Reads a batch of the stream: what of it is entries of the log.
///
/// # Errors
/// If the payload is no DynamoDB stream event, or carries no new images.
pub fn read(payload: &str) -> Result<Vec<LogEntry>, InvocationError> {
    let stream: Stream<'_> = serde_json::from_str(payload).map_err(|error| {
        let error = without_known_values(&error);
        let message =
            format!("the relay is fed by a DynamoDB stream, but the payload is no such event: {error}");
        InvocationError::new("NotAStreamEvent", message)
    })?;
    stream.records.into_iter().filter_map(|record| entry(record).transpose()).collect()
}

/// Publishes a batch of the stream.
///
/// # Errors
/// If part of it must be delivered again and `failures` says to fail the invocation then.
pub async fn answer(
    ports: RelayPorts<'_>,
    failures: StreamFailures,
    entries: &[LogEntry],
) -> Result<Value, InvocationError> {
    let Some(first_failed) = relay(entries, ports).await else {
        return Ok(json!({ "batchItemFailures": [] }));
    };
    let sequence_number = &entries[first_failed].sequence_number;
    // Without a sequence number there is no place in the stream to go on from.
    if failures == StreamFailures::FailInvocation || sequence_number.is_empty() {
        let left = entries.len() - first_failed;
        return Err(InvocationError::new(
            "NotPublished",
            format!("{left} of {} messages are not published", entries.len()),
        ));
    }
    Ok(json!({ "batchItemFailures": [{ "itemIdentifier": sequence_number }] }))
}

/// Nothing may be acknowledged that was not published.
const NO_NEW_IMAGE: &str = "the stream carries no new images, so there is nothing to publish: \
                            set the table's StreamViewType to NEW_IMAGE";

/// The log entry in a record; nothing if the record is not about the log.
fn entry(record: &RawValue) -> Result<Option<LogEntry>, InvocationError> {
    let raw = record.get().to_owned();
    let change = match serde_json::from_str::<StreamRecord>(&raw) {
        Ok(StreamRecord { event_name, dynamodb }) if event_name == "INSERT" => dynamodb,
        Ok(_) => return Ok(None),
        Err(error) => {
            let message = Err(format!("the stream record cannot be read: {}", without_known_values(&error)));
            return Ok(Some(LogEntry { sequence_number: sequence_number(&raw), message, raw }));
        }
    };
    let keys = change.new_image.as_ref().unwrap_or(&change.keys);
    let sort_key = keys[layout::SORT_KEY]["S"].as_str().unwrap_or_default();
    if ![layout::EVENT_PREFIX, layout::COMMAND_PREFIX].iter().any(|prefix| sort_key.starts_with(prefix)) {
        return Ok(None);
    }
    let message = match &change.new_image {
        Some(image) => outgoing_from_stream_image(image),
        None => return Err(InvocationError::new("NoNewImage", NO_NEW_IMAGE)),
    };
    Ok(Some(LogEntry { sequence_number: change.sequence_number, message, raw }))
}

/// The sequence number of a record that cannot be read otherwise.
fn sequence_number(raw: &str) -> String {
    let value: Value = serde_json::from_str(raw).unwrap_or_default();
    value["dynamodb"]["SequenceNumber"].as_str().unwrap_or_default().to_owned()
}
