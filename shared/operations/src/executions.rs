//! The history that Step Functions keeps of an execution: the only record of failed attempts and of waits.

use crate::OperateError;
use aws_sdk_sfn::{
    Client,
    primitives::DateTime,
    types::{ExecutionStatus, HistoryEvent as Event, HistoryEventType as Type},
};
use serde_json::Value;
use throughline_aws::internal::describe;
use throughline_core::Timestamp;

/// Something that happened in an execution.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryEvent {
    /// Its number in the execution.
    pub id: i64,
    /// The number of what it follows from, if it is told.
    pub previous: Option<i64>,
    /// When it happened.
    pub at: Timestamp,
    /// The event itself.
    pub what: Happening,
}

/// The events of an execution that a person who follows it needs.
#[derive(Debug, Clone, PartialEq)]
pub enum Happening {
    /// A state was entered.
    Entered {
        /// Its name.
        state: String,
        /// The kind of the state.
        kind: StateKind,
    },
    /// A state was left.
    Exited {
        /// Its name.
        state: String,
    },
    /// A task is to be done, for the first time or again.
    Attempted {
        /// Whether the state waits for a callback.
        awaits_answer: bool,
    },
    /// A task was done.
    Succeeded {
        /// The output, if it is shown; else null.
        output: Value,
    },
    /// A task failed, or took too long.
    Failed(Failure),
    /// The execution ended.
    Ended {
        /// The end.
        ending: Ending,
        /// Why, if it did not succeed.
        failure: Failure,
    },
    /// An execution that had ended was made to go on.
    Redriven,
    /// Anything else.
    Other,
}

/// The kind of a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateKind {
    /// It has something done.
    Task,
    /// It waits.
    Wait,
    /// It decides what is next.
    Choice,
    /// It does several things at the same time.
    Parallel,
    /// It ends the execution well.
    Succeed,
    /// It ends the execution badly.
    Fail,
    /// Anything else.
    Other,
}

/// The end of an execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// In a state that ends it well.
    Succeeded,
    /// By an error that nothing caught, or in a state that ends it badly.
    Failed,
    /// It took too long.
    TimedOut,
    /// Somebody stopped it.
    Aborted,
}

/// Why something failed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Failure {
    /// The error's name.
    pub error: String,
    /// The cause, in words.
    pub cause: String,
}

impl Failure {
    fn new(error: Option<&str>, cause: Option<&str>) -> Self {
        let cause = cause.unwrap_or_default();
        // Of a Lambda function: what its runtime reported.
        let reported: Value = serde_json::from_str(cause).unwrap_or_default();
        let cause = reported["errorMessage"].as_str().unwrap_or(cause);
        Self { error: error.unwrap_or_default().to_owned(), cause: cause.to_owned() }
    }
}

/// The ARN of the execution with this name.
pub fn execution_arn(state_machine_arn: &str, name: &str) -> Option<String> {
    throughline_aws::internal::execution_arn(state_machine_arn, name)
}

/// Everything that has happened in an execution so far.
///
/// # Errors
/// If Step Functions does not know it (yet, or any more), or does not say.
pub async fn history(client: &Client, execution_arn: &str) -> Result<Vec<HistoryEvent>, OperateError> {
    let mut pages =
        client.get_execution_history().execution_arn(execution_arn).max_results(1000).into_paginator().send();
    let mut events = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| OperateError {
            what: "the execution's history cannot be read".to_owned(),
            reason: describe(&error),
        })?;
        events.extend(page.events.iter().filter_map(event));
    }
    Ok(events)
}

/// Returns when executions of a state machine ended in this way, the last first.
///
/// # Errors
/// If Step Functions does not list them.
pub async fn ended(
    client: &Client,
    state_machine_arn: &str,
    ending: Ending,
) -> Result<Vec<Timestamp>, OperateError> {
    let status = match ending {
        Ending::Succeeded => ExecutionStatus::Succeeded,
        Ending::Failed => ExecutionStatus::Failed,
        Ending::TimedOut => ExecutionStatus::TimedOut,
        Ending::Aborted => ExecutionStatus::Aborted,
    };
    let asked = client.list_executions().state_machine_arn(state_machine_arn).status_filter(status);
    let mut pages = asked.into_paginator().send();
    let mut ended = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| OperateError {
            what: format!("the executions of {state_machine_arn} cannot be listed"),
            reason: describe(&error),
        })?;
        let stopped = page.executions.iter().filter_map(|execution| execution.stop_date.as_ref());
        ended.extend(stopped.filter_map(timestamp));
    }
    Ok(ended)
}

fn event(event: &Event) -> Option<HistoryEvent> {
    Some(HistoryEvent {
        id: event.id,
        previous: Some(event.previous_event_id).filter(|previous| *previous > 0),
        at: timestamp(&event.timestamp)?,
        what: happening(event),
    })
}

fn timestamp(time: &DateTime) -> Option<Timestamp> {
    Timestamp::from_nanosecond(time.as_nanos()).ok()
}

fn happening(event: &Event) -> Happening {
    if let Some(entered) = event.state_entered_event_details() {
        return Happening::Entered { state: entered.name.clone(), kind: kind_of(&event.r#type) };
    }
    if let Some(exited) = event.state_exited_event_details() {
        return Happening::Exited { state: exited.name.clone() };
    }
    match &event.r#type {
        Type::TaskScheduled | Type::LambdaFunctionScheduled => {
            let resource = event.task_scheduled_event_details().map(|details| details.resource.as_str());
            let awaits_answer = resource.is_some_and(|resource| resource.ends_with(".waitForTaskToken"));
            Happening::Attempted { awaits_answer }
        }
        Type::TaskSucceeded | Type::LambdaFunctionSucceeded => Happening::Succeeded { output: output(event) },
        Type::ExecutionRedriven => Happening::Redriven,
        _ => ended_by(event).or_else(|| failed(event)).unwrap_or(Happening::Other),
    }
}

fn kind_of(entered: &Type) -> StateKind {
    match entered {
        Type::TaskStateEntered => StateKind::Task,
        Type::WaitStateEntered => StateKind::Wait,
        Type::ChoiceStateEntered => StateKind::Choice,
        Type::ParallelStateEntered => StateKind::Parallel,
        Type::SucceedStateEntered => StateKind::Succeed,
        Type::FailStateEntered => StateKind::Fail,
        _ => StateKind::Other,
    }
}

fn output(event: &Event) -> Value {
    let of_task = event.task_succeeded_event_details().and_then(|details| details.output());
    let of_function = event.lambda_function_succeeded_event_details().and_then(|details| details.output());
    let output = of_task.or(of_function).unwrap_or("null");
    let mut output: Value = serde_json::from_str(output).unwrap_or_default();
    // `lambda:invoke` wraps what the function returned.
    output.get_mut("Payload").map(Value::take).unwrap_or(output)
}

/// A failure, however far the task had come.
fn failed(event: &Event) -> Option<Happening> {
    macro_rules! first_of {
        ($($details:ident),+) => {
            None$(.or_else(|| event.$details().map(|details| Failure::new(details.error(), details.cause()))))+
        };
    }
    let failure: Option<Failure> = first_of!(
        task_failed_event_details,
        task_timed_out_event_details,
        task_start_failed_event_details,
        task_submit_failed_event_details,
        lambda_function_failed_event_details,
        lambda_function_timed_out_event_details,
        lambda_function_start_failed_event_details,
        lambda_function_schedule_failed_event_details
    );
    failure.map(Happening::Failed)
}

fn ended_by(event: &Event) -> Option<Happening> {
    let (ending, failure) = match &event.r#type {
        Type::ExecutionSucceeded => (Ending::Succeeded, None),
        Type::ExecutionFailed => {
            let details = event.execution_failed_event_details();
            (Ending::Failed, details.map(|details| Failure::new(details.error(), details.cause())))
        }
        Type::ExecutionTimedOut => {
            let details = event.execution_timed_out_event_details();
            (Ending::TimedOut, details.map(|details| Failure::new(details.error(), details.cause())))
        }
        Type::ExecutionAborted => {
            let details = event.execution_aborted_event_details();
            (Ending::Aborted, details.map(|details| Failure::new(details.error(), details.cause())))
        }
        _ => return None,
    };
    Some(Happening::Ended { ending, failure: failure.unwrap_or_default() })
}

#[cfg(test)]
mod tests;
