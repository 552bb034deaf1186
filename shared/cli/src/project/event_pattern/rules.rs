//! A pattern as the rules that it stands for: one for each way through its `$or`s.

use super::{
    document::Node,
    matcher::{Matcher, Operators},
    number::Reading,
};
use std::{cmp::Ordering, collections::HashMap, rc::Rc};

/// The name under which alternatives stand.
const OR: &str = "$or";

/// Names that no field below `$or` may have.
const RESERVED: [&str; 24] = [
    "exactly",
    "equals-ignore-case",
    "prefix",
    "suffix",
    "anything-but",
    "exists",
    "wildcard",
    "numeric",
    "cidr",
    "=",
    "<",
    "<=",
    ">",
    ">=",
    "regex",
    "not-wildcard",
    "not-equals-ignore-case",
    "date-after",
    "date-on-or-after",
    "date-before",
    "date-on-or-before",
    "in-date-range",
    "ip-address-in-range",
    "ip-address-not-in-range",
];

/// The number of rules that a pattern may stand for: EventBridge refuses more.
pub(super) const MOST_RULES: usize = 1000;

/// The matchers of a field, any of which suffices.
pub(super) type Matchers = Rc<Vec<Matcher>>;

/// The matchers of each field, by its full name, in the order in which they are looked at.
pub(super) type Rule = Vec<(Rc<str>, Matchers)>;

/// The rules of a pattern.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Rules {
    pub(super) all: Vec<Rule>,
    /// Whether the pattern would stand for more than [`MOST_RULES`].
    pub(super) are_too_many: bool,
    /// A field for which there are several patterns, of which the last in the text counts.
    pub(super) overridden: Option<String>,
}

type Fields = HashMap<Rc<str>, Matchers>;

struct Compiler {
    operators: Operators,
    rules: Vec<Fields>,
    are_too_many: bool,
    overridden: Option<String>,
}

impl Rules {
    /// Reads a pattern. One that the current compiler refuses is given to an older one, which knows no `$or`.
    ///
    /// # Errors
    /// A sentence, if both refuse it.
    pub(super) fn read(pattern: &Node) -> Result<Self, String> {
        let compiled = Compiler::compile(pattern, Operators::All);
        compiled.or_else(|refused| Compiler::compile(pattern, Operators::Older).map_err(|_| refused))
    }

    /// Whether a version of Amazon's matcher, by how it reads numbers, refuses it.
    ///
    /// # Errors
    /// A sentence, if it does.
    pub(super) fn check(&self, reading: Reading) -> Result<(), String> {
        for (name, matchers) in self.all.iter().flatten() {
            for matcher in matchers.iter() {
                matcher.check(reading).map_err(|why| format!("`{name}`: {why}"))?;
            }
        }
        Ok(())
    }
}

impl Compiler {
    fn compile(pattern: &Node, operators: Operators) -> Result<Rules, String> {
        let Node::Object(members) = pattern else {
            return Err(format!("it is {}, and should be an object", pattern.kind()));
        };
        let mut compiler = Self { operators, rules: vec![], are_too_many: false, overridden: None };
        compiler.object(members, None, false)?;
        let Self { rules, are_too_many, overridden, .. } = compiler;
        let sorted = |fields: Fields| {
            let mut fields: Rule = fields.into_iter().collect();
            fields.sort_unstable_by(|(one, _), (other, _)| by_units(one, other));
            fields
        };
        Ok(Rules { all: rules.into_iter().map(sorted).collect(), are_too_many, overridden })
    }

    fn object(
        &mut self,
        members: &[(String, Node)],
        path: Option<&str>,
        is_in_or: bool,
    ) -> Result<(), String> {
        if members.is_empty() {
            return Err(path
                .map_or_else(|| "it asks for nothing".into(), |path| format!("`{path}` asks for nothing")));
        }
        for (name, wanted) in members {
            if name == OR && self.operators == Operators::All {
                self.alternatives(wanted, path)?;
                continue;
            }
            if is_in_or && RESERVED.contains(&name.as_str()) {
                return Err(format!("below `$or` no field may be called `{name}`"));
            }
            let joined = path.map_or_else(|| name.clone(), |path| format!("{path}.{name}"));
            // As there: no dot follows an empty name at the start.
            let full = if path == Some("") { name } else { &joined };
            match wanted {
                Node::Object(members) => self.object(members, Some(&joined), is_in_or)?,
                Node::Array(matchers) => self.field(full, matchers)?,
                Node::Unresolved => self.put(full, &Rc::new(vec![Matcher::Unresolved])),
                other => return Err(format!("`{full}` must be a list or an object, not {}", other.kind())),
            }
        }
        Ok(())
    }

    fn alternatives(&mut self, wanted: &Node, path: Option<&str>) -> Result<(), String> {
        let Node::Array(branches) = wanted else { return Err("`$or` takes a list of objects".into()) };
        if branches.len() < 2 {
            return Err("`$or` takes two objects at least".into());
        }
        let mut before = std::mem::take(&mut self.rules);
        if before.is_empty() {
            before.push(Fields::new());
        }
        let mut all = Vec::new();
        for branch in branches {
            let Node::Object(members) = branch else { return Err("`$or` takes a list of objects".into()) };
            self.rules.clone_from(&before);
            self.object(members, path, true)?;
            all.append(&mut self.rules);
            if all.len() > MOST_RULES {
                self.are_too_many = true;
                all.truncate(1);
            }
        }
        self.rules = all;
        Ok(())
    }

    fn field(&mut self, name: &str, matchers: &[Node]) -> Result<(), String> {
        if matchers.is_empty() {
            return Err(format!("the list of `{name}` is empty"));
        }
        let read =
            |node: &Node| Matcher::read(node, self.operators).map_err(|why| format!("`{name}`: {why}"));
        let matchers = matchers.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        self.put(name, &Rc::new(matchers));
        Ok(())
    }

    fn put(&mut self, name: &str, matchers: &Matchers) {
        let name: Rc<str> = name.into();
        if self.rules.is_empty() {
            self.rules.push(Fields::new());
        }
        let mut is_new = true;
        for rule in &mut self.rules {
            is_new &= rule.insert(Rc::clone(&name), Rc::clone(matchers)).is_none();
        }
        if !is_new {
            self.overridden.get_or_insert_with(|| name.to_string());
        }
    }
}

/// As Java sorts texts.
fn by_units(one: &str, other: &str) -> Ordering {
    one.encode_utf16().cmp(other.encode_utf16())
}
