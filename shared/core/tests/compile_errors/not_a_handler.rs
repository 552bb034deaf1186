//! What wants a handler says how to make one.

use throughline_core::prelude::*;

struct Settings;

async fn note(_: Envelope<Raw<String>>) -> Result<(), Failure> {
    Ok(())
}

fn main() {
    let _ = leased(Settings);
    let _ = leased(note);
}
