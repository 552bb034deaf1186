//! Faults on demand: a word in a request chooses one.

/// The treatment of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conduct {
    /// It takes effect and is answered.
    Prompt,
    /// `slow`: it takes effect, and is answered some time later.
    Slow,
    /// `answer-lost`: it takes effect, and the connection is closed without an answer, each time. With
    /// `answer-lost-once`, the first time.
    AnswerLost,
    /// `late`: the connection is closed without an answer, and it takes effect some time later, unless its key
    /// has been voided by then.
    Late,
    /// `unavailable`: it has no effect and is answered with 503, each time. With `unavailable-once`, the first
    /// time.
    Unavailable,
    /// `declined` in a card: it has no effect and is answered with 402. `undeliverable` in an address: 422.
    Refused,
}

impl Conduct {
    /// Returns the treatment of the n-th attempt (from 1) at a request that has this word for a refusal and this
    /// card or address.
    pub fn of(refused: &str, text: &str, attempt: u32) -> Self {
        let is_asked_for = |word: &str| {
            let once = format!("{word}-once");
            if text.contains(&once) { attempt == 1 } else { text.contains(word) }
        };
        if text.contains(refused) {
            Self::Refused
        } else if is_asked_for("unavailable") {
            Self::Unavailable
        } else if is_asked_for("answer-lost") {
            Self::AnswerLost
        } else if is_asked_for("late") {
            Self::Late
        } else if is_asked_for("slow") {
            Self::Slow
        } else {
            Self::Prompt
        }
    }

    /// Returns whether there is an answer.
    pub fn is_answered(self) -> bool {
        !matches!(self, Self::AnswerLost | Self::Late)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_in_the_text_says_what_goes_wrong() {
        for (text, first, second) in [
            ("card-ada", Conduct::Prompt, Conduct::Prompt),
            ("card-7-declined", Conduct::Refused, Conduct::Refused),
            ("slow", Conduct::Slow, Conduct::Slow),
            ("slow-once", Conduct::Slow, Conduct::Prompt),
            ("answer-lost", Conduct::AnswerLost, Conduct::AnswerLost),
            ("answer-lost-once", Conduct::AnswerLost, Conduct::Prompt),
            ("unavailable", Conduct::Unavailable, Conduct::Unavailable),
            ("unavailable-once slow", Conduct::Unavailable, Conduct::Slow),
            ("late", Conduct::Late, Conduct::Late),
        ] {
            assert_eq!(Conduct::of("declined", text, 1), first, "{text}");
            assert_eq!(Conduct::of("declined", text, 2), second, "{text}");
        }
    }
}
