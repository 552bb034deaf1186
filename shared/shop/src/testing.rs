//! Orders to check out and providers in memory, for the tests of whatever checks orders out. With the feature `testing`
//! alone.

#![expect(clippy::missing_panics_doc, reason = "fixtures panic to fail a test")]

pub mod orders;
pub mod providers;
