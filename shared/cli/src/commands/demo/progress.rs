//! The rows of the demo: one for each event, as it happens.

use super::orders::LAST;
use crate::line::{
    WholeLine,
    execution::{Execution, Visit},
    sentence_of,
};
use std::{collections::HashSet, time::Instant};
use throughline_core::saga::error_type;

/// The columns of a row.
const COLUMNS: usize = 120;

/// The rows that were shown already.
pub(super) struct Progress {
    started: Instant,
    shown: HashSet<String>,
}

impl Progress {
    pub(super) fn begin() -> Self {
        Self { started: Instant::now(), shown: HashSet::new() }
    }

    /// Shows what is new in a line.
    pub(super) fn show(&mut self, correlation_id: &str, line: &WholeLine) {
        for message in &line.recorded.messages {
            let text = sentence_of(&message.outgoing, message.occurred_at);
            self.row(&message.outgoing.envelope.attributes.id, correlation_id, &message.handler, &text);
        }
        for (saga, start) in line.sagas() {
            let name = &start.outgoing.envelope.attributes.id;
            if let Some(Ok(execution)) = line.executions.get(name) {
                self.execution(correlation_id, saga, name, execution);
            }
        }
        for claim in
            line.recorded.claims.iter().filter(|claim| claim.handler == LAST && line.is_done_by(LAST))
        {
            let key = format!("{} {}", claim.handler, claim.message_id);
            self.row(&key, correlation_id, &claim.handler, &format!("has handled {}", claim.message_type));
        }
        for (_, letter) in &line.dead_letters {
            let attribute = |name| letter.attribute(name).unwrap_or("?");
            let text = format!("rejects {}: {}", attribute("EventType"), attribute("ErrorMessage"));
            self.row(&letter.message_id, correlation_id, attribute("Handler"), &text);
        }
    }

    /// Shows the steps of a saga that no message tells of: failures, undos, and its end.
    fn execution(&mut self, correlation_id: &str, saga: &str, name: &str, execution: &Execution) {
        for (at, visit) in execution.visits.iter().enumerate() {
            for (attempt, text) in failures(visit) {
                self.row(&format!("{name} {at} {attempt}"), correlation_id, saga, &text);
            }
            if let (Some(step), Some(Ok(_))) = (visit.state.strip_prefix("undo_"), visit.outcome()) {
                self.row(&format!("{name} {at}"), correlation_id, saga, &format!("has undone {step}"));
            }
        }
        if let (Some(_), Some(state)) = (&execution.end, execution.ended_in()) {
            self.row(name, correlation_id, saga, &format!("ends: {state}"));
        }
    }

    /// Shows a row, unless one with this key was shown.
    pub(super) fn row(&mut self, key: &str, correlation_id: &str, who: &str, what: &str) {
        if !self.shown.insert(format!("{correlation_id} {key}")) {
            return;
        }
        let seconds = self.started.elapsed().as_secs_f32();
        let row = format!("  {seconds:>5.1} s  {correlation_id:<12} {who:<16} {what}");
        match row.char_indices().nth(COLUMNS - 1) {
            Some((end, _)) if row.chars().count() > COLUMNS => println!("{}…", &row[..end]),
            _ => println!("{row}"),
        }
    }
}

/// The failed attempts at a step, by their numbers. That another attempt is still at work is none.
fn failures(visit: &Visit) -> Vec<(usize, String)> {
    let failed = (1..).zip(&visit.attempts).filter_map(|(number, attempt)| match &attempt.outcome {
        Some(Err(failure)) if failure.error != error_type::BUSY => {
            Some((number, format!("{}, attempt {number}: {}: {}", visit.state, failure.error, failure.cause)))
        }
        _ => None,
    });
    failed.collect()
}
