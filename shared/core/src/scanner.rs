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
    #[inline(never)] // What few strings need would slow down all that are read without it.
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
    let backslash = word ^ (ONES * u64::from(b'\\'));
    let is_no_backslash = ((backslash & LOW_BITS) + LOW_BITS) | backslash;
    // Turns a quote into the first byte behind the control characters, which stay among themselves.
    let swapped = word ^ (ONES * u64::from(b'"' ^ b' '));
    let is_above = ((swapped & LOW_BITS) + ONES * u64::from(0x7f - b' ')) | swapped;
    !(is_no_backslash & is_above) & !LOW_BITS
}

fn is_plain(byte: u8) -> bool {
    byte >= 0x20 && byte != b'"' && byte != b'\\'
}

/// Returns the number of bytes of plain text that come first: up to a quote, a backslash or a control character.
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
    // Byte by byte, which the compiler makes one instruction for many bytes of.
    let mut is_end = [0; BLOCK];
    for (is_end, byte) in is_end.iter_mut().zip(block) {
        *is_end = u8::from(!is_plain(*byte));
    }
    let (words, _) = is_end.as_chunks();
    words.iter().rev().fold(0, |bits, word| {
        (bits << WORD) | (u64::from_le_bytes(*word).wrapping_mul(GATHER) >> (u64::BITS - 8))
    })
}

/// The first capacity of a string with escapes, in bytes: such a string is most often a message's body.
const ROOM: usize = 1536;
/// A block, and as much behind it as may be copied with it.
const WINDOW: usize = 2 * BLOCK;

/// Unescapes up to the closing quote, and says how long that was, the quote included. Nothing if there is an
/// escape that it takes more to read.
///
/// JSON within JSON has an escape every few bytes. Finding the ends of a whole block first is what keeps one
/// escape from waiting for the one before it.
fn unescape(bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    let mut text = vec![0; ROOM];
    let mut length = 0;
    // The bytes of the block that belong to an escape which began in the one before.
    let mut copied = 0;
    for start in (0..bytes.len()).step_by(BLOCK) {
        let padded;
        let window = match bytes[start..].first_chunk() {
            Some(window) => window,
            None => {
                padded = padded_with_spaces(&bytes[start..]);
                &padded
            }
        };
        if text.len() < length + WINDOW {
            text.resize(2 * text.len(), 0);
        }
        let mut ends = ends_in_block(&window.as_chunks().0[0]) & (u64::MAX << copied);
        while ends != 0 {
            let end = ends.trailing_zeros() as usize;
            copy_run(&window[copied..], &mut text[length..], end - copied);
            length += end - copied;
            let replaced = match window[end] {
                b'"' => {
                    text.truncate(length);
                    return Some((text, start + end + 1));
                }
                b'\\' => SIMPLE_ESCAPES[usize::from(window[end + 1])],
                _ => 0,
            };
            if replaced == 0 {
                return None;
            }
            text[length] = replaced;
            length += 1;
            copied = end + 2;
            ends &= !(0b11 << end);
        }
        if let Some(run) = BLOCK.checked_sub(copied) {
            copy_run(&window[copied..], &mut text[length..], run);
            length += run;
        }
        copied = copied.saturating_sub(BLOCK);
    }
    None
}

fn padded_with_spaces(bytes: &[u8]) -> [u8; WINDOW] {
    let mut window = [b' '; WINDOW];
    window[..bytes.len()].copy_from_slice(bytes);
    window
}

/// Copies the first so many bytes, at most a block. Copying a fixed length, which is too much, is faster than
/// copying just enough; most runs are short.
fn copy_run(from: &[u8], to: &mut [u8], length: usize) {
    const SHORT: usize = 16;
    to[..SHORT].copy_from_slice(&from[..SHORT]);
    if length > SHORT {
        to[SHORT..BLOCK].copy_from_slice(&from[SHORT..BLOCK]);
    }
}

/// The byte that each byte after a backslash stands for; zero if it takes more to know.
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
