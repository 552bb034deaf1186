//! Events as patterns look at them: values by the full names of their fields, and by the elements of arrays they are in.

use super::{document::Node, matcher::Leaf};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Which element of which array something belongs to, each array once, in their order; arrays are numbered through the
/// event.
pub(super) type Membership = Vec<(usize, usize)>;

/// The knowledge about a member of an event whose value is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unknown {
    /// It is there and a text, such as an event's id.
    Text,
    /// It may be anything, or nothing.
    Anything,
}

/// An event.
#[derive(Debug, Clone, Default)]
pub struct Event {
    fields: BTreeMap<String, Vec<(Leaf, Membership)>>,
    /// The names of the fields of which one step is empty or nothing but dots, with these steps: Amazon's matcher does
    /// not always enter them.
    odd: BTreeMap<String, Vec<String>>,
    unknown: BTreeMap<&'static str, Unknown>,
}

impl Event {
    /// An event of which this is the JSON.
    ///
    /// # Errors
    /// A sentence, if it is no object of JSON.
    pub fn read(json: &str) -> Result<Self, String> {
        let node = Node::read(json)?;
        let Node::Object(members) = &node else {
            return Err(format!("an event is an object, not {}", node.kind()));
        };
        let mut flattening = Flattening::default();
        flattening.object(members);
        let Flattening { fields, odd, .. } = flattening;
        Ok(Self { fields, odd, unknown: BTreeMap::new() })
    }

    /// An event of which this is the value. Numbers are as they are written then.
    pub fn of(value: &Value) -> Self {
        Self::read(&value.to_string()).unwrap_or_default()
    }

    /// The same event, of which a member is not known.
    #[must_use]
    pub fn without(mut self, name: &'static str, unknown: Unknown) -> Self {
        self.unknown.insert(name, unknown);
        self
    }

    /// The values of a field, for a pattern whose fields have these steps.
    pub(super) fn values(&self, name: &str, steps: &BTreeSet<&str>) -> &[(Leaf, Membership)] {
        let is_entered = |step: &String| steps.contains(step.as_str());
        if self.odd.get(name).is_some_and(|odd| !odd.iter().all(is_entered)) {
            return &[];
        }
        self.fields.get(name).map_or(&[], Vec::as_slice)
    }

    /// Returns the knowledge about a field whose value is unknown, and whether it lies within an unknown member.
    pub(super) fn unknown(&self, name: &str) -> Option<(Unknown, bool)> {
        let top = name.split('.').next().unwrap_or(name);
        self.unknown.get(top).map(|unknown| (*unknown, top != name))
    }
}

/// The steps of a field's name, as Amazon's matcher notes them: without empty ones at the end.
pub(super) fn steps(name: &str) -> impl Iterator<Item = &str> {
    let kept = if name.is_empty() {
        Some(name)
    } else {
        Some(name.trim_end_matches('.')).filter(|kept| !kept.is_empty())
    };
    kept.into_iter().flat_map(|kept| kept.split('.'))
}

#[derive(Default)]
struct Flattening {
    fields: BTreeMap<String, Vec<(Leaf, Membership)>>,
    odd: BTreeMap<String, Vec<String>>,
    path: Vec<String>,
    membership: Membership,
    arrays: usize,
}

impl Flattening {
    fn object(&mut self, members: &[(String, Node)]) {
        for (name, value) in members {
            self.path.push(name.clone());
            self.value(value);
            self.path.pop();
        }
    }

    fn value(&mut self, value: &Node) {
        match value {
            Node::Object(members) => self.object(members),
            Node::Array(items) => {
                let array = self.arrays;
                self.arrays += 1;
                for (index, item) in items.iter().enumerate() {
                    // A plain value in an array belongs to none of its elements.
                    let is_entered = matches!(item, Node::Object(_) | Node::Array(_));
                    if is_entered {
                        self.membership.push((array, index));
                    }
                    self.value(item);
                    if is_entered {
                        self.membership.pop();
                    }
                }
            }
            leaf => {
                let Some(leaf) = Leaf::of(leaf) else { return };
                let name = self.path.join(".");
                let is_odd = |step: &&String| step.trim_matches('.').is_empty();
                let odd: Vec<String> = self.path.iter().filter(is_odd).cloned().collect();
                if !odd.is_empty() {
                    self.odd.insert(name.clone(), odd);
                }
                self.fields.entry(name).or_default().push((leaf, self.membership.clone()));
            }
        }
    }
}
