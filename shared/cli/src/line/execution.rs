//! An execution of a saga, built from Step Functions' history: its states in the order in which they were entered, with
//! the attempts at each.

use std::collections::HashMap;
use throughline_core::Timestamp;
use throughline_operations::executions::{Ending, Failure, Happening, HistoryEvent, StateKind};

/// The known state of an execution.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Execution {
    /// Its states, in the order they were entered.
    pub visits: Vec<Visit>,
    /// The end of the execution, if it has ended.
    pub end: Option<End>,
}

/// A state that was entered.
#[derive(Debug, Clone, PartialEq)]
pub struct Visit {
    /// The state's name.
    pub state: String,
    /// The kind of the state.
    pub kind: StateKind,
    /// The time at which it was entered.
    pub entered_at: Timestamp,
    /// The time at which it was left, if it was.
    pub exited_at: Option<Timestamp>,
    /// The attempts at its task, in order.
    pub attempts: Vec<Attempt>,
}

/// An attempt at a task.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    /// The time at which it was started.
    pub started_at: Timestamp,
    /// The time at which it ended, if it has.
    pub ended_at: Option<Timestamp>,
    /// Whether it waits for an answer with its task token.
    pub awaits_answer: bool,
    /// The output or the failure, if it has ended.
    pub outcome: Option<Result<serde_json::Value, Failure>>,
}

/// The end of an execution.
#[derive(Debug, Clone, PartialEq)]
pub struct End {
    /// The kind of end.
    pub ending: Ending,
    /// The time of the end.
    pub at: Timestamp,
    /// The failure; empty if it succeeded.
    pub failure: Failure,
}

impl Execution {
    /// Builds an execution from its history.
    ///
    /// The event before a task's event tells which state the task belongs to. Where the history does not contain it, as
    /// on a local cloud, the task belongs to the state that was entered last.
    pub fn of(history: &[HistoryEvent]) -> Self {
        let mut execution = Self::default();
        let mut visit_of: HashMap<i64, usize> = HashMap::new();
        for event in history {
            if let Happening::Entered { state, kind } = &event.what {
                execution.visits.push(Visit {
                    state: state.clone(),
                    kind: *kind,
                    entered_at: event.at,
                    exited_at: None,
                    attempts: Vec::new(),
                });
            }
            let entered_last = execution.visits.len().checked_sub(1);
            let follows = || visit_of.get(&event.previous?).copied();
            let at = match &event.what {
                Happening::Entered { .. } => entered_last,
                _ => follows().or(entered_last),
            };
            if let Some(at) = at {
                visit_of.insert(event.id, at);
            }
            execution.add(event, at);
        }
        execution
    }

    fn add(&mut self, event: &HistoryEvent, at: Option<usize>) {
        match &event.what {
            Happening::Ended { ending, failure } => {
                self.end = Some(End { ending: *ending, at: event.at, failure: failure.clone() });
            }
            Happening::Redriven => self.end = None,
            _ => {
                if let Some(visit) = at.and_then(|at| self.visits.get_mut(at)) {
                    visit.add(event);
                }
            }
        }
    }

    /// Returns the number of state transitions billed for it so far: "a state transition each time a step of your
    /// workflow is executed" (Step Functions' pricing page), including retries, and one for the start.
    pub fn transitions(&self) -> usize {
        let of_visit = |visit: &Visit| visit.attempts.len().max(1);
        1 + self.visits.iter().map(of_visit).sum::<usize>()
    }

    /// Returns the number of its attempts that were retries.
    pub fn retries(&self) -> usize {
        self.visits.iter().map(|visit| visit.attempts.len().saturating_sub(1)).sum()
    }

    /// Returns the name of the state in which it ended (`Completed`, `Compensated` or `Stuck`), unless it was cut
    /// short.
    pub fn ended_in(&self) -> Option<&str> {
        self.end.as_ref()?;
        let last = self.visits.last()?;
        matches!(last.kind, StateKind::Succeed | StateKind::Fail).then_some(last.state.as_str())
    }
}

impl Visit {
    fn add(&mut self, event: &HistoryEvent) {
        match &event.what {
            Happening::Attempted { awaits_answer } => self.attempts.push(Attempt {
                started_at: event.at,
                ended_at: None,
                awaits_answer: *awaits_answer,
                outcome: None,
            }),
            Happening::Succeeded { output } => self.settle(event.at, Ok(output.clone())),
            Happening::Failed(failure) => self.settle(event.at, Err(failure.clone())),
            Happening::Exited { state } if *state == self.state => self.exited_at = Some(event.at),
            _ => {}
        }
    }

    fn settle(&mut self, at: Timestamp, outcome: Result<serde_json::Value, Failure>) {
        if let Some(attempt) = self.attempts.last_mut() {
            attempt.ended_at = Some(at);
            attempt.outcome = Some(outcome);
        }
    }

    /// Returns the output or the failure of its last attempt, if that has ended.
    pub fn outcome(&self) -> Option<&Result<serde_json::Value, Failure>> {
        self.attempts.last()?.outcome.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn event(id: i64, previous: Option<i64>, what: Happening) -> HistoryEvent {
        let at = Timestamp::from_millisecond(id).unwrap();
        HistoryEvent { id, previous, at, what }
    }

    fn entered(state: &str, kind: StateKind) -> Happening {
        Happening::Entered { state: state.into(), kind }
    }

    const ATTEMPTED: Happening = Happening::Attempted { awaits_answer: false };

    fn failed(error: &str) -> Happening {
        Happening::Failed(Failure { error: error.into(), cause: String::new() })
    }

    fn succeeded() -> Happening {
        Happening::Succeeded { output: json!(1) }
    }

    fn ended() -> Happening {
        Happening::Ended { ending: Ending::Succeeded, failure: Failure::default() }
    }

    #[test]
    fn each_attempt_counts_as_a_transition_and_so_does_the_start() {
        let history = [
            entered("charge", StateKind::Task),
            ATTEMPTED,
            failed("Saga.Transient"),
            ATTEMPTED,
            succeeded(),
            Happening::Exited { state: "charge".into() },
            entered("Completed", StateKind::Succeed),
            ended(),
        ];
        let history: Vec<_> = (2..).zip(history).map(|(id, what)| event(id, None, what)).collect();
        let execution = Execution::of(&history);
        assert_eq!(execution.transitions(), 4);
        assert_eq!(execution.ended_in(), Some("Completed"));
        let charge = &execution.visits[0];
        assert_eq!((charge.attempts.len(), charge.outcome()), (2, Some(&Ok(json!(1)))));
        assert_eq!(charge.exited_at.map(Timestamp::as_millisecond), Some(7));
    }

    #[test]
    fn branches_that_run_at_the_same_time_are_told_apart_by_what_they_follow_from() {
        let history = [
            event(2, Some(1), entered("both", StateKind::Parallel)),
            event(3, Some(2), entered("left", StateKind::Task)),
            event(4, Some(2), entered("right", StateKind::Task)),
            event(5, Some(3), ATTEMPTED),
            event(6, Some(4), ATTEMPTED),
            event(7, Some(6), failed("Saga.Rejected")),
            event(8, Some(5), succeeded()),
        ];
        let execution = Execution::of(&history);
        let outcome = |at: usize| execution.visits[at].outcome().unwrap().is_ok();
        assert!(outcome(1) && !outcome(2));
        assert_eq!(execution.ended_in(), None);
    }

    #[test]
    fn an_execution_that_was_made_to_go_on_has_not_ended() {
        let history = [
            event(2, None, entered("charge", StateKind::Task)),
            event(3, None, ended()),
            event(4, None, Happening::Redriven),
        ];
        assert_eq!(Execution::of(&history).end, None);
    }
}
