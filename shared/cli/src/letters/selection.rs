//! The selection of dead letters by queue, handler, error, type or id.

use serde::{Deserialize, Serialize};
use throughline_operations::{FoundLetter, Origin};

/// A selection of dead letters. A letter must meet all conditions that are given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Selection {
    /// Only letters of these queues, such as `place-order`; of all queues if none is named.
    pub(crate) queue: Vec<String>,
    /// Only letters of this handler.
    pub(crate) handler: Option<String>,
    /// Only letters with this type of error, such as `MalformedData`.
    pub(crate) error: Option<String>,
    /// Only messages of this type, such as `order.placed`.
    pub(crate) message_type: Option<String>,
    /// Only these letters, by their own ids or their events' ids.
    pub(crate) id: Vec<String>,
}

impl Selection {
    /// Returns whether the selection leaves no letter out.
    pub(crate) fn is_everything(&self) -> bool {
        *self == Self::default()
    }

    /// Returns whether the selection includes every letter of each of its queues.
    pub(crate) fn is_whole_queues(&self) -> bool {
        Self { queue: Vec::new(), ..self.clone() }.is_everything()
    }

    /// Returns the selection in words.
    pub(crate) fn in_words(&self) -> String {
        let all = [
            ("of handler", self.handler.as_ref()),
            ("with error", self.error.as_ref()),
            ("of type", self.message_type.as_ref()),
        ];
        let each = [("of queue", &self.queue), ("with id", &self.id)];
        let each = each.iter().flat_map(|(what, values)| values.iter().map(move |value| (*what, value)));
        let parts = each.chain(all.into_iter().filter_map(|(what, value)| Some((what, value?))));
        let parts: Vec<String> = parts.map(|(what, value)| format!("{what} `{value}`")).collect();
        if parts.is_empty() {
            "all dead letters".to_owned()
        } else {
            format!("the dead letters {}", parts.join(", "))
        }
    }

    /// Returns whether a queue is selected.
    pub(crate) fn has_queue(&self, name: &str) -> bool {
        self.queue.is_empty() || self.queue.iter().any(|queue| queue == name)
    }

    /// Returns whether a letter in a queue is selected.
    pub(crate) fn has(&self, queue: &str, letter: &FoundLetter) -> bool {
        let is =
            |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted == found);
        let is_wanted = |id: &String| *id == letter.message_id || letter.attribute("EventId") == Some(id);
        self.has_queue(queue)
            && is(&self.handler, handler_of(queue, letter))
            && is(&self.error, error_of(letter))
            && is(&self.message_type, type_of(letter))
            && (self.id.is_empty() || self.id.iter().any(is_wanted))
    }
}

/// Returns the handler that dead-lettered a letter, or the queue's name if another service did.
pub(crate) fn handler_of<'a>(queue: &'a str, letter: &'a FoundLetter) -> &'a str {
    match letter.origin {
        Origin::Function => letter.attribute("Handler").unwrap_or(queue),
        _ => queue,
    }
}

/// Returns the type of a letter's error, or a name for the reason if the letter does not tell it.
pub(crate) fn error_of(letter: &FoundLetter) -> &str {
    letter.attribute("ErrorType").unwrap_or(match letter.origin {
        Origin::Queue => "ReceivedTooOften",
        Origin::Stream { .. } => "NotRelayed",
        Origin::Topic { .. } => "NotDelivered",
        _ => "Unknown",
    })
}

/// Returns the type of a letter's message.
pub(crate) fn type_of(letter: &FoundLetter) -> &str {
    letter.attribute("EventType").unwrap_or("(no event)")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter() -> FoundLetter {
        let attributes = [
            ("EventId", "e-1"),
            ("EventType", "order.place"),
            ("Handler", "place-order"),
            ("ErrorType", "BadOrder"),
        ];
        FoundLetter {
            message_id: "m-1".into(),
            attributes: attributes.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            origin: Origin::Function,
            ..FoundLetter::default()
        }
    }

    #[test]
    fn all_that_is_given_must_hold() {
        let given = |change: fn(&mut Selection)| {
            let mut selection = Selection::default();
            change(&mut selection);
            selection.has("place-order", &letter())
        };
        assert!(given(|_| ()));
        assert!(given(|it| it.id = vec!["m-1".into()]) && given(|it| it.id = vec!["x".into(), "e-1".into()]));
        assert!(given(|it| (it.error, it.handler) = (Some("BadOrder".into()), Some("place-order".into()))));
        assert!(!given(|it| (it.error, it.handler) = (Some("BadOrder".into()), Some("another".into()))));
        assert!(!given(|it| it.queue = vec!["another".into()]) && !given(|it| it.id = vec!["x".into()]));
        assert!(!given(|it| it.message_type = Some("order.placed".into())));
    }

    #[test]
    fn what_sqs_moved_here_is_of_its_queue_and_says_so() {
        let moved = FoundLetter { origin: Origin::Queue, ..FoundLetter::default() };
        assert_eq!(
            (handler_of("place-order", &moved), error_of(&moved)),
            ("place-order", "ReceivedTooOften")
        );
    }

    #[test]
    fn a_selection_is_told_in_words() {
        let selection =
            Selection { handler: Some("h".into()), error: Some("E".into()), ..Selection::default() };
        assert_eq!(selection.in_words(), "the dead letters of handler `h`, with error `E`");
        assert_eq!(Selection::default().in_words(), "all dead letters");
        assert!(
            !selection.is_whole_queues()
                && Selection { handler: None, error: None, ..selection }.is_everything()
        );
    }
}
