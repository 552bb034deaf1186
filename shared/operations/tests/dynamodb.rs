//! Operators' reads of the ledger's table, over the wire.

mod history;
mod line;
mod support;
