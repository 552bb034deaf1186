//! `throughline trace`: one line, from its first message to its last.

use crate::stack::{Stack, StackError};

/// Everything with a correlation id as a tree with times; a sentence if there is nothing.
///
/// # Errors
/// If the ledger or a dead-letter queue cannot be read.
pub async fn run(stack: &Stack, correlation_id: &str) -> Result<String, StackError> {
    let line = stack.line(correlation_id).await?;
    if line.is_empty() {
        return Ok(format!(
            "Nothing is known of `{correlation_id}`: no handler has finished anything of it, and no dead letter\n\
             names it. It may still wait in a queue; `throughline logs` shows what the functions say.\n"
        ));
    }
    Ok(format!("{line}\n"))
}
