//! Letters behind others in their message groups, and the commands that help.

/// The number of groups that a text names at most.
const MOST_NAMED: usize = 5;

/// Returns the names of message groups as a text: the first few, and the number of the others.
pub(crate) fn named<S: AsRef<str>>(groups: &[S]) -> String {
    let names = groups.iter().take(MOST_NAMED).map(|group| format!("`{}`", group.as_ref()));
    let text = names.collect::<Vec<_>>().join(", ");
    match groups.len().checked_sub(MOST_NAMED) {
        Some(more @ 1..) => format!("{text} and {more} more"),
        _ => text,
    }
}

/// Explains why waiting letters cannot be received, and which command helps. `queue` is the command's name for the
/// dead-letter queue.
pub(crate) fn out_of_reach<S: AsRef<str>>(queue: &str, count: u64, groups: &[S]) -> String {
    let letters =
        if count == 1 { "1 letter stands".to_owned() } else { format!("about {count} letters stand") };
    let of = if groups.len() == 1 { "its message group" } else { "one of the message groups" };
    format!(
        "{letters} behind others in {of} {}, out of reach: a FIFO queue gives out nothing of a group while ten of it, or \
         those that are kept, stand before. They come once those in front are redriven or thrown away: `throughline dlq \
         list --queue {queue}` shows these, `throughline dlq redrive --queue {queue} --all` takes the group in its order",
        named(groups)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_groups_are_named_and_what_helps_is_said() {
        let text = out_of_reach("place-order", 16, &["o-1"]);
        assert!(text.contains("about 16 letters stand behind others in its message group `o-1`"), "{text}");
        assert!(text.contains("throughline dlq redrive --queue place-order --all"), "{text}");
        assert_eq!(named(&["a", "b", "c", "d", "e", "f", "g"]), "`a`, `b`, `c`, `d`, `e` and 2 more");
    }
}
