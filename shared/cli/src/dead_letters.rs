//! `throughline dead-letters`: what was given up, and why.

use crate::stack::{Stack, StackError};

/// Prints what lies in the dead-letter queues.
///
/// # Errors
/// If a queue cannot be read.
pub async fn run(stack: &Stack) -> Result<(), StackError> {
    let letters = stack.dead_letters().await?;
    if letters.is_empty() {
        println!("The dead-letter queues are empty.");
        return Ok(());
    }
    for (queue, letter) in letters {
        let attribute = |name| letter.attribute(name).unwrap_or("-");
        println!("{queue}  {}", letter.sent_at.map(|time| time.to_string()).unwrap_or_default());
        println!("  {}: {}", attribute("ErrorType"), attribute("ErrorMessage"));
        println!(
            "  handler {}, attempts {}, event {} ({}), correlation id {}",
            attribute("Handler"),
            attribute("Attempts"),
            attribute("EventId"),
            attribute("EventType"),
            attribute("CorrelationId")
        );
        println!("  {}", letter.body.lines().map(str::trim).collect::<Vec<_>>().join(" "));
    }
    Ok(())
}
