//! To Step Functions: sagas to start, and tasks to answer.

use super::{CallError, call_error, plan::Encoded, refused, unknown};
use crate::{describe, ledger::by_logical_name, settings::STATE_MACHINE};
use aws_sdk_sfn::error::{ProvideErrorMetadata, SdkError};
use serde_json::Value;
use std::{collections::BTreeMap, fmt};
use throughline_core::{
    internal::json_error::without_values, ledger::Outgoing, relay::Delivery, saga::TaskAnswer,
};

/// `SendTaskFailure` takes so many characters of a cause.
const LONGEST_CAUSE: usize = 32_768;
/// `SendTaskFailure` takes so many characters of an error.
const LONGEST_ERROR: usize = 256;
/// `StartExecution` takes so many characters of a name.
const LONGEST_NAME: usize = 80;

/// The code of an execution's name being taken.
const ALREADY_EXISTS: &str = "ExecutionAlreadyExists";

/// Step Functions, and the ARNs of the sagas' state machines.
#[derive(Debug, Clone)]
pub(super) struct StepFunctions {
    pub(super) client: aws_sdk_sfn::Client,
    pub(super) state_machines: BTreeMap<String, String>,
}

impl StepFunctions {
    /// Starts an execution, unless the same was started before.
    pub(super) async fn start(&self, saga: &str, message: Encoded<'_>) -> Delivery {
        let Some(state_machine) = by_logical_name(&self.state_machines, saga) else {
            let reason = unknown("the ARN of the saga's state machine", STATE_MACHINE, saga);
            return Delivery::Retry(reason);
        };
        let name = &message.outgoing.envelope.attributes.id;
        if !is_execution_name(name) {
            let reason = format!("the saga `{saga}` cannot be started: `{name}` can be no execution's name");
            return refused("InvalidName", reason);
        }
        let call = self.client.start_execution().state_machine_arn(state_machine).name(name);
        match call.input(&message.text).send().await.map_err(|error| failed(&error)) {
            Ok(_) => Delivery::Accepted,
            Err(error) if error.code == ALREADY_EXISTS => {
                self.was_started(saga, state_machine, name, &message.text).await
            }
            Err(error) => error.delivery(),
        }
    }

    /// Returns whether the execution that has the name is the one to be started.
    async fn was_started(&self, saga: &str, state_machine: &str, name: &str, input: &str) -> Delivery {
        let Some(execution) = execution_arn(state_machine, name) else {
            return Delivery::Retry(format!("`{state_machine}` is no ARN of a state machine"));
        };
        let found = match self.client.describe_execution().execution_arn(&execution).send().await {
            Ok(found) => found,
            Err(error) => return Delivery::Retry(describe(&error)),
        };
        let Some(found) = found.input else {
            return Delivery::Retry(format!("the input of the execution `{execution}` is not shown"));
        };
        if is_same_json(&found, input) {
            return Delivery::Accepted;
        }
        let reason =
            format!("the saga `{saga}` has an execution `{name}` that was started with another input");
        refused(ALREADY_EXISTS, reason)
    }

    /// Answers a task, if anybody still waits for it.
    pub(super) async fn answer(&self, token: &str, answer: TaskAnswer) -> Delivery {
        let sent = match answer {
            TaskAnswer::Success { output } => {
                let call = self.client.send_task_success().task_token(token).output(output.to_string());
                call.send().await.map(drop).map_err(|error| failed(&error))
            }
            TaskAnswer::Failure { error, cause } => {
                let call = self.client.send_task_failure().task_token(token);
                let call = call.error(at_most(&error, LONGEST_ERROR)).cause(at_most(&cause, LONGEST_CAUSE));
                call.send().await.map(drop).map_err(|error| failed(&error))
            }
        };
        let Err(error) = sent else { return Delivery::Accepted };
        // A token opens its task to whoever reads it.
        let error = CallError { reason: error.reason.replace(token, "(the token)"), ..error };
        match error.code.as_str() {
            "TaskDoesNotExist" | "TaskTimedOut" => Delivery::TooLate(error.reason),
            _ => error.delivery(),
        }
    }
}

/// The answer that a message holds.
pub(super) fn answer_in(outgoing: &Outgoing) -> Result<TaskAnswer, Delivery> {
    serde_json::from_str(outgoing.envelope.data.get()).map_err(|error| {
        let error = without_values(&error);
        refused("MalformedTaskAnswer", format!("its data is no answer to a task: {error}"))
    })
}

/// Returns whether `StartExecution` takes the name (API reference, `StartExecution`, `name`).
fn is_execution_name(name: &str) -> bool {
    let is_taken = |letter: char| {
        !letter.is_whitespace()
            && !letter.is_control()
            && !"<>{}[]?*\"#%\\^|~`$&,;:/".contains(letter)
            && !matches!(letter, '\u{fffe}' | '\u{ffff}')
    };
    (1..=LONGEST_NAME).contains(&name.chars().count()) && name.chars().all(is_taken)
}

/// `arn:aws:states:eu-west-1:1:stateMachine:checkout` has the executions
/// `arn:aws:states:eu-west-1:1:execution:checkout:<name>`, whatever its version or alias.
pub fn execution_arn(state_machine: &str, name: &str) -> Option<String> {
    let (place, machine) = state_machine.split_once(":stateMachine:")?;
    let machine = machine.split(':').next()?;
    Some(format!("{place}:execution:{machine}:{name}"))
}

fn is_same_json(one: &str, other: &str) -> bool {
    let read = serde_json::from_str::<Value>;
    matches!((read(one), read(other)), (Ok(one), Ok(other)) if one == other)
}

fn at_most(text: &str, characters: usize) -> &str {
    text.char_indices().nth(characters).map_or(text, |(end, _)| &text[..end])
}

fn failed<E, R>(error: &SdkError<E, R>) -> CallError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: fmt::Debug,
{
    let code = error.as_service_error().and_then(ProvideErrorMetadata::code);
    call_error(code, describe(error), &["statemachinearn", "state machine arn"])
}
