//! The rules of a bus, and the handlers that they lead to.

use super::work::{Candidate, QueueRule};
use crate::project::{
    Project,
    event_pattern::{Answer, Event, EventPattern, NotAPattern, Reason, Unknown, Why},
};
use serde_json::json;
use std::{collections::BTreeMap, fs};
use throughline_core::{EncodedEnvelope, ReplayPolicy};
use throughline_operations::replays::BusRule;

/// A rule with its targets.
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
    pattern: Result<EventPattern, NotAPattern>,
}

/// The fields that EventBridge sets anew for each event.
const GIVEN_ANEW: [&str; 2] = ["id", "time"];

impl Route {
    /// Returns whether the rule takes an event, as far as the event is known.
    pub(crate) fn takes(&self, candidate: &Candidate) -> Answer {
        let event = candidate.event.clone().unwrap_or_default();
        let event = event.into_iter().map(|(name, value)| (name, value.to_string())).collect();
        let (source, message_type) = (&candidate.source, &candidate.message_type);
        takes_event(self.pattern.as_ref(), &self.rule.arn, source, message_type, event)
    }

    /// Returns the reason that it cannot be decided here for every message whether EventBridge would deliver it to this
    /// rule, or `None` if it can.
    pub(crate) fn undecided(&self) -> Option<String> {
        match &self.pattern {
            Ok(pattern) => pattern.undecided_without(&GIVEN_ANEW).map(|reason| reason.to_string()),
            Err(refused) => Some(refused.to_string()),
        }
    }

    /// Returns one queue rule for each queue among the rule's targets.
    pub(crate) fn takers(&self) -> impl Iterator<Item = QueueRule> {
        self.queues.iter().map(|queue| QueueRule {
            queue: queue.clone(),
            rule_arn: self.rule.arn.clone(),
            pattern: self.rule.pattern.clone(),
        })
    }
}

impl QueueRule {
    /// Returns whether EventBridge would deliver a message to the queue by this rule.
    pub(crate) fn takes(&self, envelope: &EncodedEnvelope) -> Answer {
        let (source, message_type) = (&envelope.attributes.source, &envelope.attributes.message_type);
        // The envelope is matched as a text, because the notation of numbers matters.
        let detail = serde_json::to_string(envelope).ok();
        let event = detail.map(|detail| ("detail".to_owned(), detail)).into_iter().collect();
        takes_event(EventPattern::read(&self.pattern).as_ref(), &self.rule_arn, source, message_type, event)
    }
}

/// Returns whether a rule takes an event of which these members are known, as JSON. The others get the values that they
/// would have if the event were published to the rule's bus.
fn takes_event(
    pattern: Result<&EventPattern, &NotAPattern>,
    rule_arn: &str,
    source: &str,
    message_type: &str,
    mut event: BTreeMap<String, String>,
) -> Answer {
    // EventBridge accepted the pattern, even if it cannot be read here.
    let Ok(pattern) = pattern else { return Answer::Perhaps(Reason { field: None, why: Why::Refused }) };
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
        event.entry(name.to_owned()).or_insert_with(|| value.to_string());
    }
    let has_detail = event.contains_key("detail");
    let members: Vec<String> = event.iter().map(|(name, value)| format!("{}:{value}", json!(name))).collect();
    let Ok(event) = Event::read(&format!("{{{}}}", members.join(","))) else {
        return Answer::Perhaps(Reason { field: None, why: Why::Unknown });
    };
    let event = GIVEN_ANEW.iter().fold(event, |event, name| event.without(name, Unknown::Text));
    pattern.takes(&if has_detail { event } else { event.without("detail", Unknown::Anything) })
}

/// The handlers of a project with their replay policies, as `functions/handlers.lock` lists them.
#[derive(Debug, Clone, Default)]
pub struct Handlers(BTreeMap<String, ReplayPolicy>);

impl Handlers {
    /// Reads the handlers of a project.
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

    /// Returns a handler's replay policy.
    pub fn policy(&self, handler: &str) -> ReplayPolicy {
        self.0.get(handler).copied().unwrap_or_default()
    }

    /// Returns a rule with the handlers that its targets feed. The name of a stack's queue or function is the stack's
    /// name, a hyphen and the handler's name.
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
        let pattern = EventPattern::read(&rule.pattern);
        let is_queues_alone = queues.len() == rule.targets.len();
        Route { rule, handlers, queues, is_queues_alone, pattern }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::work::Location, *};
    use serde_json::Value;

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
        assert_eq!(route.takes(&candidate("order.placed", None)), Answer::Yes);
        assert_eq!(route.takes(&candidate("order.paid", None)), Answer::No);
    }

    fn candidate(message_type: &str, event: Option<Value>) -> Candidate {
        Candidate {
            message: Location::Log("p".into(), "s".into()),
            id: "e-1".into(),
            source: "shop".into(),
            message_type: message_type.into(),
            is_sent_alone: true,
            event: event.and_then(|event| event.as_object().cloned()),
        }
    }

    /// A rule of the board, which takes events with a sequence number from its own account.
    fn board() -> Route {
        let pattern = json!({ "account": ["1"], "detail": { "sequence": [{ "exists": true }] } });
        let rule = BusRule { pattern: pattern.to_string(), ..rule(&["arn:aws:sqs:us-east-1:1:shop-board"]) };
        Handlers::default().route(rule, "shop")
    }

    #[test]
    fn a_rule_decides_on_the_whole_event_once_it_is_known() {
        let takes = |event| board().takes(&candidate("order.placed", event));
        assert!(matches!(takes(None), Answer::Perhaps(Reason { why: Why::Unknown, .. })));
        assert_eq!(takes(Some(json!({ "detail": { "sequence": "1" } }))), Answer::Yes);
        assert_eq!(takes(Some(json!({ "detail": {} }))), Answer::No);
        assert_eq!(takes(Some(json!({ "account": "2", "detail": { "sequence": "1" } }))), Answer::No);
    }

    #[test]
    fn a_queue_is_sent_what_a_rule_would_give_it_and_nothing_else() {
        let taker = board().takers().next().unwrap();
        assert_eq!(taker.queue, "shop-board");
        let mut envelope: EncodedEnvelope = serde_json::from_str(
            r#"{"specversion":"1.0","id":"1","source":"shop","type":"order.placed","data":1}"#,
        )
        .unwrap();
        assert_eq!(taker.takes(&envelope), Answer::No, "it has no place");
        envelope.attributes.sequence = Some(1);
        assert_eq!(taker.takes(&envelope), Answer::Yes);
    }

    #[test]
    fn a_rule_that_asks_for_what_is_given_anew_is_undecided_with_the_reason() {
        let undecided = |pattern: &str| {
            let rule = BusRule { pattern: pattern.into(), ..rule(&[]) };
            Handlers::default().route(rule, "shop").undecided()
        };
        assert_eq!(undecided(r#"{"source":["shop"],"time":[{"exists":true}]}"#), None);
        assert_eq!(undecided(r#"{"detail":{"address":[{"cidr":"10.0.0.0/8"}]}}"#), None);
        assert_eq!(undecided(r#"{"id":["e-1"]}"#).as_deref(), Some("`id`: its value is not known here"));
        let refused = undecided(r#"{"source":[{"contains":"x"}]}"#);
        assert_eq!(refused.as_deref(), Some("no event pattern: `source`: there is no operator `contains`"));
    }

    #[test]
    fn a_journal_of_an_earlier_version_holds_the_pattern_itself() {
        let kept = r#"{"queue":"q","rule_arn":"a","pattern":{"source":["shop"]}}"#;
        let taker: QueueRule = serde_json::from_str(kept).unwrap();
        assert_eq!(taker.pattern, r#"{"source":["shop"]}"#);
        let kept = serde_json::to_string(&taker).unwrap();
        assert_eq!(serde_json::from_str::<QueueRule>(&kept).unwrap(), taker);
    }
}
