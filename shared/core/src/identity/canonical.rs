//! The canonical form of JSON: members sorted by name and no white space, written straight from JSON text.
//!
//! Of several members with one name the last one counts. A tree of `Value`s would cost an allocation for every name and
//! every string of every message, would lose digits that its numbers cannot hold, and would differ with the features
//! that `serde_json` is compiled with. Nothing here is recursive, however deep the text is nested, and time and memory
//! grow with the length of the text alone: a short object is sorted in place, and all longer ones at the end, in one
//! go, since otherwise each level would be copied by every level around it.

use super::number::Number;
use crate::scanner::plain_length;
use std::ops::Range;

/// The rules for parts of JSON that can be written in more than one way.
pub(super) trait Rules {
    /// Writes a number; `None` if these rules do not accept it.
    fn number(&mut self, number: &Number<'_>, out: &mut Vec<u8>) -> Option<()>;

    /// Writes half a surrogate pair; `None` if these rules do not accept it.
    fn lone_surrogate(&mut self, unit: u16, out: &mut Vec<u8>) -> Option<()>;

    /// The most arrays and objects within each other.
    const DEEPEST: usize = usize::MAX;
}

/// Returns the canonical form of a JSON text; `None` if it is no JSON, or not accepted by these rules.
pub(super) fn canonical(json: &str, rules: &mut impl Rules) -> Option<Vec<u8>> {
    canonical_with(json, rules, SHORT)
}

/// Returns the canonical form. Objects of up to `short` bytes are sorted in place.
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

/// Reads JSON and writes it in the order in which it comes. Objects that are not sorted are noted, and sorted at the
/// end.
struct Writer<'j, R> {
    json: &'j [u8],
    at: usize,
    rules: &'j mut R,
    short: usize,
    text: Vec<u8>,
    /// The arrays and objects being written, outer ones first: `Some` with the position of an object's first member, or
    /// `None` for an array.
    open: Vec<Option<usize>>,
    /// The members of the objects being written, outer ones first.
    members: Vec<Member>,
    /// The unescaped names of members whose names have escapes in the text: names are sorted by their meaning.
    names: Vec<u8>,
    unsorted: Vec<Unsorted>,
    /// The members of the unsorted objects, sorted within each object.
    sorted: Vec<Range<usize>>,
    /// The buffer in which a short object is sorted.
    scratch: Vec<u8>,
}

/// The largest size in bytes of an object that is sorted in place: copying it is cheap, even once for each level that
/// so many bytes can hold.
const SHORT: usize = 4096;

struct Member {
    name: Name,
    /// The range of the member's name and value in the text, without the comma.
    text: Range<usize>,
}

enum Name {
    /// The range of the name in the text.
    Plain(Range<usize>),
    /// The range of the name in `names`.
    Unescaped(Range<usize>),
}

/// An object whose members were written in another order.
struct Unsorted {
    /// The range between the object's braces.
    text: Range<usize>,
    /// The range of the object's members in `sorted`.
    members: Range<usize>,
}

/// A piece that is still to be copied.
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

    /// Reads a value, or the beginning of one that holds others. Returns `true` for such a beginning.
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

    /// Reads a string and returns it as a name. It is unescaped for that only if `is_name`.
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

    /// Reads an escape: a letter, or half a surrogate pair as an error.
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

    /// Sorts the object's members if they were written in another order, or notes the order for later.
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
            // Of members with one name the last one counts.
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

    /// Returns the text with all objects sorted.
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

    /// Returns the next byte that is no white space, without reading it.
    fn peek(&mut self) -> Option<u8> {
        loop {
            let byte = *self.json.get(self.at)?;
            if !matches!(byte, b' ' | b'\n' | b'\t' | b'\r') {
                return Some(byte);
            }
            self.at += 1;
        }
    }

    /// Copies the byte that `peek` returned.
    fn copy(&mut self, byte: u8) {
        self.text.push(byte);
        self.at += 1;
    }
}

/// Writes a letter of a string, escaped only if it must be, and then in the shortest way.
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

/// Writes an escape in hexadecimal digits.
pub(super) fn write_unit(unit: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(b"\\u");
    let digits = (0..4).rev().filter_map(|place| char::from_digit((unit >> (4 * place)) & 0xf, 16));
    out.extend(digits.map(|digit| digit as u8));
}

/// Returns half a surrogate pair as bytes among UTF-8 letters: they are unlike those of any letter, and different for
/// each half.
fn lone_surrogate(unit: u16) -> [u8; 3] {
    let [high, low] = unit.to_be_bytes();
    [0xe0 | (high >> 4), 0x80 | ((high & 0xf) << 2) | (low >> 6), 0x80 | (low & 0x3f)]
}

/// Returns the value of an escape's four hexadecimal digits.
fn unit(digits: &[u8]) -> Option<u16> {
    let digits: &[u8; 4] = digits.first_chunk()?;
    digits.iter().try_fold(0, |unit, digit| {
        let digit = char::from(*digit).to_digit(16)?;
        Some((unit << 4) | u16::try_from(digit).ok()?)
    })
}

/// Returns the second half of a surrogate pair, if the text begins with one.
fn unit_of_pair(digits: &[u8]) -> Option<u16> {
    unit(digits).filter(|unit| (0xdc00..0xe000).contains(unit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::number::Exact;
    use proptest::prelude::*;

    /// Generates objects within objects and arrays, with few names, so that many are the same.
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
