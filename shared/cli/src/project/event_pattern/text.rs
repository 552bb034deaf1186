//! Matching of texts, in their quotes.

use std::cmp::Reverse;

/// A text in which `*` stands for any text, even none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wildcard(Vec<String>);

impl Wildcard {
    /// Reads one.
    ///
    /// # Errors
    /// A sentence, if it is refused.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let mut pieces = vec![String::new()];
        let mut letters = text.chars().peekable();
        while let Some(letter) = letters.next() {
            match (letter, pieces.last_mut()) {
                ('*', _) if letters.peek() == Some(&'*') => {
                    return Err(format!("`{text}` has two `*` beside each other"));
                }
                ('*', _) => pieces.push(String::new()),
                ('\\', Some(piece)) => match letters.next() {
                    Some(escaped @ ('*' | '\\')) => piece.push(escaped),
                    _ => return Err(format!("in `{text}` a backslash precedes neither `*` nor a backslash")),
                },
                (letter, Some(piece)) => piece.push(letter),
                (_, None) => {}
            }
        }
        Ok(Self(pieces))
    }

    pub(super) fn stars(&self) -> usize {
        self.0.len() - 1
    }

    pub(super) fn takes(&self, text: &str) -> bool {
        let [first, middle @ .., last] = self.0.as_slice() else {
            return self.0.first().is_some_and(|only| only == text);
        };
        let rest = text.strip_prefix(first.as_str()).and_then(|text| text.strip_suffix(last.as_str()));
        let Some(mut rest) = rest else { return false };
        middle.iter().all(|piece| match rest.split_once(piece.as_str()) {
            Some((_, after)) => {
                rest = after;
                true
            }
            None => false,
        })
    }
}

/// The part of a text that a matcher looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Whole,
    Start,
    End,
}

/// A text in whatever case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AnyCase {
    part: Part,
    text: String,
    /// For each unit of UTF-16, what stands for it: half a pair is a question mark in Java.
    units: Vec<[String; 2]>,
}

impl AnyCase {
    pub(super) fn new(part: Part, text: String) -> Self {
        let unit = |unit: u16| match char::from_u32(u32::from(unit)) {
            Some(letter) => [letter.to_lowercase().to_string(), letter.to_uppercase().to_string()],
            None => ["?".to_owned(), "?".to_owned()],
        };
        let units = text.encode_utf16().map(unit).collect();
        Self { part, text, units }
    }

    /// Returns whether the text has characters of two UTF-16 units.
    pub(super) fn has_pairs(&self) -> bool {
        self.text.chars().any(|letter| letter.len_utf16() > 1)
    }

    /// Returns whether the matcher takes a text as a reader would expect.
    pub(super) fn takes_plainly(&self, text: &str) -> bool {
        let lower = |text: &str| text.chars().flat_map(char::to_lowercase).collect::<String>();
        let (wanted, found) = (lower(&self.text), lower(text));
        match self.part {
            Part::Whole => wanted == found,
            Part::Start => found.starts_with(&wanted),
            Part::End => found.ends_with(&wanted),
        }
    }

    /// Returns whether the matcher takes a text, to Amazon's, where as many letters as `free` may be any.
    pub(super) fn takes_by_units(&self, text: &str, free: usize) -> bool {
        // Where in the text one may be after some units, with how many letters left that may be any.
        let mut places = vec![(0, free)];
        let units: Box<dyn Iterator<Item = &[String; 2]>> = match self.part {
            Part::End => Box::new(self.units.iter().rev()),
            Part::Whole | Part::Start => Box::new(self.units.iter()),
        };
        for [lower, upper] in units {
            let mut next = Vec::new();
            for (place, free) in places {
                for alternative in [lower, upper] {
                    if self.begins(text, place, alternative) {
                        next.push((place + alternative.len(), free));
                    }
                }
                if free > 0
                    && let Some(letter) = self.letter(text, place)
                {
                    next.push((place + letter.len_utf8(), free - 1));
                }
            }
            next.sort_unstable_by_key(|(place, free)| (*place, Reverse(*free)));
            next.dedup_by_key(|(place, _)| *place);
            places = next;
        }
        match self.part {
            Part::Whole => places.iter().any(|(place, _)| *place == text.len()),
            Part::Start | Part::End => !places.is_empty(),
        }
    }

    /// The text that is left after so many bytes, from the start or from the end.
    fn rest<'a>(&self, text: &'a str, place: usize) -> Option<&'a str> {
        match self.part {
            Part::End => text.get(..text.len().checked_sub(place)?),
            Part::Whole | Part::Start => text.get(place..),
        }
    }

    fn begins(&self, text: &str, place: usize, wanted: &str) -> bool {
        self.rest(text, place).is_some_and(|rest| match self.part {
            Part::End => rest.ends_with(wanted),
            Part::Whole | Part::Start => rest.starts_with(wanted),
        })
    }

    fn letter(&self, text: &str, place: usize) -> Option<char> {
        self.rest(text, place).and_then(|rest| match self.part {
            Part::End => rest.chars().next_back(),
            Part::Whole | Part::Start => rest.chars().next(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_takes_any_text_where_it_has_a_star() {
        for (wildcard, takes, not) in [
            ("a*a", "aa", "a"),
            ("a\\*b", "a*b", "axb"),
            ("*ab*ab*", "xabab", "xab"),
            ("*", "", "\u{0}"),
            ("é*é", "éé", "é"),
        ] {
            let read = Wildcard::read(wildcard).unwrap();
            assert!(read.takes(takes), "{wildcard} {takes}");
            assert!(wildcard == "*" || !read.takes(not), "{wildcard} {not}");
        }
        for refused in ["**", "a\\b", "a\\"] {
            assert!(Wildcard::read(refused).is_err(), "{refused}");
        }
    }

    /// Each star is looked for once: a text of a hundred thousand letters is no matter.
    #[test]
    fn many_stars_take_no_more_time_than_letters() {
        let wildcard = Wildcard::read(&("*a".repeat(1000) + "*b")).unwrap();
        assert!(!wildcard.takes(&"a".repeat(100_000)));
        let any_case = AnyCase::new(Part::Whole, "ßa".repeat(500));
        assert!(!any_case.takes_by_units(&"sSa".repeat(500), 500));
    }

    #[test]
    fn case_is_ignored_by_the_letters_of_the_pattern() {
        let takes = |wanted: &str, found: &str| {
            let any_case = AnyCase::new(Part::Whole, wanted.to_owned());
            (any_case.takes_by_units(found, 0), any_case.takes_plainly(found))
        };
        assert_eq!(takes("Shop", "sHOP"), (true, true));
        assert_eq!(takes("straße", "straSSe"), (true, false));
        assert_eq!(takes("ok😀", "OK😀"), (false, true));
        assert_eq!(takes("ok😀", "ok??"), (true, false));
        assert_eq!(takes("shop", "shops"), (false, false));
    }
}
