//! Builds the tree of a saga's execution from Step Functions' history and the ledger.

use super::{
    branch::{Branch, elapsed, in_time_order},
    messages::{Builder, short_name},
};
use crate::line::execution::{Attempt, End, Execution, Visit};
use serde_json::Value;
use throughline_core::{Timestamp, saga::error_type};
use throughline_operations::{
    executions::{Ending, Failure, StateKind},
    line::{ClaimState, LoggedMessage, RecordedClaim},
};

/// The prefix of the names of states that undo a step.
const UNDO: &str = "undo_";

/// A step, or the undo of one, as the ledger knows it.
struct Step<'a> {
    name: &'a str,
    is_undo: bool,
    claims: Vec<&'a RecordedClaim>,
}

/// The part of a step that a claim is about, by the end of its message's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Run,
    Waits,
    Void,
    Undo,
}

fn part_of(claim: &RecordedClaim) -> Option<(&str, Part)> {
    let (_, rest) = claim.message_id.split_once('/')?;
    Some(match rest.split_once('/') {
        None => (rest, Part::Run),
        Some((step, "void")) => (step, Part::Void),
        Some((step, "undo")) => (step, Part::Undo),
        Some((step, _)) => (step, Part::Waits),
    })
}

impl<'a> Builder<'a> {
    /// Returns whether a claim belongs to a step of a saga that was started in the line.
    pub(super) fn is_of_saga(&self, claim: &RecordedClaim) -> bool {
        self.line.sagas().any(|(saga, start)| is_of(claim, saga, start))
    }

    /// Returns the name of the step whose answer was awaited in the line, or a general text if there are several.
    pub(super) fn who_waits(&self) -> String {
        let waits = self.line.recorded.claims.iter().filter_map(|claim| {
            let (execution, _) = claim.message_id.split_once('/')?;
            let (step, part) = part_of(claim).filter(|_| self.is_of_saga(claim))?;
            (part == Part::Waits).then(|| format!("{}/{}/{step}", claim.handler, short_name(execution)))
        });
        let mut waits: Vec<String> = waits.collect();
        waits.sort();
        waits.dedup();
        match waits.as_slice() {
            [one] => one.clone(),
            _ => "a step that waits".to_owned(),
        }
    }

    /// Returns the start of a saga with everything that its execution did.
    pub(super) fn saga(&self, saga: &str, start: &LoggedMessage) -> Branch {
        let name = &start.outgoing.envelope.attributes.id;
        let mut steps = self.steps(saga, start);
        let mut children = Vec::new();
        let (mut state, mut notes, mut end) = (String::new(), Vec::new(), None);
        match self.line.executions.get(name) {
            Some(Ok(execution)) => {
                children = self.visits(execution, &mut steps);
                end = execution.end.as_ref().map(|end| ended(execution, end));
            }
            Some(Err(_)) if steps.is_empty() => "not seen to start yet".clone_into(&mut state),
            Some(Err(why)) => {
                notes.push(format!("from the ledger alone, because Step Functions does not tell: {why}"));
            }
            None => {}
        }
        children.extend(steps.iter().map(|step| self.recorded(step)));
        children = in_time_order(children);
        children.extend(end);
        let label = format!("starts {saga} {}", short_name(name));
        Branch { state, notes, children, ..Branch::new(label, start.occurred_at) }
    }

    /// Returns the steps of an execution that the ledger knows.
    fn steps(&self, saga: &str, start: &LoggedMessage) -> Vec<Step<'a>> {
        let mut steps: Vec<Step<'a>> = Vec::new();
        for claim in self.line.recorded.claims.iter().filter(|claim| is_of(claim, saga, start)) {
            let Some((name, part)) = part_of(claim) else { continue };
            let is_undo = matches!(part, Part::Void | Part::Undo);
            match steps.iter_mut().find(|step| (step.name, step.is_undo) == (name, is_undo)) {
                Some(step) => step.claims.push(claim),
                None => steps.push(Step { name, is_undo, claims: vec![claim] }),
            }
        }
        steps
    }

    /// Returns the rows of an execution's states that do work, each with its claims, which are removed from `steps`.
    fn visits(&self, execution: &Execution, steps: &mut Vec<Step<'a>>) -> Vec<Branch> {
        let mut branches = Vec::new();
        for visit in &execution.visits {
            if matches!(visit.kind, StateKind::Choice | StateKind::Succeed | StateKind::Fail) {
                continue;
            }
            let (name, is_undo) = match visit.state.strip_prefix(UNDO) {
                Some(step) => (step, true),
                None => (visit.state.as_str(), false),
            };
            let found = steps.iter().position(|step| (step.name, step.is_undo) == (name, is_undo));
            let recorded = found.map(|at| steps.remove(at));
            branches.push(self.visit(visit, name, is_undo, recorded.as_ref()));
        }
        branches
    }

    fn visit(&self, visit: &Visit, name: &str, is_undo: bool, recorded: Option<&Step<'a>>) -> Branch {
        let mut branch = Branch::new(step_label(name, is_undo), Some(visit.entered_at));
        branch.state = state_of(visit);
        branch.notes = notes_of(visit, name);
        branch.children = if visit.attempts.len() > 1 { attempts(&visit.attempts) } else { Vec::new() };
        branch.children.extend(recorded.into_iter().flat_map(|step| self.sent_in(step)));
        branch.children = in_time_order(branch.children);
        branch
    }

    fn sent_in(&self, step: &Step<'_>) -> Vec<Branch> {
        step.claims.iter().flat_map(|claim| self.sent_by(claim)).collect()
    }

    /// Returns the row of a step that only the ledger knows.
    fn recorded(&self, step: &Step<'_>) -> Branch {
        let started = step.claims.iter().filter_map(|claim| claim.started_at).min();
        let finished = step.claims.iter().filter_map(|claim| claim.finished_at).max();
        let is_done = step.claims.iter().all(|claim| claim.state == ClaimState::Done);
        let has = |part| step.claims.iter().any(|claim| part_of(claim).is_some_and(|found| found.1 == part));
        let verb = if has(Part::Waits) { "asked" } else { "done" };
        let state = match (is_done, started, finished) {
            (true, Some(started), Some(finished)) => {
                format!("{verb} in {}", elapsed(started, finished))
            }
            (true, ..) => verb.to_owned(),
            (false, ..) => "not finished".to_owned(),
        };
        let attempt = step.claims.iter().map(|claim| claim.attempt).max().filter(|attempt| *attempt > 1);
        let attempt = attempt.map(|attempt| format!(", attempt {attempt}")).unwrap_or_default();
        Branch {
            state: state + &attempt,
            children: in_time_order(self.sent_in(step)),
            ..Branch::new(step_label(step.name, step.is_undo), started)
        }
    }
}

fn is_of(claim: &RecordedClaim, saga: &str, start: &LoggedMessage) -> bool {
    let execution = claim.message_id.split_once('/').map(|(execution, _)| execution);
    claim.handler == saga && execution == Some(&start.outgoing.envelope.attributes.id)
}

fn step_label(name: &str, is_undo: bool) -> String {
    if is_undo { format!("undo {name}") } else { name.to_owned() }
}

fn state_of(visit: &Visit) -> String {
    let since = |end: Option<Timestamp>| end.map(|end| elapsed(visit.entered_at, end));
    let Some(attempt) = visit.attempts.last() else {
        return match (visit.kind, since(visit.exited_at)) {
            (StateKind::Wait, Some(waited)) => format!("waited {waited}"),
            (StateKind::Wait, None) => "waits".to_owned(),
            (_, Some(took)) => format!("done in {took}"),
            (_, None) => "at work".to_owned(),
        };
    };
    let took = since(attempt.ended_at).unwrap_or_default();
    let number = visit.attempts.len();
    let at_attempt = if number > 1 { format!(", attempt {number}") } else { String::new() };
    match &attempt.outcome {
        None if attempt.awaits_answer => format!("waits for its answer{at_attempt}"),
        None => format!("at work{at_attempt}"),
        Some(Ok(_)) if attempt.awaits_answer => format!("answered after {took}{at_attempt}"),
        Some(Ok(output)) => match output["skipped"].as_str() {
            Some(why) => format!("nothing to do: {why}"),
            None => format!("done in {took}{at_attempt}"),
        },
        Some(Err(failure)) if failure.error == error_type::REJECTED => {
            format!("rejected after {took}{at_attempt}")
        }
        Some(Err(_)) => format!("given up after {took}{at_attempt}"),
    }
}

/// Returns the notes below a step: the failure of a single attempt, or that the undo did not know whether the step had
/// taken effect.
fn notes_of(visit: &Visit, name: &str) -> Vec<String> {
    match (visit.outcome(), visit.attempts.len()) {
        (Some(Err(failure)), 1) => vec![words(failure)],
        (Some(Ok(output)), _) if output["outcome_was_known"] == Value::Bool(false) => {
            vec![format!("whether `{name}` had taken effect was not known")]
        }
        _ => Vec::new(),
    }
}

fn words(Failure { error, cause }: &Failure) -> String {
    if cause.is_empty() { error.clone() } else { format!("{error}: {cause}") }
}

/// The number of equal failures in a row that get a row each. A longer series shares one row.
const MOST_ROWS_ALIKE: usize = 3;

/// Returns a row for each attempt, with its result and the wait before the next one.
fn attempts(attempts: &[Attempt]) -> Vec<Branch> {
    let mut branches = Vec::new();
    let mut number = 1;
    for alike in attempts.chunk_by(|one, next| one.outcome == next.outcome) {
        let in_a_row = if alike.len() > MOST_ROWS_ALIKE { alike.len() } else { 1 };
        for several in alike.chunks(in_a_row) {
            let next = attempts.get(number - 1 + several.len());
            branches.push(attempt(several, number, next));
            number += several.len();
        }
        // The cause of equal failures is shown once.
        if let (Some(Err(failure)), Some(last)) = (&alike[0].outcome, branches.last_mut()) {
            last.notes.extend(Some(failure.cause.clone()).filter(|cause| !cause.is_empty()));
        }
    }
    branches
}

fn attempt(several: &[Attempt], number: usize, next: Option<&Attempt>) -> Branch {
    let label = match several.len() {
        1 => format!("attempt {number}"),
        count => format!("attempts {number} to {}", number + count - 1),
    };
    let (first, last) = (&several[0], &several[several.len() - 1]);
    let took = last.ended_at.map(|end| elapsed(first.started_at, end)).unwrap_or_default();
    let mut branch = Branch::new(label, Some(first.started_at));
    let waits = last.ended_at.zip(next).map(|(ended, next)| elapsed(ended, next.started_at));
    branch.state = match (&last.outcome, waits) {
        (None, _) => "at work".to_owned(),
        (Some(Ok(_)), _) => format!("done in {took}"),
        (Some(Err(failure)), None) => format!("{} after {took}", failure.error),
        (Some(Err(failure)), Some(waits)) => format!("{} after {took}, then waits {waits}", failure.error),
    };
    branch
}

fn ended(execution: &Execution, end: &End) -> Branch {
    let label = execution.ended_in().unwrap_or(match end.ending {
        Ending::Succeeded => "Succeeded",
        Ending::Failed => "Failed",
        Ending::TimedOut => "Timed out",
        Ending::Aborted => "Aborted",
    });
    let failed = end.ending != Ending::Succeeded && end.failure != Failure::default();
    let notes = if failed { vec![words(&end.failure)] } else { Vec::new() };
    Branch { notes, ..Branch::new(label, Some(end.at)) }
}
