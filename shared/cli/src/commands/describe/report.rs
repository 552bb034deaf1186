//! The report: who emits and who consumes each message.

use super::{Finding, Findings, Sides, compare};
use crate::terminal::Table;
use serde::Serialize;
use std::fmt;
use throughline_core::{
    catalogue::MessageKind,
    describe::{FunctionDescription, TypeDescription},
};

/// The project's messages and functions, and where code and template differ.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Every message, with who emits and who consumes it.
    pub messages: Vec<MessageFlow>,
    /// Every function, as its code is.
    pub functions: Vec<Function>,
    /// The differences between code and template.
    pub differences: Vec<Finding>,
    /// Notes about wiring that may be intended.
    pub notes: Vec<Finding>,
}

/// A message, and where it goes.
#[derive(Debug, Clone, Serialize)]
pub struct MessageFlow {
    /// Its type and version.
    #[serde(flatten)]
    pub message: TypeDescription,
    /// Event or command.
    #[serde(flatten)]
    pub kind: MessageKind,
    /// The handlers and sagas that may emit it. Who sends a command is not said by types.
    pub emitted_by: Vec<String>,
    /// The handlers that it reaches.
    pub consumed_by: Vec<Consumer>,
}

/// A handler that a message reaches.
#[derive(Debug, Clone, Serialize)]
pub struct Consumer {
    /// The handler.
    pub handler: String,
    /// `queue`, or `bus` if a rule invokes its function.
    pub through: &'static str,
}

/// A function.
#[derive(Debug, Clone, Serialize)]
pub struct Function {
    /// Its crate.
    pub package: String,
    /// The function's description.
    #[serde(flatten)]
    pub description: FunctionDescription,
}

impl Report {
    /// Compares the two sides and returns their report.
    pub fn of(sides: Sides<'_>) -> Self {
        let Findings { differences, notes } = compare(sides);
        let functions = sides.code.functions.iter().map(|(package, description)| Function {
            package: package.clone(),
            description: description.clone(),
        });
        let flows = sides.catalogue.messages().iter().map(|message| {
            let entry = &message.entry;
            let known =
                TypeDescription { name: entry.message_type.clone().into(), version: entry.schemaversion };
            let emitters = sides.code.emitters().filter(|(_, emits)| emits.contains(&known));
            MessageFlow {
                emitted_by: emitters.map(|(name, _)| name.to_owned()).collect(),
                consumed_by: consumers(sides, &known, &entry.kind),
                kind: entry.kind.clone(),
                message: known,
            }
        });
        Self { messages: flows.collect(), functions: functions.collect(), differences, notes }
    }
}

fn consumers(sides: Sides<'_>, message: &TypeDescription, kind: &MessageKind) -> Vec<Consumer> {
    let mut consumers = Vec::new();
    for (package, function) in &sides.code.functions {
        let Some((_, wired)) = sides.wired(package) else { continue };
        let reaches = matches!(kind, MessageKind::Command { .. }) || sides.delivers(wired, &message.name);
        let takers = function.handlers.iter().filter(|handler| reaches && handler.takes.contains(message));
        let through = if wired.queues.is_empty() { "bus" } else { "queue" };
        consumers.extend(takers.map(|handler| Consumer { handler: handler.name.clone(), through }));
    }
    consumers
}

fn or_nobody(names: &[String]) -> String {
    if names.is_empty() { "-".to_owned() } else { names.join(", ") }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let consumed_by = |flow: &MessageFlow| {
            let shown = |consumer: &Consumer| format!("{} ({})", consumer.handler, consumer.through);
            or_nobody(&flow.consumed_by.iter().map(shown).collect::<Vec<_>>())
        };
        let mut events = Table::new(["event", "emitted by", "consumed by"]);
        let mut commands = Table::new(["command", "queue", "taken by"]);
        for flow in &self.messages {
            let name = flow.message.to_string();
            match &flow.kind {
                MessageKind::Event { .. } => {
                    events.row([name, or_nobody(&flow.emitted_by), consumed_by(flow)]);
                }
                MessageKind::Command { queue } => commands.row([name, queue.clone(), consumed_by(flow)]),
            }
        }
        writeln!(f, "{events}\n\n{commands}\n")?;
        let mut functions = Table::new(["function", "fed by", "leased", "on replay", "does"]);
        for Function { package, description } in &self.functions {
            functions.row(row(package, description));
        }
        writeln!(f, "{functions}")?;
        for (heading, findings) in
            [("Differences between code and template", &self.differences), ("Notes", &self.notes)]
        {
            if !findings.is_empty() {
                writeln!(f, "\n{heading}:")?;
                findings.iter().try_for_each(|finding| writeln!(f, "  {finding}"))?;
            }
        }
        if self.differences.is_empty() {
            writeln!(f, "\nThe code and the template agree.")?;
        }
        Ok(())
    }
}

fn row(package: &str, function: &FunctionDescription) -> [String; 5] {
    let fed_by = serde_json::to_value(function.trigger).ok();
    let fed_by = fed_by.and_then(|name| name.as_str().map(ToOwned::to_owned)).unwrap_or_default();
    let handlers = &function.handlers;
    let is_leased = if handlers.iter().any(|handler| handler.is_leased) { "yes" } else { "" };
    let policies: Vec<String> = handlers.iter().map(|handler| handler.on_replay.clone()).collect();
    let mut does: Vec<String> = handlers
        .iter()
        .filter(|handler| handler.name != package)
        .map(|handler| handler.name.clone())
        .collect();
    does.extend(function.sagas.iter().map(|saga| format!("saga {}: {}", saga.name, saga.steps.join(", "))));
    for (verb, names) in [("sends to", &function.sends_to), ("starts", &function.starts)] {
        if !names.is_empty() {
            does.push(format!("{verb} {}", names.join(", ")));
        }
    }
    [package.to_owned(), fed_by, is_leased.to_owned(), policies.join(", "), does.join("; ")]
}
