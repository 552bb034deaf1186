//! The loops over everything that can go wrong.

use throughline_testing::{
    fixtures::journey::{all_or_nothing, approved, undecided},
    saga::End,
};

/// 16 of each step, and 3 more of a callback.
const OF_STEPS: usize = 6 * 16 + 3;
/// 11 of an undo for each way to reach it: whose step is done and nobody knows, and, if it asks something
/// outside, whose step may be done.
const OF_UNDOS: usize = 11 + 3 * 2 * 11;
const OF_THE_ENDING: usize = 11;
const ALL: usize = OF_STEPS + OF_UNDOS + OF_THE_ENDING;

#[test]
fn without_faults_it_completes() {
    let run = approved().run();
    assert_eq!(run.end, End::Completed, "{run}");
    all_or_nothing(&run);
}

#[test]
fn every_fault_leaves_all_or_nothing() {
    assert_eq!(approved().every_fault(all_or_nothing), ALL);
}

#[test]
fn every_pair_of_faults_leaves_all_or_nothing() {
    assert_eq!(approved().every_pair_of_faults(all_or_nothing), ALL * (ALL - 1) / 2);
}

#[test]
fn every_fault_of_what_is_not_wanted_is_left_out() {
    assert_eq!(undecided(false).every_fault(all_or_nothing), ALL - 19);
}

#[test]
fn every_undo_is_missed() {
    assert_eq!(approved().idle_undos_not_missed(all_or_nothing), [""; 0]);
}
