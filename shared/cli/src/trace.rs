//! `throughline trace`: one line, from its first message to its last.

use crate::stack::{Stack, StackError};

/// Prints everything with a correlation id as a tree with times. Says so if there is nothing.
///
/// # Errors
/// If the ledger or a dead-letter queue cannot be read.
pub async fn run(stack: &Stack, correlation_id: &str) -> Result<(), StackError> {
    let line = stack.line(correlation_id).await?;
    if line.is_empty() {
        println!(
            "Nothing is known of `{correlation_id}`: no handler has finished anything of it, and no dead"
        );
        println!(
            "letter names it. It may still wait in a queue; `throughline logs` shows what the functions say."
        );
    } else {
        println!("{line}");
    }
    Ok(())
}
