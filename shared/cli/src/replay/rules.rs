//! Which handlers the rules of a bus lead to.

use super::pattern::{Takes, takes};
use crate::project::Project;
use serde_json::{Value, json};
use std::{collections::BTreeMap, fs};
use throughline_aws::replays::BusRule;
use throughline_core::replay::ReplayPolicy;

/// A rule, and where it leads.
#[derive(Debug, Clone)]
pub struct Route {
    /// The rule.
    pub rule: BusRule,
    /// The handlers that its targets feed.
    pub handlers: Vec<String>,
    /// The names of the queues among its targets.
    pub queues: Vec<String>,
    /// Whether all of its targets are queues.
    pub is_queues_alone: bool,
    pattern: Value,
}

impl Route {
    /// Whether it takes an event, as far as its head tells.
    pub(crate) fn takes(&self, source: &str, message_type: &str) -> Takes {
        let unknown = Value::Null;
        takes(
            &self.pattern,
            &json!({
                "source": source, "detail-type": message_type, "detail": unknown, "account": unknown,
                "region": unknown, "resources": unknown, "id": unknown, "time": unknown,
            }),
        )
    }
}

/// The handlers of a project, as `functions/handlers.lock` lists them, and what a replay means to them.
#[derive(Debug, Clone, Default)]
pub struct Handlers(BTreeMap<String, ReplayPolicy>);

impl Handlers {
    /// Reads the list.
    ///
    /// # Errors
    /// A sentence, if it cannot be read.
    pub fn of(project: &Project) -> Result<Self, String> {
        let path = project.root().join("functions/handlers.lock");
        let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self::in_text(&text))
    }

    fn in_text(text: &str) -> Self {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let handler = |line: &str| {
            let (name, policy) = line.split_once(' ').unwrap_or((line, ""));
            let policy = match policy.trim() {
                policy if policy == ReplayPolicy::Reprocess.name() => ReplayPolicy::Reprocess,
                _ => ReplayPolicy::ClaimsDecide,
            };
            (name.to_owned(), policy)
        };
        Self(lines.map(handler).collect())
    }

    /// What a replay means to a handler.
    pub fn policy(&self, handler: &str) -> ReplayPolicy {
        self.0.get(handler).copied().unwrap_or_default()
    }

    /// A rule with the handlers that its targets feed: a stack's queues and functions have the stack's name, a
    /// hyphen and their handler's name.
    pub fn route(&self, rule: BusRule, stack: &str) -> Route {
        let named = |arn: &str| arn.rsplit(':').next().unwrap_or_default().to_owned();
        let names: Vec<String> = rule.targets.iter().map(|arn| named(arn)).collect();
        let handler = |name: &String| {
            let name = name.strip_prefix(stack)?.strip_prefix('-')?;
            self.0.contains_key(name).then(|| name.to_owned())
        };
        let handlers = names.iter().filter_map(handler).collect();
        let is_queue = |arn: &&String| arn.split(':').nth(2) == Some("sqs");
        let queues: Vec<String> = rule.targets.iter().filter(is_queue).map(|arn| named(arn)).collect();
        let pattern = serde_json::from_str(&rule.pattern).unwrap_or_default();
        let is_queues_alone = queues.len() == rule.targets.len();
        Route { rule, handlers, queues, is_queues_alone, pattern }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(targets: &[&str]) -> BusRule {
        BusRule {
            name: "r".into(),
            arn: "arn:rule".into(),
            pattern: r#"{"source":["shop"],"detail-type":["order.placed"]}"#.into(),
            targets: targets.iter().map(|target| (*target).to_owned()).collect(),
        }
    }

    #[test]
    fn a_target_is_a_handlers_if_it_has_the_stacks_name_and_its_own() {
        let handlers = Handlers::in_text("# a comment\nreserve-stock\norder-board reprocess\n");
        let queue = "arn:aws:sqs:us-east-1:1:shop-order-board";
        let function = "arn:aws:lambda:us-east-1:1:function:shop-reserve-stock";
        let capture = "arn:aws:sqs:us-east-1:1:shop-bus-capture";
        let route = handlers.route(rule(&[queue, function, capture]), "shop");
        assert_eq!(route.handlers, ["order-board", "reserve-stock"]);
        assert_eq!(route.queues, ["shop-order-board", "shop-bus-capture"]);
        assert!(!route.is_queues_alone);
        assert_eq!(handlers.policy("order-board"), ReplayPolicy::Reprocess);
        assert_eq!(handlers.policy("reserve-stock"), ReplayPolicy::ClaimsDecide);
        assert_eq!(route.takes("shop", "order.placed"), Takes::Yes);
        assert_eq!(route.takes("shop", "order.paid"), Takes::No);
    }
}
