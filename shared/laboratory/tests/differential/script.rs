//! A run of the in-process executor, as the script of a worker: each task is answered as it was answered there.

use crate::cases::Plot;
use std::{
    collections::{BTreeSet, HashMap},
    fmt::Write as _,
};
use throughline_core::saga::{Failed, StageView, Task, Unwound, Work, error_type};
use throughline_testing::saga::{End, Entry};

/// A run of the in-process executor.
#[derive(Debug, Clone)]
pub(crate) struct Expected {
    /// The saga and the faults.
    pub(crate) name: String,
    pub(crate) journal: Vec<Entry>,
    pub(crate) end: End,
    pub(crate) unwound: Option<Unwound>,
    pub(crate) stuck: Option<Failed>,
}

/// The error of a task that was not asked there.
const NOT_IN_THE_SCRIPT: &str = "NotInTheScript";

/// The state in which a task ends that no worker understood.
const STUCK: &str = "Stuck";

/// A script that is being played.
#[derive(Debug)]
pub(crate) struct Script {
    plot: Plot,
    execution: String,
    expected: Expected,
    /// Branches that were given up because another one failed, and have not been told so yet.
    abandoned: BTreeSet<&'static str>,
    /// The number of times that each task was asked.
    attempts: HashMap<(Work, String), u32>,
    /// The tasks and their answers, in order.
    asked: Vec<Entry>,
    /// The failure that the ending was given.
    unwound: Option<Unwound>,
    wrong: Vec<String>,
}

/// The end of an execution of the state machine.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Such as `SUCCEEDED`.
    pub(crate) status: String,
    /// The error it failed with.
    pub(crate) error: Option<String>,
    /// The state in which it ended.
    pub(crate) last_state: String,
    /// The states in which it waited.
    pub(crate) waits: Vec<String>,
    /// The input of the last state.
    pub(crate) document: serde_json::Value,
}

impl Script {
    pub(crate) fn new(plot: &Plot, execution: &str, expected: &Expected) -> Self {
        Self {
            plot: plot.clone(),
            execution: execution.to_owned(),
            abandoned: abandoned(plot, &expected.journal),
            expected: expected.clone(),
            attempts: HashMap::new(),
            asked: Vec::new(),
            unwound: None,
            wrong: Vec::new(),
        }
    }

    /// Returns the end of a task: an error's name, unless it is done.
    pub(crate) fn answer(&mut self, task: &Task) -> Result<(), String> {
        let attempts = self.attempts.entry((task.work, task.step.clone())).or_default();
        *attempts += 1;
        let attempt = *attempts;
        self.check(task, attempt);
        let is_it =
            |entry: &&Entry| entry.work == task.work && entry.step == task.step && entry.attempt == attempt;
        let result = match self.expected.journal.iter().find(is_it) {
            Some(entry) => entry.result.clone(),
            // The local cloud lets a group's other branches go on when one failed; Step Functions stops them.
            None if task.work == Work::Run && self.abandoned.remove(task.step.as_str()) => return Ok(()),
            None => NOT_IN_THE_SCRIPT.to_owned(),
        };
        self.asked.push(Entry { work: task.work, step: task.step.clone(), attempt, result: result.clone() });
        if result == Entry::DONE { Ok(()) } else { Err(result) }
    }

    fn check(&mut self, task: &Task, attempt: u32) {
        let start = &task.document.start;
        let input: Option<serde_json::Value> = serde_json::from_str(start.data.get()).ok();
        // The local cloud counts for all branches of a group together.
        let is_in_group = task.work == Work::Run && self.plot.group_of(&task.step).is_some();
        let is_waited_for = task.work == Work::Run && self.plot.is_callback(&task.step);
        let facts = [
            ("the definition", task.definition == self.plot.fingerprint),
            ("the execution's name", task.execution == self.execution),
            ("what started it", start.attributes.id == self.execution),
            ("the input", input.as_ref() == Some(&self.plot.input)),
            ("the number of retries", is_in_group || task.retries + 1 == attempt),
            ("the token", task.task_token.is_some() == is_waited_for),
        ];
        for (what, _) in facts.iter().filter(|(_, is_right)| !is_right) {
            self.wrong.push(format!("{:?} {} #{attempt} is told {what} wrongly", task.work, task.step));
        }
        if task.work == Work::End {
            self.unwound = Some(task.document.unwound());
        }
    }

    /// Returns whether every task of the script was asked.
    pub(crate) fn is_used_up(&self) -> bool {
        self.asked.len() >= self.expected.journal.len()
    }

    pub(crate) fn asked(&self) -> usize {
        self.asked.len()
    }

    /// Returns the first difference between the state machine's run and the script.
    pub(crate) fn difference(mut self, ended: &Ended) -> Result<usize, String> {
        let (there, here) = (in_order(&self.plot, &self.expected.journal), in_order(&self.plot, &self.asked));
        if there != here {
            self.wrong.push("it asked for something else".to_owned());
        }
        self.check_end(ended);
        if self.wrong.is_empty() { Ok(self.asked.len()) } else { Err(self.report(&there, &here, ended)) }
    }

    fn check_end(&mut self, ended: &Ended) {
        let expected = self.end();
        let is = (ended.status.clone(), ended.last_state.clone(), ended.error.clone());
        if is != expected {
            self.wrong.push(format!("it ended {is:?} instead of {expected:?}"));
        }
        let waits = self.waits();
        if ended.waits != waits {
            self.wrong.push(format!("it waited in {:?} instead of {waits:?}", ended.waits));
        }
        let unwound = self.expected.unwound.as_ref().filter(|_| self.is_asked(Work::End));
        if unwound.map(failure) != self.unwound.as_ref().map(failure) {
            self.wrong.push(format!("the ending was told {:?} instead of {unwound:?}", self.unwound));
        }
        if ended.last_state == STUCK
            && ended.document["stuck"].as_object().is_none_or(|stuck| stuck.len() != 1)
        {
            self.wrong.push("it does not say with what it is stuck".to_owned());
        }
    }

    /// Returns the status, the state and the error of the expected end. An undo, or the ending, that cannot
    /// be done fails the execution there.
    fn end(&self) -> (String, String, Option<String>) {
        let succeeded = |state: &str| ("SUCCEEDED".to_owned(), state.to_owned(), None);
        let failed = |state: String, error: &str| ("FAILED".to_owned(), state, Some(error.to_owned()));
        let stuck = self.expected.stuck.as_ref().map_or("", |stuck| &stuck.error);
        match (self.expected.end, self.expected.journal.last()) {
            (End::Completed, _) => succeeded("Completed"),
            (End::Compensated, _) => succeeded("Compensated"),
            (End::Stuck, Some(Entry { work: Work::Undo, step, .. })) => failed(format!("undo_{step}"), stuck),
            (End::Stuck, Some(Entry { work: Work::End, step, .. })) => failed(step.clone(), stuck),
            (End::Stuck, _) => failed(STUCK.to_owned(), error_type::STUCK),
        }
    }

    fn is_asked(&self, work: Work) -> bool {
        self.expected.journal.iter().any(|entry| entry.work == work)
    }

    /// The waits before the last step that was run; all of them, if every step was.
    fn waits(&self) -> Vec<String> {
        let is_run = |stage: &StageView| {
            let is_it = |entry: &Entry| stage.steps().iter().any(|step| step.name == entry.step);
            self.expected.journal.iter().any(|entry| entry.work == Work::Run && is_it(entry))
        };
        let stages = &self.plot.view.stages;
        let until = match self.expected.end {
            End::Completed => stages.len(),
            End::Compensated | End::Stuck => stages.iter().rposition(is_run).unwrap_or_default(),
        };
        let waits = stages[..until].iter().filter(|stage| matches!(stage, StageView::Wait { .. }));
        waits.map(|stage| stage.name().to_owned()).collect()
    }

    fn report(&self, there: &[Entry], here: &[Entry], ended: &Ended) -> String {
        let mut report = format!("{}: {}\n", self.expected.name, self.wrong.join("; "));
        for (who, entries) in [("in process", there), ("state machine", here)] {
            _ = writeln!(report, "  {who}:");
            for entry in entries {
                _ = writeln!(report, "    {entry}");
            }
        }
        _ = writeln!(
            report,
            "  {:?} in process, {} in {}",
            self.expected.end, ended.status, ended.last_state
        );
        report
    }
}

/// Returns the failed step and its error. The reason is the script's.
fn failure(unwound: &Unwound) -> (String, String) {
    (unwound.step.clone(), unwound.error_type.clone())
}

/// The steps of a group that were not over when another one failed.
fn abandoned(plot: &Plot, journal: &[Entry]) -> BTreeSet<&'static str> {
    let of_groups = |entry: &&Entry| entry.work == Work::Run && plot.group_of(&entry.step).is_some();
    // The first failure ends the group: it is the last that is known of it.
    let Some(last) = journal.iter().rfind(of_groups).filter(|last| last.result != Entry::DONE) else {
        return BTreeSet::new();
    };
    let is_over = |step: &str| {
        let mut entries = journal.iter().filter(|entry| entry.work == Work::Run && entry.step == step);
        entries.any(|entry| entry.result == Entry::DONE)
    };
    let group = plot.group_of(&last.step).unwrap_or_default();
    plot.steps_of(group).into_iter().filter(|step| *step != last.step && !is_over(step)).collect()
}

/// The entries, those of each group sorted: which branch is how far is left open.
fn in_order(plot: &Plot, entries: &[Entry]) -> Vec<Entry> {
    let mut entries = entries.to_vec();
    let group_of = |entry: &Entry| if entry.work == Work::Run { plot.group_of(&entry.step) } else { None };
    for group in entries.chunk_by_mut(|one, next| group_of(one).is_some() && group_of(one) == group_of(next))
    {
        group.sort_by(|one, other| (&one.step, one.attempt).cmp(&(&other.step, other.attempt)));
    }
    entries
}
