//! The conformance suite, against the DynamoDB ledger over the wire.

mod support;

throughline_testing::ledger_conformance!(support::fresh);
