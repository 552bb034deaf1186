//! Worlds that the tests of several crates share.

pub mod collector;
pub mod journey;
pub mod provider;
