//! Definitions that do not fit together.

use throughline_core::{prelude::*, saga::DefinitionError};
use throughline_testing::fixtures::journey::{Car, Journey, Paid, Room, Seat, Travel};

async fn seat(_: &Travel, _: Journey, _: &StepContext<'_>) -> Result<Output<Seat>, Failure> {
    Ok(Output::of(Seat { train: "t-1".into() }))
}

async fn maybe_seat(_: &Travel, _: &StepContext<'_>) -> Result<Output<Option<Seat>>, Failure> {
    Ok(Output::of(None))
}

async fn room(_: &Travel, _: Paid, _: &StepContext<'_>) -> Result<Output<Room>, Failure> {
    Ok(Output::of(Room { room_id: "r-1".into() }))
}

async fn undo_seat(_: &Travel, _: Option<Seat>, _: Car, _: &StepContext<'_>) -> Result<(), Failure> {
    Ok(())
}

fn saga() -> Saga<Travel> {
    Saga::of::<Journey>()
}

fn wrong(saga: &Saga<Travel>) -> (DefinitionError, String) {
    let error = saga.check().expect_err("it does not fit together");
    let text = error.to_string();
    (error, text)
}

#[test]
fn a_step_that_reads_what_nothing_gives_is_named_with_what_there_is() {
    let (_, text) = wrong(&saga().step("seat", seat).no_undo().step("room", room).no_undo());
    for name in ["`journey`", "`room`", "`Paid`", "the input `Journey`", "`Seat` of `seat`"] {
        assert!(text.contains(name), "{name} is not in: {text}");
    }
}

#[test]
fn an_undo_that_reads_what_nothing_gives_is_named() {
    let (_, text) = wrong(&saga().step("seat", seat).undo(undo_seat));
    for name in ["the undo of seat", "`Car`", "the input `Journey`"] {
        assert!(text.contains(name), "{name} is not in: {text}");
    }
}

#[test]
fn steps_of_a_group_cannot_read_each_other() {
    let group = saga().parallel("both", |both| {
        both.step("seat", seat)
            .no_undo()
            .step("room", |_: &Travel, _: Seat, _: &StepContext<'_>| {
                std::future::ready(Ok(Output::<Room>::of(Room { room_id: String::new() })))
            })
            .no_undo()
    });
    let (error, _) = wrong(&group);
    assert!(matches!(error, DefinitionError::NothingGives { missing: "Seat", .. }), "{error:?}");
}

#[test]
fn what_is_given_twice_is_refused() {
    let (error, _) = wrong(&saga().step("seat", seat).no_undo().step("again", seat).no_undo());
    assert!(matches!(error, DefinitionError::GivenTwice { step: "again", data: "Seat", .. }), "{error:?}");
}

#[test]
fn what_is_given_twice_as_an_option_is_refused() {
    let twice = saga().step("maybe", maybe_seat).no_undo().step("seat", seat).only_if("is_dear").no_undo();
    let (error, _) = wrong(&twice);
    assert!(matches!(error, DefinitionError::GivenTwice { step: "seat", .. }), "{error:?}");
}

#[test]
fn a_condition_on_a_field_that_the_input_does_not_have_is_refused() {
    let (error, text) = wrong(&saga().step("seat", seat).only_if("is_cheap").no_undo());
    assert!(matches!(error, DefinitionError::NoSuchField { field: "is_cheap", .. }), "{error:?}");
    assert!(text.contains("journey_id, is_dear"), "{text}");
}
