//! Compiles a saga to a state machine of Step Functions, in Amazon States Language.
//!
//! The machine only stores how far an execution is, waits, and decides by error names which state comes next. The
//! worker does everything else: its tasks are described by [`Task`](super::Task), its errors by [`error_type`].

mod retrying;
mod states;
mod unwinding;

use super::{DefinitionError, Saga, SagaView, StageView, StepView, Wait, Work, error_type};
use states::{Branch, Catcher, Choice, Condition, Machine, Parameters, Payload, Retrier, State, States};
use std::time::Duration;

/// The placeholder of the worker function's ARN: a `DefinitionSubstitution` of the template.
const WORKER: &str = "${WorkerArn}";
const COMPLETED: &str = "Completed";
const COMPENSATED: &str = "Compensated";
const STUCK: &str = "Stuck";

impl<P: Send + Sync + 'static> Saga<P> {
    /// Returns the state machine, in Amazon States Language: the same text for the same definition. `${WorkerArn}` in
    /// it stands for the worker function's ARN.
    ///
    /// # Errors
    /// The error that [`check`](Self::check) finds.
    pub fn states_language(&self) -> Result<String, DefinitionError> {
        self.check()?;
        let machine = Compiler { saga: self.view(), fingerprint: self.fingerprint() }.machine();
        Ok(serde_json::to_string_pretty(&machine).unwrap_or_default() + "\n")
    }

    /// Returns the number of state transitions that Step Functions bills for an execution that completes, if nothing is
    /// tried again and no conditional step runs.
    ///
    /// "Step Functions counts a state transition each time a step of your workflow is executed" (its pricing page):
    /// this counts every state that is entered, also one that decides, waits or ends. The start is counted as one more,
    /// since AWS does not say that it is free.
    pub fn transitions_of_success(&self) -> usize {
        let start_and_completed = 2;
        let of_branch = |step: &StepView| if step.only_if.is_some() { 2 } else { 1 };
        let of_stage = |stage: &StageView| match stage {
            // Either the step itself is entered, or the choice that skips it.
            StageView::Step(_) | StageView::Wait { wait: Wait::For(_), .. } => 1,
            StageView::Wait { wait: Wait::Until(_), .. } => 2,
            StageView::Parallel { steps, .. } => 1 + steps.iter().map(of_branch).sum::<usize>(),
        };
        start_and_completed + self.view().stages.iter().map(of_stage).sum::<usize>()
    }
}

struct Compiler {
    saga: SagaView,
    fingerprint: String,
}

/// Returns the name of the state in which a step is undone. No step's name begins so.
fn undo_of(step: &str) -> String {
    format!("undo_{step}")
}

/// Returns the name of the state that decides whether a step or a wait is entered. No name of a step or wait has a
/// hyphen.
fn choice_of(name: &str) -> String {
    format!("{name}-wanted")
}

/// Returns the name of the state in which the branch of a step ends that is not wanted.
fn end_without(step: &str) -> String {
    format!("{step}-not-wanted")
}

/// Returns the name of the first state of a stage.
fn start_of(stage: &StageView) -> String {
    match stage {
        StageView::Step(StepView { name, only_if: Some(_), .. })
        | StageView::Wait { name, wait: Wait::Until(_) } => choice_of(name),
        stage => stage.name().to_owned(),
    }
}

impl Compiler {
    fn machine(&self) -> Machine {
        let mut states = States::default();
        for (at, stage) in self.saga.stages.iter().enumerate() {
            self.add_stage(&mut states, at, stage);
        }
        states.add(COMPLETED, State::Succeed { output_path: None });
        self.add_unwinding(&mut states);
        states.add(STUCK, State::Fail { error: error_type::STUCK, cause: WHAT_TO_DO_WHEN_STUCK });
        Machine {
            comment: format!(
                "Generated from the saga `{}`, definition {}: change the saga, not this file.",
                self.saga.name, self.fingerprint
            ),
            start_at: self.saga.stages.first().map(start_of).unwrap_or_default(),
            states,
        }
    }

    /// Returns the name of the state that follows a stage.
    fn start_after(&self, at: usize) -> String {
        self.saga.stages.get(at + 1).map_or_else(|| COMPLETED.to_owned(), start_of)
    }

    fn add_stage(&self, states: &mut States, at: usize, stage: &StageView) {
        let next = self.start_after(at);
        match stage {
            StageView::Step(step) => {
                if let Some(field) = step.only_if {
                    states.add(choice_of(step.name), choose(step.name, field, is_true, next.clone()));
                }
                let catch = self.catch_of_step(at, step);
                states.add(step.name, self.run(step, catch, Some(next)));
            }
            StageView::Wait { name, wait: Wait::For(duration) } => {
                states.add(
                    *name,
                    State::Wait { seconds: Some(duration.as_secs()), timestamp_path: None, next },
                );
            }
            StageView::Wait { name, wait: Wait::Until(field) } => {
                // No `Catch` would see the error of a wait that cannot read its time.
                states.add(choice_of(name), choose(name, field, is_a_time, next.clone()));
                let timestamp_path = Some(format!("$.data.{field}"));
                states.add(*name, State::Wait { seconds: None, timestamp_path, next });
            }
            StageView::Parallel { name, steps } => {
                let branches = steps.iter().map(|step| self.branch(step)).collect();
                let catch = vec![
                    stuck_on(error_type::NOT_UNDERSTOOD, name),
                    failed_on("States.ALL", name, self.first_undo(at, true)),
                ];
                // The outputs of the branches are in the ledger.
                states.add(*name, State::Parallel { branches, result_path: (), catch, next });
            }
        }
    }

    /// Returns the branch of a step in a group. A failure leaves the branch under its own error name, and the group
    /// decides which state comes next.
    fn branch(&self, step: &StepView) -> Branch {
        let mut states = States::default();
        let mut start_at = step.name.to_owned();
        if let Some(field) = step.only_if {
            start_at = choice_of(step.name);
            states.add(start_at.clone(), choose(step.name, field, is_true, end_without(step.name)));
            states.add(step.name, self.run(step, Vec::new(), None));
            states.add(end_without(step.name), State::Succeed { output_path: Some(()) });
        } else {
            states.add(step.name, self.run(step, Vec::new(), None));
        }
        Branch { start_at, states }
    }

    /// Returns the catchers of a step. A rejected step changed nothing, so it is not undone. A step that failed
    /// otherwise may have happened, or may yet happen: even without an undo it is voided.
    fn catch_of_step(&self, at: usize, step: &StepView) -> Vec<Catcher> {
        let if_rejected =
            if step.is_undone_if_rejected() { undo_of(step.name) } else { self.first_undo(at, false) };
        vec![
            stuck_on(error_type::NOT_UNDERSTOOD, step.name),
            failed_on(error_type::REJECTED, step.name, if_rejected),
            failed_on("States.ALL", step.name, undo_of(step.name)),
        ]
    }

    fn run(&self, step: &StepView, catch: Vec<Catcher>, next: Option<String>) -> State {
        let retry = retrying::rendered(&self.saga.retriers_of(step, Work::Run));
        let payload = self.payload("run", step.name);
        match step.callback {
            None => task(payload, self.saga.task_time_limit(), retry, catch, next),
            Some(time_out) => {
                let task_token = Some("$$.Task.Token");
                // The time-out is not the time left until the deadline: a definition is refused whose waits do not all
                // fit before it, so that only retries can make it late; the next step then finds that the deadline has
                // passed. Lambda, not this time-out, reports a worker that died.
                task(Payload { task_token, ..payload }, time_out, retry, catch, next)
            }
        }
    }

    fn payload(&self, work: &'static str, step: &'static str) -> Payload {
        Payload {
            definition: self.fingerprint.clone(),
            work,
            step,
            execution: "$$.Execution.Name",
            started_at: "$$.Execution.StartTime",
            retries: "$$.State.RetryCount",
            task_token: None,
            document: "$",
        }
    }
}

fn task(
    payload: Payload,
    time_out: Duration,
    retry: Vec<Retrier>,
    catch: Vec<Catcher>,
    next: Option<String>,
) -> State {
    let resource = match payload.task_token {
        Some(_) => "arn:aws:states:::lambda:invoke.waitForTaskToken",
        None => "arn:aws:states:::lambda:invoke",
    };
    State::Task {
        resource,
        parameters: Parameters { function_name: WORKER, payload },
        // The output of a step is in the ledger: the machine's data stays the message that started it.
        result_path: (),
        output_path: next.is_none().then_some(()),
        timeout_seconds: retrying::whole_seconds(time_out),
        retry,
        catch,
        is_end: next.is_none().then_some(true),
        next,
    }
}

/// Returns a choice that enters the state `name` if a field of the input is present and meets the condition. A `null`
/// does not.
fn choose(
    name: &'static str,
    field: &str,
    as_it_should_be: fn(String) -> Condition,
    otherwise: String,
) -> State {
    let variable = format!("$.data.{field}");
    let is_there = Condition { variable: variable.clone(), is_present: Some(true), ..Condition::default() };
    let and = [is_there, as_it_should_be(variable)];
    State::Choice { choices: vec![Choice { and, next: name }], default: otherwise }
}

fn is_true(variable: String) -> Condition {
    Condition { variable, boolean_equals: Some(true), ..Condition::default() }
}

fn is_a_time(variable: String) -> Condition {
    Condition { variable, is_timestamp: Some(true), ..Condition::default() }
}

fn failed_on(error: &'static str, name: &str, next: String) -> Catcher {
    Catcher { error_equals: [error], result_path: format!("$.failed.{name}"), next }
}

fn stuck_on(error: &'static str, name: &str) -> Catcher {
    Catcher { error_equals: [error], result_path: format!("$.stuck.{name}"), next: STUCK.to_owned() }
}

const WHAT_TO_DO_WHEN_STUCK: &str = "For days no worker understood a task of this execution. This state's input \
    says under `stuck` which, and why. It cannot be redriven from here: finish by hand what it has begun.";

#[cfg(test)]
mod tests;
