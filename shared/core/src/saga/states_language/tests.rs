use crate::{
    Failure, Output, Saga, SagaInput, StepContext, Unwound,
    saga::{CallbackId, DefinitionError, Retry},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{collections::BTreeSet, time::Duration};

#[derive(Serialize, Deserialize)]
struct Trip {
    by_night: bool,
    leaves_at: String,
}

impl SagaInput for Trip {
    const SAGA: &'static str = "trip";
}

#[derive(Serialize, Deserialize)]
struct Seat;
#[derive(Serialize, Deserialize)]
struct Bed;
#[derive(Serialize, Deserialize)]
struct Visa;
#[derive(Serialize, Deserialize)]
struct Ticket;

struct Travel;

async fn seat(_: &Travel, _: &StepContext<'_>) -> Result<Output<Seat>, Failure> {
    Ok(Output::of(Seat))
}
async fn bed(_: &Travel, _: &StepContext<'_>) -> Result<Output<Bed>, Failure> {
    Ok(Output::of(Bed))
}
async fn ticket(_: &Travel, _: &StepContext<'_>) -> Result<Output<Ticket>, Failure> {
    Ok(Output::of(Ticket))
}
async fn ask(_: &Travel, _: CallbackId<Visa>, _: &StepContext<'_>) -> Result<(), Failure> {
    Ok(())
}
async fn undo_seat(_: &Travel, _: Option<Seat>, _: &StepContext<'_>) -> Result<(), Failure> {
    Ok(())
}
async fn undo_bed(_: &Travel, _: Option<Bed>, _: &StepContext<'_>) -> Result<(), Failure> {
    Ok(())
}
async fn undo_visa(_: &Travel, _: Option<Visa>, _: &StepContext<'_>) -> Result<(), Failure> {
    Ok(())
}
async fn apologise(_: &Travel, _: Unwound, _: &StepContext<'_>) -> Result<(), Failure> {
    Ok(())
}

const HOUR: Duration = Duration::from_hours(1);
const MINUTE: Duration = Duration::from_mins(1);

fn trip() -> Saga<Travel> {
    Saga::of::<Trip>().deadline(24 * HOUR)
}

/// Returns a saga of two steps that can be undone, and one that cannot.
fn plain() -> Saga<Travel> {
    trip().step("seat", seat).undo(undo_seat).step("bed", bed).undo(undo_bed).step("ticket", ticket).no_undo()
}

/// Returns a saga with a stage of every kind.
fn full() -> Saga<Travel> {
    trip()
        .step("seat", seat)
        .undo(undo_seat)
        .wait("reflect", MINUTE)
        .parallel("book", |book| {
            book.callback("visa", ask, HOUR).no_undo().step("bed", bed).only_if("by_night").undo(undo_bed)
        })
        .wait_until("departure", "leaves_at")
        .step("ticket", ticket)
        .only_if("by_night")
        .no_undo()
        .when_compensated("apologise", apologise)
}

/// Returns the compiled machine, after asserting the rules that hold for every machine.
fn machine(saga: &Saga<Travel>) -> Value {
    let text = saga.states_language().unwrap();
    let machine: Value = serde_json::from_str(&text).unwrap();
    let mut names = BTreeSet::new();
    assert_is_whole(&machine, &mut names);
    assert!(names.iter().all(|name| name.len() <= 80));
    machine
}

/// Asserts that every state that is named exists, that every state is reached, and that no name is used twice.
fn assert_is_whole(machine: &Value, names: &mut BTreeSet<String>) {
    let states = machine["States"].as_object().unwrap();
    let mut reached = BTreeSet::new();
    let mut ahead = vec![text(&machine["StartAt"])];
    while let Some(name) = ahead.pop() {
        let state = states.get(&name).unwrap_or_else(|| panic!("there is no state {name}"));
        if reached.insert(name) {
            ahead.extend(next_of(state));
            for branch in state["Branches"].as_array().into_iter().flatten() {
                assert_is_whole(branch, names);
            }
        }
    }
    for name in states.keys() {
        assert!(reached.contains(name), "{name} is never reached");
        assert!(names.insert(name.clone()), "{name} is used twice");
    }
}

fn next_of(state: &Value) -> Vec<String> {
    let onward: Vec<_> =
        [&state["Next"], &state["Default"]].into_iter().filter(|next| !next.is_null()).collect();
    let ends = state["End"] == true || state["Type"] == "Succeed" || state["Type"] == "Fail";
    assert_eq!(onward.len(), usize::from(!ends), "a state ends, or goes on to one other: {state}");
    let rules = [&state["Choices"], &state["Catch"]].into_iter().filter_map(Value::as_array).flatten();
    rules.map(|rule| &rule["Next"]).chain(onward).map(text).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// Returns the catchers of a state as pairs of error and next state, in order.
fn catch_of(machine: &Value, state: &str) -> Vec<(String, String)> {
    let catchers = machine["States"][state]["Catch"].as_array().unwrap();
    catchers.iter().map(|catcher| (text(&catcher["ErrorEquals"][0]), text(&catcher["Next"]))).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(error, next)| ((*error).to_owned(), (*next).to_owned())).collect()
}

/// Returns the names of the states that follow one another by `Next`.
fn path_from(machine: &Value, first: &str) -> Vec<String> {
    let next = |name: &String| machine["States"][name]["Next"].as_str().map(str::to_owned);
    std::iter::successors(Some(first.to_owned()), next).collect()
}

fn retriers(machine: &Value, state: &str) -> Vec<Value> {
    machine["States"][state]["Retry"].as_array().unwrap().clone()
}

fn errors(retrier: &Value) -> Vec<String> {
    retrier["ErrorEquals"].as_array().unwrap().iter().map(text).collect()
}

#[test]
fn a_saga_that_does_not_fit_together_has_no_machine() {
    let error = trip().states_language().unwrap_err();
    assert!(matches!(error, DefinitionError::TooFewSteps { .. }), "{error}");
}

#[test]
fn the_same_definition_gives_the_same_text() {
    let text = full().states_language().unwrap();
    assert_eq!(text, full().states_language().unwrap());
    assert_ne!(text, plain().states_language().unwrap());
    assert!(text.starts_with("{\n  \"Comment\": \"Generated from the saga `trip`, definition "));
    assert!(text.ends_with("}\n") && text.contains(&full().fingerprint()));
}

#[test]
fn states_are_written_in_the_order_they_happen() {
    let text = full().states_language().unwrap();
    let order = [
        "seat",
        "reflect",
        "book",
        "departure",
        "ticket-wanted",
        "ticket",
        "Completed",
        "undo_visa",
        "undo_bed",
        "undo_seat",
        "apologise",
        "Compensated",
        "Stuck",
    ];
    let at = order.map(|state| text.find(&format!("\n    \"{state}\": {{")).expect(state));
    assert!(at.is_sorted());
}

#[test]
fn a_task_tells_the_worker_all_it_needs_and_keeps_the_data_as_it_is() {
    let seat = machine(&plain())["States"]["seat"].clone();
    assert_eq!(seat["Type"], "Task");
    assert_eq!(seat["Resource"], "arn:aws:states:::lambda:invoke");
    assert_eq!(
        seat["Parameters"],
        json!({
            "FunctionName": "${WorkerArn}",
            "Payload": {
                "definition": plain().fingerprint(),
                "work": "run",
                "step": "seat",
                "execution.$": "$$.Execution.Name",
                "started_at.$": "$$.Execution.StartTime",
                "retries.$": "$$.State.RetryCount",
                "document.$": "$",
            }
        })
    );
    assert!(seat.as_object().unwrap().contains_key("ResultPath") && seat["ResultPath"].is_null());
}

#[test]
fn a_task_is_waited_for_ten_seconds_longer_than_its_worker_may_take() {
    let machine = machine(&full().worker_time_limit(Duration::from_millis(45_500)));
    for state in ["seat", "undo_seat", "apologise"] {
        assert_eq!(machine["States"][state]["TimeoutSeconds"], 56, "{state}");
    }
}

#[test]
fn a_callback_waits_for_its_token_as_long_as_it_says() {
    let saga = trip().callback("visa", ask, HOUR).no_undo();
    let visa = machine(&saga)["States"]["visa"].clone();
    assert_eq!(visa["Resource"], "arn:aws:states:::lambda:invoke.waitForTaskToken");
    assert_eq!(visa["TimeoutSeconds"], 3600);
    assert_eq!(visa["Parameters"]["Payload"]["task_token.$"], "$$.Task.Token");
}

#[test]
fn a_step_that_failed_is_undone_and_one_that_was_rejected_is_not() {
    let machine = machine(&plain());
    let expected =
        [("Saga.NotUnderstood", "Stuck"), ("Saga.Rejected", "undo_seat"), ("States.ALL", "undo_bed")];
    assert_eq!(catch_of(&machine, "bed"), pairs(&expected));
    assert_eq!(machine["States"]["bed"]["Catch"][1]["ResultPath"], "$.failed.bed");
    assert_eq!(machine["States"]["bed"]["Catch"][2]["ResultPath"], "$.failed.bed");
    assert_eq!(machine["States"]["bed"]["Catch"][0]["ResultPath"], "$.stuck.bed");
}

#[test]
fn a_first_step_that_was_rejected_leaves_nothing_to_undo() {
    let machine = machine(&plain());
    assert_eq!(catch_of(&machine, "seat")[1], ("Saga.Rejected".into(), "Compensated".into()));
}

#[test]
fn a_step_without_an_undo_is_voided_and_those_before_it_are_undone() {
    let machine = machine(&plain());
    let expected =
        [("Saga.NotUnderstood", "Stuck"), ("Saga.Rejected", "undo_bed"), ("States.ALL", "undo_ticket")];
    assert_eq!(catch_of(&machine, "ticket"), pairs(&expected));
    assert_eq!(path_from(&machine, "undo_ticket"), ["undo_ticket", "undo_bed", "undo_seat", "Compensated"]);
}

#[test]
fn a_step_without_an_undo_that_is_done_after_all_is_gone_on_from() {
    let machine = machine(&plain());
    assert_eq!(catch_of(&machine, "undo_ticket"), pairs(&[("Saga.Done", "Completed")]));
    assert_eq!(machine["States"]["undo_ticket"]["Catch"][0]["ResultPath"], "$.failed.ticket");
}

#[test]
fn undos_follow_one_another_back_to_the_first_step() {
    let machine = machine(&plain());
    assert_eq!(path_from(&machine, "undo_bed"), ["undo_bed", "undo_seat", "Compensated"]);
    assert_eq!(machine["States"]["undo_bed"]["Parameters"]["Payload"]["work"], "undo");
    assert_eq!(machine["States"]["undo_bed"]["Parameters"]["Payload"]["step"], "bed");
}

#[test]
fn an_undo_that_cannot_be_done_fails_the_execution_there_so_that_it_can_be_redriven() {
    let machine = machine(&full());
    for name in ["undo_bed", "undo_seat", "apologise"] {
        assert!(machine["States"][name].get("Catch").is_none(), "{name}");
        assert!(machine["States"][name].get("Retry").is_some(), "{name}");
    }
}

#[test]
fn what_no_worker_understands_is_stuck_and_everything_undone_is_a_success() {
    let machine = machine(&plain());
    assert_eq!(machine["States"]["Stuck"]["Type"], "Fail");
    assert_eq!(machine["States"]["Stuck"]["Error"], "Saga.Stuck");
    assert_eq!(machine["States"]["Compensated"]["Type"], "Succeed");
}

#[test]
fn an_ending_comes_after_the_last_undo() {
    let machine = machine(&full());
    assert_eq!(path_from(&machine, "undo_seat"), ["undo_seat", "apologise", "Compensated"]);
    assert_eq!(catch_of(&machine, "seat")[1].1, "apologise");
    assert_eq!(machine["States"]["apologise"]["Parameters"]["Payload"]["work"], "end");
    assert_eq!(retriers(&machine, "apologise")[3]["MaxAttempts"], Retry::UNDO.attempts);
}

#[test]
fn a_callback_that_timed_out_is_voided_and_one_that_was_answered_is_skipped_by_later_failures() {
    let saga = trip().step("seat", seat).undo(undo_seat).callback("visa", ask, HOUR).no_undo();
    let machine = machine(&saga.step("ticket", ticket).no_undo());
    assert_eq!(catch_of(&machine, "visa")[1], ("Saga.Rejected".into(), "undo_seat".into()));
    assert_eq!(catch_of(&machine, "visa")[2], ("States.ALL".into(), "undo_visa".into()));
    assert_eq!(machine["States"]["undo_visa"]["Next"], "undo_seat");
    assert_eq!(catch_of(&machine, "ticket")[1].1, "undo_seat");
}

#[test]
fn a_callback_with_an_undo_is_undone_by_later_failures() {
    let saga = trip().callback("visa", ask, HOUR).undo(undo_visa).step("ticket", ticket).no_undo();
    let machine = machine(&saga);
    assert_eq!(catch_of(&machine, "ticket")[1].1, "undo_visa");
}

#[test]
fn a_group_s_failure_undoes_all_of_it_in_reverse_order_and_what_came_before() {
    let saga = trip()
        .callback("visa", ask, HOUR)
        .undo(undo_visa)
        .parallel("book", |book| book.step("seat", seat).undo(undo_seat).step("bed", bed).undo(undo_bed));
    let machine = machine(&saga);
    let expected = [("Saga.NotUnderstood", "Stuck"), ("States.ALL", "undo_bed")];
    assert_eq!(catch_of(&machine, "book"), pairs(&expected));
    assert_eq!(path_from(&machine, "undo_bed"), ["undo_bed", "undo_seat", "undo_visa", "Compensated"]);
    let group = &machine["States"]["book"];
    assert_eq!(group["Catch"][1]["ResultPath"], "$.failed.book");
    assert!(group.as_object().unwrap().contains_key("ResultPath") && group["ResultPath"].is_null());
}

#[test]
fn a_branch_lets_its_group_decide() {
    let machine = machine(&full());
    let branch = &machine["States"]["book"]["Branches"][0];
    assert_eq!(branch["StartAt"], "visa");
    assert_eq!(branch["States"]["visa"]["End"], true);
    assert!(branch["States"]["visa"].get("Catch").is_none());
    assert!(branch["States"]["visa"].get("Retry").is_some());
}

#[test]
fn a_group_s_callbacks_are_voided_first_and_only_by_its_own_failure() {
    let machine = machine(&full());
    assert_eq!(catch_of(&machine, "book")[1].1, "undo_visa");
    assert_eq!(machine["States"]["undo_visa"]["Next"], "undo_bed");
    assert_eq!(catch_of(&machine, "ticket")[1].1, "undo_bed");
}

#[test]
fn a_group_without_undos_is_voided_and_undoes_what_came_before() {
    let saga = trip()
        .step("seat", seat)
        .undo(undo_seat)
        .parallel("book", |book| book.step("bed", bed).no_undo().step("ticket", ticket).no_undo());
    let machine = machine(&saga);
    assert_eq!(catch_of(&machine, "book")[1].1, "undo_ticket");
    assert_eq!(path_from(&machine, "undo_ticket"), ["undo_ticket", "undo_bed", "undo_seat", "Compensated"]);
}

#[test]
fn a_step_is_done_only_if_its_field_is_there_and_true() {
    let machine = machine(&full());
    assert_eq!(machine["States"]["departure"]["Next"], "ticket-wanted");
    assert_eq!(
        machine["States"]["ticket-wanted"],
        json!({
            "Type": "Choice",
            "Choices": [{
                "And": [
                    { "Variable": "$.data.by_night", "IsPresent": true },
                    { "Variable": "$.data.by_night", "BooleanEquals": true },
                ],
                "Next": "ticket",
            }],
            "Default": "Completed",
        })
    );
}

#[test]
fn a_branch_ends_without_its_step_if_that_is_not_wanted() {
    let machine = machine(&full());
    let branch = &machine["States"]["book"]["Branches"][1];
    assert_eq!(branch["StartAt"], "bed-wanted");
    assert_eq!(branch["States"]["bed-wanted"]["Default"], "bed-not-wanted");
    assert_eq!(branch["States"]["bed-not-wanted"]["Type"], "Succeed");
}

#[test]
fn waits_last_so_long_or_until_a_time_of_the_input() {
    let machine = machine(&full());
    assert_eq!(machine["States"]["reflect"], json!({ "Type": "Wait", "Seconds": 60, "Next": "book" }));
    let until = json!({ "Type": "Wait", "TimestampPath": "$.data.leaves_at", "Next": "ticket-wanted" });
    assert_eq!(machine["States"]["departure"], until);
    let choice = &machine["States"]["departure-wanted"];
    assert_eq!(
        choice["Choices"][0]["And"][1],
        json!({ "Variable": "$.data.leaves_at", "IsTimestamp": true })
    );
    assert_eq!(
        (&choice["Choices"][0]["Next"], &choice["Default"]),
        (&json!("departure"), &json!("ticket-wanted"))
    );
}

#[test]
fn a_busy_step_is_waited_for_until_its_lease_has_ended() {
    let saga = trip().step("seat", seat).time_limit(Duration::from_secs(45)).undo(undo_seat);
    let machine = machine(&saga);
    for (state, at) in [("seat", 0), ("undo_seat", 1)] {
        let busy = &retriers(&machine, state)[at];
        assert_eq!(errors(busy), ["Saga.Busy"]);
        assert_eq!((busy["IntervalSeconds"].as_u64(), busy["BackoffRate"].as_f64()), (Some(2), Some(1.0)));
        assert_eq!(busy["MaxAttempts"], 28, "2 s x 28 is 45 s of lease and 10 s of reserve");
    }
}

#[test]
fn a_worker_that_does_not_understand_is_waited_for_three_days() {
    let patient = retriers(&machine(&plain()), "seat")[1].clone();
    assert_eq!(errors(&patient), ["Saga.NotUnderstood"]);
    let number = |field: &str| patient[field].as_f64().unwrap();
    let (mut wait, mut waited, mut attempts) = (number("IntervalSeconds"), 0.0, 0.0);
    while attempts < number("MaxAttempts") {
        (waited, attempts) = (waited + wait, attempts + 1.0);
        wait = (wait * number("BackoffRate")).min(number("MaxDelaySeconds"));
    }
    let days = waited / 86_400.0;
    assert!((3.0..3.01).contains(&days), "{days} days");
}

#[test]
fn what_may_pass_is_tried_again_as_the_step_says() {
    let hurried = Retry { attempts: 7, first: Duration::from_secs(3), rate: 1.5, most: MINUTE };
    let saga = trip().step("seat", seat).retry(hurried).undo(undo_seat);
    let machine = machine(&saga);
    let retrier = &retriers(&machine, "seat")[2];
    assert_eq!(errors(retrier)[..3], ["Saga.Transient", "Saga.TimedOut", "States.Timeout"]);
    assert!(errors(retrier).contains(&"Sandbox.Timedout".into()));
    assert!(errors(retrier).contains(&"Lambda.Unknown".into()));
    let without_errors = Value::Object(
        retrier.as_object().unwrap().clone().into_iter().filter(|(name, _)| name != "ErrorEquals").collect(),
    );
    assert_eq!(
        without_errors,
        json!({
            "IntervalSeconds": 3,
            "BackoffRate": 1.5,
            "MaxDelaySeconds": 60,
            "MaxAttempts": 7,
            "JitterStrategy": "FULL",
        })
    );
    assert_eq!(retriers(&machine, "undo_seat")[3]["MaxAttempts"], Retry::UNDO.attempts);
}

#[test]
fn an_undo_is_tried_again_whatever_goes_wrong_unless_the_worker_says_that_it_is_final() {
    let machine = machine(&full());
    for state in ["undo_seat", "undo_ticket", "apologise"] {
        let retriers = retriers(&machine, state);
        assert_eq!(errors(&retriers[0]), ["Saga.UndoRejected", "Saga.Failed", "Saga.Done"]);
        assert_eq!(retriers[0]["MaxAttempts"], 0);
        assert_eq!(errors(retriers.last().unwrap()), ["States.ALL"], "alone and last, as it must be");
    }
}

#[test]
fn a_branch_ends_with_nothing_so_that_a_group_s_outputs_stay_small() {
    let machine = machine(&full());
    for branch in machine["States"]["book"]["Branches"].as_array().unwrap() {
        for (name, state) in branch["States"].as_object().unwrap() {
            let is_end = state["End"] == true || state["Type"] == "Succeed";
            let drops_all = state.as_object().unwrap().get("OutputPath").is_some_and(Value::is_null);
            assert_eq!(is_end, drops_all, "{name}");
        }
    }
}

#[test]
fn a_callback_that_was_refused_is_undone_if_it_can_be() {
    let machine = machine(&trip().callback("visa", ask, HOUR).undo(undo_visa));
    assert_eq!(catch_of(&machine, "visa")[1], ("Saga.Rejected".into(), "undo_visa".into()));
}

#[test]
fn waits_that_cannot_grow_stay_as_long_as_the_longest() {
    let steady = Retry { first: MINUTE, most: MINUTE, ..Retry::STEP };
    let retrier = retriers(&machine(&trip().step("seat", seat).retry(steady).no_undo()), "seat")[2].clone();
    assert_eq!((retrier["IntervalSeconds"].as_u64(), retrier["BackoffRate"].as_f64()), (Some(60), Some(1.0)));
    assert!(retrier.get("MaxDelaySeconds").is_none());
}

#[test]
fn no_answer_in_time_is_final_for_a_callback_alone() {
    let machine = machine(&trip().callback("visa", ask, HOUR).no_undo());
    let tried_again: Vec<_> = retriers(&machine, "visa").iter().flat_map(errors).collect();
    assert!(!tried_again.contains(&"States.Timeout".into()), "{tried_again:?}");
}

#[test]
fn what_is_final_is_not_tried_again() {
    let final_errors =
        ["Saga.Rejected", "Saga.Failed", "Saga.DeadlinePassed", "Saga.Voided", "Saga.UndoRejected"];
    let machine = machine(&full());
    for state in ["seat", "ticket"] {
        for error in retriers(&machine, state).iter().flat_map(errors) {
            assert!(!final_errors.contains(&error.as_str()), "{state}: {error}");
            assert!(!["States.ALL", "States.TaskFailed"].contains(&error.as_str()), "{state}: {error}");
        }
    }
}

#[test]
fn the_longest_name_of_a_step_makes_no_state_s_name_too_long() {
    let name: &'static str = String::leak("a".repeat(64));
    let other: &'static str = String::leak("b".repeat(64));
    let saga = trip().parallel("group", |group| {
        group.step(name, seat).only_if("by_night").undo(undo_seat).step(other, bed).undo(undo_bed)
    });
    machine(&saga);
    let too_long: &'static str = String::leak("a".repeat(65));
    let error = trip().step(too_long, seat).no_undo().states_language().unwrap_err();
    assert!(matches!(error, DefinitionError::BadName { .. }), "{error}");
}

#[test]
fn a_step_named_like_one_of_the_machine_s_own_states_is_no_clash() {
    let saga = trip()
        .step("seat", seat)
        .only_if("by_night")
        .undo(undo_seat)
        .step("seat_wanted", bed)
        .no_undo()
        .step("completed", ticket)
        .no_undo();
    machine(&saga);
}

#[test]
fn each_state_that_is_entered_and_the_start_are_billed() {
    let completed_and_start = 2;
    assert_eq!(plain().transitions_of_success(), 3 + completed_and_start);
    // The states entered are: seat, reflect, book with visa and without bed (which is decided, and ends), departure, no
    // ticket.
    assert_eq!(full().transitions_of_success(), 1 + 1 + (1 + 1 + 2) + 2 + 1 + completed_and_start);
}
