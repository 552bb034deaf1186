use super::*;
use throughline_core::saga::TaskAnswer;

const MACHINE: &str = "arn:aws:states:eu-west-1:1:stateMachine:checkout";
const TOKEN: &str = "AAAA:the+token/=";

fn start(id: &str) -> Outgoing {
    message(id, Destination::StateMachine("checkout".into()), "small")
}

fn answer(answer: &TaskAnswer) -> Outgoing {
    let sent = message("a-1", Destination::Task { token: TOKEN.into() }, "small");
    let data = serde_json::value::to_raw_value(answer).unwrap();
    Outgoing { envelope: Envelope { data, ..sent.envelope }, ..sent }
}

async fn publish(answers: Vec<Answer>, messages: &[Outgoing]) -> (Vec<Delivery>, Fake) {
    let fake = Fake::new(answers);
    let elsewhere = Fake::new([]).config();
    let publisher = AwsPublisher::new(
        aws_sdk_eventbridge::Client::new(&elsewhere),
        aws_sdk_sqs::Client::new(&elsewhere),
        "shop-bus",
        [].into(),
    )
    .with_step_functions(
        aws_sdk_sfn::Client::new(&fake.config()),
        [("checkout".to_owned(), MACHINE.to_owned())].into(),
    );
    (publisher.publish(&messages.iter().collect::<Vec<_>>()).await, fake)
}

/// The delivery of one message.
async fn delivered(answers: Vec<Answer>, sent: &Outgoing) -> Delivery {
    publish(answers, std::slice::from_ref(sent)).await.0.remove(0)
}

fn started() -> Answer {
    (200, json!({ "executionArn": "arn:aws:states:eu-west-1:1:execution:checkout:e", "startDate": 1.0 }))
}

fn already_exists() -> Answer {
    error("ExecutionAlreadyExists", "Execution Already Exists: 'arn:...'")
}

fn described(input: &str) -> Answer {
    let arn = "arn:aws:states:eu-west-1:1:execution:checkout:s-1";
    let status = json!({
        "executionArn": arn, "stateMachineArn": MACHINE, "status": "SUCCEEDED", "startDate": 1.0, "input": input,
    });
    (200, status)
}

#[tokio::test]
async fn a_start_is_an_execution_named_by_the_messages_id_with_the_envelope_as_input() {
    let sent = start("s-1");
    let (deliveries, fake) = publish(vec![started()], std::slice::from_ref(&sent)).await;
    assert_eq!(
        (deliveries, fake.operations()),
        (vec![Delivery::Accepted], vec!["StartExecution".to_owned()])
    );
    let request = &fake.requests()[0];
    assert_eq!((&request["stateMachineArn"], &request["name"]), (&json!(MACHINE), &json!("s-1")));
    assert_eq!(request["input"], serde_json::to_string(&sent.envelope).unwrap());
}

#[tokio::test]
async fn an_execution_that_was_started_with_the_same_input_is_the_one() {
    let sent = start("s-1");
    // Step Functions need not give the input back letter by letter.
    let input = serde_json::to_string_pretty(&serde_json::to_value(&sent.envelope).unwrap()).unwrap();
    let (deliveries, fake) = publish(vec![already_exists(), described(&input)], &[sent]).await;
    assert_eq!(deliveries, [Delivery::Accepted]);
    assert_eq!(fake.operations(), ["StartExecution", "DescribeExecution"]);
    assert_eq!(fake.requests()[1]["executionArn"], "arn:aws:states:eu-west-1:1:execution:checkout:s-1");
}

#[tokio::test]
async fn an_execution_that_was_started_with_another_input_refuses_the_message() {
    for input in [r#"{"id":"another"}"#, "no JSON"] {
        let Delivery::Refused { error_type, reason } =
            delivered(vec![already_exists(), described(input)], &start("s-1")).await
        else {
            panic!("not refused");
        };
        assert_eq!(error_type, "ExecutionAlreadyExists");
        assert!(reason.contains("`checkout`") && reason.contains("`s-1`"), "{reason}");
    }
}

#[tokio::test]
async fn an_execution_that_cannot_be_looked_at_is_asked_for_again() {
    let (_, mut hidden) = described("");
    hidden.as_object_mut().unwrap().remove("input");
    let answers =
        [error("ExecutionDoesNotExist", "gone"), error("AccessDeniedException", "no"), (200, hidden)];
    for answer in answers {
        let delivery = delivered(vec![already_exists(), answer], &start("s-1")).await;
        assert!(matches!(delivery, Delivery::Retry(_)), "{delivery:?}");
    }
}

#[tokio::test]
async fn a_start_is_refused_for_what_it_holds_and_retried_for_everything_else() {
    let refused = [
        error("InvalidName", "Invalid Name: 's-1'"),
        error("InvalidExecutionInput", "Invalid State Machine Execution Input"),
        error("ValidationException", "Value at 'input' failed to satisfy constraint: length"),
    ];
    let retried = [
        error("StateMachineDoesNotExist", "State Machine Does Not Exist"),
        error("StateMachineDeleting", "is deleting"),
        error("AccessDeniedException", "not authorized to perform: states:StartExecution"),
        error("ExecutionLimitExceeded", "too many"),
        error("InvalidArn", "Invalid Arn: 'x'"),
        error("ValidationException", "Value at 'stateMachineArn' failed to satisfy constraint"),
    ];
    for answer in refused {
        let delivery = delivered(vec![answer], &start("s-1")).await;
        assert!(matches!(delivery, Delivery::Refused { .. }), "{delivery:?}");
    }
    for answer in retried {
        let delivery = delivered(vec![answer], &start("s-1")).await;
        assert!(matches!(delivery, Delivery::Retry(_)), "{delivery:?}");
    }
    let throttled = vec![error("ThrottlingException", "Rate exceeded"); 3];
    assert!(matches!(delivered(throttled, &start("s-1")).await, Delivery::Retry(_)));
}

#[tokio::test]
async fn an_id_that_no_execution_can_have_is_refused_without_asking() {
    for id in ["two words", "a:b", "a/b", "a\u{7}b", "", &"x".repeat(81)] {
        let (deliveries, fake) = publish(vec![], &[start(id)]).await;
        let Delivery::Refused { error_type, reason } = &deliveries[0] else { panic!("{id}: {deliveries:?}") };
        assert!(error_type == "InvalidName" && reason.contains(&format!("`{id}`")), "{reason}");
        assert!(fake.requests().is_empty());
    }
    for id in ["6f9619ff-8b86-d011-b42d-00c04fc964ff", "a.b_c-d", &"ä".repeat(80)] {
        assert_eq!(delivered(vec![started()], &start(id)).await, Delivery::Accepted, "{id}");
    }
}

#[tokio::test]
async fn starts_do_not_wait_for_each_others_success() {
    let answers = vec![error("ExecutionLimitExceeded", "too many"), started(), started()];
    let (deliveries, fake) = publish(answers, &[start("s-1"), start("s-2"), start("s-2")]).await;
    assert_eq!(deliveries.iter().filter(|delivery| **delivery == Delivery::Accepted).count(), 2);
    assert_eq!(fake.requests().len(), 3);
}

#[tokio::test]
async fn an_unknown_saga_names_its_setting() {
    let sent = message("s-1", Destination::StateMachine("slow-refund".into()), "small");
    let delivery = delivered(vec![], &sent).await;
    let Delivery::Retry(reason) = &delivery else { panic!("{delivery:?}") };
    assert!(reason.contains("THROUGHLINE_STATE_MACHINE_SLOW_REFUND"), "{reason}");
}

#[tokio::test]
async fn a_task_is_answered_with_its_output() {
    let success = TaskAnswer::Success { output: json!({ "paid": true }) };
    let (deliveries, fake) = publish(vec![(200, json!({}))], &[answer(&success)]).await;
    assert_eq!(
        (deliveries, fake.operations()),
        (vec![Delivery::Accepted], vec!["SendTaskSuccess".to_owned()])
    );
    let request = &fake.requests()[0];
    assert_eq!((&request["taskToken"], &request["output"]), (&json!(TOKEN), &json!(r#"{"paid":true}"#)));
}

#[tokio::test]
async fn a_task_that_failed_is_answered_with_as_much_as_fits() {
    let failure = TaskAnswer::Failure { error: "é".repeat(257), cause: "€".repeat(32_769) };
    let (deliveries, fake) = publish(vec![(200, json!({}))], &[answer(&failure)]).await;
    assert_eq!(
        (deliveries, fake.operations()),
        (vec![Delivery::Accepted], vec!["SendTaskFailure".to_owned()])
    );
    let request = &fake.requests()[0];
    assert_eq!(request["error"], "é".repeat(256));
    assert_eq!(request["cause"], "€".repeat(32_768));
}

#[tokio::test]
async fn an_answer_that_nobody_waits_for_is_settled_and_says_so() {
    let success = TaskAnswer::Success { output: Value::Null };
    for code in ["TaskTimedOut", "TaskDoesNotExist"] {
        let delivery = delivered(vec![error(code, "Task Timed Out: 'x'")], &answer(&success)).await;
        assert!(matches!(&delivery, Delivery::TooLate(reason) if reason.contains(code)), "{delivery:?}");
    }
}

#[tokio::test]
async fn an_answer_is_refused_for_what_it_holds_and_its_token_is_told_to_nobody() {
    let success = TaskAnswer::Success { output: Value::Null };
    let invalid = error("InvalidToken", &format!("Invalid Token: '{TOKEN}'"));
    let delivery = delivered(vec![invalid], &answer(&success)).await;
    let Delivery::Refused { error_type, reason } = &delivery else { panic!("{delivery:?}") };
    assert!(error_type == "InvalidToken" && !reason.contains(TOKEN), "{reason}");

    let too_long = error("InvalidOutput", "too long");
    assert!(matches!(delivered(vec![too_long], &answer(&success)).await, Delivery::Refused { .. }));
    let denied = error("AccessDeniedException", "not authorized to perform: states:SendTaskSuccess");
    assert!(matches!(delivered(vec![denied], &answer(&success)).await, Delivery::Retry(_)));

    let no_answer = message("a-1", Destination::Task { token: TOKEN.into() }, "small");
    let (deliveries, fake) = publish(vec![], &[no_answer]).await;
    assert!(
        matches!(&deliveries[0], Delivery::Refused { error_type, .. } if error_type == "MalformedTaskAnswer")
    );
    assert!(fake.requests().is_empty());
}

#[tokio::test]
async fn the_first_of_two_answers_to_one_task_is_sent_first() {
    let success = answer(&TaskAnswer::Success { output: Value::Null });
    let failure = answer(&TaskAnswer::Failure { error: "Late".into(), cause: String::new() });
    let answers = vec![(200, json!({})), error("TaskTimedOut", "gone")];
    let (deliveries, fake) = publish(answers, &[success, failure]).await;
    assert_eq!(fake.operations(), ["SendTaskSuccess", "SendTaskFailure"]);
    assert!(matches!(&deliveries[..], [Delivery::Accepted, Delivery::TooLate(_)]), "{deliveries:?}");
}

#[tokio::test(start_paused = true)]
async fn a_service_that_never_answers_costs_nobody_elses_answer() {
    let (events, elsewhere) = (Fake::new([accepted(1)]), Fake::new([]).config());
    let silence = aws_smithy_http_client::test_util::NeverClient::new();
    let silent = elsewhere.clone().into_builder().http_client(silence).build();
    let publisher = AwsPublisher::new(
        aws_sdk_eventbridge::Client::new(&events.config()),
        aws_sdk_sqs::Client::new(&elsewhere),
        "shop-bus",
        [].into(),
    )
    .with_step_functions(
        aws_sdk_sfn::Client::new(&silent),
        [("checkout".to_owned(), MACHINE.to_owned())].into(),
    );
    let deliveries = publisher.publish(&[&start("s-1"), &event("e-1"), &start("s-2")]).await;
    assert_eq!(deliveries[1], Delivery::Accepted);
    for delivery in [&deliveries[0], &deliveries[2]] {
        assert!(matches!(delivery, Delivery::Retry(reason) if reason.contains("4 seconds")), "{delivery:?}");
    }
}

#[test]
fn the_executions_of_a_version_or_alias_are_those_of_its_machine() {
    use crate::publisher::step_functions::execution_arn;
    for machine in [MACHINE.to_owned(), format!("{MACHINE}:3"), format!("{MACHINE}:live")] {
        assert_eq!(
            execution_arn(&machine, "e-1").unwrap(),
            "arn:aws:states:eu-west-1:1:execution:checkout:e-1"
        );
    }
    assert_eq!(execution_arn("checkout", "e-1"), None);
}
