//! The conformance suite against the DynamoDB ledger, and what is special to DynamoDB: all over the wire.

mod support;
mod wire;

throughline_testing::ledger_conformance!(support::fresh);
