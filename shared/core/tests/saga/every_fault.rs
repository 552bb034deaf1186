//! The loops over everything that can go wrong.

use std::{collections::BTreeSet, sync::Mutex};
use throughline_testing::{
    fixtures::journey::{all_or_nothing, approved, undecided},
    saga::{End, SagaRun},
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

/// Of the pairs, as many as run in some ten seconds; `scripts/test --all` runs every one.
const SOME_PAIRS: usize = 1500;
const SEED: u64 = 4;

#[test]
fn pairs_of_faults_leave_all_or_nothing() {
    let runs = approved().pairs_of_faults(SEED, SOME_PAIRS, all_or_nothing);
    let all = ALL * (ALL - 1) / 2;
    assert!([SOME_PAIRS, all].contains(&runs), "{runs} of {all}");
}

/// The seed alone chooses the pairs, and each is tried once.
#[test]
fn a_seed_chooses_pairs_of_faults_again_and_another_chooses_others() {
    let chosen = |seed| {
        let names = Mutex::new(Vec::new());
        let note = |run: &SagaRun<_>| names.lock().unwrap().push(format!("{:?}", run.injections));
        undecided(false).pairs_of_faults(seed, 50, note);
        let mut names = names.into_inner().unwrap();
        names.sort();
        names
    };
    let first = chosen(1);
    assert_eq!(first.iter().collect::<BTreeSet<_>>().len(), first.len());
    assert_eq!(chosen(1), first);
    if first.len() == 50 {
        assert_ne!(chosen(2), first);
    }
}

#[test]
fn every_fault_of_what_is_not_wanted_is_left_out() {
    assert_eq!(undecided(false).every_fault(all_or_nothing), ALL - 19);
}

#[test]
fn every_undo_is_missed() {
    assert_eq!(approved().idle_undos_not_missed(all_or_nothing), [""; 0]);
}
