//! JSON with members sorted by name and no white space, written straight from JSON text.
//!
//! The last of several members with one name counts. A tree of `Value`s would cost an allocation for every
//! name and every string of every message, would lose what its numbers cannot hold, and would differ with the
//! features that `serde_json` is compiled with. Nothing here calls itself, however deep the text is nested, and
//! what it takes grows with the length of the text alone: an object that is short is put in order where it is, and
//! all that is longer at the end, in one go, since otherwise each level would be copied by every level around it.

use super::number::Number;
use crate::scanner::plain_length;
use std::ops::Range;

/// How the parts are written about which there is more than one opinion.
pub(super) trait Rules {
    /// Writes a number; nothing if there is no such number.
    fn number(&mut self, number: &Number<'_>, out: &mut Vec<u8>) -> Option<()>;

    /// Writes half a surrogate pair; nothing if there is no such text.
    fn lone_surrogate(&mut self, unit: u16, out: &mut Vec<u8>) -> Option<()>;

    /// How many arrays and objects may be within each other.
    const DEEPEST: usize = usize::MAX;
}

/// The canonical form of JSON text; nothing if it is none, or has none by these rules.
pub(super) fn canonical(json: &str, rules: &mut impl Rules) -> Option<Vec<u8>> {
    canonical_with(json, rules, SHORT)
}

/// An object of up to so many bytes is put in order where it is.
fn canonical_with(json: &str, rules: &mut impl Rules, short: usize) -> Option<Vec<u8>> {
    let text = Vec::with_capacity(json.len() + 16);
    let mut writer = Writer {
        json: json.as_bytes(),
        at: 0,
        rules,
        short,
        text,
        open: Vec::new(),
        members: Vec::new(),
        names: Vec::new(),
        unsorted: Vec::new(),
        sorted: Vec::new(),
        scratch: Vec::new(),
    };
    writer.document()?;
    Some(writer.in_order())
}

/// Reads JSON and writes it as it comes; what is out of order is noted, and put in order at the end.
struct Writer<'j, R> {
    json: &'j [u8],
    at: usize,
    rules: &'j mut R,
    short: usize,
    text: Vec<u8>,
    /// What is being written, outer ones first: an object's first member, or nothing for an array.
    open: Vec<Option<usize>>,
    /// The members of the objects that are being written, outer ones first.
    members: Vec<Member>,
    /// Those of their names that the text holds with escapes: names are sorted by what they say.
    names: Vec<u8>,
    unsorted: Vec<Unsorted>,
    /// The members of the unsorted objects, each object's in order.
    sorted: Vec<Range<usize>>,
    /// Where a short object is put in order.
    scratch: Vec<u8>,
}

/// As many bytes as are copied in no time, even once for each level that so many bytes can hold.
const SHORT: usize = 4096;

struct Member {
    name: Name,
    /// Its name and value in the text, without the comma.
    text: Range<usize>,
}

enum Name {
    /// As it is in the text.
    Plain(Range<usize>),
    /// As it is among the names.
    Unescaped(Range<usize>),
}

/// An object that was written in another order.
struct Unsorted {
    /// Between its braces.
    text: Range<usize>,
    /// Its members, in order.
    members: Range<usize>,
}

/// What is still to be copied.
enum Piece {
    Text(Range<usize>),
    Comma,
}

impl<R: Rules> Writer<'_, R> {
    fn document(&mut self) -> Option<()> {
        loop {
            if self.value()? {
                continue; // the first one in an array or an object
            }
            loop {
                let next = self.peek();
                match self.open.last() {
                    None => return next.is_none().then_some(()),
                    Some(Some(first)) => {
                        let first = *first;
                        let end = self.text.len();
                        self.members.last_mut()?.text.end = end;
                        match next? {
                            b',' => {
                                self.copy(b',');
                                self.name()?;
                                break;
                            }
                            b'}' => {
                                self.close_object(first);
                                self.copy(b'}');
                            }
                            _ => return None,
                        }
                    }
                    Some(None) => match next? {
                        b',' => {
                            self.copy(b',');
                            break;
                        }
                        b']' => self.copy(b']'),
                        _ => return None,
                    },
                }
                self.open.pop();
            }
        }
    }

    /// Reads a value, or the beginning of one that holds others: then it says so.
    fn value(&mut self) -> Option<bool> {
        match self.peek()? {
            b'{' => return self.begin(b'{', b'}'),
            b'[' => return self.begin(b'[', b']'),
            b'"' => _ = self.string(false)?,
            b'-' | b'0'..=b'9' => {
                let (number, length) = Number::first(&self.json[self.at..])?;
                self.rules.number(&number, &mut self.text)?;
                self.at += length;
            }
            b't' => self.word(b"true")?,
            b'f' => self.word(b"false")?,
            b'n' => self.word(b"null")?,
            _ => return None,
        }
        Some(false)
    }

    fn begin(&mut self, start: u8, end: u8) -> Option<bool> {
        if self.open.len() >= R::DEEPEST {
            return None;
        }
        self.copy(start);
        if self.peek()? == end {
            self.copy(end);
            return Some(false);
        }
        let is_object = end == b'}';
        self.open.push(is_object.then_some(self.members.len()));
        if is_object {
            self.name()?;
        }
        Some(true)
    }

    /// Reads a member's name and the colon.
    fn name(&mut self) -> Option<()> {
        let start = self.text.len();
        if self.peek()? != b'"' {
            return None;
        }
        let name = self.string(true)?;
        self.members.push(Member { name, text: start..start });
        if self.peek()? != b':' {
            return None;
        }
        self.copy(b':');
        Some(())
    }

    fn word(&mut self, word: &[u8]) -> Option<()> {
        if !self.json[self.at..].starts_with(word) {
            return None;
        }
        self.text.extend_from_slice(word);
        self.at += word.len();
        Some(())
    }

    /// Reads a string, and says how it reads as a name. Only one that `is_name` is unescaped for that.
    fn string(&mut self, is_name: bool) -> Option<Name> {
        let rest = &self.json[self.at..];
        let length = plain_length(&rest[1..]);
        if rest.get(length + 1) != Some(&b'"') {
            return self.string_with_escapes(is_name);
        }
        let start = self.text.len() + 1;
        self.text.extend_from_slice(&rest[..length + 2]);
        self.at += length + 2;
        Some(Name::Plain(start..start + length))
    }

    fn string_with_escapes(&mut self, is_name: bool) -> Option<Name> {
        let start = self.names.len();
        self.copy(b'"');
        loop {
            let length = plain_length(&self.json[self.at..]);
            let plain = &self.json[self.at..self.at + length];
            self.text.extend_from_slice(plain);
            if is_name {
                self.names.extend_from_slice(plain);
            }
            self.at += length;
            match *self.json.get(self.at)? {
                b'"' => {
                    self.copy(b'"');
                    return Some(Name::Unescaped(start..self.names.len()));
                }
                b'\\' => match self.escape()? {
                    Ok(letter) => {
                        write_letter(letter, &mut self.text);
                        if is_name {
                            self.names.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
                        }
                    }
                    Err(unit) => {
                        self.rules.lone_surrogate(unit, &mut self.text)?;
                        if is_name {
                            self.names.extend_from_slice(&lone_surrogate(unit));
                        }
                    }
                },
                _ => return None,
            }
        }
    }

    /// Reads an escape: a letter, or half a surrogate pair.
    fn escape(&mut self) -> Option<Result<char, u16>> {
        let escaped = *self.json.get(self.at + 1)?;
        self.at += 2;
        Some(Ok(match escaped {
            b'"' | b'\\' | b'/' => char::from(escaped),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let unit = unit(&self.json[self.at..])?;
                self.at += 4;
                let rest = &self.json[self.at..];
                let second = rest.strip_prefix(b"\\u").and_then(unit_of_pair);
                let pair = [unit, second.unwrap_or_default()];
                let units = if second.is_some() { &pair[..] } else { &pair[..1] };
                match char::decode_utf16(units.iter().copied()).next()? {
                    Ok(letter) => {
                        self.at += if letter.len_utf16() == 2 { "\\u0000".len() } else { 0 };
                        letter
                    }
                    Err(lone) => return Some(Err(lone.unpaired_surrogate())),
                }
            }
            _ => return None,
        }))
    }

    /// Puts its members in order if they were written in another, or keeps the order in which they belong.
    fn close_object(&mut self, first: usize) {
        let Self { text, short, members, names, unsorted, sorted, scratch, .. } = self;
        let object = &mut members[first..];
        let name_of = |member: &Member| match &member.name {
            Name::Plain(name) => &text[name.clone()],
            Name::Unescaped(name) => &names[name.clone()],
        };
        let Some(start) = object.first().map(|member| member.text.start) else { return };
        if !object.is_sorted_by(|one, next| name_of(one) < name_of(next)) {
            object.sort_unstable_by(|one, other| {
                name_of(one).cmp(name_of(other)).then(one.text.start.cmp(&other.text.start))
            });
            // Of those with one name the last one counts.
            let counts = |at: usize, member: &Member| {
                object.get(at + 1).is_none_or(|next| name_of(next) != name_of(member))
            };
            let counting = object.iter().enumerate().filter(|(at, member)| counts(*at, member));
            let is_all_else_in_order = unsorted.last().is_none_or(|inner| inner.text.start < start);
            if is_all_else_in_order && text.len() - start <= *short {
                scratch.clear();
                for (_, member) in counting {
                    if !scratch.is_empty() {
                        scratch.push(b',');
                    }
                    scratch.extend_from_slice(&text[member.text.clone()]);
                }
                text.truncate(start);
                text.extend_from_slice(scratch);
            } else {
                let first = sorted.len();
                sorted.extend(counting.map(|(_, member)| member.text.clone()));
                unsorted.push(Unsorted { text: start..text.len(), members: first..sorted.len() });
            }
        }
        members.truncate(first);
    }

    /// The text with everything in order.
    fn in_order(self) -> Vec<u8> {
        let Self { text, mut unsorted, sorted, .. } = self;
        if unsorted.is_empty() {
            return text;
        }
        unsorted.sort_unstable_by_key(|object| object.text.start);
        let mut out = Vec::with_capacity(text.len());
        let mut pieces = Vec::with_capacity(2 * sorted.len() + 1);
        pieces.push(Piece::Text(0..text.len()));
        while let Some(piece) = pieces.pop() {
            let piece = match piece {
                Piece::Text(piece) => piece,
                Piece::Comma => {
                    out.push(b',');
                    continue;
                }
            };
            let next = unsorted.partition_point(|object| object.text.start <= piece.start);
            let Some(object) = unsorted.get(next).filter(|object| object.text.start < piece.end) else {
                out.extend_from_slice(&text[piece]);
                continue;
            };
            out.extend_from_slice(&text[piece.start..object.text.start]);
            pieces.push(Piece::Text(object.text.end..piece.end));
            for (at, member) in sorted[object.members.clone()].iter().enumerate().rev() {
                pieces.push(Piece::Text(member.clone()));
                if at > 0 {
                    pieces.push(Piece::Comma);
                }
            }
        }
        out
    }

    /// The next byte that is no white space.
    fn peek(&mut self) -> Option<u8> {
        loop {
            let byte = *self.json.get(self.at)?;
            if !matches!(byte, b' ' | b'\n' | b'\t' | b'\r') {
                return Some(byte);
            }
            self.at += 1;
        }
    }

    /// Writes the byte that was looked at.
    fn copy(&mut self, byte: u8) {
        self.text.push(byte);
        self.at += 1;
    }
}

/// A letter within a string: escaped only if it must be, and then the shortest way.
fn write_letter(letter: char, out: &mut Vec<u8>) {
    let short = match letter {
        '"' | '\\' => letter,
        '\u{8}' => 'b',
        '\u{c}' => 'f',
        '\n' => 'n',
        '\r' => 'r',
        '\t' => 't',
        '\0'..='\u{1f}' => return write_unit(u32::from(letter), out),
        _ => return out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes()),
    };
    out.push(b'\\');
    out.extend_from_slice(short.encode_utf8(&mut [0; 4]).as_bytes());
}

/// An escape in hexadecimal digits.
pub(super) fn write_unit(unit: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(b"\\u");
    let digits = (0..4).rev().filter_map(|place| char::from_digit((unit >> (4 * place)) & 0xf, 16));
    out.extend(digits.map(|digit| digit as u8));
}

/// Half a surrogate pair where letters are UTF-8: like no letter, and the same for no two.
fn lone_surrogate(unit: u16) -> [u8; 3] {
    let [high, low] = unit.to_be_bytes();
    [0xe0 | (high >> 4), 0x80 | ((high & 0xf) << 2) | (low >> 6), 0x80 | (low & 0x3f)]
}

/// The four hexadecimal digits of an escape.
fn unit(digits: &[u8]) -> Option<u16> {
    let digits: &[u8; 4] = digits.first_chunk()?;
    digits.iter().try_fold(0, |unit, digit| {
        let digit = char::from(*digit).to_digit(16)?;
        Some((unit << 4) | u16::try_from(digit).ok()?)
    })
}

/// The second half of a pair, if that is what comes.
fn unit_of_pair(digits: &[u8]) -> Option<u16> {
    unit(digits).filter(|unit| (0xdc00..0xe000).contains(unit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::number::Exact;
    use proptest::prelude::*;

    /// Objects within objects and arrays, with few names, so that many are the same.
    fn json() -> impl Strategy<Value = String> {
        let scalar = prop_oneof!["[1-9]", r#""[a-c]{0,2}""#];
        scalar.prop_recursive(6, 60, 5, |value| {
            let member = (r#""(a|b|ab|\\u0061|\\n|é)""#, value.clone());
            let member = member.prop_map(|(name, value)| format!("{name}:{value}"));
            prop_oneof![
                1 => prop::collection::vec(value, 0..4).prop_map(|values| format!("[{}]", values.join(","))),
                3 => prop::collection::vec(member, 0..5)
                    .prop_map(|members| format!("{{{}}}", members.join(","))),
            ]
        })
    }

    proptest! {
        #[test]
        fn it_is_the_same_wherever_objects_are_put_in_order(json in json(), short in 0..80_usize) {
            let with = |short| canonical_with(&json, &mut Exact::default(), short).map(String::from_utf8);
            let whole = with(usize::MAX);
            prop_assert_eq!(with(0), whole.clone(), "{}", json);
            prop_assert_eq!(with(short), whole, "{}", json);
        }
    }
}
