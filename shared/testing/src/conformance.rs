//! The conformance suite every ledger must pass.
