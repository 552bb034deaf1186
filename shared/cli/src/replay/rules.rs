//! Which handlers the rules of a bus lead to.

use super::{
    pattern::{Takes, is_decidable, takes},
    plan::Candidate,
};
use crate::project::Project;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, fs};
use throughline_aws::replays::BusRule;
use throughline_core::{envelope::EncodedEnvelope, replay::ReplayPolicy};

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

/// A rule that leads to a queue, as it was when a replay was planned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taker {
    /// The queue.
    pub queue: String,
    /// The rule's ARN.
    pub rule_arn: String,
    /// Which events it takes.
    pub pattern: Value,
}

/// What EventBridge gives each event anew.
const GIVEN_ANEW: [&str; 2] = ["id", "time"];

impl Route {
    /// Whether it takes an event, as far as is known of it.
    pub(crate) fn takes(&self, candidate: &Candidate) -> Takes {
        let event = candidate.event.clone().unwrap_or_default();
        takes_event(&self.pattern, &self.rule.arn, &candidate.source, &candidate.message_type, event)
    }

    /// Whether it can be told of every message whether EventBridge would give it to this rule.
    pub(crate) fn is_decidable(&self) -> bool {
        is_decidable(&self.pattern, &GIVEN_ANEW)
    }

    /// The rule as what leads to each of its queues.
    pub(crate) fn takers(&self) -> impl Iterator<Item = Taker> {
        self.queues.iter().map(|queue| Taker {
            queue: queue.clone(),
            rule_arn: self.rule.arn.clone(),
            pattern: self.pattern.clone(),
        })
    }
}

impl Taker {
    /// Whether EventBridge would give a message to it.
    pub(crate) fn takes(&self, envelope: &EncodedEnvelope) -> Takes {
        let (source, message_type) = (&envelope.attributes.source, &envelope.attributes.message_type);
        let detail = serde_json::to_value(envelope).ok();
        let event = detail.map(|detail| ("detail".to_owned(), detail)).into_iter().collect();
        takes_event(&self.pattern, &self.rule_arn, source, message_type, event)
    }
}

/// Whether a rule takes an event of which these members are known; the others are what they would be, were it
/// published to the rule's bus.
fn takes_event(
    pattern: &Value,
    rule_arn: &str,
    source: &str,
    message_type: &str,
    mut event: Map<String, Value>,
) -> Takes {
    let mut parts = rule_arn.split(':').skip(3);
    let (region, account) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    for (name, value) in [
        ("version", json!("0")),
        ("source", json!(source)),
        ("detail-type", json!(message_type)),
        ("account", json!(account)),
        ("region", json!(region)),
        ("resources", json!([])),
    ] {
        event.entry(name).or_insert(value);
    }
    let unknown = if event.contains_key("detail") { vec![] } else { vec!["detail"] };
    takes(pattern, &Value::Object(event), &[&unknown, &GIVEN_ANEW[..]].concat())
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
    use super::{super::journal::Kept, *};

    fn rule(targets: &[&str]) -> BusRule {
        BusRule {
            name: "r".into(),
            arn: "arn:aws:events:us-east-1:1:rule/shop/r".into(),
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
        assert_eq!(route.takes(&candidate("order.placed", None)), Takes::Yes);
        assert_eq!(route.takes(&candidate("order.paid", None)), Takes::No);
    }

    fn candidate(message_type: &str, event: Option<Value>) -> Candidate {
        Candidate {
            message: Kept::Log("p".into(), "s".into()),
            id: "e-1".into(),
            source: "shop".into(),
            message_type: message_type.into(),
            is_sent_alone: true,
            event: event.and_then(|event| event.as_object().cloned()),
        }
    }

    /// A rule of the board: it takes what knows its place, of its own account.
    fn board() -> Route {
        let pattern = json!({ "account": ["1"], "detail": { "sequence": [{ "exists": true }] } });
        let rule = BusRule { pattern: pattern.to_string(), ..rule(&["arn:aws:sqs:us-east-1:1:shop-board"]) };
        Handlers::default().route(rule, "shop")
    }

    #[test]
    fn a_rule_decides_on_the_whole_event_once_it_is_known() {
        let takes = |event| board().takes(&candidate("order.placed", event));
        assert_eq!(takes(None), Takes::Perhaps);
        assert_eq!(takes(Some(json!({ "detail": { "sequence": "1" } }))), Takes::Yes);
        assert_eq!(takes(Some(json!({ "detail": {} }))), Takes::No);
        assert_eq!(takes(Some(json!({ "account": "2", "detail": { "sequence": "1" } }))), Takes::No);
    }

    #[test]
    fn a_queue_is_sent_what_a_rule_would_give_it_and_nothing_else() {
        let taker = board().takers().next().unwrap();
        assert_eq!(taker.queue, "shop-board");
        let mut envelope: EncodedEnvelope = serde_json::from_str(
            r#"{"specversion":"1.0","id":"1","source":"shop","type":"order.placed","data":1}"#,
        )
        .unwrap();
        assert_eq!(taker.takes(&envelope), Takes::No, "it has no place");
        envelope.attributes.sequence = Some(1);
        assert_eq!(taker.takes(&envelope), Takes::Yes);
    }
}
