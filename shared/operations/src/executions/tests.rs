//! Histories as AWS and as the local cloud tell them.

use super::*;
use serde_json::json;
use throughline_aws::{Clients, testing::Fake};

const STATE_MACHINE: &str = "arn:aws:states:eu-west-1:1:stateMachine:shop-checkout";

async fn read(
    answers: impl IntoIterator<Item = throughline_aws::testing::Answer>,
) -> (Vec<HistoryEvent>, Fake) {
    let fake = Fake::new(answers);
    let clients = Clients::from_config(fake.config());
    let arn = execution_arn(STATE_MACHINE, "e-1").expect("an ARN");
    (history(clients.sfn().await, &arn).await.expect("a history"), fake)
}

fn failure(error: &str, cause: &str) -> Failure {
    Failure { error: error.into(), cause: cause.into() }
}

fn what(events: Vec<HistoryEvent>) -> Vec<Happening> {
    events.into_iter().map(|event| event.what).filter(|what| *what != Happening::Other).collect()
}

#[tokio::test]
async fn a_history_of_aws_is_read_page_by_page() {
    let first = json!({ "nextToken": "more", "events": [
        { "id": 1, "previousEventId": 0, "timestamp": 1_767_225_600.125, "type": "ExecutionStarted",
          "executionStartedEventDetails": { "input": "{}", "roleArn": "r" } },
        { "id": 2, "previousEventId": 0, "timestamp": 1_767_225_600.25, "type": "TaskStateEntered",
          "stateEnteredEventDetails": { "name": "charge", "input": "{}" } },
        { "id": 3, "previousEventId": 2, "timestamp": 1_767_225_600.25, "type": "TaskScheduled",
          "taskScheduledEventDetails": { "resourceType": "lambda", "resource": "invoke", "region": "eu-west-1",
              "parameters": "{}", "timeoutInSeconds": 70 } },
        { "id": 4, "previousEventId": 3, "timestamp": 1_767_225_600.25, "type": "TaskStarted",
          "taskStartedEventDetails": { "resourceType": "lambda", "resource": "invoke" } },
        { "id": 5, "previousEventId": 4, "timestamp": 1_767_225_601, "type": "TaskFailed",
          "taskFailedEventDetails": { "resourceType": "lambda", "resource": "invoke", "error": "Saga.Rejected",
              "cause": r#"{"errorType":"Saga.Rejected","errorMessage":"declined"}"# } },
    ] });
    let second = json!({ "events": [
        { "id": 6, "previousEventId": 5, "timestamp": 1_767_225_602, "type": "TaskTimedOut",
          "taskTimedOutEventDetails": { "resourceType": "lambda", "resource": "invoke", "error": "States.Timeout" } },
        { "id": 7, "previousEventId": 6, "timestamp": 1_767_225_602, "type": "TaskStateExited",
          "stateExitedEventDetails": { "name": "charge", "output": "{}" } },
        { "id": 8, "previousEventId": 7, "timestamp": 1_767_225_602, "type": "TaskScheduled",
          "taskScheduledEventDetails": { "resourceType": "lambda", "resource": "invoke.waitForTaskToken",
              "region": "eu-west-1", "parameters": "{}" } },
        { "id": 9, "previousEventId": 8, "timestamp": 1_767_225_602, "type": "TaskSucceeded",
          "taskSucceededEventDetails": { "resourceType": "lambda", "resource": "invoke",
              "output": r#"{"StatusCode":200,"Payload":{"output":7}}"# } },
        { "id": 10, "previousEventId": 9, "timestamp": 1_767_225_602, "type": "ExecutionAborted",
          "executionAbortedEventDetails": { "error": "Enough", "cause": "by hand" } },
        { "id": 11, "previousEventId": 10, "timestamp": 1_767_225_603, "type": "ExecutionRedriven",
          "executionRedrivenEventDetails": { "redriveCount": 1 } },
    ] });
    let (events, fake) = read([(200, first), (200, second)]).await;
    assert_eq!(events.len(), 11);
    assert_eq!((events[0].previous, events[4].previous), (None, Some(4)));
    assert_eq!(events[0].at.as_millisecond(), 1_767_225_600_125);
    let asked = fake.requests();
    assert_eq!(asked[0]["executionArn"], "arn:aws:states:eu-west-1:1:execution:shop-checkout:e-1");
    assert_eq!(asked[1]["nextToken"], "more");
    assert_eq!(
        what(events),
        [
            Happening::Entered { state: "charge".into(), kind: StateKind::Task },
            Happening::Attempted { awaits_answer: false },
            Happening::Failed(failure("Saga.Rejected", "declined")),
            Happening::Failed(failure("States.Timeout", "")),
            Happening::Exited { state: "charge".into() },
            Happening::Attempted { awaits_answer: true },
            Happening::Succeeded { output: json!({ "output": 7 }) },
            Happening::Ended { ending: Ending::Aborted, failure: failure("Enough", "by hand") },
            Happening::Redriven,
        ]
    );
}

/// It tells no `previousEventId`, no `TaskStarted`, and time-outs as failures.
#[tokio::test]
async fn a_history_of_the_local_cloud_is_read() {
    let answer = json!({ "events": [
        { "id": 1, "timestamp": 1_767_225_600.125, "type": "ExecutionStarted" },
        { "id": 2, "timestamp": 1_767_225_600.25, "type": "ChoiceStateEntered",
          "stateEnteredEventDetails": { "name": "approve-wanted", "input": "{}" } },
        { "id": 3, "timestamp": 1_767_225_600.25, "type": "TaskScheduled", "taskScheduledEventDetails": {
            "resourceType": "lambda", "resource": "arn:aws:states:::lambda:invoke.waitForTaskToken" } },
        { "id": 4, "timestamp": 1_767_225_600.25, "type": "TaskFailed", "taskFailedEventDetails": {
            "resource": "arn:aws:states:::lambda:invoke", "error": "States.Timeout", "cause": "too long" } },
        { "id": 5, "timestamp": 1_767_225_600.25, "type": "ExecutionSucceeded" },
    ] });
    let (events, _) = read([(200, answer)]).await;
    assert_eq!(events[2].previous, None);
    assert_eq!(
        what(events),
        [
            Happening::Entered { state: "approve-wanted".into(), kind: StateKind::Choice },
            Happening::Attempted { awaits_answer: true },
            Happening::Failed(failure("States.Timeout", "too long")),
            Happening::Ended { ending: Ending::Succeeded, failure: Failure::default() },
        ]
    );
}

#[tokio::test]
async fn who_may_not_ask_is_told_why() {
    let fake = Fake::new([throughline_aws::testing::error("AccessDeniedException", "not you")]);
    let clients = Clients::from_config(fake.config());
    let error = history(clients.sfn().await, "arn").await.expect_err("no history");
    assert!(error.to_string().contains("not you"), "{error}");
}

#[tokio::test]
async fn executions_are_listed_by_how_they_ended_page_by_page() {
    let execution = |stopped: Value| {
        json!({
            "executionArn": "a", "stateMachineArn": STATE_MACHINE, "name": "e", "status": "TIMED_OUT",
            "startDate": 1_767_225_600, "stopDate": stopped,
        })
    };
    let fake = Fake::new([
        (200, json!({ "executions": [execution(json!(1_767_225_601.5))], "nextToken": "more" })),
        (200, json!({ "executions": [execution(Value::Null), execution(json!(1_767_225_602))] })),
    ]);
    let clients = Clients::from_config(fake.config());
    let ended = ended(clients.sfn().await, STATE_MACHINE, Ending::TimedOut).await.unwrap();
    let ended: Vec<i64> = ended.iter().map(|at| at.as_millisecond()).collect();
    assert_eq!(ended, [1_767_225_601_500, 1_767_225_602_000]);
    let asked = &fake.requests()[0];
    assert_eq!(
        (&asked["stateMachineArn"], &asked["statusFilter"]),
        (&json!(STATE_MACHINE), &json!("TIMED_OUT"))
    );
}

#[tokio::test]
async fn a_state_machine_that_is_not_there_is_named() {
    let fake = Fake::new([throughline_aws::testing::error("StateMachineDoesNotExist", "no")]);
    let clients = Clients::from_config(fake.config());
    let said = ended(clients.sfn().await, STATE_MACHINE, Ending::Failed).await.unwrap_err().to_string();
    assert_eq!(
        said,
        format!("the executions of {STATE_MACHINE} cannot be listed: StateMachineDoesNotExist: no")
    );
}
