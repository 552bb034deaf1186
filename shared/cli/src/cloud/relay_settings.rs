//! What the deployed relay was told, so that what it would send can be sent in its place.

use crate::{cloud::stack::Stack, project::Project};
use futures_util::future::BoxFuture;
use serde_json::Value;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use throughline_aws::{AwsPublisher, Schedules, publisher::LONGEST_DELAY};
use throughline_core::{Timestamp, ports::Time};

/// The output that names the relay.
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

/// A publisher with the settings of the deployed relay, which sends under this process's own rights.
///
/// # Errors
/// A sentence, if they cannot be read.
pub(crate) async fn publisher_like_the_relays(
    stack: &Stack,
    project: &Project,
) -> Result<AwsPublisher, String> {
    let function = stack.output(RELAY).map_err(|error| error.to_string())?;
    let mut command = stack.place().aws_command_line(project)?;
    command.args(["lambda", "get-function-configuration", "--output", "json", "--function-name", function]);
    let answer = command.output().map_err(|error| format!("AWS's command line cannot be run: {error}"))?;
    if !answer.status.success() {
        let why = String::from_utf8_lossy(&answer.stderr).trim().to_owned();
        return Err(format!("the settings of the relay `{function}` cannot be read: {why}"));
    }
    let described: Value = serde_json::from_slice(&answer.stdout)
        .map_err(|error| format!("the settings of the relay `{function}` are no JSON: {error}"))?;
    publisher(stack, &Settings::of(&described)).await
}

/// A function's variables.
struct Settings(BTreeMap<String, String>);

impl Settings {
    fn of(described: &Value) -> Self {
        let variables = described["Environment"]["Variables"].as_object().cloned().unwrap_or_default();
        let text = |(name, value): (String, Value)| Some((name, value.as_str()?.to_owned()));
        Self(variables.into_iter().filter_map(text).collect())
    }

    fn required(&self, name: &str) -> Result<String, String> {
        self.0
            .get(name)
            .cloned()
            .ok_or_else(|| format!("the relay has no setting {name}: deploy the present template"))
    }

    /// What begins with this, by logical names.
    fn family(&self, prefix: &str) -> BTreeMap<String, String> {
        let named = self.0.iter().filter_map(|(name, value)| Some((name.strip_prefix(prefix)?, value)));
        named.map(|(name, value)| (name.to_ascii_lowercase().replace('_', "-"), value.clone())).collect()
    }
}

async fn publisher(stack: &Stack, settings: &Settings) -> Result<AwsPublisher, String> {
    let clients = &stack.clients;
    let publisher = AwsPublisher::new(
        clients.eventbridge().await.clone(),
        clients.sqs().await.clone(),
        settings.required("THROUGHLINE_EVENT_BUS")?,
        settings.family("THROUGHLINE_COMMAND_QUEUE_"),
    )
    .with_step_functions(clients.sfn().await.clone(), settings.family("THROUGHLINE_STATE_MACHINE_"));
    if settings.required("THROUGHLINE_SCHEDULE_GROUP").is_err() {
        return Ok(publisher);
    }
    let longest_delay = settings.required("THROUGHLINE_LONGEST_DELAY_SECONDS").ok();
    let longest_delay = longest_delay.and_then(|seconds| seconds.parse().ok()).map(Duration::from_secs);
    Ok(publisher.with_schedules(Schedules {
        client: clients.scheduler().await.clone(),
        group: settings.required("THROUGHLINE_SCHEDULE_GROUP")?,
        role_arn: settings.required("THROUGHLINE_SCHEDULE_ROLE_ARN")?,
        dead_letter_arn: settings.required("THROUGHLINE_SCHEDULE_DEAD_LETTER_ARN")?,
        target_arns: settings.family("THROUGHLINE_SCHEDULE_TARGET_"),
        longest_delay: longest_delay.unwrap_or(LONGEST_DELAY),
        time: Arc::new(Clock),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn settings_are_known_by_logical_names_and_what_is_missing_is_named() {
        let variables =
            json!({ "THROUGHLINE_COMMAND_QUEUE_AWAIT_PAYMENT": "url", "THROUGHLINE_LOG": "info" });
        let settings = Settings::of(&json!({ "Environment": { "Variables": variables } }));
        let queues = settings.family("THROUGHLINE_COMMAND_QUEUE_");
        assert_eq!(queues, BTreeMap::from([("await-payment".into(), "url".into())]));
        let error = settings.required("THROUGHLINE_EVENT_BUS").unwrap_err();
        assert!(error.contains("THROUGHLINE_EVENT_BUS"), "{error}");
    }
}
