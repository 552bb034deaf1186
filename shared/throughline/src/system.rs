//! Time and chance as the system gives them.

use futures_util::future::BoxFuture;
use std::time::Duration;
use throughline_core::{
    Timestamp,
    ports::{Random, Time},
};

/// The system's clock, and its randomness.
#[derive(Debug, Clone, Copy)]
pub(crate) struct System;

impl Time for System {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'_, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

impl Random for System {
    fn next(&self) -> u128 {
        let mut bytes = [0; 16];
        // Owner tokens fence: a weaker source could give two processes the same one.
        getrandom::fill(&mut bytes).expect("the operating system gives random numbers");
        u128::from_ne_bytes(bytes)
    }
}
