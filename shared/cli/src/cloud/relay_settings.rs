//! The settings of the deployed relay, with which this process can send messages in its place.

use crate::{
    cloud::{aws_command_line::AwsCommandLine, stack::Stack},
    project::Project,
};
use futures_util::future::BoxFuture;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use throughline_aws::{
    AwsPublisher,
    publisher::{Needed, RelaySettings},
    settings::Lookup,
};
use throughline_core::{Timestamp, ports::Time};

/// The name of the output that holds the relay's function name.
const RELAY: &str = "RelayOutboxFunction";

/// The system's clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock;

impl Time for Clock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'_, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// Returns a publisher with the settings of the deployed relay. It sends with this process's own permissions.
///
/// # Errors
/// A sentence, if they cannot be read.
pub(crate) async fn publisher_like_the_relays(
    stack: &Stack,
    project: &Project,
) -> Result<AwsPublisher, String> {
    let function = stack.output(RELAY).map_err(|error| error.to_string())?;
    let aws = AwsCommandLine { project, place: stack.place() };
    let described = aws
        .json(["lambda", "get-function-configuration", "--function-name", function])
        .map_err(|error| format!("the settings of the relay `{function}` cannot be read: {error}"))?;
    let settings = Settings::of(&described).read()?;
    Ok(AwsPublisher::from_settings(&settings, &stack.clients, Arc::new(Clock)).await)
}

/// A function's variables, and what was found wrong with them.
struct Settings {
    variables: BTreeMap<String, String>,
    problems: Vec<String>,
}

impl Settings {
    fn of(described: &Value) -> Self {
        let variables = described["Environment"]["Variables"].as_object().cloned().unwrap_or_default();
        let text = |(name, value): (String, Value)| Some((name, value.as_str()?.to_owned()));
        Self { variables: variables.into_iter().filter_map(text).collect(), problems: Vec::new() }
    }

    /// Reads the relay's destinations. Its own code says which ones it needs; here those count that it has.
    fn read(mut self) -> Result<RelaySettings, String> {
        let settings = RelaySettings::read(&mut self, Needed::default());
        if self.problems.is_empty() { Ok(settings) } else { Err(self.problems.join("; ")) }
    }
}

impl Lookup for Settings {
    fn required(&mut self, name: &str, _meaning: &str) -> String {
        let value = self.variables.get(name).cloned();
        value.unwrap_or_else(|| {
            self.problem(format!("the relay has no setting {name}: deploy the present template"));
            String::new()
        })
    }

    fn optional(&self, name: &str) -> Option<String> {
        self.variables.get(name).filter(|value| !value.trim().is_empty()).cloned()
    }

    fn names(&self, prefix: &str) -> BTreeSet<String> {
        self.variables.keys().filter(|name| name.starts_with(prefix)).cloned().collect()
    }

    fn problem(&mut self, problem: String) {
        self.problems.push(problem);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn settings_are_known_by_logical_names_and_what_is_missing_is_named() {
        let told = |bus: Option<&str>| {
            let mut variables =
                json!({ "THROUGHLINE_COMMAND_QUEUE_AWAIT_PAYMENT": "url", "THROUGHLINE_LOG": "info" });
            if let Some(bus) = bus {
                variables["THROUGHLINE_EVENT_BUS"] = bus.into();
            }
            Settings::of(&json!({ "Environment": { "Variables": variables } })).read()
        };
        let queues = told(Some("shop")).unwrap().queues;
        assert_eq!(queues, BTreeMap::from([("await-payment".into(), "url".into())]));
        let error = told(None).unwrap_err();
        assert!(error.contains("THROUGHLINE_EVENT_BUS"), "{error}");
    }
}
