//! EventBridge's event patterns.
//!
//! ("Amazon EventBridge event patterns" and "Comparison operators" in its user guide.)

mod condition;

use condition::Condition;
use serde_json::Value;

/// Whether a rule takes an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Takes {
    /// It does not.
    No,
    /// What is known of the event, or of patterns, does not say.
    Perhaps,
    /// It does.
    Yes,
}

impl Takes {
    pub(crate) fn either(one: Self, other: Self) -> Self {
        one.max(other)
    }

    fn both(one: Self, other: Self) -> Self {
        one.min(other)
    }

    fn known(is_so: bool) -> Self {
        if is_so { Self::Yes } else { Self::No }
    }
}

/// The member that holds alternatives.
const OR: &str = "$or";

/// Whether a pattern takes an event, of whose members `unknown` nothing is known.
pub(crate) fn takes(pattern: &Value, event: &Value, unknown: &[&str]) -> Takes {
    let Value::Object(fields) = pattern else { return Takes::Perhaps };
    let each = fields.iter().map(|(name, wanted)| {
        let found = event.get(name);
        match wanted {
            Value::Array(patterns) if name == OR => {
                patterns.iter().map(|one| takes(one, event, unknown)).fold(Takes::No, Takes::either)
            }
            _ if unknown.contains(&name.as_str()) => Takes::Perhaps,
            Value::Object(_) => takes_member(wanted, found),
            Value::Array(matchers) => {
                let values = leaves(found);
                matchers.iter().map(|matcher| matches(matcher, &values)).fold(Takes::No, Takes::either)
            }
            _ => Takes::Perhaps,
        }
    });
    each.fold(Takes::Yes, Takes::both)
}

/// Of an array, one of its objects must fit by itself.
fn takes_member(pattern: &Value, found: Option<&Value>) -> Takes {
    let nothing = Value::Object(serde_json::Map::new());
    match found {
        Some(Value::Array(members)) if !members.is_empty() => {
            members.iter().map(|member| takes(pattern, member, &[])).fold(Takes::No, Takes::either)
        }
        found => takes(pattern, found.unwrap_or(&nothing), &[]),
    }
}

/// The values at a place of an event: of an array, those in it; of an object none, since patterns look at leaves.
fn leaves(found: Option<&Value>) -> Vec<&Value> {
    match found {
        None | Some(Value::Object(_)) => Vec::new(),
        Some(Value::Array(members)) => members.iter().flat_map(|member| leaves(Some(member))).collect(),
        Some(leaf) => vec![leaf],
    }
}

fn matches(matcher: &Value, leaves: &[&Value]) -> Takes {
    if let Some(wanted) = matcher.get("exists").and_then(Value::as_bool) {
        return Takes::known(leaves.is_empty() != wanted);
    }
    match Condition::of(matcher) {
        Some(condition) => Takes::known(leaves.iter().any(|leaf| condition.holds(leaf))),
        None => Takes::Perhaps,
    }
}

/// Whether it can be told of every event whether a pattern takes it, once everything but `unknown` is known of it.
pub(crate) fn is_decidable(pattern: &Value, unknown: &[&str]) -> bool {
    let Value::Object(fields) = pattern else { return false };
    fields.iter().all(|(name, wanted)| match wanted {
        Value::Array(patterns) if name == OR => patterns.iter().all(|one| is_decidable(one, unknown)),
        _ if unknown.contains(&name.as_str()) => false,
        Value::Object(_) => is_decidable(wanted, &[]),
        Value::Array(matchers) => matchers.iter().all(|matcher| matches(matcher, &[]) != Takes::Perhaps),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_pattern_takes_what_fits_all_its_fields_in_one_way_each() {
        let event = json!({
            "source": "shop", "detail-type": "order.placed",
            "detail": { "sequence": "1", "note": null, "data": { "total": 12, "tags": ["new", "gift"] } },
        });
        for (pattern, wanted) in [
            (json!({ "source": ["shop"], "detail-type": ["order.paid", "order.placed"] }), Takes::Yes),
            (json!({ "source": ["shop"], "detail-type": ["order.paid"] }), Takes::No),
            (json!({ "source": [{ "prefix": "sh" }] }), Takes::Yes),
            (json!({ "source": [{ "suffix": "x" }] }), Takes::No),
            (json!({ "source": [{ "cidr": "10.0.0.0/24" }] }), Takes::Perhaps),
            (json!({ "detail": { "sequence": [{ "exists": true }] } }), Takes::Yes),
            (json!({ "detail": { "delivery": [{ "exists": false }] } }), Takes::Yes),
            (json!({ "detail": { "data": [{ "exists": false }] } }), Takes::Yes),
            (json!({ "detail": { "data": { "delivery": [{ "exists": true }] } } }), Takes::No),
            (json!({ "detail": { "note": [null] } }), Takes::Yes),
            (json!({ "detail": { "note": [{ "exists": true }] } }), Takes::Yes),
            (json!({ "detail": { "data": { "total": [{ "numeric": [">", 10] }] } } }), Takes::Yes),
            (json!({ "detail": { "data": { "tags": ["gift"] } } }), Takes::Yes),
            (json!({ "detail": { "data": { "tags": ["old"] } } }), Takes::No),
            (json!({ "replay-name": [{ "exists": true }] }), Takes::No),
            (json!({ "$or": [{ "source": ["bank"] }, { "detail": { "sequence": ["1"] } }] }), Takes::Yes),
            (json!({ "$or": [{ "source": ["bank"] }, { "detail": { "sequence": ["2"] } }] }), Takes::No),
        ] {
            assert_eq!(takes(&pattern, &event, &[]), wanted, "{pattern}");
        }
    }

    #[test]
    fn one_object_of_an_array_must_fit_by_itself() {
        let event = json!({ "lines": [{ "sku": "a", "quantity": 1 }, { "sku": "b", "quantity": 2 }] });
        let takes =
            |sku, quantity| takes(&json!({ "lines": { "sku": [sku], "quantity": [quantity] } }), &event, &[]);
        assert_eq!((takes("a", 1), takes("a", 2)), (Takes::Yes, Takes::No));
    }

    #[test]
    fn what_is_not_known_of_an_event_decides_nothing() {
        let event = json!({ "source": "shop" });
        let of_detail = json!({ "source": ["shop"], "detail": { "sequence": [{ "exists": true }] } });
        assert_eq!(takes(&of_detail, &event, &["detail"]), Takes::Perhaps);
        let of_another = json!({ "source": ["bank"], "detail": { "sequence": [{ "exists": true }] } });
        assert_eq!(takes(&of_another, &event, &["detail"]), Takes::No);
    }

    #[test]
    fn a_pattern_is_undecidable_that_asks_for_what_is_never_known() {
        for (pattern, wanted) in [
            (json!({ "source": ["shop"], "detail": { "sequence": [{ "exists": true }] } }), true),
            (json!({ "source": ["shop"], "id": ["e-1"] }), false),
            (json!({ "detail": { "id": ["e-1"] } }), true),
            (json!({ "detail": { "address": ["here", { "cidr": "10.0.0.0/24" }] } }), false),
            (json!({ "$or": [{ "source": ["shop"] }, { "time": [{ "prefix": "2026" }] }] }), false),
            (json!("anything"), false),
        ] {
            assert_eq!(is_decidable(&pattern, &["id", "time"]), wanted, "{pattern}");
        }
    }
}
