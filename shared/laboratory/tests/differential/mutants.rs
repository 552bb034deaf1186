//! State machines with one thing wrong each, and the fault that shows it.

use crate::{cases::Case, script::Expected};
use serde_json::{Value, json};

/// A state machine that is wrong.
pub(crate) struct Mutant<'a> {
    pub(crate) what: &'static str,
    pub(crate) case: &'a Case,
    pub(crate) states_language: String,
    /// The run of the right machine.
    pub(crate) expected: Expected,
}

/// A mutant: its name, its saga, the fault that shows it, and the change to the machine's states.
type Change = (&'static str, &'static str, &'static str, fn(&mut Value));

const CHECKOUT: &str = "checkout";
const APPROVED: &str = "checkout-with-approval";
const JOURNEY: &str = "journey";
const NOTHING: &str = "";

const CHANGES: [Change; 29] = [
    ("a step is left out", CHECKOUT, NOTHING, |states| states["charge"]["Next"] = json!("confirm")),
    ("a step asks for another", CHECKOUT, NOTHING, |states| {
        states["ship"]["Parameters"]["Payload"]["step"] = json!("charge");
    }),
    ("another definition is named", CHECKOUT, NOTHING, |states| {
        states["ship"]["Parameters"]["Payload"]["definition"] = json!("0");
    }),
    ("what started it is lost", CHECKOUT, NOTHING, |states| states["charge"]["ResultPath"] = json!("$")),
    ("success ends as if undone", CHECKOUT, NOTHING, |states| {
        states["confirm"]["Next"] = json!("Compensated");
    }),
    ("an answer is not waited for", APPROVED, NOTHING, |states| {
        states["approve"]["Resource"] = json!("arn:aws:states:::lambda:invoke");
    }),
    ("what is not wanted is done", CHECKOUT, NOTHING, |states| {
        states["approve-wanted"]["Default"] = json!("approve");
    }),
    ("what is wanted is not done", APPROVED, NOTHING, |states| {
        states["approve-wanted"]["Choices"][0]["Next"] = json!("ship");
    }),
    ("nothing is tried again", CHECKOUT, "charge fails once", |states| states["charge"]["Retry"] = json!([])),
    ("retries are not counted", CHECKOUT, "charge fails once", |states| {
        states["charge"]["Parameters"]["Payload"]["retries.$"] = json!("$.data.total.cents");
    }),
    ("it is tried once too often", CHECKOUT, "charge fails always", |states| tries(states, "charge", 1)),
    ("it is tried once too little", CHECKOUT, "charge fails always", |states| tries(states, "charge", -1)),
    ("an undo is tried once too little", CHECKOUT, "the undo of ship fails always", |states| {
        tries(states, "undo_ship", -1);
    }),
    (
        "an undo is asked again though it is refused",
        CHECKOUT,
        "the undo of charge fails for good, after charge is done and never answers",
        |states| {
            states["undo_charge"]["Retry"].as_array_mut().expect("it is a list").remove(0);
        },
    ),
    ("a death is final", CHECKOUT, "charge dies before its commit", |states| {
        states["charge"]["Retry"][2]["ErrorEquals"] = json!(["Saga.Transient", "Saga.TimedOut"]);
    }),
    ("a lease is not waited for", CHECKOUT, "charge dies before its commit", |states| {
        states["charge"]["Retry"][0]["ErrorEquals"] = json!(["Saga.Other"]);
    }),
    ("silence is asked again", APPROVED, "approve is never answered", |states| {
        states["approve"]["Retry"][2]["ErrorEquals"] = json!(["States.Timeout"]);
    }),
    ("a refusal skips an undo", CHECKOUT, "ship fails for good", |states| {
        states["ship"]["Catch"][1]["Next"] = json!("undo_reserve");
    }),
    ("what was refused is undone", CHECKOUT, "ship fails for good", |states| {
        states["ship"]["Catch"][1]["Next"] = json!("undo_ship");
    }),
    ("what may have happened is not undone", CHECKOUT, "ship fails always", |states| {
        states["ship"]["Catch"][2]["Next"] = json!("undo_charge");
    }),
    ("an undo skips the next", CHECKOUT, "ship fails for good", |states| {
        states["undo_charge"]["Next"] = json!("cancel");
    }),
    ("the ending is left out", CHECKOUT, "ship fails for good", |states| {
        states["undo_reserve"]["Next"] = json!("Compensated");
    }),
    ("the ending is told of another step", CHECKOUT, "ship fails for good", |states| {
        states["ship"]["Catch"][1]["ResultPath"] = json!("$.failed.charge");
    }),
    ("an undo that is refused is passed over", CHECKOUT, "the undo of charge fails for good", |states| {
        states["undo_charge"]["Catch"] = json!([caught("undo_reserve")]);
    }),
    ("an undo that is refused fails elsewhere", CHECKOUT, "the undo of charge fails for good", |states| {
        states["undo_charge"]["Catch"] = json!([caught("Stuck")]);
    }),
    ("what is done after all is undone", APPROVED, "approve is answered and never told", |states| {
        states["undo_approve"]["Catch"][0]["Next"] = json!("undo_charge");
    }),
    ("one of a group is left out", JOURNEY, NOTHING, |states| {
        states["book"]["Branches"].as_array_mut().expect("it is a group").pop();
    }),
    ("one of a group is not undone", JOURNEY, "room fails for good", |states| {
        states["book"]["Catch"][1]["Next"] = json!("undo_room");
    }),
    ("a wait is left out", JOURNEY, NOTHING, |states| states["book"]["Next"] = json!("approve-wanted")),
];

fn caught(next: &str) -> Value {
    json!({ "ErrorEquals": ["States.ALL"], "ResultPath": "$.stuck.charge", "Next": next })
}

/// The last retrier is the one that a definition chooses.
fn tries(states: &mut Value, state: &str, more: i64) {
    let retriers = states[state]["Retry"].as_array_mut().expect("it is a list");
    let attempts = &mut retriers.last_mut().expect("something is tried again")["MaxAttempts"];
    *attempts = json!(attempts.as_i64().expect("it is a number") + more);
}

pub(crate) fn mutants(cases: &[Case]) -> Vec<Mutant<'_>> {
    CHANGES.iter().map(|change| mutant(cases, change)).collect()
}

fn mutant<'a>(cases: &'a [Case], (what, case, fault, change): &Change) -> Mutant<'a> {
    let case = cases.iter().find(|other| other.name == *case).expect("it is a case");
    let mut machine: Value = serde_json::from_str(&case.states_language).expect("it is JSON");
    let right = machine.clone();
    change(&mut machine["States"]);
    assert_ne!(machine, right, "{what}: nothing is changed");
    let faults = if fault.is_empty() { Vec::new() } else { vec![case.fault(fault)] };
    Mutant { what, case, states_language: machine.to_string(), expected: case.run(&faults) }
}
