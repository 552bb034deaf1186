//! The loops over everything that can go wrong with a saga: what they say of a fault that is not survived, and of undos
//! that nobody misses.

use throughline_core::saga::Work;
use throughline_testing::fixtures::journey::{approved, undecided};

#[test]
fn what_is_wrong_names_the_fault_and_how_to_run_it_alone() {
    let wrong = std::panic::catch_unwind(|| {
        undecided(false).every_fault(|run| assert_eq!(run.results(Work::Undo, "pay"), [""; 0]))
    });
    let wrong = wrong.expect_err("the payment is undone because of some fault");
    let text = wrong.downcast_ref::<String>().expect("it says why");
    let parts =
        ["with this fault: pay", "it ended: Compensated", "Undo pay #1: Done", "THROUGHLINE_FAULTS='pay"];
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
}

#[test]
fn who_looks_at_nothing_misses_no_undo() {
    assert_eq!(approved().idle_undos_not_missed(|_| {}), ["seat", "pay", "room", "car"]);
}
