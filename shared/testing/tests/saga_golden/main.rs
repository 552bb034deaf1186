//! A saga's files are found from the package's folder.

use serde::{Deserialize, Serialize};
use throughline_core::{prelude::*, saga::Worker};
use throughline_testing::{assert_definitions_are_known, assert_states_language_is_current};

#[derive(Serialize, Deserialize)]
struct Trip {
    to: String,
}

impl SagaInput for Trip {
    const SAGA: &'static str = "trip";
}

#[derive(Serialize, Deserialize)]
struct Seat;

struct Travel;

async fn seat(_: &Travel, _: Trip, _: &StepContext<'_>) -> Result<Output<Seat>, Failure> {
    Ok(Output::of(Seat))
}
async fn free(_: &Travel, _: Option<Seat>, _: &StepContext<'_>) -> Result<(), Failure> {
    Ok(())
}

fn trip() -> Saga<Travel> {
    Saga::of::<Trip>().step("seat", seat).undo(free)
}

#[test]
fn a_state_machine_that_was_written_for_the_definition_is_current() {
    assert_states_language_is_current(&trip(), "tests/saga_golden/trip.asl.json");
}

#[test]
fn definitions_that_are_listed_are_known() {
    assert_definitions_are_known(&Worker::new(trip(), Travel), "tests/saga_golden/trip.definitions");
}
