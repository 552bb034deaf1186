//! The way of one record through one worker, step by step. How it commits is in `commits`.

use crate::{
    actions::{Action, Fate, Step},
    ledger::{Attempt, Obstacle},
    properties::Property,
    rules::Rule,
    scenarios::Handler,
    state::{At, Cause, Stage, State, Task},
    steps::{Model, Move},
};

impl Model {
    pub(crate) fn task_moves(&self, state: &State, at: At, task: &Task, moves: &mut Vec<Move>) {
        let of = usize::from(task.attempt.serial);
        let mut push = |action, next| moves.push((Step { action, of }, next));
        match &task.stage {
            Stage::Behind => {}
            Stage::Inspecting => push(Action::Inspect, self.inspect(state, at, Stage::Running)),
            Stage::Taking => {
                for fate in Fate::ALL {
                    push(Action::Take(fate), self.take(state, at, fate));
                }
            }
            Stage::Running => match self.scenario.handler {
                Handler::Charges => push(Action::Call, self.call(state, at)),
                Handler::GoesOffCall => push(Action::Load, self.load_the_other(state, at)),
                Handler::Adds | Handler::Settles => push(Action::LoadAndDecide, self.decide(state, at)),
            },
            Stage::Reading(_) => push(Action::LoadAndDecide, self.decide(state, at)),
            Stage::Calling => {
                push(Action::CallSucceeds, self.decide(state, at));
                push(Action::CallFails, self.fail(state, at));
            }
            Stage::Committing { .. } => {
                push(Action::HandBack, self.fail(state, at));
                if !self.rules.hold(Rule::CommitBeforeAcknowledgement) {
                    push(Action::Acknowledge, acknowledged(state, task));
                }
            }
            Stage::Judging(cause) => {
                push(Action::Judge, self.judge(state, at, *cause));
                if !self.rules.hold(Rule::RecallIsConsistent) {
                    push(Action::Judge, entered(state, at, Stage::Rejecting(*cause)));
                }
            }
            Stage::Rejecting(cause) => {
                for fate in Fate::ALL {
                    push(Action::DeadLetter(fate), self.dead_letter(state, at, *cause, fate));
                }
                if !self.rules.hold(Rule::DeadLetterBeforeAcknowledgement) {
                    push(Action::Acknowledge, acknowledged(state, task));
                }
            }
            Stage::Settled => {
                let mut next = acknowledged(state, task);
                next.keep(at.worker, |other| other.attempt.serial != task.attempt.serial);
                push(Action::Acknowledge, next);
            }
            Stage::Releasing => {
                let mut next = state.clone();
                self.release(&mut next, &task.attempt);
                self.hand_back(&mut next, at);
                push(Action::Release, next);
            }
        }
    }

    /// Looks the claim up; `otherwise` is next if nothing stands in the way.
    fn inspect(&self, state: &State, at: At, otherwise: Stage) -> State {
        match state.ledger.inspect(&state.task(at).attempt, self.rules) {
            Some(obstacle) => {
                let mut next = state.clone();
                self.meet(&mut next, at, obstacle);
                next
            }
            None => entered(state, at, otherwise),
        }
    }

    /// Takes the claim. Who hears nothing sends the same again.
    fn take(&self, state: &State, at: At, fate: Fate) -> State {
        let mut next = state.clone();
        if fate == Fate::RequestLost {
            return next;
        }
        let taken = next.ledger.take(&state.task(at).attempt, self.rules);
        match taken {
            _ if fate == Fate::AnswerLost => {}
            Ok(()) => next.enter(at, Stage::Running),
            Err(obstacle) => self.meet(&mut next, at, obstacle),
        }
        next
    }

    /// Draws the conclusion from what stands in the way.
    pub(crate) fn meet(&self, state: &mut State, at: At, obstacle: Obstacle) {
        let is_finished = state.ledger.is_finished(state.task(at).attempt.identity);
        match obstacle {
            Obstacle::Duplicate => self.settle(state, at),
            Obstacle::Mismatch if is_finished => state.enter(at, Stage::Rejecting(Cause::Mismatch)),
            Obstacle::Mismatch => state.enter(at, Stage::Rejecting(Cause::PrematureMismatch)),
            Obstacle::Busy { .. } => {
                state.breach = self.needless_wait(state, at).or(state.breach);
                self.hand_back(state, at);
            }
        }
    }

    fn needless_wait(&self, state: &State, at: At) -> Option<Property> {
        let attempt = &state.task(at).attempt;
        let claim = state.ledger.claims[attempt.identity].as_ref()?;
        let batch = &state.workers[at.worker].tasks;
        if batch.iter().any(|task| task.attempt.serial == claim.serial) {
            return Some(Property::WaitedForItself);
        }
        let began = claim.expires_at - self.claim_lifetime();
        (began < attempt.now).then_some(Property::WaitedForNobody)
    }

    /// The request reaches the provider, which charges once for each idempotency key.
    fn call(&self, state: &State, at: At) -> State {
        let mut next = entered(state, at, Stage::Calling);
        let charged = &mut next.ledger.effects[state.task(at).event].charged;
        *charged = if self.rules.hold(Rule::IdempotencyKeyIsTheMessages) { 1 } else { *charged + 1 };
        next
    }

    /// Loads the other entity. Entities that are loaded together need not be of the same moment.
    fn load_the_other(&self, state: &State, at: At) -> State {
        let own = self.scenario.events[state.task(at).event].entity;
        entered(state, at, Stage::Reading(state.ledger.load(1 - own)))
    }

    /// Loads what it will save, and decides.
    fn decide(&self, state: &State, at: At) -> State {
        let task = state.task(at);
        let event = &self.scenario.events[task.event];
        let save = state.ledger.load(event.entity);
        let read = if let Stage::Reading(read) = task.stage { Some(read) } else { None };
        let refusal = match self.scenario.handler {
            _ if event.is_poisoned && !state.is_fixed => Some(Cause::Poisoned),
            Handler::Settles | Handler::GoesOffCall if save.was.has_change_of(task.event) => {
                Some(Cause::AlreadyDone)
            }
            Handler::GoesOffCall if read.is_some_and(|other| other.was.changed_by != 0) => {
                Some(Cause::Forbidden)
            }
            _ => None,
        };
        let decided = Stage::Committing { save, reads: read.into_iter().collect(), written: 0 };
        let mut next = entered(state, at, refusal.map_or(decided, Stage::Judging));
        if task.was_finished {
            next.breach = Some(Property::RanForNothing);
        }
        next
    }

    /// An optimistic handler that fails may do so because its work is done. A leased one holds its claim:
    /// it gives it back.
    fn judge(&self, state: &State, at: At, cause: Cause) -> State {
        let attempt = &state.task(at).attempt;
        // Of what cannot be read no claim was taken.
        if cause == Cause::Unread {
            return self.inspect(state, at, Stage::Rejecting(cause));
        }
        if attempt.leased_until.is_none() && self.rules.hold(Rule::FailureIsRecalled) {
            return self.inspect(state, at, Stage::Rejecting(cause));
        }
        let mut next = entered(state, at, Stage::Rejecting(cause));
        if attempt.leased_until.is_some() {
            self.release(&mut next, attempt);
        }
        next
    }

    fn dead_letter(&self, state: &State, at: At, cause: Cause, fate: Fate) -> State {
        let mut next = state.clone();
        let task = state.task(at);
        if fate != Fate::RequestLost {
            next.file_letter(task.event, cause);
            if cause == Cause::Unread && task.was_finished {
                next.breach = Some(Property::GivenUp);
            }
        }
        if fate == Fate::Answered {
            if !self.rules.hold(Rule::RejectedLeavesNoClaim) {
                next.ledger.leave_claim(&task.attempt);
            }
            self.settle(&mut next, at);
        }
        next
    }

    /// A task's verdict is known. Its twins inherit it, unless they say something else; in a FIFO group it
    /// is the next one's turn.
    pub(crate) fn settle(&self, state: &mut State, at: At) {
        let settled = state.task(at).attempt.clone();
        state.enter(at, Stage::Settled);
        for behind in &mut state.workers[at.worker].tasks {
            let is_twin = behind.attempt.identity == settled.identity;
            if behind.stage == Stage::Behind && (is_twin || self.scenario.is_fifo) {
                let inherits = is_twin && behind.attempt.payload == settled.payload;
                behind.stage = if inherits { Stage::Settled } else { self.first_stage(&behind.attempt) };
            }
        }
    }

    /// The attempt is over, and its message is to be delivered again.
    pub(crate) fn fail(&self, state: &State, at: At) -> State {
        if state.task(at).attempt.leased_until.is_some() {
            return entered(state, at, Stage::Releasing);
        }
        let mut next = state.clone();
        self.hand_back(&mut next, at);
        next
    }

    /// A task ends without a verdict, and its twins with it: the source will deliver them again. In a FIFO
    /// group nothing overtakes it.
    pub(crate) fn hand_back(&self, state: &mut State, at: At) {
        let Attempt { identity, serial, .. } = state.task(at).attempt;
        let is_group = self.scenario.is_fifo && self.rules.hold(Rule::GroupsAreHeldBack);
        let goes_along = |task: &Task| is_group || task.attempt.identity == identity;
        for overtaking in &mut state.workers[at.worker].tasks {
            if overtaking.stage == Stage::Behind && !goes_along(overtaking) && self.scenario.is_fifo {
                overtaking.stage = self.first_stage(&overtaking.attempt);
            }
        }
        state.keep(at.worker, |task| {
            task.attempt.serial != serial && (task.stage != Stage::Behind || !goes_along(task))
        });
    }

    pub(crate) fn release(&self, state: &mut State, attempt: &Attempt) {
        let is_anothers = state.ledger.is_held_by_another(attempt);
        state.ledger.release(attempt, self.rules);
        if is_anothers && state.ledger.claims[attempt.identity].is_none() {
            state.breach = Some(Property::ZombieWrite);
        }
    }
}

fn entered(state: &State, at: At, stage: Stage) -> State {
    let mut next = state.clone();
    next.enter(at, stage);
    next
}

fn acknowledged(state: &State, task: &Task) -> State {
    let mut next = state.clone();
    next.records[task.record].is_acknowledged = true;
    next
}
