//! The DynamoDB ledger over the wire: the conformance suite, what a batch costs, and what is special to it.
//! The suite holds on a wire that works, and on wires that lose answers, throttle and collide.

mod others;
mod requests;
mod support;
mod wire;

throughline_testing::ledger_conformance!(support::fresh);

mod where_first_answers_are_lost {
    throughline_testing::ledger_conformance!(super::support::fresh_that_loses_first_answers);
}

mod where_first_attempts_are_throttled {
    throughline_testing::ledger_conformance!(super::support::fresh_that_throttles);
}

mod where_transactions_collide {
    throughline_testing::ledger_conformance!(super::support::fresh_where_transactions_collide);
}
