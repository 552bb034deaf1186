//! What comes after a step failed for good: undos, the last step's first, and the ending.

use super::{
    COMPENSATED, Compiler, is_callback,
    retrying::Patience,
    states::{Catcher, State, States},
    stuck_on, task, undo_of,
};
use crate::saga::definition::{Stage, Step};

/// The undos of a group in their order. The callbacks that only need to be told that nobody waits any more
/// come first: whoever fails later, when they were answered, begins after them.
fn undos_of_group<P>(steps: &[Step<P>]) -> impl Iterator<Item = &Step<P>> {
    let to_void = steps.iter().rev().filter(|step| step.undo.is_none() && is_callback(step));
    let to_undo = steps.iter().rev().filter(|step| step.undo.is_some());
    to_void.chain(to_undo)
}

impl<P> Compiler<'_, P> {
    /// Where unwinding begins if everything before a stage is done.
    pub(super) fn unwinding_before(&self, at: usize) -> String {
        let done = self.saga.stages.iter().take(at).rev().flat_map(|stage| {
            match stage {
                Stage::Step(step) => std::slice::from_ref(step),
                Stage::Parallel { steps, .. } => steps,
                Stage::Wait { .. } => &[],
            }
            .iter()
            .rev()
        });
        match done.into_iter().find(|step| step.undo.is_some()) {
            Some(step) => undo_of(step.name),
            None => self.end_of_unwinding(),
        }
    }

    /// Where unwinding begins if a step of a group failed: which of the others are done is not known.
    pub(super) fn unwinding_of_group(&self, at: usize, steps: &[Step<P>]) -> String {
        match undos_of_group(steps).next() {
            Some(step) => undo_of(step.name),
            None => self.unwinding_before(at),
        }
    }

    fn end_of_unwinding(&self) -> String {
        self.saga.ending.as_ref().map_or(COMPENSATED, |ending| ending.name).to_owned()
    }

    /// Every state of the unwinding can be reached: an undo by its own step's failure, the end by the first
    /// step's.
    pub(super) fn add_unwinding(&self, states: &mut States) {
        for (at, stage) in self.saga.stages.iter().enumerate().rev() {
            match stage {
                Stage::Step(step) if step.undo.is_some() || is_callback(step) => {
                    self.add_undo(states, step, self.unwinding_before(at));
                }
                Stage::Parallel { steps, .. } => {
                    let mut undos = undos_of_group(steps).peekable();
                    while let Some(step) = undos.next() {
                        let next = undos.peek().map(|next| undo_of(next.name));
                        self.add_undo(states, step, next.unwrap_or_else(|| self.unwinding_before(at)));
                    }
                }
                Stage::Step(_) | Stage::Wait { .. } => {}
            }
        }
        if let Some(ending) = &self.saga.ending {
            let patience = Patience { retry: ending.retry, lease: self.saga.worker_time_limit };
            let payload = self.payload("end", ending.name);
            let (catch, next) = (stuck_on_all(ending.name), Some(COMPENSATED.to_owned()));
            states.add(ending.name, task(payload, self.longest_task(), patience.with_a_task(), catch, next));
        }
        states.add(COMPENSATED, State::Succeed {});
    }

    fn add_undo(&self, states: &mut States, step: &Step<P>, next: String) {
        let patience = Patience { retry: step.undo_retry, lease: step.time_limit };
        let payload = self.payload("undo", step.name);
        let catch = stuck_on_all(step.name);
        let state = task(payload, self.longest_task(), patience.with_a_task(), catch, Some(next));
        states.add(undo_of(step.name), state);
    }
}

/// An undo that cannot be done leaves those before it alone: what they undo may still be needed.
fn stuck_on_all(name: &str) -> Vec<Catcher> {
    vec![stuck_on("States.ALL", name)]
}
