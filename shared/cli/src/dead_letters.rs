//! `throughline dead-letters`: what was given up, and why.

use crate::stack::{Stack, StackError};
use std::fmt::Write as _;
use throughline_aws::operate;

/// What lies in the dead-letter queues, as text.
///
/// # Errors
/// If a queue cannot be read.
pub async fn run(stack: &Stack) -> Result<String, StackError> {
    let mut out = String::new();
    let mut elsewhere = 0;
    for (_, url) in stack.dead_letter_queues() {
        elsewhere += operate::depth(stack.clients.sqs().await, url).await?.in_flight;
    }
    for (queue, letter) in stack.dead_letters().await? {
        let attribute = |name| letter.attribute(name).unwrap_or("-");
        _ = writeln!(out, "{queue}  {}", letter.sent_at.map(|time| time.to_string()).unwrap_or_default());
        _ = writeln!(out, "  {}", letter.reason());
        _ = writeln!(
            out,
            "  handler {}, attempts {}, event {} ({}), correlation id {}",
            attribute("Handler"),
            attribute("Attempts"),
            attribute("EventId"),
            attribute("EventType"),
            attribute("CorrelationId")
        );
        _ = writeln!(out, "  {}", letter.body.lines().map(str::trim).collect::<Vec<_>>().join(" "));
    }
    if elsewhere > 0 {
        _ = writeln!(
            out,
            "{elsewhere} more are in somebody else's hands just now: look again in a few seconds."
        );
    } else if out.is_empty() {
        out.push_str("The dead-letter queues are empty.\n");
    }
    Ok(out)
}
