//! Reads JSON text member by member, faster than a general deserializer where most of the text is strings.
//!
//! It knows objects, arrays and strings. Every other value it hands to `serde_json`, and so it does with
//! strings that hold more than the simplest escapes. It knows no errors either: whoever scans in vain asks
//! `serde_json` what is wrong. So what JSON is, and what is wrong with it, is decided in one place.

use serde::{Deserialize, de::IgnoredAny};
use std::borrow::Cow;

/// JSON text and how far it is read. `None` from any of its functions means that the text is not what was
/// asked for, or that only `serde_json` can tell.
pub(crate) struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// Reads an object; `member` is told each name and must read its value.
    pub(crate) fn object(&mut self, mut member: impl FnMut(&mut Self, &'a str) -> Option<()>) -> Option<()> {
        self.expect(b'{')?;
        if self.found(b'}') {
            return Some(());
        }
        loop {
            let Cow::Borrowed(name) = self.string()? else { return None };
            self.expect(b':')?;
            member(self, name)?;
            if !self.found(b',') {
                return self.expect(b'}');
            }
        }
    }

    /// Reads an array; `element` must read each of its values.
    pub(crate) fn array(&mut self, mut element: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.expect(b'[')?;
        if self.found(b']') {
            return Some(());
        }
        loop {
            element(self)?;
            if !self.found(b',') {
                return self.expect(b']');
            }
        }
    }

    /// Reads a string.
    pub(crate) fn string(&mut self) -> Option<Cow<'a, str>> {
        self.expect(b'"')?;
        let length = plain_length(self.rest());
        if self.rest().get(length) != Some(&b'"') {
            return self.unescaped();
        }
        let text = &self.text[self.at..self.at + length];
        self.at += length + 1;
        Some(Cow::Borrowed(text))
    }

    /// Reads any value with `serde_json`.
    pub(crate) fn value<T: Deserialize<'a>>(&mut self) -> Option<T> {
        let mut values = serde_json::Deserializer::from_str(&self.text[self.at..]).into_iter();
        let value = values.next()?.ok()?;
        self.at += values.byte_offset();
        Some(value)
    }

    /// Reads a value that others know how to read: `read` is given all text from here on, and says how much
    /// of it the value is. Returns that text, too.
    pub(crate) fn first<T>(
        &mut self,
        read: impl FnOnce(&'a str) -> Option<(T, usize)>,
    ) -> Option<(T, &'a str)> {
        self.peek()?;
        let text = &self.text[self.at..];
        let (value, length) = read(text)?;
        self.at += length;
        Some((value, &text[..length]))
    }

    /// Reads a value that nobody wants.
    pub(crate) fn skip(&mut self) -> Option<()> {
        if self.peek() == Some(b'"') { self.string().map(drop) } else { self.value::<IgnoredAny>().map(drop) }
    }

    /// Nothing but white space may follow.
    pub(crate) fn end(&mut self) -> Option<()> {
        self.peek().is_none().then_some(())
    }

    /// Reads on behind the opening quote of a string that holds escapes.
    fn unescaped(&mut self) -> Option<Cow<'a, str>> {
        if let Some((text, length)) = unescape(self.rest()) {
            self.at += length;
            return String::from_utf8(text).ok().map(Cow::Owned);
        }
        self.at -= 1;
        self.value().map(Cow::Owned)
    }

    fn rest(&self) -> &'a [u8] {
        &self.text.as_bytes()[self.at..]
    }

    /// The next byte that is no white space.
    fn peek(&mut self) -> Option<u8> {
        loop {
            let byte = self.text.as_bytes().get(self.at).copied()?;
            if !matches!(byte, b' ' | b'\n' | b'\t' | b'\r') {
                return Some(byte);
            }
            self.at += 1;
        }
    }

    fn found(&mut self, byte: u8) -> bool {
        let is_found = self.peek() == Some(byte);
        self.at += usize::from(is_found);
        is_found
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        self.found(byte).then_some(())
    }
}

const WORD: usize = size_of::<u64>();
/// One bit of a word for each of these bytes.
const BLOCK: usize = 64;
const ONES: u64 = u64::MAX / 0xff;
const LOW_BITS: u64 = ONES * 0x7f;

/// The high bit of each byte that ends a run of plain text: a quote, a backslash, a control character.
fn ends_of_plain(word: [u8; WORD]) -> u64 {
    let word = u64::from_le_bytes(word);
    let differs_from = |byte: u8| {
        let difference = word ^ (ONES * u64::from(byte));
        ((difference & LOW_BITS) + LOW_BITS) | difference
    };
    let is_no_control = ((word & LOW_BITS) + ONES * (0x80 - 0x20)) | word;
    !(differs_from(b'"') & differs_from(b'\\') & is_no_control) & !LOW_BITS
}

fn is_plain(byte: u8) -> bool {
    byte >= 0x20 && byte != b'"' && byte != b'\\'
}

/// How many bytes of plain text come first: up to a quote, a backslash or a control character.
pub(crate) fn plain_length(bytes: &[u8]) -> usize {
    let (words, rest) = bytes.as_chunks::<WORD>();
    for (at, word) in words.iter().enumerate() {
        let ends = ends_of_plain(*word);
        if ends != 0 {
            return at * WORD + ends.trailing_zeros() as usize / 8;
        }
    }
    let before = bytes.len() - rest.len();
    before + rest.iter().position(|byte| !is_plain(*byte)).unwrap_or(rest.len())
}

/// One bit for each byte of a block that ends a run of plain text.
fn ends_in_block(block: &[u8; BLOCK]) -> u64 {
    /// Moves the lowest bit of each byte into the highest byte, in their order.
    const GATHER: u64 = 0x0102_0408_1020_4080;
    let (words, _) = block.as_chunks::<WORD>();
    words.iter().rev().fold(0, |bits, word| {
        (bits << WORD) | ((ends_of_plain(*word) >> 7).wrapping_mul(GATHER) >> (u64::BITS - 8))
    })
}

/// What a string with escapes is given to begin with: such a string is most often a message's body.
const ROOM: usize = 1536;

/// Unescapes up to the closing quote, and says how long that was, the quote included. Nothing if there is an
/// escape that it takes more to read.
///
/// JSON within JSON has an escape every few bytes. Finding the ends of a whole block first is what keeps one
/// escape from waiting for the one before it.
fn unescape(bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    let mut text = Vec::with_capacity(ROOM);
    let mut copied = 0;
    for start in (0..bytes.len()).step_by(BLOCK) {
        let mut ends = match bytes[start..].first_chunk() {
            Some(block) => ends_in_block(block),
            None => {
                let mut block = [b' '; BLOCK];
                block[..bytes.len() - start].copy_from_slice(&bytes[start..]);
                ends_in_block(&block)
            }
        };
        while ends != 0 {
            let end = start + ends.trailing_zeros() as usize;
            ends &= ends - 1;
            if end < copied {
                continue; // it is the second half of an escape
            }
            copy_run(&bytes[copied..], end - copied, &mut text);
            match bytes[end..] {
                [b'"', ..] => return Some((text, end + 1)),
                [b'\\', escaped, ..] if SIMPLE_ESCAPES[usize::from(escaped)] != 0 => {
                    text.push(SIMPLE_ESCAPES[usize::from(escaped)]);
                    copied = end + 2;
                }
                _ => return None,
            }
        }
    }
    None
}

/// Copies so many bytes. Most runs are short: copying a fixed length and taking back what is too much is
/// faster than copying just enough.
fn copy_run(bytes: &[u8], length: usize, out: &mut Vec<u8>) {
    match bytes.first_chunk::<16>() {
        Some(chunk) if length <= chunk.len() => {
            out.extend_from_slice(chunk);
            out.truncate(out.len() - chunk.len() + length);
        }
        _ => out.extend_from_slice(&bytes[..length]),
    }
}

/// What the byte behind a backslash stands for; zero if it takes more to know.
const SIMPLE_ESCAPES: [u8; 256] = {
    let mut table = [0; 256];
    table[b'"' as usize] = b'"';
    table[b'\\' as usize] = b'\\';
    table[b'/' as usize] = b'/';
    table[b'n' as usize] = b'\n';
    table[b't' as usize] = b'\t';
    table[b'r' as usize] = b'\r';
    table[b'b' as usize] = 0x08;
    table[b'f' as usize] = 0x0c;
    table
};

#[cfg(test)]
mod tests;
