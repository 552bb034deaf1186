//! What an event pattern may ask of one value.

use serde_json::Value;

/// What is asked of a value that is there.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Condition<'a> {
    /// It is this one.
    Exact(&'a Value),
    /// It is this text, in whatever case.
    EqualsIgnoringCase(&'a str),
    Prefix {
        text: &'a str,
        ignores_case: bool,
    },
    Suffix {
        text: &'a str,
        ignores_case: bool,
    },
    Wildcard(&'a str),
    /// It is a number within bounds: pairs of an operator and a number.
    Numeric(Vec<(&'a str, f64)>),
    /// None of these holds.
    AnythingBut(Vec<Self>),
}

impl<'a> Condition<'a> {
    /// What a matcher asks; nothing if it is not known here.
    pub(super) fn of(matcher: &'a Value) -> Option<Self> {
        let Value::Object(operator) = matcher else { return Some(Self::Exact(matcher)) };
        let mut operators = operator.iter();
        let (Some((name, wanted)), None) = (operators.next(), operators.next()) else { return None };
        match (name.as_str(), wanted) {
            ("numeric", Value::Array(bounds)) => {
                let bound = |pair: &'a [Value]| match pair {
                    [operator, number] => Some((operator.as_str()?, number.as_f64()?)),
                    _ => None,
                };
                bounds.chunks(2).map(bound).collect::<Option<_>>().map(Self::Numeric)
            }
            ("anything-but", Value::Array(others)) => {
                Some(Self::AnythingBut(others.iter().map(Self::Exact).collect()))
            }
            ("anything-but", Value::Object(inner)) => {
                let (name, wanted) = inner.iter().next().filter(|_| inner.len() == 1)?;
                let each = match wanted {
                    Value::Array(each) => each.iter().map(|one| Self::of_text(name, one)).collect(),
                    one => Self::of_text(name, one).map(|condition| vec![condition]),
                };
                each.map(Self::AnythingBut)
            }
            ("anything-but", other) => Some(Self::AnythingBut(vec![Self::Exact(other)])),
            (name, wanted) => Self::of_text(name, wanted),
        }
    }

    fn of_text(name: &str, wanted: &'a Value) -> Option<Self> {
        let (text, ignores_case) = match wanted {
            Value::String(text) => (text.as_str(), false),
            Value::Object(inner) if inner.len() == 1 => (inner.get("equals-ignore-case")?.as_str()?, true),
            _ => return None,
        };
        match (name, ignores_case) {
            ("prefix", _) => Some(Self::Prefix { text, ignores_case }),
            ("suffix", _) => Some(Self::Suffix { text, ignores_case }),
            ("equals-ignore-case", false) => Some(Self::EqualsIgnoringCase(text)),
            ("wildcard", false) => Some(Self::Wildcard(text)),
            _ => None,
        }
    }

    /// Whether it holds of a value.
    pub(super) fn holds(&self, value: &Value) -> bool {
        let of_text = |holds: &dyn Fn(&str) -> bool| value.as_str().is_some_and(holds);
        match self {
            Self::Exact(wanted) => *wanted == value,
            Self::EqualsIgnoringCase(wanted) => of_text(&|text| text.eq_ignore_ascii_case(wanted)),
            Self::Prefix { text: wanted, ignores_case } => {
                of_text(&|text| is_same(text.get(..wanted.len()), wanted, *ignores_case))
            }
            Self::Suffix { text: wanted, ignores_case } => of_text(&|text| {
                let start = text.len().checked_sub(wanted.len());
                is_same(start.and_then(|start| text.get(start..)), wanted, *ignores_case)
            }),
            Self::Wildcard(wanted) => of_text(&|text| is_like(text, wanted)),
            Self::Numeric(bounds) => value.as_f64().is_some_and(|number| {
                bounds.iter().all(|(operator, bound)| match *operator {
                    "<" => number < *bound,
                    "<=" => number <= *bound,
                    ">" => number > *bound,
                    ">=" => number >= *bound,
                    _ => (number - bound).abs() < f64::EPSILON,
                })
            }),
            Self::AnythingBut(others) => !others.iter().any(|other| other.holds(value)),
        }
    }
}

fn is_same(part: Option<&str>, wanted: &str, ignores_case: bool) -> bool {
    part.is_some_and(|part| part == wanted || ignores_case && part.eq_ignore_ascii_case(wanted))
}

/// Whether a text is like one in which `*` stands for any text, even none, and `\` makes the next character stand for
/// itself.
fn is_like(text: &str, wanted: &str) -> bool {
    let mut pieces = vec![String::new()];
    let mut letters = wanted.chars();
    while let Some(letter) = letters.next() {
        match (letter, pieces.last_mut()) {
            ('*', _) => pieces.push(String::new()),
            ('\\', Some(piece)) => piece.extend(letters.next()),
            (letter, Some(piece)) => piece.push(letter),
            (_, None) => {}
        }
    }
    let (Some(first), Some(last)) = (pieces.first(), pieces.last()) else { return false };
    if pieces.len() == 1 {
        return text == first;
    }
    let Some(mut rest) = text.strip_prefix(first.as_str()).and_then(|text| text.strip_suffix(last.as_str()))
    else {
        return false;
    };
    for piece in &pieces[1..pieces.len() - 1] {
        let Some((_, after)) = rest.split_once(piece.as_str()) else { return false };
        rest = after;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_operator_holds_of_what_the_user_guide_says() {
        for (matcher, holds_of, fails_of) in [
            (json!("shop"), json!("shop"), json!("Shop")),
            (json!({ "equals-ignore-case": "SHOP" }), json!("shop"), json!("shops")),
            (json!({ "prefix": "sh" }), json!("shop"), json!("bishop")),
            (json!({ "prefix": { "equals-ignore-case": "SH" } }), json!("shop"), json!("s")),
            (json!({ "suffix": "op" }), json!("shop"), json!("p")),
            (json!({ "suffix": { "equals-ignore-case": "OP" } }), json!("shop"), json!("shö")),
            (json!({ "wildcard": "s*o*" }), json!("shop"), json!("ship")),
            (json!({ "wildcard": "a*a" }), json!("aa"), json!("a")),
            (json!({ "wildcard": "a\\*b" }), json!("a*b"), json!("a-b")),
            (json!({ "numeric": [">", 0, "<=", 5] }), json!(5), json!(0)),
            (json!({ "numeric": ["=", 3.5] }), json!(3.5), json!("3.5")),
            (json!({ "anything-but": ["shop", 1] }), json!("bank"), json!(1)),
            (json!({ "anything-but": "shop" }), json!("bank"), json!("shop")),
            (json!({ "anything-but": { "prefix": "sh" } }), json!("bank"), json!("shop")),
            (json!({ "anything-but": { "wildcard": ["*nk", "s*"] } }), json!("till"), json!("bank")),
        ] {
            let condition = Condition::of(&matcher).unwrap();
            assert!(condition.holds(&holds_of), "{matcher} of {holds_of}");
            assert!(!condition.holds(&fails_of), "{matcher} of {fails_of}");
        }
    }

    #[test]
    fn what_is_not_known_here_is_no_condition() {
        for matcher in [json!({ "cidr": "10.0.0.0/24" }), json!({ "numeric": [">"] }), json!({ "prefix": 1 })]
        {
            assert_eq!(Condition::of(&matcher), None, "{matcher}");
        }
    }
}
