//! Merges an entity to save into the stored item, which another program may have written, too: a save changes the
//! attributes that the type reads, and keeps the others.

use super::{Attribute, Item, Number, in_order, item_of};
use crate::Entity;
use std::fmt;

/// The number of digits that survive unchanged when a number is read as a 32-bit floating-point number.
const DIGITS_OF_A_SINGLE: usize = 6;
/// The number of digits that survive unchanged when a number is read as a double.
const DIGITS_OF_A_DOUBLE: usize = 15;

/// Reads an item as an entity's type and writes it again, so that only the attributes that the type reads are left.
#[derive(Clone, Copy)]
pub(crate) struct Reread(fn(&Item) -> Result<Item, String>);

impl Reread {
    pub(crate) fn of<T: Entity>() -> Self {
        Self(|item| {
            let value = T::from_item(item).map_err(|error| error.to_string())?;
            item_of(&value)
        })
    }
}

/// Two of them always count as equal: each follows from the entity's type, which its key names.
impl PartialEq for Reread {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl fmt::Debug for Reread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reread")
    }
}

/// Returns the item to store in place of `stored`, after that was read as a type, changed and written as `new`.
///
/// The item keeps everything that does not change what the type reads: attributes that the type does not know, members
/// of maps that it does not know, the digits of a number that it did not change, and sets as sets.
///
/// # Errors
/// The attribute that cannot be written in the form in which it is stored, and the reason.
pub(crate) fn merged(stored: &Item, new: Item, reread: Reread) -> Result<Merged, String> {
    if all_as_we_write(stored, &new) {
        return Ok(Merged { item: new, keeps_others: false });
    }
    let item = keeping_what_is_not_read(stored, &new, reread)?;
    Ok(Merged { keeps_others: item != new, item })
}

/// The result of [`merged`].
pub(crate) struct Merged {
    /// The whole item to store.
    pub(crate) item: Item,
    /// Whether another program wrote some of the item.
    pub(crate) keeps_others: bool,
}

fn keeping_what_is_not_read(stored: &Item, new: &Item, reread: Reread) -> Result<Item, String> {
    // An item that cannot be read as this type was loaded as another.
    let before = (reread.0)(stored).unwrap_or_default();
    let full = Merge { keeps_unread: true }.map(Some(stored), Some(&before), new, "")?;
    let mut sure = Merge { keeps_unread: false }.map(Some(stored), Some(&before), new, "")?;
    if full == sure {
        return Ok(sure);
    }
    let expected =
        (reread.0)(new).map(canonical).map_err(|why| format!("it could not be read again: {why}"))?;
    let reads_alike = |item: &Item| (reread.0)(item).is_ok_and(|read| canonical(read) == expected);
    if reads_alike(&full) {
        return Ok(full);
    }
    // Some of the kept attributes would be read after all, such as a field under its former name. Keep only those that
    // would not.
    for (name, attribute) in full {
        if sure.get(&name) == Some(&attribute) {
            continue;
        }
        let without = sure.insert(name.clone(), attribute);
        if !reads_alike(&sure) {
            match without {
                Some(without) => _ = sure.insert(name, without),
                None => _ = sure.remove(&name),
            }
        }
    }
    Ok(sure)
}

/// Returns whether an item holds only attributes that the type that wrote `new` would have written. This is the
/// ordinary case, in which nothing has to be merged.
fn all_as_we_write(stored: &Item, new: &Item) -> bool {
    stored.iter().all(|(name, stored)| new.get(name).is_some_and(|new| is_as_we_write(stored, new)))
}

fn is_as_we_write(stored: &Attribute, new: &Attribute) -> bool {
    match (stored, new) {
        (Attribute::Text(_) | Attribute::Bool(_) | Attribute::Null, _) => true,
        // A floating-point number may have been read from more digits than it has.
        (Attribute::Number(stored), new) => {
            stored.as_str().len() <= DIGITS_OF_A_SINGLE
                || !is_rounding(stored, new)
                    && (stored.as_str().len() <= DIGITS_OF_A_DOUBLE
                        || stored.digit_count() <= DIGITS_OF_A_DOUBLE
                        || stored.as_str().parse::<u64>().is_ok() && is_whole(new))
                || *new == Attribute::Number(stored.clone())
        }
        (Attribute::List(stored), Attribute::List(new)) => {
            stored.iter().enumerate().all(|(at, stored)| match new.get(at) {
                Some(new) => is_as_we_write(stored, new),
                None => is_scalar(stored),
            })
        }
        (Attribute::Map(stored), Attribute::Map(new)) => all_as_we_write(stored, new),
        (stored, new) => stored == new,
    }
}

/// Returns whether `new` is the rounded value that is written after `stored` was read as a floating-point number.
fn is_rounding(stored: &Number, new: &Attribute) -> bool {
    let Attribute::Number(new) = new else { return false };
    let is_new = |rounded: Number| rounded.as_str() == new.as_str();
    let text = stored.as_str();
    text != new.as_str()
        && (text.parse().is_ok_and(|single| is_new(Number::of_f32(single)))
            || text.parse().is_ok_and(|double| is_new(Number::of_f64(double))))
}

fn is_whole(attribute: &Attribute) -> bool {
    matches!(attribute, Attribute::Number(number) if number.as_str().parse::<u64>().is_ok())
}

fn is_scalar(attribute: &Attribute) -> bool {
    matches!(attribute, Attribute::Text(_) | Attribute::Bool(_) | Attribute::Null | Attribute::Number(_))
}

/// Returns the item with all lists in one order, because a `HashSet` is written in another order each time.
fn canonical(item: Item) -> Item {
    fn sorted(attribute: Attribute) -> Attribute {
        match attribute {
            Attribute::List(members) | Attribute::Set(members) => {
                let mut members: Vec<_> = members.into_iter().map(sorted).collect();
                members.sort_by_cached_key(|member| format!("{member:?}"));
                Attribute::List(members)
            }
            Attribute::Map(item) => Attribute::Map(canonical(item)),
            other => other,
        }
    }
    item.into_iter().map(|(name, attribute)| (name, sorted(attribute))).collect()
}

struct Merge {
    keeps_unread: bool,
}

impl Merge {
    fn map(
        &self,
        stored: Option<&Item>,
        before: Option<&Item>,
        new: &Item,
        path: &str,
    ) -> Result<Item, String> {
        let mut merged = Item::new();
        for (name, new) in new {
            let (stored, before) =
                (stored.and_then(|stored| stored.get(name)), before.and_then(|before| before.get(name)));
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            merged.insert(name.clone(), self.attribute(stored, before, new, &path)?);
        }
        if self.keeps_unread {
            let is_read = |name: &String| before.is_some_and(|before| before.contains_key(name));
            for (name, stored) in stored.into_iter().flatten() {
                if !new.contains_key(name) && !is_read(name) {
                    merged.insert(name.clone(), stored.clone());
                }
            }
        }
        Ok(merged)
    }

    fn attribute(
        &self,
        stored: Option<&Attribute>,
        before: Option<&Attribute>,
        new: &Attribute,
        path: &str,
    ) -> Result<Attribute, String> {
        let (Some(stored), Some(before)) = (stored, before) else { return Ok(new.clone()) };
        if before == new && (self.keeps_unread || !matches!(stored, Attribute::Map(_) | Attribute::List(_))) {
            return Ok(stored.clone());
        }
        match (stored, before, new) {
            (Attribute::Map(stored), Attribute::Map(before), Attribute::Map(new)) => {
                self.map(Some(stored), Some(before), new, path).map(Attribute::Map)
            }
            (Attribute::List(stored), Attribute::List(before), Attribute::List(new))
                if stored.len() == before.len() =>
            {
                self.list(stored, before, new, path).map(Attribute::List)
            }
            (Attribute::Set(stored), _, Attribute::List(new)) => set(stored, new, path),
            (Attribute::Binary(_), _, Attribute::List(new)) => Ok(binary(new)),
            _ => Ok(new.clone()),
        }
    }

    /// Merges a list. An unchanged member keeps its unread attributes wherever it moved. Changed members keep theirs in
    /// order, as long as no member was added or removed.
    fn list(
        &self,
        stored: &[Attribute],
        before: &[Attribute],
        new: &[Attribute],
        path: &str,
    ) -> Result<Vec<Attribute>, String> {
        let mut is_taken = vec![false; before.len()];
        let mut origins = vec![None; new.len()];
        for (at, member) in new.iter().enumerate() {
            let places = std::iter::once(at).chain(0..before.len());
            let mut places = places.filter(|place| before.get(*place) == Some(member));
            if let Some(place) = places.find(|place| !is_taken[*place]) {
                is_taken[place] = true;
                origins[at] = Some(place);
            }
        }
        if before.len() == new.len() {
            let mut left = (0..before.len()).filter(|place| !is_taken[*place]);
            for origin in origins.iter_mut().filter(|origin| origin.is_none()) {
                *origin = left.next();
            }
        }
        let members = new.iter().zip(origins).enumerate();
        let members = members.map(|(at, (member, origin))| {
            let stored = origin.map(|origin| &stored[origin]);
            self.attribute(stored, origin.map(|origin| &before[origin]), member, &format!("{path}.{at}"))
        });
        members.collect()
    }
}

/// Returns a list as a set, in the form of the set from which it was read.
fn set(stored: &[Attribute], new: &[Attribute], path: &str) -> Result<Attribute, String> {
    let is_binary = matches!(stored.first(), Some(Attribute::Binary(_)));
    let members: Vec<Attribute> = new
        .iter()
        .map(|member| match member {
            Attribute::List(bytes) if is_binary => binary(bytes),
            member => member.clone(),
        })
        .collect();
    let name = Attribute::Set(stored.to_vec()).type_name();
    let refused = |why: &str| {
        Err(format!("field `{path}` is stored as a set ({name}), which other programs rely upon: {why}"))
    };
    if members.is_empty() {
        return refused(
            "DynamoDB has no empty set; leave the field out while it is empty, with `skip_serializing_if` and `default`",
        );
    }
    let is_alike = |member: &Attribute| Some(member.type_name()) == stored.first().map(Attribute::type_name);
    if !members.iter().all(is_alike) {
        return refused("all its members must be of the type they have now");
    }
    if in_order(&members).windows(2).any(|pair| pair[0] == pair[1]) {
        return refused("it can hold each member once only");
    }
    Ok(Attribute::Set(members))
}

/// Returns a list of bytes as binary, in the form of the attribute from which it was read.
fn binary(new: &[Attribute]) -> Attribute {
    let byte = |member: &Attribute| match member {
        Attribute::Number(number) => number.as_str().parse::<u8>().ok(),
        _ => None,
    };
    match new.iter().map(byte).collect::<Option<Vec<u8>>>() {
        Some(bytes) => Attribute::Binary(bytes),
        None => Attribute::List(new.to_vec()),
    }
}

/// The changes of a save to the loaded item: attributes to set, and names to remove.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Changes<'a> {
    /// The attributes that are new or different.
    pub set: Vec<(&'a str, &'a Attribute)>,
    /// The names of the attributes to remove.
    pub removed: Vec<&'a str>,
}

impl<'a> Changes<'a> {
    /// Returns the changes that turn the loaded item into this one.
    pub(crate) fn between(loaded: &'a Item, data: &'a Item) -> Self {
        let set = data.iter().filter(|(name, attribute)| loaded.get(*name) != Some(attribute));
        let removed = loaded.keys().filter(|name| !data.contains_key(*name));
        Self {
            set: set.map(|(name, attribute)| (name.as_str(), attribute)).collect(),
            removed: removed.map(String::as_str).collect(),
        }
    }

    /// Returns the number of changes.
    pub fn count(&self) -> usize {
        self.set.len() + self.removed.len()
    }
}
