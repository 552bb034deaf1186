//! A string as JSON writes it, and what it says: which byte of the one is which of the other.

use std::{ops::Range, str::CharIndices};

/// A string literal that was read.
#[derive(Debug)]
pub(super) struct Literal {
    text: String,
    /// For each byte of the text, and for its end, where in the literal that begins which stands for it.
    places: Vec<usize>,
}

impl Literal {
    /// Reads a literal with its quotation marks. Half of a pair of surrogates, which no text can hold, is read as
    /// U+FFFD.
    pub(super) fn read(literal: &str) -> Option<Self> {
        let inner = literal.strip_prefix('"')?.strip_suffix('"')?;
        let (mut text, mut places) =
            (String::with_capacity(inner.len()), Vec::with_capacity(inner.len() + 1));
        let mut letters = inner.char_indices();
        while let Some((at, letter)) = letters.next() {
            let said = if letter == '\\' { escape(&mut letters)? } else { letter };
            text.push(said);
            places.resize(text.len(), at + 1);
        }
        places.push(inner.len() + 1);
        Some(Self { text, places })
    }

    /// Returns the text of the literal, unescaped.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Turns the literal into its unescaped text.
    pub(super) fn into_text(self) -> String {
        self.text
    }

    /// Returns the range of the literal that a part of the text stands in.
    pub(super) fn outer(&self, inner: &Range<usize>) -> Range<usize> {
        self.places[inner.start]..self.places[inner.end]
    }
}

fn escape(letters: &mut CharIndices<'_>) -> Option<char> {
    Some(match letters.next()?.1 {
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'u' => unicode(letters)?,
        letter @ ('"' | '\\' | '/') => letter,
        _ => return None,
    })
}

fn unicode(letters: &mut CharIndices<'_>) -> Option<char> {
    let first = unit(letters)?;
    if !(0xD800..0xDC00).contains(&first) {
        return Some(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER));
    }
    let mut ahead = letters.clone();
    let follows = ahead.next().is_some_and(|(_, letter)| letter == '\\')
        && ahead.next().is_some_and(|(_, letter)| letter == 'u');
    match if follows { unit(&mut ahead) } else { None } {
        Some(second @ 0xDC00..0xE000) => {
            *letters = ahead;
            char::from_u32(0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00))
        }
        _ => Some(char::REPLACEMENT_CHARACTER),
    }
}

fn unit(letters: &mut CharIndices<'_>) -> Option<u32> {
    (0..4).try_fold(0, |unit, _| Some(unit * 16 + letters.next()?.1.to_digit(16)?))
}

/// A text as a literal, with its quotation marks.
pub fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A text as it stands in a literal.
pub(super) fn escaped(text: &str) -> String {
    let quoted = quoted(text);
    quoted[1..quoted.len() - 1].to_owned()
}
