//! A worker's commits: all decisions in one transaction, and the meaning of its answer for each.

use crate::{
    actions::{Action, Fate, Step},
    ledger::{Answer, Commit, Index, Obstacle, Parts, Reason},
    properties::Property,
    rules::Rule,
    state::{At, Cause, Stage, State, Task, Worker},
    steps::{Model, Move},
};

/// The commits that are sent together.
#[derive(Debug, Clone)]
struct Transaction {
    commits: Vec<Commit>,
    /// Its position in the plan.
    number: usize,
}

impl Model {
    pub(crate) fn commit_moves(&self, state: &State, worker: Index, moves: &mut Vec<Move>) {
        for transaction in self.transactions(&state.workers[worker]) {
            let of = usize::from(transaction.commits[0].attempt.serial);
            for fate in Fate::ALL {
                moves.push((
                    Step { action: Action::Commit(fate), of },
                    self.commit(state, &transaction, fate),
                ));
            }
        }
    }

    /// A worker sends one of its commits alone, or as many together as fit.
    fn transactions(&self, worker: &Worker) -> Vec<Transaction> {
        let ready = worker.tasks.iter().filter_map(Task::commit);
        let mut alone: Vec<_> =
            ready.map(|(commit, number)| Transaction { commits: vec![commit], number }).collect();
        let together = alone.iter().skip(1).fold(alone.first().cloned(), |together, next| {
            together.map(|together| self.join(together, next))
        });
        alone.extend(together.filter(|together| together.commits.len() > 1));
        alone
    }

    /// Adds a commit to a transaction if it fits.
    fn join(&self, mut together: Transaction, next: &Transaction) -> Transaction {
        let taken: Vec<_> = together.commits.iter().flat_map(Commit::items).collect();
        let is_apart = next.commits.iter().flat_map(Commit::items).all(|item| !taken.contains(&item));
        if together.number == next.number && (is_apart || !self.rules.hold(Rule::ItemsAppearOnce)) {
            together.commits.extend(next.commits.iter().cloned());
        }
        together
    }

    /// Commits. Who hears nothing sends the same again.
    fn commit(&self, state: &State, transaction: &Transaction, fate: Fate) -> State {
        let mut next = state.clone();
        if fate != Fate::RequestLost {
            let parts = Parts::plan(self.rules)[transaction.number];
            let answer = next.ledger.transact(&transaction.commits, parts, self.rules);
            let is_zombie = |commit: &Commit| state.ledger.is_held_by_another(&commit.attempt);
            if answer == Answer::Committed && self.is_leased() && transaction.commits.iter().any(is_zombie) {
                next.breach = Some(Property::ZombieWrite);
            }
            if fate == Fate::Answered {
                self.hear(&mut next, transaction, &answer);
                return next;
            }
        }
        if !self.rules.hold(Rule::UnknownIsNotSuccess) {
            self.hear(&mut next, transaction, &Answer::Committed);
        }
        next
    }

    fn hear(&self, state: &mut State, transaction: &Transaction, answer: &Answer) {
        for (index, commit) in transaction.commits.iter().enumerate() {
            let Some(at) = state.find(&commit.attempt) else { continue };
            match answer {
                Answer::Committed => self.advance(state, at, transaction.number),
                Answer::Invalid => state.enter(at, Stage::Rejecting(Cause::Malformed)),
                Answer::Cancelled(reasons) => {
                    let own = reasons[index];
                    let any = reasons.iter().flatten().next().copied();
                    let reason = if self.rules.hold(Rule::ReasonsSettleEach) { own } else { any };
                    // What had no reason of its own was not written either: it is sent again.
                    if let Some(reason) = reason {
                        self.understand(state, at, commit, transaction.number, reason);
                    }
                }
            }
        }
    }

    fn understand(&self, state: &mut State, at: At, commit: &Commit, number: usize, reason: Reason) {
        match reason {
            Reason::Happened => self.advance(state, at, number),
            Reason::Obstacle(obstacle) => {
                if obstacle == Obstacle::Duplicate && state.ledger.is_finished_by(&commit.attempt) {
                    state.breach = Some(Property::DisownedWork);
                }
                self.meet(state, at, obstacle);
            }
            Reason::LeaseLost => self.hand_back(state, at),
            Reason::Conflict => self.decide_again(state, at, commit, number),
        }
    }

    /// This transaction of the plan is written: on to the next, if there is one.
    fn advance(&self, state: &mut State, at: At, number: usize) {
        if number + 1 == Parts::plan(self.rules).len() {
            self.settle(state, at);
        } else if let Stage::Committing { written, .. } = &mut state.workers[at.worker].tasks[at.task].stage {
            *written = number + 1;
        }
    }

    /// An entity is no longer what it was. A leased handler has touched the outside world: its next
    /// delivery decides again, not this one.
    fn decide_again(&self, state: &mut State, at: At, commit: &Commit, written: usize) {
        if !self.rules.hold(Rule::ConflictsDecideAgain) {
            let mut save = commit.save;
            save.was.version = state.ledger.entities[save.entity].version;
            state.enter(at, Stage::Committing { save, reads: commit.reads.clone(), written });
        } else if commit.attempt.leased_until.is_some() {
            *state = self.fail(state, at);
        } else {
            state.enter(at, Stage::Running);
        }
    }
}
