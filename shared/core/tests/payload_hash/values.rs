//! JSON values by what they are, the many ways to write each, and when two of them are the same.

use fastrand::Rng;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// A value, without anything about how it is written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Number(Decimal),
    /// Units of UTF-16: half a pair is text, too.
    Text(Vec<u16>),
    Array(Vec<Json>),
    Object(BTreeMap<Vec<u16>, Json>),
}

/// An integer times a power of ten.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Decimal {
    pub(crate) digits: i128,
    pub(crate) exponent: i32,
}

/// Equal if the integers are, once both are multiples of the same power of ten.
impl PartialEq for Decimal {
    fn eq(&self, other: &Self) -> bool {
        let smallest = self.exponent.min(other.exponent);
        let expanded = |number: &Self| {
            let zeros = usize::try_from(number.exponent - smallest).expect("the smallest is no larger");
            if number.digits == 0 {
                "0".to_owned()
            } else {
                format!("{}{}", number.digits, "0".repeat(zeros))
            }
        };
        expanded(self) == expanded(other)
    }
}

impl Decimal {
    /// Returns the value of a number's text; for numbers of no more than 37 digits.
    pub(crate) fn of(text: &str) -> Self {
        let (digits, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (before, behind) = digits.split_once('.').unwrap_or((digits, ""));
        let exponent: i32 = exponent.parse().expect("a small exponent");
        Self {
            digits: format!("{before}{behind}").parse().expect("few digits"),
            exponent: exponent - i32::try_from(behind.len()).expect("few digits"),
        }
    }

    /// One of the ways to write it.
    fn written(self, rng: &mut Rng) -> String {
        let sign = if self.digits < 0 || (self.digits == 0 && rng.bool()) { "-" } else { "" };
        let mut digits = self.digits.unsigned_abs().to_string();
        let mut exponent = self.exponent;
        for _ in 0..rng.i32(0..4) {
            digits.push('0');
            exponent -= 1;
        }
        // As many behind the point as there are, and zeros in front where that is not enough.
        let behind = rng.usize(0..digits.len() + 4);
        if digits.len() <= behind {
            digits = format!("{}{digits}", "0".repeat(behind + 1 - digits.len()));
        }
        exponent += i32::try_from(behind).expect("few digits");
        let (before, behind) = digits.split_at(digits.len() - behind);
        let before = if before.bytes().all(|digit| digit == b'0') { "0" } else { before };
        let point = if behind.is_empty() { "" } else { "." };
        let exponent = match exponent {
            0 if rng.bool() => String::new(),
            _ => format!(
                "{}{}{}{}",
                rng.choice(["e", "E"]).expect("two"),
                if exponent < 0 { "-" } else { rng.choice(["", "+"]).expect("two") },
                "0".repeat(rng.usize(0..3)),
                exponent.unsigned_abs()
            ),
        };
        format!("{sign}{before}{point}{behind}{exponent}")
    }
}

impl Json {
    /// One of the ways to write it.
    pub(crate) fn written(&self, rng: &mut Rng) -> String {
        let value = match self {
            Self::Null => "null".to_owned(),
            Self::Bool(value) => value.to_string(),
            Self::Number(number) => number.written(rng),
            Self::Text(units) => text(units, rng),
            Self::Array(values) => {
                let values: Vec<_> = values.iter().map(|value| value.written(rng)).collect();
                format!("[{}]", if values.is_empty() { space(rng).to_owned() } else { values.join(",") })
            }
            Self::Object(members) => {
                let mut members: Vec<_> = members.iter().collect();
                rng.shuffle(&mut members);
                let mut written = Vec::new();
                for (at, (name, value)) in members.iter().enumerate() {
                    // One that is overruled later.
                    if rng.u8(..) < 16 {
                        let other = rng.choice(&members[at..]).expect("this one").0;
                        written.push(member(other, &Self::Array(vec![Self::Null, (*value).clone()]), rng));
                    }
                    written.push(member(name, value, rng));
                }
                format!("{{{}}}", if written.is_empty() { space(rng).to_owned() } else { written.join(",") })
            }
        };
        format!("{}{value}{}", space(rng), space(rng))
    }

    /// Another value, as near as can be.
    pub(crate) fn changed(&self, rng: &mut Rng) -> Self {
        match self {
            Self::Null => Self::Bool(false),
            Self::Bool(value) => Self::Bool(!value),
            Self::Number(Decimal { digits, exponent }) => Self::Number(match rng.u8(0..3) {
                0 => Decimal { digits: digits + 1, exponent: *exponent },
                1 if *digits != 0 => Decimal { digits: *digits, exponent: exponent + 1 },
                2 if *digits != 0 => Decimal { digits: -digits, exponent: *exponent },
                _ => Decimal { digits: digits - 1, exponent: *exponent },
            }),
            Self::Text(units) => {
                let mut units = units.clone();
                match rng.u8(0..3) {
                    0 => units.push(rng.choice([0xd83d, 0xde00, 0xfffd, 0x22, 0x5c]).expect("some")),
                    1 if !units.is_empty() => units.truncate(units.len() - 1),
                    _ => units.insert(0, rng.u16(..)),
                }
                Self::Text(units)
            }
            Self::Array(values) if values.is_empty() || rng.u8(..) < 64 => {
                Self::Array(values.iter().cloned().chain([Self::Null]).collect())
            }
            Self::Array(values) => {
                let mut values = values.clone();
                let at = rng.usize(..values.len());
                values[at] = values[at].changed(rng);
                Self::Array(values)
            }
            Self::Object(members) if members.is_empty() || rng.u8(..) < 64 => {
                let mut members = members.clone();
                while members.insert(vec![rng.u16(..)], Self::Null).is_some() {}
                Self::Object(members)
            }
            Self::Object(members) => {
                let mut members = members.clone();
                let at = rng.usize(..members.len());
                if let Some(value) = members.values_mut().nth(at) {
                    *value = value.changed(rng);
                }
                Self::Object(members)
            }
        }
    }
}

fn member(name: &[u16], value: &Json, rng: &mut Rng) -> String {
    format!("{}{}{}:{}", space(rng), text(name, rng), space(rng), value.written(rng))
}

fn space(rng: &mut Rng) -> &'static str {
    rng.choice(["", "", "", " ", "\n\t", "\r\n  "]).expect("some")
}

fn text(units: &[u16], rng: &mut Rng) -> String {
    let mut text = String::from("\"");
    for letter in char::decode_utf16(units.iter().copied()) {
        let short = match letter {
            Ok('"') => "\\\"",
            Ok('\\') => "\\\\",
            Ok('/') => "\\/",
            Ok('\n') => "\\n",
            Ok('\r') => "\\r",
            Ok('\t') => "\\t",
            Ok('\u{8}') => "\\b",
            Ok('\u{c}') => "\\f",
            _ => "",
        };
        match letter {
            Ok(letter) if letter >= ' ' && !"\"\\".contains(letter) && rng.bool() => text.push(letter),
            Ok(_) if !short.is_empty() && rng.bool() => text.push_str(short),
            Ok(letter) => {
                for unit in letter.encode_utf16(&mut [0; 2]) {
                    text += &escape(*unit, rng);
                }
            }
            Err(half) => text += &escape(half.unpaired_surrogate(), rng),
        }
    }
    text + "\""
}

fn escape(unit: u16, rng: &mut Rng) -> String {
    if rng.bool() { format!("\\u{unit:04x}") } else { format!("\\u{unit:04X}") }
}

/// Values whose parts are alike often enough.
pub(crate) fn any_json() -> impl Strategy<Value = Json> {
    let scalar = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::Bool),
        decimal().prop_map(Json::Number),
        units().prop_map(Json::Text),
    ];
    scalar.prop_recursive(5, 40, 6, |value| {
        prop_oneof![
            prop::collection::vec(value.clone(), 0..6).prop_map(Json::Array),
            prop::collection::btree_map(units(), value, 0..6).prop_map(Json::Object),
        ]
    })
}

/// Numbers of all sizes, and those about which libraries stumble.
pub(crate) fn decimal() -> impl Strategy<Value = Decimal> {
    let edges = [0, 1, 1 << 53, i128::from(i64::MAX), i128::from(u64::MAX), 1 << 70, 10_i128.pow(22)];
    let near_edges = (prop::sample::select(edges.to_vec()), -3_i128..=3, any::<bool>())
        .prop_map(|(edge, more, is_negative)| if is_negative { -edge - more } else { edge + more });
    let digits = prop_oneof![
        near_edges,
        -1000_i128..1000,
        any::<i64>().prop_map(i128::from),
        -(10_i128.pow(30))..10_i128.pow(30),
    ];
    (digits, prop_oneof![3 => Just(0), 3 => -20..20, 1 => -420..420])
        .prop_map(|(digits, exponent)| Decimal { digits, exponent })
}

fn units() -> impl Strategy<Value = Vec<u16>> {
    let unit = prop_oneof![
        prop::sample::select(vec![0x61, 0x62, 0x22, 0x5c, 0x2f, 0x0a, 0x1f, 0xe9, 0xd83d, 0xde00, 0xfffd]),
        any::<u16>(),
    ];
    prop::collection::vec(unit, 0..4)
}
