//! The ports on AWS: built when the first invocation needs them, once a process.

use crate::{Environment, system::System};
use futures_util::future::BoxFuture;
use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, LazyLock},
    time::Duration,
};
use throughline_aws::{
    AwsPublisher, Clients, DynamoLedger, Schedules, SqsDeadLetters, Visibility, publisher::LONGEST_DELAY,
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

/// Where handlers send to, by logical names: the settings of these must be there.
#[derive(Debug, Clone, Default)]
pub(crate) struct Destinations {
    pub(crate) command_queues: Vec<&'static str>,
    pub(crate) scheduled_queues: Vec<&'static str>,
    pub(crate) state_machines: Vec<&'static str>,
}

/// What the relay needs.
pub(crate) struct Relay {
    bus: String,
    queues: BTreeMap<String, String>,
    state_machines: BTreeMap<String, String>,
    schedules: Option<ScheduleSettings>,
    dead_letters: LazyDeadLetters,
    publisher: OnceCell<AwsPublisher>,
}

impl Relay {
    pub(crate) fn configure(environment: &mut Environment, destinations: &Destinations) -> Self {
        let Destinations { command_queues, scheduled_queues, state_machines } = destinations;
        let bus_meaning = "the name of the bus that events are published on";
        let queue_meaning = "the URL of the queue that takes these commands";
        let machine_meaning = "the ARN of the saga's state machine";
        Self {
            bus: environment.required("THROUGHLINE_EVENT_BUS", bus_meaning),
            queues: environment.family("THROUGHLINE_COMMAND_QUEUE_", command_queues, queue_meaning),
            state_machines: environment.family("THROUGHLINE_STATE_MACHINE_", state_machines, machine_meaning),
            schedules: ScheduleSettings::configure(environment, scheduled_queues),
            dead_letters: LazyDeadLetters::configure(environment),
            publisher: OnceCell::new(),
        }
    }

    pub(crate) async fn ports<'a>(&'a self, observer: &'a dyn Observer) -> RelayPorts<'a> {
        let publisher = self.publisher.get_or_init(|| self.build()).await;
        RelayPorts { publisher, dead_letters: &self.dead_letters, time: &System, observer }
    }

    async fn build(&self) -> AwsPublisher {
        let eventbridge = clients().eventbridge().await.clone();
        let sqs = clients().sqs().await.clone();
        let publisher = AwsPublisher::new(eventbridge, sqs, &self.bus, self.queues.clone())
            .with_step_functions(clients().sfn().await.clone(), self.state_machines.clone());
        match &self.schedules {
            Some(settings) => publisher.with_schedules(settings.build().await),
            None => publisher,
        }
    }
}

/// What commands for later need.
struct ScheduleSettings {
    group: String,
    role_arn: String,
    dead_letter_arn: String,
    target_arns: BTreeMap<String, String>,
    longest_delay: Duration,
}

impl ScheduleSettings {
    /// Nothing where no command is declared as scheduled and no schedule group is set.
    fn configure(environment: &mut Environment, queues: &[&str]) -> Option<Self> {
        let group = "THROUGHLINE_SCHEDULE_GROUP";
        if queues.is_empty() && environment.optional(group).is_none() {
            return None;
        }
        let role = "the ARN of the role that EventBridge Scheduler sends commands with";
        let dead_letters = "the ARN of the queue for commands that EventBridge Scheduler cannot send";
        let target = "the ARN of the queue that takes these commands";
        Some(Self {
            group: environment.required(group, "the name of a schedule group of EventBridge Scheduler"),
            role_arn: environment.required("THROUGHLINE_SCHEDULE_ROLE_ARN", role),
            dead_letter_arn: environment.required("THROUGHLINE_SCHEDULE_DEAD_LETTER_ARN", dead_letters),
            target_arns: environment.family("THROUGHLINE_SCHEDULE_TARGET_", queues, target),
            longest_delay: longest_delay(environment),
        })
    }

    async fn build(&self) -> Schedules {
        Schedules {
            client: clients().scheduler().await.clone(),
            group: self.group.clone(),
            role_arn: self.role_arn.clone(),
            dead_letter_arn: self.dead_letter_arn.clone(),
            target_arns: self.target_arns.clone(),
            longest_delay: self.longest_delay,
            time: Arc::new(System),
        }
    }
}

fn longest_delay(environment: &mut Environment) -> Duration {
    let name = "THROUGHLINE_LONGEST_DELAY_SECONDS";
    let form = "a whole number of seconds up to 900";
    let seconds = environment.parsed(name, form, LONGEST_DELAY.as_secs());
    if seconds > LONGEST_DELAY.as_secs() {
        environment.problem(format!("{name} is `{seconds}`: it must be {form}"));
    }
    Duration::from_secs(seconds)
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

#[cfg(test)]
mod tests {
    use super::*;

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
        assert!(relay.schedules.is_none() && relay.state_machines.is_empty());
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
        assert_eq!(relay.state_machines["checkout"], "arn:machine");
        let schedules = relay.schedules.unwrap();
        assert_eq!(schedules.target_arns, BTreeMap::from([("await-payment".into(), "arn:queue".into())]));
        assert_eq!(schedules.longest_delay, Duration::from_secs(5));
    }

    #[test]
    fn a_delay_that_sqs_does_not_know_is_refused() {
        for (text, is_right) in [("900", true), ("0", true), ("901", false), ("-1", false), ("1m", false)] {
            let mut environment = Environment::from([("THROUGHLINE_LONGEST_DELAY_SECONDS", text)]);
            longest_delay(&mut environment);
            assert_eq!(environment.finish().is_ok(), is_right, "{text}");
        }
        assert_eq!(longest_delay(&mut Environment::default()), Duration::from_mins(15));
    }
}
