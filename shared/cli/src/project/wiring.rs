//! The wiring of the template: the rules, queues, streams and state machines that feed each function.

use crate::project::{
    event_pattern::{Answer, Event, EventPattern, NotAPattern, Unknown},
    template::Template,
};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use throughline_aws::settings;

const QUEUE: &str = "AWS::SQS::Queue";

/// The functions of a template, by their logical ids, and where their events come from.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Wiring {
    /// The functions.
    pub functions: BTreeMap<String, WiredFunction>,
    /// The rules on the template's own buses.
    pub rules: BTreeMap<String, Rule>,
    /// The sources that the functions' events name.
    pub sources: BTreeSet<String>,
}

/// A function, as the template has it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct WiredFunction {
    /// The crate it is built from, by the last part of its `CodeUri`.
    pub package: Option<String>,
    /// The logical ids of the queues that feed it.
    pub queues: BTreeSet<String>,
    /// The rules whose events reach it, and the queue between, if any.
    pub deliveries: Vec<Delivery>,
    /// Whether rules that are not on a bus of the template reach the function, too.
    pub has_other_rules: bool,
    /// Whether a table's stream feeds the function.
    pub has_stream: bool,
    /// The logical ids of the state machines that invoke it.
    pub machines: BTreeSet<String>,
    /// Its settings, by their names: what the template says, unresolved.
    pub settings: BTreeMap<String, Value>,
}

/// A rule that reaches a function.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivery {
    /// The rule's logical id.
    pub rule: String,
    /// The queue between, by its logical id.
    pub queue: Option<String>,
}

/// The pattern by which a rule takes events.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    pattern: Result<EventPattern, NotAPattern>,
}

/// The members of an event on the rule's bus that the template does not tell.
const UNKNOWN: [(&str, Unknown); 8] = [
    ("id", Unknown::Text),
    ("time", Unknown::Text),
    ("account", Unknown::Text),
    ("region", Unknown::Text),
    ("source", Unknown::Text),
    ("detail-type", Unknown::Text),
    ("resources", Unknown::Anything),
    ("detail", Unknown::Anything),
];

impl Rule {
    /// The rule of a template with this `EventPattern`.
    pub fn of_template(pattern: &Value) -> Self {
        Self { pattern: EventPattern::of_template(pattern) }
    }

    /// Returns whether the rule takes events of a source, if that is known, and of a type, if that is known. A rule
    /// with a pattern that EventBridge refuses takes nothing.
    pub fn takes(&self, source: Option<&str>, message_type: Option<&str>) -> Answer {
        let Ok(pattern) = &self.pattern else { return Answer::No };
        let known = [("version", Some("0")), ("source", source), ("detail-type", message_type)];
        let known = known.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into())));
        let event = Event::of(&Value::Object(known.collect()));
        let unknown = UNKNOWN.into_iter().filter(|(name, _)| match *name {
            "source" => source.is_none(),
            "detail-type" => message_type.is_none(),
            _ => true,
        });
        pattern.takes(&unknown.fold(event, |event, (name, unknown)| event.without(name, unknown)))
    }

    /// The types it names word for word.
    pub fn named_types(&self) -> impl Iterator<Item = &str> {
        self.pattern.iter().flat_map(|pattern| pattern.texts("detail-type"))
    }

    /// Why EventBridge refuses its pattern, if it does.
    pub fn refused(&self) -> Option<&NotAPattern> {
        self.pattern.as_ref().err()
    }
}

/// The logical id that `!Ref X` or `!GetAtt X.Arn` names.
pub fn named(value: &Value) -> Option<&str> {
    value["Ref"].as_str().or_else(|| value["Fn::GetAtt"][0].as_str())
}

impl Wiring {
    /// Returns the wiring of a template.
    pub fn of(template: &Template) -> Self {
        let mut wiring = Self::default();
        let globals = &template.document()["Globals"]["Function"]["Environment"]["Variables"];
        let kinds = ["AWS::Serverless::Function", "AWS::Lambda::Function"];
        for (id, properties) in kinds.iter().flat_map(|kind| template.of_type(kind)) {
            let variables = [globals, &properties["Environment"]["Variables"]];
            let settings = variables.into_iter().filter_map(Value::as_object).flatten();
            let function = WiredFunction {
                package: package(&properties["CodeUri"]),
                settings: settings.map(|(name, value)| (name.clone(), value.clone())).collect(),
                ..WiredFunction::default()
            };
            let source = function.settings.get(settings::SOURCE).and_then(Value::as_str);
            wiring.sources.extend(source.map(ToOwned::to_owned));
            wiring.functions.insert(id.to_owned(), function);
        }
        wiring.add_mappings(template);
        wiring.add_rules(template);
        wiring.add_machines(template);
        wiring
    }

    fn add_mappings(&mut self, template: &Template) {
        for (_, mapping) in template.of_type("AWS::Lambda::EventSourceMapping") {
            let function = named(&mapping["FunctionName"]).and_then(|id| self.functions.get_mut(id));
            let source = &mapping["EventSourceArn"];
            let (Some(function), Some(fed_by)) = (function, named(source)) else { continue };
            if template.resource(fed_by).is_ok_and(|resource| resource["Type"] == QUEUE) {
                function.queues.insert(fed_by.to_owned());
            } else if source["Fn::GetAtt"][1] == "StreamArn" {
                function.has_stream = true;
            }
        }
    }

    fn add_rules(&mut self, template: &Template) {
        for (id, rule) in template.of_type("AWS::Events::Rule") {
            let is_on_own_bus = named(&rule["EventBusName"]).is_some();
            if is_on_own_bus {
                self.rules.insert(id.to_owned(), Rule::of_template(&rule["EventPattern"]));
            }
            for target in
                rule["Targets"].as_array().into_iter().flatten().filter_map(|target| named(&target["Arn"]))
            {
                for (function_id, function) in &mut self.functions {
                    let queue = function.queues.get(target).cloned();
                    if queue.is_none() && function_id != target {
                        continue;
                    }
                    if is_on_own_bus {
                        function.deliveries.push(Delivery { rule: id.to_owned(), queue });
                    } else {
                        function.has_other_rules = true;
                    }
                }
            }
        }
    }

    fn add_machines(&mut self, template: &Template) {
        for kind in ["AWS::StepFunctions::StateMachine", "AWS::Serverless::StateMachine"] {
            for (id, machine) in template.of_type(kind) {
                let named_by_it = machine["DefinitionSubstitutions"].as_object().into_iter().flatten();
                for function in named_by_it.filter_map(|(_, value)| named(value)) {
                    if let Some(function) = self.functions.get_mut(function) {
                        function.machines.insert(id.to_owned());
                    }
                }
            }
        }
    }
}

/// `../target/lambda/place-order/` is the crate `place-order`.
fn package(code: &Value) -> Option<String> {
    let folder = code.as_str()?.trim_end_matches('/');
    folder.rsplit('/').next().map(ToOwned::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_rule_takes_what_its_whole_pattern_may_take() {
        for (pattern, takes, not) in [
            (json!({ "detail-type": [{ "prefix": "order." }] }), "order.placed", "stock.reserved"),
            (json!({ "detail-type": [{ "wildcard": "order.*d" }] }), "order.placed", "order.lost"),
            (
                json!({ "detail-type": [{ "anything-but": { "suffix": [".lost", ".paid"] } }] }),
                "order.placed",
                "order.lost",
            ),
            (
                json!({ "$or": [{ "source": ["shop"], "detail-type": ["order.placed"] }, { "source": ["bank"] }] }),
                "order.placed",
                "order.paid",
            ),
            (
                json!({ "detail-type": ["a", "b"], "detail": { "total": [1] }, "id": [{ "exists": true }] }),
                "a",
                "c",
            ),
        ] {
            let rule = Rule::of_template(&pattern);
            assert!(rule.takes(Some("shop"), Some(takes)).may_be(), "{pattern}");
            assert!(!rule.takes(Some("shop"), Some(not)).may_be(), "{pattern}");
            assert!(rule.takes(None, None).may_be(), "{pattern}");
        }
        let never = Rule::of_template(&json!({ "source": ["shop"], "id": [{ "exists": false }] }));
        assert_eq!(never.takes(Some("shop"), None), Answer::No);
    }

    #[test]
    fn the_shop_s_functions_are_fed_by_what_the_template_says() {
        let wiring = Wiring::of(&Template::parse(include_str!("../../../../infra/template.yaml")).unwrap());
        let reserve = &wiring.functions["ReserveStockFunction"];
        assert_eq!(reserve.package.as_deref(), Some("reserve-stock"));
        let through = Delivery { rule: "ReserveStockRule".into(), queue: Some("ReserveStockQueue".into()) };
        assert_eq!(reserve.deliveries, [through]);
        assert_eq!(wiring.functions["ConfirmOrderFunction"].deliveries[0].queue, None);
        assert!(wiring.functions["RelayOutboxFunction"].has_stream);
        assert!(wiring.functions["CheckoutFunction"].machines.contains("CheckoutStateMachine"));
        assert!(wiring.functions["ReportStuckSagasFunction"].has_other_rules);
        assert!(wiring.sources.contains("shop"));
    }
}
