//! The states that follow after a step failed for good: undos, the last step's first, and the ending.

use super::{
    COMPENSATED, Compiler, failed_on, retrying,
    states::{State, States},
    task, undo_of,
};
use crate::saga::{StageView, StepView, Work, error_type};

impl Compiler {
    /// Returns the state in which unwinding begins after a step of a stage failed: that of the stage itself, or of the
    /// stage before it.
    pub(super) fn first_undo(&self, at: usize, is_itself_undone: bool) -> String {
        let undos = self.saga.unwinding(at, is_itself_undone);
        undos.first().map_or_else(|| self.end_of_unwinding(), |step| undo_of(step.name))
    }

    fn end_of_unwinding(&self) -> String {
        self.saga.ending.as_ref().map_or(COMPENSATED, |ending| ending.name).to_owned()
    }

    /// Adds the states of the unwinding. Each of them can be reached: an undo by its own step's failure, the end by the
    /// first step's.
    pub(super) fn add_unwinding(&self, states: &mut States) {
        for (at, stage) in self.saga.stages.iter().enumerate().rev() {
            let mut undos = self.saga.unwinding(at, true).into_iter().take(stage.steps().len()).peekable();
            while let Some(step) = undos.next() {
                let next = undos.peek().map(|next| undo_of(next.name));
                let next = next.unwrap_or_else(|| self.first_undo(at, false));
                // In a group, the other steps are undone as well; a step that stood for itself has nothing else to
                // undo.
                let if_done = match stage {
                    StageView::Step(_) => self.start_after(at),
                    _ => next.clone(),
                };
                self.add_undo(states, step, next, if_done);
            }
        }
        if let Some(ending) = &self.saga.ending {
            let retry = retrying::rendered(&self.saga.retriers_of_ending(ending));
            let payload = self.payload("end", ending.name);
            let next = Some(COMPENSATED.to_owned());
            states.add(ending.name, task(payload, self.saga.task_time_limit(), retry, Vec::new(), next));
        }
        states.add(COMPENSATED, State::Succeed { output_path: None });
    }

    /// Adds the state that undoes a step. An undo that fails for good is not caught: the execution fails there and
    /// leaves the steps before it alone, which may still be needed. A redrive of the execution goes on with that very
    /// undo. A step without an undo that turns out to be done stays done.
    fn add_undo(&self, states: &mut States, step: &StepView, next: String, if_done: String) {
        let retry = retrying::rendered(&self.saga.retriers_of(step, Work::Undo));
        let payload = self.payload("undo", step.name);
        let if_done = (!step.has_undo).then(|| failed_on(error_type::DONE, step.name, if_done));
        let catch = if_done.into_iter().collect();
        states.add(undo_of(step.name), task(payload, self.saga.task_time_limit(), retry, catch, Some(next)));
    }
}
