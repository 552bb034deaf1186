//! The differences between the code and the template.

use super::Described;
use crate::{
    cloud::stack::kebab_case,
    project::{
        catalogue::Catalogue,
        event_pattern::{Answer, Reason, Why},
        wiring::{Rule, WiredFunction, Wiring, named},
    },
};
use serde::Serialize;
use std::{collections::BTreeSet, fmt};
use throughline_aws::settings::{COMMAND_QUEUE, OWN_TABLE, SCHEDULE_TARGET, STATE_MACHINE, setting_name};
use throughline_core::{
    ReplayPolicy,
    catalogue::MessageKind,
    describe::{FedBy, FunctionDescription, HandlerDescription, TypeDescription},
};

/// Something that code and template do not say alike, or that may not be meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The function, rule or message that it is about.
    pub about: String,
    /// The problem, and the action to take.
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.about, self.what)
    }
}

/// Everything that is compared.
#[derive(Debug, Clone, Copy)]
pub struct Sides<'a> {
    /// The functions' descriptions.
    pub code: &'a Described,
    /// The template's wiring.
    pub template: &'a Wiring,
    /// The catalogue of messages.
    pub catalogue: &'a Catalogue,
    /// The lines of functions/handlers.lock: a handler's name, and behind it what a replay has it do, unless its claims
    /// decide.
    pub locked: &'a BTreeSet<String>,
}

/// The findings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// The differences.
    pub differences: Vec<Finding>,
    /// Notes about wiring that may be intended.
    pub notes: Vec<Finding>,
}

impl Findings {
    fn wrong(&mut self, about: impl Into<String>, what: impl Into<String>) {
        self.differences.push(Finding { about: about.into(), what: what.into() });
    }

    fn note(&mut self, about: impl Into<String>, what: impl Into<String>) {
        self.notes.push(Finding { about: about.into(), what: what.into() });
    }
}

/// Compares.
pub fn compare(sides: Sides<'_>) -> Findings {
    let mut findings = Findings::default();
    sides.packages(&mut findings);
    sides.rules(&mut findings);
    for (package, function) in &sides.code.functions {
        let Some((_, wired)) = sides.wired(package) else { continue };
        sides.names(function, &mut findings);
        feeding(package, function.trigger, wired, &mut findings);
        for handler in &function.handlers {
            sides.events(package, handler, wired, &mut findings);
            sides.commands(package, handler, wired, &mut findings);
            sides.emitted(&handler.name, &handler.emits, &mut findings);
            tables(package, &handler.tables, wired, &mut findings);
        }
        for saga in &function.sagas {
            sides.emitted(&saga.name, &saga.emits, &mut findings);
            tables(package, &saga.tables, wired, &mut findings);
        }
        sending(package, function, wired, &mut findings);
    }
    sides.unheard(&mut findings);
    findings
}

impl<'a> Sides<'a> {
    /// The function of the template that a crate is deployed as.
    pub fn wired(&self, package: &str) -> Option<(&'a str, &'a WiredFunction)> {
        let is_it = |function: &WiredFunction| function.package.as_deref() == Some(package);
        self.template
            .functions
            .iter()
            .find(|(_, function)| is_it(function))
            .map(|(id, function)| (id.as_str(), function))
    }

    /// Returns whether a rule may bring events of a type to a function.
    pub fn delivers(&self, wired: &WiredFunction, message_type: &str) -> bool {
        self.answers(wired, message_type).any(|answer| answer.may_be())
    }

    /// Returns whether a rule surely brings events of a type to a function, if not all of them: an open answer is no
    /// difference.
    fn surely_delivers(&self, wired: &WiredFunction, message_type: &str) -> bool {
        self.answers(wired, message_type).any(|answer| match answer {
            Answer::Yes => true,
            Answer::Perhaps(reason) => reason.why == Why::Unknown,
            Answer::No => false,
        })
    }

    /// Returns whether each of a function's rules takes events of a type.
    fn answers(&self, wired: &WiredFunction, message_type: &str) -> impl Iterator<Item = Answer> {
        let rules = wired.deliveries.iter().filter_map(|delivery| self.template.rules.get(&delivery.rule));
        rules.map(move |rule| {
            // That it takes nothing of our sources is a finding of its own.
            let is_ours = self.takes(rule, None).may_be();
            if is_ours { self.takes(rule, Some(message_type)) } else { rule.takes(None, Some(message_type)) }
        })
    }

    /// Returns whether a rule takes events of any of the sources that functions emit as, and of a type, if one is
    /// given.
    fn takes(&self, rule: &Rule, message_type: Option<&str>) -> Answer {
        let sources = &self.template.sources;
        if sources.is_empty() {
            return rule.takes(None, message_type);
        }
        sources.iter().map(|source| rule.takes(Some(source), message_type)).fold(Answer::No, Answer::or)
    }

    fn is_event(&self, message_type: &str) -> bool {
        let mut known = self.catalogue.of_type(message_type);
        known.any(|message| matches!(message.entry.kind, MessageKind::Event { .. }))
    }

    fn packages(&self, findings: &mut Findings) {
        for package in self.code.functions.keys().filter(|package| self.wired(package).is_none()) {
            let what =
                "a crate in functions/ that the template deploys nowhere: add a function whose CodeUri is \
                        ../target/lambda/"
                    .to_owned();
            findings.wrong(package, what + package + "/");
        }
        for (id, function) in &self.template.functions {
            let package = function.package.as_deref().unwrap_or("nothing");
            if !self.code.functions.contains_key(package) {
                findings.wrong(
                    id,
                    format!("its CodeUri names the crate `{package}`, which functions/ does not have"),
                );
            }
        }
    }

    fn rules(&self, findings: &mut Findings) {
        for (id, rule) in &self.template.rules {
            if let Some(refused) = rule.refused() {
                findings.wrong(id, format!("EventBridge refuses its pattern: {refused}"));
                continue;
            }
            if let Some((name, reason)) = self.disputed(rule) {
                findings.note(id, format!("whether its pattern takes `{name}` is left open here: {reason}"));
            }
            for name in rule.named_types().filter(|name| !self.is_event(name)) {
                findings.wrong(id, format!("its pattern names `{name}`, which is no event of the catalogue"));
            }
            let sources = &self.template.sources;
            if !sources.is_empty() && !self.takes(rule, None).may_be() {
                let emitted = sources.iter().cloned().collect::<Vec<_>>().join(", ");
                findings.wrong(
                    id,
                    format!("its pattern takes no event of the source {emitted}, which functions emit as"),
                );
            }
        }
    }

    /// An event of which nobody but AWS could tell whether a rule takes it, with the reason.
    fn disputed(&self, rule: &Rule) -> Option<(&str, Reason)> {
        let events = self.catalogue.messages().iter().map(|message| message.entry.message_type.as_str());
        events.filter(|name| self.is_event(name)).find_map(|name| match self.takes(rule, Some(name)) {
            Answer::Perhaps(reason) if reason.why.is_disputed() => Some((name, reason)),
            _ => None,
        })
    }

    fn names(&self, function: &FunctionDescription, findings: &mut Findings) {
        let handlers = function.handlers.iter().map(|handler| (&handler.name, handler.on_replay.as_str()));
        let sagas = function.sagas.iter().map(|saga| (&saga.name, ReplayPolicy::ClaimsDecide.name()));
        for (name, policy) in handlers.chain(sagas) {
            let is_default = policy == ReplayPolicy::ClaimsDecide.name();
            let line = if is_default { name.clone() } else { format!("{name} {policy}") };
            if !self.locked.contains(&line) {
                let what = format!(
                    "functions/handlers.lock has no line `{line}`: add it for a new handler, or change a renamed one \
                     back"
                );
                findings.wrong(name, what);
            }
        }
    }

    fn events(
        &self,
        package: &str,
        handler: &HandlerDescription,
        wired: &WiredFunction,
        findings: &mut Findings,
    ) {
        let events: Vec<&TypeDescription> =
            handler.takes.iter().filter(|taken| self.is_event(&taken.name)).collect();
        let (delivered, missed): (Vec<_>, Vec<_>) =
            events.iter().copied().partition(|taken| self.delivers(wired, &taken.name));
        if delivered.is_empty() && !events.is_empty() && !wired.has_other_rules {
            let names: Vec<_> = events.iter().map(ToString::to_string).collect();
            findings.wrong(package, format!("no rule delivers what its handler takes: {}", names.join(", ")));
        } else {
            for taken in missed {
                findings.note(package, format!("its handler takes {taken}, which no rule delivers to it"));
            }
        }
        if handler.takes_other_json {
            return;
        }
        for message in
            self.catalogue.messages().iter().filter(|message| self.is_event(&message.entry.message_type))
        {
            let (name, version) = (message.entry.message_type.as_str(), message.entry.schemaversion);
            let mut of_type = handler.takes.iter().filter(|taken| taken.name == name).peekable();
            if !self.surely_delivers(wired, name) {
                continue;
            }
            if of_type.peek().is_none() {
                findings.wrong(package, format!("a rule delivers `{name}`, which its handler does not take"));
            } else if !of_type.any(|taken| taken.version == version) && self.is_emitted(name, version) {
                findings.wrong(
                    package,
                    format!("`{name}` v{version} is emitted, and its handler does not take that version"),
                );
            }
        }
    }

    fn commands(
        &self,
        package: &str,
        handler: &HandlerDescription,
        wired: &WiredFunction,
        findings: &mut Findings,
    ) {
        for taken in &handler.takes {
            let Some(message) = self.catalogue.message(&taken.name, taken.version) else {
                findings
                    .wrong(package, format!("its handler takes {taken}, which the catalogue does not have"));
                continue;
            };
            let MessageKind::Command { queue } = &message.entry.kind else { continue };
            let logical = |id: &String| kebab_case(id.strip_suffix("Queue").unwrap_or(id));
            if !wired.queues.iter().any(|id| logical(id) == *queue) {
                let fed: Vec<_> = wired.queues.iter().map(logical).collect();
                let fed = if fed.is_empty() { "no queue".to_owned() } else { fed.join(", ") };
                findings.wrong(
                    package,
                    format!("its handler takes {taken} from the queue `{queue}`, but {fed} feeds it"),
                );
            }
        }
    }

    fn emitted(&self, who: &str, emits: &[TypeDescription], findings: &mut Findings) {
        for emitted in
            emits.iter().filter(|emitted| self.catalogue.message(&emitted.name, emitted.version).is_none())
        {
            findings.wrong(who, format!("it emits {emitted}, which the catalogue does not have"));
        }
    }

    fn is_emitted(&self, name: &str, version: u16) -> bool {
        self.code
            .emitters()
            .any(|(_, emits)| emits.iter().any(|emitted| emitted.name == name && emitted.version == version))
    }

    /// Events that reach nobody: others may listen.
    fn unheard(&self, findings: &mut Findings) {
        for message in self.catalogue.messages() {
            let (name, version) = (&message.entry.message_type, message.entry.schemaversion);
            let is_heard = self.template.functions.values().any(|wired| self.delivers(wired, name));
            if self.is_event(name) && !is_heard && self.is_emitted(name, version) {
                findings.note(format!("{name} v{version}"), "no function consumes it");
            }
        }
    }
}

/// Checks that a function is fed as its code expects.
fn feeding(package: &str, trigger: FedBy, wired: &WiredFunction, findings: &mut Findings) {
    let (is_fed, expects, add) = match trigger {
        FedBy::Queue => (!wired.queues.is_empty(), "a queue", "an event source mapping of its queue"),
        FedBy::Rule => (
            wired.has_other_rules || wired.deliveries.iter().any(|delivery| delivery.queue.is_none()),
            "a rule that invokes it",
            "a rule whose target it is",
        ),
        FedBy::Outbox => {
            (wired.has_stream, "the ledger table's stream", "an event source mapping of the stream")
        }
        FedBy::StateMachine => (
            !wired.machines.is_empty(),
            "a state machine",
            "a state machine whose DefinitionSubstitutions name it",
        ),
        FedBy::Other => return,
    };
    if !is_fed {
        findings.wrong(package, format!("its code expects to be fed by {expects}: the template lacks {add}"));
    }
    if trigger == FedBy::Queue && wired.deliveries.iter().any(|delivery| delivery.queue.is_none()) {
        findings.wrong(
            package,
            "its code reads a queue, but a rule invokes it directly: make the queue the target",
        );
    }
}

fn tables(package: &str, tables: &[String], wired: &WiredFunction, findings: &mut Findings) {
    let needed = tables.iter().map(|table| setting_name(OWN_TABLE, table));
    for setting in needed.filter(|setting| !wired.settings.contains_key(setting)) {
        findings
            .wrong(package, format!("it uses a table of its own, and the template does not set {setting}"));
    }
}

/// Compares the relay's destinations with the ones that the template gives it.
fn sending(package: &str, function: &FunctionDescription, wired: &WiredFunction, findings: &mut Findings) {
    let families = [
        (COMMAND_QUEUE, &function.sends_to, "sends commands to"),
        (SCHEDULE_TARGET, &function.schedules_to, "schedules commands to"),
        (STATE_MACHINE, &function.starts, "starts"),
    ];
    for (prefix, names, does) in families {
        for name in names {
            let setting = setting_name(prefix, name);
            let Some(value) = wired.settings.get(&setting) else {
                findings
                    .wrong(package, format!("it {does} `{name}`, and the template does not set {setting}"));
                continue;
            };
            let target = named(value).unwrap_or_default();
            let logical = kebab_case(
                target.strip_suffix("Queue").or(target.strip_suffix("StateMachine")).unwrap_or(target),
            );
            if !target.is_empty() && logical != *name {
                findings.wrong(package, format!("{setting} is {target}, which is not `{name}`"));
            }
        }
    }
}
