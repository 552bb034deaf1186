//! The ports on AWS: built when the first invocation needs them, once a process.

use crate::{Environment, system::System};
use futures_util::future::BoxFuture;
use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, LazyLock},
};
use throughline_aws::{
    AwsPublisher, Clients, DynamoLedger, SqsDeadLetters, Visibility,
    publisher::{Needed, RelaySettings},
    settings,
    visibility::VisibilityChange,
};
use throughline_core::{
    BoxError,
    observer::Observer,
    ports::{DeadLetter, DeadLetters, Ports},
    relay::RelayPorts,
};
use tokio::sync::OnceCell;

static CLIENTS: LazyLock<Clients> = LazyLock::new(Clients::of_function);

/// The SDK's clients of this process. A function's own adapters build theirs from the same configuration:
///
/// ```no_run
/// # async fn example() {
/// let config = throughline::clients().config().await;
/// # }
/// ```
pub fn clients() -> &'static Clients {
    &CLIENTS
}

/// The ports of a handler's main path.
pub(crate) struct Backend {
    ledger: LazyLedger,
    dead_letters: LazyDeadLetters,
}

impl Backend {
    pub(crate) fn configure(environment: &mut Environment, own_tables: &[&str]) -> Self {
        Self {
            ledger: LazyLedger::configure(environment, own_tables),
            dead_letters: LazyDeadLetters::configure(environment),
        }
    }

    pub(crate) async fn ports<'a>(&'a self, observer: &'a dyn Observer) -> Ports<'a> {
        let ledger = self.ledger.get().await;
        Ports { ledger, dead_letters: &self.dead_letters, time: &System, random: &System, observer }
    }

    /// Sets how long SQS waits before it delivers messages again.
    pub(crate) async fn change_visibility(
        &self,
        queue_url: &str,
        changes: &[VisibilityChange],
    ) -> Result<(), BoxError> {
        Visibility::new(clients().sqs().await.clone(), queue_url).change(changes).await.map_err(Into::into)
    }
}

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backend").field("table", &self.ledger.table).finish_non_exhaustive()
    }
}

/// The ledger.
pub(crate) struct LazyLedger {
    table: String,
    own_tables: BTreeMap<String, String>,
    ledger: OnceCell<DynamoLedger>,
}

impl LazyLedger {
    pub(crate) fn configure(environment: &mut Environment, own_tables: &[&str]) -> Self {
        let meaning = "the name of a DynamoDB table of the function's own";
        Self {
            table: environment.required(settings::TABLE, "the name of the ledger's DynamoDB table"),
            own_tables: environment.family(settings::OWN_TABLE, own_tables, meaning),
            ledger: OnceCell::new(),
        }
    }

    pub(crate) async fn get(&self) -> &DynamoLedger {
        let build = async || {
            DynamoLedger::new(clients().dynamodb().await.clone(), &self.table, self.own_tables.clone())
        };
        self.ledger.get_or_init(build).await
    }
}

/// The destinations of handlers, by logical names, whose settings must be there.
#[derive(Debug, Clone, Default)]
pub(crate) struct Destinations {
    pub(crate) command_queues: Vec<&'static str>,
    pub(crate) scheduled_queues: Vec<&'static str>,
    pub(crate) state_machines: Vec<&'static str>,
}

/// The ports of the relay.
pub(crate) struct Relay {
    settings: RelaySettings,
    dead_letters: LazyDeadLetters,
    publisher: OnceCell<AwsPublisher>,
}

impl Relay {
    pub(crate) fn configure(environment: &mut Environment, destinations: &Destinations) -> Self {
        let Destinations { command_queues, scheduled_queues, state_machines } = destinations;
        let needed = Needed { command_queues, scheduled_queues, state_machines };
        Self {
            settings: RelaySettings::read(environment, needed),
            dead_letters: LazyDeadLetters::configure(environment),
            publisher: OnceCell::new(),
        }
    }

    pub(crate) async fn ports<'a>(&'a self, observer: &'a dyn Observer) -> RelayPorts<'a> {
        let build = || AwsPublisher::from_settings(&self.settings, clients(), Arc::new(System));
        let publisher = self.publisher.get_or_init(build).await;
        RelayPorts { publisher, dead_letters: &self.dead_letters, time: &System, observer }
    }
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay").field("bus", &self.settings.bus).finish_non_exhaustive()
    }
}

/// The dead-letter queue. Most functions never meet it: its client is built when the first letter is sent.
struct LazyDeadLetters {
    queue_url: String,
    queue: OnceCell<SqsDeadLetters>,
}

impl LazyDeadLetters {
    fn configure(environment: &mut Environment) -> Self {
        let meaning = "the URL of the queue that rejected messages go to";
        Self {
            queue_url: environment.required(settings::DEAD_LETTER_QUEUE_URL, meaning),
            queue: OnceCell::new(),
        }
    }

    async fn queue(&self) -> &SqsDeadLetters {
        let build = async || SqsDeadLetters::new(clients().sqs().await.clone(), &self.queue_url);
        self.queue.get_or_init(build).await
    }
}

impl DeadLetters for LazyDeadLetters {
    fn send<'a>(&'a self, letter: &'a DeadLetter) -> BoxFuture<'a, Result<(), BoxError>> {
        Box::pin(async move { self.queue().await.send(letter).await })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const ALWAYS: [(&str, &str); 2] = [
        ("THROUGHLINE_EVENT_BUS", "shop"),
        ("THROUGHLINE_DEAD_LETTER_QUEUE_URL", "https://sqs.example/1/dead"),
    ];

    fn everything() -> Destinations {
        Destinations {
            command_queues: vec!["await-payment"],
            scheduled_queues: vec!["await-payment"],
            state_machines: vec!["checkout"],
        }
    }

    #[test]
    fn a_relay_that_only_publishes_needs_neither_schedules_nor_state_machines() {
        let mut environment = Environment::from(ALWAYS);
        let relay = Relay::configure(&mut environment, &Destinations::default());
        environment.finish().unwrap();
        assert!(relay.settings.schedules.is_none() && relay.settings.state_machines.is_empty());
    }

    #[test]
    fn what_is_started_and_scheduled_needs_its_settings_and_misses_them_all_at_once() {
        let mut environment = Environment::from(ALWAYS);
        Relay::configure(&mut environment, &everything());
        let problems = environment.finish().unwrap_err().problems;
        let missing: Vec<_> = problems.iter().map(|text| text.split(' ').next().unwrap()).collect();
        assert_eq!(
            missing,
            [
                "THROUGHLINE_COMMAND_QUEUE_AWAIT_PAYMENT",
                "THROUGHLINE_STATE_MACHINE_CHECKOUT",
                "THROUGHLINE_SCHEDULE_GROUP",
                "THROUGHLINE_SCHEDULE_ROLE_ARN",
                "THROUGHLINE_SCHEDULE_DEAD_LETTER_ARN",
                "THROUGHLINE_SCHEDULE_TARGET_AWAIT_PAYMENT",
            ]
        );
    }

    #[test]
    fn schedules_and_state_machines_are_known_by_logical_names() {
        let [bus, dead_letters] = ALWAYS;
        let mut environment = Environment::from([
            bus,
            dead_letters,
            ("THROUGHLINE_COMMAND_QUEUE_AWAIT_PAYMENT", "https://sqs.example/1/await-payment"),
            ("THROUGHLINE_STATE_MACHINE_CHECKOUT", "arn:machine"),
            ("THROUGHLINE_SCHEDULE_GROUP", "shop"),
            ("THROUGHLINE_SCHEDULE_ROLE_ARN", "arn:role"),
            ("THROUGHLINE_SCHEDULE_DEAD_LETTER_ARN", "arn:dead-letters"),
            ("THROUGHLINE_SCHEDULE_TARGET_AWAIT_PAYMENT", "arn:queue"),
            ("THROUGHLINE_LONGEST_DELAY_SECONDS", "5"),
        ]);
        let relay = Relay::configure(&mut environment, &everything());
        environment.finish().unwrap();
        assert_eq!(relay.settings.state_machines["checkout"], "arn:machine");
        let schedules = relay.settings.schedules.unwrap();
        assert_eq!(schedules.target_arns, BTreeMap::from([("await-payment".into(), "arn:queue".into())]));
        assert_eq!(schedules.longest_delay, Duration::from_secs(5));
    }
}
