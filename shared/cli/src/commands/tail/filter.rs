//! The filter of `tail`, as EventBridge's pattern: other events are not even delivered.

use clap::Args;
use serde_json::{Map, Value, json};

/// A filter of events: an event must fulfil every kind of filter that is given, and of each kind any.
#[derive(Debug, Clone, Default, Args)]
pub struct Filter {
    /// Only events of this type, or whose type begins so: `order.*`; may be repeated
    #[arg(long = "type", value_name = "TYPE")]
    pub types: Vec<String>,
    /// Only events of this line; may be repeated
    #[arg(long = "correlation-id", value_name = "ID")]
    pub correlation_ids: Vec<String>,
    /// Only events of this source; may be repeated
    #[arg(long = "source", value_name = "SOURCE")]
    pub sources: Vec<String>,
}

impl Filter {
    /// The pattern. An event of any source fulfils an empty filter.
    pub(super) fn pattern(&self) -> Value {
        let mut pattern = Map::new();
        if !self.types.is_empty() {
            pattern.insert("detail-type".into(), self.types.iter().map(|wanted| matcher(wanted)).collect());
        }
        if !self.correlation_ids.is_empty() {
            pattern.insert("detail".into(), json!({ "correlationid": self.correlation_ids }));
        }
        if !self.sources.is_empty() {
            pattern.insert("source".into(), json!(self.sources));
        }
        if pattern.is_empty() {
            pattern.insert("source".into(), json!([{ "prefix": "" }]));
        }
        Value::Object(pattern)
    }
}

fn matcher(wanted: &str) -> Value {
    match wanted.strip_suffix('*') {
        Some(prefix) => json!({ "prefix": prefix }),
        None => json!(wanted),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_filter_is_one_field_of_the_pattern() {
        let text = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let filter = Filter {
            types: text(&["stock.reserved", "order.*"]),
            correlation_ids: text(&["web-1"]),
            sources: text(&["shop"]),
        };
        let expected = json!({
            "detail-type": ["stock.reserved", { "prefix": "order." }],
            "detail": { "correlationid": ["web-1"] },
            "source": ["shop"],
        });
        assert_eq!(filter.pattern(), expected);
    }

    #[test]
    fn no_filter_lets_everything_through() {
        assert_eq!(Filter::default().pattern(), json!({ "source": [{ "prefix": "" }] }));
    }
}
