//! EventBridge's event patterns: whether a rule takes an event.
//!
//! What is documented ("Amazon EventBridge event patterns" and "Comparison operators" in its user guide) leaves much
//! open. The rest is as in Amazon's own matcher, [event-ruler](https://github.com/aws/event-ruler) 2.0.1. Where its
//! versions differ, where it contradicts the user guide, or where it has no stable answer, the answer is
//! [`Answer::Perhaps`], with its reason.

mod address;
mod document;
mod event;
mod matcher;
mod number;
mod rules;
mod search;
mod text;

use document::Node;
pub use event::{Event, Unknown};
use matcher::Verdict;
use number::Reading;
use rules::Rules;
use search::{Search, of_unknown};
use serde_json::Value;
use std::fmt;

/// The answer to whether a pattern takes an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It does not.
    No,
    /// It cannot be told, for this reason.
    Perhaps(Reason),
    /// It does.
    Yes,
}

impl Answer {
    /// Returns whether one of two patterns takes an event.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Yes, _) | (_, Self::Yes) => Self::Yes,
            (Self::Perhaps(reason), _) | (_, Self::Perhaps(reason)) => Self::Perhaps(reason),
            (Self::No, Self::No) => Self::No,
        }
    }

    /// Returns whether the pattern takes the event, or may take it.
    pub fn may_be(&self) -> bool {
        *self != Self::No
    }
}

/// Why it cannot be told whether a pattern takes an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// The full name of the field that is in doubt, if it is one.
    pub field: Option<String>,
    /// The reason for the doubt.
    pub why: Why,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.field {
            Some(field) => write!(f, "`{field}`: {}", self.why),
            None => self.why.fmt(f),
        }
    }
}

/// The reason for the doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// The value is not known.
    Unknown,
    /// The template resolves it when it is deployed.
    Unresolved,
    /// The versions of Amazon's matcher differ.
    Versions,
    /// Only the notation of a number differs: the user guide and Amazon's matcher disagree.
    Notation,
    /// A text reads as an IP address: the user guide and Amazon's matcher disagree.
    Address,
    /// Amazon's matcher takes characters beyond U+FFFF for question marks where it ignores case.
    Case,
    /// A wildcard changes what the matchers behind it take.
    Wildcard,
    /// Amazon's matcher answers by chance.
    Chance,
    /// An empty list of what not to be.
    EmptyList,
    /// The last of several patterns for a field counts, and a template does not keep their order.
    Order,
    /// There are too many ways to look at it.
    Work,
    /// EventBridge has the rule, though Amazon's matcher would refuse its pattern.
    Refused,
}

impl Why {
    /// Returns whether AWS alone could tell. Otherwise the missing fact is known elsewhere.
    pub fn is_disputed(self) -> bool {
        !matches!(self, Self::Unknown | Self::Unresolved)
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "its value is not known here",
            Self::Unresolved => "its pattern is only resolved when it is deployed",
            Self::Versions => "the versions of Amazon's matcher compare such numbers in different ways",
            Self::Notation => {
                "the same number in another notation: it is another one to EventBridge's user guide, and the same to \
                 Amazon's matcher"
            }
            Self::Address => {
                "its text reads as an IP address, and Amazon's matcher compares it by digits, not by characters"
            }
            Self::Case => "Amazon's matcher takes characters beyond U+FFFF for question marks where it ignores case",
            Self::Wildcard => {
                "behind a wildcard in the same list, Amazon's matcher takes other letters for those in any case"
            }
            Self::Chance => {
                "between texts, a range that reaches from negative numbers on makes Amazon's matcher answer by chance"
            }
            Self::EmptyList => "it is not documented what an empty list under `anything-but` leaves out",
            Self::Order => {
                "there are several patterns for it, of which the last one counts, and a template's text may be \
                 reordered when it is deployed"
            }
            Self::Work => "there are too many combinations to go through",
            Self::Refused => "not every version of Amazon's matcher takes this pattern",
        })
    }
}

/// A pattern that EventBridge refuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no event pattern: {0}")]
pub struct NotAPattern(String);

/// An event pattern.
///
/// ```
/// use throughline_cli::project::event_pattern::{Answer, Event, EventPattern};
/// let pattern = EventPattern::read(r#"{"detail":{"lines":{"sku":["a"],"quantity":[{"numeric":[">",1]}]}}}"#)?;
/// let event = |quantity: u32| {
///     Event::read(&format!(r#"{{"detail":{{"lines":[{{"sku":"a","quantity":{quantity}}},{{"sku":"b","quantity":2}}]}}}}"#))
/// };
/// assert_eq!(pattern.takes(&event(2)?), Answer::Yes);
/// assert_eq!(pattern.takes(&event(1)?), Answer::No);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct EventPattern {
    rules: Rules,
    /// The rules in the other order, if the order is unknown and matters.
    reversed: Option<Rules>,
    doubt: Option<Doubt>,
}

/// The doubts that hold for every event.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Doubt {
    /// The rules by which the pattern takes events.
    All(Reason),
    /// That it takes an event that it seems to take.
    Yes(Reason),
}

impl EventPattern {
    /// Reads one.
    ///
    /// # Errors
    /// [`NotAPattern`], with what is wrong.
    pub fn read(json: &str) -> Result<Self, NotAPattern> {
        let node = Node::read(json).map_err(NotAPattern)?;
        Self::of(&node, true)
    }

    /// Reads one of a template, whose functions are not resolved.
    ///
    /// # Errors
    /// [`NotAPattern`], with what is wrong.
    pub fn of_template(pattern: &Value) -> Result<Self, NotAPattern> {
        match Node::of_template(pattern) {
            Node::Unresolved => {
                let doubt = Some(Doubt::All(Reason { field: None, why: Why::Unresolved }));
                Ok(Self { rules: Rules::default(), reversed: None, doubt })
            }
            node => Self::of(&node, false),
        }
    }

    fn of(node: &Node, is_in_order: bool) -> Result<Self, NotAPattern> {
        let rules = Rules::read(node).map_err(NotAPattern)?;
        let reason = |why| Reason { field: None, why };
        let doubt = match (rules.check(Reading::Doubles), rules.check(Reading::SixDecimals)) {
            (Err(why), Err(_)) => return Err(NotAPattern(why)),
            _ if rules.are_too_many => Some(Doubt::All(reason(Why::Work))),
            (Err(_), Ok(())) => Some(Doubt::All(reason(Why::Refused))),
            (Ok(()), Err(_)) => Some(Doubt::Yes(reason(Why::Refused))),
            (Ok(()), Ok(())) => None,
        };
        let is_other_way = !is_in_order && rules.overridden.is_some();
        let reversed =
            is_other_way.then(|| Rules::read(&node.reversed())).transpose().map_err(NotAPattern)?;
        Ok(Self { rules, reversed, doubt })
    }

    /// Returns whether the pattern takes an event.
    pub fn takes(&self, event: &Event) -> Answer {
        if let Some(Doubt::All(reason)) = &self.doubt {
            return Answer::Perhaps(reason.clone());
        }
        let answer = taken(&self.rules, event);
        if let Some(reversed) = &self.reversed
            && taken(reversed, event) != answer
        {
            return Answer::Perhaps(Reason { field: self.rules.overridden.clone(), why: Why::Order });
        }
        match (answer, &self.doubt) {
            (Answer::Yes, Some(Doubt::Yes(reason))) => Answer::Perhaps(reason.clone()),
            (answer, _) => answer,
        }
    }

    /// Why it cannot be told of every event whether it takes it, if nothing but these texts of an event is unknown.
    pub fn undecided_without(&self, unknown: &[&'static str]) -> Option<Reason> {
        if let Some(Doubt::All(reason) | Doubt::Yes(reason)) = &self.doubt {
            return Some(reason.clone());
        }
        let event = unknown.iter().fold(Event::default(), |event, name| event.without(name, Unknown::Text));
        self.rules.all.iter().flatten().find_map(|(name, matchers)| {
            let (unknown, is_within) = event.unknown(name)?;
            match of_unknown(unknown, is_within, matchers) {
                Verdict::Perhaps(why) => Some(Reason { field: Some(name.to_string()), why }),
                Verdict::No | Verdict::Yes => None,
            }
        })
    }

    /// The texts that it names word for word for a field, in all of its rules.
    pub fn texts<'a>(&'a self, field: &'a str) -> impl Iterator<Item = &'a str> {
        let of_field = self.rules.all.iter().flatten().filter(move |(name, _)| &**name == field);
        of_field.flat_map(|(_, matchers)| matchers.iter().filter_map(matcher::Matcher::text))
    }
}

/// Returns whether an event fulfils any of the rules.
fn taken(rules: &Rules, event: &Event) -> Answer {
    let mut search = Search::new(&rules.all, event);
    let mut answer = Answer::No;
    for rule in &rules.all {
        match search.fulfils(rule) {
            Verdict::Yes => return Answer::Yes,
            Verdict::Perhaps(why) => {
                let reason = search.doubt().unwrap_or(Reason { field: None, why });
                answer = answer.or(Answer::Perhaps(reason));
            }
            Verdict::No => {}
        }
    }
    answer
}

/// The work that a search may do before it gives up.
#[derive(Debug)]
struct MostWork {
    left: usize,
}

impl Default for MostWork {
    fn default() -> Self {
        Self { left: 300_000 }
    }
}

impl MostWork {
    fn goes_on(&mut self) -> bool {
        self.left = self.left.saturating_sub(1);
        self.left > 0
    }
}

#[cfg(test)]
mod tests;
