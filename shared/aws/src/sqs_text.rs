//! Text that SQS accepts.
//!
//! Bodies and attributes may hold `#x9 | #xA | #xD | #x20-#xD7FF | #xE000-#xFFFD | #x10000-#x10FFFF`
//! (SQS API reference, `SendMessage`). FIFO groups and deduplication ids hold 1 to 128 visible ASCII
//! characters.

use std::{borrow::Cow, fmt::Write as _};
use uuid::Uuid;

/// Derives a FIFO group from a text that cannot be one. Fixed for ever.
const NAMESPACE: Uuid = Uuid::from_u128(0x3d5a_9c1e_77b2_4d0f_8e31_5c46_0a9f_e2b7);
/// The longest FIFO group or deduplication id.
const LONGEST_FIFO_ID: usize = 128;

fn is_permitted(letter: char) -> bool {
    matches!(letter, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..)
}

/// A body that SQS accepts. In JSON, such characters can stand in a text only, where the escape means the
/// same; so a JSON body keeps its meaning.
pub fn body(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_permitted) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().fold(String::with_capacity(text.len() + 16), |mut body, letter| {
        if is_permitted(letter) {
            body.push(letter);
        } else {
            _ = write!(body, "\\u{:04x}", u32::from(letter));
        }
        body
    }))
}

/// The value of an attribute: at most `longest` characters, control characters replaced by spaces; nothing
/// if nothing is left, since SQS refuses empty values.
pub fn attribute(text: &str, longest: usize) -> Option<String> {
    let clean = |letter: char| if is_permitted(letter) && !letter.is_control() { letter } else { ' ' };
    let value: String = text.chars().map(clean).take(longest).collect();
    let value = value.trim();
    (!value.is_empty()).then(|| value.to_owned())
}

/// A FIFO group or deduplication id for a text: the text itself wherever it can be one.
pub fn fifo_id(text: &str) -> Cow<'_, str> {
    let fits =
        (1..=LONGEST_FIFO_ID).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    if fits {
        return Cow::Borrowed(text);
    }
    Cow::Owned(Uuid::new_v5(&NAMESPACE, text.as_bytes()).to_string())
}

/// An error's code without the `AWS.SimpleQueueService.` that SQS puts before some.
pub(crate) fn bare_code(code: &str) -> &str {
    code.rsplit('.').next().unwrap_or(code)
}

/// Returns whether a queue is FIFO: its name, and so its URL, says so.
pub fn is_fifo(queue_url: &str) -> bool {
    queue_url.strip_suffix(".fifo").is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_keeps_its_meaning_as_json() {
        let text = "{\"a\":\"x\u{fffe}y\u{7f}\"}";
        let body = body(text);
        assert!(body.chars().all(is_permitted));
        let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(read(&body), read(text));
    }

    #[test]
    fn an_attribute_is_short_clean_and_never_empty() {
        assert_eq!(attribute("a\u{0}b\nc", 10).as_deref(), Some("a b c"));
        assert_eq!(attribute("äöü", 2).as_deref(), Some("äö"));
        assert_eq!(attribute(" \u{1}", 10), None);
    }

    #[test]
    fn a_text_that_no_group_can_be_becomes_a_stable_one() {
        assert_eq!(fifo_id("o-1"), "o-1");
        for text in ["", "two words", "ä", &"x".repeat(129)] {
            let id = fifo_id(text);
            assert_eq!(id, fifo_id(text));
            assert_eq!(id.len(), 36, "{text}");
        }
    }
}
