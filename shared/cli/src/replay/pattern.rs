//! EventBridge's event patterns, as far as a plan needs them.
//!
//! ("Amazon EventBridge event patterns" and "Comparison operators" in its user guide.)

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
    fn either(one: Self, other: Self) -> Self {
        one.max(other)
    }

    fn both(one: Self, other: Self) -> Self {
        one.min(other)
    }

    fn known(is_so: bool) -> Self {
        if is_so { Self::Yes } else { Self::No }
    }
}

/// Whether a pattern takes an event. Where a member of the event is `null`, nothing is known of it: a plan reads no
/// data.
pub(crate) fn takes(pattern: &Value, event: &Value) -> Takes {
    let Value::Object(fields) = pattern else { return Takes::Perhaps };
    let each = fields.iter().map(|(name, wanted)| match (wanted, event.get(name)) {
        (_, Some(Value::Null)) => Takes::Perhaps,
        (Value::Object(_), found) => takes(wanted, found.unwrap_or(&Value::Object(serde_json::Map::new()))),
        (Value::Array(matchers), found) => {
            matchers.iter().map(|matcher| matches(matcher, found)).fold(Takes::No, Takes::either)
        }
        _ => Takes::Perhaps,
    });
    each.fold(Takes::Yes, Takes::both)
}

fn matches(matcher: &Value, found: Option<&Value>) -> Takes {
    let Value::Object(operator) = matcher else { return Takes::known(found == Some(matcher)) };
    let text = found.and_then(Value::as_str);
    let mut operators = operator.iter();
    match (operators.next(), operators.next()) {
        (Some((name, wanted)), None) => match (name.as_str(), wanted) {
            ("exists", Value::Bool(wanted)) => Takes::known(found.is_some() == *wanted),
            ("prefix", Value::String(prefix)) => {
                Takes::known(text.is_some_and(|text| text.starts_with(prefix.as_str())))
            }
            ("suffix", Value::String(suffix)) => {
                Takes::known(text.is_some_and(|text| text.ends_with(suffix.as_str())))
            }
            ("anything-but", Value::Array(others)) => {
                Takes::known(found.is_some_and(|found| !others.contains(found)))
            }
            ("anything-but", other @ (Value::String(_) | Value::Number(_))) => {
                Takes::known(found.is_some_and(|found| found != other))
            }
            ("equals-ignore-case", Value::String(wanted)) => {
                Takes::known(text.is_some_and(|text| text.eq_ignore_ascii_case(wanted)))
            }
            _ => Takes::Perhaps,
        },
        _ => Takes::Perhaps,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_pattern_takes_what_fits_all_its_fields_in_one_way_each() {
        let event = json!({ "source": "shop", "detail-type": "order.placed", "detail": { "sequence": "1" } });
        for (pattern, wanted) in [
            (json!({ "source": ["shop"], "detail-type": ["order.paid", "order.placed"] }), Takes::Yes),
            (json!({ "source": ["shop"], "detail-type": ["order.paid"] }), Takes::No),
            (json!({ "source": [{ "prefix": "sh" }] }), Takes::Yes),
            (json!({ "source": [{ "suffix": "x" }] }), Takes::No),
            (json!({ "source": [{ "anything-but": ["shop"] }] }), Takes::No),
            (json!({ "source": [{ "anything-but": "bank" }] }), Takes::Yes),
            (json!({ "source": [{ "equals-ignore-case": "SHOP" }] }), Takes::Yes),
            (json!({ "source": [{ "wildcard": "s*p" }] }), Takes::Perhaps),
            (json!({ "detail": { "sequence": [{ "exists": true }] } }), Takes::Yes),
            (json!({ "detail": { "delivery": [{ "exists": false }] } }), Takes::Yes),
            (json!({ "detail": { "data": { "delivery": [{ "exists": true }] } } }), Takes::No),
            (json!({ "replay-name": [{ "exists": true }] }), Takes::No),
        ] {
            assert_eq!(takes(&pattern, &event), wanted, "{pattern}");
        }
    }

    #[test]
    fn what_is_not_known_of_an_event_decides_nothing() {
        let event = json!({ "source": "shop", "detail": null });
        let of_detail = json!({ "source": ["shop"], "detail": { "sequence": [{ "exists": true }] } });
        assert_eq!(takes(&of_detail, &event), Takes::Perhaps);
        let of_another = json!({ "source": ["bank"], "detail": { "sequence": [{ "exists": true }] } });
        assert_eq!(takes(&of_another, &event), Takes::No);
    }
}
