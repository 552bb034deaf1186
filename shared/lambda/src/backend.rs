//! The ports on AWS: built when the first invocation needs them, once a process.

use crate::{Environment, system::System};
use futures_util::future::BoxFuture;
use std::{collections::BTreeMap, fmt, sync::LazyLock};
use throughline_aws::{
    AwsPublisher, Clients, DynamoLedger, SqsDeadLetters, Visibility, visibility::VisibilityChange,
};
use throughline_core::{
    BoxError,
    dead_letter::{DeadLetter, DeadLetters},
    ports::Ports,
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

/// What a handler's main path needs.
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

    pub(crate) async fn ports(&self) -> Ports<'_> {
        let ledger = self.ledger.get().await;
        Ports { ledger, dead_letters: &self.dead_letters, time: &System, random: &System }
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
            table: environment.required("THROUGHLINE_TABLE", "the name of the ledger's DynamoDB table"),
            own_tables: environment.family("THROUGHLINE_TABLE_", own_tables, meaning),
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

/// What the relay needs.
pub(crate) struct Relay {
    bus: String,
    queues: BTreeMap<String, String>,
    dead_letters: LazyDeadLetters,
    publisher: OnceCell<AwsPublisher>,
}

impl Relay {
    pub(crate) fn configure(environment: &mut Environment, command_queues: &[&str]) -> Self {
        let meaning = "the URL of the queue that takes these commands";
        Self {
            bus: environment
                .required("THROUGHLINE_EVENT_BUS", "the name of the bus that events are published on"),
            queues: environment.family("THROUGHLINE_COMMAND_QUEUE_", command_queues, meaning),
            dead_letters: LazyDeadLetters::configure(environment),
            publisher: OnceCell::new(),
        }
    }

    pub(crate) async fn ports(&self) -> RelayPorts<'_> {
        let publisher = self.publisher.get_or_init(|| self.build()).await;
        RelayPorts { publisher, dead_letters: &self.dead_letters, time: &System }
    }

    async fn build(&self) -> AwsPublisher {
        let eventbridge = clients().eventbridge().await.clone();
        let sqs = clients().sqs().await.clone();
        AwsPublisher::new(eventbridge, sqs, &self.bus, self.queues.clone())
    }
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay").field("bus", &self.bus).finish_non_exhaustive()
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
            queue_url: environment.required("THROUGHLINE_DEAD_LETTER_QUEUE_URL", meaning),
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
