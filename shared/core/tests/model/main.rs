//! The commit protocol as a small model, explored exhaustively: every order in which a source, its workers,
//! a ledger and the world outside can take their steps, with every request or answer lost, every worker
//! killed anywhere, every lease and every claim running out. It says what `process.rs` and the ledgers must
//! do, and why.
//!
//! Read [`rules`] for what the protocol demands, [`properties`] for what must never happen, and
//! [`scenarios`] for the worlds. [`state`] is all there is at one moment; [`steps`], [`tasks`] and
//! [`commits`] are what can happen next; [`ledger`] is what a ledger allows. [`search`] goes everywhere.
//! [`against_memory_ledger`] holds the model's ledger to the real one.
//!
//! # The rules earn their place
//!
//! With all of them nothing breaks. Switched off, each one breaks a property:
//!
//! | without | what breaks | because |
//! |---|---|---|
//! | `ClaimIsConditional` | doubled effect | two deliveries both commit |
//! | `ClaimNotBeforeEffects` | lost event | a worker dies in between, and the next finds a finished claim |
//! | `EffectsNotBeforeClaim` | doubled effect | a worker dies in between, and the next finds no claim |
//! | `SavesGoWithEvents` | half done | a change can be seen that nobody was told of |
//! | `SavesCheckVersions` | lost update | the second of two saves overwrites the first |
//! | `ReadsCheckVersions` | write skew | two doctors go off call, each having seen the other on call |
//! | `ConflictsDecideAgain` | lost update | an old decision is written over a new state |
//! | `OnlyFinishedIsDuplicate` | lost event | it is acknowledged for a worker that then dies |
//! | `PayloadsAreCompared` | lost event | another event with the same identity passes for done |
//! | `MismatchOnlyWhenFinished` | given up | it is dead-lettered for a worker that then gives up |
//! | `ConditionsCompareExpiry` | lost event | an accepted re-run meets a claim that nobody swept yet |
//! | `ClaimsOutliveRedelivery` | doubled effect | the claim is gone when the message comes again |
//! | `CommitBeforeAcknowledgement` | lost event | a worker dies in between |
//! | `UnknownIsNotSuccess` | lost event | the request never arrived |
//! | `OwnCommitIsRecognised` | disowned work | an attempt calls what it did itself a duplicate |
//! | `DeadLetterBeforeAcknowledgement` | lost event | a worker dies in between |
//! | `RejectedLeavesNoClaim` | lost event | once fixed and redriven, it passes for done |
//! | `RedeliveredIsRecalled` | ran for nothing | finished work is loaded, decided and refused again |
//! | `FailureIsRecalled` | given up | a handler refuses its own work, which is dead-lettered |
//! | `RecallIsConsistent` | given up | the same, since the finished claim is not seen yet |
//! | `ClaimBeforeCall` | overlapping calls | two deliveries both call |
//! | `LeaseIsNotShorter` | overlapping calls | a successor calls while the owner still does |
//! | `LeaseIsNotLonger` | waited for nobody | a successor waits though the owner's invocation is over |
//! | `EndedLeaseBindsNobody` | stuck | a dead owner keeps its claim |
//! | `TakeOverAfterLease` | overlapping calls | a successor calls while the owner still does |
//! | `LeaseIsKeptAtDeadline` | overlapping calls | a successor calls while the last call goes on outside |
//! | `OwnClaimIsRecognised` | waited for itself | the answer to its own claim was lost |
//! | `OwnerIsRandom` | zombie write | two copies of a message are both delivery number 1 |
//! | `CommitIsByOwner` | zombie write | a zombie finishes its successor's claim |
//! | `ReleaseIsByOwner` | zombie write | a zombie gives its successor's claim back |
//! | `ReleaseSparesFinished` | doubled effect | the answer to the commit was lost, so it gives the claim back |
//! | `IdempotencyKeyIsTheMessages` | doubled effect | a worker dies between its call and its commit |
//! | `TwinsAreGrouped` | waited for itself | the second of two copies waits for the first one's lease |
//! | `GroupsAreHeldBack` | out of order | what follows a message that failed overtakes it |
//! | `ItemsAppearOnce` | given up | the ledger refuses the transaction, and both events with it |
//! | `ReasonsSettleEach` | lost event | a duplicate's neighbours in the transaction pass for done |
//!
//! Not all of it is about truth. `RedeliveredIsRecalled` saves work. `LeaseIsNotLonger`,
//! `OwnClaimIsRecognised` and `TwinsAreGrouped` save waiting; for optimistic handlers grouping twins only
//! saves a cancelled transaction. `OwnCommitIsRecognised` keeps the verdicts honest.
//! `IdempotencyKeyIsTheMessages` needs a provider that plays along: with one that does not, the same
//! counterexample stands, and no protocol on this side removes it.
//!
//! # What is left out
//!
//! Sizes and limits; throttling and colliding transactions (a request that is lost is the same here);
//! folding a FIFO group into one commit (here its records commit one after another); dead-lettering a
//! message on its last delivery; how long anybody waits. Time is counted in invocations. DynamoDB's own
//! memory of request tokens is left out as well: owner tokens do without it.
//!
//! ```text
//! cargo test -p throughline-testing --test model -- --nocapture
//! ```

mod actions;
mod against_memory_ledger;
mod commits;
mod ledger;
mod properties;
mod rules;
mod scenarios;
mod search;
mod state;
mod steps;
mod tasks;

use actions::Action;
use properties::Property;
use rules::{Rule, Rules};
use scenarios::Scenario;
use search::{Report, explore};
use std::{collections::BTreeSet, thread};

#[test]
fn with_all_rules_nothing_breaks_and_everything_good_can_happen() {
    let mut fired = BTreeSet::new();
    let (mut all_states, mut all_moves) = (0, 0);
    for (scenario, report) in explore_all() {
        let Report { states, moves, actions, finished, rejected, broken } = report;
        let name = scenario.name;
        let result = if broken.is_empty() { "nothing breaks".into() } else { format!("{broken:?}") };
        println!("all rules, {name:45} {states:>7} states {moves:>8} steps  {result}");
        assert!(broken.is_empty(), "{name}");
        let events: BTreeSet<_> = (0..scenario.events.len()).collect();
        assert_eq!(finished, events, "{name}: every event finishes in some run");
        let expected = if scenario.may_reject { events } else { BTreeSet::new() };
        assert_eq!(rejected, expected, "{name}: exactly what deserves it is rejected in some run");
        fired.extend(actions);
        all_states += states;
        all_moves += moves;
    }
    println!("all rules, all scenarios: {all_states} states, {all_moves} steps");
    assert_eq!(fired, Action::all().into_iter().collect(), "everything that can happen did");
}

fn explore_all() -> Vec<(Scenario, Report)> {
    thread::scope(|scope| {
        let explore_one =
            |scenario: Scenario| scope.spawn(move || (scenario.clone(), explore(scenario, Rules::ALL, None)));
        let searches: Vec<_> = scenarios::all().into_iter().map(explore_one).collect();
        searches.into_iter().map(|search| search.join().expect("the search ends")).collect()
    })
}

/// Without the rule, the property is broken.
fn breaks(rule: Rule, scenario: Scenario, property: Property) {
    let name = scenario.name;
    assert!(scenarios::all().iter().any(|other| other.name == name), "`{name}` holds with all rules");
    let report = explore(scenario, Rules::without(rule), Some(property));
    let way = report.broken.get(&property).unwrap_or_else(|| panic!("{rule:?} breaks no {property:?}"));
    let steps: Vec<_> = way.iter().map(ToString::to_string).collect();
    println!(
        "without {:31}  {:17} {:>2} steps {:>6} states  {name}\n    {}",
        format!("{rule:?}"),
        format!("{property:?}"),
        steps.len(),
        report.states,
        steps.join(", "),
    );
}

/// One test a rule.
macro_rules! broken_rules {
    ($($test:ident: $rule:ident, $scenario:ident => $property:ident;)+) => {
        $(
            #[test]
            fn $test() {
                breaks(Rule::$rule, scenarios::$scenario(), Property::$property);
            }
        )+

        #[test]
        fn every_rule_is_switched_off_in_a_test() {
            assert_eq!([$(Rule::$rule),+], Rule::ALL);
        }
    };
}

broken_rules! {
    without_a_condition_on_the_claim_effects_are_doubled:
        ClaimIsConditional, one_event_and_its_copy => DoubledEffect;
    with_the_claim_before_the_effects_an_event_is_lost:
        ClaimNotBeforeEffects, one_event => LostEvent;
    with_the_effects_before_the_claim_they_are_doubled:
        EffectsNotBeforeClaim, one_event => DoubledEffect;
    with_saves_and_events_apart_an_event_is_half_done:
        SavesGoWithEvents, one_event => HalfDone;
    without_versions_on_saves_an_update_is_lost:
        SavesCheckVersions, two_events_change_one_entity => LostUpdate;
    without_versions_on_reads_writes_are_skewed:
        ReadsCheckVersions, two_doctors_go_off_call => WriteSkew;
    with_an_old_decision_sent_again_an_update_is_lost:
        ConflictsDecideAgain, two_events_change_one_entity => LostUpdate;

    with_held_claims_taken_for_finished_an_event_is_lost:
        OnlyFinishedIsDuplicate, leased_work => LostEvent;
    without_comparing_payloads_an_event_is_lost:
        PayloadsAreCompared, two_payloads_under_one_identity => LostEvent;
    with_mismatches_of_held_claims_a_good_event_is_given_up:
        MismatchOnlyWhenFinished, leased_work_and_another_payload => GivenUp;
    with_expiry_left_to_the_sweeper_an_event_is_lost:
        ConditionsCompareExpiry, an_event_that_is_run_again_after_its_claim_expired => LostEvent;
    with_claims_that_die_before_redelivery_effects_are_doubled:
        ClaimsOutliveRedelivery, an_event_that_is_run_again_after_its_claim_expired => DoubledEffect;

    acknowledged_before_its_commit_an_event_is_lost:
        CommitBeforeAcknowledgement, one_event => LostEvent;
    with_unknown_taken_for_success_an_event_is_lost:
        UnknownIsNotSuccess, one_event => LostEvent;
    without_recognising_its_commit_an_attempt_disowns_its_work:
        OwnCommitIsRecognised, one_event => DisownedWork;
    acknowledged_before_it_is_dead_lettered_an_event_is_lost:
        DeadLetterBeforeAcknowledgement, a_poisoned_event_is_fixed_and_redriven => LostEvent;
    with_claims_for_rejected_events_a_redriven_event_is_lost:
        RejectedLeavesNoClaim, a_poisoned_event_is_fixed_and_redriven => LostEvent;
    without_looking_first_finished_work_runs_again:
        RedeliveredIsRecalled, one_event => RanForNothing;
    without_looking_after_a_failure_finished_work_is_given_up:
        FailureIsRecalled, work_that_cannot_be_done_twice => GivenUp;
    without_looking_up_what_cannot_be_read_finished_work_is_given_up:
        UnreadIsRecalled, work_whose_type_changes => GivenUp;
    with_an_outdated_look_finished_work_is_given_up:
        RecallIsConsistent, work_that_cannot_be_done_twice => GivenUp;

    without_a_claim_before_the_call_calls_overlap:
        ClaimBeforeCall, leased_work => OverlappingCalls;
    with_leases_shorter_than_the_invocation_calls_overlap:
        LeaseIsNotShorter, leased_work => OverlappingCalls;
    with_leases_longer_than_the_invocation_others_wait_for_nobody:
        LeaseIsNotLonger, leased_work => WaitedForNobody;
    without_an_end_of_leases_an_event_is_stuck:
        EndedLeaseBindsNobody, leased_work => Stuck;
    with_claims_taken_over_early_calls_overlap:
        TakeOverAfterLease, leased_work => OverlappingCalls;
    with_claims_given_back_at_the_deadline_calls_overlap:
        LeaseIsKeptAtDeadline, leased_work => OverlappingCalls;
    without_recognising_its_claim_an_attempt_waits_for_itself:
        OwnClaimIsRecognised, leased_work => WaitedForItself;
    with_numbers_for_owners_a_zombie_writes:
        OwnerIsRandom, leased_work_and_zombies => ZombieWrite;
    with_commits_by_anybody_a_zombie_writes:
        CommitIsByOwner, leased_work_and_zombies => ZombieWrite;
    with_releases_by_anybody_a_zombie_writes:
        ReleaseIsByOwner, leased_work_and_zombies => ZombieWrite;
    with_finished_claims_released_effects_are_doubled:
        ReleaseSparesFinished, leased_work => DoubledEffect;
    with_a_key_an_attempt_the_provider_charges_twice:
        IdempotencyKeyIsTheMessages, leased_work => DoubledEffect;

    without_grouping_a_twin_waits_for_its_own_batch:
        TwinsAreGrouped, leased_twins_in_a_batch => WaitedForItself;
    without_holding_a_group_back_its_events_are_out_of_order:
        GroupsAreHeldBack, a_batch_of_a_fifo_group => OutOfOrder;
    with_an_item_twice_in_a_transaction_good_events_are_given_up:
        ItemsAppearOnce, a_batch_about_one_entity => GivenUp;
    without_a_reason_for_each_an_event_is_lost:
        ReasonsSettleEach, a_batch_of_two_events => LostEvent;
}
