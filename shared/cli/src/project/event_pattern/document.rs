//! JSON as a matcher needs it: names in the order of the text, repeated ones too, and numbers as they are written.

use serde_json::Value;
use std::fmt;

/// The depth to which values may be nested, as in the JSON reader of Amazon's matcher.
const DEEPEST: usize = 1000;

/// A value of JSON.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    /// `null`, `true` or `false`, as it is written.
    Word(&'static str),
    /// A number, as it is written.
    Number(String),
    Text(String),
    Array(Vec<Self>),
    Object(Vec<(String, Self)>),
    /// Something that a template resolves only when it is deployed.
    Unresolved,
}

impl Node {
    /// Reads a text. What follows the value is not looked at.
    ///
    /// # Errors
    /// A sentence, if it is no JSON.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let mut reader = Reader { text, place: 0 };
        reader.value(0)
    }

    /// Turns a template's value into a document; its functions are not resolved.
    pub(super) fn of_template(value: &Value) -> Self {
        match value {
            Value::Object(members) => {
                let mut names = members.keys();
                if let (Some(name), None) = (names.next(), names.next())
                    && (name == "Ref" || name.starts_with("Fn::"))
                {
                    return Self::Unresolved;
                }
                let member = |(name, value): (&String, &Value)| (name.clone(), Self::of_template(value));
                Self::Object(members.iter().map(member).collect())
            }
            Value::Array(items) => Self::Array(items.iter().map(Self::of_template).collect()),
            Value::String(text) => Self::Text(text.clone()),
            Value::Number(number) => Self::Number(number.to_string()),
            Value::Null => Self::Word("null"),
            Value::Bool(true) => Self::Word("true"),
            Value::Bool(false) => Self::Word("false"),
        }
    }

    /// The same with the members of objects in the other order.
    pub(super) fn reversed(&self) -> Self {
        match self {
            Self::Object(members) => Self::Object(
                members.iter().rev().map(|(name, value)| (name.clone(), value.reversed())).collect(),
            ),
            Self::Array(items) => Self::Array(items.iter().map(Self::reversed).collect()),
            leaf => leaf.clone(),
        }
    }

    /// Returns the kind of the value, for a sentence.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Word(word) => word,
            Self::Number(_) => "a number",
            Self::Text(_) => "a text",
            Self::Array(_) => "a list",
            Self::Object(_) => "an object",
            Self::Unresolved => "what a template resolves later",
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    place: usize,
}

impl Reader<'_> {
    fn value(&mut self, depth: usize) -> Result<Node, String> {
        if depth > DEEPEST {
            return Err(format!("it is nested deeper than {DEEPEST} levels"));
        }
        self.space();
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => self.text().map(Node::Text),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => {
                for word in ["null", "true", "false"] {
                    if self.text.as_bytes()[self.place..].starts_with(word.as_bytes()) {
                        self.place += word.len();
                        return Ok(Node::Word(word));
                    }
                }
                Err(self.unexpected("a value"))
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Node, String> {
        self.place += 1;
        let mut members = Vec::new();
        self.space();
        if self.take(b'}') {
            return Ok(Node::Object(members));
        }
        loop {
            self.space();
            if self.peek() != Some(b'"') {
                return Err(self.unexpected("a name in quotes"));
            }
            let name = self.text()?;
            self.space();
            if !self.take(b':') {
                return Err(self.unexpected("a colon"));
            }
            members.push((name, self.value(depth + 1)?));
            self.space();
            if self.take(b'}') {
                return Ok(Node::Object(members));
            }
            if !self.take(b',') {
                return Err(self.unexpected("a comma or the end of the object"));
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Node, String> {
        self.place += 1;
        let mut items = Vec::new();
        self.space();
        if self.take(b']') {
            return Ok(Node::Array(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            self.space();
            if self.take(b']') {
                return Ok(Node::Array(items));
            }
            if !self.take(b',') {
                return Err(self.unexpected("a comma or the end of the list"));
            }
        }
    }

    fn number(&mut self) -> Result<Node, String> {
        let start = self.place;
        self.take(b'-');
        let whole = self.digits();
        if whole == 0 || whole > 1 && self.text.as_bytes()[self.place - whole] == b'0' {
            return Err(self.unexpected("a number without leading zeros"));
        }
        if self.take(b'.') && self.digits() == 0 {
            return Err(self.unexpected("a digit"));
        }
        if self.take(b'e') || self.take(b'E') {
            let _ = self.take(b'+') || self.take(b'-');
            if self.digits() == 0 {
                return Err(self.unexpected("a digit"));
            }
        }
        Ok(Node::Number(self.text[start..self.place].to_owned()))
    }

    fn digits(&mut self) -> usize {
        let count =
            self.text.as_bytes()[self.place..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.place += count;
        count
    }

    fn text(&mut self) -> Result<String, String> {
        self.place += 1;
        let mut text = String::new();
        loop {
            let rest = &self.text[self.place..];
            let Some(end) = rest.find(|letter: char| letter == '"' || letter == '\\' || letter < ' ') else {
                self.place = self.text.len();
                return Err(self.unexpected("the end of a text"));
            };
            text.push_str(&rest[..end]);
            self.place += end;
            if self.take(b'"') {
                return Ok(text);
            }
            if !self.take(b'\\') {
                return Err(self.unexpected("a control character as an escape"));
            }
            text.push(self.escape()?);
        }
    }

    fn escape(&mut self) -> Result<char, String> {
        let escaped = self.peek();
        self.place += 1;
        Ok(match escaped {
            Some(letter @ (b'"' | b'\\' | b'/')) => char::from(letter),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                let first = self.unit()?;
                let both = match char::from_u32(first) {
                    Some(letter) => return Ok(letter),
                    None if first < 0xDC00 && self.text[self.place..].starts_with("\\u") => {
                        let before = self.place;
                        self.place += 2;
                        let second = self.unit()?;
                        let is_pair = (0xDC00..0xE000).contains(&second);
                        if !is_pair {
                            self.place = before;
                        }
                        is_pair.then(|| 0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00))
                    }
                    None => None,
                };
                // Half a pair has no UTF-8: Java writes a question mark.
                both.and_then(char::from_u32).unwrap_or('?')
            }
            _ => {
                self.place -= 1;
                return Err(self.unexpected("a known escape"));
            }
        })
    }

    fn unit(&mut self) -> Result<u32, String> {
        let digits = self.text.get(self.place..self.place + 4);
        let is_hexadecimal = |digits: &&str| digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let unit = digits.filter(is_hexadecimal).and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let unit = unit.ok_or_else(|| self.unexpected("four hexadecimal digits"))?;
        self.place += 4;
        Ok(unit)
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.place).copied()
    }

    fn take(&mut self, wanted: u8) -> bool {
        let is_it = self.peek() == Some(wanted);
        if is_it {
            self.place += 1;
        }
        is_it
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.place += 1;
        }
    }

    fn unexpected(&self, wanted: impl fmt::Display) -> String {
        let found = self.text.get(self.place..).and_then(|rest| rest.chars().next());
        let found = found.map_or_else(|| "the text ends".to_owned(), |letter| format!("there is {letter:?}"));
        format!("it is no JSON: {found} where {wanted} should be (byte {})", self.place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_their_order_and_repetitions_and_numbers_their_notation() {
        let read =
            Node::read(r#" {"b":3.0e2,"a":[-0,null,true],"b":"\u0061\ud83d\ude00\ud83d"} rest"#).unwrap();
        let expected = Node::Object(vec![
            ("b".into(), Node::Number("3.0e2".into())),
            (
                "a".into(),
                Node::Array(vec![Node::Number("-0".into()), Node::Word("null"), Node::Word("true")]),
            ),
            ("b".into(), Node::Text("a😀?".into())),
        ]);
        assert_eq!(read, expected);
    }

    #[test]
    fn what_is_no_json_is_refused_with_its_place() {
        for text in [
            "",
            "{",
            "[1,]",
            "{\"a\":1,}",
            "{a:1}",
            "[01]",
            "[.5]",
            "[1.]",
            "[1e]",
            "[-]",
            "[NaN]",
            "\"\t\"",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\\u+123\"",
            "\"",
            "'a'",
            "[1 2]",
            "{\"a\" 1}",
            "nul",
            "\u{feff}{}",
        ] {
            let refused = Node::read(text).unwrap_err();
            assert!(refused.starts_with("it is no JSON: "), "{text}: {refused}");
        }
    }

    #[test]
    fn a_text_that_is_nested_without_end_is_refused() {
        for opening in ["[", "{\"a\":"] {
            assert!(Node::read(&opening.repeat(1_000_000)).unwrap_err().contains("nested deeper"));
        }
    }
}
