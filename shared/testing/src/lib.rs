//! Throughline's test kit: the in-memory ledger, scenarios, faults and the conformance suite.
