//! The possible next steps, in any order: the source delivers, the world goes on, workers work or die.

use crate::{
    actions::{Action, Step},
    ledger::{Attempt, Index, Time},
    rules::{Rule, Rules},
    scenarios::{Handler, Scenario},
    state::{Cause, Orphan, Record, Stage, State, Task, Worker},
};

/// A world and the rules that hold in it.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) scenario: Scenario,
    pub(crate) rules: Rules,
}

/// A step and where it leads.
pub(crate) type Move = (Step, State);

impl Model {
    pub(crate) fn moves(&self, state: &State) -> Vec<Move> {
        let mut moves = Vec::new();
        self.source_moves(state, &mut moves);
        self.world_moves(state, &mut moves);
        for worker in 0..state.workers.len() {
            self.worker_moves(state, worker, &mut moves);
        }
        for (at, task) in state.tasks() {
            self.task_moves(state, at, task, &mut moves);
        }
        moves
    }

    /// The source delivers what is not acknowledged, alone or two records together; a FIFO group only from
    /// its first record on.
    fn source_moves(&self, state: &State, moves: &mut Vec<Move>) {
        let waiting: Vec<Index> =
            (0..state.records.len()).filter(|record| !state.records[*record].is_acknowledged).collect();
        let alone = waiting.iter().map(|record| vec![*record]);
        let together = waiting
            .iter()
            .enumerate()
            .flat_map(|(at, record)| waiting[at + 1..].iter().map(|next| vec![*record, *next]));
        for batch in alone.chain(together) {
            if batch.len() <= self.scenario.batch
                && (!self.scenario.is_fifo || waiting.starts_with(&batch))
                && batch.iter().all(|record| self.may_deliver(state, *record))
            {
                moves.push(self.deliver(state, &batch));
            }
        }
    }

    fn may_deliver(&self, state: &State, record: Index) -> bool {
        let Record { event, deliveries, .. } = state.records[record];
        deliveries < self.scenario.deliveries && self.scenario.events[event].delivered.contains(&state.now)
    }

    fn deliver(&self, state: &State, batch: &[Index]) -> Move {
        let mut next = state.clone();
        let mut tasks = Vec::<Task>::new();
        for &record in batch {
            let task = self.open(&mut next, record);
            let is_twin = tasks.iter().any(|other| other.attempt.identity == task.attempt.identity);
            let is_next = self.scenario.is_fifo && !tasks.is_empty();
            let is_behind = is_next || (is_twin && self.rules.hold(Rule::TwinsAreGrouped));
            tasks.push(if is_behind { Task { stage: Stage::Behind, ..task } } else { task });
        }
        next.workers.push(Worker { tasks });
        (Step { action: Action::Deliver, of: usize::from(state.attempts) }, next)
    }

    fn open(&self, state: &mut State, record: Index) -> Task {
        let Record { event, deliveries, .. } = state.records[record];
        let described = &self.scenario.events[event];
        let attempt = Attempt {
            identity: described.identity,
            payload: described.payload,
            serial: state.attempts,
            number: deliveries + 1,
            now: state.now,
            leased_until: self.is_leased().then_some(state.now + self.lease()),
            expires_at: state.now + self.claim_lifetime(),
        };
        state.records[record].deliveries += 1;
        state.attempts += 1;
        let was_finished = attempt.number > 1 && state.has_effects(event);
        let stage = match state.is_type_changed && described.is_outgrown {
            true if self.rules.hold(Rule::UnreadIsRecalled) => Stage::Judging(Cause::Unread),
            true => Stage::Rejecting(Cause::Unread),
            false => self.first_stage(&attempt),
        };
        Task { record, event, attempt, was_finished, stage }
    }

    pub(crate) fn first_stage(&self, attempt: &Attempt) -> Stage {
        if attempt.leased_until.is_some() {
            Stage::Taking
        } else if attempt.number > 1 && self.rules.hold(Rule::RedeliveredIsRecalled) {
            Stage::Inspecting
        } else {
            Stage::Running
        }
    }

    pub(crate) fn is_leased(&self) -> bool {
        self.scenario.handler == Handler::Charges && self.rules.hold(Rule::ClaimBeforeCall)
    }

    /// An invocation lasts one unit of time, and so does its lease.
    fn lease(&self) -> Time {
        match (self.rules.hold(Rule::LeaseIsNotShorter), self.rules.hold(Rule::LeaseIsNotLonger)) {
            (false, _) => 0,
            (_, false) => 2,
            _ => 1,
        }
    }

    pub(crate) fn claim_lifetime(&self) -> Time {
        if self.rules.hold(Rule::ClaimsOutliveRedelivery) { self.scenario.claim_lifetime } else { 1 }
    }

    /// Time passes, the sweeper deletes expired claims sooner or later, operators deploy and mend what is broken.
    fn world_moves(&self, state: &State, moves: &mut Vec<Move>) {
        if state.now < self.scenario.end {
            moves.push((Step { action: Action::Tick, of: usize::from(state.now) }, self.tick(state)));
        }
        if !state.is_type_changed && self.scenario.events.iter().any(|event| event.is_outgrown) {
            let next = State { is_type_changed: true, ..state.clone() };
            moves.push((Step { action: Action::ChangeType, of: 0 }, next));
        }
        for (identity, claim) in state.ledger.claims.iter().enumerate() {
            if claim.as_ref().is_some_and(|claim| claim.expires_at <= state.now) {
                let mut next = state.clone();
                next.ledger.claims[identity] = None;
                moves.push((Step { action: Action::Sweep, of: identity }, next));
            }
        }
        for &(event, cause) in &state.letters {
            if cause == Cause::Poisoned && !state.is_fixed {
                moves
                    .push((Step { action: Action::FixAndRedrive, of: event }, fix_and_redrive(state, event)));
            }
        }
    }

    /// An invocation ends at its deadline with whatever it was doing, calls included. A zombie does not.
    fn tick(&self, state: &State) -> State {
        let mut next = state.clone();
        next.now += 1;
        next.orphans.retain(|orphan| orphan.until > next.now);
        if !self.scenario.has_zombies {
            next.workers.retain(|worker| worker.deadline() > next.now);
        }
        next
    }

    /// A worker is killed, or hands everything back because its deadline is near, or commits.
    fn worker_moves(&self, state: &State, worker: Index, moves: &mut Vec<Move>) {
        let tasks = &state.workers[worker].tasks;
        let of = usize::from(tasks[0].attempt.serial);
        let mut abandoned = state.clone();
        abandon(&mut abandoned, worker);
        moves.push((Step { action: Action::Crash, of }, abandoned.clone()));
        if self.is_leased() {
            if !self.rules.hold(Rule::LeaseIsKeptAtDeadline) {
                for task in tasks {
                    self.release(&mut abandoned, &task.attempt);
                }
            }
            moves.push((Step { action: Action::Deadline, of }, abandoned));
        }
        self.commit_moves(state, worker, moves);
    }

    /// Returns the outcome of a record that is delivered once more and is not disturbed: a leased one after every lease
    /// has ended. `None` if the source would not deliver it any more.
    pub(crate) fn undisturbed(&self, state: &State, record: Index) -> Option<State> {
        let mut state = if self.is_leased() { self.tick(state) } else { state.clone() };
        let event = &self.scenario.events[state.records[record].event];
        if !event.delivered.contains(&state.now) {
            return None;
        }
        (_, state) = self.deliver(&state, &[record]);
        while !state.workers.is_empty() {
            let mut moves = self.moves(&state).into_iter();
            (_, state) = moves.find(|(step, _)| step.action.goes_well())?;
        }
        Some(state)
    }
}

/// A worker is gone. What it asked of the world outside may go on until its invocation would have ended.
fn abandon(state: &mut State, worker: Index) {
    let gone = state.workers.remove(worker);
    let calling = gone.tasks.iter().filter(|task| task.stage == Stage::Calling);
    state.orphans.extend(calling.map(|task| Orphan { event: task.event, until: gone.deadline() }));
    state.orphans.sort_unstable();
}

/// A redriven message is a new record of the source.
fn fix_and_redrive(state: &State, event: Index) -> State {
    let mut next = state.clone();
    next.is_fixed = true;
    next.letters.retain(|(letter, _)| *letter != event);
    next.records.push(Record { event, deliveries: 0, is_acknowledged: false });
    next
}
