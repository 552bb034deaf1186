//! The settings of a relay's destinations.

use super::{AwsPublisher, LONGEST_DELAY, Schedules};
use crate::{
    Clients,
    settings::{self, Lookup},
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use throughline_core::ports::Time;

/// The destinations of a relay, by its settings.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RelaySettings {
    /// The bus: its name or its ARN.
    pub bus: String,
    /// The URLs of the queues that take commands, by logical names.
    pub queues: BTreeMap<String, String>,
    /// The ARNs of the sagas' state machines, by logical names.
    pub state_machines: BTreeMap<String, String>,
    /// The settings of scheduled commands, where there are any.
    pub schedules: Option<ScheduleSettings>,
}

/// The settings of scheduled commands.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScheduleSettings {
    /// The name of the schedule group.
    pub group: String,
    /// The ARN of the role that EventBridge Scheduler sends with.
    pub role_arn: String,
    /// The ARN of the queue for what cannot be sent.
    pub dead_letter_arn: String,
    /// The ARNs of the queues, by logical names.
    pub target_arns: BTreeMap<String, String>,
    /// The delay beyond which EventBridge Scheduler keeps a command.
    pub longest_delay: Duration,
}

/// The logical names of what must have a setting, because the code sends there.
#[derive(Debug, Clone, Copy, Default)]
pub struct Needed<'a> {
    /// Queues that commands are sent to.
    pub command_queues: &'a [&'a str],
    /// Queues that commands are scheduled to.
    pub scheduled_queues: &'a [&'a str],
    /// Sagas that are started.
    pub state_machines: &'a [&'a str],
}

impl RelaySettings {
    /// Reads them. What is missing or malformed is a problem of `settings`.
    pub fn read(settings: &mut impl Lookup, needed: Needed<'_>) -> Self {
        let bus = settings.required(settings::EVENT_BUS, "the name of the bus that events are published on");
        let queue = "the URL of the queue that takes these commands";
        let machine = "the ARN of the saga's state machine";
        Self {
            bus,
            queues: settings.family(settings::COMMAND_QUEUE, needed.command_queues, queue),
            state_machines: settings.family(settings::STATE_MACHINE, needed.state_machines, machine),
            schedules: ScheduleSettings::read(settings, needed.scheduled_queues),
        }
    }
}

impl ScheduleSettings {
    /// Nothing where no command is declared as scheduled and no schedule group is set.
    fn read(settings: &mut impl Lookup, queues: &[&str]) -> Option<Self> {
        if queues.is_empty() && settings.optional(settings::SCHEDULE_GROUP).is_none() {
            return None;
        }
        let group = "the name of a schedule group of EventBridge Scheduler";
        let role = "the ARN of the role that EventBridge Scheduler sends commands with";
        let dead_letters = "the ARN of the queue for commands that EventBridge Scheduler cannot send";
        let target = "the ARN of the queue that takes these commands";
        Some(Self {
            group: settings.required(settings::SCHEDULE_GROUP, group),
            role_arn: settings.required(settings::SCHEDULE_ROLE_ARN, role),
            dead_letter_arn: settings.required(settings::SCHEDULE_DEAD_LETTER_ARN, dead_letters),
            target_arns: settings.family(settings::SCHEDULE_TARGET, queues, target),
            longest_delay: longest_delay(settings),
        })
    }
}

fn longest_delay(settings: &mut impl Lookup) -> Duration {
    let name = settings::LONGEST_DELAY_SECONDS;
    let Some(text) = settings.optional(name) else { return LONGEST_DELAY };
    match text.parse().map(Duration::from_secs) {
        Ok(delay) if delay <= LONGEST_DELAY => delay,
        _ => {
            settings.problem(format!("{name} is `{text}`: it must be a whole number of seconds up to 900"));
            LONGEST_DELAY
        }
    }
}

impl AwsPublisher {
    /// The publisher that a relay with these settings sends with; `time` says how long it is until something is due.
    pub async fn from_settings(settings: &RelaySettings, clients: &Clients, time: Arc<dyn Time>) -> Self {
        let (eventbridge, sqs) = (clients.eventbridge().await.clone(), clients.sqs().await.clone());
        let publisher = Self::new(eventbridge, sqs, &settings.bus, settings.queues.clone())
            .with_step_functions(clients.sfn().await.clone(), settings.state_machines.clone());
        let Some(schedules) = settings.schedules.clone() else { return publisher };
        let ScheduleSettings { group, role_arn, dead_letter_arn, target_arns, longest_delay } = schedules;
        let client = clients.scheduler().await.clone();
        publisher.with_schedules(Schedules {
            client,
            group,
            role_arn,
            dead_letter_arn,
            target_arns,
            longest_delay,
            time,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Settings, and what was found wrong with them.
    #[derive(Default)]
    struct Told(BTreeMap<String, String>, Vec<String>);

    impl Lookup for Told {
        fn required(&mut self, name: &str, _: &str) -> String {
            self.0.get(name).cloned().unwrap_or_else(|| {
                self.1.push(format!("{name} is missing"));
                String::new()
            })
        }

        fn optional(&self, name: &str) -> Option<String> {
            self.0.get(name).cloned()
        }

        fn names(&self, prefix: &str) -> BTreeSet<String> {
            self.0.keys().filter(|name| name.starts_with(prefix)).cloned().collect()
        }

        fn problem(&mut self, problem: String) {
            self.1.push(problem);
        }
    }

    fn told<const N: usize>(settings: [(&str, &str); N]) -> Told {
        Told(settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into(), Vec::new())
    }

    #[test]
    fn a_relay_sends_to_all_that_its_settings_name_and_to_nothing_later_without_a_schedule_group() {
        let mut told = told([
            ("THROUGHLINE_EVENT_BUS", "shop"),
            ("THROUGHLINE_COMMAND_QUEUE_AWAIT_PAYMENT", "url"),
            ("THROUGHLINE_STATE_MACHINE_CHECKOUT", "arn"),
            ("THROUGHLINE_SCHEDULE_TARGET_AWAIT_PAYMENT", "arn"),
        ]);
        let settings = RelaySettings::read(&mut told, Needed::default());
        assert_eq!(settings.queues, BTreeMap::from([("await-payment".into(), "url".into())]));
        assert_eq!(settings.state_machines, BTreeMap::from([("checkout".into(), "arn".into())]));
        assert_eq!((settings.bus.as_str(), settings.schedules, told.1), ("shop", None, Vec::new()));
    }

    #[test]
    fn a_delay_that_sqs_does_not_know_is_a_problem() {
        for (text, is_right) in [("900", true), ("0", true), ("901", false), ("-1", false), ("1m", false)] {
            let mut told = told([("THROUGHLINE_LONGEST_DELAY_SECONDS", text)]);
            longest_delay(&mut told);
            assert_eq!(told.1.is_empty(), is_right, "{text}");
        }
        assert_eq!(longest_delay(&mut Told::default()), Duration::from_mins(15));
    }
}
