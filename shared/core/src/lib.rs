//! The heart of Throughline: envelopes, effects, handlers, the main path and the ledger port. Pure.
