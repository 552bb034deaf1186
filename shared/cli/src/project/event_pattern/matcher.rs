//! The conditions of a pattern on one value.

use super::{
    Why,
    address::{Address, Block},
    document::Node,
    number::{Reading, Written, extremes},
    text::{AnyCase, Part, Wildcard},
};
use std::cmp::Ordering;

/// A value of an event.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Leaf {
    /// As it is matched: a text in quotes, unescaped; anything else as it is written.
    pub(super) text: String,
    number: Option<Written>,
    address: Option<Address>,
}

impl Leaf {
    /// A value that holds no others.
    pub(super) fn of(node: &Node) -> Option<Self> {
        let leaf = |text: String| Self { text, number: None, address: None };
        Some(match node {
            Node::Text(text) => Self { address: Address::of(text), ..leaf(quoted(text)) },
            Node::Number(text) => Self { number: Some(Written::of(text)), ..leaf(text.clone()) },
            Node::Word(word) => leaf((*word).to_owned()),
            Node::Array(_) | Node::Object(_) | Node::Unresolved => return None,
        })
    }
}

/// A three-valued verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    No,
    Perhaps(Why),
    Yes,
}

impl Verdict {
    pub(super) fn known(is_so: bool) -> Self {
        if is_so { Self::Yes } else { Self::No }
    }

    /// Returns the verdict on either of two conditions.
    pub(super) fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Yes, _) | (_, Self::Yes) => Self::Yes,
            (Self::Perhaps(why), _) | (_, Self::Perhaps(why)) => Self::Perhaps(why),
            (Self::No, Self::No) => Self::No,
        }
    }

    fn not(self) -> Self {
        match self {
            Self::No => Self::Yes,
            Self::Perhaps(why) => Self::Perhaps(why),
            Self::Yes => Self::No,
        }
    }
}

/// A condition on a value that is there.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Matcher {
    /// It is this one, which is no number.
    Literal(String),
    /// It is this number.
    Number(Written),
    /// It is this text, which reads as an IP address.
    Address(String, Block),
    /// It is a number within bounds, each with whether it belongs to the range.
    Range {
        bottom: Option<(Written, bool)>,
        top: Option<(Written, bool)>,
    },
    Block(Block),
    Prefix(String),
    Suffix(String),
    AnyCase(AnyCase),
    Wildcard(Wildcard),
    /// It is none of these texts.
    NoneOf(Vec<String>),
    /// It is none of these numbers.
    NoNumberOf(Vec<Written>),
    /// None of these holds of it.
    Not(Vec<Self>),
    /// It is there.
    Exists,
    /// It is not there.
    Absent,
    /// A value that a template's function resolves later.
    Unresolved,
}

/// The known operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operators {
    All,
    /// Those of the compiler that is asked where the current one refuses a pattern: fewer under `anything-but`.
    Older,
}

pub(super) fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

impl Matcher {
    /// Reads one.
    ///
    /// # Errors
    /// A sentence, if it is refused.
    pub(super) fn read(node: &Node, operators: Operators) -> Result<Self, String> {
        Ok(match node {
            Node::Text(text) => match Address::of(text) {
                Some(address) => Self::Address(quoted(text), Block::of_one(&address)),
                None => Self::Literal(quoted(text)),
            },
            Node::Number(text) => Self::Number(Written::of(text)),
            Node::Word(word) => Self::Literal((*word).to_owned()),
            Node::Unresolved => Self::Unresolved,
            Node::Array(_) => return Err("a list may not hold a list".into()),
            Node::Object(members) => match members.as_slice() {
                [(_, Node::Unresolved)] => Self::Unresolved,
                [(name, operand)] => Self::operator(name, operand, operators)?,
                [] => return Err("an operator is missing in `{}`".into()),
                [(name, _), ..] => return Err(format!("nothing may stand beside `{name}` in its object")),
            },
        })
    }

    fn operator(name: &str, operand: &Node, operators: Operators) -> Result<Self, String> {
        match (name, operand) {
            ("exactly", Node::Text(text)) => Ok(Self::Literal(quoted(text))),
            ("prefix", Node::Text(text)) => Ok(Self::Prefix(format!("\"{text}"))),
            ("suffix", Node::Text(text)) => Ok(Self::Suffix(format!("{text}\""))),
            ("prefix" | "suffix", Node::Object(inner)) => match inner.as_slice() {
                [(inner, Node::Unresolved)] if inner == "equals-ignore-case" => Ok(Self::Unresolved),
                [(inner, Node::Text(text))] if inner == "equals-ignore-case" => Ok(any_case(name, text)),
                _ => Err(format!("`{name}` takes a text or {{\"equals-ignore-case\": a text}}")),
            },
            ("equals-ignore-case", Node::Text(text)) => Ok(any_case(name, text)),
            ("wildcard", Node::Text(text)) => Wildcard::read(&quoted(text)).map(Self::Wildcard),
            ("exists", Node::Word("true")) => Ok(Self::Exists),
            ("exists", Node::Word("false")) => Ok(Self::Absent),
            ("exists", _) => Err("`exists` takes true or false".into()),
            ("cidr", Node::Text(text)) => Block::read(text).map(Self::Block),
            ("numeric", Node::Array(terms)) => range(terms),
            ("anything-but", operand) => Self::anything_but(operand, operators),
            ("exactly" | "equals-ignore-case" | "wildcard" | "cidr" | "prefix" | "suffix", other) => {
                Err(format!("`{name}` takes a text, not {}", other.kind()))
            }
            ("numeric", other) => Err(format!("`numeric` takes a list, not {}", other.kind())),
            _ => Err(format!("there is no operator `{name}`")),
        }
    }

    fn anything_but(operand: &Node, operators: Operators) -> Result<Self, String> {
        let single = std::slice::from_ref(operand);
        let others = match operand {
            Node::Text(_) | Node::Number(_) => single,
            Node::Array(others) => others,
            Node::Object(members) => {
                let [(name, operand)] = members.as_slice() else {
                    return Err("`anything-but` takes one operator".into());
                };
                return Self::none_that(name, operand, operators);
            }
            Node::Word(_) | Node::Unresolved => {
                return Err(format!("`anything-but` takes texts or numbers, not {}", operand.kind()));
            }
        };
        if others.contains(&Node::Unresolved) {
            return Ok(Self::Unresolved);
        }
        let text = |node: &Node| if let Node::Text(text) = node { Some(quoted(text)) } else { None };
        let number = |node: &Node| if let Node::Number(text) = node { Some(Written::of(text)) } else { None };
        if others.is_empty() {
            return Err("the list of `anything-but` is empty".into());
        }
        if let Some(texts) = others.iter().map(text).collect() {
            return Ok(Self::NoneOf(texts));
        }
        let numbers: Option<Vec<Written>> = others.iter().map(number).collect();
        let numbers = numbers.ok_or("`anything-but` takes either texts or numbers")?;
        Ok(Self::NoNumberOf(numbers))
    }

    fn none_that(name: &str, operand: &Node, operators: Operators) -> Result<Self, String> {
        let is_known = match name {
            "equals-ignore-case" | "prefix" | "suffix" => true,
            "wildcard" => operators == Operators::All,
            _ => false,
        };
        if !is_known {
            return Err(format!("`anything-but` knows no operator `{name}`"));
        }
        let takes_list = operators == Operators::All || name == "equals-ignore-case";
        let others = match operand {
            Node::Array(others) if takes_list => others.as_slice(),
            other => std::slice::from_ref(other),
        };
        if others.contains(&Node::Unresolved) {
            return Ok(Self::Unresolved);
        }
        let each = others.iter().map(|other| match other {
            Node::Text(text) if text.is_empty() && (name == "prefix" || name == "suffix") => {
                Err(format!("`{name}` under `anything-but` takes no empty text"))
            }
            Node::Text(_) => Self::operator(name, other, operators),
            other => Err(format!("`{name}` under `anything-but` takes texts, not {}", other.kind())),
        });
        each.collect::<Result<_, _>>().map(Self::Not)
    }

    /// Checks that a version of Amazon's matcher, by how it reads numbers, accepts it.
    ///
    /// # Errors
    /// A sentence, if it does.
    pub(super) fn check(&self, reading: Reading) -> Result<(), String> {
        let comparable = |number: &Written| {
            if number.is_comparable(reading) {
                return Ok(());
            }
            Err(match reading {
                Reading::SixDecimals => format!("{} is not between -5e9 and 5e9", number.text),
                Reading::Doubles | Reading::AsWritten => {
                    format!("{} has more digits than a double has", number.text)
                }
            })
        };
        match self {
            Self::Range { bottom, top } => {
                let [lowest, highest] = extremes(reading);
                let [lowest, highest] = [(bottom, lowest), (top, highest)]
                    .map(|(bound, extreme)| bound.as_ref().map_or(extreme, |(number, _)| number.clone()));
                comparable(&lowest)?;
                comparable(&highest)?;
                let is_single = bottom.is_some() && bottom == top;
                if is_single || lowest.compare(&highest, reading) == Some(Ordering::Less) {
                    return Ok(());
                }
                Err(format!("no number lies between {} and {}", lowest.text, highest.text))
            }
            Self::NoNumberOf(numbers) => numbers.iter().try_for_each(comparable),
            _ => Ok(()),
        }
    }

    /// Returns the verdict on a value.
    pub(super) fn holds(&self, leaf: &Leaf, reading: Reading) -> Verdict {
        let text = leaf.text.as_str();
        match self {
            Self::Literal(wanted) => Verdict::known(wanted == text),
            Self::Number(wanted) => Verdict::known(
                wanted.text == text
                    || reading != Reading::AsWritten
                        && compare(leaf, wanted, reading) == Some(Ordering::Equal),
            ),
            Self::Address(wanted, block) => {
                let is_held = leaf.address.as_ref().is_some_and(|address| block.holds_by_digits(address));
                if wanted == text { Verdict::Yes } else { perhaps(is_held, Why::Address) }
            }
            Self::Range { bottom, top } => {
                let is_beyond = |bound: &Option<(Written, bool)>, beyond: Ordering| {
                    bound.as_ref().is_none_or(|(bound, is_closed)| {
                        let order = compare(leaf, bound, reading);
                        order == Some(beyond) || *is_closed && order == Some(Ordering::Equal)
                    })
                };
                let is_number = leaf.number.as_ref().is_some_and(|number| number.is_comparable(reading));
                Verdict::known(
                    is_number && is_beyond(bottom, Ordering::Greater) && is_beyond(top, Ordering::Less),
                )
            }
            Self::Block(block) => match &leaf.address {
                Some(address) if block.holds(address) && !address.is_unusual => Verdict::Yes,
                Some(address) => perhaps(block.holds_by_digits(address), Why::Address),
                None => Verdict::No,
            },
            Self::Prefix(wanted) => Verdict::known(text.starts_with(wanted)),
            Self::Suffix(wanted) => Verdict::known(text.ends_with(wanted)),
            Self::AnyCase(wanted) => {
                let is_taken = wanted.takes_by_units(text, 0);
                if wanted.has_pairs() && is_taken != wanted.takes_plainly(text) {
                    return Verdict::Perhaps(Why::Case);
                }
                Verdict::known(is_taken)
            }
            Self::Wildcard(wanted) => Verdict::known(wanted.takes(text)),
            Self::NoneOf(others) => Verdict::known(others.iter().all(|other| other != text)),
            Self::NoNumberOf(others) => Verdict::known(!others.iter().any(|other| {
                if reading == Reading::AsWritten {
                    other.text == text
                } else {
                    compare(leaf, other, reading) == Some(Ordering::Equal)
                }
            })),
            Self::Not(others) if others.is_empty() => Verdict::Perhaps(Why::EmptyList),
            Self::Not(others) => {
                others.iter().map(|other| other.holds(leaf, reading)).fold(Verdict::No, Verdict::or).not()
            }
            Self::Exists => Verdict::Yes,
            Self::Absent => Verdict::No,
            Self::Unresolved => Verdict::Perhaps(Why::Unresolved),
        }
    }

    /// Returns the verdict on a text of which nothing else is known.
    pub(super) fn holds_of_unknown_text(&self) -> Verdict {
        match self {
            Self::Exists | Self::NoNumberOf(_) => Verdict::Yes,
            Self::Prefix(quote) | Self::Suffix(quote) if quote == "\"" => Verdict::Yes,
            Self::Absent | Self::Number(_) | Self::Range { .. } => Verdict::No,
            Self::Literal(wanted) if !wanted.starts_with('"') => Verdict::No,
            _ => Verdict::Perhaps(Why::Unknown),
        }
    }

    /// Returns whether the matcher is about texts.
    pub(super) fn is_of_text(&self) -> bool {
        !matches!(self, Self::Range { .. } | Self::Exists | Self::Absent)
    }

    /// Returns whether the matcher is a range that begins with negative numbers.
    pub(super) fn is_range_from_negative(&self) -> bool {
        match self {
            Self::Range { bottom: Some((bottom, _)), .. } => bottom.is_negative(),
            Self::Range { bottom: None, .. } => true,
            _ => false,
        }
    }

    /// Returns whether the matcher makes Amazon's read texts as addresses.
    pub(super) fn is_of_addresses(&self) -> bool {
        matches!(self, Self::Address(..) | Self::Block(_))
    }

    /// Returns whether the matcher is the number that an address has as hexadecimal digits.
    pub(super) fn is_digits_of(&self, leaf: &Leaf) -> bool {
        match (self, &leaf.address) {
            (Self::Number(number), Some(address)) => number.text == address.digits,
            _ => false,
        }
    }

    /// The text that it is about word for word, if it is.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Literal(text) | Self::Address(text, _) => text.strip_prefix('"')?.strip_suffix('"'),
            _ => None,
        }
    }

    /// Returns the number of stars.
    pub(super) fn stars(&self) -> usize {
        match self {
            Self::Wildcard(wildcard) => wildcard.stars(),
            Self::Not(others) => others.iter().map(Self::stars).sum(),
            _ => 0,
        }
    }

    /// Returns whether the matcher, or the one inside `anything-but`, ignores case.
    pub(super) fn ignores_case(&self) -> bool {
        match self {
            Self::AnyCase(_) => true,
            Self::Not(others) => others.iter().any(Self::ignores_case),
            _ => false,
        }
    }

    /// Returns whether the matcher, or the one inside `anything-but`, takes a text in any case if so many letters of it
    /// may be any.
    pub(super) fn takes_with_free_letters(&self, leaf: &Leaf, free: usize) -> bool {
        match self {
            Self::AnyCase(wanted) => wanted.takes_by_units(&leaf.text, free),
            Self::Not(others) => others.iter().any(|other| other.takes_with_free_letters(leaf, free)),
            _ => false,
        }
    }
}

fn perhaps(is_so: bool, why: Why) -> Verdict {
    if is_so { Verdict::Perhaps(why) } else { Verdict::No }
}

fn compare(leaf: &Leaf, other: &Written, reading: Reading) -> Option<Ordering> {
    leaf.number.as_ref()?.compare(other, reading)
}

fn any_case(operator: &str, text: &str) -> Matcher {
    Matcher::AnyCase(match operator {
        "prefix" => AnyCase::new(Part::Start, format!("\"{text}")),
        "suffix" => AnyCase::new(Part::End, format!("{text}\"")),
        _ => AnyCase::new(Part::Whole, quoted(text)),
    })
}

/// The range that the terms of `numeric` name.
fn range(terms: &[Node]) -> Result<Matcher, String> {
    if terms.contains(&Node::Unresolved) {
        return Ok(Matcher::Unresolved);
    }
    let term = |pair: &[Node]| match pair {
        [Node::Text(operator), Node::Number(number)] => Ok((operator.clone(), Written::of(number))),
        [Node::Text(operator), other] => Err(format!("`{operator}` takes a number, not {}", other.kind())),
        _ => Err("`numeric` takes operators, each with a number behind it".to_owned()),
    };
    let terms: Vec<_> = terms.chunks(2).map(term).collect::<Result<_, _>>()?;
    let mut terms = terms.into_iter();
    let (Some((operator, number)), second, None) = (terms.next(), terms.next(), terms.next()) else {
        return Err("`numeric` takes one or two operators".into());
    };
    let (mut bottom, mut top) = (None, None);
    match operator.as_str() {
        "=" => (bottom, top) = (Some((number.clone(), true)), Some((number, true))),
        "<" => top = Some((number, false)),
        "<=" => top = Some((number, true)),
        ">" => bottom = Some((number, false)),
        ">=" => bottom = Some((number, true)),
        other => return Err(format!("`numeric` knows no operator `{other}`")),
    }
    match second {
        None => {}
        Some((operator, number)) if top.is_none() && (operator == "<" || operator == "<=") => {
            // Two bounds make a single number only by `=`.
            let is_closed = operator == "<=";
            if bottom.as_ref().is_some_and(|(bottom, _)| bottom.text == number.text) {
                return Err(format!("no number lies between {0} and {0}", number.text));
            }
            top = Some((number, is_closed));
        }
        Some((second, _)) => {
            return Err(format!(
                "`{second}` may not follow `{operator}`: `>` or `>=` come first, then `<` or `<=`"
            ));
        }
    }
    Ok(Matcher::Range { bottom, top })
}
