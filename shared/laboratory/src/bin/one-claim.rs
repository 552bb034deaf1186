//! A function whose records have no effects: each costs its claim.

use serde::{Deserialize, Serialize};
use throughline::prelude::*;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Noted {
    id: String,
}

events! {
    /// Something to remember.
    enum Note of "note" { "note.noted" v1 => Noted(Noted.id) }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), throughline::Error> {
    throughline::run(throughline::sqs(handler_fn("one-claim", remember))).await
}

async fn remember(_: Envelope<Noted>) -> Result<(), Failure> {
    Ok(())
}
