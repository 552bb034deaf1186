//! The conformance suite every ledger must pass.
//!
//! [`ledger_conformance!`](crate::ledger_conformance) expands into one test a case. It takes an async
//! function that makes a fresh [`LedgerUnderTest`]; the crate that calls it needs `tokio` with `macros`
//! and `rt`.
//!
//! ```
//! use throughline_testing::MemoryLedger;
//!
//! async fn fresh() -> MemoryLedger {
//!     MemoryLedger::default()
//! }
//! throughline_testing::ledger_conformance!(fresh);
//! ```
//!
//! All times in the suite lie in the future, so that a database which removes expired items by its own
//! clock does not interfere. They are whole seconds: a ledger may round an expiry up to the next second and
//! the end of a lease to the next millisecond.

pub mod batches;
pub mod commits;
pub mod entities;
pub mod fixtures;
pub mod leases;
pub mod races;
pub mod values;
pub mod versions;

use crate::MemoryLedger;
use fixtures::Stock;
use futures_util::future::BoxFuture;
use throughline_core::{
    Version,
    ledger::{Ledger, Outgoing},
};

/// A ledger, and what the suite must be able to see and do behind its back.
///
/// The ledger must have the tables of one's own that [`fixtures::Stock`] and [`fixtures::Shelf`] name.
pub trait LedgerUnderTest: Send + Sync {
    /// The ledger.
    fn ledger(&self) -> &dyn Ledger;

    /// Every message it has written, in any order.
    fn log(&self) -> BoxFuture<'_, Vec<Outgoing>>;

    /// Stores an item the way a program would that knows nothing of ledgers: without a version.
    fn put_as_another_program<'a>(&'a self, stock: &'a Stock) -> BoxFuture<'a, ()>;
}

impl LedgerUnderTest for MemoryLedger {
    fn ledger(&self) -> &dyn Ledger {
        self
    }

    fn log(&self) -> BoxFuture<'_, Vec<Outgoing>> {
        Box::pin(async { MemoryLedger::log(self) })
    }

    fn put_as_another_program<'a>(&'a self, stock: &'a Stock) -> BoxFuture<'a, ()> {
        Box::pin(async { self.seed(stock, Version::Unversioned) })
    }
}

/// One test a case of the suite, each with a fresh ledger from the async function given.
#[macro_export]
macro_rules! ledger_conformance {
    ($fresh:path) => {
        $crate::__ledger_conformance! { $fresh;
            commits: [
                a_first_commit_commits_all_of_it,
                a_commit_of_nothing_but_its_claim_happens_once,
                the_same_message_again_is_a_duplicate_and_changes_nothing,
                the_same_identity_with_another_payload_is_a_mismatch,
                a_claim_under_a_former_hash_of_the_payload_is_a_duplicate,
                the_same_commit_sent_again_after_a_lost_answer_says_committed,
                a_commit_whose_answer_was_lost_says_committed_even_after_its_entity_moved_on,
                an_expired_claim_can_be_taken_again_and_its_messages_are_sent_again,
                two_handlers_of_one_message_do_not_meet,
                one_failed_commit_of_a_batch_leaves_the_others_alone,
                events_and_commands_are_in_the_log_with_their_destinations,
                what_is_scheduled_started_and_answered_is_in_the_log_as_it_is,
                events_of_a_saved_aggregate_keep_their_sequences,
            ]
            versions: [
                a_version_conflict_changes_nothing_at_all,
                what_was_read_and_changed_meanwhile_is_a_conflict,
                what_was_read_and_is_unchanged_lets_the_commit_through,
                what_was_absent_when_read_and_exists_now_is_a_conflict,
                what_was_absent_when_loaded_and_exists_now_cannot_be_saved,
                what_was_there_and_was_never_stored_cannot_be_saved,
                a_duplicate_is_one_whatever_became_of_its_entities,
            ]
            entities: [
                loading_keeps_the_order_and_says_what_is_missing,
                more_entities_than_one_request_holds_are_loaded,
                loading_nothing_finds_nothing,
                every_kind_of_json_comes_back_as_it_was,
                an_entity_in_a_table_of_ones_own_commits_with_the_rest,
                an_entity_in_a_table_with_a_sort_key_is_saved_and_loaded,
                an_item_of_another_program_is_unversioned_and_can_be_saved,
                an_item_that_got_a_version_meanwhile_is_a_conflict,
            ]
            values: [
                a_value_of_every_type_comes_back_as_it_was,
                what_only_other_programs_write_comes_back_as_it_was,
                a_save_where_others_write_changes_what_it_changes_at_the_version,
            ]
            leases: [
                a_held_claim_is_busy_for_others_until_its_lease_ends,
                an_optimistic_commit_waits_for_a_lease_and_passes_when_it_has_ended,
                a_lease_that_ended_can_be_taken_over,
                an_expired_claim_can_be_held_again,
                taking_ones_own_claim_again_after_a_lost_answer_holds_it,
                another_payload_waits_for_a_held_claim_and_is_refused_by_a_finished_one,
                recalling_a_claim_tells_what_stands_in_its_way,
                a_commit_with_another_payload_waits_for_whoever_holds_the_claim,
                the_owner_finishes_and_then_it_is_a_duplicate,
                an_owner_nobody_took_over_from_may_finish_late,
                a_zombies_commit_is_refused_and_writes_nothing,
                a_zombie_whose_successor_finished_hears_of_a_duplicate,
                a_zombies_release_leaves_its_successor_alone,
                a_released_claim_can_be_taken_at_once,
                a_released_claim_cannot_be_finished,
                a_finished_claim_is_not_released,
                claims_of_a_batch_are_settled_one_by_one,
            ]
            batches: [
                a_batch_of_commits_happens_whole,
                a_duplicate_in_any_position_of_a_batch_is_its_own,
                every_kind_of_outcome_has_its_place_in_one_batch,
                the_same_message_twice_in_a_batch_happens_once,
                of_two_that_save_one_entity_in_a_batch_one_is_a_conflict,
                no_batch_has_a_write_skew,
                what_many_read_and_nobody_saves_lets_all_of_them_through,
                a_handler_that_decides_otherwise_the_second_time_has_one_of_its_decisions,
                more_commits_than_one_request_holds_all_happen,
                a_commit_of_a_hundred_items_happens_whole,
                claims_without_effects_are_settled_one_by_one,
                a_batch_is_leased_and_finished_one_by_one,
                folded_work_happens_together_or_not_at_all,
                recalling_many_claims_tells_each_ones_own,
            ]
            races: [
                of_many_racing_commits_of_one_message_exactly_one_is_committed,
                of_many_racing_commits_of_a_bare_claim_exactly_one_is_committed,
                of_many_racing_claims_exactly_one_is_held,
                racing_saves_of_one_entity_lose_no_update,
            ]
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __ledger_conformance {
    ($fresh:path; $($module:ident: [$($case:ident),+ $(,)?])+) => {
        $($(
            #[tokio::test]
            async fn $case() {
                $crate::conformance::$module::$case(&$fresh().await).await;
            }
        )+)+
    };
}

#[cfg(test)]
mod tests {
    use crate::MemoryLedger;

    async fn fresh() -> MemoryLedger {
        MemoryLedger::default()
    }

    crate::ledger_conformance!(fresh);
}
